#include "commands.hpp"
#include "configuration.hpp"
#include "drivers.hpp"
#include "report.hpp"
#include "words.hpp"
#include "workflows.hpp"

#include "visor/config/describe.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <string_view>

namespace visor_program {
namespace {

constexpr argument file_argument[] = {{"file", false}};
constexpr option check_options[] = {config_option};
constexpr option show_options[] = {config_option, {"changed", "", "only what is not a default"}, json_option};

int check(invocation const& arguments) {
  invocation named = arguments;
  if (!arguments.arguments.empty()) {
    if (arguments.has("config")) throw usage_error("<file> and --config cannot be given together");
    named.options["config"] = {arguments.argument(0)};
  }
  auto const config = read_configuration(named);
  if (auto const* const driver = driver_in_program(config.settings.storage.driver))
    driver->display_name(config.settings);
  else
    std::cerr << "visor: note: the driver " << word(config.settings.storage.driver)
              << " was not built into this program: it can check this configuration, and not use it\n";
  for (auto const& each : config.settings.ignored) std::cerr << "visor: note: " << escaped(each) << '\n';
  std::vector<std::string> unchecked;
  job_types_of(config.settings, unchecked);  // faults that only show when workflows are made ready
  for (auto const& each : unchecked) std::cerr << "visor: note: " << escaped(each) << '\n';
  for (auto const& each : ended_schedules(schedules_of(config.settings))) std::cerr << "visor: note: " << escaped(each) << '\n';
  auto const count = [](std::size_t number, std::string const& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
  };
  std::cout << (config.file.empty() ? "no configuration here, the defaults" : escaped(config.file)) << ": valid, "
            << count(config.settings.cron.size(), "schedule") << ", " << count(config.settings.workflows.size(), "workflow") << '\n';
  return 0;
}

/// Whether an existing connection string replaces this setting.
bool is_in_connection_string(std::string_view path) {
  constexpr std::string_view parts[] = {"host", "port", "database", "user", "password"};
  constexpr std::string_view connection = "scheduler.storage.connection.";
  return path.starts_with(connection) && std::ranges::find(parts, path.substr(connection.size())) != std::end(parts);
}

int show(invocation const& arguments) {
  auto const config = read_configuration(arguments);
  table rows({"KEY", "VALUE", "SOURCE"});
  boost::json::array all;
  bool const has_string = !config.settings.storage.connection.connection_string.empty();
  auto const* const driver = driver_in_program(config.settings.storage.driver);
  for (auto setting : visor::describe(config.settings)) {
    if (has_string && is_in_connection_string(setting.path)) continue;
    // The connection string without its password, which only a driver can find in it.
    if (has_string && driver != nullptr && setting.path == "scheduler.storage.connection.connection_string")
      setting.value = driver->display_name(config.settings);
    auto const from = visor::to_string(setting.from);
    if (arguments.has("changed") && from == "default") continue;
    rows.add({setting.path, setting.value, {from, from == "default" ? colour::faint : colour::none}});
    all.emplace_back(boost::json::object{{"key", setting.path}, {"value", setting.value}, {"source", from}});
  }
  if (arguments.has("json"))
    print_json(std::cout, all);
  else
    rows.print(std::cout);
  return 0;
}

}  // namespace

constinit command const config_commands[2] = {
    {"check", "Reads the configuration and says everything that is wrong with it",
     "Commands and working directories are looked for on this machine too. Without a file that of --config is\n"
     "checked, or the one that the other commands would use.",
     "visor config check visor.yaml", file_argument, check_options, check},
    {"show",
     "Shows every value in force and where it comes from",
     "Secrets are masked. Of a connection string its server, user, database and the TLS in force are shown.",
     "visor config show --config visor.yaml --changed",
     {},
     show_options,
     show},
};

}  // namespace visor_program
