#ifndef VISOR_DRIVER_SQLITE_NODE_LOCK_HPP
#define VISOR_DRIVER_SQLITE_NODE_LOCK_HPP

#include "visor/base/error.hpp"
#include "visor/driver/sqlite/classify.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace visor::sqlite_driver {

/// A kernel lock on a file beside the database, held while a node works there. The kernel releases it when the process ends, in any process
/// namespace.
///
/// The lock is never on the database itself: POSIX releases all locks of a process on a file, SQLite's too, when any descriptor of it is
/// closed. An `flock` belongs to the open file, so two engines of one process exclude each other. A forked child closes its inherited
/// descriptor at its exec.
class node_lock {
 public:
  /// Returns the path of the lock of a database; behind a symbolic link it is beside the target of the link.
  static std::string path_of(std::string const& filename) {
    std::error_code unresolved;
    auto const real = std::filesystem::canonical(filename, unresolved);
    return (unresolved ? filename : real.string()) + "-node";
  }

  /// \param path of the lock's own file
  /// \param holder the description of this process for others, while it has the lock
  node_lock(std::string path, std::string holder) : path_(std::move(path)), holder_(std::move(holder)) {}
  node_lock(node_lock const&) = delete;
  node_lock& operator=(node_lock const&) = delete;
  ~node_lock() { release(); }

  /// Takes the lock, or checks that it is still on the file that others find: after a removal of that file, it locks a new one.
  /// \return false when another process has it
  /// \throws visor::error `connection_failed` or `read_only` when the lock file can be neither made nor opened, `unsupported` when it
  /// cannot be locked
  bool hold() {
    if (fd_ >= 0 && leads_to(fd_)) return true;
    release();
    return take();
  }

  /// Returns the description of the process that has the lock; may be empty.
  std::string read_holder() const {
    std::array<char, 512> text{};
    int const fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return {};
    auto const length = ::read(fd, text.data(), text.size());
    ::close(fd);
    return length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : std::string();
  }

 private:
  /// \return false when another holder has it
  bool take() {
    for (;;) {
      int const fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
      if (fd < 0) {
        int const reason = errno;
        if (auto lack = describe_lack_of_descriptors(reason, path_); !lack.empty()) throw error(errc::connection_failed, std::move(lack));
        throw error(reason == EROFS ? errc::read_only : errc::connection_failed,
                    "cannot open the lock of the node '" + path_ + "': " + std::strerror(reason) + "; make it and its folder writable");
      }
      fd_ = fd;
      if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int const reason = errno;
        release();
        if (reason == EWOULDBLOCK) return false;
        throw error(errc::unsupported,
                    "cannot lock '" + path_ + "': " + std::strerror(reason) + "; the file system must support locks: use a local disk");
      }
      if (leads_to(fd)) break;
      release();  // the file was removed between the two calls: others do not find the file that is locked now
    }
    // For processes that find the file locked; a full disk only costs them that text.
    [[maybe_unused]] bool const written =
        ::ftruncate(fd_, 0) == 0 && ::pwrite(fd_, holder_.data(), holder_.size(), 0) == static_cast<ssize_t>(holder_.size());
    return true;
  }

  bool leads_to(int fd) const {
    struct stat ours{}, there{};
    return ::fstat(fd, &ours) == 0 && ::stat(path_.c_str(), &there) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
  }

  void release() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  std::string path_;
  std::string holder_;
  int fd_ = -1;
};

}  // namespace visor::sqlite_driver

#endif
