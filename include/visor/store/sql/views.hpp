#ifndef VISOR_STORE_SQL_VIEWS_HPP
#define VISOR_STORE_SQL_VIEWS_HPP

#include "visor/store/sql/jobs.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

/// Jobs as users see them.
namespace visor::detail {

using running_by_job = std::unordered_map<job_id, statements::running_row>;

inline job_view as_view(statements::job_row row, statements::running_row const* running) {
  job_view view;
  if (running != nullptr) {
    view.state = job_state::running;
    view.attempts = row.last_number.value_or(0) + 1;
    view.started_at = running->taken_at;
    view.node = running->node;
  } else {
    view.state = row.waiting ? job_state::waiting : row.scheduled ? job_state::scheduled : row.final_state.value_or(job_state::ready);
    view.attempts = row.last_number ? tries(*row.last_number, row.started_at) : 0;
    view.started_at = row.started_at;
    view.finished_at = row.finished_at;
    view.node = std::move(row.node);
    view.error = std::move(row.error);
    view.output = std::move(row.output);
  }
  view.job = std::move(static_cast<job_record&>(row));
  return view;
}

template <class Session>
async<Session, std::optional<job_view>> find_job(transaction<Session>& t, job_id job) {
  statements::of_job const which{job};
  auto row = co_await t.session.find(statements::find_job(), which);
  if (!row) co_return std::nullopt;
  auto const running = co_await t.session.find(statements::find_running(), which);
  co_return as_view(std::move(*row), running ? &*running : nullptr);
}

/// Lists running jobs: there are few, so they are looked up one by one.
template <class Session>
async<Session, std::vector<job_view>> list_running(transaction<Session>& t, job_filter const& filter,
                                                   std::vector<statements::running_row> const& running) {
  std::vector<job_view> result;
  for (auto const& one : running) {
    if (result.size() >= filter.limit) break;
    if (filter.before && one.job >= *filter.before) continue;
    statements::of_job const which{one.job};
    auto row = co_await t.session.find(statements::find_job(), which);
    if (!row || (filter.type && row->type != *filter.type) || (filter.schedule && row->schedule != *filter.schedule)) continue;
    result.push_back(as_view(std::move(*row), &one));
  }
  co_return result;
}

/// Lists jobs. O(limit) for no state, scheduled, waiting, running, failed, cancelled and dead; O(ready jobs) for ready. For completed, and
/// where type or schedule are given, O(jobs scanned until enough are found). In addition O(running jobs of all nodes) in each case.
template <class Session>
async<Session, std::vector<job_view>> list_jobs(transaction<Session>& t, job_filter const& filter) {
  auto const running = co_await t.session.query(statements::running_jobs());
  if (filter.state == job_state::running) {
    auto views = co_await list_running(t, filter, running);
    co_return views;
  }
  statements::list_jobs_params params;
  params.before = filter.before.value_or(std::numeric_limits<job_id>::max());
  params.type = filter.type;
  params.schedule = filter.schedule;
  params.limit = static_cast<std::int64_t>(filter.limit);
  std::vector<statements::job_row> rows;
  if (!filter.state) {
    rows = co_await t.session.query(statements::list_jobs<statements::from_all>(), params);
  } else {
    switch (*filter.state) {
      case job_state::waiting: rows = co_await t.session.query(statements::list_jobs<statements::from_waiting>(), params); break;
      case job_state::scheduled: rows = co_await t.session.query(statements::list_jobs<statements::from_scheduled>(), params); break;
      case job_state::ready: rows = co_await t.session.query(statements::list_jobs<statements::from_ready>(), params); break;
      case job_state::completed: rows = co_await t.session.query(statements::list_jobs<statements::from_completed>(), params); break;
      case job_state::failed: rows = co_await t.session.query(statements::list_jobs<statements::from_failed>(), params); break;
      case job_state::cancelled: rows = co_await t.session.query(statements::list_jobs<statements::from_cancelled>(), params); break;
      case job_state::dead: rows = co_await t.session.query(statements::list_jobs<statements::from_dead>(), params); break;
      case job_state::running: break;
    }
  }
  running_by_job by_job;
  for (auto const& one : running) by_job.emplace(one.job, one);
  std::vector<job_view> result;
  result.reserve(rows.size());
  for (auto& row : rows) {
    auto const at = by_job.find(row.id);
    result.push_back(as_view(std::move(row), at == by_job.end() ? nullptr : &at->second));
  }
  co_return result;
}

template <class Session>
async<Session, std::vector<attempt_record>> list_attempts(transaction<Session>& t, job_id job) {
  statements::of_job const which{job};
  co_return co_await t.session.query(statements::attempts_of(), which);
}

template <class Session>
async<Session, std::vector<job_id>> list_cancels(transaction<Session>& t) {
  statements::at_most const all{std::numeric_limits<std::int64_t>::max()};
  auto const rows = co_await t.session.query(statements::cancels(), all);
  std::vector<job_id> result;
  for (auto const& row : rows) result.push_back(row.job);
  co_return result;
}

}  // namespace visor::detail

#endif
