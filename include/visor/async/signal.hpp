#ifndef VISOR_ASYNC_SIGNAL_HPP
#define VISOR_ASYNC_SIGNAL_HPP

#include "visor/async/clock.hpp"
#include "visor/async/task.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace visor::detail {

/// Lets one coroutine sleep until a time has passed or a notification comes, whichever is first. A notification is kept while no coroutine
/// sleeps. All calls must be on one strand.
template <timekeeper Clock>
class signal {
 public:
  signal(boost::asio::any_io_executor executor, Clock clock) : timer_(std::move(executor), std::move(clock)) {}

  void notify() {
    notified_ = true;
    timer_.cancel();
  }

  /// Waits for a notification, for at most `length`.
  /// \return true when it was notified
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
