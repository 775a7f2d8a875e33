#ifndef VISOR_ENGINE_LOOKOUT_HPP
#define VISOR_ENGINE_LOOKOUT_HPP

#include "visor/base/signal.hpp"
#include "visor/engine/node.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <string>

namespace visor::detail {

/// Looks whether others left something to do, for a node that is not told or that missed it: once in a poll interval, or seldom as long as
/// the store says that it is told.
template <store Store, timekeeper Clock>
class lookout {
 public:
  explicit lookout(shared_node<Store, Clock>& shared)
      : node_(shared), rest_(shared.strand, shared.clock), done_(shared.strand, shared.clock) {}

  std::function<void()> on_ready;       ///< some queue may hold a job
  std::function<void(instant)> on_due;  ///< when, by the store's clock, something is due, or was

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
    while (running_) co_await done_.wait_for(std::chrono::seconds{1});
  }

 private:
  static constexpr std::chrono::seconds when_told{30};

  task<> loop() {
    bool is_told = false;
    while (!node_.draining) {
      co_await rest_.wait_for(until_next(is_told));
      if (node_.draining || node_.lost) continue;
      std::string trouble;
      try {
        auto const seen = co_await node_.kept.glance();
        is_told = seen.is_told_of_changes;
        if (seen.ready) on_ready();
        if (seen.next_at) on_due(*seen.next_at);
      } catch (std::exception const& failure) {
        trouble = failure.what();
      }
      if (trouble.empty()) continue;
      is_told = false;
      node_.log(log_level::warning, "looking for work: ", trouble);
    }
  }

  /// Not all nodes look at the same moment.
  duration until_next(bool is_told) {
    duration const most = is_told ? std::max<duration>(when_told, node_.settings.poll_interval) : node_.settings.poll_interval;
    return most - duration{static_cast<std::int64_t>(static_cast<double>(most.count()) * 0.1 * node_.random())};
  }

  shared_node<Store, Clock>& node_;
  signal<Clock> rest_;
  signal<Clock> done_;
  bool running_ = false;
};

}  // namespace visor::detail

#endif
