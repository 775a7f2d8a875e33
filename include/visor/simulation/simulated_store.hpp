#ifndef VISOR_SIMULATION_SIMULATED_STORE_HPP
#define VISOR_SIMULATION_SIMULATED_STORE_HPP

#include "visor/base/error.hpp"
#include "visor/simulation/simulated_cluster.hpp"
#include "visor/store/bisection.hpp"
#include "visor/store/row_refusals.hpp"
#include "visor/store/store.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor::detail {

/// The store as one process sees it: over a network that delays, breaks, and loses replies, as the faults of the simulation say.
/// \tparam Store the store itself, whose operations complete without suspending
template <store Store>
class simulated_store {
 public:
  /// \param process the viewing process, an index into the simulation's processes; `nobody` for a client
  simulated_store(Store& store, simulated_cluster& cluster, std::size_t process) : store_(store), cluster_(cluster), process_(process) {}
  simulated_store(simulated_store const&) = delete;
  simulated_store& operator=(simulated_store const&) = delete;

  task<> open() {
    return read([&to = store_] { return to.open(); });
  }
  task<> close() {
    return read([&to = store_] { return to.close(); });
  }
  task<instant> now() {
    return read([&to = store_] { return to.now(); });
  }

  /// Registers a callback. A process is always notified of its own commits, but notifications of other commits may get lost.
  [[nodiscard]] subscription on_change(std::function<void()> callback) {
    return store_.on_change([this, callback = std::move(callback)] {
      if (cluster_.author != process_ && cluster_.happens(cluster_.faults.unheard))
        ++cluster_.counts.unheard;
      else
        callback();
    });
  }

