#ifndef VISOR_STORE_MEMORY_NODES_HPP
#define VISOR_STORE_MEMORY_NODES_HPP

#include "visor/base/error.hpp"
#include "visor/store/generation.hpp"
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
    bool const is_its_own = at != nodes_.end() && at->second.epoch == lease.epoch;
    return is_its_own && at->second.state != node_state::offline && is_unended(at->second.exclusive, at->second.lease_until, now);
  }

  /// Enters the node under its next epoch.
  /// \param lapsed receives the exclusive nodes that it replaces
  node_lease join(join_request const& request, instant now, std::vector<node_lease>& lapsed) {
    for (auto& [name, other] : nodes_) {
      if (name == request.node || other.state == node_state::offline || !(other.exclusive || request.exclusive)) continue;
      if (is_live(other, now)) throw_held(other);
    }
    auto const at = nodes_.find(request.node);
    node_record const* const before = at == nodes_.end() ? nullptr : &at->second;
    std::int64_t const last = before == nullptr ? last_removed_ : before->epoch;
    check_known_epoch(request, before);
    check_not_restored(request, before, last);
    check_goes_on(request, before, now);
    for (auto& [name, other] : nodes_)
      if (name != request.node && other.state != node_state::offline && (other.exclusive || request.exclusive))
        lapsed.push_back(end(other));
    node_record const node = as_record(request, before, last, now);
    nodes_.insert_or_assign(node.name, node);
    set_types(node.name, node.epoch, request.limits);
    return {node.name, node.epoch, node.lease_until};
  }

  void request_state(std::string const& name, std::optional<requested_state> state) {
    auto const at = nodes_.find(name);
    if (at == nodes_.end()) throw_no_node(name);
    at->second.requested_state = state;
  }

  bool remove(std::string const& name) {
    auto const at = nodes_.find(name);
    if (at == nodes_.end()) return false;
    if (at->second.state != node_state::offline) throw_not_offline(at->second);
    last_removed_ = std::max(last_removed_, at->second.epoch);
    nodes_.erase(at);
    types_.erase(name);
    return true;
  }

  node_lease renew(node_lease const& lease, renewal const& how, instant now) {
    auto const at = nodes_.find(lease.node);
    if (at != nodes_.end() && is_older_state(at->second, lease, how)) throw_restored(lease.node);
    if (!is_current(lease, now)) throw_lease_lost(lease.node, lease.epoch);
    node_record& node = at->second;
    node.state = how.state;
    node.token = how.token;
    node.lease_until = now + how.ttl;
    return as_lease(node, lease.generation);
  }

  /// Raises all epochs, also those that new names start from.
  void raise_epochs(instant now) {
    for (auto const& [_, node] : nodes_) last_removed_ = std::max(last_removed_, node.epoch);
    last_removed_ = goes_on_at(epochs_of_a_second, now, last_removed_);
    for (auto& [_, node] : nodes_) node.epoch = last_removed_;
  }

  /// False when the lease had ended before.
  bool leave(node_lease const& lease, departure how, instant now) {
    auto const at = nodes_.find(lease.node);
    if (at == nodes_.end() || at->second.epoch != lease.epoch || at->second.state == node_state::offline) return false;
    at->second.state = node_state::offline;
    at->second.lease_until = now;
    if (how == departure::owing_results) at->second.survived = lease.epoch;
    return true;
  }

  /// Whether the process of a node lived on after it lost an epoch.
  bool has_survived(std::string const& node, std::int64_t epoch) const {
    auto const at = nodes_.find(node);
    return at != nodes_.end() && detail::has_survived(at->second, epoch);
  }

  /// Ends the leases that ran out, and the evicted one. Returns them by name.
  std::vector<node_lease> lapse(std::optional<node_lease> const& evict, instant now) {
    std::vector<node_lease> result;
    for (auto& [name, node] : nodes_) {
      bool const evicted = evict && evict->node == name && evict->epoch == node.epoch;
      if (is_beyond_any_lease(node, now) && !evicted) node.lease_until = now + shortened_lease;
      if (node.state == node_state::offline || (is_live(node, now) && !evicted)) continue;
      result.push_back(end(node));
    }
    return result;
  }

  std::vector<node_record> list() const {
    std::vector<node_record> result;
    result.reserve(nodes_.size());
    for (auto const& [_, node] : nodes_) result.push_back(node);
    return result;
  }

  std::vector<node_type_record> types() const {
    std::vector<node_type_record> result;
    for (auto const& [node, types] : types_)
      for (auto const& [type, epoch] : types) result.push_back({node, type, epoch});
    return result;
  }

 private:
  void set_types(std::string const& node, std::int64_t epoch, std::vector<type_limit_record> const& types) {
    std::map<std::string, std::int64_t> now;
    auto const& before = types_[node];
    for (auto const& each : types) {
      auto const known = before.find(each.type);
      now.emplace(each.type, known == before.end() ? epoch : known->second);
    }
    types_[node] = std::move(now);
  }

  static node_lease as_lease(node_record const& node, std::int64_t generation = 0) {
    node_lease lease(node.name, node.epoch, node.lease_until);
    lease.generation = generation;
    return lease;
  }

  /// Returns the lease that the node had.
  static node_lease end(node_record& node) {
    auto const lease = as_lease(node);
    node.state = node_state::offline;
    ++node.epoch;
    return lease;
  }

  std::map<std::string, node_record> nodes_;
  std::map<std::string, std::map<std::string, std::int64_t>> types_;  // per node: each type that it runs, and since which epoch
  std::int64_t last_removed_ = 0;                                     // the greatest epoch of removed nodes
};

}  // namespace visor::detail

#endif
