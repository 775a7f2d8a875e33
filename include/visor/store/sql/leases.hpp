#ifndef VISOR_STORE_SQL_LEASES_HPP
#define VISOR_STORE_SQL_LEASES_HPP

#include "visor/async/clock.hpp"
#include "visor/store/claim_budget.hpp"
#include "visor/store/node_rules.hpp"
#include "visor/store/sql/limits.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Claims, results and releases.
namespace visor::detail {

/// A lease that this transaction works on.
struct held_lease {
  lease_id id = 0;
  bool exists = false;    ///< under the caller's node and epoch
  bool is_fresh = false;  ///< `jobs` was read in this transaction, and does not come from the cache
  bool is_narrowed = false;
  std::vector<job_id> ended_here;
  open_lease jobs;
  std::uint64_t known_as = 0;  ///< the number of the cache entry, if `jobs` was looked up before the row was locked

  /// Marks a job as ended, though its stored rows may show it as open until this transaction has written them.
  void end(open_lease::job& job) {
    ended_here.push_back(job.id);
    jobs.end(job);
  }

  /// Whether `jobs` can be trusted: a cached lease may be wrong, unless this transaction saw each of its jobs end.
  bool is_certain() const { return is_fresh || ended_here.size() == jobs.size(); }
};

inline held_lease* find_held(std::vector<held_lease>& held, lease_id id) {
  auto const at = std::ranges::find(held, id, &held_lease::id);
  return at == held.end() ? nullptr : &*at;
}

/// Reads the open jobs of a lease.
template <class Session>
async<Session, open_lease> read_open(transaction<Session>& t, lease_id id, std::int64_t epoch) {
  statements::of_lease const which{id};
  auto const rows = co_await t.session.query(statements::open_jobs(), which);
  std::vector<open_lease::job> jobs;
  jobs.reserve(rows.size());
  for (auto const& row : rows) jobs.push_back({row.job, row.number, true});
  co_return open_lease(epoch, std::move(jobs));
}

/// Locks rows of leases in the common order, against deadlocks. The returned requests complete later, and refer to `which`.
template <class Session>
auto lock_leases(transaction<Session>& t, std::vector<statements::lease_params>& which) {
  std::ranges::sort(which, {}, &statements::lease_params::id);
  std::vector<decltype(t.session.find(statements::find_lease(), which.front()))> asked;
  asked.reserve(which.size());
  for (auto const& each : which) asked.push_back(t.session.find(statements::find_lease(), each));
  return asked;
}

/// Adds the leases of some results or releases to those that this transaction works on.
template <class Session, class Given>
async<Session> hold(transaction<Session>& t, node_lease const& by, std::span<Given const> given, std::vector<held_lease>& held) {
  std::vector<statements::lease_params> which;
  for (auto const& each : given) {
    bool const is_new =
        find_held(held, each.lease) == nullptr && std::ranges::find(which, each.lease, &statements::lease_params::id) == which.end();
    if (is_new) which.push_back({each.lease, by.node, by.epoch});
  }
  auto asked = lock_leases(t, which);
  for (std::size_t i = 0; i < which.size(); ++i) {
    auto const found = co_await std::move(asked[i]);
    held_lease one;
    one.id = which[i].id;
    one.exists = found.has_value();
    auto known = t.leases.take(one.id);
    // The cache may be wrong, and where writes are deferred a later read would follow writes of this transaction.
    if (one.exists && known && !defers(t)) {
      one.jobs = std::move(*known);
    } else if (one.exists) {
      one.jobs = co_await read_open(t, one.id, found->epoch);
      one.is_fresh = true;
    }
    held.push_back(std::move(one));
  }
  co_await know_time(t);
}

/// Reads the stored jobs of a lease again, before a job is refused.
template <class Session>
async<Session> look_again(transaction<Session>& t, held_lease& held) {
  held.jobs = co_await read_open(t, held.id, held.jobs.epoch());
  held.is_fresh = true;
  for (job_id const id : held.ended_here)
    if (auto* job = held.jobs.find(id)) held.jobs.end(*job);
}

template <class Session>
async<Session, bool> was_accepted(transaction<Session>& t, job_result const& done) {
  statements::accepted_params const which{done.job, done.attempt, done.lease};
  auto const found = co_await t.session.find(statements::accepted_before(), which);
  co_return found.has_value();
}

/// \param epoch of the lease
inline statements::attempt_row as_row(node_lease const& by, std::int64_t epoch, job_result const& done,
                                      std::optional<job_state> final_state) {
  statements::attempt_row row;
  row.job = done.job;
  row.number = done.attempt;
  row.lease = done.lease;
  row.node = by.node;
  row.epoch = epoch;
  row.started_at = done.started_at;
  row.finished_at = done.finished_at;
  if (done.outcome != outcome::completed) row.outcome = done.outcome;
  row.final_state = final_state;
  if (done.error) row.error = *done.error;
  if (done.output) row.output = *done.output;
  return row;
}

/// \param error of the attempt, which refers to the result
inline ended_job as_ended(job_result const& done, job_state final_state, std::optional<std::string_view> error) {
  ended_job end{done.job, done.attempt, final_state, std::nullopt, error};
  if (done.schedule) end.schedule = *done.schedule;
  return end;
}

/// Records results. Each job costs one statement, and two more if it is retried.
template <class Session>
async<Session> complete(transaction<Session>& t, node_lease const& by, std::span<job_result const> done, std::vector<held_lease>& held,
                        std::vector<job_id>& refused) {
  statements::at_most const one{1};
  auto asked_waiting = t.session.find(statements::any_waiting(), one);
  auto asked_cancels = t.session.find(statements::cancels(), one);
  co_await hold(t, by, done, held);
  auto const waiting = co_await std::move(asked_waiting);
  auto const cancels = co_await std::move(asked_cancels);
  pending_side_effects const some{waiting.has_value(), cancels.has_value()};
  t.leases.had_pending_side_effects = some.waiting || some.cancels;
  std::vector<statements::attempt_row> rows;
  std::vector<std::size_t> whose;
  std::vector<bool> is_refused(done.size());
  rows.reserve(done.size());
  whose.reserve(done.size());
  for (std::size_t i = 0; i < done.size(); ++i) {
    job_result const& result = done[i];
    held_lease* const lease = find_held(held, result.lease);
    auto* job = lease->jobs.find(result.job);
    if (job == nullptr && lease->exists && !lease->is_fresh) {
      co_await look_again(t, *lease);
      job = lease->jobs.find(result.job);
    }
    if (job == nullptr || job->attempt != result.attempt) {
      bool const repeated = co_await was_accepted(t, result);
      // The same result twice in one call: the first is not written yet.
      bool const twice = std::ranges::any_of(rows, [&](statements::attempt_row const& row) {
        return row.job == result.job && row.number == result.attempt && row.lease == result.lease;
      });
      is_refused[i] = !repeated && !twice;
      continue;
    }
    std::optional<job_state> final_state = result.state;
    if (result.retry_after) {
      final_state.reset();
      if (some.cancels) {
        bool const unwanted = co_await is_cancel_wanted(t, result.job);
        if (unwanted) final_state = job_state::cancelled;
      }
    }
    lease->end(*job);
    rows.push_back(as_row(by, lease->jobs.epoch(), result, final_state));
    whose.push_back(i);
  }

  std::vector<std::size_t> affected(rows.size(), 1);
  if (defers(t))
    co_await t.session.post_many(statements::insert_attempt(), rows);  // these jobs are open, so they have no such attempt
  else
    co_await t.session.execute_many(statements::insert_new_attempt(), rows, affected);
  std::vector<ended_job> ended;
  std::vector<new_job> children;
  ended.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    job_result const& result = done[whose[i]];
    if (affected[i] == 0) {
      bool const repeated = co_await was_accepted(t, result);
      is_refused[whose[i]] = !repeated;
      continue;
    }
    if (result.outcome == outcome::released) {
      statements::of_job const which{result.job};
      co_await t.session.post(statements::count_uncounted(), which);
    }
    if (rows[i].final_state) {
      ended.push_back(as_ended(result, *rows[i].final_state, rows[i].error));
      if (result.outcome == outcome::completed) children.insert(children.end(), result.children.begin(), result.children.end());
    } else {
      std::optional<instant> run_at;
      if (result.outcome != outcome::released) run_at = t.now + *result.retry_after;
      co_await put_job(t, result.job, result.attempt + 1, run_at);
    }
  }
  co_await follow_ends<Session>(t, ended, some);
  if (!children.empty()) co_await enqueue<Session>(t, children);
  for (std::size_t i = 0; i < done.size(); ++i)
    if (is_refused[i]) refused.push_back(done[i].job);
}

