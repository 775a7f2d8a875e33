#ifndef VISOR_ENGINE_MEMBERSHIP_HPP
#define VISOR_ENGINE_MEMBERSHIP_HPP

#include "visor/base/signal.hpp"
#include "visor/engine/node.hpp"
#include "visor/version.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace visor::detail {

/// Keeps a node's lease: joins, renews in time, notices the loss before others act on it, joins again, goes on under another epoch where
/// it does not know what it claimed, and takes over what lapsed nodes held.
template <store Store, timekeeper Clock>
class membership {
 public:
  explicit membership(shared_node<Store, Clock>& shared)
      : node_(shared), beat_(shared.strand, shared.clock), watch_(shared.strand, shared.clock), done_(shared.strand, shared.clock) {}

  std::function<void()> on_lost_lease;                  ///< handlers must stop: others may have their jobs
  std::function<void()> on_joined;                      ///< again, under a new epoch
  std::function<std::vector<lease_id>()> known_leases;  ///< of what runs, or is not reported yet

  /// Enters the node. A node in the way whose process is certainly gone is evicted; the end of the lease of one about which nothing
  /// is known is waited for. \return false when it was told to drain meanwhile
  /// \throws visor::error `lease_held` when the other is alive.
  task<bool> join() {
    std::optional<node_record> waited_for;
    for (;;) {
      auto const now = co_await node_.kept.now();
      auto const other = co_await find_rival(now);
      if (!other) {
        if (co_await try_join()) co_return true;
        co_await pause(std::chrono::milliseconds{10});  // another one got in first, or is on its way out
        if (node_.draining) co_return false;
        continue;
      }
      if (process_identity::is_gone(other->address)) {
        node_.log(log_level::warning, "node ", other->name, " is gone without leaving: taking over its jobs");
        std::optional<node_lease> lapsed(std::in_place, other->name, other->epoch, other->lease_until);
        auto const recovered = co_await node_.kept.recover(std::move(lapsed));
        report(recovered);
        continue;
      }
      bool const renewed = waited_for && waited_for->name == other->name && waited_for->lease_until != other->lease_until;
      if (renewed || shares_processes_with(*other))
        throw error(condition::lease_held, "node " + other->name + " (" + other->address.substr(0, other->address.find(" start ")) +
                                               ") is at work on this store, and there can be only one: stop it first");
      if (!waited_for)
        node_.log(log_level::warning, "node ", other->name, " holds the store until ", other->lease_until,
                  ", and nothing tells whether it is alive: waiting");
      waited_for = other;
      co_await pause(other->lease_until - now + std::chrono::milliseconds{10});
      if (node_.draining) co_return false;
    }
  }

  /// Begins to renew. \pre joined
  void start() {
    running_ = 2;
    auto count_down = [this](std::exception_ptr) {
      if (--running_ == 0) done_.notify();
    };
    boost::asio::co_spawn(node_.strand, beat(), count_down);
    boost::asio::co_spawn(node_.strand, watch(), count_down);
  }

  /// Tells the others that this node takes no more work.
  void drain() { beat_.notify(); }

  /// Nobody knows whether a claim was made. What runs goes on, and what else this node may hold is put back: by joining under a new epoch,
  /// behind which a claim that is still on its way does not happen.
  void doubt() {
    node_.in_doubt = true;
    beat_.notify();
  }

  /// The store says that the lease is lost.
  void lose() {
    if (node_.lost || leaving_) return;
    node_.lost = true;
    node_.in_doubt = false;
    ++node_.counters.lost_leases;
    node_.log(log_level::error, "the lease of node ", node_.settings.name, " is lost: running jobs are told to stop");
    if (on_lost_lease) on_lost_lease();
    beat_.notify();
  }

  /// Stops renewing and leaves.
  /// \param owes_results jobs have run here, and it is not written down what came of them
  task<> leave(bool owes_results = false) {
    leaving_ = true;
    beat_.notify();
    watch_.notify();
    while (running_ != 0) co_await done_.wait_for(std::chrono::seconds{1});
    try {
      // What has run must not come back as if it had not: it is lost with this node.
      if (node_.lost || owes_results) {
        std::optional<node_lease> const own(node_.lease);
        auto const recovered = co_await node_.kept.recover(own);
        report(recovered);
      } else {
        co_await node_.kept.leave(node_.lease);
      }
    } catch (std::exception const& failure) {
      node_.log(log_level::warning, "leaving: ", failure.what());
    }
  }

 private:
  static constexpr std::chrono::milliseconds shortest_wait{20};

  /// \return false when the lease was lost before it was known that the node goes on
  task<bool> join_once() {
    if (node_.settings.exclusive) {
      // There is nobody else to do it, and a node of another name, whose lease has run out, may have left jobs.
      auto const recovered = co_await node_.kept.recover(std::optional<node_lease>());
      report(recovered);
    }
    join_request request;
    request.node = node_.settings.name;
    request.address = node_.identity.text();
    request.slots = node_.slots();
    request.version = version_text;
    request.ttl = node_.settings.lease_ttl;
    request.exclusive = node_.settings.exclusive;
    for (auto const& queue : node_.settings.queues)
      request.queues += (request.queues.empty() ? "" : ",") + queue.name + ":" + std::to_string(queue.slots);
    for (auto const& each : node_.settings.capabilities) request.capabilities += (request.capabilities.empty() ? "" : ",") + each;
    request.resources = node_.identity.resources;
    request.limits = node_.types;
    auto const nodes = co_await node_.kept.nodes();
    auto const before = std::ranges::find(nodes, node_.settings.name, &node_record::name);
    request.known_epoch = before == nodes.end() ? 0 : before->epoch;
    bool const goes_on = node_.in_doubt;
    if (goes_on) request.keeps = known_leases();
    auto const asked = node_.clock.elapsed();
    auto const lease = co_await node_.kept.join(std::move(request));
    if (goes_on && node_.lost) co_return false;  // and what it wanted to keep is stopped
    node_.lease = lease;
    trusted_until_ = asked + node_.settings.lease_ttl;
    node_.lost = node_.in_doubt = false;
    co_return true;
  }

