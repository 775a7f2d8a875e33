#ifndef VISOR_STORE_SQL_NODES_HPP
#define VISOR_STORE_SQL_NODES_HPP

#include "visor/store/node_rules.hpp"
#include "visor/store/sql/leases.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Nodes: who is there, and what becomes of the jobs of those that are not.
namespace visor::detail {

template <class Session>
async<Session, std::vector<node_record>> list_nodes(transaction<Session>& t) {
  co_return co_await t.session.query(statements::all_nodes());
}

/// Puts back all that a node holds, unrun, but for the leases that it keeps.
template <class Session>
async<Session> put_back_all(transaction<Session>& t, node_lease const& by, std::span<lease_id const> keeps = {}) {
  statements::node_epoch const whose{by.node, by.epoch};
  auto const leases = co_await t.session.query(statements::leases_of_node(), whose);
  for (auto const& lease : leases) {
    if (std::ranges::find(keeps, lease.id) != keeps.end()) continue;
    statements::of_lease const which{lease.id};
    auto const open = co_await t.session.query(statements::open_jobs(), which);
    co_await t.session.post(statements::remove_lease(), which);
    for (auto const& job : open) co_await put_back(t, job.job, job.number, duration{0});
  }
}

/// Records the open attempts of a lapsed node as lost, and decides each job's future.
template <class Session>
async<Session, recovery> recover_jobs(transaction<Session>& t, std::string const& node, std::int64_t epoch) {
  recovery result;
  result.node = node;
  result.epoch = epoch;
  statements::node_epoch const whose{node, epoch};
  auto const leases = co_await t.session.query(statements::leases_of_node(), whose);
  std::vector<statements::attempt_row> lost;
  for (auto const& lease : leases) {
    statements::of_lease const which{lease.id};
    auto const open = co_await t.session.query(statements::open_jobs(), which);
    co_await t.session.post(statements::remove_lease(), which);
    for (auto const& job : open) {
      statements::attempt_row row;
      row.job = job.job;
      row.number = job.number;
      row.lease = lease.id;
      row.node = node;
      row.epoch = lease.epoch;
      row.started_at = lease.taken_at;
      row.finished_at = t.now;
      row.outcome = outcome::lost;
      row.error = lease_ran_out;
      lost.push_back(row);
    }
  }
  std::ranges::sort(lost, {}, &statements::attempt_row::job);
  for (auto& row : lost) {
    statements::of_job const which{row.job};
    auto const facts = co_await t.session.find(statements::find_facts(), which);
    if (!facts) continue;
    bool const unwanted = co_await is_cancel_wanted(t, row.job);
    if (unwanted)
      row.final_state = job_state::cancelled;
    else if (row.number >= facts->max_attempts)
      row.final_state = job_state::dead;
    co_await t.session.post(statements::insert_new_attempt(), row);
    if (!row.final_state) {
      co_await put_job(t, row.job, row.number + 1, std::optional<instant>());
      result.requeued.push_back(row.job);
      continue;
    }
    (unwanted ? result.cancelled : result.dead).push_back(row.job);
    ended_job end{row.job, row.number, *row.final_state, std::nullopt, row.error};
    if (facts->schedule) end.schedule = *facts->schedule;
    co_await follow_end(t, end);
  }
  co_return result;
}

/// The name of the sequence that is behind the epochs of all nodes that were removed.
inline constexpr std::string_view epochs = "epoch";

/// The greatest epoch of the nodes that were removed; 0 if there was none.
template <class Session>
async<Session, std::int64_t> last_removed(transaction<Session>& t) {
  statements::of_node const which{epochs};
  auto const found = co_await t.session.find(statements::read_sequence(), which);
  co_return found ? found->next - 1 : 0;
}

template <class Session>
async<Session> set_wish(transaction<Session>& t, std::string const& name, std::optional<node_wish> wish) {
  statements::of_node const which{name};
  auto const found = co_await t.session.find(statements::find_node(), which);
  if (!found) throw_no_node(name);
  statements::wish_params const wanted{name, wish};
  co_await t.session.post(statements::set_wish(), wanted);
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
  co_return true;
}

template <class Session>
async<Session, node_lease> join(transaction<Session>& t, join_request const& request) {
  auto const others = co_await t.session.query(statements::all_nodes());
  node_record const* same = nullptr;
  for (auto const& other : others) {
    if (other.name == request.node) {
      same = &other;
    } else if (is_live(other, t.now) && (other.exclusive || request.exclusive)) {
      throw error(condition::lease_held, "node " + other.name + " (" + other.address + ") is at work on this store until " +
                                             to_string(other.lease_until) + ", and there can be only one: stop it first");
    }
  }
  check_known_epoch(request, same);
  check_goes_on(request, same, t.now);
  std::int64_t before = 0;
  if (same == nullptr)
    before = co_await last_removed(t);
  else
    before = same->epoch;
  node_record const node = as_record(request, same, before, t.now);
  if (same == nullptr)
    co_await t.session.post(statements::insert_node(), node);
  else
    co_await t.session.post(statements::update_node(), node);
  if (request.keeps) {
    node_lease const held(node.name, before, node.lease_until);
    co_await put_back_all<Session>(t, held, *request.keeps);
  } else {
    co_await recover_jobs(t, node.name, before);
  }
  co_await set_limits<Session>(t, request.limits);
  t.leases.clear();  // what it remembered of leases that are gone
  co_return node_lease(node.name, node.epoch, node.lease_until);
}

template <class Session>
async<Session, node_lease> renew(transaction<Session>& t, node_lease const& lease, duration ttl, node_state state) {
  statements::renew_params const wanted{lease.node, lease.epoch, t.now, t.now + ttl, state};
  std::size_t const renewed = co_await t.session.execute(statements::renew_node(), wanted);
  // Some databases do not count a row that had these values already.
  bool is_held = renewed != 0;
  if (!is_held) is_held = co_await is_current(t, lease);
  if (!is_held) throw_lease_lost(lease.node, lease.epoch);
  co_return node_lease(lease.node, lease.epoch, wanted.lease_until);
}

template <class Session>
async<Session> leave(transaction<Session>& t, node_lease const& lease) {
  statements::current_params const which{lease.node, lease.epoch, t.now};
  std::size_t const left = co_await t.session.execute(statements::leave_node(), which);
  if (left != 0) co_await put_back_all(t, lease);
}

template <class Session>
async<Session, std::vector<recovery>> recover(transaction<Session>& t, std::optional<node_lease> const& evict) {
  std::vector<recovery> result;
  auto const nodes = co_await t.session.query(statements::all_nodes());
  for (auto const& node : nodes) {
    bool const evicted = evict && evict->node == node.name && evict->epoch == node.epoch;
    if (node.state == node_state::offline || (is_live(node, t.now) && !evicted)) continue;
    statements::lapse_params const which{node.name, node.epoch};
    co_await t.session.post(statements::lapse_node(), which);
    auto recovered = co_await recover_jobs(t, node.name, node.epoch);
    result.push_back(std::move(recovered));
  }
  co_return result;
}

/// The first of a block of consecutive numbers.
template <class Session>
async<Session, std::int64_t> reserve(transaction<Session>& t, std::string_view sequence, std::int64_t count) {
  statements::sequence_params const block{sequence, count};
  statements::of_node const which{sequence};
  std::size_t const advanced = co_await t.session.execute(statements::advance_sequence(), block);
  if (advanced == 0) {  // then another may be about to begin it too
    sequence_record const first{std::string(sequence), 1};
    co_await t.session.post(statements::insert_new_sequence(), first);
    co_await t.session.post(statements::advance_sequence(), block);
  }
  auto const after = co_await t.session.find(statements::read_sequence(), which);
  co_return after->next - count;
}

}  // namespace visor::detail

#endif
