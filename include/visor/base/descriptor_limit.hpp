#ifndef VISOR_BASE_DESCRIPTOR_LIMIT_HPP
#define VISOR_BASE_DESCRIPTOR_LIMIT_HPP

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

namespace visor::detail {

/// The soft limit of open descriptors that this process had before `raise_descriptor_limit`; RLIM_INFINITY: it was not raised. Child
/// programs get this limit back: some use select(), which cannot handle descriptors from 1024, or close every possible descriptor.
inline std::atomic<rlim_t> original_descriptor_limit{RLIM_INFINITY};

/// Raises the soft limit of open descriptors of this process to the hard one. Must be called before other threads exist.
inline void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  rlim_t const before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) original_descriptor_limit = before;
}

/// Restores the original limit of the parent in a child, between clone and exec. Allocates nothing.
inline void restore_descriptor_limit() noexcept {
  rlimit limit{};
  rlim_t const before = original_descriptor_limit;
  if (before == RLIM_INFINITY || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = before;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// True when a new descriptor is one of the last ones, which jobs leave to others such as connections to the database. The system hands out
/// the lowest free descriptor, so a high number means that few are left.
inline bool is_reserved_descriptor(int descriptor) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  rlim_t const reserve = std::min<rlim_t>(16, limit.rlim_cur / 4);
  return static_cast<rlim_t>(descriptor) >= limit.rlim_cur - reserve;
}

/// Checks whether the system has a descriptor for a job.
/// \return 0 when there is one, else an `errno`
inline int lack_of_descriptors() noexcept {
  int const probe = ::eventfd(0, EFD_CLOEXEC);
  if (probe < 0) return errno;
  ::close(probe);
  return is_reserved_descriptor(probe) ? EMFILE : 0;
}

}  // namespace visor::detail

#endif
