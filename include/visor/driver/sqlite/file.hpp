#ifndef VISOR_DRIVER_SQLITE_FILE_HPP
#define VISOR_DRIVER_SQLITE_FILE_HPP

#include "visor/base/error.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

namespace visor::sqlite_driver {

/// Looks at the path of a database before SQLite does, whose own messages do not say which of folder and file is wrong, and makes
/// what is missing: folders with permissions 0700, the file with 0600, which its log and index take over.
/// \param create whether to make what is missing
/// \throws visor::error `connection_failed` or `read_only`, naming the path and the remedy
inline void prepare_file(std::string const& filename, bool create) {
  namespace fs = std::filesystem;
  std::error_code problem;
  fs::path const path(filename);
  auto const status = fs::status(path, problem);
  if (fs::is_directory(status))
    throw error(condition::connection_failed, "cannot open the database '" + filename + "': it is a folder; name a file in it, such as '" +
                                                  (path / "schedules.db").string() + "'");
  if (fs::exists(status) || !create) return;
  fs::path const folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  fs::path made;
  for (auto const& part : folder) {
    made /= part;
    if (::mkdir(made.c_str(), 0700) == 0 || errno == EEXIST || errno == EISDIR) continue;
    int const reason = errno;
    if (fs::is_directory(made, problem)) continue;
    throw error(reason == EROFS ? condition::read_only : condition::connection_failed,
                "cannot make the folder '" + made.string() + "' for the database '" + filename + "': " + std::strerror(reason) +
                    "; make it, or name another file");
  }
  // Not opened: closing a file gives up all locks that this process has on it, also those of another store.
  if (::mknod(filename.c_str(), S_IFREG | 0600, 0) != 0 && errno != EEXIST) {
    int const reason = errno;
    throw error(
        reason == EROFS || reason == EACCES ? condition::read_only
        : reason == ENOSPC                  ? condition::disk_full
                                            : condition::connection_failed,
        "cannot make the database '" + filename + "': " + std::strerror(reason) + "; make its folder writable, or name another file");
  }
}

}  // namespace visor::sqlite_driver

#endif
