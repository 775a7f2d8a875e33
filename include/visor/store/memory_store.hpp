#ifndef VISOR_STORE_MEMORY_STORE_HPP
#define VISOR_STORE_MEMORY_STORE_HPP

#include "visor/async/clock.hpp"
#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/store/change_signal.hpp"
#include "visor/store/check_text.hpp"
#include "visor/store/generation.hpp"
#include "visor/store/memory_jobs.hpp"
#include "visor/store/memory_nodes.hpp"
#include "visor/store/memory_schedules.hpp"
#include "visor/store/memory_sets.hpp"
#include "visor/store/row_refusals.hpp"
#include "visor/store/schedule_rules.hpp"
#include "visor/store/store.hpp"

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor {

/// A store in the memory of this process: nothing to install, nothing left when it is destroyed. It is also the reference implementation;
/// see the concept `store` for the meaning of each operation.
///
/// Several engines may share one by reference, each as a node of its own name. All members may be called from any thread. One mutex
/// serializes them, and they complete without suspending. Finished jobs and fires are kept as long as the store lives.
/// \tparam Clock supplies the store's time
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

  /// Closes the store. The stored data stays, and is there again after `open()`.
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

  /// \param refusals as of `refuse_moves`
  task<node_lease> join(join_request request, detail::row_refusals* refusals = nullptr) {
    check_text(request);
    operation here{*this};
    undo all{*this, refusals};
    std::vector<node_lease> replaced;
    auto lease = nodes_.join(request, here.now, replaced);
    lease.generation = generation_;
    for (auto const& each : replaced) {
      jobs_.recover(each, here.now, survival());
      here.schedules_changed = sets_.end(each.node) || here.schedules_changed;
    }
    // An epoch that this one follows directly may still hold jobs; those before it were recovered when they ended.
    node_lease const before{lease.node, lease.epoch - 1, here.now};
    if (request.keeps)
      jobs_.put_back_all(before, here.now, *request.keeps);
    else
      jobs_.recover(before, here.now, survival());
    jobs_.limit(request.limits);
    all.keep();
    co_return lease;
  }

  task<node_lease> renew(node_lease const& lease, renewal how) {
    operation const here{*this};
    co_return nodes_.renew(lease, how, here.now);
  }

  /// \param refusals as of `refuse_moves`
  task<> leave(node_lease const& lease, departure how, detail::row_refusals* refusals = nullptr) {
    operation here{*this};
    undo all{*this, refusals};
    if (!nodes_.leave(lease, how, here.now)) co_return;
    if (how == departure::owing_results)
      jobs_.recover(lease, here.now, survival());
    else
      jobs_.put_back_all(lease, here.now);
    here.schedules_changed = sets_.end(lease.node);
    all.keep();
  }

  /// \param refusals as of `refuse_moves`
  task<std::vector<recovery>> recover(std::optional<node_lease> evict, detail::row_refusals* refusals = nullptr) {
    operation here{*this};
    undo all{*this, refusals};
    std::vector<recovery> result;
    for (auto const& lapsed : nodes_.lapse(evict, here.now)) {
      result.push_back(jobs_.recover(lapsed, here.now, survival()));
      here.schedules_changed = sets_.end(lapsed.node) || here.schedules_changed;
    }
    all.keep();
    co_return result;
  }

  task<> request_state(std::string const& node, std::optional<requested_state> state) {
    detail::check_name("node", "name", node);
    operation const here{*this};
    nodes_.request_state(node, state);
    co_return;
  }

  task<bool> remove_node(std::string const& node) {
    detail::check_name("node", "name", node);
    operation here{*this};
    bool const removed = nodes_.remove(node);
    if (removed) here.schedules_changed = sets_.end(node);
    co_return removed;
  }

  task<std::vector<node_record>> nodes() {
    operation const here{*this};
    co_return nodes_.list();
  }

  task<std::vector<type_limit_record>> limits() {
    operation const here{*this};
    co_return jobs_.limits();
  }

  task<std::vector<node_type_record>> node_types() {
    operation const here{*this};
    co_return nodes_.types();
  }

  task<reserved_ids> reserve_ids(std::size_t count) {
    operation const here{*this};
    if (count < 1 || count > 1'000'000)
      throw error(errc::invalid_argument, "cannot reserve " + std::to_string(count) + " ids: allowed is 1 to 1000000 at a time");
    reserved_ids reserved;
    reserved.add(std::exchange(next_id_, next_id_ + static_cast<std::int64_t>(count)), static_cast<std::int64_t>(count));
    co_return reserved;
  }

  /// O(log n) a job, O(1) for a job that comes after all others of its queue.
  task<std::size_t> enqueue(std::span<new_job const> jobs) {
    for (auto const& job : jobs) check_text(job);
    operation const here{*this};
    std::size_t added = 0;
    for (auto const& job : jobs) added += jobs_.add(as_record(job, here.now), here.now) ? 1 : 0;
    co_return added;
  }

  /// O(log n) for each result, release and claimed job.
  task<exchange_result> exchange(node_lease const& lease, std::span<job_result const> done, std::span<release const> back,
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
      if (!jobs_.release_job(lease, each, here.now)) result.refused.push_back(each.job);
    result.lease_current = nodes_.is_current(lease, here.now);
    claim_budget budget;
    for (auto const& request : wanted) {
      auto taken = result.lease_current ? jobs_.take(lease, request, here.now, budget, result.next_in) : claim();
      if (request.dead_with) {
        jobs_.mark_dead(taken, *request.dead_with, here.now);
        for (auto const& job : taken.jobs) result.remarks.push_back({job.id, "is dead: " + *request.dead_with});
      } else if (!taken.jobs.empty()) {
        result.claims.push_back(std::move(taken));
      }
    }
    co_return result;
  }

  /// \param refusals as of `refuse_moves`
  task<promotion> promote(std::size_t limit, detail::row_refusals* refusals = nullptr) {
    operation const here{*this};
    undo all{*this, refusals};
    auto const result = jobs_.promote(here.now, limit);
    all.keep();
    co_return result;
  }

  task<visor::pending_work> pending_work() {
    operation const here{*this};
    visor::pending_work result;
    result.ready = jobs_.any_ready();
    result.next_at = schedules_.first_due();
    auto const job = jobs_.next_scheduled();
    if (job && (!result.next_at || *job < *result.next_at)) result.next_at = job;
    result.lanes = jobs_.limits().size();
    result.is_told_of_changes = true;
    co_return result;
  }

  task<due_schedules> due(std::size_t limit, std::optional<due_position> after = std::nullopt) {
    operation const here{*this};
    auto result = schedules_.due(here.now, limit, after);
    result.next_job_at = jobs_.next_scheduled();
    co_return result;
  }

  task<std::vector<fired>> fire(node_lease const& lease, std::span<fire_order const> orders) {
    for (auto const& order : orders)
      if (order.ids.size() != order.planned.size())
        throw error(errc::invalid_argument, "schedule " + order.schedule + ": a fire order needs one id for each instant");
    operation const here{*this};
    bool const current = nodes_.is_current(lease, here.now);
    auto const as_read = [&](fire_order const& order) -> schedule_record const* {
      auto const* stored = schedules_.find(order.schedule);
      bool const accepted = current && stored != nullptr && stored->state == schedule_state::active && stored->version == order.version &&
                            stored->next_at == order.expected_next;
      return accepted ? stored : nullptr;
    };
    // Before anything is changed.
    for (auto const& order : orders) {
      if (as_read(order) == nullptr) continue;
      for (job_id const id : order.ids)
        if (jobs_.state_of(id)) throw id_is_taken(id);
    }
    std::vector<fired> results;
    for (auto const& order : orders) {
      fired result;
      result.schedule = order.schedule;
      auto const* stored = as_read(order);
      result.accepted = stored != nullptr;
      if (result.accepted) result.fires = fire(lease.node, order, *stored, here.now);
      results.push_back(std::move(result));
    }
    co_return results;
  }

  task<std::size_t> note_missed(node_lease const& lease, std::span<missed_instant const> missed) {
    operation const here{*this};
    std::size_t noted = 0;
    if (!nodes_.is_current(lease, here.now)) co_return noted;
    for (auto const& each : missed) noted += schedules_.note_missed(each, lease.node, here.now) ? 1 : 0;
    co_return noted;
  }

  task<std::vector<instant>> acted_on(std::string const& schedule, instant after, std::size_t limit) {
    operation const here{*this};
    co_return schedules_.acted_on(schedule, after, limit);
  }

  task<std::vector<bool>> correct_next(std::span<next_correction const> corrections) {
    operation here{*this};
    auto result = schedules_.correct(corrections);
    here.schedules_changed = std::ranges::count(result, true) != 0;
    co_return result;
  }

  task<> put_manifest(std::string const& digest, int first, std::span<std::string const> parts) {
    operation const here{*this};
    sets_.put(digest, first, parts);
    co_return;
  }

  task<bool> declare(node_lease const& lease, std::span<set_declaration const> sets) {
    for (auto const& each : sets) detail::check_name("a set of schedules", "name", each.set.name);
    operation here{*this};
    if (!nodes_.is_current(lease, here.now)) detail::throw_lease_lost(lease.node, lease.epoch);
    here.schedules_changed = sets_.declare(lease.node, sets, here.now);
    co_return here.schedules_changed;
  }

  task<std::vector<std::string>> declared(schedule_set const& set) {
    operation const here{*this};
    co_return sets_.declared(set);
  }

  task<std::vector<declaration_record>> declarations() {
    operation const here{*this};
    co_return sets_.declarations();
  }

  task<std::vector<std::string>> manifests(schedule_set const& set) {
    operation const here{*this};
    co_return sets_.manifests(set);
  }

  task<std::vector<std::string>> manifest_parts(std::string const& digest) {
    operation const here{*this};
    co_return sets_.parts(digest);
  }

  /// O(all schedules).
  task<std::vector<schedule_digest>> schedule_digests(origin of) {
    operation const here{*this};
    co_return schedules_.digests(of);
  }

  task<std::optional<std::vector<change_result>>> change_schedules(schedule_set const& set, std::span<std::string const> basis,
                                                                   std::span<schedule_change const> changes) {
    for (auto const& each : changes) check_text(each.given);
    operation here{*this};
    if (!std::ranges::equal(sets_.declared(set), basis)) co_return std::nullopt;
    std::vector<change_result> results;
    for (auto const& each : changes) results.push_back(schedules_.change(set, each, here.now));
    here.schedules_changed = std::ranges::count(results, change_result::done) != 0;
    co_return results;
  }

  task<> add_schedule(schedule_record record) {
    check_text(record);
    operation here{*this};
    schedules_.add(std::span(&record, 1), here.now);
    here.schedules_changed = true;
    co_return;
  }

  task<> add_schedules(std::span<schedule_record const> records) {
    for (auto const& each : records) check_text(each);
    operation here{*this};
    schedules_.add(records, here.now);
    here.schedules_changed = !records.empty();
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
    detail::check_name("schedule", "id", id);
    operation here{*this};
    here.schedules_changed = schedules_.remove(id);
    co_return here.schedules_changed;
  }

  task<std::optional<schedule_record>> find_schedule(std::string const& id) {
    detail::check_name("schedule", "id", id);
    operation const here{*this};
    auto const* record = schedules_.find(id);
    if (record == nullptr) co_return std::nullopt;
    co_return *record;
  }

  /// O(all schedules).
  task<std::vector<schedule_record>> schedules(schedule_filter filter) {
    check_text(filter);
    operation const here{*this};
    co_return schedules_.list(filter);
  }

  task<std::vector<fire_record>> fires(std::string const& schedule, std::size_t limit) {
    detail::check_name("schedule", "id", schedule);
    operation const here{*this};
    co_return schedules_.fires(schedule, limit);
  }

  task<std::optional<job_view>> find_job(job_id id) {
    operation const here{*this};
    co_return jobs_.view(id);
  }

  /// O(all jobs).
  task<std::vector<job_view>> jobs(job_filter filter) {
    check_text(filter);
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

  /// Makes the store refuse such rows permanently where jobs are moved, as a CHECK of a database does. Then `promote`, `recover`, `join`
  /// and `leave` throw, and have done nothing. They may be called again with the new state of each job, see `row_refusals`.
  /// \param refuses gets a job, the number of its next attempt, and its new state
  void refuse_moves(std::function<bool(job_record const&, int, job_state)> refuses) {
    operation const here{*this};
    jobs_.refuse_moves(std::move(refuses));
  }

  /// The whole content of the store, at one instant.
  class backup {
    friend memory_store;
    detail::memory_nodes nodes;
    detail::memory_schedules schedules;
    detail::memory_sets sets;
    detail::memory_jobs jobs;
    std::int64_t next_id = 1;
    std::int64_t generation = 0;

    explicit backup(memory_store& of)
        : nodes(of.nodes_), schedules(of.schedules_), sets(of.sets_), jobs(of.jobs_), next_id(of.next_id_), generation(of.generation_) {}
  };

  /// Returns a backup, for this store only. O(content).
  backup back_up() {
    operation const here{*this};
    return backup(*this);
  }

  /// Resets the content to the backup and notifies no listener: as with a database that is restored while it is in use.
  void restore(backup const& from) {
    operation const here{*this};
    become(from);
  }

  /// Begins a new generation; to be called after `restore`, as `visor db restored` is. Its ids, epochs and fences were never given out,
  /// also where the same backup was restored before. See `generation.hpp` for the requirements on the clock.
  task<std::int64_t> restored() {
    operation const here{*this};
    next_id_ = detail::goes_on_at(detail::ids_of_a_second, here.now, next_id_);
    jobs_.skip_leases(here.now);
    nodes_.raise_epochs(here.now);
    generation_ = detail::generation_at(here.now, generation_);
    co_return generation_;
  }

 private:
  /// One operation: exclusive, at one instant. It notifies the listeners at its end if it may have given a node work.
  struct operation {
    explicit operation(memory_store& of) : store(of), lock(of.mutex_), now(of.clock_.now()) {
      if (!of.is_open_) throw error(errc::closed, "the store is not open: call open() first");
    }
    operation(operation const&) = delete;
    operation& operator=(operation const&) = delete;
    ~operation() {
      bool const new_work = store.jobs_.take_new_work() || schedules_changed;
      lock.unlock();
      if (new_work) store.changes_.notify();
    }

    memory_store& store;
    std::unique_lock<std::mutex> lock;
    instant now;
    bool schedules_changed = false;
  };

  /// Makes an operation that moves jobs atomic: it moves none where one is refused.
  class undo {
   public:
    undo(memory_store& of, detail::row_refusals* refusals) : store_(of) {
      if (of.jobs_.may_refuse()) before_.emplace(backup(of));
      of.jobs_.move_row_by_row(refusals);
    }
    undo(undo const&) = delete;
    undo& operator=(undo const&) = delete;
    ~undo() {
      if (before_) store_.become(*before_);
      store_.jobs_.move_row_by_row(nullptr);
    }

    void keep() { before_.reset(); }

   private:
    memory_store& store_;
    std::optional<backup> before_;
  };

  void become(backup const& state) {
    nodes_ = state.nodes;
    schedules_ = state.schedules;
    sets_ = state.sets;
    jobs_ = state.jobs;
    next_id_ = state.next_id;
    generation_ = state.generation;
  }

  detail::memory_jobs::survival survival() const {
    return [this](std::string const& node, std::int64_t epoch) { return nodes_.has_survived(node, epoch); };
  }

  static job_record as_record(new_job const& given, instant now) {
    job_record job;
    job.id = given.id;
    job.type = given.type;
    job.queue = given.queue;
    job.priority = given.priority;
    job.payload = given.payload;
    job.max_attempts = given.max_attempts;
    job.owner = given.owner;
    job.max_lost = given.max_lost;
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
    job.max_lost = schedule.max_lost;
    job.run_at = planned;
    job.created_at = now;
    return job;
  }

  std::vector<fire_record> fire(std::string const& node, fire_order const& order, schedule_record schedule, instant now) {
    std::vector<fire_record> fires;
    for (std::size_t i = 0; i < order.planned.size(); ++i) {
      instant const planned = order.planned[i];
      if (schedules_.was_acted_on(schedule.id, planned)) continue;
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
    if (order.missed && order.expected_next) {
      missed_instant const missed(schedule.id, *order.expected_next, *order.missed);
      schedules_.note_missed(missed, node, now);
    }
    schedule.next_at = order.next_at;
    schedule.state = order.state;
    schedules_.put(std::move(schedule));
    return fires;
  }

  /// Adds the job of a fire as the overlap policy says. False when the policy skips the fire.
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
  detail::memory_sets sets_;
  detail::memory_jobs jobs_{schedules_};
  std::int64_t next_id_ = 1;
  std::int64_t generation_ = 0;
  change_signal changes_;
};

}  // namespace visor

#endif
