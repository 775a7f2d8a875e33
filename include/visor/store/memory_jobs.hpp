#ifndef VISOR_STORE_MEMORY_JOBS_HPP
#define VISOR_STORE_MEMORY_JOBS_HPP

#include "visor/base/error.hpp"
#include "visor/store/claim_budget.hpp"
#include "visor/store/generation.hpp"
#include "visor/store/limit_budget.hpp"
#include "visor/store/memory_schedules.hpp"
#include "visor/store/row_refusals.hpp"
#include "visor/store/store.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace visor::detail {

/// The jobs of a `memory_store`, with their queues and leases. Not thread-safe: the store locks.
class memory_jobs {
 public:
  /// \param schedules follow the ends of their jobs
  explicit memory_jobs(memory_schedules& schedules) : schedules_(&schedules) {}

  std::optional<job_state> state_of(job_id id) const {
    auto const* job = find(id);
    return job == nullptr ? std::nullopt : std::optional(job->state);
  }

  /// The job that a waiting job waits for.
  job_id blocker_of(job_id id) const { return jobs_.at(id).blocker; }

  /// Makes all later lease ids differ from those that were given out before a backup was restored.
  void skip_leases(instant now) { last_lease_ = goes_on_at(ids_of_a_second, now, last_lease_ + 1) - 1; }

  /// Whether the row that moves a job to a state is refused. `attempt` is the number of its next attempt where it becomes ready or
  /// scheduled.
  using refusal = std::function<bool(job_record const&, int attempt, job_state)>;

  /// Refuses such rows from now on, in the operations that move jobs. A call that throws for that has done half of its work.
  void refuse_moves(refusal refuses) { refuses_ = std::move(refuses); }

  /// Makes the operations that move jobs go job by job from now on, as `how` says; null: no longer.
  void move_row_by_row(row_refusals* how) { refusals_ = how; }

  /// Whether a move of a running or scheduled job may be refused.
  bool may_refuse() const {
    if (!refuses_) return false;
    return std::ranges::any_of(jobs_, [this](auto const& each) {
      entry const& job = each.second;
      if (job.state != job_state::running && job.state != job_state::scheduled) return false;
      int const next = next_attempt(job);
      return refuses_(job.record, next, job_state::ready) || refuses_(job.record, next + 1, job_state::ready) ||
             refuses_(job.record, next, job_state::dead);
    });
  }

  /// Whether a node may have got work since the last call.
  bool take_new_work() { return std::exchange(new_work_, false); }

  /// False if the id exists. O(log n), O(1) for a job that comes after all others of its queue.
  /// \param blocker the job to wait for; 0 for none
  bool add(job_record record, instant now, job_id blocker = 0) {
    auto const [at, added] = jobs_.try_emplace(record.id);
    if (!added) return false;
    entry& job = at->second;
    job.record = std::move(record);
    job.run_at = job.record.run_at;
    job.blocker = blocker;
    if (blocker == 0) {
      add_to_queue(job, now);
    } else {
      job.state = job_state::waiting;
      waiting_.emplace(blocker, job.record.id);
    }
    return true;
  }

  /// Sets the limits of job types from now on. A type that has none, and had none, is not stored.
  void limit(std::span<type_limit_record const> types) {
    for (auto const& type : types) {
      auto const at = limits_.find(type.type);
      if (at != limits_.end())
        at->second = type;
      else if (type.any())
        limits_.emplace(type.type, type);
    }
  }

  std::vector<type_limit_record> limits() const {
    std::vector<type_limit_record> all;
    all.reserve(limits_.size());
    for (auto const& [_, type] : limits_) all.push_back(type);
    return all;
  }

