#ifndef VISOR_ENGINE_FIRE_LOOP_HPP
#define VISOR_ENGINE_FIRE_LOOP_HPP

#include "visor/async/signal.hpp"
#include "visor/engine/node.hpp"
#include "visor/engine/occurrence.hpp"
#include "visor/engine/planner.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor::detail {

/// Turns due schedules into jobs, moves due jobs to the queue, and sleeps until the next instant. There is no timer per schedule: the
/// store's index knows which is next, so a hundred thousand idle schedules cost nothing.
template <store Store, timekeeper Clock>
class fire_loop {
 public:
  explicit fire_loop(shared_node<Store, Clock>& shared)
      : node_(shared), due_(shared.strand, shared.clock), pause_(shared.strand, shared.clock), done_(shared.strand, shared.clock) {}

  std::function<void()> on_new_work;  ///< jobs became ready

  /// Completes before the loop first reads the store.
  std::function<task<>()> before_first_look;
  /// Receives the store's clock, read between two instants of this node's `elapsed()`.
  std::function<void(instant now, duration before, duration after)> on_time;

  void start() {
    running_ = true;
    boost::asio::co_spawn(node_.strand, loop(), [this](std::exception_ptr) {
      running_ = false;
      done_.notify();
    });
  }

  void wake() { due_.notify(); }

  /// Notes that something is due, or was due, at an instant by the store's clock.
  void expect(instant when) {
    if (!next_at_ || when < *next_at_) due_.notify();
  }

  /// \pre draining, and woken
  task<> finished() {
    while (running_) co_await done_.wait_for(std::chrono::seconds{1});
  }

 private:
  static constexpr std::size_t round = 500;  ///< schedules or jobs in one transaction
  /// The longest time without a read of the store's clock, which may be stepped.
  static constexpr std::chrono::seconds longest_sleep{30};
  static constexpr std::chrono::milliseconds retry_sleep{50};
  /// Minimum interval between scans: the loop is woken by every enqueue, and few of them concern schedules.
  static constexpr std::chrono::milliseconds between_looks{20};

  static constexpr std::chrono::seconds between_retries{10};   ///< of schedules that this node cannot compute
  static constexpr std::chrono::minutes longest_patience{10};  ///< the longest wait for nodes that can
  static constexpr std::size_t most_lines = 10;                ///< in the log, about schedules of one round that are alike

