#ifndef VISOR_STORE_MEMORY_STORE_HPP
#define VISOR_STORE_MEMORY_STORE_HPP

#include "visor/base/clock.hpp"
#include "visor/base/error.hpp"
#include "visor/base/task.hpp"
#include "visor/store/change_signal.hpp"
#include "visor/store/check_text.hpp"
#include "visor/store/memory_jobs.hpp"
#include "visor/store/memory_nodes.hpp"
#include "visor/store/memory_schedules.hpp"
#include "visor/store/schedule_rules.hpp"
#include "visor/store/store.hpp"

#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor {

/// A store in the memory of this process: nothing to install, nothing left when it is destroyed. It is also the reference for what
/// every store does; see the concept `store` for the meaning of each operation.
///
/// Several engines may share one by reference, each as a node of its own name. All members may be called from any thread; one mutex
/// makes them one after another, and they complete without suspending. Finished jobs and fires are kept as long as the store lives.
/// \tparam Clock whose time is the store's
template <timekeeper Clock = wall_clock>
class memory_store {
 public:
  explicit memory_store(Clock clock = {}) : clock_(std::move(clock)) {}
  memory_store(memory_store const&) = delete;
  memory_store& operator=(memory_store const&) = delete;

  task<> open() {
    std::scoped_lock const lock{mutex_};
    is_open_ = true;
    co_return;
  }

  /// What is stored stays, and is there again after `open()`.
  task<> close() {
    std::scoped_lock const lock{mutex_};
    is_open_ = false;
    co_return;
  }

  task<instant> now() {
    operation const here{*this};
    co_return here.now;
  }

  [[nodiscard]] subscription on_change(std::function<void()> callback) { return changes_.subscribe(std::move(callback)); }

  task<node_lease> join(join_request request) {
    check_text(request);
    operation const here{*this};
    auto lease = nodes_.join(request, here.now);
    // An epoch that this one follows directly may still hold jobs; those before it were recovered when they ended.
    node_lease const before{lease.node, lease.epoch - 1, here.now};
    if (request.keeps)
      jobs_.put_back_all(before, here.now, *request.keeps);
    else
      jobs_.recover(before, here.now);
    jobs_.limit(request.limits);
    co_return lease;
  }

  task<node_lease> renew(node_lease const& lease, duration ttl, node_state state) {
    operation const here{*this};
    co_return nodes_.renew(lease, ttl, state, here.now);
  }

  task<> leave(node_lease const& lease) {
    operation const here{*this};
    if (nodes_.leave(lease, here.now)) jobs_.put_back_all(lease, here.now);
    co_return;
  }

  task<std::vector<recovery>> recover(std::optional<node_lease> evict) {
    operation const here{*this};
    std::vector<recovery> result;
    for (auto const& lapsed : nodes_.lapse(evict, here.now)) result.push_back(jobs_.recover(lapsed, here.now));
    co_return result;
  }

  task<> set_wish(std::string const& node, std::optional<node_wish> wish) {
    operation const here{*this};
    nodes_.set_wish(node, wish);
    co_return;
  }

  task<bool> remove_node(std::string const& node) {
    operation const here{*this};
    co_return nodes_.remove(node);
  }

  task<std::vector<node_record>> nodes() {
    operation const here{*this};
    co_return nodes_.list();
  }

  task<std::vector<type_limit_record>> limits() {
    operation const here{*this};
    co_return jobs_.limits();
  }

  task<std::int64_t> reserve_ids(std::size_t count) {
    operation const here{*this};
    if (count < 1 || count > 1'000'000)
      throw error(condition::invalid_argument, "cannot reserve " + std::to_string(count) + " ids: allowed is 1 to 1000000 at a time");
    co_return std::exchange(next_id_, next_id_ + static_cast<std::int64_t>(count));
  }

  /// O(log n) a job, O(1) for a job that comes behind all others of its queue.
  task<std::size_t> enqueue(std::span<new_job const> jobs) {
    for (auto const& job : jobs) check_text(job);
    operation const here{*this};
    std::size_t added = 0;
    for (auto const& job : jobs) added += jobs_.add(as_record(job, here.now), here.now) ? 1 : 0;
    co_return added;
  }

