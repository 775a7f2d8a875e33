#ifndef VISOR_ASYNC_MANUAL_CLOCK_HPP
#define VISOR_ASYNC_MANUAL_CLOCK_HPP

#include "visor/async/clock.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace visor {

/// A clock that stands still until a test moves it. Copies share one time. When the time reaches a wait, the wait completes on the executor
/// of its timer; waits complete in order. Thread-safe.
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

  duration elapsed() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->elapsed;
  }

  duration suspended() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->suspended;
  }

  /// Simulates a suspension of that length: the time of day moves on, `elapsed()` does not.
  void suspend(duration length) {
    move([length](state& to) {
      to.suspended += length;
      to.now += length;
    });
  }

  /// Moves time forward: every wait that becomes due completes.
  void advance(duration by) {
    move([by](state& to) {
      to.elapsed += by;
      to.now += by;
    });
  }

  /// Steps the clock, also backwards, as an administrator does. `elapsed()` and waits for a length of time are unaffected.
  void step_to(instant when) {
    move([when](state& to) { to.now = when; });
  }

  /// The time until the next wait is due; nothing when no wait is pending.
  std::optional<duration> until_next_wait() const {
    std::scoped_lock const lock{state_->mutex};
    std::optional<duration> least;
    for (auto const& waiting : state_->waiters)
      if (duration const left = state_->left(waiting); !least || left < *least) least = left;
    return least;
  }

 private:
  struct waiter {
    timer const* owner;
    boost::asio::any_io_executor executor;  // tracked: an `io_context` does not run out of work during a wait
    boost::asio::any_completion_handler<void(boost::system::error_code)> completion;
    std::optional<instant> when;  // if empty, `deadline` counts
    duration deadline;            // compared with `elapsed`

    void complete(boost::system::error_code result) {
      boost::asio::post(executor, [done = std::move(completion), result]() mutable { std::move(done)(result); });
    }
  };

  struct state {
    std::mutex mutex;
    instant now;
    duration elapsed{};
    duration suspended{};
    std::list<waiter> waiters;

    duration left(waiter const& waiting) const { return waiting.when ? *waiting.when - now : waiting.deadline - elapsed; }
  };

  template <class Change>
  void move(Change change) {
    std::list<waiter> due;
    {
      std::scoped_lock const lock{state_->mutex};
      change(*state_);
      for (auto at = state_->waiters.begin(); at != state_->waiters.end();) {
        auto const here = at++;
        if (state_->left(*here) <= duration{0}) due.splice(due.end(), state_->waiters, here);
      }
      due.sort([this](waiter const& a, waiter const& b) { return state_->left(a) < state_->left(b); });
    }
    for (auto& waiting : due) waiting.complete(boost::system::error_code{});
  }

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
    return wait(std::optional<instant>(when), duration{}, std::forward<Token>(token));
  }

  template <class Token>
  auto async_wait_for(duration length, Token&& token) {
    return wait(std::optional<instant>(), length, std::forward<Token>(token));
  }

  void cancel() {
    std::list<waiter> mine;
    {
      std::scoped_lock const lock{state_->mutex};
      for (auto at = state_->waiters.begin(); at != state_->waiters.end();) {
        auto const here = at++;
        if (here->owner == this) mine.splice(mine.end(), state_->waiters, here);
      }
    }
    for (auto& waiting : mine) waiting.complete(boost::asio::error::operation_aborted);
  }

 private:
  template <class Token>
  auto wait(std::optional<instant> when, duration length, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [this](auto completion, std::optional<instant> until, duration during) {
          cancel();
          // The slot of the erased handler: the type erasure takes over the slot of the original one.
          boost::asio::any_completion_handler<void(boost::system::error_code)> done{std::move(completion)};
          if (auto slot = boost::asio::get_associated_cancellation_slot(done); slot.is_connected())
            slot.assign([this](boost::asio::cancellation_type) { cancel(); });
          std::list<waiter> entry;
          std::unique_lock lock{state_->mutex};
          if (until) until = std::max(*until, state_->now);  // an instant in the past is due now; its distance may not fit a duration
          entry.push_back(waiter{this, boost::asio::prefer(executor_, boost::asio::execution::outstanding_work.tracked), std::move(done),
                                 until, state_->elapsed + during});
          if (state_->left(entry.front()) > duration{0}) {
            state_->waiters.splice(state_->waiters.end(), entry);
            return;
          }
          lock.unlock();
          entry.front().complete(boost::system::error_code{});
        },
        token, when, length);
  }

  boost::asio::any_io_executor executor_;
  std::shared_ptr<state> state_;
};

static_assert(timekeeper<manual_clock>);

}  // namespace visor

#endif
