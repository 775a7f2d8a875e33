#ifndef VISOR_DRIVER_SQLITE_FILE_HPP
#define VISOR_DRIVER_SQLITE_FILE_HPP

#include "visor/base/error.hpp"
#include "visor/driver/sqlite/file_system.hpp"
#include "visor/driver/sqlite/sqlite_settings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

namespace visor::sqlite_driver {

/// Checks the file system of a database.
/// \param shared the name of a network file system that the file is on; empty: it is on a disk of this machine
/// \throws visor::error `unsupported`, with the remedies, where the write-ahead log would not be safe
inline void check_file_system(sqlite_settings const& settings, std::string const& shared) {
  if (shared.empty() || settings.journal == sqlite_journal::rollback) return;
  throw error(errc::unsupported,
              "the database '" + settings.filename + "' is on a file system that machines may share (" + shared +
                  "), where SQLite's write-ahead log can lose or damage data: name a file on a local disk, use a database server, or, if "
                  "only one machine uses the file at a time, set scheduler.storage.connection.journal to rollback");
}

/// Makes an empty file for its owner only, unless there is one.
///
/// The file is not opened if possible: closing a file releases all locks that this process has on it, including those of another store.
/// Where a sandbox refuses mknod, the file is opened, and the descriptor stays open as long as the process.
inline void make_file(std::string const& filename) {
  if (::mknod(filename.c_str(), S_IFREG | 0600, 0) == 0 || errno == EEXIST) return;
  if (::open(filename.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) >= 0 || errno == EEXIST) return;
  int const reason = errno;
  throw error(reason == EROFS || reason == EACCES ? errc::read_only
              : reason == ENOSPC                  ? errc::disk_full
                                                  : errc::connection_failed,
              "cannot make the database '" + filename + "': " + std::strerror(reason) + "; make its folder writable, or name another file");
}

/// Checks the path of a database before SQLite does, whose own messages do not say whether the folder or the file is wrong. Makes missing
/// folders with permissions 0700, and a missing file with 0600, which its log and index take over.
/// \param create whether to make missing files and folders
/// \throws visor::error `connection_failed` or `read_only`, naming the path and the remedy; `unsupported` as `check_file_system`
inline void prepare_file(sqlite_settings const& settings, bool create) {
  std::string const& filename = settings.filename;
  namespace fs = std::filesystem;
  std::error_code problem;
  fs::path const path(filename);
  auto const status = fs::status(path, problem);
  if (fs::is_directory(status))
    throw error(errc::connection_failed, "cannot open the database '" + filename + "': it is a folder; name a file in it, such as '" +
                                             (path / "schedules.db").string() + "'");
  if (!fs::exists(status) && fs::is_symlink(fs::symlink_status(path, problem)))
    throw error(
        errc::connection_failed,
        "the database '" + filename + "' is a symbolic link to '" + fs::read_symlink(path, problem).string() +
            "', and there is no such file: mount the disk that it is on, remove the link, or name that file itself so that it is made");
  struct stat about{};
  if (::stat(filename.c_str(), &about) == 0 && about.st_nlink > 1)
    throw error(
        errc::unsupported,
        "the database '" + filename + "' has " + std::to_string(about.st_nlink) +
            " names (hard links), of which each has a write-ahead log of its own, so that two processes damage it: remove the other "
            "names (find / -samefile FILE), or copy the file and use the copy");
  if (fs::exists(status)) return check_file_system(settings, shared_file_system_of(filename));
  if (!create) return;
  fs::path const folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  fs::path made;
  for (auto const& part : folder) {
    made /= part;
    if (::mkdir(made.c_str(), 0700) == 0 || errno == EEXIST || errno == EISDIR) continue;
    int const reason = errno;
    if (fs::is_directory(made, problem)) continue;
    throw error(reason == EROFS ? errc::read_only : errc::connection_failed,
                "cannot make the folder '" + made.string() + "' for the database '" + filename + "': " + std::strerror(reason) +
                    "; make it, or name another file");
  }
  check_file_system(settings, shared_file_system_of(folder.string()));
  make_file(filename);
}

}  // namespace visor::sqlite_driver

#endif