/// Puts a job back unrun, with its attempt number.
template <class Session>
async<Session> put_back(transaction<Session>& t, job_id job, int attempt, duration delay) {
  bool const unwanted = co_await is_cancel_wanted(t, job);
  if (unwanted) {
    co_await end_unrun(t, job, attempt);
    co_return;
  }
  std::optional<instant> run_at;
  if (delay > duration{0}) run_at = t.now + delay;
  co_await put_job(t, job, attempt, run_at);
}

template <class Session>
async<Session> take_back(transaction<Session>& t, node_lease const& by, std::span<release const> back, std::vector<held_lease>& held,
                         std::vector<job_id>& refused) {
  co_await hold(t, by, back, held);
  for (auto const& each : back) {
    held_lease* const lease = find_held(held, each.lease);
    auto* job = lease->jobs.find(each.job);
    if (job == nullptr && lease->exists && !lease->is_fresh) {
      co_await look_again(t, *lease);
      job = lease->jobs.find(each.job);
    }
    if (job == nullptr) {
      refused.push_back(each.job);
      continue;
    }
    lease->end(*job);
    lease->is_narrowed = true;
    if (each.dead_with) {
      co_await end_refused(t, each.job, job->attempt, *each.dead_with);
      continue;
    }
    if (each.queue) {
      statements::move_params const move{each.job, *each.queue};
      co_await t.session.post(statements::move_job(), move);
      co_await open_lane(t, *each.queue);
    }
    co_await put_back(t, each.job, job->attempt, each.delay);
  }
}