  /// Takes up to `request.limit` jobs from the head of a queue. O(log n) a job; of a type with limits also O(running jobs of all nodes).
  /// \param next_in see `exchange_result`
  claim take(node_lease const& by, claim_request const& request, instant now, claim_budget& budget, std::optional<duration>& next_in) {
    claim result;
    result.queue = request.queue;
    result.lease = last_lease_ + 1;
    result.taken_at = now;
    queue_name const name(request.queue);
    if (name.is_limited())
      take_limited(result, request, std::string(name.type), budget, next_in);
    else
      take_front(result, request.queue, request.limit, budget, next_in);
    if (result.jobs.empty() || request.dead_with) return result;
    held taken{{by.node, by.epoch, now}, std::string(name.type), {}, result.jobs.size()};
    for (auto const& job : result.jobs) taken.jobs.push_back(job.id);
    leases_.emplace(++last_lease_, std::move(taken));
    return result;
  }

  /// Ends jobs as dead that were taken from a queue and are under no lease.
  void mark_dead(claim const& taken, std::string const& reason, instant now) {
    for (auto const& job : taken.jobs) end_refused(jobs_.at(job.id), reason, now);
  }

  /// Whether that attempt of that lease runs.
  bool is_open(node_lease const& by, job_result const& done) const {
    auto const at = jobs_.find(done.job);
    return at != jobs_.end() && is_held(at->second, by, done.lease) && done.attempt == next_attempt(at->second);
  }

  /// False when it is refused.
  bool complete(node_lease const& by, job_result const& done, instant now) {
    auto const at = jobs_.find(done.job);
    if (at == jobs_.end()) return false;
    entry& job = at->second;
    if (!is_open(by, done)) return was_accepted(job, done);
    job.attempts.push_back(as_attempt(leases_.at(done.lease).by, done));
    if (done.outcome == outcome::released) job.record.uncounted = job.record.uncounted.value_or(0) + 1;
    if (done.retry_after && !cancelling_.contains(done.job)) {
      if (done.outcome == outcome::released) {
        make_ready(job, job.record.run_at);
      } else {
        job.run_at = now + *done.retry_after;
        add_to_queue(job, now);
      }
    } else {
      end(job, done.retry_after ? job_state::cancelled : done.state, now);
    }
    release(done.lease);
    return true;
  }

  /// False when it is refused.
  bool release_job(node_lease const& by, visor::release const& back, instant now) {
    auto const at = jobs_.find(back.job);
    if (at == jobs_.end() || !is_held(at->second, by, back.lease)) return false;
    if (back.dead_with) {
      end_refused(at->second, *back.dead_with, now);
      release(back.lease);
      return true;
    }
    if (back.queue) {
      at->second.record.queue = *back.queue;
      if (auto const type = std::string(queue_name(*back.queue).type); !type.empty())
        limits_.try_emplace(type, type_limit_record(type, job_limits()));
    }
    put_back(at->second, back.delay, now);
    release(back.lease);
    return true;
  }

  /// Puts back all jobs that a node holds, unrun, except under the leases that it keeps.
  void put_back_all(node_lease const& by, instant now, std::span<lease_id const> keeps = {}) {
    for (auto const& [id, _] : take_leases_of(by, keeps)) {
      entry& job = jobs_.at(id);
      if (auto const* const reason = begin_move(id)) {
        check_move(job, job_state::dead);
        end_refused(job, *reason, now);
      } else {
        check_move(job, cancelling_.contains(id) ? job_state::cancelled : job_state::ready);
        put_back(job, duration{0}, now);
      }
      end_move();
    }
  }

  /// Whether the process of a node lived on after it lost an epoch.
  using survival = std::function<bool(std::string const& node, std::int64_t epoch)>;

