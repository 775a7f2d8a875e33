#ifndef VISOR_CONFIG_COMMANDS_HPP
#define VISOR_CONFIG_COMMANDS_HPP

#include "visor/base/program.hpp"
#include "visor/config/error.hpp"
#include "visor/config/rules.hpp"
#include "visor/config/settings.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace visor {

/// Checks on this machine what settings alone cannot tell: that the program and the working directory of every command exist and
/// may be used by this user. A text for the shell is not looked into. A value that came from the environment is not repeated.
/// \param lookup where `PATH` is taken from
/// \return one error for each that cannot, at the place of the command
inline std::vector<config_error> check_commands(settings const& all, environment const& lookup = process_environment()) {
  std::vector<config_error> errors;
  std::string const path = lookup("PATH").value_or(std::string(detail::usual_path));
  for (auto const& each : all.workflows) {
    if (each.command.empty()) continue;
    std::string const base = detail::join_path("workflows", each.name);
    auto const fail = [&](std::string key, std::string message, std::string const& general) {
      auto const found = all.sources.find(key);
      source const& where = found == all.sources.end() ? each.where : found->second;
      errors.push_back({where.file, where.line, where.column, std::move(key), where.variables.empty() ? std::move(message) : general});
    };
    std::string const& folder = each.working_directory;
    struct stat status{};
    if (!folder.empty() && (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || ::access(folder.c_str(), X_OK) != 0)) {
      fail(base + ".working_directory", "there is no folder " + detail::in_quotes(folder) + " that this user may enter",
           "there is no such folder that this user may enter");
      continue;
    }
    if (each.shell) continue;
    auto const own_path = each.env.find("PATH");
    auto const found = detail::find_program(each.command.front(), own_path == each.env.end() ? path : own_path->second.reveal(), folder);
    if (!found.problem.empty())
      fail(base + ".command", "the program " + detail::printable(found.problem, 300), "the program does not exist or is not executable");
  }
  return errors;
}

}  // namespace visor

#endif