inline optional_row row_of_lease(lease_id id, std::string_view node) {
  return {0, "lease " + std::to_string(id) + " of node " + std::string(node)};
}

/// Deletes the leases without open jobs, and caches the others.
template <class Session>
async<Session> close_leases(transaction<Session>& t, node_lease const& by, std::vector<held_lease>& held) {
  for (auto& lease : held) {
    if (!lease.exists) continue;
    statements::of_lease const which{lease.id};
    if (lease.jobs.open() == 0 && !lease.is_certain()) co_await look_again(t, lease);
    if (lease.jobs.open() == 0) {
      if (t.refusals == nullptr) {
        co_await t.session.post(statements::remove_lease(), which);
        continue;
      }
      optional_row const row = row_of_lease(lease.id, by.node);
      if (is_left(t, row)) continue;
      co_await begin_optional(t, row);
      co_await t.session.post(statements::remove_lease(), which);
      co_await end_row(t);
      continue;
    }
    if (lease.is_narrowed) {
      std::string const ids = lease.jobs.ids();
      statements::lease_jobs_params const rest{lease.id, ids};
      co_await t.session.post(statements::narrow_lease(), rest);
    }
    // A fresh read shows the jobs that this transaction leaves open. It is not committed yet, so it is not cached.
    if (!lease.is_fresh) t.leases.put(lease.id, std::move(lease.jobs));
  }
}

/// Removes from a queue the rows that a claim read at its head.
/// \throws visor::error `serialization_failure` when their number differs from the rows read. Then another transaction took or added some
///   at the same time, and this one must be rolled back.
template <class Session>
async<Session> remove_taken(transaction<Session>& t, std::string const& queue, std::vector<claimed_job> const& jobs) {
  constexpr auto how = Session::dialect::removal;
  if constexpr (how != sql::front_removal::by_query) {
    std::vector<statements::position_in_queue> positions;
    auto const of_interest = how == sql::front_removal::by_key ? std::span(jobs) : std::span(jobs).last(1);
    positions.reserve(of_interest.size());
    for (auto const& job : of_interest) positions.push_back({queue, job.priority, job.run_at, job.id});
    if constexpr (requires { t.session.expect_many(statements::remove_ready(), positions); }) {
      co_await t.session.expect_many(statements::remove_ready(), positions);
      co_return;
    }
    std::size_t removed = 0;
    if constexpr (how == sql::front_removal::by_key)
      removed = co_await t.session.execute_many(statements::remove_ready(), positions);
    else
      removed = co_await t.session.execute(statements::remove_front(), positions.back());
    if (removed != jobs.size())
      throw error(errc::serialization_failure,
                  "the claim of " + std::to_string(jobs.size()) + " jobs of the queue " + queue + " removed " + std::to_string(removed) +
                      ": another transaction was at work there, so nothing was claimed. A server where this lasts does not lock rows");
  }
  co_return;
}