  /// Records the open attempts of a lapsed lease as lost, and decides the next state of each job.
  recovery recover(node_lease const& lapsed, instant now, survival const& has_survived) {
    recovery result;
    result.node = lapsed.node;
    result.epoch = lapsed.epoch;
    for (auto const& [id, from] : take_leases_of(lapsed)) {
      entry& job = jobs_.at(id);
      auto const* const reason = begin_move(id);
      job.attempts.push_back(lost_attempt(job, from, now));
      job.record.uncounted = job.record.uncounted.value_or(0) + 1;
      losses_in_row losses;
      for (auto at = job.attempts.rbegin(); at != job.attempts.rend() && at->outcome == outcome::lost; ++at) {
        ++losses.all;
        losses.fatal += has_survived(*at->node, *at->epoch) ? 0 : 1;
      }
      auto const loss = classify_loss(losses, job.record.max_lost);
      if (cancelling_.contains(id)) {
        check_move(job, job_state::cancelled);
        end(job, job_state::cancelled, now);
        result.cancelled.push_back(id);
      } else if (loss.is_dead || reason != nullptr) {
        check_move(job, job_state::dead);
        job.attempts.back().error = reason != nullptr ? *reason : loss.error;
        end(job, job_state::dead, now);
        result.dead.push_back(id);
      } else {
        check_move(job, job_state::ready);
        put_back(job, loss.delay, now);
        result.requeued.push_back(id);
      }
      end_move();
    }
    return result;
  }

  /// O(log n) a job.
  promotion promote(instant now, std::size_t limit) {
    promotion result;
    auto at = scheduled_.begin();
    while (at != scheduled_.end() && at->first <= now && result.moved < limit) {
      job_id const id = at->second;
      if (is_left(id)) {
        ++at;
        continue;
      }
      entry& job = jobs_.at(id);
      auto const* const reason = begin_move(id);
      check_move(job, reason != nullptr ? job_state::dead : job_state::ready);
      at = scheduled_.erase(at);
      if (reason != nullptr) {
        end_refused(job, *reason, now);
      } else {
        make_ready(job, job.run_at);
        ++result.moved;
      }
      end_move();
    }
    while (at != scheduled_.end() && is_left(at->second)) ++at;
    if (at != scheduled_.end()) result.next_at = at->first;
    return result;
  }

  bool any_ready() const {
    return std::ranges::any_of(ready_, [](auto const& queue) { return !queue.second.empty(); });
  }

  /// The time when the first scheduled job is due.
  std::optional<instant> next_scheduled() const { return scheduled_.empty() ? std::nullopt : std::optional(scheduled_.begin()->first); }

  cancel_result cancel(job_id id, instant now) {
    auto const at = jobs_.find(id);
    if (at == jobs_.end()) return cancel_result::not_found;
    entry& job = at->second;
    switch (job.state) {
      case job_state::running:
        cancelling_.insert(id);
        new_work_ = true;
        return cancel_result::requested;
      case job_state::ready: ready_[job.record.queue].erase(position_of(job)); break;
      case job_state::scheduled: scheduled_.erase(std::pair(job.run_at, id)); break;
      case job_state::waiting: waiting_.erase(std::pair(job.blocker, id)); break;
      default: return cancel_result::finished;
    }
    end_unrun(job, now);
    return cancel_result::cancelled;
  }

  std::vector<job_id> cancel_requests() const { return {cancelling_.begin(), cancelling_.end()}; }

  void retry(job_id id, instant now) {
    auto const at = jobs_.find(id);
    if (at == jobs_.end()) throw error(errc::not_found, "there is no job " + std::to_string(id));
    if (!has_ended(at->second.state))
      throw error(errc::conflict, "job " + std::to_string(id) + " has not ended: only one that has can be tried again");
    at->second.attempts.back().final_state.reset();
    make_ready(at->second, now);
  }

  std::optional<job_view> view(job_id id) const {
    auto const* job = find(id);
    return job == nullptr ? std::nullopt : std::optional(as_view(*job));
  }

  std::vector<attempt_record> attempts(job_id id) const {
    auto const* job = find(id);
    return job == nullptr ? std::vector<attempt_record>() : job->attempts;
  }

  /// O(all jobs).
  std::vector<job_view> list(job_filter const& filter) const {
    std::vector<entry const*> found;
    for (auto const& [id, job] : jobs_) {
      if (filter.before && id >= *filter.before) continue;
      if (filter.state && job.state != *filter.state) continue;
      if (filter.type && job.record.type != *filter.type) continue;
      if (filter.schedule && job.record.schedule != *filter.schedule) continue;
      found.push_back(&job);
    }
    auto const end = found.begin() + static_cast<std::ptrdiff_t>(std::min(filter.limit, found.size()));
    std::partial_sort(found.begin(), end, found.end(), [](entry const* a, entry const* b) { return a->record.id > b->record.id; });
    std::vector<job_view> result;
    for (auto at = found.begin(); at != end; ++at) result.push_back(as_view(**at));
    return result;
  }

