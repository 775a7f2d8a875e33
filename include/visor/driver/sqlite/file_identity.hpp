#ifndef VISOR_DRIVER_SQLITE_FILE_IDENTITY_HPP
#define VISOR_DRIVER_SQLITE_FILE_IDENTITY_HPP

#include "visor/base/error.hpp"

#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace visor::sqlite_driver {

/// The identity of the file at a path. SQLite keeps using the file that it has open after the path leads elsewhere, where no other process
/// sees its changes.
class file_mark {
 public:
  /// Compares the file with that of the first call which found one.
  /// \return the change since then, in a few words; empty: none, or unknown
  std::string_view look(std::string const& path) {
    struct stat about{};
    if (::stat(path.c_str(), &about) != 0) return is_set_ && (errno == ENOENT || errno == ENOTDIR) ? "was removed or renamed" : "";
    if (!std::exchange(is_set_, true)) {
      device_ = about.st_dev;
      inode_ = about.st_ino;
    }
    if (device_ != about.st_dev || inode_ != about.st_ino) return "was replaced by another file";
    size_ = about.st_size;
    return {};
  }

  bool is_set() const noexcept { return is_set_; }
  off_t size() const noexcept { return size_; }  ///< at the last call of `look`

 private:
  bool is_set_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  off_t size_ = 0;
};

/// The file of a database from its opening to its closing. A replacement is remembered: every later change belongs to another file than the
/// present one, which has other jobs under the same ids. Thread-safe.
class file_identity {
 public:
  explicit file_identity(std::string filename) : filename_(std::move(filename)) {
    std::error_code unknown;
    path_ = std::filesystem::absolute(filename_, unknown);
    if (unknown) path_ = filename_;
  }

  /// The absolute path of the file, independent of later changes of the current folder.
  std::string const& path() const noexcept { return path_; }

  /// True when a connection was made since the opening.
  bool is_known() const {
    std::scoped_lock const lock(mutex_);
    return mark_.is_set();
  }

  /// \throws visor::error `replaced` when the file is another one than at the first call, or was truncated to nothing, and at every later
  /// call
  void check() {
    std::scoped_lock const lock(mutex_);
    if (!wrong_.empty()) fail();
    auto const size_before = mark_.size();
    auto const what = mark_.look(path_);
    if (!what.empty()) condemn(std::string(what));
    if (mark_.size() == 0 && size_before != 0) condemn("was truncated");
    if (mark_.size() < size_before) has_shrunk_ = true;
  }

  /// True when the file got shorter since the last call, by VACUUM or by truncation.
  bool has_shrunk() {
    std::scoped_lock const lock(mutex_);
    return std::exchange(has_shrunk_, false);
  }

  /// Makes all later checks fail. \param what the change of the file, or of one beside it
  void set_wrong(std::string what) {
    std::scoped_lock const lock(mutex_);
    if (wrong_.empty()) wrong_ = std::move(what);
  }

  /// Notes that a connection found the file or its log damaged or unreadable.
  void doubt() noexcept { is_doubtful_ = true; }
  bool is_doubtful() const {
    std::scoped_lock const lock(mutex_);
    return is_doubtful_ || !wrong_.empty();
  }

  void forget() {
    std::scoped_lock const lock(mutex_);
    is_doubtful_ = false;
    mark_ = file_mark();
    wrong_.clear();
    has_shrunk_ = false;
  }

 private:
  void condemn(std::string what) {
    wrong_ = std::move(what);
    fail();
  }

  [[noreturn]] void fail() const {
    // The next process to open the file would take the old log for that of the new file.
    std::error_code unknown;
    bool const has_log = std::filesystem::exists(path_, unknown) && std::filesystem::file_size(path_ + "-wal", unknown) > 0 && !unknown;
    throw error(
        errc::replaced,
        "the file of the database '" + filename_ + "' " + wrong_ +
            " while it was in use: nothing is read or written any more; start again to use what is there now" +
            (has_log ? ", and before that remove '" + filename_ + "-wal' and '" + filename_ + "-shm', unless they came with it" : ""));
  }

  std::string filename_;
  std::string path_;
  mutable std::mutex mutex_;  // guards the members below
  file_mark mark_;
  bool has_shrunk_ = false;
  std::string wrong_;
  std::atomic<bool> is_doubtful_{false};
};

}  // namespace visor::sqlite_driver

#endif