/// Reads the payloads that did not come with their jobs, and keeps in `jobs`, from the front, those that fit a budget. The others stay in
/// their queue as before.
/// \param must the first one is kept, whatever is left of the budget
/// \param are_removed by the query that found them, where there is one that removes
/// \return whether all are kept
template <class Session>
async<Session, bool> keep_within(transaction<Session>& t, claim_budget& budget, bool must, std::vector<claimed_job>& jobs,
                                 bool are_removed = true) {
  std::size_t kept = 0;
  for (; kept < jobs.size() && (!budget.is_spent() || (must && kept == 0)); ++kept) {
    auto& job = jobs[kept];
    if (job.payload.empty()) {
      statements::of_job const which{job.id};
      auto found = co_await t.session.find(statements::find_payload(), which);
      if (found) job.payload = std::move(found->payload);
    }
    budget.take(job.payload.size());
  }
  if (kept == jobs.size()) co_return true;
  if (Session::dialect::removal == sql::front_removal::by_query && are_removed) {
    std::vector<statements::queued_row> back;
    back.reserve(jobs.size() - kept);
    for (auto job = jobs.begin() + static_cast<std::ptrdiff_t>(kept); job != jobs.end(); ++job)
      back.push_back({job->run_at, job->id, job->priority, job->attempt, job->queue});
    co_await t.session.execute_many(statements::insert_ready(), back);
  }
  jobs.resize(kept);
  co_return false;
}

/// Adds the jobs that were read at the head of a queue to a claim. Returns their number.
template <class Session>
async<Session, std::size_t> add_front(transaction<Session>& t, claim& to, std::string const& queue, std::vector<claimed_job> jobs) {
  std::size_t const count = jobs.size();
  if (count == 0) co_return count;
  co_await remove_taken(t, queue, jobs);
  if (to.jobs.empty())
    to.jobs = std::move(jobs);
  else
    std::ranges::move(jobs, std::back_inserter(to.jobs));
  co_return count;
}

inline statements::front_params look_behind(queue_position const& from, std::string const& queue, std::size_t limit) {
  return {queue, static_cast<std::int64_t>(limit), from.priority, from.run_at, from.job, claim_budget::longest_inline(limit)};
}

/// Returns the request for the head of a queue, from its claim cursor.
template <class Session>
statements::front_params look_at_front(transaction<Session>& t, std::string const& queue, std::size_t limit) {
  queue_position from;
  if constexpr (Session::dialect::keeps_removed) from = t.cursors.start(queue, wall_clock().elapsed());
  return look_behind(from, queue, limit);
}

/// Updates the claim cursor from the reply.
/// \param since by `wall_clock::elapsed`: when the request was sent
/// \param has_more there are jobs after these
/// \return as `claim_cursors::saw`
template <class Session>
std::optional<duration> learn_from_front(transaction<Session>& t, statements::front_params const& asked,
                                         std::vector<claimed_job> const& jobs, duration since, bool has_more) {
  if constexpr (Session::dialect::keeps_removed) {
    duration const now = wall_clock().elapsed();
    front_seen seen;
    seen.from = queue_position{asked.priority, asked.run_at, asked.job};
    seen.took = now - since;
    seen.count = jobs.size();
    if (!jobs.empty()) seen.last = queue_position{jobs.back().priority, jobs.back().run_at, jobs.back().id};
    seen.is_full = has_more || static_cast<std::int64_t>(jobs.size()) == asked.limit;
    return t.cursors.saw(asked.queue, seen, now);
  } else {
    return std::nullopt;
  }
}

/// Adds the jobs found at the head of a queue to a claim. If a scan from the cursor found too few, it also adds jobs before the cursor.
/// Returns the number of jobs.
/// \param since as of `learn_from_front`
/// \param next_in see `exchange_result`
template <class Session>
async<Session, std::size_t> take_found(transaction<Session>& t, claim& to, std::string const& queue, statements::front_params const& front,
                                       std::vector<claimed_job> jobs, duration since, claim_budget& budget,
                                       std::optional<duration>& next_in) {
  duration const took = wall_clock().elapsed() - since;  // without the payloads
  bool all = co_await keep_within<Session>(t, budget, to.jobs.empty(), jobs);
  auto const again = learn_from_front(t, front, jobs, wall_clock().elapsed() - took, !all);
  std::size_t count = co_await add_front(t, to, queue, std::move(jobs));
  if (again == duration{0} && all) {
    auto const rest = look_behind(queue_position(), queue, static_cast<std::size_t>(front.limit) - count);
    since = wall_clock().elapsed();
    auto before = co_await t.session.query(statements::front_of_queue(), rest);
    duration const took_again = wall_clock().elapsed() - since;
    all = co_await keep_within<Session>(t, budget, to.jobs.empty(), before);
    learn_from_front(t, rest, before, wall_clock().elapsed() - took_again, !all);
    count += co_await add_front(t, to, queue, std::move(before));
  } else if (again) {
    next_in = std::min(next_in.value_or(*again), *again);
  }
  if (!all) next_in = duration{0};
  co_return count;
}