  /// O(log n) for each completion, return and claimed job.
  task<exchange_result> exchange(node_lease const& lease, std::span<completion const> done, std::span<give_back const> back,
                                 std::span<claim_request const> wanted) {
    for (auto const& each : done) check_text(each);
    operation const here{*this};
    exchange_result result;
    for (auto const& each : done) {
      bool const is_new = jobs_.is_open(lease, each);
      if (!jobs_.complete(lease, each, here.now)) result.refused.push_back(each.job);
      if (!is_new || each.outcome != outcome::completed) continue;
      for (auto const& child : each.children) jobs_.add(as_record(child, here.now), here.now);
    }
    for (auto const& each : back)
      if (!jobs_.give_back(lease, each, here.now)) result.refused.push_back(each.job);
    result.lease_current = nodes_.is_current(lease, here.now);
    for (auto const& wish : wanted) {
      auto taken = result.lease_current ? jobs_.take(lease, wish, here.now, result.next_in) : claim();
      if (!taken.jobs.empty()) result.claims.push_back(std::move(taken));
    }
    co_return result;
  }

  task<promotion> promote(std::size_t limit) {
    operation const here{*this};
    co_return jobs_.promote(here.now, limit);
  }

  task<outlook> glance() {
    operation const here{*this};
    outlook result;
    result.ready = jobs_.any_ready();
    result.next_at = schedules_.first_due();
    auto const job = jobs_.next_scheduled();
    if (job && (!result.next_at || *job < *result.next_at)) result.next_at = job;
    result.is_told_of_changes = true;
    co_return result;
  }

  task<due_schedules> due(std::size_t limit) {
    operation const here{*this};
    auto result = schedules_.due(here.now, limit);
    result.next_job_at = jobs_.next_scheduled();
    co_return result;
  }

  task<std::vector<fired>> fire(node_lease const& lease, std::span<fire_order const> orders) {
    for (auto const& order : orders)
      if (order.ids.size() != order.planned.size())
        throw error(condition::invalid_argument, "schedule " + order.schedule + ": a fire order needs one id for each instant");
    operation const here{*this};
    bool const current = nodes_.is_current(lease, here.now);
    std::vector<fired> results;
    for (auto const& order : orders) {
      fired result;
      result.schedule = order.schedule;
      auto const* stored = schedules_.find(order.schedule);
      result.accepted = current && stored != nullptr && stored->state == schedule_state::active && stored->version == order.version &&
                        stored->next_at == order.expected_next;
      if (result.accepted) result.fires = fire(lease.node, order, *stored, here.now);
      results.push_back(std::move(result));
    }
    co_return results;
  }

  task<schedule_changes> replace_schedules(origin whose, std::span<schedule_record const> all) {
    for (auto const& each : all) check_text(each);
    operation here{*this};
    auto const changes = schedules_.replace(whose, all, here.now);
    here.schedules_changed = changes.added + changes.changed + changes.removed != 0;
    co_return changes;
  }

  task<> add_schedule(schedule_record record) {
    check_text(record);
    operation here{*this};
    schedules_.add(std::move(record), here.now);
    here.schedules_changed = true;
    co_return;
  }

  task<schedule_record> update_schedule(schedule_record record) {
    check_text(record);
    operation here{*this};
    auto result = schedules_.update(std::move(record), here.now);
    here.schedules_changed = true;
    co_return result;
  }

  task<bool> remove_schedule(std::string const& id) {
    operation here{*this};
    here.schedules_changed = schedules_.remove(id);
    co_return here.schedules_changed;
  }

  task<std::optional<schedule_record>> find_schedule(std::string const& id) {
    operation const here{*this};
    auto const* record = schedules_.find(id);
    if (record == nullptr) co_return std::nullopt;
    co_return *record;
  }

  /// O(all schedules).
  task<std::vector<schedule_record>> schedules(schedule_filter filter) {
    operation const here{*this};
    co_return schedules_.list(filter);
  }

  task<std::vector<fire_record>> fires(std::string const& schedule, std::size_t limit) {
    operation const here{*this};
    co_return schedules_.fires(schedule, limit);
  }

  task<std::optional<job_view>> find_job(job_id id) {
    operation const here{*this};
    co_return jobs_.view(id);
  }

  /// O(all jobs).
  task<std::vector<job_view>> jobs(job_filter filter) {
    operation const here{*this};
    co_return jobs_.list(filter);
  }

