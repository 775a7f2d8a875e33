#ifndef VISOR_SIMULATION_SIMULATED_CLOCK_HPP
#define VISOR_SIMULATION_SIMULATED_CLOCK_HPP

#include "visor/async/clock.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace visor {

namespace detail {

/// Virtual time, and its pending waits and calls in the order in which they are due. Not thread-safe.
class timeline {
 public:
  using completion = boost::asio::any_completion_handler<void(boost::system::error_code)>;

  /// The key of a pending entry. Entries that are due at the same time complete in the order in which they were added.
  struct timer_key {
    duration due{};
    std::uint64_t order = 0;
    friend auto operator<=>(timer_key const&, timer_key const&) = default;
  };

  duration elapsed() const { return elapsed_; }

  /// Completes on the executor at the due time.
  timer_key wait(duration due, boost::asio::any_io_executor on, completion done) {
    return put(due, entry{std::move(on), std::move(done), {}});
  }

  /// Calls `what` at the due time.
  timer_key at(duration due, std::function<void()> what) { return put(due, entry{{}, {}, std::move(what)}); }

  /// Ends a wait early, if it is still pending. Not for entries of `at`.
  void cancel(timer_key which) {
    if (auto found = entries_.extract(which); !found.empty()) complete(std::move(found.mapped()), boost::asio::error::operation_aborted);
  }

  /// Drops all waits that would complete in a context that runs no more.
  void forget(boost::asio::execution_context const& context) {
    std::vector<entry> dropped;  // collected first: the destruction of one may cancel others
    for (auto at = entries_.begin(); at != entries_.end();) {
      auto const here = at++;
      auto const& on = here->second.executor;
      if (on && &boost::asio::query(on, boost::asio::execution::context) == &context)
        dropped.push_back(std::move(entries_.extract(here).mapped()));
    }
  }

  std::optional<duration> next_due() const {
    return entries_.empty() ? std::nullopt : std::optional<duration>(entries_.begin()->first.due);
  }

  void move_to(duration when) {
    elapsed_ = std::max(elapsed_, when);
    while (!entries_.empty() && entries_.begin()->first.due <= elapsed_)
      complete(std::move(entries_.extract(entries_.begin()).mapped()), boost::system::error_code());
  }

 private:
  struct entry {
    boost::asio::any_io_executor executor;
    completion done;
    std::function<void()> action;  // in place of `done`
  };

  timer_key put(duration due, entry what) {
    timer_key const where{due, ++last_};
    entries_.emplace(where, std::move(what));
    return where;
  }

  static void complete(entry what, boost::system::error_code result) {
    if (what.action) return what.action();
    boost::asio::post(what.executor, [done = std::move(what.done), result]() mutable { std::move(done)(result); });
  }

  std::map<timer_key, entry> entries_;
  duration elapsed_{};
  std::uint64_t last_ = 0;
};

}  // namespace detail

namespace detail {

/// The differences between the clocks of a machine and the true ones.
struct machine_time {
  duration ahead{};   ///< of the time of day
  duration behind{};  ///< of `elapsed`, which stood still while the machine was suspended
};

}  // namespace detail

/// The clock of a machine in a `simulation`, advanced only by it. Valid as long as the simulation lives; not thread-safe.
class simulated_clock {
 public:
  class timer;
  static constexpr instant start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

  simulated_clock(detail::timeline& time, detail::machine_time const& machine) : time_(&time), machine_(&machine) {}

  instant now() const { return start + time_->elapsed() + machine_->ahead; }
  duration elapsed() const { return time_->elapsed() - machine_->behind; }
  duration suspended() const { return machine_->behind; }

 private:
  detail::timeline* time_;
  detail::machine_time const* machine_;
};

/// The timer of a `simulated_clock`. Its waits may end early in the same way as those of `wall_clock::timer`.
class simulated_clock::timer {
 public:
  timer(boost::asio::any_io_executor executor, simulated_clock clock) : executor_(std::move(executor)), clock_(clock) {}
  timer(timer const&) = delete;
  timer& operator=(timer const&) = delete;
  ~timer() { cancel(); }

  template <class Token>
  auto async_wait_until(instant when, Token&& token) {
    instant const now = clock_.now();
    return async_wait_for(when <= now ? duration{0} : when - now, std::forward<Token>(token));
  }

  template <class Token>
  auto async_wait_for(duration length, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [this](auto completion, duration during) {
          cancel();
          detail::timeline::completion done{std::move(completion)};
          auto slot = boost::asio::get_associated_cancellation_slot(done);
          auto* const time = clock_.time_;
          waits_ = time->wait(time->elapsed() + during, executor_, std::move(done));
          if (slot.is_connected()) slot.assign([time, which = *waits_](boost::asio::cancellation_type) { time->cancel(which); });
        },
        token, std::clamp<duration>(length, duration{0}, wall_clock::timer::longest_wait));
  }

  void cancel() {
    if (waits_) clock_.time_->cancel(*std::exchange(waits_, std::nullopt));
  }

 private:
  boost::asio::any_io_executor executor_;
  simulated_clock clock_;
  std::optional<detail::timeline::timer_key> waits_;
};

static_assert(timekeeper<simulated_clock>);

}  // namespace visor

#endif