/// Adds jobs as `take_front` does, without those whose rows the database refuses to remove.
/// \pre `t.refusals`
template <class Session>
async<Session, std::size_t> take_front_passing_over(transaction<Session>& t, claim& to, std::string const& queue, std::size_t limit,
                                                    claim_budget& budget, std::optional<duration>& next_in) {
  auto& refusals = *t.refusals;
  auto const wanted = look_behind(queue_position(), queue, limit + refusals.count_left());
  auto jobs = co_await t.session.query(statements::ready_jobs(), wanted);
  std::erase_if(jobs, [&](claimed_job const& job) { return refusals.is_left(job.id); });
  if (jobs.size() > limit) jobs.resize(limit);
  bool const all = co_await keep_within<Session>(t, budget, to.jobs.empty(), jobs, false);
  if (!all) next_in = duration{0};
  std::vector<statements::position_in_queue> positions;
  positions.reserve(jobs.size());
  for (auto const& job : jobs) positions.push_back({queue, job.priority, job.run_at, job.id});
  std::size_t removed = 0;
  if (!refusals.is_row_by_row() && !positions.empty()) removed = co_await t.session.execute_many(statements::remove_ready(), positions);
  for (auto const& position : positions) {
    if (!refusals.is_row_by_row()) break;
    refusals.begin(optional_row{position.job, {}});
    removed += co_await t.session.execute(statements::remove_ready(), position);
    refusals.end();
  }
  if (removed != jobs.size()) throw error(errc::serialization_failure, "another transaction was at work on the queue " + queue);
  std::ranges::move(jobs, std::back_inserter(to.jobs));
  co_return removed;
}

/// Adds up to `limit` jobs to a claim. Returns their number.
/// \param next_in see `exchange_result`
template <class Session>
async<Session, std::size_t> take_front(transaction<Session>& t, claim& to, std::string const& queue, std::size_t limit,
                                       claim_budget& budget, std::optional<duration>& next_in) {
  if (t.refusals != nullptr) {
    auto passing = take_front_passing_over(t, to, queue, limit, budget, next_in);
    co_return co_await std::move(passing);
  }
  auto const front = look_at_front(t, queue, limit);
  duration const since = wall_clock().elapsed();
  auto jobs = co_await t.session.query(statements::front_of_queue(), front);
  auto taking = take_found(t, to, queue, front, std::move(jobs), since, budget, next_in);
  co_return co_await std::move(taking);
}

/// Takes as many jobs as the limits allow, from the queue without a key, and from those with one in turn.
template <class Session>
async<Session> take_limited(transaction<Session>& t, claim& to, claim_request const& request, std::string_view type, claim_budget& budget,
                            std::optional<duration>& next_in) {
  auto limit_left = co_await hold_limits(t, type);
  to.taken_at = t.now;
  int number = 0;
  for (keyed_queue_rotation rotation(request); to.jobs.size() < request.limit && limit_left.is_open(); rotation.pass()) {
    if (budget.is_spent() && !to.jobs.empty()) {
      next_in = duration{0};
      break;
    }
    if (rotation.needs_next()) {
      statements::between_queues const where{rotation.behind(), rotation.before(), 1};
      auto found = co_await t.session.find(statements::next_queue(), where);
      rotation.answer(found ? std::optional(std::move(found->queue)) : std::nullopt);
    }
    if (rotation.is_over()) break;
    optional_row row_of_claim;
    if (t.refusals != nullptr) row_of_claim.name = "the claim of jobs of the queue " + rotation.current();
    if (is_left(t, row_of_claim)) continue;
    std::size_t const most = limit_left.available(rotation.current(), request.limit - to.jobs.size());
    if (most == 0) continue;
    std::size_t const got = co_await take_front(t, to, rotation.current(), most, budget, next_in);
    if (got == 0) continue;
    limit_left.take(rotation.current(), got);
    if (!limit_left.limits().any_rate()) continue;
    statements::claim_row const row{type, t.now, to.lease, number++, rotation.current(), static_cast<int>(got)};
    co_await begin_optional(t, row_of_claim);
    co_await t.session.post(statements::insert_claim(), row);
    co_await end_row(t);
  }
  if (auto const at = limit_left.look_again_at()) next_in = std::min(next_in.value_or(*at - t.now), *at - t.now);
}

