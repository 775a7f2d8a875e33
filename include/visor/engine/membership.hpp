#ifndef VISOR_ENGINE_MEMBERSHIP_HPP
#define VISOR_ENGINE_MEMBERSHIP_HPP

#include "visor/async/signal.hpp"
#include "visor/engine/node.hpp"
#include "visor/store/node_rules.hpp"
#include "visor/store/schedule_rules.hpp"
#include "visor/version.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace visor::detail {

/// Keeps a node's lease. It joins, renews in time, notices the loss before others act on it, and joins again. Where the node does not know
/// what it claimed, it continues under another epoch. It also recovers the jobs of lapsed nodes.
///
/// Three loops, so that none blocks another: `beat` renews and joins again, `watch` measures the remaining time, `look_around` reads the
/// requested state of the node and recovers lapsed nodes.
template <store Store, timekeeper Clock>
class membership {
 public:
  explicit membership(shared_node<Store, Clock>& shared)
      : node_(shared),
        beat_(shared.strand, shared.clock),
        watch_(shared.strand, shared.clock),
        around_(shared.strand, shared.clock),
        done_(shared.strand, shared.clock) {}

  std::function<void(duration)> on_ending_lease;        ///< handlers have to stop: the lease ends soon, unless a heartbeat succeeds
  std::function<void()> on_lost_lease;                  ///< handlers have to stop: others may have their jobs
  std::function<void()> on_joined;                      ///< after a join, and whenever this node may find more work
  std::function<std::vector<lease_id>()> known_leases;  ///< of jobs that run, or are not reported yet
  std::function<void(error)> on_retire;                 ///< this node must drain and then fail with this error; running jobs may finish
  std::function<void(error)> on_end;                    ///< this node cannot go on: it must drain at once and fail with this error

  /// Enters the node. A rival whose process is certainly gone is evicted. If it is unknown whether a rival is alive, the call waits for the
  /// end of its lease. \return false when the node was told to drain meanwhile
  /// \throws visor::error `lease_held` when the other is alive.
  task<bool> join() {
    bool const has_claim = node_.claim.is_taken == false;  // from an earlier attempt that failed later
    if (node_.settings.exclusive && !has_claim && !co_await claim_store()) co_return false;
    std::optional<node_record> waited_for;
    for (;;) {
      auto const now = co_await node_.store.now();
      auto const other = co_await find_rival(now);
      if (!other) {
        if (co_await try_join()) co_return true;
        co_await pause(std::chrono::milliseconds{10});  // another node got in first, or is leaving
        if (node_.draining) co_return false;
        continue;
      }
      if (node_.claim.is_taken == false || process_identity::is_gone(other->address)) {
        node_.log(log_level::warning, "node ", other->name, " is gone without leaving: taking over its jobs");
        std::optional<node_lease> lapsed(std::in_place, other->name, other->epoch, other->lease_until);
        auto const recovered = co_await node_.store.recover(std::move(lapsed));
        report(recovered);
        if (recovered.empty()) co_await pause(std::chrono::milliseconds{10});  // it has come back, or another node was first
        if (node_.draining) co_return false;
        continue;
      }
      if (is_beyond_any_lease(*other, now)) {
        report_beyond(*other);
        auto const recovered = co_await node_.store.recover(std::optional<node_lease>());
        report(recovered);
        continue;
      }
      bool const renewed = waited_for && waited_for->name == other->name && waited_for->lease_until != other->lease_until;
      if (renewed || shares_processes_with(*other)) throw at_work(*other);
      if (!waited_for)
        node_.log(log_level::warning, "node ", other->name, " holds the store until ", other->lease_until,
                  ", and nothing tells whether it is alive: waiting. If it is not heard of until then its jobs are taken over, though its "
                  "process may still run");
      waited_for = other;
      survivor_ = other->address;
      co_await pause(other->lease_until - now + std::chrono::milliseconds{10});
      if (node_.draining) co_return false;
    }
  }

  /// Begins to renew. \pre joined
  void start() {
    running_ = 3;
    auto count_down = [this](std::exception_ptr) {
      if (--running_ == 0) done_.notify();
    };
    boost::asio::co_spawn(node_.strand, beat(), count_down);
    boost::asio::co_spawn(node_.strand, watch(), count_down);
    boost::asio::co_spawn(node_.strand, look_around(), count_down);
  }

  /// Announces that this node takes no more work.
  void drain() { beat_.notify(); }

