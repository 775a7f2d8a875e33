#ifndef VISOR_ENGINE_SCHEDULE_REVIEW_HPP
#define VISOR_ENGINE_SCHEDULE_REVIEW_HPP

#include "visor/async/signal.hpp"
#include "visor/engine/node.hpp"
#include "visor/engine/occurrence.hpp"
#include "visor/engine/planner.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace visor::detail {

/// Checks the next instants of all schedules at the start, when the store's clock was put back, and when the time zone data changed.
/// Otherwise a schedule that was computed by a wrong clock or other data would be silent until its wrong instant came.
template <store Store, timekeeper Clock>
class schedule_review {
 public:
  explicit schedule_review(shared_node<Store, Clock>& shared)
      : node_(shared), wanted_again_(shared.strand, shared.clock), done_(shared.strand, shared.clock) {}

  void start() {
    running_ = true;
    boost::asio::co_spawn(node_.strand, loop(), [this](std::exception_ptr) {
      running_ = false;
      done_.notify();
    });
  }

  void wake() { wanted_again_.notify(); }

  /// \pre draining, and woken
  task<> finished() {
    while (running_) co_await done_.wait_for(std::chrono::seconds{1});
  }

  /// Receives the store's clock, read between two instants of this node's `elapsed()`.
  void saw_time(instant now, duration before, duration after) {
    if (!clock_.saw(now, before, after)) return;
    node_.log(log_level::warning, "the clock of the store was put back, to ", now, ": the next instants of all schedules are looked at");
    is_wanted_ = true;
    wanted_again_.notify();
  }

 private:
  static constexpr std::size_t page = 500;
  static constexpr std::size_t most_lines = 20;  ///< in the log, about one review
  static constexpr std::chrono::seconds between_looks_at_zones{30};

  task<> loop() {
    failure_pause pause;
    while (!node_.draining) {
      duration wait = between_looks_at_zones;
      std::string trouble;
      try {
        if (std::exchange(is_wanted_, false)) co_await review();
        pause.reset();
      } catch (std::exception const& failure) {
        trouble = failure.what();
      }
      if (!trouble.empty()) {
        node_.log(log_level::warning, "looking at the next instants of schedules: ", trouble);
        is_wanted_ = true;
        wait = pause.next();
      }
      if (is_wanted_ && trouble.empty()) continue;
      co_await wanted_again_.wait_for(wait);
      if (zones_changed()) {
        node_.log(log_level::info, "the time zone data changed: the next instants of all schedules are looked at");
        is_wanted_ = true;
      }
    }
  }

  bool zones_changed() {
    auto const now = zone_data_version();
    return std::exchange(zones_, now) != now;
  }

  task<> review() {
    schedule_filter filter;
    filter.state = schedule_state::active;
    filter.limit = page;
    std::size_t corrected = 0;
    for (;;) {
      auto const schedules = co_await node_.store.schedules(filter);
      auto const now = co_await node_.store.now();  // read after them: the fire loop handles those that are due by then
      std::vector<next_correction> corrections;
      for (auto const& each : schedules) {
        if (each.expression.empty() || !each.next_at) continue;
        auto correction = co_await look_at(each, now);
        if (correction) corrections.push_back(std::move(*correction));
      }
      if (!corrections.empty()) {
        auto const made = co_await node_.store.correct_next(corrections);
        for (std::size_t i = 0; i < made.size(); ++i)
          if (made[i] && ++corrected <= most_lines) report(corrections[i]);
      }
      if (schedules.size() < page || node_.draining) break;
      filter.after = schedules.back().id;
    }
    if (corrected <= most_lines) co_return;
    auto const more = corrected - most_lines;
    node_.log(log_level::warning, more, more_schedules(more), more == 1 ? " was" : " were", " corrected in the same way");
  }

  task<std::optional<next_correction>> look_at(schedule_record const& schedule, instant now) {
    std::optional<next_correction> result;
    std::optional<occurrence> when;
    try {
      when = occurrences(schedule);
    } catch (error const&) {  // nodes that can compute it correct it
    }
    if (!when) co_return result;
    auto const next = [&](instant after) { return when->next(after); };
    // Fires are read only where they matter, in blocks; then the computation starts again.
    std::set<instant> acted_on;
    std::optional<instant> known_until = now;
    std::optional<instant> asked_for;
    for (;;) {
      asked_for.reset();
      auto const was_acted_on = [&](instant planned) {
        if (known_until && planned > *known_until && !asked_for) asked_for = planned;
        return acted_on.contains(planned);
      };
      auto const to = corrected_next(*schedule.next_at, now, next, was_acted_on);
      if (!asked_for) {
        if (to) {
          result.emplace();
          result->schedule = schedule.id;
          result->version = schedule.version;
          result->from = *schedule.next_at;
          result->to = to;
        }
        co_return result;
      }
      auto const more = co_await node_.store.acted_on(schedule.id, *asked_for - duration{1}, page);
      acted_on.insert(more.begin(), more.end());
      known_until = more.size() < page ? std::nullopt : std::optional<instant>(more.back());
    }
  }

  void report(next_correction const& made) {
    node_.log(log_level::warning, "schedule ", made.schedule, " was to be due next at ", made.from,
              ", which a wrong clock or other time zone data said: it is due at ", *made.to);
  }

  shared_node<Store, Clock>& node_;
  signal<Clock> wanted_again_;
  signal<Clock> done_;
  step_watch clock_;
  std::string zones_ = zone_data_version();
  bool is_wanted_ = true;
  bool running_ = false;
};

}  // namespace visor::detail

#endif
