#ifndef VISOR_BASE_DESCRIPTOR_LIMIT_HPP
#define VISOR_BASE_DESCRIPTOR_LIMIT_HPP

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

namespace visor::detail {

/// The soft limit of open descriptors that this process had before `raise_descriptor_limit`; RLIM_INFINITY: it was not raised. Programs
/// that it starts get this one back: some use select(), which cannot handle descriptors from 1024, or close every possible descriptor.
inline std::atomic<rlim_t> original_descriptor_limit{RLIM_INFINITY};

/// Raises the soft limit of open descriptors of this process to the hard one. Called before there are other threads.
inline void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  rlim_t const before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) original_descriptor_limit = before;
}

/// Gives a child between clone and exec the limit that its parent was started with. Allocates nothing.
inline void restore_descriptor_limit() noexcept {
  rlimit limit{};
  rlim_t const before = original_descriptor_limit;
  if (before == RLIM_INFINITY || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = before;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Whether a new descriptor is one of the last ones, which jobs leave to others such as connections to the database. The lowest free
/// descriptor is given out, so a high one tells that few are left.
inline bool is_reserved_descriptor(int descriptor) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  rlim_t const reserve = std::min<rlim_t>(16, limit.rlim_cur / 4);
  return static_cast<rlim_t>(descriptor) >= limit.rlim_cur - reserve;
}

/// The answer of the system to a job that wants a descriptor: 0 when there is one for it, else an `errno`.
inline int lack_of_descriptors() noexcept {
  int const probe = ::eventfd(0, EFD_CLOEXEC);
  if (probe < 0) return errno;
  ::close(probe);
  return is_reserved_descriptor(probe) ? EMFILE : 0;
}

}  // namespace visor::detail

#endif