  /// Handles a claim whose outcome is unknown. Running jobs go on. All other jobs that this node may hold are put back: it joins under a
  /// new epoch, and after that a claim that is still on its way has no effect.
  void handle_unknown_claim() {
    node_.claim_outcome_unknown = true;
    beat_.notify();
  }

  /// Handles a lease that the store reports as lost.
  void lose() {
    if (node_.lost || leaving_) return;
    node_.lost = true;
    node_.ending = node_.claim_outcome_unknown = false;
    ++node_.counters.lost_leases;
    node_.log(log_level::error, "the lease of node ", node_.settings.name, " is lost: running jobs are told to stop");
    if (on_lost_lease) on_lost_lease();
    beat_.notify();
  }

  /// Stops renewing and leaves.
  /// \param owes_results jobs have run here whose results are not written
  /// \return the failure of the store, which is logged: the jobs of this node were not put back. Null: it has left
  task<std::exception_ptr> leave(bool owes_results = false) {
    std::exception_ptr result;
    leaving_ = true;
    beat_.notify();
    watch_.notify();
    around_.notify();
    while (running_ != 0) co_await done_.wait_for(std::chrono::seconds{1});
    try {
      // A job that has run must not go back as if it had not: it is lost with this node, whose process lives.
      auto const how = node_.lost || owes_results ? departure::owing_results : departure::clean;
      auto const held = node_.lease;
      co_await node_.store.leave(held, how);
    } catch (std::exception const& failure) {
      node_.log(log_level::warning, "leaving: ", failure.what());
      result = std::current_exception();
    }
    node_.claim = node_claim();
    co_return result;
  }

  /// Waits for a time; ends early only to drain.
  task<> pause(duration length) {
    auto const end = node_.clock.elapsed() + length;
    while (node_.clock.elapsed() < end && !node_.draining) co_await beat_.wait_for(end - node_.clock.elapsed());
  }

 private:
  static constexpr std::chrono::milliseconds shortest_wait{20};
  static constexpr std::chrono::minutes between_recoveries{2};

  static constexpr std::chrono::milliseconds claim_patience{1000};  ///< for a process that is about to end

  /// Claims the store, where the operating system tells whether the process of its only node lives. This node takes that node's place, or
  /// is refused, whatever the state of that node's lease. \return false when the node was told to drain meanwhile
  /// \throws visor::error `lease_held`
  task<bool> claim_store() {
    if constexpr (requires { node_.store.claim_node(std::string()); }) {
      std::string holder = "node " + node_.settings.name + " (";
      holder += node_.identity.host + " pid " + std::to_string(node_.identity.pid) + ")";
      auto const began = node_.clock.elapsed();
      for (;;) {
        node_.claim = co_await node_.store.claim_node(holder);
        if (node_.claim.is_taken != true) co_return true;
        if (node_.clock.elapsed() - began >= claim_patience)
          throw error(errc::lease_held, (node_.claim.holder.empty() ? std::string("another process") : node_.claim.holder) +
                                            " is at work on this store, and there can be only one: stop it first");
        co_await pause(std::chrono::milliseconds{50});
        if (node_.draining) co_return false;
      }
    }
    co_return true;
  }

