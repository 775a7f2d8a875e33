#ifndef VISOR_STORE_SQL_SCHEDULES_HPP
#define VISOR_STORE_SQL_SCHEDULES_HPP

#include "visor/store/schedule_rules.hpp"
#include "visor/store/sql/leases.hpp"
#include "visor/store/sql/schema.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Schedules and their fires.
namespace visor::detail {

/// Notes a version of the tables that is not this program's.
inline void compare_schema(visor::pending_work& result, int version) {
  constexpr int ours = static_cast<int>(schema_versions.size());
  if (version > ours) result.newer_schema = version;
  if (version < ours) result.older_schema = version;
}

template <class Session>
async<Session, visor::pending_work> read_pending_work(transaction<Session>& t) {
  auto const found = co_await t.session.find(statements::pending_work());
  visor::pending_work result;
  result.ready = found->queue.has_value();
  result.lanes = static_cast<std::size_t>(found->lanes);
  compare_schema(result, found->schema.value_or(0));
  result.next_at = found->next_fire;
  if (found->next_job && (!result.next_at || *found->next_job < *result.next_at)) result.next_at = found->next_job;
  co_return result;
}

template <class Session>
async<Session, due_schedules> due(transaction<Session>& t, std::size_t limit, std::optional<due_position> const& after) {
  due_schedules result;
  result.now = t.now;
  std::int64_t const most = static_cast<std::int64_t>(limit);
  statements::due_params const first{t.now, most};
  statements::due_after_params const behind{t.now, after ? after->next_at : instant(), after ? std::string_view(after->id) : "", most};
  auto asked_due =
      after ? t.session.query(statements::due_schedules_after(), behind) : t.session.query(statements::due_schedules_now(), first);
  statements::due_params const next{t.now, 1};
  auto asked_later = t.session.find(statements::next_due_schedule(), next);
  statements::at_most const one{1};
  auto asked_job = t.session.find(statements::next_scheduled(), one);
  result.schedules = co_await std::move(asked_due);
  auto const later = co_await std::move(asked_later);
  auto const job = co_await std::move(asked_job);
  if (later) result.next_at = later->next_at;
  if (job) result.next_job_at = job->run_at;
  co_return result;
}

/// Whether a schedule is unchanged since the order was made.
inline bool is_as_read(std::optional<schedule_record> const& stored, fire_order const& order) {
  return stored && stored->state == schedule_state::active && stored->version == order.version && stored->next_at == order.expected_next;
}

/// The job that a schedule makes at an instant.
inline statements::new_job_row as_job(schedule_record const& schedule, instant planned, job_id id, instant now) {
  statements::new_job_row job;
  job.id = id;
  job.type = schedule.type;
  job.queue = schedule.queue;
  job.priority = schedule.priority;
  job.payload = schedule.payload;
  job.max_attempts = schedule.max_attempts;
  job.schedule = schedule.id;
  job.planned_at = planned;
  if (schedule.owner) job.owner = *schedule.owner;
  job.run_at = planned;
  job.created_at = now;
  return job;
}

/// The schedule's row after an order, before any of its instants is processed.
inline statements::fired_params as_fired(schedule_record const& schedule, fire_order const& order) {
  statements::fired_params after;
  after.id = order.schedule;
  after.next_at = order.next_at;
  after.state = order.state;
  after.last_at = schedule.last_at;
  after.last_job = schedule.last_job;
  return after;
}

inline void follow_fire(statements::fired_params& after, instant planned, job_id job) {
  after.last_at = planned;
  after.last_job = job;
  ++after.fired;
}

inline fire_record as_record(statements::fire_row const& row) {
  fire_record record;
  record.schedule = row.schedule;
  record.planned_at = row.planned_at;
  record.fired_at = row.fired_at;
  record.node = row.node;
  record.result = row.result;
  record.job = row.job;
  return record;
}

/// \pre the order says that its first instant was missed
inline statements::missed_row as_missed(fire_order const& order, node_lease const& by, instant now) {
  return {order.schedule, *order.expected_next, now, by.node, fire_result::missed, *order.missed};
}

/// Adds the job of a fire as the overlap policy says. False when the policy skips the fire.
template <class Session>
async<Session, bool> start(transaction<Session>& t, schedule_record const& schedule, instant planned, job_id id) {
  job_id const last = schedule.last_job.value_or(0);
  job_id blocker = 0;
  if (schedule.last_job && schedule.overlap != overlap::allow) {
    auto const state = co_await state_of(t, last);
    switch (decide_fire(schedule.overlap, state)) {
      case fire_action::add: break;
      case fire_action::skip: co_return false;
      case fire_action::wait: blocker = last; break;
      case fire_action::stop_and_wait:
        co_await cancel_job(t, last);
        blocker = last;
        break;
      case fire_action::replace_and_wait: {
        statements::of_job const which{last};
        auto const waits = co_await t.session.find(statements::find_waiting(), which);
        blocker = waits->blocker;
        co_await cancel_job(t, last);
        break;
      }
      case fire_action::replace_and_add: co_await cancel_job(t, last); break;
    }
  }
  statements::new_job_row const job = as_job(schedule, planned, id, t.now);
  std::size_t const added = co_await t.session.execute(statements::insert_new_job(), job);
  if (added == 0) throw id_is_taken(id);
  if (schedule.max_lost) {
    statements::tolerated_losses const limit{id, *schedule.max_lost};
    co_await t.session.post(statements::set_max_lost(), limit);
  }
  if (blocker != 0) {
    statements::waiting_row const waiting{blocker, id, planned, job.priority, 1, job.queue};
    co_await t.session.post(statements::insert_waiting(), waiting);
  } else {
    statements::queued_row const queued = queued_row_of(job);
    co_await add_to_queues<Session>(t, std::span(&queued, 1));
  }
  co_return true;
}

template <class Session>
async<Session, fired> fire(transaction<Session>& t, node_lease const& by, fire_order const& order) {
  fired result;
  result.schedule = order.schedule;
  statements::of_schedule const which{order.schedule};
  auto schedule = co_await t.session.find(statements::find_schedule(), which);
  result.accepted = is_as_read(schedule, order);
  if (!result.accepted) co_return result;
  statements::fired_params after = as_fired(*schedule, order);
  for (std::size_t i = 0; i < order.planned.size(); ++i) {
    instant const planned = order.planned[i];
    statements::planned_fire const key{order.schedule, planned};
    auto const before = co_await t.session.find(statements::find_fire(), key);
    if (before && before->result != fire_result::missed) continue;
    bool const started = co_await start(t, *schedule, planned, order.ids[i]);
    statements::fire_row row{order.schedule, planned, t.now, by.node, fire_result::skipped, std::nullopt};
    if (started) {
      row.result = fire_result::fired;
      row.job = order.ids[i];
      schedule->last_job = order.ids[i];
      follow_fire(after, planned, order.ids[i]);
    }
    if (before)
      co_await t.session.post(statements::replace_missed_fire(), row);
    else
      co_await t.session.post(statements::insert_fire(), row);
    result.fires.push_back(as_record(row));
  }
  if (order.missed && order.expected_next) {
    statements::missed_row const missed = as_missed(order, by, t.now);
    co_await t.session.post(statements::insert_new_missed_fire(), missed);
  }
  co_await t.session.post(statements::advance_schedule(), after);
  co_return result;
}

template <class Session>
async<Session, std::vector<fired>> fire_all(transaction<Session>& t, node_lease const& by, std::span<fire_order const> orders) {
  std::vector<fired> results;
  results.reserve(orders.size());
  bool const current = co_await is_current(t, by);
  for (auto const& order : orders) {
    if (current) {
      auto one = co_await fire(t, by, order);
      results.push_back(std::move(one));
    } else {
      results.emplace_back().schedule = order.schedule;
    }
  }
  co_return results;
}

template <class Session>
async<Session, std::size_t> note_missed(transaction<Session>& t, node_lease const& by, std::span<missed_instant const> missed) {
  bool const current = co_await is_current(t, by);
  if (!current || missed.empty()) co_return 0;
  std::vector<statements::missed_row> rows;
  rows.reserve(missed.size());
  for (auto const& each : missed) rows.push_back({each.schedule, each.planned_at, t.now, by.node, fire_result::missed, each.reason});
  co_return co_await t.session.execute_many(statements::insert_new_missed_fire(), rows);
}

template <class Session>
async<Session, std::vector<instant>> acted_on(transaction<Session>& t, std::string const& schedule, instant after, std::size_t limit) {
  statements::acted_on_params const wanted{schedule, after, static_cast<std::int64_t>(limit)};
  auto const rows = co_await t.session.query(statements::acted_on(), wanted);
  std::vector<instant> result;
  for (auto const& row : rows) result.push_back(row.planned_at);
  co_return result;
}

template <class Session>
async<Session, std::vector<bool>> correct_next(transaction<Session>& t, std::span<next_correction const> corrections) {
  std::vector<statements::correct_next_params> rows;
  rows.reserve(corrections.size());
  for (auto const& each : corrections) rows.push_back({each.schedule, each.version, each.from, each.to});
  std::vector<std::size_t> affected(rows.size());
  co_await t.session.execute_many(statements::correct_next(), rows, affected);
  std::vector<bool> result;
  result.reserve(affected.size());
  for (std::size_t const count : affected) result.push_back(count != 0);
  t.new_work = std::ranges::count(result, true) != 0;
  co_return result;
}

[[noreturn]] inline void throw_taken(std::string const& id) {
  throw error(errc::already_exists, "schedule " + id + " exists already: choose another id");
}

/// Returns the rows of new schedules, by id, so that concurrent calls lock them in one order. It runs before the transaction, so that the
/// server does not wait for the computation.
inline std::vector<schedule_record> to_be_added(std::span<schedule_record const> given) {
  std::vector<schedule_record> rows;
  rows.reserve(given.size());
  for (auto const& each : given) rows.push_back(as_added(each, instant()));
  std::ranges::sort(rows, {}, &schedule_record::id);
  auto const twice = std::ranges::adjacent_find(rows, {}, &schedule_record::id);
  if (twice != rows.end()) throw_taken(twice->id);
  return rows;
}

/// Adds all of them, or throws.
/// \param made by `to_be_added`
template <class Session>
async<Session> add_schedules(transaction<Session>& t, std::span<schedule_record const> made) {
  if (made.empty()) co_return;
  std::vector<schedule_record> rows(made.begin(), made.end());
  for (auto& row : rows) {
    row.updated_at = t.now;
    if (row.created_at == instant{}) row.created_at = t.now;
  }
  std::vector<std::size_t> affected(rows.size());
  co_await t.session.execute_many(statements::insert_new_schedule(), rows, affected);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (affected[i] != 0) continue;
    statements::of_schedule const which{rows[i].id};
    std::size_t const made_room = co_await t.session.execute(statements::remove_retired_schedule(), which);
    if (made_room == 0) throw_taken(rows[i].id);
    co_await t.session.post(statements::insert_new_schedule(), rows[i]);
  }
  t.new_work = true;
}

