#ifndef VISOR_STORE_SQL_NODES_HPP
#define VISOR_STORE_SQL_NODES_HPP

#include "visor/store/node_rules.hpp"
#include "visor/store/sql/leases.hpp"
#include "visor/store/sql/sets.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Nodes: their leases, and the recovery of jobs of nodes that are gone.
namespace visor::detail {

template <class Session>
async<Session, std::vector<node_record>> list_nodes(transaction<Session>& t) {
  co_return co_await t.session.query(statements::all_nodes());
}

/// Removes a lease, except for the jobs that stay in it since the database refuses every move.
/// \return false where the database refuses that: the lease stays as it is, and its jobs are open until an attempt names it
template <class Session, class Open>
async<Session, bool> end_lease(transaction<Session>& t, lease_id id, std::string_view node, std::vector<Open> const& open) {
  optional_row const row = row_of_lease(id, node);
  if (is_left(t, row)) co_return false;
  std::vector<open_lease::job> left;
  for (auto const& job : open)
    if (is_left(t, job.job)) left.push_back({job.job, job.number, true});
  co_await begin_optional(t, row);
  statements::of_lease const which{id};
  std::string const ids = open_lease(0, left).ids();
  statements::lease_jobs_params const rest{id, ids};
  if (left.empty())
    co_await t.session.post(statements::remove_lease(), which);
  else
    co_await t.session.post(statements::narrow_lease(), rest);
  co_await end_row(t);
  co_return true;
}

/// Ends the attempt of a job that did not run, under a lease that stays, so that the job may have another attempt.
/// \param row of the attempt, with its lease
template <class Session>
async<Session> end_unrun_under(transaction<Session>& t, statements::attempt_row row) {
  row.outcome = outcome::released;
  row.error = "the database refuses to remove its lease";
  statements::of_job const which{row.job};
  co_await t.session.post(statements::insert_new_attempt(), row);
  co_await t.session.post(statements::count_uncounted(), which);
}

/// Returns the row of an attempt under a lease that ends now.
inline statements::attempt_row attempt_under(statements::taken_lease const& lease, std::string_view node,
                                             statements::numbered_attempt const& job, instant now) {
  statements::attempt_row row;
  row.job = job.job;
  row.number = job.number;
  row.lease = lease.id;
  row.node = node;
  row.epoch = lease.epoch;
  row.started_at = lease.taken_at;
  row.finished_at = now;
  return row;
}

/// Puts back all jobs that a node holds, unrun, except under the leases that it keeps.
template <class Session>
async<Session> put_back_all(transaction<Session>& t, node_lease const& by, std::span<lease_id const> keeps = {}) {
  statements::node_epoch const whose{by.node, by.epoch};
  auto const leases = co_await t.session.query(statements::leases_of_node(), whose);
  for (auto const& lease : leases) {
    if (std::ranges::find(keeps, lease.id) != keeps.end()) continue;
    statements::of_lease const which{lease.id};
    auto const open = co_await t.session.query(statements::open_jobs(), which);
    bool const is_ended = co_await end_lease(t, lease.id, by.node, open);
    for (auto const& job : open) {
      if (is_left(t, job.job)) continue;
      auto const* const reason = begin_job(t, job.job);
      if (!is_ended) co_await end_unrun_under(t, attempt_under(lease, by.node, job, t.now));
      int const number = is_ended ? job.number : job.number + 1;
      if (reason != nullptr)
        co_await end_refused(t, job.job, number, *reason);
      else
        co_await put_back(t, job.job, number, duration{0});
      co_await end_row(t);
    }
  }
}

/// Counts the consecutive losses of a job, including the one that is about to be recorded.
/// \param nodes all of them, whose processes may have survived
/// \param is_fatal of the new loss
template <class Session>
async<Session, losses_in_row> count_losses(transaction<Session>& t, job_id job, std::span<node_record const> nodes, bool is_fatal) {
  constexpr std::int64_t enough = 100;  // the pause has its full length long before
  statements::latest_params const which{job, enough};
  auto const latest = co_await t.session.query(statements::latest_attempts(), which);
  losses_in_row losses{1, is_fatal ? 1 : 0};
  for (auto const& attempt : latest) {
    if (attempt.outcome != outcome::lost) break;
    auto const node = std::ranges::find(nodes, attempt.node.value_or(""), &node_record::name);
    ++losses.all;
    losses.fatal += node != nodes.end() && has_survived(*node, attempt.epoch.value_or(0)) ? 0 : 1;
  }
  co_return losses;
}

/// Records the open attempts of a lapsed node as lost, and decides the next state of each job.
/// \param nodes all of them, this one as it is from now on
template <class Session>
async<Session, recovery> recover_jobs(transaction<Session>& t, node_lease const& lapsed, std::span<node_record const> nodes) {
  recovery result;
  result.node = lapsed.node;
  result.epoch = lapsed.epoch;
  auto const node = std::ranges::find(nodes, lapsed.node, &node_record::name);
  statements::node_epoch const whose{lapsed.node, lapsed.epoch};
  auto const leases = co_await t.session.query(statements::leases_of_node(), whose);
  std::vector<statements::attempt_row> lost;
  for (auto const& lease : leases) {
    statements::of_lease const which{lease.id};
    auto const open = co_await t.session.query(statements::open_jobs(), which);
    co_await end_lease(t, lease.id, lapsed.node, open);
    for (auto const& job : open) {
      if (is_left(t, job.job)) continue;
      lost.push_back(attempt_under(lease, lapsed.node, job, t.now));
      lost.back().outcome = outcome::lost;
    }
  }
  std::ranges::sort(lost, {}, &statements::attempt_row::job);
  for (auto& row : lost) {
    statements::of_job const which{row.job};
    auto const facts = co_await t.session.find(statements::find_facts(), which);
    if (!facts) continue;
    auto const* const reason = begin_job(t, row.job);
    bool const is_fatal = node == nodes.end() || !has_survived(*node, *row.epoch);
    auto const losses = co_await count_losses(t, row.job, nodes, is_fatal);
    auto const loss = classify_loss(losses, facts->max_lost);
    bool const unwanted = co_await is_cancel_wanted(t, row.job);
    row.error = loss.is_dead && !unwanted ? std::string_view(loss.error) : lease_ran_out;
    if (reason != nullptr) row.error = *reason;
    if (unwanted)
      row.final_state = job_state::cancelled;
    else if (loss.is_dead || reason != nullptr)
      row.final_state = job_state::dead;
    co_await t.session.post(statements::insert_new_attempt(), row);
    co_await t.session.post(statements::count_uncounted(), which);
    if (!row.final_state) {
      std::optional<instant> run_at;
      if (loss.delay > duration{0}) run_at = t.now + loss.delay;
      co_await put_job(t, row.job, row.number + 1, run_at);
      result.requeued.push_back(row.job);
      co_await end_row(t);
      continue;
    }
    (unwanted ? result.cancelled : result.dead).push_back(row.job);
    ended_job end{row.job, row.number, *row.final_state, std::nullopt, row.error};
    if (facts->schedule) end.schedule = *facts->schedule;
    co_await follow_end(t, end);
    co_await end_row(t);
  }
  co_return result;
}

/// Ends a node that was read in this transaction, unless a heartbeat has come since.
/// \param latest as of `lapse_node`
template <class Session>
async<Session, std::optional<recovery>> lapse(transaction<Session>& t, node_record const& node, std::span<node_record const> nodes,
                                              instant latest) {
  optional_row row;
  row.name = "node " + node.name;
  if (is_left(t, row)) co_return std::nullopt;
  statements::lapse_params const which{node.name, node.epoch, latest};
  co_await begin_optional(t, row);
  std::size_t const lapsed = co_await t.session.execute(statements::lapse_node(), which);
  if (lapsed != 0) co_await end_declarations(t, node.name);
  co_await end_row(t);
  if (lapsed == 0) co_return std::nullopt;
  node_lease const held(node.name, node.epoch, node.lease_until);
  co_return co_await recover_jobs(t, held, nodes);
}

/// The name of the sequence that exceeds the epochs of all removed nodes.
inline constexpr std::string_view epochs = "epoch";

/// Returns the greatest epoch of the removed nodes; 0 if there was none.
template <class Session>
async<Session, std::int64_t> last_removed(transaction<Session>& t) {
  statements::of_node const which{epochs};
  auto const found = co_await t.session.find(statements::read_sequence(), which);
  co_return found ? found->next - 1 : 0;
}

/// The name of the sequence that counts the restored backups that visor was told of.
inline constexpr std::string_view generations = "generation";

template <class Session>
async<Session> request_state(transaction<Session>& t, std::string const& name, std::optional<requested_state> state) {
  statements::of_node const which{name};
  auto const found = co_await t.session.find(statements::find_node(), which);
  if (!found) throw_no_node(name);
  statements::requested_state_params const wanted{name, state};
  co_await t.session.post(statements::request_state(), wanted);
}

template <class Session>
async<Session, bool> remove_node(transaction<Session>& t, std::string const& name) {
  statements::of_node const which{name};
  auto const found = co_await t.session.find(statements::find_node(), which);
  if (!found) co_return false;
  if (found->state != node_state::offline) throw_not_offline(*found);
  auto const last = co_await last_removed(t);
  if (found->epoch > last) {
    sequence_record const first{std::string(epochs), 1};
    statements::sequence_params const more{epochs, found->epoch - last};
    co_await t.session.post(statements::insert_new_sequence(), first);
    co_await t.session.post(statements::advance_sequence(), more);
  }
  co_await t.session.post(statements::remove_node(), which);
  co_await end_declarations(t, name);
  std::span<type_limit_record const> const none;
  co_await set_types(t, name, 0, none);
  co_return true;
}

/// Returns the generation of the store; 0 before the first restore.
template <class Session>
async<Session, std::int64_t> read_generation(transaction<Session>& t) {
  statements::of_node const which{generations};
  auto const found = co_await t.session.find(statements::read_sequence(), which);
  co_return found ? found->next : 0;
}

template <class Session>
async<Session> begin_node(transaction<Session>& t, node_record const& node) {
  if (t.refusals == nullptr) co_return;
  std::vector<named_text> texts;
  texts.push_back({"the name of the node", node.name});
  texts.push_back({"its queues", node.queues.value_or("")});
  texts.push_back({"its capabilities", node.capabilities.value_or("")});
  texts.push_back({"its address", node.address});
  co_await begin_named(t, std::move(texts));
}

template <class Session>
async<Session, node_lease> join(transaction<Session>& t, join_request const& request) {
  auto nodes = co_await t.session.query(statements::all_nodes());
  for (auto const& other : nodes) {
    if (other.name == request.node || other.state == node_state::offline || !(other.exclusive || request.exclusive)) continue;
    if (is_live(other, t.now)) throw_held(other);
    auto const recovered = co_await lapse<Session>(t, other, nodes, t.now);
    if (!recovered) throw_held(other);
  }
  auto const at = std::ranges::find(nodes, request.node, &node_record::name);
  node_record const* const same = at == nodes.end() ? nullptr : &*at;
  check_known_epoch(request, same);
  std::int64_t before = 0;
  if (same == nullptr)
    before = co_await last_removed(t);
  else
    before = same->epoch;
  check_not_restored(request, same, before);
  check_goes_on(request, same, t.now);
  node_record const node = as_record(request, same, before, t.now);
  co_await begin_node(t, node);
  if (same == nullptr)
    co_await t.session.post(statements::insert_node(), node);
  else
    co_await t.session.post(statements::update_node(), node);
  node_lease const held(node.name, before, node.lease_until);
  if (at != nodes.end()) *at = node;
  co_await end_named(t);
  if (request.keeps)
    co_await put_back_all<Session>(t, held, *request.keeps);
  else
    co_await recover_jobs<Session>(t, held, nodes);
  co_await set_limits<Session>(t, request.limits);
  co_await set_types<Session>(t, node.name, node.epoch, request.limits);
  co_await end_named(t);
  t.leases.clear();  // entries of leases that are gone
  node_lease lease(node.name, node.epoch, node.lease_until);
  lease.generation = co_await read_generation(t);
  co_return lease;
}

/// \tparam Server whether the time is the database's
template <bool Server, class Session>
async<Session, node_lease> renew(transaction<Session>& t, node_lease const& lease, renewal const& how) {
  statements::renew_params const wanted{lease.node, lease.epoch,    t.now, t.now + how.ttl, how.ttl, how.state,
                                        how.token,  how.last_token, true};
  statements::of_node const which{lease.node};
  auto renewing = t.session.execute(statements::renew_node<Server>(), wanted);
  std::size_t const renewed = co_await std::move(renewing);
  auto const found = co_await t.session.find(statements::find_beat(), which);
  bool const is_held = found && found->epoch == lease.epoch && found->state != node_state::offline;
  // MySQL counts only changed rows: where nothing is new, this is a repetition within one instant of the store's clock.
  bool const is_repeated = is_held && found->token == how.token && found->state == how.state && found->lease_until == wanted.until;
  if (renewed == 0 && found && is_older_state(*found, lease, how)) throw_restored(lease.node);
  if ((renewed == 0 && !is_repeated) || !is_held) throw_lease_lost(lease.node, lease.epoch);
  node_lease result(lease.node, lease.epoch, found->lease_until);
  result.generation = lease.generation;
  co_return result;
}

template <class Session>
async<Session> leave(transaction<Session>& t, node_lease const& lease, departure how) {
  statements::current_params const which{lease.node, lease.epoch, t.now};
  std::size_t const left = co_await t.session.execute(statements::leave_node(), which);
  if (left == 0) co_return;
  co_await end_declarations(t, lease.node);
  if (how == departure::clean) {
    co_await put_back_all(t, lease);
    co_return;
  }
  statements::survived_params const survived{lease.node, lease.epoch};
  co_await t.session.post(statements::note_survived(), survived);
  auto const nodes = co_await t.session.query(statements::all_nodes());
  co_await recover_jobs<Session>(t, lease, nodes);
}

/// \param stranded also recover jobs that ended nodes still hold
template <class Session>
async<Session, std::vector<recovery>> recover(transaction<Session>& t, std::optional<node_lease> const& evict, bool stranded) {
  std::vector<recovery> result;
  auto const nodes = co_await t.session.query(statements::all_nodes());
  for (auto const& node : nodes) {
    bool const evicted = evict && evict->node == node.name && evict->epoch == node.epoch;
    if (is_beyond_any_lease(node, t.now) && !evicted) {
      statements::cut_params const cut{node.name, node.epoch, t.now + shortened_lease};
      co_await t.session.post(statements::cut_lease(), cut);
    }
    if (node.state == node_state::offline || (is_live(node, t.now) && !evicted)) continue;
    instant const latest = evicted ? std::max(t.now, node.lease_until) : t.now;
    auto recovered = co_await lapse<Session>(t, node, nodes, latest);
    if (recovered) result.push_back(std::move(*recovered));
  }
  if (!stranded) co_return result;
  auto const waiting = co_await t.session.query(statements::stranded_waiting());
  for (auto const& each : waiting) co_await release_waiting(t, each);
  auto const ended = co_await t.session.query(statements::stranded_leases());
  for (auto const& each : ended) {
    auto recovered = co_await recover_jobs<Session>(t, node_lease(each.node, each.epoch, t.now), nodes);
    if (!recovered.requeued.empty() || !recovered.dead.empty() || !recovered.cancelled.empty()) result.push_back(std::move(recovered));
  }
  co_return result;
}

/// Reserves a block of consecutive numbers. Returns its first number.
template <class Session>
async<Session, std::int64_t> reserve(transaction<Session>& t, std::string_view sequence, std::int64_t count) {
  statements::sequence_params const block{sequence, count};
  statements::of_node const which{sequence};
  if constexpr (requires(std::span<statements::sequence_step const> one) { t.session.expect_many(statements::step_sequence(), one); }) {
    auto const before = co_await t.session.find(statements::read_sequence(), which);
    if (before) {
      statements::sequence_step const step{sequence, count, before->next};
      co_await t.session.expect_many(statements::step_sequence(), std::span(&step, 1));
      co_return before->next;
    }
  }
  std::size_t const advanced = co_await t.session.execute(statements::advance_sequence(), block);
  if (advanced == 0) {  // another transaction may be about to begin it too
    sequence_record const first{std::string(sequence), 1};
    co_await t.session.post(statements::insert_new_sequence(), first);
    co_await t.session.post(statements::advance_sequence(), block);
  }
  auto const after = co_await t.session.find(statements::read_sequence(), which);
  co_return after->next - count;
}

}  // namespace visor::detail

#endif