  /// False when another node got in first, or a call of this one that it had given up.
  task<bool> try_join() {
    try {
      co_return co_await join_once();
    } catch (error const& failure) {
      if (failure.kind() != condition::lease_held && failure.kind() != condition::conflict) throw;
    }
    co_return false;
  }

  /// A live node that this one cannot be beside: where one of the two is exclusive, any; always one of the same name.
  task<std::optional<node_record>> find_rival(instant now) {
    auto const nodes = co_await node_.kept.nodes();
    for (auto const& other : nodes) {
      bool const same_name = other.name == node_.settings.name;
      bool const is_this_one = same_name && other.address == node_.identity.text();
      if (other.state == node_state::offline || other.lease_until <= now || is_this_one) continue;
      if (same_name || other.exclusive || node_.settings.exclusive) co_return other;
    }
    co_return std::nullopt;
  }

  /// Whether the other one's process would be visible from here.
  bool shares_processes_with(node_record const& other) const {
    auto const ours = node_.identity.text();
    return other.address.starts_with(node_.identity.host + " ") && other.address.ends_with(ours.substr(ours.find(" boot ")));
  }

  task<> beat() {
    failure_pause pause;
    duration wait = node_.settings.heartbeat_interval;
    while (!leaving_) {
      co_await beat_.wait_for(wait);
      if (leaving_) break;
      std::string trouble;
      try {
        if (node_.lost || node_.in_doubt) {
          char const* const how = node_.lost ? " is back under epoch " : " goes on under epoch ";
          if (!co_await join_once()) continue;
          node_.log(log_level::info, "node ", node_.settings.name, how, node_.lease.epoch);
          if (on_joined) on_joined();
        } else {
          auto const asked = node_.clock.elapsed();
          auto const held = node_.lease;  // the member may change while the store reads it
          auto const state = node_.draining || node_.resting ? node_state::draining : node_state::online;
          node_.lease = co_await node_.kept.renew(held, node_.settings.lease_ttl, state);
          trusted_until_ = asked + node_.settings.lease_ttl;
        }
        watch_.notify();
        wait = node_.settings.heartbeat_interval;
        auto const next = co_await look_around();
        wait = std::min(wait, next);
        pause.reset();
      } catch (error const& failure) {
        if (failure.kind() == condition::lease_lost) lose();
        trouble = failure.what();
      } catch (std::exception const& failure) {
        trouble = failure.what();
      }
      if (!trouble.empty()) {
        node_.log(log_level::warning, "heartbeat: ", trouble);
        wait = std::min(pause.next(), node_.settings.heartbeat_interval);
      }
    }
  }

  /// Sees what is wanted of this node, and takes over from nodes whose lease ran out. \pre this node's was renewed just now
  /// \return when to look again: the lease of a node that lives is renewed long before its end, so one that ends before the next heartbeat
  /// is looked at when it does.
  task<duration> look_around() {
    instant const now = node_.lease.until - node_.settings.lease_ttl;
    auto const nodes = co_await node_.kept.nodes();
    duration next = node_.settings.lease_ttl;
    bool any_lapsed = false;
    for (auto const& node : nodes) {
      if (node.state == node_state::offline) continue;
      if (node.name == node_.settings.name) rest(node.wish == node_wish::drain);
      any_lapsed = any_lapsed || node.lease_until <= now;
      next = std::min(next, node.lease_until - now);
    }
    if (any_lapsed) {
      auto const recovered = co_await node_.kept.recover(std::optional<node_lease>());
      report(recovered);
    }
    co_return std::max<duration>(next, shortest_wait);
  }

  void rest(bool wanted) {
    if (wanted == node_.resting) return;
    node_.resting = wanted;
    node_.log(log_level::info, wanted ? "this node shall take no more work, until `visor node resume`" : "this node takes work again");
    beat_.notify();  // others are to see it
    if (!wanted && on_joined) on_joined();
  }

  /// A renewal that is not confirmed in time counts as lost, even while one is still on its way.
  task<> watch() {
    while (!leaving_) {
      auto const left = trusted_until_ - node_.clock.elapsed();
      if (left <= duration{0}) {
        lose();
        co_await watch_.wait_for(node_.settings.heartbeat_interval);
      } else {
        co_await watch_.wait_for(left);
      }
    }
  }

  /// Ends early only to drain.
  task<> pause(duration length) {
    auto const end = node_.clock.elapsed() + length;
    while (node_.clock.elapsed() < end && !node_.draining) co_await beat_.wait_for(end - node_.clock.elapsed());
  }

  void report(std::vector<recovery> const& recovered) {
    for (auto const& lapsed : recovered)
      node_.log(log_level::warning, "took over from node ", lapsed.node, " (epoch ", lapsed.epoch, "): ", lapsed.requeued.size(),
                " jobs run again, ", lapsed.dead.size(), " had used up their attempts");
    if (!recovered.empty() && on_joined) on_joined();
  }

  shared_node<Store, Clock>& node_;
  signal<Clock> beat_;
  signal<Clock> watch_;
  signal<Clock> done_;
  duration trusted_until_{};  ///< by `elapsed()`
  bool leaving_ = false;
  int running_ = 0;
};

}  // namespace visor::detail

#endif
