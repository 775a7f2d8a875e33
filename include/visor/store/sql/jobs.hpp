#ifndef VISOR_STORE_SQL_JOBS_HPP
#define VISOR_STORE_SQL_JOBS_HPP

#include "visor/driver/driver.hpp"
#include "visor/store/row_refusals.hpp"
#include "visor/store/sql/claim_cursors.hpp"
#include "visor/store/sql/lease_cache.hpp"
#include "visor/store/sql/lease_statements.hpp"
#include "visor/store/sql/schedule_statements.hpp"
#include "visor/store/sql/view_statements.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The transitions of jobs, as operations inside a transaction. They are written once: with a driver that never blocks, each `co_await` is
/// a round trip; with a blocking one it is a call.
namespace visor::detail {

/// The lock of the store. Its row is that of the first version of the schema, which does not change as long as the tables exist.
inline constexpr store_lock lock_of_tables{
    "visor", "visor_migration WHERE version = 1", {"visor_sequence", "name", "next", "writes", "additions", "turn"}};

/// A pending request for the server's time, as a session sends it.
template <class Session>
struct time_question {};
template <class Session>
  requires requires(Session& session) { session.now(); }
struct time_question<Session> {
  std::optional<decltype(std::declval<Session&>().now())> asked;
  bool is_used = false;
};

/// One transaction of the store.
template <class Session>
struct transaction {
  Session& session;
  instant now;  ///< known from the start, except in operations that look first: these call `know_time` before they use it
  lease_cache& leases;
  claim_cursors& cursors;
  bool new_work = false;  ///< it gave some node work
  time_question<Session> time;
  row_refusals* refusals = nullptr;  ///< some row was refused: rows are passed over, or written one by one, as this says
};

/// Awaits the server's time, if it is not known yet. Requests that were sent meanwhile have travelled together with that one.
template <class Session>
async<Session> know_time(transaction<Session>& t) {
  if constexpr (requires { t.time.asked; }) {
    if (t.time.asked) {
      auto question = std::move(*t.time.asked);
      t.time.asked.reset();
      t.now = co_await std::move(question);
    }
  }
  co_return;
}

/// Asks the server for its time again. After a wait for a lock, the time of the start is before that of others who held the lock.
template <class Session>
async<Session> renew_time(transaction<Session>& t) {
  if constexpr (requires { t.time.asked; })
    if (t.time.is_used) t.now = co_await t.session.now();
  co_return;
}

/// An operation that needs no time, and so no table of visor.
template <class Op>
struct needs_no_time : Op {
  static constexpr bool is_timeless = true;
};
template <class Op>
needs_no_time(Op) -> needs_no_time<Op>;

/// An operation that sends its first requests before it knows the time.
template <class Op>
struct looks_first : Op {
  static constexpr bool before_time = true;
};
template <class Op>
looks_first(Op) -> looks_first<Op>;

/// An operation with `deferral::checked`.
template <class Op>
struct asks_then_writes : Op {
  static constexpr deferral defers = deferral::checked;
};
template <class Op>
asks_then_writes(Op) -> asks_then_writes<Op>;

/// An operation with `deferral::guarded`.
template <class Op>
struct guards_itself : Op {
  static constexpr deferral defers = deferral::guarded;
};
template <class Op>
guards_itself(Op) -> guards_itself<Op>;

/// Whether all writes are held back to the end, and then made only if the reads still hold. So replies need not be awaited.
template <class Session>
bool defers(transaction<Session>& t) {
  if constexpr (requires { t.session.defers(); })
    return t.session.defers();
  else
    return false;
}

/// A job that ended with the attempt that is already recorded.
struct ended_job {
  job_id job = 0;
  int attempt = 1;
  job_state state = job_state::completed;
  std::optional<std::string_view> schedule;
  std::optional<std::string_view> error;
};

inline statements::new_job_row as_row(new_job const& given, instant now) {
  statements::new_job_row row;
  row.id = given.id;
  row.type = given.type;
  row.queue = given.queue;
  row.priority = given.priority;
  row.payload = given.payload;
  row.max_attempts = given.max_attempts;
  if (given.owner) row.owner = *given.owner;
  row.run_at = given.run_at.value_or(now);
  row.created_at = now;
  return row;
}

inline std::vector<statements::new_job_row> as_rows(std::span<new_job const> given, instant now) {
  std::vector<statements::new_job_row> rows;
  rows.reserve(given.size());
  for (auto const& job : given) rows.push_back(as_row(job, now));
  return rows;
}

/// Returns the row by which a new job waits in its queue.
inline statements::queued_row queued_row_of(statements::new_job_row const& job) { return {job.run_at, job.id, job.priority, 1, job.queue}; }

/// The same for a job that was in another table until now.
/// \param from the row refers to its text
inline statements::queued_row queued_row_of(auto const& from) { return {from.run_at, from.job, from.priority, from.attempt, from.queue}; }

/// The number of rows from which their cost on the server exceeds the round trips of a copy.
inline constexpr std::size_t worth_a_copy = 200;

/// Inserts rows in the way that is best for their number.
template <class Session, class Insert>
async<Session> insert_all(transaction<Session>& t, Insert insert, std::span<typename Insert::params const> rows) {
  if constexpr (requires { t.session.copy(insert, rows); }) {
    if (rows.size() >= worth_a_copy) {
      co_await t.session.copy(insert, rows);
      co_return;
    }
  }
  co_await t.session.post_many(insert, rows);
}

/// Puts stored jobs into their queues: ready now, or scheduled for their `run_at`.
template <class Session>
async<Session> add_to_queues(transaction<Session>& t, std::span<statements::queued_row const> jobs) {
  std::vector<statements::queued_row> ready;
  std::vector<statements::queued_row> scheduled;
  ready.reserve(jobs.size());
  for (auto const& job : jobs) (job.run_at <= t.now ? ready : scheduled).push_back(job);
  if (!ready.empty()) co_await insert_all<Session>(t, statements::insert_ready(), ready);
  if (!scheduled.empty()) co_await insert_all<Session>(t, statements::insert_scheduled(), scheduled);
  t.new_work = t.new_work || !jobs.empty();
}

/// Stores how many losses new jobs tolerate, where that is not the default.
/// \param is_new whether the job at an index was added
template <class Session, class Predicate>
async<Session> limit_losses(transaction<Session>& t, std::span<new_job const> jobs, Predicate is_new) {
  std::vector<statements::tolerated_losses> limits;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    if (jobs[i].max_lost && is_new(i)) limits.push_back({jobs[i].id, *jobs[i].max_lost});
  if (!limits.empty()) co_await t.session.post_many(statements::set_max_lost(), limits);
}

/// Adds the jobs whose ids do not exist yet. Returns their number.
template <class Session>
async<Session, std::size_t> enqueue(transaction<Session>& t, std::span<new_job const> jobs) {
  auto const rows = as_rows(jobs, t.now);
  std::vector<std::size_t> affected(jobs.size());
  std::size_t const added = co_await t.session.execute_many(statements::insert_new_job(), rows, affected);
  std::vector<statements::queued_row> queued;
  queued.reserve(added);
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (affected[i] != 0) queued.push_back(queued_row_of(rows[i]));
  auto const is_new = [&](std::size_t at) { return affected[at] != 0; };
  co_await limit_losses(t, jobs, is_new);
  co_await add_to_queues(t, queued);
  co_return added;
}

/// Puts a job back with its own `run_at`, or at another instant.
template <class Session>
async<Session> put_job(transaction<Session>& t, job_id job, int attempt, std::optional<instant> run_at) {
  statements::put_params const where{job, run_at, attempt};
  if (run_at && *run_at > t.now)
    co_await t.session.post(statements::put_scheduled(), where);
  else
    co_await t.session.post(statements::put_ready(), where);
  t.new_work = true;
}

/// Whether any job waits for another one, and whether any cancellation is requested. Both are rare; without them the checks for each job
/// are skipped.
struct pending_side_effects {
  bool waiting = false;
  bool cancels = false;
};

/// Waits until the statements that were posted about a row are executed, so that a refusal is attributed to that row.
template <class Session>
async<Session> await_posted(transaction<Session>& t) {
  statements::at_most const one{1};
  co_await t.session.find(statements::any_waiting(), one);
}

/// Whether the database refuses every change of a row.
/// \param row a `job_id` or an `optional_row`
template <class Session, class Row>
bool is_left(transaction<Session> const& t, Row const& row) {
  return t.refusals != nullptr && t.refusals->is_left(row);
}

/// Announces that the next statements are about a job. \return why it must become dead
template <class Session>
std::string const* begin_job(transaction<Session>& t, job_id job) {
  if (t.refusals == nullptr) return nullptr;
  t.refusals->begin(job);
  return t.refusals->death_of(job);
}

/// Announces that the next statements are about a row that stays as it is where they are refused.
template <class Session>
async<Session> begin_optional(transaction<Session>& t, optional_row const& row) {
  if (t.refusals == nullptr) co_return;
  co_await await_posted(t);
  t.refusals->begin(row);
}

/// Ends what `begin_job` or `begin_optional` began.
template <class Session>
async<Session> end_row(transaction<Session>& t) {
  if (t.refusals == nullptr) co_return;
  co_await await_posted(t);
  t.refusals->end();
}

/// Posts a statement about a row that stays as it is where the database refuses that.
/// \param what,whose the name of the row, of which only the second part differs
template <class Session, class Statement>
async<Session> post_optional(transaction<Session>& t, char const* what, std::string_view whose, Statement statement,
                             typename Statement::params const& params) {
  optional_row row;
  if (t.refusals != nullptr) row.name = std::string(what) + std::string(whose);
  if (is_left(t, row)) co_return;
  co_await begin_optional(t, row);
  co_await t.session.post(statement, params);
  co_await end_row(t);
}

template <class Session>
async<Session> count_completed(transaction<Session>& t, std::vector<statements::of_schedule>& completed) {
  if (t.refusals == nullptr) co_await t.session.post_many(statements::job_completed(), completed);
  for (auto const& each : completed)
    if (t.refusals != nullptr) co_await post_optional(t, "the counters of schedule ", each.id, statements::job_completed(), each);
  completed.clear();
}

template <class Session>
async<Session> release_waiting(transaction<Session>& t, waiting_record const& next);

/// Applies the side effects of ended jobs: dead letters, the counters of their schedules, the jobs that wait behind them, their cancel
/// requests. Only the schedules are shared with other transactions: they are changed in one order, against deadlocks.
template <class Session>
async<Session> follow_ends(transaction<Session>& t, std::span<ended_job> ended, pending_side_effects some) {
  for (auto const& job : ended) {
    if (job.state != job_state::dead) continue;
    dead_record const letter{job.job, t.now, job.attempt, job.error ? std::optional<std::string>(*job.error) : std::nullopt};
    std::string const whose = std::to_string(job.job);
    co_await post_optional(t, "the dead letter of job ", whose, statements::insert_dead(), letter);
  }
  std::vector<ended_job const*> of_schedules;
  for (auto const& job : ended)
    if (job.schedule) of_schedules.push_back(&job);
  std::ranges::sort(of_schedules, {}, [](ended_job const* job) { return std::pair(*job->schedule, job); });
  std::vector<statements::of_schedule> completed;
  for (ended_job const* const job : of_schedules) {
    if (job->state == job_state::completed) {
      if (completed.empty() || completed.back().id != *job->schedule) completed.push_back({*job->schedule});
    } else if (job->state == job_state::failed || job->state == job_state::dead) {
      co_await count_completed(t, completed);
      statements::failure_params const failure{*job->schedule, job->error};
      co_await post_optional(t, "the counters of schedule ", failure.id, statements::job_failed(), failure);
    }
  }
  co_await count_completed(t, completed);
  if (some.waiting) {
    for (auto const& job : ended) {
      statements::of_job const which{job.job};
      auto const behind = co_await t.session.query(statements::waiting_behind(), which);
      if (behind.empty()) continue;
      if (t.refusals != nullptr) {
        for (auto const& next : behind) co_await release_waiting(t, next);
        continue;
      }
      std::vector<statements::queued_row> queued;
      for (auto const& next : behind) queued.push_back(queued_row_of(next));
      co_await t.session.post(statements::remove_waiting_behind(), which);
      co_await add_to_queues(t, queued);
    }
  }
  if (some.cancels) {
    for (auto const& job : ended) {
      statements::of_job const which{job.job};
      std::string const whose = std::to_string(job.job);
      co_await post_optional(t, "the cancel request of job ", whose, statements::remove_cancel(), which);
    }
  }
}

/// The same for one job.
template <class Session>
async<Session> follow_end(transaction<Session>& t, ended_job ended) {
  statements::at_most const one{1};
  auto asked_waiting = t.session.find(statements::any_waiting(), one);
  auto asked_cancels = t.session.find(statements::cancels(), one);
  auto const waiting = co_await std::move(asked_waiting);
  auto const cancels = co_await std::move(asked_cancels);
  pending_side_effects const some{waiting.has_value(), cancels.has_value()};
  co_await follow_ends<Session>(t, std::span(&ended, 1), some);
}

template <class Session>
async<Session, bool> is_cancel_wanted(transaction<Session>& t, job_id job) {
  statements::of_job const which{job};
  auto const found = co_await t.session.find(statements::find_cancel(), which);
  co_return found.has_value();
}

/// Ends a job as cancelled that is in no table of waiting jobs any more, and did not run.
template <class Session>
async<Session> end_unrun(transaction<Session>& t, job_id job, int attempt) {
  statements::attempt_row row;
  row.job = job;
  row.number = attempt;
  row.finished_at = t.now;
  row.outcome = outcome::cancelled;
  row.final_state = job_state::cancelled;
  co_await t.session.post(statements::insert_new_attempt(), row);
  ended_job const ended{job, attempt, job_state::cancelled, std::nullopt, std::nullopt};
  co_await follow_end(t, ended);
}

/// Ends a job as dead that is in no table of waiting jobs any more, since the database refuses its next row.
/// \param reason lives until the statements were executed
template <class Session>
async<Session> end_refused(transaction<Session>& t, job_id job, int attempt, std::string_view reason) {
  statements::attempt_row row;
  row.job = job;
  row.number = attempt;
  row.finished_at = t.now;
  row.outcome = outcome::failed;
  row.final_state = job_state::dead;
  row.error = reason;
  co_await t.session.post(statements::insert_new_attempt(), row);
  statements::of_job const which{job};
  auto const facts = co_await t.session.find(statements::find_facts(), which);
  ended_job ended{job, attempt, job_state::dead, std::nullopt, reason};
  if (facts && facts->schedule) ended.schedule = *facts->schedule;
  co_await follow_end(t, ended);
}

/// Moves a job to its queue that waited for one that has ended.
template <class Session>
async<Session> release_waiting(transaction<Session>& t, waiting_record const& next) {
  optional_row const row{next.job, {}};
  if (is_left(t, row)) co_return;
  statements::of_job const which{next.job};
  co_await begin_optional(t, row);
  co_await t.session.post(statements::remove_waiting(), which);
  co_await end_row(t);
  if (auto const* const reason = begin_job(t, next.job)) {
    co_await end_refused(t, next.job, next.attempt, *reason);
  } else {
    statements::queued_row const to = queued_row_of(next);
    co_await add_to_queues<Session>(t, std::span(&to, 1));
  }
  co_await end_row(t);
}

/// Promotes as `promote` does, but job by job.
/// \pre `t.refusals`
template <class Session>
async<Session, promotion> promote_row_by_row(transaction<Session>& t, std::size_t limit) {
  promotion result;
  auto& refusals = *t.refusals;
  if (refusals.has_learned_enough()) {
    result.next_at = t.now;
    co_return result;
  }
  statements::due_params const wanted{t.now, static_cast<std::int64_t>(limit + refusals.count_left())};
  auto const due = co_await t.session.query(statements::due_jobs(), wanted);
  for (auto const& job : due) {
    optional_row const row{job.job, {}};
    if (is_left(t, row)) continue;
    if (result.moved == limit) break;
    statements::scheduled_position const from{job.run_at, job.job};
    co_await begin_optional(t, row);
    co_await t.session.post(statements::remove_due(), from);
    co_await end_row(t);
    if (auto const* const reason = begin_job(t, job.job)) {
      co_await end_refused(t, job.job, job.attempt, *reason);
    } else {
      statements::queued_row const to = queued_row_of(job);
      co_await t.session.post(statements::insert_ready(), to);
      ++result.moved;
    }
    co_await end_row(t);
    t.new_work = true;
  }
  statements::at_most const first{static_cast<std::int64_t>(refusals.count_left()) + 1};
  auto const next = co_await t.session.query(statements::next_scheduled_jobs(), first);
  auto const at = std::ranges::find_if(next, [&](auto const& each) { return !is_left(t, each.job); });
  if (at != next.end()) result.next_at = at->run_at;
  co_return result;
}

template <class Session>
async<Session, promotion> promote(transaction<Session>& t, std::size_t limit) {
  if (t.refusals != nullptr) co_return co_await promote_row_by_row(t, limit);
  promotion result;
  statements::due_params const wanted{t.now, static_cast<std::int64_t>(limit)};
  statements::at_most const one{1};
  auto const due = co_await t.session.query(statements::due_jobs(), wanted);
  constexpr bool nobody_else_writes = Session::dialect::skip_locked.empty();
  if constexpr (nobody_else_writes) {  // read before any write: the row after the due ones
    statements::at_most const with_one_more{static_cast<std::int64_t>(due.size()) + 1};
    auto const first = co_await t.session.query(statements::next_scheduled(), with_one_more);
    if (first.size() > due.size()) result.next_at = first.back().run_at;
  }
  if (!due.empty()) {
    std::vector<statements::scheduled_position> moved;
    std::vector<statements::queued_row> ready;
    for (auto const& job : due) {
      moved.push_back({job.run_at, job.job});
      ready.push_back(queued_row_of(job));
    }
    co_await t.session.post_many(statements::remove_due(), moved);
    co_await t.session.post_many(statements::insert_ready(), ready);
    result.moved = due.size();
    t.new_work = true;
  }
  if constexpr (!nobody_else_writes) {
    auto const next = co_await t.session.find(statements::next_scheduled(), one);
    if (next) result.next_at = next->run_at;
  }
  co_return result;
}

/// Returns the state of a job; none if there is no such job.
template <class Session>
async<Session, std::optional<job_state>> state_of(transaction<Session>& t, job_id job) {
  statements::of_job const which{job};
  auto const found = co_await t.session.find(statements::find_job_state(), which);
  if (!found) co_return std::nullopt;
  if (found->waiting) co_return job_state::waiting;
  if (found->scheduled) co_return job_state::scheduled;
  if (found->final_state) co_return *found->final_state;
  auto const running = co_await t.session.find(statements::find_running(), which);
  if (running) co_return job_state::running;
  co_return job_state::ready;
}

template <class Session>
async<Session, cancel_result> cancel_job(transaction<Session>& t, job_id job) {
  statements::of_job const which{job};
  auto const state = co_await state_of(t, job);
  if (!state) co_return cancel_result::not_found;
  switch (*state) {
    case job_state::running: {
      cancel_record const request{job, t.now};
      co_await t.session.post(statements::insert_new_cancel(), request);
      t.new_work = true;
      co_return cancel_result::requested;
    }
    case job_state::scheduled: co_await t.session.post(statements::remove_scheduled(), which); break;
    case job_state::waiting: co_await t.session.post(statements::remove_waiting(), which); break;
    case job_state::ready: {
      auto const facts = co_await t.session.find(statements::find_facts(), which);
      statements::position_in_queue const position{facts->queue, facts->priority, facts->run_at, job};
      std::size_t const removed = co_await t.session.execute(statements::remove_ready(), position);
      if (removed != 0) break;
      statements::job_in_queue const anywhere{facts->queue, facts->priority, job};
      co_await t.session.post(statements::remove_retried_ready(), anywhere);
      break;
    }
    default: co_return cancel_result::finished;
  }
  auto const next = co_await t.session.find(statements::next_attempt_number(), which);
  co_await end_unrun(t, job, next->number);
  co_return cancel_result::cancelled;
}

template <class Session>
async<Session> retry_job(transaction<Session>& t, job_id job) {
  statements::of_job const which{job};
  std::size_t const reopened = co_await t.session.execute(statements::reopen_job(), which);
  if (reopened == 0) {
    auto const found = co_await t.session.find(statements::find_facts(), which);
    if (!found) throw error(errc::not_found, "there is no job " + std::to_string(job));
    throw error(errc::conflict, "job " + std::to_string(job) + " has not ended: only one that has can be tried again");
  }
  co_await t.session.post(statements::remove_dead(), which);
  auto const next = co_await t.session.find(statements::next_attempt_number(), which);
  co_await put_job(t, job, next->number, std::optional<instant>(t.now));
}

}  // namespace visor::detail

#endif