  task<node_lease> join(join_request request) {
    return move([&to = store_, request = std::move(request)](row_refusals* refusals) { return to.join(request, refusals); });
  }
  task<node_lease> renew(node_lease const& lease, renewal how) {
    return write([&to = store_, lease, how] { return to.renew(lease, how); });
  }
  task<> leave(node_lease const& lease, departure how) {
    return move([&to = store_, &cluster = cluster_, process = process_, lease, how](row_refusals* refusals) {
      if (process != simulated_cluster::nobody) cluster.processes[process].left = cluster.now();
      return to.leave(lease, how, refusals);
    });
  }
  task<std::vector<recovery>> recover(std::optional<node_lease> evict) {
    return move([&to = store_, evict = std::move(evict)](row_refusals* refusals) { return to.recover(evict, refusals); });
  }
  task<> request_state(std::string const& node, std::optional<requested_state> state) {
    return write([&to = store_, node, state] { return to.request_state(node, state); });
  }
  task<bool> remove_node(std::string const& node) {
    return write([&to = store_, node] { return to.remove_node(node); });
  }
  task<std::vector<node_record>> nodes() {
    return read([&to = store_] { return to.nodes(); });
  }
  task<std::vector<type_limit_record>> limits() {
    return read([&to = store_] { return to.limits(); });
  }
  task<std::vector<node_type_record>> node_types() {
    return read([&to = store_] { return to.node_types(); });
  }
  task<reserved_ids> reserve_ids(std::size_t count) {
    return write([&to = store_, count] { return to.reserve_ids(count); });
  }
  task<std::size_t> enqueue(std::span<new_job const> jobs) {
    return write([&to = store_, jobs = copy(jobs)] { return to.enqueue(jobs); });
  }
  task<exchange_result> exchange(node_lease const& lease, std::span<job_result const> done, std::span<release const> back,
                                 std::span<claim_request const> wanted) {
    return write([&to = store_, &cluster = cluster_, lease, done = copy(done), back = copy(back), wanted = copy(wanted)] {
      return exchange_in_parts(to, cluster, lease, done, back, wanted);
    });
  }
  task<promotion> promote(std::size_t limit) {
    return move([&to = store_, limit](row_refusals* refusals) { return to.promote(limit, refusals); });
  }
  task<visor::pending_work> pending_work() {
    return read([&to = store_] { return to.pending_work(); });
  }
  task<due_schedules> due(std::size_t limit, std::optional<due_position> after = std::nullopt) {
    return read([&to = store_, limit, after = std::move(after)] { return to.due(limit, after); });
  }
  task<std::vector<fired>> fire(node_lease const& lease, std::span<fire_order const> orders) {
    return write([&to = store_, &cluster = cluster_, lease, orders = copy(orders)] { return fire_in_parts(to, cluster, lease, orders); });
  }
  task<std::size_t> note_missed(node_lease const& lease, std::span<missed_instant const> missed) {
    return write([&to = store_, lease, missed = copy(missed)] { return to.note_missed(lease, missed); });
  }
  task<std::vector<instant>> acted_on(std::string const& schedule, instant after, std::size_t limit) {
    return read([&to = store_, schedule, after, limit] { return to.acted_on(schedule, after, limit); });
  }
  task<std::vector<bool>> correct_next(std::span<next_correction const> corrections) {
    return write([&to = store_, corrections = copy(corrections)] { return to.correct_next(corrections); });
  }
  task<> put_manifest(std::string const& digest, int first, std::span<std::string const> parts) {
    return write([&to = store_, digest, first, parts = copy(parts)] { return to.put_manifest(digest, first, parts); });
  }
  task<bool> declare(node_lease const& lease, std::span<set_declaration const> sets) {
    return write([&to = store_, &cluster = cluster_, process = process_, lease, sets = copy(sets)] {
      return note_declaration(to.declare(lease, sets), cluster, process);
    });
  }
  task<std::vector<std::string>> declared(schedule_set const& set) {
    return read([&to = store_, set] { return to.declared(set); });
  }
  task<std::vector<declaration_record>> declarations() {
    return read([&to = store_] { return to.declarations(); });
  }
  task<std::vector<std::string>> manifests(schedule_set const& set) {
    return read([&to = store_, set] { return to.manifests(set); });
  }
  task<std::vector<std::string>> manifest_parts(std::string const& digest) {
    return read([&to = store_, digest] { return to.manifest_parts(digest); });
  }
  task<std::vector<schedule_digest>> schedule_digests(origin of) {
    return read([&to = store_, of] { return to.schedule_digests(of); });
  }
  task<std::optional<std::vector<change_result>>> change_schedules(schedule_set const& set, std::span<std::string const> basis,
                                                                   std::span<schedule_change const> changes) {
    return write([&to = store_, set, basis = copy(basis), changes = copy(changes)] { return to.change_schedules(set, basis, changes); });
  }
  task<> add_schedules(std::span<schedule_record const> records) {
    return write([&to = store_, records = copy(records)] { return to.add_schedules(records); });
  }
  task<> add_schedule(schedule_record record) {
    return write([&to = store_, record = std::move(record)] { return to.add_schedule(record); });
  }
  task<schedule_record> update_schedule(schedule_record record) {
    return write([&to = store_, record = std::move(record)] { return to.update_schedule(record); });
  }
  task<bool> remove_schedule(std::string const& id) {
    return write([&to = store_, id] { return to.remove_schedule(id); });
  }
  task<std::optional<schedule_record>> find_schedule(std::string const& id) {
    return read([&to = store_, id] { return to.find_schedule(id); });
  }
  task<std::vector<schedule_record>> schedules(schedule_filter filter) {
    return read([&to = store_, filter = std::move(filter)] { return to.schedules(filter); });
  }
  task<std::vector<fire_record>> fires(std::string const& schedule, std::size_t limit) {
    return read([&to = store_, schedule, limit] { return to.fires(schedule, limit); });
  }
  task<std::optional<job_view>> find_job(job_id id) {
    return read([&to = store_, id] { return to.find_job(id); });
  }
  task<std::vector<job_view>> jobs(job_filter filter) {
    return read([&to = store_, filter = std::move(filter)] { return to.jobs(filter); });
  }
  task<std::vector<attempt_record>> attempts(job_id id) {
    return read([&to = store_, id] { return to.attempts(id); });
  }
  task<cancel_result> cancel_job(job_id id) {
    return write([&to = store_, id] { return to.cancel_job(id); });
  }
  task<std::vector<job_id>> cancel_requests() {
    return read([&to = store_] { return to.cancel_requests(); });
  }
  task<> retry_job(job_id id) {
    return write([&to = store_, id] { return to.retry_job(id); });
  }

 private:
  enum class fault { none, refused, unanswered, overdue };

  // A row that the store refuses permanently is handled as by the stores of databases.

