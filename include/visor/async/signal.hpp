#ifndef VISOR_ASYNC_SIGNAL_HPP
#define VISOR_ASYNC_SIGNAL_HPP

#include "visor/async/clock.hpp"
#include "visor/async/task.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace visor::detail {

/// Lets one coroutine sleep until a time has passed or somebody notifies it, whichever comes first. A notification that comes while
/// nobody sleeps is kept. All calls on one strand.
template <timekeeper Clock>
class signal {
 public:
  signal(boost::asio::any_io_executor executor, Clock clock) : timer_(std::move(executor), std::move(clock)) {}

  void notify() {
    notified_ = true;
    timer_.cancel();
  }

  /// \return whether it was notified
  task<bool> wait_for(duration length) {
    if (!notified_) {
      auto sleep = timer_.async_wait_for(length, boost::asio::as_tuple(boost::asio::use_awaitable));
      co_await std::move(sleep);
    }
    co_return std::exchange(notified_, false);
  }

 private:
  typename Clock::timer timer_;
  bool notified_ = false;
};

}  // namespace visor::detail

#endif
