#ifndef VISOR_CONFIG_COMMANDS_HPP
#define VISOR_CONFIG_COMMANDS_HPP

#include "visor/config/error.hpp"
#include "visor/config/rules.hpp"
#include "visor/config/settings.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace visor {

namespace detail {

/// What keeps a file from being started as a program, or an empty text.
inline std::string why_not_executable(std::string const& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) {
    int const failure = errno;
    return failure == ENOENT || failure == ENOTDIR ? "does not exist" : "cannot be reached: " + std::generic_category().message(failure);
  }
  if (S_ISDIR(status.st_mode)) return "is a folder";
  if (!S_ISREG(status.st_mode)) return "is no regular file";
  if (::access(file.c_str(), X_OK) != 0) return "is not executable: allow it with chmod +x";
  return {};
}

/// Looks for a program as `execvp` does: a name without a slash in the folders of `PATH`.
/// \return what is wrong, or an empty text
inline std::string why_not_found(std::string const& program, std::string const& folder, std::string_view path) {
  if (program.find('/') != std::string::npos) {
    bool const relative = program.front() != '/';
    std::string const why = why_not_executable(relative && !folder.empty() ? folder + "/" + program : program);
    return why.empty() ? why
                       : "the program " + in_quotes(program) + (relative && !folder.empty() ? " in " + in_quotes(folder) : "") + " " + why;
  }
  std::string refused;
  while (true) {
    std::size_t const colon = path.find(':');
    std::string file{path.substr(0, colon)};
    if (file.empty()) file = ".";
    file += "/" + program;
    std::string const why = why_not_executable(file);
    if (why.empty()) return {};
    if (why != "does not exist" && refused.empty()) refused = "the program " + in_quotes(file) + " " + why;
    if (colon == std::string_view::npos) break;
    path.remove_prefix(colon + 1);
  }
  return refused.empty() ? "the program " + in_quotes(program) + " is in no folder of PATH" : refused;
}

}  // namespace detail

/// Checks on this machine what settings alone cannot tell: that the program and the working directory of every command exist and
/// may be used by this user. A text for the shell is not looked into. A value that came from the environment is not repeated.
/// \param lookup where `PATH` is taken from
/// \return one error for each that cannot, at the place of the command
inline std::vector<config_error> check_commands(settings const& all, environment const& lookup = process_environment()) {
  std::vector<config_error> errors;
  std::string const path = lookup("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
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
    if (std::string why = detail::why_not_found(each.command.front(), folder, path); !why.empty())
      fail(base + ".command", std::move(why), "the program does not exist or is not executable");
  }
  return errors;
}

}  // namespace visor

#endif
