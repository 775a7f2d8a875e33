#ifndef VISOR_BASE_MANUAL_CLOCK_HPP
#define VISOR_BASE_MANUAL_CLOCK_HPP

#include "visor/base/clock.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace visor {

/// A clock that stands still until a test moves it. Copies share one time. Waits complete on the executor of their timer when the
/// time reaches them, in order of their instants. Thread-safe.
class manual_clock {
 public:
  class timer;

  explicit manual_clock(instant start = instant{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}})
      : state_(std::make_shared<state>()) {
    state_->now = start;
  }

  instant now() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->now;
  }

  /// Sets the time, also backwards, and completes every wait that has become due.
  void set(instant when) {
    std::multimap<instant, waiter> due;
    {
      std::scoped_lock const lock{state_->mutex};
      state_->now = when;
      while (!state_->waiters.empty() && state_->waiters.begin()->first <= when)
        due.insert(due.end(), state_->waiters.extract(state_->waiters.begin()));
    }
    for (auto& [_, wait] : due) wait.complete(boost::system::error_code{});
  }

  void advance(duration by) { set(now() + by); }

  /// The earliest instant that something waits for.
  std::optional<instant> next_wait() const {
    std::scoped_lock const lock{state_->mutex};
    if (state_->waiters.empty()) return std::nullopt;
    return state_->waiters.begin()->first;
  }

 private:
  using handler = boost::asio::any_completion_handler<void(boost::system::error_code)>;

  struct waiter {
    timer const* owner;
    boost::asio::any_io_executor executor;  // tracked: an `io_context` does not run out of work while something waits
    handler completion;

    void complete(boost::system::error_code result) {
      boost::asio::post(executor, [done = std::move(completion), result]() mutable { std::move(done)(result); });
    }
  };

  struct state {
    std::mutex mutex;
    instant now;
    std::multimap<instant, waiter> waiters;
  };

  std::shared_ptr<state> state_;
};

/// The timer of a `manual_clock`; see `wall_clock::timer`.
class manual_clock::timer {
 public:
  timer(boost::asio::any_io_executor executor, manual_clock clock) : executor_(std::move(executor)), state_(std::move(clock.state_)) {}
  timer(timer const&) = delete;
  timer& operator=(timer const&) = delete;
  ~timer() { cancel(); }

  template <class Token>
  auto async_wait_until(instant when, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [this](auto completion, instant until) {
          cancel();
          auto const slot = boost::asio::get_associated_cancellation_slot(completion);
          waiter entry{this, boost::asio::prefer(executor_, boost::asio::execution::outstanding_work.tracked), handler{std::move(completion)}};
          std::unique_lock lock{state_->mutex};
          if (until <= state_->now) {
            lock.unlock();
            entry.complete(boost::system::error_code{});
            return;
          }
          if (slot.is_connected()) {
            boost::asio::cancellation_slot assigned{slot};
            assigned.assign([this](boost::asio::cancellation_type) { cancel(); });
          }
          state_->waiters.emplace(until, std::move(entry));
        },
        token, when);
  }

  void cancel() {
    std::multimap<instant, waiter> mine;
    {
      std::scoped_lock const lock{state_->mutex};
      for (auto at = state_->waiters.begin(); at != state_->waiters.end();) {
        auto const here = at++;
        if (here->second.owner == this) mine.insert(mine.end(), state_->waiters.extract(here));
      }
    }
    for (auto& [_, wait] : mine) wait.complete(boost::asio::error::operation_aborted);
  }

 private:
  boost::asio::any_io_executor executor_;
  std::shared_ptr<state> state_;
};

static_assert(timekeeper<manual_clock>);

}  // namespace visor

#endif