template <class Session>
async<Session, schedule_record> update_schedule(transaction<Session>& t, schedule_record const& given) {
  statements::of_schedule const which{given.id};
  auto const stored = co_await t.session.find(statements::find_schedule(), which);
  if (!stored) throw error(errc::not_found, "there is no schedule " + given.id);
  if (stored->version != given.version)
    throw error(errc::conflict, "schedule " + given.id + " was changed meanwhile: read it again and repeat the change");
  schedule_record changed = as_updated(*stored, given, t.now);
  co_await t.session.post(statements::update_schedule(), changed);
  t.new_work = true;
  co_return changed;
}

template <class Session>
async<Session, bool> remove_schedule(transaction<Session>& t, std::string const& id) {
  statements::of_schedule const which{id};
  std::size_t const removed = co_await t.session.execute(statements::remove_schedule(), which);
  t.new_work = removed != 0;
  co_return removed != 0;
}

inline statements::list_schedules_params as_params(schedule_filter const& filter) {
  statements::list_schedules_params result;
  if (filter.id_prefix) {
    result.from = *filter.id_prefix;
    result.until = *filter.id_prefix + "\xF4\x8F\xBF\xBF";  // U+10FFFF, the greatest code point: all ids with the prefix are below
  }
  if (filter.after && *filter.after >= result.from) {
    result.from = *filter.after;
    result.after = filter.after;
  }
  result.state = filter.state;
  if (filter.hide_completed) result.hidden = schedule_state::completed;
  result.owner = filter.owner;
  result.limit = static_cast<std::int64_t>(filter.limit);
  return result;
}

template <class Session>
async<Session, std::vector<schedule_record>> list_schedules(transaction<Session>& t, schedule_filter const& filter) {
  auto const params = as_params(filter);
  co_return co_await t.session.query(statements::list_schedules(), params);
}

template <class Session>
async<Session, std::optional<schedule_record>> find_schedule(transaction<Session>& t, std::string const& id) {
  statements::of_schedule const which{id};
  co_return co_await t.session.find(statements::find_schedule(), which);
}

template <class Session>
async<Session, std::vector<fire_record>> list_fires(transaction<Session>& t, std::string const& schedule, std::size_t limit) {
  statements::fires_params const wanted{schedule, static_cast<std::int64_t>(limit)};
  co_return co_await t.session.query(statements::fires_of(), wanted);
}

}  // namespace visor::detail

#endif