  task<> loop() {
    if (before_first_look) co_await before_first_look();
    failure_pause pause;
    while (!node_.draining) {
      duration wait = longest_sleep;
      std::string trouble;
      try {
        wait = co_await tick();
        if (wait > longest_sleep) wait = co_await sleep_towards_next();
        pause.reset();
      } catch (error const& failure) {
        node_.look_at(failure);
        trouble = failure.what();
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

  /// Sleeps for a time, or until it is woken, but at least until `between_looks` after the last scan.
  /// \return whether it was woken
  task<bool> sleep(duration length) {
    bool const is_woken = co_await due_.wait_for(length);
    duration const rest = std::min<duration>(between_looks, length) - (node_.clock.elapsed() - looked_at_);
    if (is_woken && rest > duration{0} && !node_.draining) co_await pause_.wait_for(rest);
    co_return is_woken;
  }

  /// Sleeps while the next due instant is far. \return the remaining wait
  task<duration> sleep_towards_next() {
    for (;;) {
      if (co_await sleep(longest_sleep) || node_.draining) co_return duration{0};
      auto const before = node_.clock.elapsed();
      auto const now = co_await node_.store.now();
      saw_time(now, before);
      if (!next_at_) continue;
      if (*next_at_ - now <= longest_sleep) co_return std::max(*next_at_ - now, duration{0});
    }
  }

  void saw_time(instant now, duration before) {
    if (on_time) on_time(now, before, node_.clock.elapsed());
  }

  /// Scans the store once. \return how long nothing is due
  task<duration> tick() {
    if (node_.lost) co_return retry_sleep;
    if (node_.drain_requested) co_return duration::max();  // `wake()` ends the wait
    next_at_.reset();
    looked_at_ = node_.clock.elapsed();
    std::optional<due_position> after;
    if (looked_at_ < passed_until_) after = passed_;
    due_schedules due;
    fire_round result;
    for (;;) {
      auto const before = node_.clock.elapsed();
      due = co_await node_.store.due(round, after);
      saw_time(due.now, before);
      result = co_await fire(due);
      if (due.schedules.size() < round || result.ordered != 0) break;
      // This node can act on none of a whole page: that page is not read again for a while.
      after = passed_ = due_position(*due.schedules.back().next_at, due.schedules.back().id);
      passed_until_ = looked_at_ + between_retries;
    }
    // None was accepted: other nodes were first, or the lease is gone and this node does not know yet.
    if (result.ordered != 0 && result.accepted == 0) co_return refused_.next();
    refused_.reset();
    std::optional<instant> next_at = due.next_at;
    std::optional<instant> next_job_at = due.next_job_at;
    bool more = result.ordered != 0;  // the new instants are read in the next round
    if (next_job_at && *next_job_at <= due.now) {
      auto const promoted = co_await node_.store.promote(round);
      if (promoted.moved != 0 && on_new_work) on_new_work();
      more = more || promoted.moved == round;
      next_job_at = promoted.next_at;
    }
    if (more) co_return duration{0};
    if (next_job_at && (!next_at || *next_job_at < *next_at)) next_at = next_job_at;
    next_at_ = next_at;
    std::erase_if(unable_, [this](auto const& each) { return looked_at_ - each.second.seen_at > 3 * between_retries; });
    if (!unable_.empty() && (!next_at_ || *next_at_ - due.now > between_retries)) next_at_ = due.now + between_retries;
    if (!next_at_) co_return duration::max();
    co_return std::max<duration>(*next_at_ - due.now, std::chrono::milliseconds{1});
  }

  struct fire_round {
    std::size_t ordered = 0;
    std::size_t accepted = 0;
  };

  task<fire_round> fire(due_schedules const& due) {
    fire_round result;
    std::vector<fire_order> orders;
    std::vector<std::string> newly_unable;  // ids of schedules that this node cannot compute, as it finds now
    std::size_t ids = 0;
    for (auto const& schedule : due.schedules) {
      if (is_known_to_be_unable(schedule)) continue;
      try {
        orders.push_back(order(schedule, due.now));
        ids += orders.back().planned.size();
        unable_.erase(schedule.id);
      } catch (error const& failure) {
        if (note_unable(schedule, failure.what())) newly_unable.push_back(schedule.id);
      }
    }
    report_unable(newly_unable);
    co_await note_missed(due);
    if (orders.empty()) co_return result;
    co_await take_ids(orders, ids);
    auto const held = node_.lease;  // the member may change while the store reads it
    std::vector<fired> results;
    try {
      results = co_await node_.store.fire(held, orders);
    } catch (error const& failure) {
      // Other jobs may have the rest, too.
      if (failure.code() == errc::conflict) spare_ids_.clear();
      throw;
    }
    report(results);
    report_missed(orders, results);
    report_refused(results, due);
    keep_unused_ids(orders, results);
    result.ordered = orders.size();
    for (auto const& each : results) result.accepted += each.accepted ? 1 : 0;
    co_return result;
  }

  /// Gives each planned instant an id, first from those that earlier orders did not use.
  task<> take_ids(std::vector<fire_order>& orders, std::size_t count) {
    reserved_ids fresh;
    if (count > spare_ids_.size()) fresh = co_await node_.store.reserve_ids(count - spare_ids_.size());
    for (auto& each : orders)
      for (std::size_t i = 0; i < each.planned.size(); ++i) {
        if (spare_ids_.empty()) {
          each.ids.push_back(fresh.take());
        } else {
          each.ids.push_back(spare_ids_.back());
          spare_ids_.pop_back();
        }
      }
  }

  void keep_unused_ids(std::vector<fire_order> const& orders, std::vector<fired> const& results) {
    for (std::size_t i = 0; i < results.size(); ++i)
      for (job_id const id : orders[i].ids)
        if (std::ranges::find(results[i].fires, std::optional<job_id>(id), &fire_record::job) == results[i].fires.end())
          spare_ids_.push_back(id);
  }

  // This node cannot compute some schedules: it lacks time zone data, or it is older than their expressions. Other nodes may be able to, so
  // the schedule is not changed. One that stays due for long gets a fire record `missed`, and stays due.

  struct unable_schedule {
    std::int64_t version = 1;
    instant next_at{};
    std::string reason;
    duration since{};     // by `elapsed()`
    duration retry_at{};  // the same
    duration seen_at{};   // the same
    duration patience{};
    bool is_noted = false;
  };

  bool is_known_to_be_unable(schedule_record const& schedule) {
    auto const at = unable_.find(schedule.id);
    if (at == unable_.end()) return false;
    at->second.seen_at = looked_at_;
    return at->second.version == schedule.version && at->second.next_at == schedule.next_at && looked_at_ < at->second.retry_at;
  }

  /// \return whether it was not known
  bool note_unable(schedule_record const& schedule, std::string reason) {
    auto& known = unable_[schedule.id];
    bool const is_new = known.reason.empty() || known.version != schedule.version;
    if (is_new || known.next_at != *schedule.next_at) {
      known = unable_schedule();
      known.version = schedule.version;
      known.next_at = *schedule.next_at;
      known.since = looked_at_;
      known.patience = patience_with(schedule);
    }
    known.reason = std::move(reason);
    known.seen_at = looked_at_;
    known.retry_at = looked_at_ + between_retries;
    return is_new;
  }

  /// Two periods, if their length can be told without a zone; never more than `longest_patience`.
  static duration patience_with(schedule_record const& schedule) {
    try {
      auto const when = recurrence::parse(schedule.expression);
      auto const first = when.next(time_zone::utc(), *schedule.next_at);
      auto const second = first ? when.next(time_zone::utc(), *first) : std::nullopt;
      if (second) return std::min<duration>(longest_patience, 2 * (*second - *first));
    } catch (error const&) {
    }
    return longest_patience;
  }

  void report_unable(std::vector<std::string> const& ids) {
    for (std::size_t i = 0; i < std::min(ids.size(), most_lines); ++i)
      node_.log(log_level::warning, "schedule ", ids[i],
                " cannot be computed by this node, which leaves it to others: ", unable_.at(ids[i]).reason);
    if (ids.size() <= most_lines) return;
    auto const more = ids.size() - most_lines;
    node_.log(log_level::warning, more, more_schedules(more), " cannot be computed by this node, which leaves ", more == 1 ? "it" : "them",
              " to others");
  }

  /// Records schedules that no node has fired for long as missed.
  task<> note_missed(due_schedules const& due) {
    std::vector<missed_instant> missed;
    for (auto const& schedule : due.schedules) {
      auto const at = unable_.find(schedule.id);
      if (at == unable_.end() || at->second.is_noted || at->second.next_at != schedule.next_at) continue;
      if (looked_at_ - at->second.since < at->second.patience) continue;
      missed.emplace_back(schedule.id, *schedule.next_at, "due since then, and no node can fire it: " + at->second.reason);
    }
    if (missed.empty()) co_return;
    co_await put_on_record(missed);
    for (auto const& each : missed) unable_.at(each.schedule).is_noted = true;
    for (std::size_t i = 0; i < std::min(missed.size(), most_lines); ++i)
      node_.log(log_level::error, "schedule ", missed[i].schedule, " was due at ", missed[i].planned_at,
                " and did not fire: no node can fire it: ", unable_.at(missed[i].schedule).reason);
    if (missed.size() <= most_lines) co_return;
    auto const more = missed.size() - most_lines;
    node_.log(log_level::error, more, more_schedules(more), " did not fire: no node can fire ", more == 1 ? "it" : "them");
  }

  /// Writes the records. One that the database refuses permanently does not keep the others from being written.
  task<> put_on_record(std::span<missed_instant const> missed) {
    auto const held = node_.lease;
    std::string refusal;
    try {
      co_await node_.store.note_missed(held, missed);
    } catch (error const& failure) {
      if (!is_refusal(failure.portable_code())) throw;
      refusal = failure.what();
    }
    if (refusal.empty()) co_return;
    if (missed.size() == 1) {
      node_.log(log_level::error, "schedule ", missed.front().schedule, ": that it was missed cannot be put on record: ", refusal);
      co_return;
    }
    co_await put_on_record(missed.first(missed.size() / 2));
    co_await put_on_record(missed.subspan(missed.size() / 2));
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
    if (!result.planned.empty() && result.planned.front() == result.expected_next) return result;
    result.missed =
        (result.planned.empty() ? std::string("due from then on") : "due from then until " + to_string(result.planned.front())) +
        " while no node fired it, and not made up for (misfire: " + boost::describe::enum_to_string(schedule.misfire, "") + ")";
    return result;
  }

  static void take(fire_order& into, fire_plan plan) {
    into.planned = std::move(plan.planned);
    into.next_at = plan.next_at;
    into.state = plan.state;
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

  /// Logs instants that no node could act on in time, and that the policy drops.
  void report_missed(std::vector<fire_order> const& orders, std::vector<fired> const& results) {
    for (std::size_t i = 0; i < results.size(); ++i)
      if (results[i].accepted && orders[i].missed)
        node_.log(log_level::info, "schedule ", orders[i].schedule, " was due from ", *orders[i].expected_next, " on; what was missed ",
                  orders[i].planned.empty() ? std::string("since") : "before " + to_string(orders[i].planned.front()),
                  " is not made up for: ", *orders[i].missed);
  }

  /// Logs schedules whose jobs the database refuses permanently. Where it also refuses the record of that, the schedule stays due. It is
  /// then passed over for a while, like one that cannot be computed.
  void report_refused(std::vector<fired> const& results, due_schedules const& due) {
    for (auto const& result : results) {
      if (!result.refused) continue;
      auto const schedule = std::ranges::find(due.schedules, result.schedule, &schedule_record::id);
      if (schedule == due.schedules.end()) continue;
      node_.log(log_level::error, "schedule ", result.schedule, " did not fire for ", *schedule->next_at, ": ", *result.refused);
      if (!result.accepted) note_unable(*schedule, *result.refused);
    }
  }

  shared_node<Store, Clock>& node_;
  signal<Clock> due_;
  signal<Clock> pause_;  // only times out: nothing notifies it
  signal<Clock> done_;
  duration looked_at_{};                           // by `elapsed()`
  std::optional<instant> next_at_;                 // the next due instant, by the store's clock, as of the last scan
  std::map<std::string, unable_schedule> unable_;  // by id
  std::optional<due_position> passed_;             // the last of the first due schedules, on all of which this node cannot act
  duration passed_until_{};                        // by `elapsed()`
  std::vector<job_id> spare_ids_;
  failure_pause refused_;
  bool running_ = false;
};

}  // namespace visor::detail

#endif
