#include "configuration.hpp"

#include "drivers.hpp"
#include "report.hpp"
#include "run_sync.hpp"
#include "words.hpp"

#include "visor/base/storable_text.hpp"
#include "visor/config/environment.hpp"
#include "visor/config/yaml.hpp"
#include "visor/handler/command_plan.hpp"
#include "visor/zone.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace visor_program {
namespace {

constexpr std::string_view filename_path = "scheduler.storage.connection.filename";
constexpr char const* default_files[] = {".visor.yaml", "visor.yaml"};

std::string name_of_user(uid_t id) {
  auto const* const user = ::getpwuid(id);
  return (user == nullptr ? "the user" : "user " + std::string(user->pw_name)) + " with the number " + std::to_string(id);
}

/// Whether a group belongs to one user alone: many systems give each user such a group.
bool is_own_group(gid_t id) {
  auto const* const user = ::getpwuid(::geteuid());
  std::string const name = user == nullptr ? "" : user->pw_name;
  auto const* const group = ::getgrgid(id);
  if (group == nullptr || name.empty() || name != group->gr_name) return false;
  for (char** member = group->gr_mem; *member != nullptr; ++member)
    if (name != *member) return false;
  return true;
}

/// Checks a file, folder or link that nobody named: it counts only if this user or root made it.
/// \param remedy how to name it
/// \throws failure when somebody else owns it
void check_owner(char const* path, std::string const& remedy) {
  struct stat link{}, target{};
  if (::lstat(path, &link) != 0 || ::stat(path, &target) != 0) return;  // opening it reports the reason
  for (auto const owner : {link.st_uid, target.st_uid})
    if (owner != ::geteuid() && owner != 0)
      throw failure(std::string(path) + " belongs to " + name_of_user(owner) + ", and nobody named it: look at what is in it, then " +
                    remedy);
}

/// Checks a configuration that nobody named. It says which programs run, so it counts only if no other user can have written
/// it.
/// \throws failure when another user owns it or may write it
void check_found_file(char const* path) {
  std::string const remedy = "name it with '--config " + std::string(path) + "' or $VISOR_CONFIG";
  check_owner(path, remedy);
  struct stat file{};
  if (::stat(path, &file) != 0) return;
  bool const by_group = (file.st_mode & S_IWGRP) != 0 && !is_own_group(file.st_gid);
  if (by_group || (file.st_mode & S_IWOTH) != 0)
    throw failure(std::string(path) + " can be written by other users, and nobody named it: look at what is in it, then run 'chmod go-w " +
                  path + "', or " + remedy);
}

/// Empty when there is none.
std::string find_file(invocation const& arguments) {
  if (auto const named = arguments.text("config")) {
    if (named->empty()) throw usage_error("--config needs the name of a file");
    return *named;
  }
  if (char const* const named = std::getenv("VISOR_CONFIG"); named != nullptr && *named != '\0') return named;
  std::error_code ignored;
  for (auto const* const file : default_files)
    if (std::filesystem::exists(file, ignored)) {
      check_found_file(file);
      return file;
    }
  return {};
}

std::vector<visor::setting_flag> flags_of(invocation const& arguments) {
  std::vector<visor::setting_flag> flags;
  for (auto const& each : arguments.known) {
    if (each.setting.empty()) continue;
    if (auto const value = arguments.text(each.name)) {
      std::string const name = "--" + std::string(each.name);
      if (value->empty()) throw usage_error(name + " is empty");
      flags.push_back({name, std::string(each.setting), *value});
    }
  }
  arguments.number("port", 1, 65'535);  // an invalid number is a mistake of the command line
  return flags;
}

/// Checks a connection string, which only a driver can read. Its errors belong to the source of the string.
void check_connection_string(visor::settings const& given) {
  auto const found = given.sources.find("scheduler.storage.connection.connection_string");
  auto const* const driver = driver_in_program(given.storage.driver);
  if (found == given.sources.end() || driver == nullptr) return;
  try {
    driver->display_name(given);
  } catch (visor::error const& wrong) {
    if (!wrong.message().starts_with(found->first)) throw;
    throw failure(to_string(found->second) + ": " + wrong.message());
  }
}

/// Whether the file uses a variable, so that the user has chosen its name.
bool uses(visor::settings const& given, std::string_view variable) {
  return std::ranges::any_of(
      given.sources, [&](auto const& each) { return std::ranges::find(each.second.variables, variable) != each.second.variables.end(); });
}

/// Kubernetes sets variables in each container that are named after the services of its namespace; one may be called visor.
bool is_of_service(std::string_view name, std::string_view value) {
  return name.find("_SERVICE_") != std::string_view::npos || value.starts_with("tcp://") || value.starts_with("udp://") ||
         name.find("_PORT_") != std::string_view::npos;
}

/// Notes variables whose names begin like ours and have no meaning.
void note_unknown_variables(visor::settings& of) {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view const text(*entry);
    auto const equals = std::min(text.find('='), text.size());
    std::string_view const name = text.substr(0, equals), value = text.substr(std::min(equals + 1, text.size()));
    auto const meant = visor::detail::misspelled_variable(name);
    if (!meant || value.empty() || visor::detail::is_own_variable(name) || is_of_service(name, value) || uses(of, name)) continue;
    of.ignored.push_back("environment " + std::string(name) + ": ignored, visor knows no such variable" +
                         (meant->empty() ? "" : "; did you mean " + *meant + "?"));
  }
}

}  // namespace

driver_entry const* driver_in_program(visor::storage_driver which) {
  for (auto const* const each : drivers())
    if (each->name == word(which)) return each;
  return nullptr;
}

configuration read_configuration(invocation const& arguments) {
  auto const flags = flags_of(arguments);
  configuration result;
  result.file = find_file(arguments);
  result.settings = result.file.empty() ? visor::parse_settings("", "", visor::process_environment(), flags)
                                        : visor::load_settings(result.file, visor::process_environment(), flags);
  check_connection_string(result.settings);
  note_unknown_variables(result.settings);
  if (auto const found = result.settings.sources.find("scheduler.node.threads"); found != result.settings.sources.end())
    result.settings.ignored.push_back(to_string(found->second) + ": " + found->first +
                                      ": ignored, only functions of C++ programs run there");
  if (result.settings.storage.driver == visor::storage_driver::sqlite && !result.settings.sources.contains(filename_path))
    check_owner(".visor", "name the database with $VISOR_DB or " + std::string(filename_path));
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

void give_up_in_time(visor::storage_settings& of) {
  auto& pool = of.connection.pool;
  pool.connect_timeout = std::min(pool.connect_timeout, std::max<visor::duration>(pool.acquire_timeout, std::chrono::milliseconds{10}));
}

std::shared_ptr<storage> open_storage(configuration const& from) {
  auto const& found = find_driver(from.settings.storage.driver);
  if (!found.lasts)
    throw failure("the driver " + std::string(found.name) + " keeps its data inside of one 'visor run': no other command can see it; set " +
                  "scheduler.storage.driver to one of: " + lasting_drivers());
  visor::settings settings;  // the other settings, with perhaps thousands of schedules, do not matter to a store
  settings.storage = from.settings.storage;
  give_up_in_time(settings.storage);
  return opened(found.store(settings, {}));
}

std::shared_ptr<storage> look_at_storage(configuration const& from) {
  auto const& found = find_driver(from.settings.storage.driver);
  if (found.is_missing != nullptr && found.is_missing(from.settings)) {
    std::cerr << "visor: note: there is no database yet: " << escaped(found.display_name(from.settings)) << '\n';
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
