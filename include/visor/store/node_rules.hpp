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

/// \param before of that name, or null
inline void check_known_epoch(join_request const& request, node_record const* before) {
  if (request.known_epoch && *request.known_epoch != (before == nullptr ? 0 : before->epoch))
    throw error(condition::conflict, "node " + request.node + " has joined, or was given up, since its epoch was read");
}

[[noreturn]] inline void throw_no_node(std::string const& name) { throw error(condition::not_found, "there is no node " + name); }

[[noreturn]] inline void throw_not_offline(node_record const& node) {
  throw error(condition::conflict, "node " + node.name + " is not offline: its lease ends at " + to_string(node.lease_until));
}

}  // namespace visor::detail

#endif
