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

/// Keeps a node's lease: joins, renews in time, notices the loss before others act on it, joins again, goes on under another epoch where
/// it does not know what it claimed, and takes over what lapsed nodes held.
///
/// Three loops, so that none waits for what another one waits for: `beat` renews and joins again, `watch` measures the time that is left,
/// `look_around` sees what others want of the node and recovers those that lapsed.
template <store Store, timekeeper Clock>
class membership {
 public:
  explicit membership(shared_node<Store, Clock>& shared)
      : node_(shared),
        beat_(shared.strand, shared.clock),
        watch_(shared.strand, shared.clock),
        around_(shared.strand, shared.clock),
        done_(shared.strand, shared.clock) {}

  std::function<void(duration)> on_ending_lease;        ///< handlers are to stop: the lease ends soon, unless a heartbeat gets through
  std::function<void()> on_lost_lease;                  ///< handlers must stop: others may have their jobs
  std::function<void()> on_joined;                      ///< again, under a new epoch
  std::function<std::vector<lease_id>()> known_leases;  ///< of what runs, or is not reported yet
  std::function<void(error)> on_retire;                 ///< the same, but running jobs may finish
  std::function<void(error)> on_end;                    ///< this node cannot go on: it is to drain, and to fail with this

  /// Enters the node. A node in the way whose process is certainly gone is evicted; the end of the lease of one about which nothing
  /// is known is waited for. \return false when it was told to drain meanwhile
  /// \throws visor::error `lease_held` when the other is alive.
  task<bool> join() {
    bool const has_claim = node_.claim.is_taken == false;  // of a try that failed behind it
    if (node_.settings.exclusive && !has_claim && !co_await claim_store()) co_return false;
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
      if (node_.claim.is_taken == false || process_identity::is_gone(other->address)) {
        node_.log(log_level::warning, "node ", other->name, " is gone without leaving: taking over its jobs");
        std::optional<node_lease> lapsed(std::in_place, other->name, other->epoch, other->lease_until);
        auto const recovered = co_await node_.kept.recover(std::move(lapsed));
        report(recovered);
        if (recovered.empty()) co_await pause(std::chrono::milliseconds{10});  // it has come back, or somebody else was first
        if (node_.draining) co_return false;
        continue;
      }
      if (is_beyond_any_lease(*other, now)) {
        report_beyond(*other);
        auto const recovered = co_await node_.kept.recover(std::optional<node_lease>());
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
    node_.ending = node_.in_doubt = false;
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
    around_.notify();
    while (running_ != 0) co_await done_.wait_for(std::chrono::seconds{1});
    try {
      // What has run must not come back as if it had not: it is lost with this node, which lives.
      auto const how = node_.lost || owes_results ? departure::owing_results : departure::clean;
      auto const held = node_.lease;
      co_await node_.kept.leave(held, how);
    } catch (std::exception const& failure) {
      node_.log(log_level::warning, "leaving: ", failure.what());
    }
    node_.claim = node_claim();
  }

  /// Ends early only to drain.
  task<> pause(duration length) {
    auto const end = node_.clock.elapsed() + length;
    while (node_.clock.elapsed() < end && !node_.draining) co_await beat_.wait_for(end - node_.clock.elapsed());
  }

 private:
  static constexpr std::chrono::milliseconds shortest_wait{20};
  static constexpr std::chrono::minutes between_sweeps{2};

  static constexpr std::chrono::milliseconds claim_patience{1000};  ///< for a process that is at its end

  /// Where the operating system tells whether the process of the store's only node lives: takes its place, or is refused by it, whatever
  /// became of its lease. \return false when it was told to drain meanwhile
  /// \throws visor::error `lease_held`
  task<bool> claim_store() {
    if constexpr (requires { node_.kept.claim_node(std::string()); }) {
      std::string holder = "node " + node_.settings.name + " (";
      holder += node_.identity.host + " pid " + std::to_string(node_.identity.pid) + ")";
      auto const began = node_.clock.elapsed();
      for (;;) {
        node_.claim = co_await node_.kept.claim_node(holder);
        if (node_.claim.is_taken != true) co_return true;
        if (node_.clock.elapsed() - began >= claim_patience)
          throw error(condition::lease_held, (node_.claim.holder.empty() ? std::string("another process") : node_.claim.holder) +
                                                 " is at work on this store, and there can be only one: stop it first");
        co_await pause(std::chrono::milliseconds{50});
        if (node_.draining) co_return false;
      }
    }
    co_return true;
  }

  /// \return false when the lease was lost before it was known that the node goes on
  task<bool> join_once() {
    bool const goes_on = node_.in_doubt;
    if (node_.settings.exclusive && !goes_on) {
      // There is nobody else to do it, and a node of another name, whose lease has run out, may have left jobs. A node that goes on would
      // recover itself, if its heartbeat is late.
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
    auto const now = co_await node_.kept.now();
    auto const nodes = co_await node_.kept.nodes();
    // The lease may have been lost while the store was read. Nothing is kept then, and what ran would be put back as if it had not.
    if (goes_on && node_.lost) co_return false;
    // Somebody may have joined since the caller looked. Whoever does after this look has another epoch.
    if (auto const other = rival_among(nodes, now); other && !goes_on) throw at_work(*other);
    auto const before = std::ranges::find(nodes, node_.settings.name, &node_record::name);
    request.known_epoch = before == nodes.end() ? 0 : before->epoch;
    if (goes_on) request.keeps = known_leases();
    request.token = next_token_;
    request.last_token = token_;
    request.last_epoch = node_.lease.epoch;
    auto const asked = measured();
    auto const lease = co_await node_.kept.join(std::move(request));
    if (goes_on && node_.lost) co_return false;  // and what it wanted to keep is stopped
    node_.lost = node_.in_doubt = false;
    trust(lease, asked);
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
  /// \throws visor::error `restored` when the store has forgotten an epoch of this node
  task<std::optional<node_record>> find_rival(instant now) {
    auto const nodes = co_await node_.kept.nodes();
    auto const same = std::ranges::find(nodes, node_.settings.name, &node_record::name);
    // The next processes of that name use the forgotten epochs again, so a later look may not tell.
    if (same != nodes.end() && has_forgotten(*same, node_.lease.epoch, node_.identity.text())) throw_restored(node_.settings.name);
    auto const rival = rival_among(nodes, now);
    if (!rival) warn_of_survivors(nodes, now);
    co_return rival;
  }

  /// A node without `ha` runs on when its lease has ended, until it hears that another one has taken its place.
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

  static error newer_schema(int version) {
    return error(condition::superseded, "a newer program has migrated the tables to version " + std::to_string(version) +
                                            ": this node drains; start the newer program in its place");
  }

  static std::string short_address(node_record const& other) { return other.address.substr(0, other.address.find(" start ")); }

  static error at_work(node_record const& other) {
    return error(condition::lease_held, "node " + other.name + " (" + short_address(other) +
                                            ") is at work on this store, and there can be only one: stop it first");
  }

  /// Whether the other one's process would be visible from here.
  bool shares_processes_with(node_record const& other) const {
    auto const ours = node_.identity.text();
    return other.address.starts_with(node_.identity.host + " ") && other.address.ends_with(ours.substr(ours.find(" boot ")));
  }

  /// Time by which leases are measured: others do not stand still while this machine is suspended.
  duration measured() const { return node_.clock.elapsed() + node_.clock.suspended(); }

  task<> beat() {
    failure_pause pause;
    std::optional<node_record> rival;  // of which this node waits for the end of the lease
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
        } else if (node_.in_doubt) {
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
        if (failure.kind() == condition::lease_lost) lose();
        node_.look_at(failure);
        if (failure.kind() == condition::restored) end(failure);
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

  /// Joins again after the lease was lost, unless another node has the name or, where one of the two is exclusive, the store. That one may
  /// have died since, so this node waits for the end of its lease, once, and never takes a name back from a node that lives.
  /// \return how long to wait before the next call; none: it has joined, or never will
  task<std::optional<duration>> come_back(std::optional<node_record>& waited_for) {
    auto const now = co_await node_.kept.now();
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
    how.state = node_.draining || node_.resting ? node_state::draining : node_state::online;
    how.token = next_token_;
    how.last_token = token_;
    auto const renewed = co_await node_.kept.renew(held, how);
    // If the deadline passed meanwhile, what ran is told to stop and does not count: only a new epoch puts that back.
    if (!node_.lost) trust(renewed, asked);
  }

  /// The store has confirmed a lease.
  /// \param asked when it was asked, by `measured()`
  void trust(node_lease const& lease, duration asked) {
    if (trusted_until_ != duration{0} && measured() > trusted_until_)
      patient_until_ = measured() + std::min(node_.settings.lease_ttl, node_.settings.heartbeat_interval);
    node_.lease = lease;
    token_ = std::exchange(next_token_, node_.random_number());
    trusted_until_ = asked + node_.settings.lease_ttl;
    if (std::exchange(node_.ending, false) && on_joined) on_joined();
    watch_.notify();
  }

  /// This node neither renews its lease nor joins again.
  void end(error const& why) {
    is_over_ = true;
    if (on_end) on_end(why);
  }

  /// Sees what is wanted of this node, and takes over from nodes whose lease ran out.
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

  /// \return when to look again: the lease of a node that lives is renewed long before its end, so one that ends before the next heartbeat
  /// is looked at when it does.
  task<duration> look() {
    auto const seen = co_await node_.kept.glance();
    if (seen.newer_schema && on_retire) on_retire(newer_schema(*seen.newer_schema));
    auto const now = co_await node_.kept.now();
    auto const nodes = co_await node_.kept.nodes();
    duration next = node_.settings.lease_ttl;
    value_hash company;
    bool any_lapsed = false;
    bool may_sweep = !node_.settings.exclusive;
    for (auto const& node : nodes) {
      if (node.name != node_.settings.name) {
        company.mix(node.name);
        company.mix(node.epoch);
      }
      if (node.state == node_state::offline) continue;
      if (node.name == node_.settings.name) {
        if (node.address == node_.identity.text()) rest(node.wish == node_wish::drain);
        // A node that is alone would take over from itself, where its heartbeat is late.
        may_sweep = may_sweep || node.lease_until - now >= node_.settings.lease_ttl / 2;
        continue;
      }
      any_lapsed = any_lapsed || node.lease_until <= now || is_beyond_any_lease(node, now);
      if (is_beyond_any_lease(node, now)) report_beyond(node);
      next = std::min(next, node.lease_until - now);
    }
    any_lapsed = any_lapsed || (may_sweep && node_.clock.elapsed() >= sweep_at_);
    node_.company = company.number();
    // Where the lease of this node ran out too, all waited for the store: the others have their turn before somebody takes over from them.
    if (duration const rest = patient_until_ - measured(); any_lapsed && rest > duration{0})
      co_return std::max<duration>(std::min(next, rest), shortest_wait);
    if (any_lapsed) {
      sweep_at_ = node_.clock.elapsed() + between_sweeps;
      auto const recovered = co_await node_.kept.recover(std::optional<node_lease>());
      report(recovered);
    }
    co_return std::max<duration>(next, shortest_wait);
  }

  void report_beyond(node_record const& node) {
    node_.log(log_level::warning, "the lease of node ", node.name, " ends at ", node.lease_until,
              ", later than any may, as if the clock had been ahead: it ends in ", shortened_lease, " unless that node renews it");
  }

  void rest(bool wanted) {
    if (wanted == node_.resting) return;
    node_.resting = wanted;
    node_.log(log_level::info, wanted ? "this node shall take no more work, until `visor node resume`" : "this node takes work again");
    beat_.notify();  // others are to see it
    if (!wanted && on_joined) on_joined();
  }

  /// A renewal that is not confirmed in time counts as lost, even while one is still on its way. Handlers are told before, so that they
  /// are over when others may begin with their jobs. The lease of an exclusive node ends when another node takes its place, which the next
  /// heartbeat tells: it needs no watch.
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
  std::int64_t token_ = 0;                           ///< that the node's row holds, as far as is known
  std::int64_t next_token_ = node_.random_number();  ///< of the heartbeat that is not confirmed yet
  duration trusted_until_{};                         ///< by `measured()`
  duration patient_until_{};                         ///< by `measured()`: so long nobody is taken over from
  duration sweep_at_{};                              ///< by `elapsed()`: for what no lease tells of, such as jobs that could not be moved
  std::string survivor_;                             ///< the address of the node of which was told last that it may still run
  bool leaving_ = false;
  bool is_over_ = false;
  int running_ = 0;
};

}  // namespace visor::detail

#endif
