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

/// A lock of the kernel on a file beside the database, held while a node works there. The kernel gives it back when the process ends, in
/// whatever process namespace that was.
///
/// It is never on the database itself: POSIX gives up all locks of a process on a file, SQLite's too, when any descriptor of that is
/// closed. `flock` belongs to the open file, so two engines of one process exclude each other, and a child that was forked closes what it
/// got at its exec.
class node_lock {
 public:
  /// Where the lock of a database is; of one behind a symbolic link it is beside what the link names.
  static std::string path_of(std::string const& filename) {
    std::error_code unresolved;
    auto const real = std::filesystem::canonical(filename, unresolved);
    return (unresolved ? filename : real.string()) + "-node";
  }

  /// \param path of the lock's own file
  /// \param holder what others are told of the process that has the lock
  node_lock(std::string path, std::string holder) : path_(std::move(path)), holder_(std::move(holder)) {}
  node_lock(node_lock const&) = delete;
  node_lock& operator=(node_lock const&) = delete;
  ~node_lock() { release(); }

  /// Takes the lock, or sees to it that it is still what others meet: one whose file was removed is taken again on a new file.
  /// \return false when another process has it
  /// \throws visor::error `connection_failed` or `read_only` when the file of the lock can be neither made nor opened, `unsupported` when
  ///   it cannot be locked
  bool hold() {
    if (fd_ >= 0 && leads_to(fd_)) return true;
    release();
    return take();
  }

  /// What the process that has the lock said of itself; may be empty.
  std::string read_holder() const {
    std::array<char, 512> text{};
    int const fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return {};
    auto const length = ::read(fd, text.data(), text.size());
    ::close(fd);
    return length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : std::string();
  }

 private:
  /// \return false when somebody else has it
  bool take() {
    for (;;) {
      int const fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
      if (fd < 0) {
        int const reason = errno;
        if (auto lack = describe_lack_of_descriptors(reason, path_); !lack.empty())
          throw error(condition::connection_failed, std::move(lack));
        throw error(reason == EROFS ? condition::read_only : condition::connection_failed,
                    "cannot open the lock of the node '" + path_ + "': " + std::strerror(reason) + "; make it and its folder writable");
      }
      fd_ = fd;
      if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int const reason = errno;
        release();
        if (reason == EWOULDBLOCK) return false;
        throw error(condition::unsupported,
                    "cannot lock '" + path_ + "': " + std::strerror(reason) + "; the file system must support locks: use a local disk");
      }
      if (leads_to(fd)) break;
      release();  // it was removed between the two calls: what is locked now is a file that others do not find
    }
    // For whoever finds it locked; a full disk only costs them that.
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
