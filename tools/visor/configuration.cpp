#include "configuration.hpp"

#include "ask.hpp"
#include "drivers.hpp"
#include "report.hpp"
#include "words.hpp"

#include "visor/base/text.hpp"
#include "visor/config/yaml.hpp"
#include "visor/zone.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace visor_program {
namespace {

constexpr char const* default_files[] = {".visor.yaml", "visor.yaml"};

/// Empty when there is none.
std::string find_file(invocation const& given) {
  if (auto const named = given.text("config")) {
    if (named->empty()) throw usage_error("--config needs the name of a file");
    return *named;
  }
  if (char const* const named = std::getenv("VISOR_CONFIG"); named != nullptr && *named != '\0') return named;
  std::error_code ignored;
  for (auto const* const file : default_files)
    if (std::filesystem::exists(file, ignored)) return file;
  return {};
}

std::vector<visor::setting_flag> flags_of(invocation const& given) {
  std::vector<visor::setting_flag> flags;
  for (auto const& each : given.known) {
    if (each.setting.empty()) continue;
    if (auto const value = given.text(each.name)) {
      std::string const name = "--" + std::string(each.name);
      if (value->empty()) throw usage_error(name + " is empty");
      flags.push_back({name, std::string(each.setting), *value});
    }
  }
  given.number("port", 1, 65'535);  // a number that is none is a mistake of the command line
  return flags;
}

/// Only a driver can read a connection string. What it has to say belongs to where the string came from.
void check_connection_string(visor::settings const& given) {
  auto const found = given.sources.find("scheduler.storage.connection.connection_string");
  auto const* const driver = driver_in_program(given.storage.driver);
  if (found == given.sources.end() || driver == nullptr) return;
  try {
    driver->place(given);
  } catch (visor::error const& wrong) {
    if (!wrong.message().starts_with(found->first)) throw;
    throw failure(to_string(found->second) + ": " + wrong.message());
  }
}

}  // namespace

driver_entry const* driver_in_program(visor::storage_driver which) {
  for (auto const* const each : drivers())
    if (each->name == word(which)) return each;
  return nullptr;
}

configuration read_configuration(invocation const& given) {
  auto const flags = flags_of(given);
  configuration result;
  result.file = find_file(given);
  result.settings = result.file.empty() ? visor::parse_settings("", "", visor::process_environment(), flags)
                                        : visor::load_settings(result.file, visor::process_environment(), flags);
  check_connection_string(result.settings);
  return result;
}

visor::workflow const& find_workflow(configuration const& from, std::string const& name) {
  if (auto const* const found = from.settings.find_workflow(name)) return *found;
  if (from.file.empty())
    throw failure("there is no workflow " + in_quotes(name) + ": there is no configuration here; name one with --config or $VISOR_CONFIG");
  std::vector<std::string_view> names;
  for (auto const& each : from.settings.workflows) names.push_back(each.name);
  std::string known;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 10); ++i) (known += i == 0 ? "" : ", ") += names[i];
  throw failure("there is no workflow " + in_quotes(name) + " in " + escaped(from.file) + suggestion(name, names) +
                (names.empty() ? " (it has none)" : " (it has: " + escaped(known) + (names.size() > 10 ? ", ..." : "") + ")"));
}

std::shared_ptr<storage> open_storage(configuration const& from) {
  auto const& found = find_driver(from.settings.storage.driver);
  if (!found.lasts)
    throw failure("the driver " + std::string(found.name) + " keeps its data inside of one 'visor run': no other command can see it; set " +
                  "scheduler.storage.driver to one of: " + lasting_drivers());
  return opened(found.store(from.settings, {}));
}

std::shared_ptr<storage> look_at_storage(configuration const& from) {
  auto const& found = find_driver(from.settings.storage.driver);
  if (found.is_missing != nullptr && found.is_missing(from.settings)) {
    std::cerr << "visor: note: there is no database yet: " << escaped(found.place(from.settings)) << '\n';
    return nullptr;
  }
  return open_storage(from);
}

std::string inputs_as_json(std::vector<std::string> const& words) {
  boost::json::object inputs;
  for (auto const& word : words) {
    auto const equals = word.find('=');
    if (equals == std::string::npos || equals == 0) throw usage_error("--inputs cannot be " + in_quotes(word) + ": name=value is wanted");
    if (!visor::is_storable_text(word)) throw failure("--inputs " + in_quotes(word) + " is not UTF-8 text: nothing was stored");
    auto const [_, is_new] = inputs.emplace(word.substr(0, equals), word.substr(equals + 1));
    if (!is_new) throw usage_error("--inputs has " + in_quotes(word.substr(0, equals)) + " twice");
  }
  return boost::json::serialize(inputs);
}

}  // namespace visor_program
