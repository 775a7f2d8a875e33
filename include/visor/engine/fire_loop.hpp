#ifndef VISOR_ENGINE_FIRE_LOOP_HPP
#define VISOR_ENGINE_FIRE_LOOP_HPP

#include "visor/base/signal.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/engine/node.hpp"
#include "visor/engine/planner.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace visor::detail {

/// Turns due schedules into jobs, moves due jobs to the queue, and sleeps until the next is due. There is no timer per schedule: the
/// store's index knows which is next, so a hundred thousand idle schedules cost nothing.
template <store Store, timekeeper Clock>
class fire_loop {
 public:
  explicit fire_loop(shared_node<Store, Clock>& shared)
      : node_(shared), due_(shared.strand, shared.clock), pause_(shared.strand, shared.clock), done_(shared.strand, shared.clock) {}

  std::function<void()> on_new_work;  ///< jobs became ready

  void add(schedule_record schedule) {
    if (schedule.expression.empty() && !schedule.next_at)
      throw error(condition::invalid_argument, "schedule " + schedule.id + " has neither an expression nor an instant");
    if (!schedule.expression.empty()) occurrences(schedule);
    if (schedule.id.empty()) throw error(condition::invalid_argument, "a schedule has no id");
    if (!ids_.insert(schedule.id).second) throw error(condition::already_exists, "there is a schedule " + schedule.id + " already");
    own_[schedule.origin].push_back(std::move(schedule));
  }

  void owns(origin from) { own_[from]; }

  /// Hands the schedules of the program to the store.
  task<> install() {
    for (auto& [from, schedules] : own_) {
      auto const now = co_await node_.kept.now();
      for (auto& schedule : schedules) {
        if (!schedule.expression.empty()) schedule.next_at = occurrences(schedule).next(now);
        schedule.created_at = schedule.updated_at = now;
      }
      auto const changes = co_await node_.kept.replace_schedules(from, schedules);
      if (changes.added + changes.changed + changes.removed != 0)
        node_.log(log_level::info, "schedules: ", changes.added, " added, ", changes.changed, " changed, ", changes.removed, " removed, ",
                  changes.unchanged, " as before");
      schedules = {};
    }
    ids_ = {};
  }

  void start() {
    running_ = true;
    boost::asio::co_spawn(node_.strand, loop(), [this](std::exception_ptr) {
      running_ = false;
      done_.notify();
    });
  }

  void wake() { due_.notify(); }

  /// Somebody saw that something is due at an instant, by the store's clock, or was.
  void expect(instant when) {
    if (!next_at_ || when < *next_at_) due_.notify();
  }

  /// \pre draining, and woken
  task<> finished() {
    while (running_) co_await done_.wait_for(std::chrono::seconds{1});
  }

 private:
  static constexpr std::size_t round = 500;  ///< schedules or jobs in one transaction
  /// Asks for the time at least so often, in case the clock of the store was stepped.
  static constexpr std::chrono::seconds longest_sleep{30};
  static constexpr std::chrono::milliseconds retry_sleep{50};
  /// Who is woken by every job that is added looks no more often: mostly those are no schedules.
  static constexpr std::chrono::milliseconds between_looks{20};

  task<> loop() {
    failure_pause pause;
    while (!node_.draining) {
      duration wait = longest_sleep;
      std::string trouble;
      try {
        wait = co_await tick();
        if (wait > longest_sleep) wait = co_await sleep_towards_next();
        pause.reset();
      } catch (std::exception const& failure) {
        trouble = failure.what();
      }
      if (!trouble.empty()) {
        node_.log(log_level::warning, "firing schedules: ", trouble);
        wait = pause.next();
      }
      if (wait > duration{0} && !node_.draining) co_await sleep(wait);
    }
  }

  /// Or until it is woken, though not before a moment has passed since it looked.
  /// \return whether it was
  task<bool> sleep(duration length) {
    bool const is_woken = co_await due_.wait_for(length);
    duration const rest = std::min<duration>(between_looks, length) - (node_.clock.elapsed() - looked_at_);
    if (is_woken && rest > duration{0} && !node_.draining) co_await pause_.wait_for(rest);
    co_return is_woken;
  }

  /// As long as what is due next is far. \return what is left to wait
  task<duration> sleep_towards_next() {
    for (;;) {
      if (co_await sleep(longest_sleep) || node_.draining) co_return duration{0};
      if (!next_at_) continue;
      auto const now = co_await node_.kept.now();
      if (*next_at_ - now <= longest_sleep) co_return std::max(*next_at_ - now, duration{0});
    }
  }

  /// One look at the store. \return how long nothing is due
  task<duration> tick() {
    if (node_.lost) co_return retry_sleep;
    if (node_.resting) co_return duration::max();  // it is woken
    next_at_.reset();
    looked_at_ = node_.clock.elapsed();
    auto const due = co_await node_.kept.due(round);
    std::optional<instant> next_at = due.next_at;
    std::optional<instant> next_job_at = due.next_job_at;
    bool more = false;
    if (!due.schedules.empty()) {
      // None accepted: others were first, or the lease is gone without this node knowing yet.
      if (!co_await fire(due)) co_return retry_sleep;
      more = true;  // the new instants are read in the next round
    }
    if (next_job_at && *next_job_at <= due.now) {
      auto const promoted = co_await node_.kept.promote(round);
      if (promoted.moved != 0 && on_new_work) on_new_work();
      more = more || promoted.moved == round;
      next_job_at = promoted.next_at;
    }
    if (more) co_return duration{0};
    if (next_job_at && (!next_at || *next_job_at < *next_at)) next_at = next_job_at;
    next_at_ = next_at;
    if (!next_at) co_return duration::max();
    co_return std::max<duration>(*next_at - due.now, std::chrono::milliseconds{1});
  }

