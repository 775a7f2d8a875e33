#ifndef VISOR_CONFIG_COMMANDS_HPP
#define VISOR_CONFIG_COMMANDS_HPP

#include "visor/base/process_environment.hpp"
#include "visor/base/program.hpp"
#include "visor/config/config_error.hpp"
#include "visor/config/rules.hpp"
#include "visor/config/settings.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace visor {

namespace detail {

inline void check_command(settings const& all, workflow const& each, std::string const& path, std::vector<config_error>& errors) {
  if (each.command.empty()) return;
  std::string const base = join_path("workflows", each.name);
  auto const fail = [&](std::string key, std::string const& message, std::string const& general) {
    auto const found = all.sources.find(key);
    source const& where = found == all.sources.end() ? each.where : found->second;
    errors.push_back({where.file, where.line, where.column, std::move(key), where.variables.empty() ? message : general});
  };
  std::string const& folder = each.working_directory;
  struct stat status{};
  if (!folder.empty() && (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || ::access(folder.c_str(), X_OK) != 0)) {
    fail(base + ".working_directory", "there is no folder " + in_quotes(folder) + " that this user may enter",
         "there is no such folder that this user may enter");
    return;
  }
  if (each.shell) return;
  auto const own_path = each.env.find("PATH");
  auto const found = find_program(each.command.front(), own_path == each.env.end() ? path : own_path->second.reveal(), folder);
  if (!found.problem.empty())
    fail(base + ".command", "the program " + printable(found.problem, 300), "the program does not exist or is not executable");
}

}  // namespace detail

/// Checks on this machine that the program and the working directory of every command exist, and that this user may use them.
/// Settings alone cannot tell that. Texts for the shell are not checked, nor workflows that need a capability which this node
/// lacks. Values from the environment are not repeated. Blocks for as long as a file server does not answer.
/// \param lookup the source of `PATH`
/// \param begins_with called before each workflow is checked; may be empty
/// \return one error for each command that cannot be used, at its position
inline std::vector<config_error> check_commands(settings const& all, environment const& lookup = process_environment(),
                                                std::function<void(workflow const&)> const& begins_with = {}) {
  std::vector<config_error> errors;
  std::string const path = lookup("PATH").value_or(std::string(detail::default_path));
  for (auto const& each : all.workflows) {
    if (!all.runs_here(each)) continue;
    if (begins_with) begins_with(each);
    detail::check_command(all, each, path, errors);
  }
  return errors;
}

}  // namespace visor

#endif