  task<std::vector<attempt_record>> attempts(job_id id) {
    operation const here{*this};
    co_return jobs_.attempts(id);
  }

  task<cancel_result> cancel_job(job_id id) {
    operation const here{*this};
    co_return jobs_.cancel(id, here.now);
  }

  task<std::vector<job_id>> cancel_requests() {
    operation const here{*this};
    co_return jobs_.cancel_requests();
  }

  task<> retry_job(job_id id) {
    operation const here{*this};
    jobs_.retry(id, here.now);
    co_return;
  }

 private:
  /// One operation: alone, at one instant, and told to the listeners when it is over and gave somebody something to do.
  struct operation {
    explicit operation(memory_store& kept) : store(kept), lock(kept.mutex_), now(kept.clock_.now()) {
      if (!kept.is_open_) throw error(condition::closed, "the store is not open: call open() first");
    }
    operation(operation const&) = delete;
    operation& operator=(operation const&) = delete;
    ~operation() {
      bool const news = store.jobs_.take_news() || schedules_changed;
      lock.unlock();
      if (news) store.changes_.notify();
    }

    memory_store& store;
    std::unique_lock<std::mutex> lock;
    instant now;
    bool schedules_changed = false;
  };

  static job_record as_record(new_job const& given, instant now) {
    job_record job;
    job.id = given.id;
    job.type = given.type;
    job.queue = given.queue;
    job.priority = given.priority;
    job.payload = given.payload;
    job.max_attempts = given.max_attempts;
    job.owner = given.owner;
    job.run_at = given.run_at.value_or(now);
    job.created_at = now;
    return job;
  }

  static job_record as_record(schedule_record const& schedule, instant planned, job_id id, instant now) {
    job_record job;
    job.id = id;
    job.type = schedule.type;
    job.queue = schedule.queue;
    job.priority = schedule.priority;
    job.payload = schedule.payload;
    job.max_attempts = schedule.max_attempts;
    job.schedule = schedule.id;
    job.planned_at = planned;
    job.owner = schedule.owner;
    job.run_at = planned;
    job.created_at = now;
    return job;
  }

  std::vector<fire_record> fire(std::string const& node, fire_order const& order, schedule_record schedule, instant now) {
    std::vector<fire_record> fires;
    for (std::size_t i = 0; i < order.planned.size(); ++i) {
      instant const planned = order.planned[i];
      if (schedules_.has_fired(schedule.id, planned)) continue;
      fire_record record;
      record.schedule = schedule.id;
      record.planned_at = planned;
      record.fired_at = now;
      record.node = node;
      if (start(schedule, planned, order.ids[i], now)) {
        record.job = order.ids[i];
        schedule.last_at = planned;
        schedule.last_job = order.ids[i];
        ++schedule.run_count;
      } else {
        record.result = fire_result::skipped;
      }
      schedules_.add_fire(record);
      fires.push_back(std::move(record));
    }
    schedule.next_at = order.next_at;
    schedule.state = order.state;
    schedules_.put(std::move(schedule));
    return fires;
  }

  /// Adds the job of a fire as the overlap policy says. False when it says no.
  bool start(schedule_record const& schedule, instant planned, job_id id, instant now) {
    job_id const last = schedule.last_job.value_or(0);
    job_id blocker = 0;
    switch (decide_fire(schedule.overlap, jobs_.state_of(last))) {
      case fire_action::add: break;
      case fire_action::skip: return false;
      case fire_action::wait: blocker = last; break;
      case fire_action::stop_and_wait:
        jobs_.cancel(last, now);
        blocker = last;
        break;
      case fire_action::replace_and_wait: blocker = jobs_.blocker_of(last); [[fallthrough]];
      case fire_action::replace_and_add: jobs_.cancel(last, now); break;
    }
    return jobs_.add(as_record(schedule, planned, id, now), now, blocker);
  }

  [[no_unique_address]] Clock clock_;
  std::mutex mutex_;
  bool is_open_ = false;
  detail::memory_nodes nodes_;
  detail::memory_schedules schedules_;
  detail::memory_jobs jobs_{schedules_};
  std::int64_t next_id_ = 1;
  change_signal changes_;
};

}  // namespace visor

#endif
