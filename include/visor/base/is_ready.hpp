#ifndef VISOR_BASE_IS_READY_HPP
#define VISOR_BASE_IS_READY_HPP

#include <poll.h>

namespace visor::detail {

/// True when a descriptor is ready for `events` (POLLIN, POLLOUT) or has failed.
///
/// Where a context has several threads, an Asio wait for a descriptor may end without an event. One thread closes a descriptor while
/// another thread holds an event for it. A third thread opens a descriptor and gets the same record, and with it the event. Asio itself
/// repeats reads and writes; a caller that only waits checks `is_ready` afterwards and waits again when it is false.
inline bool is_ready(int descriptor, short events) noexcept {
  pollfd asked{descriptor, events, 0};
  return ::poll(&asked, 1, 0) > 0;
}

}  // namespace visor::detail

#endif