  /// \return false when the lease was lost before it was known that the node continues
  task<bool> join_once() {
    bool const goes_on = node_.claim_outcome_unknown;
    if (node_.settings.exclusive && !goes_on) {
      // No other node can recover for it, and a node of another name, whose lease has run out, may have left jobs. A node that continues
      // would recover itself, if its heartbeat is late.
      auto const recovered = co_await node_.store.recover(std::optional<node_lease>());
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
    auto const now = co_await node_.store.now();
    auto const nodes = co_await node_.store.nodes();
    // The lease may have been lost while the store was read. Then nothing is kept, and jobs that ran would be put back as if they had not.
    if (goes_on && node_.lost) co_return false;
    // Another node may have joined since the caller looked. One that joins after this look has another epoch.
    if (auto const other = rival_among(nodes, now); other && !goes_on) throw at_work(*other);
    auto const before = std::ranges::find(nodes, node_.settings.name, &node_record::name);
    request.known_epoch = before == nodes.end() ? 0 : before->epoch;
    if (goes_on) request.keeps = known_leases();
    request.token = next_token_;
    request.last_token = token_;
    request.last_epoch = node_.lease.epoch;
    auto const asked = measured();
    auto const lease = co_await node_.store.join(std::move(request));
    if (goes_on && node_.lost) co_return false;  // the jobs that it wanted to keep are stopped
    node_.lost = node_.claim_outcome_unknown = false;
    trust(lease, asked);
    co_return true;
  }

  /// False when another node got in first, or an earlier call of this node that it had abandoned.
  task<bool> try_join() {
    try {
      co_return co_await join_once();
    } catch (error const& failure) {
      if (failure.code() != errc::lease_held && failure.code() != errc::conflict) throw;
    }
    co_return false;
  }

  /// Finds a live node that excludes this one: any node where one of the two is exclusive, and always one of the same name.
  /// \throws visor::error `restored` when the store has lost an epoch of this node
  task<std::optional<node_record>> find_rival(instant now) {
    auto const nodes = co_await node_.store.nodes();
    auto const same = std::ranges::find(nodes, node_.settings.name, &node_record::name);
    // The next processes of that name use the lost epochs again, so a later look may not tell.
    if (same != nodes.end() && has_forgotten(*same, node_.lease.epoch, node_.identity.text())) throw_restored(node_.settings.name);
    auto const rival = rival_among(nodes, now);
    if (!rival) warn_of_survivors(nodes, now);
    co_return rival;
  }

  /// Warns of exclusive nodes that may still run. Such a node runs on after its lease has ended, until its next heartbeat finds another in
  /// its place.
  void warn_of_survivors(std::vector<node_record> const& nodes, instant now) {
    for (auto const& other : nodes) {
      bool const is_held = other.exclusive && other.state != node_state::offline && other.name != node_.settings.name;
      bool const is_gone = node_.claim.is_taken == false || process_identity::is_gone(other.address);
      if (!is_held || other.lease_until > now || is_gone || std::exchange(survivor_, other.address) == other.address) continue;
      node_.log(log_level::warning, "node ", other.name, " (", short_address(other), ") was the only one, and its lease ended at ",
                other.lease_until, ": this node takes its place, though that process may still run jobs");
    }
  }

  std::optional<node_record> rival_among(std::vector<node_record> const& nodes, instant now) const {
    for (auto const& other : nodes) {
      bool const same_name = other.name == node_.settings.name;
      bool const is_this_one = same_name && other.address == node_.identity.text();
      if (other.state == node_state::offline || other.lease_until <= now || is_this_one) continue;
      if (same_name || other.exclusive || node_.settings.exclusive) return other;
    }
    return std::nullopt;
  }

  /// The reason to end where the tables are not of this program's version any more; none if they are.
  static std::optional<error> schema_change(pending_work const& seen) {
    if (seen.newer_schema)
      return error(errc::superseded, "a newer program has migrated the tables to version " + std::to_string(*seen.newer_schema) +
                                         ": this node drains; start the newer program in its place");
    if (seen.older_schema)
      return error(errc::superseded, "the tables were rolled back to version " + std::to_string(*seen.older_schema) +
                                         ": this node drains; start the older program in its place, or run `visor db migrate`");
    return std::nullopt;
  }

  static std::string short_address(node_record const& other) { return other.address.substr(0, other.address.find(" start ")); }

  static error at_work(node_record const& other) {
    return error(errc::lease_held, "node " + other.name + " (" + short_address(other) +
                                       ") is at work on this store, and there can be only one: stop it first");
  }

  /// Whether the other node's process would be visible from here.
  bool shares_processes_with(node_record const& other) const {
    auto const ours = node_.identity.text();
    return other.address.starts_with(node_.identity.host + " ") && other.address.ends_with(ours.substr(ours.find(" boot ")));
  }

  /// The time by which leases are measured. It includes suspensions of this machine, during which other nodes go on.
  duration measured() const { return node_.clock.elapsed() + node_.clock.suspended(); }

  task<> beat() {
    failure_pause pause;
    std::optional<node_record> rival;  // the node for the end of whose lease this node waits
    duration wait = node_.settings.heartbeat_interval;
    while (!leaving_) {
      co_await beat_.wait_for(wait);
      if (leaving_) break;
      std::string trouble;
      try {
        if (is_over_) {
          wait = node_.settings.heartbeat_interval;
        } else if (node_.lost) {
          auto const next = co_await come_back(rival);
          wait = next.value_or(node_.settings.heartbeat_interval);
        } else if (node_.claim_outcome_unknown) {
          if (!co_await join_once()) continue;
          node_.log(log_level::info, "node ", node_.settings.name, " goes on under epoch ", node_.lease.epoch);
          if (on_joined) on_joined();
          wait = node_.settings.heartbeat_interval;
        } else {
          co_await renew();
          wait = node_.settings.heartbeat_interval;
        }
        pause.reset();
      } catch (error const& failure) {
        if (failure.code() == errc::lease_lost) lose();
        node_.look_at(failure);
        if (failure.code() == errc::restored) end(failure);
        bool const is_join = node_.lost || node_.claim_outcome_unknown;
        if (is_join && failure.code() == errc::schema_mismatch) end(error(errc::superseded, failure.message()));
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

  /// Joins again after the lease was lost, unless another node has the name or, where one of the two is exclusive, the store. That node may
  /// have died since, so this node waits once for the end of its lease. It never takes a name back from a node that lives.
  /// \return how long to wait before the next call; none: it has joined, or never will
  task<std::optional<duration>> come_back(std::optional<node_record>& waited_for) {
    auto const now = co_await node_.store.now();
    auto const other = co_await find_rival(now);
    if (other) {
      bool const is_renewed = waited_for && waited_for->name == other->name && waited_for->lease_until != other->lease_until;
      if (is_renewed) {
        end(at_work(*other));
        co_return std::nullopt;
      }
      if (!waited_for)
        node_.log(log_level::warning, "node ", other->name, " has taken the place of this node, until ", other->lease_until, ": waiting");
      waited_for = other;
      co_return std::max<duration>(other->lease_until - now + std::chrono::milliseconds{10}, shortest_wait);
    }
    waited_for.reset();
    if (!co_await try_join()) co_return shortest_wait;
    node_.log(log_level::info, "node ", node_.settings.name, " is back under epoch ", node_.lease.epoch);
    if (on_joined) on_joined();
    co_return std::nullopt;
  }

  task<> renew() {
    auto const asked = measured();
    auto const held = node_.lease;  // the member may change while the store reads it
    renewal how;
    how.ttl = node_.settings.lease_ttl;
    how.state = node_.draining || node_.drain_requested ? node_state::draining : node_state::online;
    how.token = next_token_;
    how.last_token = token_;
    auto const renewed = co_await node_.store.renew(held, how);
    // If the deadline passed meanwhile, running jobs are told to stop and their results do not count: only a new epoch repairs that.
    if (!node_.lost) trust(renewed, asked);
  }

  /// Takes over a lease that the store has confirmed.
  /// \param asked when the request was sent, by `measured()`
  void trust(node_lease const& lease, duration asked) {
    if (trusted_until_ != duration{0} && measured() > trusted_until_)
      patient_until_ = measured() + std::min(node_.settings.lease_ttl, node_.settings.heartbeat_interval);
    node_.lease = lease;
    token_ = std::exchange(next_token_, node_.random_number());
    trusted_until_ = asked + node_.settings.lease_ttl;
    if (std::exchange(node_.ending, false) && on_joined) on_joined();
    watch_.notify();
  }

  /// Ends the membership: this node neither renews its lease nor joins again.
  void end(error const& why) {
    is_over_ = true;
    if (on_end) on_end(why);
  }

  /// Reads the requested state of this node, and recovers nodes whose lease ran out.
  task<> look_around() {
    failure_pause pause;
    duration wait = node_.settings.heartbeat_interval;
    while (!leaving_) {
      co_await around_.wait_for(wait);
      if (leaving_) break;
      wait = node_.settings.heartbeat_interval;
      if (node_.lost) continue;
      std::string trouble;
      try {
        auto const next = co_await look();
        wait = std::min(wait, next);
        pause.reset();
      } catch (std::exception const& failure) {
        trouble = failure.what();
      }
      if (trouble.empty()) continue;
      node_.log(log_level::warning, "looking at other nodes: ", trouble);
      wait = std::min(pause.next(), node_.settings.heartbeat_interval);
    }
  }

  /// \return when to look again. A node that lives renews its lease long before its end, so a lease that ends before the next heartbeat is
  ///   checked at its end.
  task<duration> look() {
    auto const seen = co_await node_.store.pending_work();
    if (auto const change = schema_change(seen); change && on_retire) on_retire(*change);
    auto const now = co_await node_.store.now();
    auto const nodes = co_await node_.store.nodes();
    duration next = node_.settings.lease_ttl;
    value_hash others;
    bool any_lapsed = false;
    bool may_recover = !node_.settings.exclusive;
    for (auto const& node : nodes) {
      if (node.name != node_.settings.name) {
        others.mix(node.name);
        others.mix(node.epoch);
      }
      if (node.state == node_state::offline) continue;
      if (node.name == node_.settings.name) {
        if (node.address == node_.identity.text()) request_drain(node.requested_state == requested_state::drain);
        // A node that is alone would recover itself, where its heartbeat is late.
        may_recover = may_recover || node.lease_until - now >= node_.settings.lease_ttl / 2;
        continue;
      }
      any_lapsed = any_lapsed || node.lease_until <= now || is_beyond_any_lease(node, now);
      if (is_beyond_any_lease(node, now)) report_beyond(node);
      next = std::min(next, node.lease_until - now);
    }
    any_lapsed = any_lapsed || (may_recover && node_.clock.elapsed() >= recover_at_);
    node_.membership_version = others.number();
    // If the lease of this node ran out too, all nodes waited for the store: the others get time to renew before any is recovered.
    if (duration const rest = patient_until_ - measured(); any_lapsed && rest > duration{0})
      co_return std::max<duration>(std::min(next, rest), shortest_wait);
    if (any_lapsed) {
      recover_at_ = node_.clock.elapsed() + between_recoveries;
      auto const recovered = co_await node_.store.recover(std::optional<node_lease>());
      report(recovered);
    }
    co_return std::max<duration>(next, shortest_wait);
  }

  void report_beyond(node_record const& node) {
    node_.log(log_level::warning, "the lease of node ", node.name, " ends at ", node.lease_until,
              ", later than any may, as if the clock had been ahead: it ends in ", shortened_lease, " unless that node renews it");
  }

  void request_drain(bool wanted) {
    if (wanted == node_.drain_requested) return;
    node_.drain_requested = wanted;
    node_.log(log_level::info, wanted ? "this node shall take no more work, until `visor node resume`" : "this node takes work again");
    beat_.notify();  // shows the new state to other nodes
    if (!wanted && on_joined) on_joined();
  }

  /// Watches the deadline of the lease. A renewal that is not confirmed in time counts as lost, even while it is still on its way. Handlers
  /// are told earlier, so that they have ended when others may start their jobs. The lease of an exclusive node ends when another node
  /// takes its place, which the next heartbeat reports: it needs no watch.
  task<> watch() {
    auto const warned_before = std::min(node_.settings.stop_grace, node_.settings.lease_ttl / 4);
    // Timers stand still while the machine is suspended, and the lease does not.
    auto const longest = std::max<duration>(node_.settings.lease_ttl / 32, shortest_wait);
    while (!leaving_) {
      auto const left = trusted_until_ - measured();
      if (node_.settings.exclusive || node_.lost) {
        co_await watch_.wait_for(std::chrono::hours{1});
      } else if (left <= duration{0}) {
        lose();
      } else if (left <= warned_before && !node_.ending) {
        node_.ending = true;
        node_.log(log_level::warning, "the lease of node ", node_.settings.name, " ends in ", left,
                  " and could not be renewed: running jobs are told to stop");
        if (on_ending_lease) on_ending_lease(left);
      } else {
        duration const until_warning = std::max(left - warned_before, duration{0});
        duration const wait = std::min(longest, node_.ending ? left : until_warning);
        co_await watch_.wait_for(wait);
      }
    }
  }

  void report(std::vector<recovery> const& recovered) {
    for (auto const& lapsed : recovered) {
      std::string rest;
      if (!lapsed.dead.empty()) rest += ", " + std::to_string(lapsed.dead.size()) + " may not run again and are dead";
      if (!lapsed.cancelled.empty()) rest += ", " + std::to_string(lapsed.cancelled.size()) + " are cancelled, as somebody wanted";
      node_.log(log_level::warning, "took over from node ", lapsed.node, " (epoch ", lapsed.epoch, "): ", lapsed.requeued.size(),
                " jobs run again", rest);
    }
    if (!recovered.empty() && on_joined) on_joined();
  }

  shared_node<Store, Clock>& node_;
  signal<Clock> beat_;
  signal<Clock> watch_;
  signal<Clock> around_;
  signal<Clock> done_;
  std::int64_t token_ = 0;                           ///< in the node's row, as far as is known
  std::int64_t next_token_ = node_.random_number();  ///< of the heartbeat that is not confirmed yet
  duration trusted_until_{};                         ///< by `measured()`
  duration patient_until_{};                         ///< by `measured()`: until then no node is recovered
  duration recover_at_{};                            ///< by `elapsed()`: next `recover` for jobs that could not be moved, and the like
  std::string survivor_;                             ///< the address of the last node that was reported as possibly still running
  bool leaving_ = false;
  bool is_over_ = false;
  int running_ = 0;
};

}  // namespace visor::detail

#endif