 private:
  struct entry {
    job_record record;
    job_state state = job_state::ready;
    instant run_at{};    // its position while ready or scheduled
    lease_id lease = 0;  // while running
    job_id blocker = 0;  // while waiting
    std::vector<attempt_record> attempts;
  };
  struct taking {
    std::string node;
    std::int64_t epoch = 0;
    instant at{};
  };
  struct held {
    taking by;
    std::string limited;  // the job type whose limits count its jobs; empty: none
    std::vector<job_id> jobs;
    std::size_t open = 0;
  };
  using position_in_queue = std::tuple<int, instant, job_id>;  // priority first: the order of claims

  static bool has_ended(job_state state) {
    return state == job_state::completed || state == job_state::failed || state == job_state::cancelled || state == job_state::dead;
  }
  static int next_attempt(entry const& job) { return job.attempts.empty() ? 1 : job.attempts.back().number + 1; }
  static position_in_queue position_of(entry const& job) { return {job.record.priority, job.run_at, job.record.id}; }

  /// Adds up to `limit` jobs to a claim. Returns how many were added.
  std::size_t take_front(claim& to, std::string const& from, std::size_t limit, claim_budget& budget, std::optional<duration>& next_in) {
    auto const at = ready_.find(from);
    if (at == ready_.end()) return 0;
    auto& queue = at->second;
    std::size_t const count = std::min(limit, queue.size());
    to.jobs.reserve(to.jobs.size() + count);
    for (std::size_t i = 0; i < count; ++i) {
      if (budget.is_spent() && !to.jobs.empty()) {
        next_in = duration{0};
        return i;
      }
      entry& job = jobs_.at(std::get<job_id>(*queue.begin()));
      budget.take(job.record.payload.size());
      queue.erase(queue.begin());
      job.state = job_state::running;
      job.lease = to.lease;
      to.jobs.push_back(as_claimed(job));
    }
    return count;
  }

  bool is_left(job_id id) const { return refusals_ != nullptr && refusals_->is_left(id); }

  /// \return why the job must become dead; none: it is to be moved
  std::string const* begin_move(job_id id) {
    if (refusals_ == nullptr) return nullptr;
    refusals_->begin(id);
    return refusals_->death_of(id);
  }

  void end_move() {
    if (refusals_ != nullptr) refusals_->end();
  }

  bool is_refused(entry const& job, job_state to) const { return refuses_ && refuses_(job.record, next_attempt(job), to); }

  void check_move(entry const& job, job_state to) const {
    if (is_refused(job, to)) throw error(errc::invalid_argument, "a row of job " + std::to_string(job.record.id) + " is refused");
  }

  /// Takes as many jobs as the limits allow, from the queue without a key, and from those with one in turn.
  void take_limited(claim& to, claim_request const& request, std::string const& type, claim_budget& budget,
                    std::optional<duration>& next_in) {
    auto const known = limits_.find(type);
    limit_budget limit_left(known == limits_.end() ? job_limits() : known->second, to.taken_at);
    count_usage(type, limit_left);
    auto& claimed = claimed_[type];
    std::erase_if(claimed, [&](claim_record const& each) { return each.taken_at <= limit_left.window_begin(); });
    for (auto const& each : claimed) limit_left.add_claimed(each.queue, each.taken_at, static_cast<std::size_t>(each.jobs));
    for (keyed_queue_rotation rotation(request); to.jobs.size() < request.limit && limit_left.is_open(); rotation.pass()) {
      if (budget.is_spent() && !to.jobs.empty()) {
        next_in = duration{0};
        break;
      }
      if (rotation.needs_next()) rotation.answer(next_queue(rotation.behind(), rotation.before()));
      if (rotation.is_over()) break;
      std::size_t const most = limit_left.available(rotation.current(), request.limit - to.jobs.size());
      std::size_t const got = take_front(to, rotation.current(), most, budget, next_in);
      if (got == 0) continue;
      limit_left.take(rotation.current(), got);
      if (limit_left.limits().any_rate()) claimed.push_back({type, to.taken_at, to.lease, 0, rotation.current(), static_cast<int>(got)});
    }
    if (auto const at = limit_left.look_again_at()) next_in = next_in ? std::min(*next_in, *at - to.taken_at) : *at - to.taken_at;
  }

