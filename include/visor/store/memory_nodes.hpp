#ifndef VISOR_STORE_MEMORY_NODES_HPP
#define VISOR_STORE_MEMORY_NODES_HPP

#include "visor/base/error.hpp"
#include "visor/store/node_rules.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace visor::detail {

/// The nodes of a `memory_store`. Not thread-safe: the store locks.
class memory_nodes {
 public:
  bool is_current(node_lease const& lease, instant now) const {
    auto const at = nodes_.find(lease.node);
    return at != nodes_.end() && at->second.epoch == lease.epoch && is_live(at->second, now);
  }

  /// Enters the node under its next epoch.
  node_lease join(join_request const& request, instant now) {
    for (auto const& [name, other] : nodes_)
      if (name != request.node && is_live(other, now) && (other.exclusive || request.exclusive))
        throw error(condition::lease_held, "node " + name + " (" + other.address + ") is at work on this store until " +
                                               to_string(other.lease_until) + ", and there can be only one: stop it first");
    auto const at = nodes_.find(request.node);
    node_record const* const before = at == nodes_.end() ? nullptr : &at->second;
    check_known_epoch(request, before);
    check_goes_on(request, before, now);
    node_record const node = as_record(request, before, before == nullptr ? last_removed_ : before->epoch, now);
    nodes_.insert_or_assign(node.name, node);
    return {node.name, node.epoch, node.lease_until};
  }

  void set_wish(std::string const& name, std::optional<node_wish> wish) {
    auto const at = nodes_.find(name);
    if (at == nodes_.end()) throw_no_node(name);
    at->second.wish = wish;
  }

  bool remove(std::string const& name) {
    auto const at = nodes_.find(name);
    if (at == nodes_.end()) return false;
    if (at->second.state != node_state::offline) throw_not_offline(at->second);
    last_removed_ = std::max(last_removed_, at->second.epoch);
    nodes_.erase(at);
    return true;
  }

  node_lease renew(node_lease const& lease, duration ttl, node_state state, instant now) {
    if (!is_current(lease, now)) throw_lease_lost(lease.node, lease.epoch);
    node_record& node = nodes_.at(lease.node);
    node.state = state;
    node.lease_until = now + ttl;
    return {node.name, node.epoch, node.lease_until};
  }

  /// False when the lease had ended before.
  bool leave(node_lease const& lease, instant now) {
    auto const at = nodes_.find(lease.node);
    if (at == nodes_.end() || at->second.epoch != lease.epoch || at->second.state == node_state::offline) return false;
    at->second.state = node_state::offline;
    at->second.lease_until = now;
    return true;
  }

  /// Ends the leases that ran out, and the evicted one. Returns them by name.
  std::vector<node_lease> lapse(std::optional<node_lease> const& evict, instant now) {
    std::vector<node_lease> result;
    for (auto& [name, node] : nodes_) {
      bool const evicted = evict && evict->node == name && evict->epoch == node.epoch;
      if (node.state == node_state::offline || (is_live(node, now) && !evicted)) continue;
      result.emplace_back(name, node.epoch, node.lease_until);
      node.state = node_state::offline;
      ++node.epoch;
    }
    return result;
  }

  std::vector<node_record> list() const {
    std::vector<node_record> result;
    for (auto const& [_, node] : nodes_) result.push_back(node);
    return result;
  }

 private:
  std::map<std::string, node_record> nodes_;
  std::int64_t last_removed_ = 0;  // the greatest epoch of those that were
};

}  // namespace visor::detail

#endif
