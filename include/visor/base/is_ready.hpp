#ifndef VISOR_BASE_IS_READY_HPP
#define VISOR_BASE_IS_READY_HPP

#include <poll.h>

namespace visor::detail {

/// Whether a descriptor is ready for `events` (POLLIN, POLLOUT) or has failed.
///
/// A wait of Asio's for a descriptor may end although nothing has come, where a context has several threads: one thread closes
/// a descriptor while another holds an event for it, and a third that opens one is given the same record and with it the event.
/// Reads and writes are tried again by Asio itself; whoever only waits asks this afterwards, and waits again when it says no.
inline bool is_ready(int descriptor, short events) noexcept {
  pollfd asked{descriptor, events, 0};
  return ::poll(&asked, 1, 0) > 0;
}

}  // namespace visor::detail

#endif
