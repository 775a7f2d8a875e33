#include "commands.hpp"
#include "drivers.hpp"
#include "report.hpp"

#include <boost/json/object.hpp>

#include <iostream>
#include <string>

namespace visor_program {
namespace {

constexpr option list_options[] = {json_option};

int list(invocation const& arguments) {
  table rows({"DRIVER", "LIBRARY", "LASTS", "NODES", "TLS"});
  boost::json::array all;
  for (auto const* const driver : drivers()) {
    std::string const lasts = driver->lasts ? "yes" : "no";
    std::string const nodes = driver->several_nodes ? "several" : "1";
    std::string const tls = driver->has_tls ? "yes" : "not needed";
    rows.add({std::string(driver->name), driver->library(), lasts, nodes, tls});
    all.emplace_back(
        boost::json::object{{"name", driver->name}, {"library", driver->library()}, {"lasts", lasts}, {"nodes", nodes}, {"tls", tls}});
  }
  if (arguments.has("json"))
    print_json(std::cout, all);
  else
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
