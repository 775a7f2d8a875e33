#include "commands.hpp"
#include "drivers.hpp"
#include "report.hpp"

#include <boost/json/object.hpp>

#include <iostream>

namespace visor_program {
namespace {

constexpr option list_options[] = {json_option};

int list(invocation const& given) {
  if (given.has("json")) {
    boost::json::array all;
    for (auto const* const driver : drivers()) {
      boost::json::object entry{{"name", driver->name}, {"library", driver->library()}};
      for (auto const& [fact, value] : driver->facts) entry[fact] = value;
      all.emplace_back(std::move(entry));
    }
    print_json(std::cout, all);
    return 0;
  }
  std::vector<std::string> header{"DRIVER", "LIBRARY"};
  for (auto const& [fact, _] : drivers().front()->facts) {
    header.push_back(fact);
    for (char& c : header.back()) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  table rows(header);
  for (auto const* const driver : drivers()) {
    std::vector<table::cell> row{std::string(driver->name), driver->library()};
    for (auto const& [_, value] : driver->facts) row.emplace_back(value);
    rows.add(std::move(row));
  }
  rows.print(std::cout);
  return 0;
}

}  // namespace

constinit command const drivers_commands[1] = {{"",
                                                "Lists the databases that this program can use",
                                                "The one in use is set by scheduler.storage.driver in the configuration.",
                                                "visor drivers --json",
                                                {},
                                                list_options,
                                                list}};

}  // namespace visor_program
