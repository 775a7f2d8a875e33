#ifndef VISOR_STORE_NODE_RULES_HPP
#define VISOR_STORE_NODE_RULES_HPP

#include "visor/base/error.hpp"
#include "visor/store/store.hpp"

#include <chrono>
#include <cstdint>
#include <string>

/// The decisions about nodes that every store makes in the same way.
namespace visor::detail {

/// Returns the record of a node that joins.
/// \param before of that name, or null. Its requested state stays if the process is the same: the process may have lost its lease and come
///   back.
/// \param last the epoch before the new one
inline node_record as_record(join_request const& request, node_record const* before, std::int64_t last, instant now) {
  node_record node;
  if (before != nullptr) {
    bool const is_same_process = before->address == request.address;
    if (is_same_process) node.requested_state = before->requested_state;
    node.survived = is_same_process ? std::optional(before->epoch) : before->survived;
  }
  node.name = request.node;
  node.address = request.address;
  node.state = node_state::online;
  node.epoch = last + 1;
  node.lease_until = now + request.ttl;
  node.exclusive = request.exclusive;
  node.slots = request.slots;
  node.started_at = now;
  node.version = request.version;
  node.queues = request.queues;
  node.capabilities = request.capabilities;
  node.resources = request.resources;
  node.token = request.token;
  return node;
}

/// Whether a node holds its lease. The lease of an exclusive node has no end by time: it ends when another node takes its place.
inline bool is_unended(bool exclusive, instant until, instant now) { return exclusive || now < until; }

inline bool is_live(node_record const& node, instant now) { return node.state != node_state::offline && now < node.lease_until; }

/// The longest lease that nodes ask for. One that ends later was written while the clock was ahead.
inline constexpr duration longest_lease{std::chrono::hours{1}};
/// The rest of such a lease: enough for a living node to renew it.
inline constexpr duration shortened_lease{std::chrono::minutes{5}};

inline bool is_beyond_any_lease(node_record const& node, instant now) {
  return node.state != node_state::offline && node.lease_until > now + longest_lease + std::chrono::minutes{1};
}

/// Whether the process of a node lived on after it lost an epoch.
inline bool has_survived(node_record const& node, std::int64_t epoch) { return node.survived && epoch <= *node.survived; }

[[noreturn]] inline void throw_restored(std::string const& node) {
  throw error(errc::restored, "the database does not know the last heartbeat of node " + node +
                                  ": it was restored from a backup while the node ran; run `visor db restored`, then start the node again");
}

/// Whether a store has lost a write of the node that renews its lease. Epochs only grow.
/// \param stored of that node: a record with its epoch, state and token
template <class Record>
bool is_older_state(Record const& stored, node_lease const& lease, renewal const& how) {
  if (stored.epoch != lease.epoch) return stored.epoch < lease.epoch;
  return stored.state != node_state::offline && stored.token != how.token && stored.token != how.last_token;
}

/// Whether a store has lost the last epoch of a process, or given it to another process since.
/// \param stored the node of that name
inline bool has_forgotten(node_record const& stored, std::int64_t last_epoch, std::string const& address) {
  return stored.epoch < last_epoch || (stored.epoch == last_epoch && stored.address != address);
}

/// Checks the same for a process that joins again. Others may have recovered its node before it could renew its lease. No other process
/// ever had the last epoch of a process.
/// \param before of that name, or null
/// \param last the epoch before the new one
inline void check_not_restored(join_request const& request, node_record const* before, std::int64_t last) {
  bool const is_its_own = before != nullptr && before->address == request.address && request.last_token != 0;
  bool const is_known = !is_its_own || before->token == request.token || before->token == request.last_token;
  bool const is_forgotten = before != nullptr && has_forgotten(*before, request.last_epoch, request.address);
  if (last < request.last_epoch || is_forgotten || !is_known) throw_restored(request.node);
}

[[noreturn]] inline void throw_held(node_record const& other) {
  throw error(errc::lease_held, "node " + other.name + " (" + other.address + ") is at work on this store until " +
                                    to_string(other.lease_until) + ", and there can be only one: stop it first");
}

[[noreturn]] inline void throw_lease_lost(std::string const& node, std::int64_t epoch) {
  throw error(errc::lease_lost,
              "the lease of node " + node + " under epoch " + std::to_string(epoch) + " has run out or was taken over: join again");
}

/// \param before of that name, or null
inline void check_known_epoch(join_request const& request, node_record const* before) {
  if (request.known_epoch && *request.known_epoch != (before == nullptr ? 0 : before->epoch))
    throw error(errc::conflict, "node " + request.node + " has joined, or was given up, since its epoch was read");
}

/// Checks that no other node has taken over the leases that a rejoining node keeps.
/// \param before of that name, or null
inline void check_goes_on(join_request const& request, node_record const* before, instant now) {
  if (!request.keeps) return;
  bool const has_lease = before != nullptr && before->state != node_state::offline && before->address == request.address &&
                         is_unended(before->exclusive, before->lease_until, now);
  if (!has_lease) throw_lease_lost(request.node, before == nullptr ? 0 : before->epoch);
}

[[noreturn]] inline void throw_no_node(std::string const& name) { throw error(errc::not_found, "there is no node " + name); }

[[noreturn]] inline void throw_not_offline(node_record const& node) {
  throw error(errc::conflict, "node " + node.name + " is not offline: its lease ends at " + to_string(node.lease_until));
}

}  // namespace visor::detail

#endif