  static task<exchange_result> exchange_in_parts(Store& to, simulated_cluster& cluster, node_lease const& lease,
                                                 std::span<job_result const> done, std::span<release const> back,
                                                 std::span<claim_request const> wanted) {
    auto const part = [&](std::span<job_result const> results, std::span<release const> returns, std::span<claim_request const> requests) {
      if (cluster.refuses_result && std::ranges::any_of(results, cluster.refuses_result)) refuse(cluster);
      return to.exchange(lease, results, returns, requests);
    };
    bool const is_refused = cluster.refuses_result && std::ranges::any_of(done, cluster.refuses_result);
    if (!is_refused) co_return co_await part(done, back, wanted);
    bisected_exchange bisected(part);
    co_return co_await bisected.run(done, back, wanted);
  }

  static task<std::vector<fired>> fire_in_parts(Store& to, simulated_cluster& cluster, node_lease const& lease,
                                                std::span<fire_order const> orders) {
    auto const part = [&](std::span<fire_order const> some) {
      if (cluster.refuses_fire && std::ranges::any_of(some, cluster.refuses_fire)) refuse(cluster);
      return to.fire(lease, some);
    };
    bool const is_refused = cluster.refuses_fire && std::ranges::any_of(orders, cluster.refuses_fire);
    if (!is_refused) co_return co_await part(orders);
    bisected_fires bisected(part);
    co_return co_await bisected.run(orders);
  }

  [[noreturn]] static void refuse(simulated_cluster& cluster) {
    ++cluster.counts.refused_groups;
    throw error(errc::invalid_argument, "simulated: a row is refused", "character with byte sequence 0xe2 0x82 0xac");
  }

  static task<bool> note_declaration(task<bool> declares, simulated_cluster& cluster, std::size_t process) {
    bool const done = co_await std::move(declares);
    if (done && process != simulated_cluster::nobody) cluster.processes[process].declared.push_back(cluster.now());
    co_return done;
  }

  template <class T>
  static std::vector<T> copy(std::span<T const> all) {
    return {all.begin(), all.end()};
  }

  template <class Operation>
  auto read(Operation operation) {
    return call(false, std::move(operation));
  }
  template <class Operation>
  auto write(Operation operation) {
    return call(true, std::move(operation));
  }

  /// A write that moves jobs.
  /// \param operation takes a `row_refusals*`
  template <class Operation>
  auto move(Operation operation) {
    return write([&cluster = cluster_, stranded = stranded_, operation = std::move(operation)]() mutable {
      auto const elapsed = [&cluster] { return cluster.time.elapsed(); };
      auto const count = [&cluster](remark const&) { ++cluster.counts.refused_moves; };
      return perform_isolating_refusals(*stranded, elapsed, operation, count);
    });
  }

  fault choose(bool writes) {
    ++cluster_.counts.calls;
    double luck = cluster_.uniform();
    auto const is_hit = [&](double probability, std::size_t& count) {
      bool const hit = luck < probability;
      luck -= probability;
      count += hit ? 1 : 0;
      return hit;
    };
    if (is_hit(cluster_.faults.refused, cluster_.counts.refused)) return fault::refused;
    if (is_hit(cluster_.faults.unanswered, cluster_.counts.unanswered)) return fault::unanswered;
    if (writes && is_hit(cluster_.faults.overdue, cluster_.counts.overdue)) return fault::overdue;
    return fault::none;
  }

  duration choose_length() {
    if (!cluster_.happens(cluster_.faults.slow)) return cluster_.up_to(2 * cluster_.faults.mean_call);
    ++cluster_.counts.slow;
    return cluster_.up_to(cluster_.faults.longest_call);
  }

  void note_trouble(fault what, duration length) {
    if (process_ == simulated_cluster::nobody || (what == fault::none && length <= 2 * cluster_.faults.mean_call)) return;
    cluster_.processes[process_].troubles.push_back(simulated_span{cluster_.now(), cluster_.now() + length});
    cluster_.note("a call is in trouble", process_, static_cast<int>(what), length.count());
  }

  /// \param operation makes the call; it owns copies of all arguments, since it may run when the caller is gone
  template <class Operation, class Value = typename std::invoke_result_t<Operation&>::value_type>
  task<Value> call(bool writes, Operation operation) {
    auto const what = choose(writes);
    auto const length = choose_length();
    note_trouble(what, length);
    bool const happens_first = cluster_.happens(0.5);
    if (!happens_first || what == fault::refused || what == fault::overdue) co_await pass(length);
    if (what == fault::refused) throw error(errc::connection_lost, "simulated: nothing was written");
    if (what == fault::overdue) {
      happen_later(std::move(operation));
      throw error(errc::outcome_unknown, "simulated: nobody knows");
    }
    outcome_of<Value> result;
    co_await carry_out(operation, result);
    if (happens_first) co_await pass(length);
    if (what == fault::unanswered) throw error(writes ? errc::outcome_unknown : errc::connection_lost, "simulated: the answer was lost");
    if (result.failure) std::rethrow_exception(result.failure);
    if constexpr (!std::is_void_v<Value>) co_return std::move(*result.value);
  }