  void count_usage(std::string const& type, limit_budget& limit_left) const {
    for (auto const& [id, lease] : leases_) {
      if (lease.limited != type) continue;
      for (job_id const job : lease.jobs)
        if (auto const& one = jobs_.at(job); one.state == job_state::running && one.lease == id)
          limit_left.add_running(one.record.queue, 1);
    }
  }

  /// The first queue with jobs whose name is greater than `behind` and less than `before`.
  std::optional<std::string> next_queue(std::string const& behind, std::string const& before) const {
    for (auto at = ready_.upper_bound(behind); at != ready_.end() && at->first < before; ++at)
      if (!at->second.empty()) return at->first;
    return std::nullopt;
  }

  entry const* find(job_id id) const {
    auto const at = jobs_.find(id);
    return at == jobs_.end() ? nullptr : &at->second;
  }

  void make_ready(entry& job, instant run_at) {
    job.state = job_state::ready;
    job.run_at = run_at;
    auto& queue = ready_[job.record.queue];
    queue.emplace_hint(queue.end(), position_of(job));
    new_work_ = true;
  }

  /// Makes a job ready, or scheduled if its time is still to come.
  void add_to_queue(entry& job, instant now) {
    if (job.run_at <= now) return make_ready(job, job.run_at);
    job.state = job_state::scheduled;
    scheduled_.emplace(job.run_at, job.record.id);
    new_work_ = true;
  }

  void put_back(entry& job, duration delay, instant now) {
    if (cancelling_.contains(job.record.id)) return end_unrun(job, now);
    if (delay <= duration{0}) return make_ready(job, job.record.run_at);
    job.run_at = now + delay;
    add_to_queue(job, now);
  }

  /// Ends a job whose last attempt is recorded already.
  void end(entry& job, job_state how, instant now) {
    job.state = how;
    job.attempts.back().final_state = how;
    job_id const id = job.record.id;
    cancelling_.erase(id);
    schedules_->job_ended(job.record, how, job.attempts.back().error);
    auto const first = waiting_.lower_bound(std::pair(id, job_id{0}));
    auto const last = waiting_.lower_bound(std::pair(id + 1, job_id{0}));
    for (auto at = first; at != last; ++at) add_to_queue(jobs_.at(at->second), now);
    waiting_.erase(first, last);
  }

  void end_unrun(entry& job, instant now) {
    attempt_record attempt;
    attempt.job = job.record.id;
    attempt.number = next_attempt(job);
    attempt.finished_at = now;
    attempt.outcome = outcome::cancelled;
    job.attempts.push_back(std::move(attempt));
    end(job, job_state::cancelled, now);
  }

  void end_refused(entry& job, std::string const& reason, instant now) {
    attempt_record attempt;
    attempt.job = job.record.id;
    attempt.number = next_attempt(job);
    attempt.finished_at = now;
    attempt.outcome = outcome::failed;
    attempt.error = reason;
    job.attempts.push_back(std::move(attempt));
    end(job, job_state::dead, now);
  }

  bool is_held(entry const& job, node_lease const& by, lease_id lease) const {
    if (job.state != job_state::running || job.lease != lease) return false;
    taking const& holder = leases_.at(lease).by;
    return holder.node == by.node && holder.epoch <= by.epoch;
  }

  static bool was_accepted(entry const& job, job_result const& done) {
    return std::any_of(job.attempts.begin(), job.attempts.end(), [&](attempt_record const& attempt) {
      return attempt.lease == done.lease && attempt.number == done.attempt && attempt.outcome != outcome::lost;
    });
  }

