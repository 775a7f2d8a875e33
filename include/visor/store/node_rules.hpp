#ifndef VISOR_STORE_NODE_RULES_HPP
#define VISOR_STORE_NODE_RULES_HPP

#include "visor/base/error.hpp"
#include "visor/store/store.hpp"

#include <cstdint>
#include <string>

/// What every store decides about nodes in the same way.
namespace visor::detail {

/// A node that enters.
/// \param before of that name, or null. What is wanted of it is wanted of the process, which may have lost its lease and come back.
/// \param last the epoch that it comes behind
inline node_record as_record(join_request const& request, node_record const* before, std::int64_t last, instant now) {
  node_record node;
  if (before != nullptr && before->address == request.address) node.wish = before->wish;
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
  return node;
}

inline bool is_live(node_record const& node, instant now) { return node.state != node_state::offline && now < node.lease_until; }

[[noreturn]] inline void throw_lease_lost(std::string const& node, std::int64_t epoch) {
  throw error(condition::lease_lost,
              "the lease of node " + node + " under epoch " + std::to_string(epoch) + " has run out or was taken over: join again");
}

/// \param before of that name, or null
inline void check_known_epoch(join_request const& request, node_record const* before) {
  if (request.known_epoch && *request.known_epoch != (before == nullptr ? 0 : before->epoch))
    throw error(condition::conflict, "node " + request.node + " has joined, or was given up, since its epoch was read");
}

/// Nobody has taken from a node that goes on what it keeps.
/// \param before of that name, or null
inline void check_goes_on(join_request const& request, node_record const* before, instant now) {
  if (!request.keeps) return;
  if (before == nullptr || before->address != request.address || !is_live(*before, now))
    throw_lease_lost(request.node, before == nullptr ? 0 : before->epoch);
}

[[noreturn]] inline void throw_no_node(std::string const& name) { throw error(condition::not_found, "there is no node " + name); }

[[noreturn]] inline void throw_not_offline(node_record const& node) {
  throw error(condition::conflict, "node " + node.name + " is not offline: its lease ends at " + to_string(node.lease_until));
}

}  // namespace visor::detail

#endif