  /// \return whether anything changed
  task<bool> fire(due_schedules const& due) {
    std::vector<fire_order> orders;
    std::vector<std::pair<schedule_record, std::string>> broken;
    std::size_t ids = 0;
    for (auto const& schedule : due.schedules) {
      try {
        orders.push_back(order(schedule, due.now));
        ids += orders.back().planned.size();
      } catch (error const& failure) {
        broken.emplace_back(schedule, failure.what());
      }
    }
    if (ids != 0) {
      auto id = co_await node_.kept.reserve_ids(ids);
      for (auto& each : orders)
        for (std::size_t i = 0; i < each.planned.size(); ++i) each.ids.push_back(id++);
    }
    bool changed = !broken.empty();
    if (!orders.empty()) {
      auto const held = node_.lease;  // the member may change while the store reads it
      auto const results = co_await node_.kept.fire(held, orders);
      report(results);
      report_missed(due.schedules, orders, results);
      for (auto const& result : results) changed = changed || result.accepted;
    }
    for (auto& [schedule, reason] : broken) co_await pause_schedule(schedule, reason);
    co_return changed;
  }

  static fire_order order(schedule_record const& schedule, instant now) {
    fire_order result;
    result.schedule = schedule.id;
    result.version = schedule.version;
    result.expected_next = schedule.next_at;
    if (schedule.expression.empty()) {
      auto const never = [](instant) { return std::optional<instant>(); };
      take(result, plan_fires(schedule, now, never, never));
    } else {
      auto const when = occurrences(schedule);
      take(result,
           plan_fires(
               schedule, now, [&](instant after) { return when.next(after); }, [&](instant before) { return when.previous(before); }));
    }
    return result;
  }

  static void take(fire_order& into, fire_plan plan) {
    into.planned = std::move(plan.planned);
    into.next_at = plan.next_at;
    into.state = plan.state;
  }

  /// The expression of a schedule in its zone.
  struct occurrence {
    recurrence when;
    time_zone zone;
    std::optional<instant> next(instant after) const { return when.next(zone, after); }
    std::optional<instant> previous(instant before) const { return when.previous(zone, before); }
  };
  static occurrence occurrences(schedule_record const& schedule) {
    return occurrence{recurrence::parse(schedule.expression), find_zone(schedule.zone)};
  }

  void report(std::vector<fired> const& results) {
    bool work = false;
    for (auto const& result : results)
      for (auto const& fire : result.fires) {
        ++node_.counters.fires;
        bool const ran = fire.result == fire_result::fired;
        work = work || ran;
        if (ran)
          node_.log(log_level::debug, "schedule ", result.schedule, " fired for ", fire.planned_at);
        else
          node_.log(log_level::info, "schedule ", result.schedule, " skipped ", fire.planned_at, ": its last job is not finished");
      }
    if (work && on_new_work) on_new_work();
  }

  /// Instants that nobody could act on in time, and that the policy does not make up for.
  void report_missed(std::vector<schedule_record> const& due, std::vector<fire_order> const& orders, std::vector<fired> const& results) {
    std::unordered_set<std::string_view> accepted;
    for (auto const& result : results)
      if (result.accepted) accepted.insert(result.schedule);
    for (auto const& order : orders) {
      if (!accepted.contains(order.schedule) || (!order.planned.empty() && order.planned.front() == order.expected_next)) continue;
      auto const schedule = std::ranges::find(due, order.schedule, &schedule_record::id);
      node_.log(log_level::info, "schedule ", order.schedule, " was due from ", *order.expected_next, " on; what was missed ",
                order.planned.empty() ? std::string("since") : "before " + to_string(order.planned.front()),
                " is not made up for (misfire: ", boost::describe::enum_to_string(schedule->misfire, ""), ")");
    }
  }

  /// A schedule that cannot be computed here would be due for ever: it is paused, and says why.
  task<> pause_schedule(schedule_record schedule, std::string reason) {
    node_.log(log_level::error, "schedule ", schedule.id, " is paused: ", reason);
    schedule.state = schedule_state::paused;
    schedule.last_error = std::move(reason);
    try {
      co_await node_.kept.update_schedule(std::move(schedule));
    } catch (error const& failure) {
      if (failure.kind() != condition::conflict && failure.kind() != condition::not_found) throw;
    }
  }

  shared_node<Store, Clock>& node_;
  signal<Clock> due_;
  signal<Clock> pause_;  // which nobody ends
  signal<Clock> done_;
  std::map<origin, std::vector<schedule_record>> own_;
  std::unordered_set<std::string> ids_;  // of those
  duration looked_at_{};                 // by `elapsed()`
  std::optional<instant> next_at_;       // when, by the store's clock, the first thing is due that was not when last looked
  bool running_ = false;
};

}  // namespace visor::detail

#endif