  /// Notes that one job of the lease is no longer open.
  void release(lease_id lease) {
    auto const at = leases_.find(lease);
    if (--at->second.open == 0) leases_.erase(at);
  }

  /// Drops the leases that a node has under this epoch and those before it, except for `except`, and for jobs that stay where they are.
  /// Returns their open jobs, ascending, and how each was taken.
  std::map<job_id, taking> take_leases_of(node_lease const& by, std::span<lease_id const> except = {}) {
    std::map<job_id, taking> open;
    for (auto at = leases_.begin(); at != leases_.end();) {
      auto const& [id, lease] = *at;
      bool const theirs = lease.by.node == by.node && lease.by.epoch <= by.epoch && std::ranges::find(except, id) == except.end();
      std::size_t left = 0;
      for (job_id const job : lease.jobs) {
        if (!theirs || jobs_.at(job).state != job_state::running || jobs_.at(job).lease != id) continue;
        if (is_left(job))
          ++left;
        else
          open.emplace(job, lease.by);
      }
      if (left != 0) at->second.open = left;
      at = theirs && left == 0 ? leases_.erase(at) : std::next(at);
    }
    return open;
  }

  static claimed_job as_claimed(entry const& job) {
    claimed_job result;
    result.id = job.record.id;
    result.attempt = next_attempt(job);
    result.type = job.record.type;
    result.queue = job.record.queue;
    result.priority = job.record.priority;
    result.payload = job.record.payload;
    result.max_attempts = job.record.max_attempts;
    result.schedule = job.record.schedule;
    result.planned_at = job.record.planned_at;
    result.run_at = job.run_at;
    result.created_at = job.record.created_at;
    result.uncounted = job.record.uncounted;
    return result;
  }

  static attempt_record as_attempt(taking const& from, job_result const& done) {
    attempt_record attempt;
    attempt.job = done.job;
    attempt.number = done.attempt;
    attempt.lease = done.lease;
    attempt.node = from.node;
    attempt.epoch = from.epoch;
    attempt.started_at = done.started_at;
    attempt.finished_at = done.finished_at;
    attempt.outcome = done.outcome;
    attempt.error = done.error;
    attempt.output = done.output;
    return attempt;
  }

  static attempt_record lost_attempt(entry const& job, taking const& from, instant now) {
    attempt_record attempt;
    attempt.job = job.record.id;
    attempt.number = next_attempt(job);
    attempt.lease = job.lease;
    attempt.node = from.node;
    attempt.epoch = from.epoch;
    attempt.started_at = from.at;
    attempt.finished_at = now;
    attempt.outcome = outcome::lost;
    attempt.error = lease_ran_out;
    return attempt;
  }

  job_view as_view(entry const& job) const {
    job_view view;
    view.job = job.record;
    view.state = job.state;
    if (job.state == job_state::running) {
      auto const& lease = leases_.at(job.lease);
      view.attempts = next_attempt(job);
      view.started_at = lease.by.at;
      view.node = lease.by.node;
    } else if (!job.attempts.empty()) {
      auto const& last = job.attempts.back();
      view.attempts = tries(last.number, last.started_at);
      view.started_at = last.started_at;
      view.finished_at = last.finished_at;
      view.node = last.node;
      view.error = last.error;
      view.output = last.output;
    }
    return view;
  }

  memory_schedules* schedules_;
  std::unordered_map<job_id, entry> jobs_;
  std::map<std::string, std::set<position_in_queue>> ready_;  // by queue
  std::set<std::pair<instant, job_id>> scheduled_;            // by run_at
  std::set<std::pair<job_id, job_id>> waiting_;               // blocker, job
  std::map<lease_id, held> leases_;
  std::set<job_id> cancelling_;
  std::map<std::string, type_limit_record> limits_;           // by type
  std::map<std::string, std::vector<claim_record>> claimed_;  // by type, the oldest first
  lease_id last_lease_ = 0;
  bool new_work_ = false;
  refusal refuses_;
  row_refusals* refusals_ = nullptr;
};

}  // namespace visor::detail

#endif
