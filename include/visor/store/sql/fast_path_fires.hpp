#ifndef VISOR_STORE_SQL_FAST_PATH_FIRES_HPP
#define VISOR_STORE_SQL_FAST_PATH_FIRES_HPP

#include "visor/store/sql/fast_path.hpp"
#include "visor/store/sql/schedules.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

/// The fast path of fires, for all of them together. Thousands of schedules may be due at midnight, and no other transaction writes while
/// this one acts on them.
namespace visor::detail {

/// Reads the current schedules of orders, one for each order; mostly these are the ones that are due first. None where there is no such
/// schedule.
template <class Session>
async<Session, std::vector<std::optional<schedule_record>>> schedules_of(transaction<Session>& t, std::span<fire_order const> orders) {
  std::vector<std::optional<schedule_record>> all(orders.size());
  std::unordered_map<std::string_view, std::size_t> index_of;
  for (std::size_t i = 0; i < orders.size(); ++i)
    if (!index_of.emplace(orders[i].schedule, i).second) throw fast_path_miss();  // the second order depends on the effects of the first
  if (orders.size() > 1) {
    statements::due_params const first{t.now, static_cast<std::int64_t>(orders.size())};
    auto rows = co_await t.session.query(statements::due_schedules_now(), first);
    for (auto& row : rows)
      if (auto const at = index_of.find(row.id); at != index_of.end()) all[at->second] = std::move(row);
  }
  std::vector<std::size_t> missing;
  std::vector<statements::of_schedule> which;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    if (all[i]) continue;
    missing.push_back(i);
    which.push_back({orders[i].schedule});
  }
  std::vector<decltype(t.session.find(statements::find_schedule(), which.front()))> asked;
  for (auto const& each : which) asked.push_back(t.session.find(statements::find_schedule(), each));
  for (std::size_t i = 0; i < missing.size(); ++i) all[missing[i]] = co_await std::move(asked[i]);
  co_return all;
}

/// The rows that fires write, and the replies to their orders.
struct fast_path_fires {
  std::vector<fired> results;
  std::vector<statements::fire_row> fires;
  std::vector<statements::new_job_row> jobs;
  std::vector<statements::queued_row> queued;
  std::vector<statements::fired_params> schedules;
  std::vector<statements::tolerated_losses> losses;
  std::vector<statements::missed_row> missed;

  /// \param result of the order; it is in `results`
  void add(fired& result, schedule_record const& schedule, fire_order const& order, node_lease const& by, instant now) {
    statements::fired_params after = as_fired(schedule, order);
    for (std::size_t i = 0; i < order.planned.size(); ++i) {
      jobs.push_back(as_job(schedule, order.planned[i], order.ids[i], now));
      queued.push_back(queued_row_of(jobs.back()));
      if (schedule.max_lost) losses.push_back({order.ids[i], *schedule.max_lost});
      fires.push_back({order.schedule, order.planned[i], now, by.node, fire_result::fired, order.ids[i]});
      follow_fire(after, order.planned[i], order.ids[i]);
      result.fires.push_back(as_record(fires.back()));
    }
    if (order.missed && order.expected_next) missed.push_back(as_missed(order, by, now));
    schedules.push_back(after);
  }
};

/// Whether the jobs of each order neither wait nor make others wait, whatever the overlap policy says.
template <class Session>
async<Session, std::vector<bool>> are_free(transaction<Session>& t, std::span<fire_order const> orders,
                                           std::span<std::optional<schedule_record> const> schedules) {
  std::vector<bool> free(orders.size(), true);
  std::vector<std::size_t> looked_at;
  std::vector<statements::of_job> last;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    if (!is_as_read(schedules[i], orders[i]) || schedules[i]->overlap == overlap::allow) continue;
    free[i] = orders[i].planned.size() <= 1;
    if (!free[i] || !schedules[i]->last_job) continue;
    looked_at.push_back(i);
    last.push_back({*schedules[i]->last_job});
  }
  std::vector<decltype(t.session.find(statements::find_job_state(), last.front()))> asked;
  for (auto const& each : last) asked.push_back(t.session.find(statements::find_job_state(), each));
  for (std::size_t i = 0; i < last.size(); ++i) {
    auto const state = co_await std::move(asked[i]);
    free[looked_at[i]] = !state || (state->final_state && !state->waiting && !state->scheduled);
  }
  co_return free;
}

/// Fires instants that have no record yet, with new job ids; overlapping fires take the general path.
template <class Session>
async<Session, std::vector<fired>> fast_path_fire_all(transaction<Session>& t, node_lease const& by, std::span<fire_order const> orders) {
  fast_path_fires all;
  for (auto const& order : orders) all.results.emplace_back().schedule = order.schedule;
  bool const current = co_await is_current(t, by);
  if (!current) co_return std::move(all.results);
  auto const schedules = co_await schedules_of(t, orders);
  auto const free = co_await are_free<Session>(t, orders, schedules);
  for (std::size_t i = 0; i < orders.size(); ++i) {
    all.results[i].accepted = is_as_read(schedules[i], orders[i]);
    if (all.results[i].accepted && free[i]) all.add(all.results[i], *schedules[i], orders[i], by, t.now);
  }
  co_await t.session.post_many(statements::insert_fire(), all.fires);
  if (!all.missed.empty()) co_await t.session.post_many(statements::insert_new_missed_fire(), all.missed);
  co_await insert_all<Session>(t, statements::insert_job(), all.jobs);
  if (!all.losses.empty()) co_await t.session.post_many(statements::set_max_lost(), all.losses);
  co_await add_to_queues<Session>(t, all.queued);
  co_await t.session.post_many(statements::advance_schedule(), all.schedules);
  for (std::size_t i = 0; i < orders.size(); ++i)
    if (!free[i]) all.results[i] = co_await fire(t, by, orders[i]);
  co_return std::move(all.results);
}

}  // namespace visor::detail

#endif