  template <class Value>
  struct outcome_of {
    std::exception_ptr failure;
    std::optional<std::conditional_t<std::is_void_v<Value>, bool, Value>> value;
  };

  /// Carries out a call at the store: at one instant, and alone.
  template <class Operation, class Value>
  task<> carry_out(Operation& operation, outcome_of<Value>& result) {
    cluster_.author = process_;
    try {
      if constexpr (std::is_void_v<Value>)
        co_await operation();
      else
        result.value.emplace(co_await operation());
    } catch (...) {
      result.failure = std::current_exception();
    }
    cluster_.author = simulated_cluster::nobody;
    if constexpr (!std::is_void_v<Value>)
      if (result.value) look_at(*result.value);
  }

  template <class Value>
  void look_at(Value const& value) {
    if constexpr (std::is_same_v<Value, node_lease>) {
      note_lease(value);
    } else if constexpr (std::is_same_v<Value, exchange_result>) {
      cluster_.counts.refused_results += value.refused.size();
      if (!value.lease_current) ++cluster_.counts.refused_leases;
      for (auto const& claimed : value.claims)
        for (auto const& job : claimed.jobs) cluster_.claims.push_back({job.id, process_});
    } else if constexpr (std::is_same_v<Value, std::vector<recovery>>) {
      cluster_.counts.recoveries += value.size();
    }
  }

  void note_lease(node_lease const& lease) {
    if (process_ == simulated_cluster::nobody) return;
    auto& all = cluster_.processes[process_].leases;
    instant const until = lease.until - cluster_.store_time.ahead;
    auto known = std::ranges::find(all, lease.epoch, &simulated_lease::epoch);
    if (known == all.end()) known = all.insert(known, simulated_lease{lease.epoch, cluster_.now(), until, cluster_.now(), is_late_});
    known->until = std::max(known->until, until);
    known->renewed = cluster_.now();
    cluster_.note("has a lease", process_, lease.epoch, (until - simulated_clock::start).count());
  }

  template <class Operation>
  void happen_later(Operation operation) {
    // Refers to nothing of this object, which is destroyed with its process.
    auto call = std::make_shared<late_call<Operation>>(store_, cluster_, process_, std::move(operation));
    auto& cluster = cluster_;
    cluster_.time.at(cluster_.time.elapsed() + cluster_.up_to(cluster_.faults.longest_call), [&cluster, call] {
      boost::asio::co_spawn(cluster.server, late_call<Operation>::happen(call), boost::asio::detached);
    });
  }

  template <class Operation>
  struct late_call {
    late_call(Store& store, simulated_cluster& cluster, std::size_t process, Operation what)
        : seen_by(store, cluster, process), operation(std::move(what)) {
      seen_by.is_late_ = true;
    }

    simulated_store seen_by;
    Operation operation;

    static task<> happen(std::shared_ptr<late_call> self) {
      outcome_of<typename std::invoke_result_t<Operation&>::value_type> result;
      self->seen_by.cluster_.note("a call of which nobody hears happens", self->seen_by.process_);
      co_await self->seen_by.carry_out(self->operation, result);
    }
  };

  task<> pass(duration length) {
    auto const here = co_await boost::asio::this_coro::executor;
    simulated_clock::timer timer{here, simulated_clock(cluster_.time, true_time)};
    auto const end = cluster_.time.elapsed() + length;
    while (cluster_.time.elapsed() < end) {
      auto sleep = timer.async_wait_for(end - cluster_.time.elapsed(), boost::asio::use_awaitable);
      co_await std::move(sleep);
    }
  }

  static constexpr machine_time true_time{};

  Store& store_;
  simulated_cluster& cluster_;
  std::size_t process_;
  std::shared_ptr<stranded_rows> stranded_ = std::make_shared<stranded_rows>();
  bool is_late_ = false;  // the caller no longer waits for its calls
};

}  // namespace visor::detail

#endif
