#ifndef VISOR_ASYNC_CLOCK_HPP
#define VISOR_ASYNC_CLOCK_HPP

#include "visor/base/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <utility>

namespace visor {

/// The time of the machine. A clock is a small value that is passed to all timed code; tests pass a `manual_clock`
/// (`visor/async/manual_clock.hpp`) and never sleep.
class wall_clock {
 public:
  class timer;
  instant now() const noexcept { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); }

  /// Time since some fixed moment, unaffected by steps of the system clock: for measuring durations.
  duration elapsed() const noexcept { return std::chrono::duration_cast<duration>(std::chrono::steady_clock::now().time_since_epoch()); }

  /// The total time that the machine has been suspended since its start, which `elapsed()` does not count although time went on elsewhere.
  duration suspended() const noexcept {
    return std::max(duration{0}, read(CLOCK_BOOTTIME) - read(CLOCK_MONOTONIC) - std::chrono::milliseconds{1});
  }

 private:
  static duration read(clockid_t which) noexcept {
    timespec time{};
    if (::clock_gettime(which, &time) != 0) return duration{0};
    return std::chrono::duration_cast<duration>(std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec});
  }
};

/// Waits for an instant. A wait may end early, so the caller checks the clock again. A step of the system clock or a suspended machine is
/// therefore noticed within `longest_wait`, and a deadline years ahead does not overflow.
class wall_clock::timer {
 public:
  static constexpr std::chrono::seconds longest_wait{30};

  timer(boost::asio::any_io_executor const& executor, wall_clock clock) : clock_(clock), timer_(executor) {}

  /// Completes with `void(boost::system::error_code)` at `when` or earlier; `operation_aborted` after `cancel()`. A new wait cancels the
  /// one before.
  template <class Token>
  auto async_wait_until(instant when, Token&& token) {
    instant const now = clock_.now();
    return async_wait_for(when <= now ? duration{0} : when - now, std::forward<Token>(token));
  }

  /// The same for a length of time, unaffected by steps of the system clock.
  template <class Token>
  auto async_wait_for(duration length, Token&& token) {
    timer_.expires_after(std::clamp<duration>(length, duration{0}, longest_wait));
    return timer_.async_wait(std::forward<Token>(token));
  }

  void cancel() { timer_.cancel(); }

 private:
  [[no_unique_address]] wall_clock clock_;
  boost::asio::steady_timer timer_;
};

/// The requirements on a clock: a cheap copyable value with `now()`, `elapsed()` and `suspended()`, and a `timer` made from an executor and
/// the clock itself.
template <class C>
concept timekeeper = std::copyable<C> && requires(C const clock) {
  { clock.now() } -> std::same_as<instant>;
  { clock.elapsed() } -> std::same_as<duration>;
  { clock.suspended() } -> std::same_as<duration>;
  requires std::constructible_from<typename C::timer, boost::asio::any_io_executor, C>;
};

}  // namespace visor

#endif
