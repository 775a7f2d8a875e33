#ifndef VISOR_BASE_PROGRAM_HPP
#define VISOR_BASE_PROGRAM_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace visor::detail {

/// The folders that `execvp` searches when there is no PATH.
inline constexpr std::string_view default_path = "/usr/local/bin:/usr/bin:/bin";

/// The file that a program's name resolves to, or the problem that keeps it from being run.
struct program_search {
  std::string file;
  std::string problem;  ///< empty when the program can be run; otherwise it begins with the name of the file
  program_search(std::string found, std::string wrong) : file(std::move(found)), problem(std::move(wrong)) {}
};

/// A file that a program's name may resolve to.
struct program_candidate {
  std::string file;
  std::string folder;  ///< the folder of PATH; empty: the name was a path
  program_candidate(std::string at, std::string in) : file(std::move(at)), folder(std::move(in)) {}
};

/// Lists the files that a name may mean to a command that is started in `folder`, in the order of the search. A name without a slash is
/// searched in the folders of `path`. A relative path is below `folder` or, when that is empty, below the current folder of this process.
/// Accesses no file.
inline std::vector<program_candidate> program_candidates(std::string const& name, std::string_view path, std::string const& folder) {
  auto const below = [&](std::string const& file) { return file.starts_with('/') || folder.empty() ? file : folder + "/" + file; };
  std::vector<program_candidate> candidates;
  if (name.find('/') != name.npos) {
    candidates.emplace_back(below(name), "");
    return candidates;
  }
  for (std::string_view rest = path;;) {
    auto const end = rest.find(':');
    std::string entry(rest.substr(0, end));
    if (entry.empty()) entry = ".";
    candidates.emplace_back(below(entry + "/" + name), below(entry));
    if (end == rest.npos) return candidates;
    rest.remove_prefix(end + 1);
  }
}

/// Returns the reason why this user cannot run a file, as an `errno`; 0 when there is none. ENOEXEC means that the right to execute is
/// missing. ENOENT is also the answer when this user cannot enter the folder of PATH: the search goes on as for an absent file. Allocates
/// nothing: a child process calls it.
inline int obstacle_to_running(program_candidate const& candidate) noexcept {
  char const* const file = candidate.file.c_str();
  struct stat about{};
  int code = 0;
  if (::stat(file, &about) != 0)
    code = errno == ENOTDIR ? ENOENT : errno;
  else if (S_ISDIR(about.st_mode))
    code = EISDIR;
  else if (!S_ISREG(about.st_mode))
    code = EINVAL;
  else if (::faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) != 0)
    code = errno == EACCES ? ENOEXEC : errno;
  bool const is_refusal = code == EISDIR || code == EINVAL || code == EACCES || code == ENOEXEC;
  return is_refusal && !candidate.folder.empty() && ::access(candidate.folder.c_str(), X_OK) != 0 ? ENOENT : code;
}

inline std::string obstacle_text(int code) {
  switch (code) {
    case ENOENT: return "does not exist";
    case EISDIR: return "is a folder";
    case EINVAL: return "is no regular file";
    case ENOEXEC: return "is not executable for this user: try chmod +x";
    default: return "cannot be reached: " + std::generic_category().message(code);
  }
}

/// Turns the results of a search into its answer.
/// \param obstacles one for each candidate that was checked, in their order; the search ends at the first 0
inline program_search search_result(std::string const& name, std::string_view path, std::vector<program_candidate> const& candidates,
                                    std::span<int const> obstacles) {
  for (std::size_t i = 0; i < obstacles.size(); ++i)
    if (obstacles[i] == 0) return {candidates[i].file, ""};
  for (std::size_t i = 0; i < obstacles.size(); ++i)
    if (obstacles[i] != ENOENT || candidates[i].folder.empty()) return {"", candidates[i].file + " " + obstacle_text(obstacles[i])};
  return {"", name + " is in no folder of PATH (" + std::string(path) + "): give its full path or change PATH"};
}

/// Searches for a program as a command that is started in `folder` does; see `program_candidates`.
inline program_search find_program(std::string const& name, std::string_view path, std::string const& folder) {
  auto const candidates = program_candidates(name, path, folder);
  std::vector<int> obstacles;
  for (auto const& candidate : candidates) {
    obstacles.push_back(obstacle_to_running(candidate));
    if (obstacles.back() == 0) break;
  }
  return search_result(name, path, candidates, obstacles);
}

}  // namespace visor::detail

#endif
