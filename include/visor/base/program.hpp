#ifndef VISOR_BASE_PROGRAM_HPP
#define VISOR_BASE_PROGRAM_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace visor::detail {

/// Where `execvp` looks when there is no PATH.
inline constexpr std::string_view usual_path = "/usr/local/bin:/usr/bin:/bin";

/// The file that a program's name means, or what keeps it from being run.
struct program_search {
  std::string file;
  std::string problem;  ///< empty when the program can be run; otherwise it begins with the name of what was looked at
  program_search(std::string found, std::string wrong) : file(std::move(found)), problem(std::move(wrong)) {}
};

/// What keeps this user from running a file, as an error's number and a text; the text is empty when nothing does.
struct obstacle {
  int code = 0;
  std::string text;
};

inline obstacle obstacle_to_running(std::string const& file) {
  struct stat about{};
  if (::stat(file.c_str(), &about) != 0) {
    int const code = errno;
    if (code == ENOENT || code == ENOTDIR) return {ENOENT, "does not exist"};
    return {code, "cannot be reached: " + std::generic_category().message(code)};
  }
  if (S_ISDIR(about.st_mode)) return {EISDIR, "is a folder"};
  if (!S_ISREG(about.st_mode)) return {EINVAL, "is no regular file"};
  if (::faccessat(AT_FDCWD, file.c_str(), X_OK, AT_EACCESS) != 0) return {EACCES, "is not executable for this user: try chmod +x"};
  return {};
}

/// Looks for a program as a command that is started in `folder` does: a name without a slash in the folders of `path`, and what is
/// relative below `folder`, or where this process is when that is empty.
inline program_search find_program(std::string const& name, std::string_view path, std::string const& folder) {
  auto const below = [&](std::string file) { return file.starts_with('/') || folder.empty() ? file : folder + "/" + file; };
  if (name.find('/') != name.npos) {
    std::string const file = below(name);
    auto const why = obstacle_to_running(file);
    return {file, why.code == 0 ? "" : file + " " + why.text};
  }
  std::string near_miss;
  for (std::string_view rest = path;;) {
    auto const end = rest.find(':');
    std::string const entry(rest.substr(0, end));
    std::string const file = below((entry.empty() ? "." : entry) + "/" + name);
    auto const why = obstacle_to_running(file);
    if (why.code == 0) return {file, ""};
    // A folder of PATH that this user may not enter holds the program no more than one that is not there.
    bool const is_there = why.code != ENOENT && ::access(below(entry.empty() ? "." : entry).c_str(), X_OK) == 0;
    if (is_there && near_miss.empty()) near_miss = file + " " + why.text;
    if (end == rest.npos) break;
    rest.remove_prefix(end + 1);
  }
  if (!near_miss.empty()) return {"", near_miss};
  return {"", name + " is in no folder of PATH (" + std::string(path) + "): give its full path or change PATH"};
}

}  // namespace visor::detail

#endif
