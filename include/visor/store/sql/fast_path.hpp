#ifndef VISOR_STORE_SQL_FAST_PATH_HPP
#define VISOR_STORE_SQL_FAST_PATH_HPP

#include "visor/async/clock.hpp"
#include "visor/store/sql/leases.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

/// The fast path of the frequent operations. In the common case inserted ids are new and a completion has no side effects. The fast path
/// assumes both, sends all requests, and checks the replies afterwards. A fast path miss is `fast_path_miss`, or a unique violation. Then
/// nothing of it is kept, and the general path, `enqueue` or `exchange`, repeats the operation; it handles every case.
namespace visor::detail {

/// Thrown on a fast path miss.
struct fast_path_miss {};

/// Adds jobs whose ids do not exist yet.
template <class Session>
async<Session, std::size_t> fast_path_enqueue(transaction<Session>& t, std::span<new_job const> jobs) {
  auto const rows = as_rows(jobs, t.now);
  std::vector<statements::queued_row> queued;
  queued.reserve(rows.size());
  for (auto const& row : rows) queued.push_back(queued_row_of(row));
  co_await insert_all<Session>(t, statements::insert_job(), rows);
  auto const is_new = [](std::size_t) { return true; };
  co_await limit_losses(t, jobs, is_new);
  co_await add_to_queues<Session>(t, queued);
  co_return jobs.size();
}

/// The rows that results write, if the cached leases are right.
struct fast_path_results {
  std::vector<held_lease> held;
  std::vector<statements::attempt_row> attempts;
  std::vector<ended_job> ended;
};

/// Plans the writes of results. None where a result has more effects than the end of its job, or is not known to belong to an open job.
/// None also where the cache cannot tell whether a lease has open jobs left.
inline std::optional<fast_path_results> plan(lease_cache const& cache, node_lease const& by, std::span<job_result const> done) {
  fast_path_results all;
  all.attempts.reserve(done.size());
  all.ended.reserve(done.size());
  for (job_result const& result : done) {
    if (result.retry_after || !result.children.empty()) return std::nullopt;
    held_lease* lease = find_held(all.held, result.lease);
    if (lease == nullptr) {
      auto known = cache.look(result.lease);
      if (!known) return std::nullopt;
      lease = &all.held.emplace_back();
      lease->id = result.lease;
      lease->exists = true;
      lease->jobs = std::move(known->jobs);
      lease->known_as = known->number;
    }
    auto* const job = lease->jobs.find(result.job);
    if (job == nullptr || job->attempt != result.attempt) return std::nullopt;
    lease->end(*job);
    all.attempts.push_back(as_row(by, lease->jobs.epoch(), result, result.state));
    all.ended.push_back(as_ended(result, result.state, all.attempts.back().error));
  }
  for (held_lease const& lease : all.held)
    if (lease.jobs.open() == 0 && !lease.is_certain()) return std::nullopt;
  return all;
}

/// Whether the heads of all these queues can be requested before any is taken.
inline bool are_on_fast_path(std::span<claim_request const> wanted) {
  for (auto at = wanted.begin(); at != wanted.end(); ++at) {
    if (at->limit == 0 || queue_name(at->queue).is_limited()) return false;
    if (std::ranges::find(wanted.begin(), at, at->queue, &claim_request::queue) != at) return false;
  }
  return true;
}

/// Awaits replies, each of which must hold a row.
template <class Session, class Asked>
async<Session> expect_all(std::vector<Asked>& asked) {
  for (auto& each : asked) {
    auto const found = co_await std::move(each);
    if (!found) throw fast_path_miss();
  }
}

/// Records results that end jobs, and makes claims without limits.
/// \param first_id of as many unused lease ids as there are requests
template <class Session>
async<Session, exchange_result> fast_path_exchange(transaction<Session>& t, node_lease const& by, std::span<job_result const> done,
                                                   std::span<release const> back, std::span<claim_request const> wanted,
                                                   lease_id first_id) {
  std::optional<fast_path_results> results;
  if (back.empty() && are_on_fast_path(wanted) && (done.empty() || !t.leases.had_pending_side_effects)) results = plan(t.leases, by, done);
  if (!results) co_return co_await exchange(t, by, done, back, wanted, first_id);

  statements::named_epoch const me{by.node, by.epoch};
  auto asked_current = t.session.find(statements::current_node(), me);
  statements::at_most const one{1};
  std::vector<decltype(t.session.find(statements::cancels(), one))> asked_side_effects;
  if (!done.empty()) {
    asked_side_effects.push_back(t.session.find(statements::any_waiting(), one));
    asked_side_effects.push_back(t.session.find(statements::cancels(), one));
  }
  std::vector<statements::lease_params> which;
  for (held_lease const& each : results->held) which.push_back({each.id, by.node, by.epoch});
  auto asked_leases = lock_leases(t, which);
  if constexpr (!Session::in_order) co_await expect_all<Session>(asked_leases);
  co_await insert_all<Session>(t, statements::insert_attempt(), results->attempts);
  duration const asked_at = wall_clock().elapsed();
  std::vector<statements::front_params> fronts;
  for (claim_request const& request : wanted) fronts.push_back(look_at_front(t, request.queue, request.limit));
  std::vector<decltype(t.session.query(statements::front_of_queue(), fronts.front()))> asked_fronts;
  for (auto const& front : fronts) asked_fronts.push_back(t.session.query(statements::front_of_queue(), front));

  co_await know_time(t);
  auto const current = co_await std::move(asked_current);
  if (!current || !is_unended(current->exclusive, current->lease_until, t.now)) throw fast_path_miss();
  for (auto& each : asked_side_effects) {
    auto const found = co_await std::move(each);
    if (found) throw fast_path_miss();
  }
  if constexpr (Session::in_order) co_await expect_all<Session>(asked_leases);
  // Another transaction of this process may have used the lease before it was locked.
  for (held_lease const& each : results->held)
    if (!t.leases.take(each.id, each.known_as)) throw fast_path_miss();

  co_await close_leases(t, by, results->held);
  co_await follow_ends<Session>(t, results->ended, pending_side_effects());
  exchange_result result;
  claim_budget budget;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    duration const since = Session::in_order ? asked_at : wall_clock().elapsed();
    auto jobs = co_await std::move(asked_fronts[i]);
    claim taken;
    taken.queue = wanted[i].queue;
    taken.lease = first_id + static_cast<lease_id>(i);
    taken.taken_at = t.now;
    auto taking = take_found(t, taken, wanted[i].queue, fronts[i], std::move(jobs), since, budget, result.next_in);
    co_await std::move(taking);
    if (taken.jobs.empty()) continue;
    co_await write_lease(t, by, taken, std::nullopt);
    result.claims.push_back(std::move(taken));
  }
  co_return result;
}

}  // namespace visor::detail

#endif