/// Writes the lease of a claim.
/// \param limited the job type whose limits the jobs count for
template <class Session>
async<Session> write_lease(transaction<Session>& t, node_lease const& by, claim const& taken, std::optional<std::string_view> limited) {
  std::vector<open_lease::job> jobs;
  jobs.reserve(taken.jobs.size());
  for (auto const& job : taken.jobs) jobs.push_back({job.id, job.attempt, true});
  open_lease lease(by.epoch, std::move(jobs));
  std::string const ids = lease.ids();
  statements::lease_row const row{taken.lease, by.node, by.epoch, taken.taken_at, ids, limited};
  co_await t.session.post(statements::insert_lease(), row);
  t.leases.put(taken.lease, std::move(lease));
}

template <class Session>
async<Session, claim> take_jobs(transaction<Session>& t, node_lease const& by, claim_request const& request, lease_id id,
                                claim_budget& budget, std::optional<duration>& next_in) {
  claim result;
  result.queue = request.queue;
  result.lease = id;
  result.taken_at = t.now;
  queue_name const name(request.queue);
  if (name.is_limited())
    co_await take_limited(t, result, request, name.type, budget, next_in);
  else
    co_await take_front(t, result, request.queue, request.limit, budget, next_in);
  std::optional<std::string_view> limited;
  if (name.is_limited()) limited = name.type;
  if (!result.jobs.empty() && !request.dead_with) co_await write_lease(t, by, result, limited);
  co_return result;
}

/// The order in which requests are served: limited types last, by their names, since each is locked until the transaction ends.
inline std::vector<std::size_t> order_of_service(std::span<claim_request const> wanted) {
  std::vector<std::size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t at) { return std::pair(queue_name(wanted[at].queue).type, at); });
  return order;
}

template <class Session>
async<Session, bool> is_current(transaction<Session>& t, node_lease const& lease) {
  statements::named_epoch const which{lease.node, lease.epoch};
  auto const found = co_await t.session.find(statements::current_node(), which);
  co_return found.has_value() && is_unended(found->exclusive, found->lease_until, t.now);
}

/// \param first_id of as many unused lease ids as there are requests
template <class Session>
async<Session, exchange_result> exchange(transaction<Session>& t, node_lease const& by, std::span<job_result const> done,
                                         std::span<release const> back, std::span<claim_request const> wanted, lease_id first_id) {
  exchange_result result;
  std::vector<held_lease> held;
  statements::named_epoch const me{by.node, by.epoch};
  auto asked_current = t.session.find(statements::current_node(), me);
  if (!done.empty()) co_await complete(t, by, done, held, result.refused);
  if (!back.empty()) co_await take_back(t, by, back, held, result.refused);
  co_await know_time(t);
  co_await close_leases(t, by, held);
  auto const current = co_await std::move(asked_current);
  result.lease_current = current && is_unended(current->exclusive, current->lease_until, t.now);
  if (!result.lease_current) co_return result;
  claim_budget budget;
  for (std::size_t const at : order_of_service(wanted)) {
    if (wanted[at].limit == 0) continue;
    auto taken = co_await take_jobs(t, by, wanted[at], first_id + static_cast<lease_id>(at), budget, result.next_in);
    for (auto const& job : taken.jobs) {
      if (!wanted[at].dead_with) break;
      optional_row const row{job.id, {}};
      co_await begin_optional(t, row);
      co_await end_refused(t, job.id, job.attempt, *wanted[at].dead_with);
      co_await end_row(t);
      result.remarks.push_back({job.id, "is dead: " + *wanted[at].dead_with});
    }
    if (!taken.jobs.empty() && !wanted[at].dead_with) result.claims.push_back(std::move(taken));
  }
  co_return result;
}

}  // namespace visor::detail

#endif
