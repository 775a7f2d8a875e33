#ifndef VISOR_ENGINE_WORK_POLLER_HPP
#define VISOR_ENGINE_WORK_POLLER_HPP

#include "visor/async/signal.hpp"
#include "visor/engine/node.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <string>

namespace visor::detail {

/// Polls for work that other nodes left. A node that is not notified of changes, or missed one, polls once in a poll interval. A node that
/// the store notifies polls seldom, as jobs may wait in a lane that it does not know.
template <store Store, timekeeper Clock>
class work_poller {
 public:
  explicit work_poller(shared_node<Store, Clock>& shared)
      : node_(shared), rest_(shared.strand, shared.clock), pause_(shared.strand, shared.clock), done_(shared.strand, shared.clock) {}

  std::function<void()> on_ready;       ///< some queue may hold a job
  std::function<void(instant)> on_due;  ///< the instant, by the store's clock, at which something is due, or was
  std::function<task<>()> on_lanes;     ///< there are more lanes than at the last poll

  /// Notes that something may have changed.
  void wake() { rest_.notify(); }

  void start() {
    running_ = true;
    boost::asio::co_spawn(node_.strand, loop(), [this](std::exception_ptr) {
      running_ = false;
      done_.notify();
    });
  }

  /// \pre draining
  task<> finished() {
    rest_.notify();
    pause_.notify();
    while (running_) co_await done_.wait_for(std::chrono::seconds{1});
  }

 private:
  static constexpr std::chrono::seconds when_told{30};
  static constexpr std::chrono::milliseconds between_looks{500};

  task<> loop() {
    duration due = node_.clock.elapsed() + until_next(false);
    while (!node_.draining) {
      co_await rest_.wait_for(std::max(due - node_.clock.elapsed(), duration{0}));
      bool const is_due = node_.clock.elapsed() >= due;
      duration const rest = between_looks - (node_.clock.elapsed() - looked_at_);
      if (!is_due && rest > duration{0} && !node_.draining) co_await pause_.wait_for(rest);
      if (node_.draining) break;
      looked_at_ = node_.clock.elapsed();
      bool is_told = false;
      if (!node_.lost) is_told = co_await look();
      if (is_due) due = node_.clock.elapsed() + until_next(is_told);
    }
  }

  /// \return whether the store notifies this node of changes
  task<bool> look() {
    std::string trouble;
    bool is_told = false;
    try {
      auto const seen = co_await node_.store.pending_work();
      is_told = seen.is_told_of_changes;
      if (seen.lanes > lanes_) {
        co_await on_lanes();
        lanes_ = seen.lanes;
      }
      if (seen.ready) on_ready();
      if (seen.next_at) on_due(*seen.next_at);
    } catch (std::exception const& failure) {
      trouble = failure.what();
    }
    if (!trouble.empty()) node_.log(log_level::warning, "looking for work: ", trouble);
    co_return is_told;
  }

  /// The time until the next poll, with jitter: not all nodes poll at the same moment.
  duration until_next(bool is_told) {
    duration const most = is_told ? std::max<duration>(when_told, node_.settings.poll_interval) : node_.settings.poll_interval;
    return most - duration{static_cast<std::int64_t>(static_cast<double>(most.count()) * 0.1 * node_.random())};
  }

  shared_node<Store, Clock>& node_;
  signal<Clock> rest_;
  signal<Clock> pause_;  // ended only by a drain
  signal<Clock> done_;
  duration looked_at_{};  // by `elapsed()`
  std::size_t lanes_ = 0;
  bool running_ = false;
};

}  // namespace visor::detail

#endif
