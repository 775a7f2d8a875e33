#ifndef VISOR_SIMULATION_STORE_HPP
#define VISOR_SIMULATION_STORE_HPP

#include "visor/base/error.hpp"
#include "visor/simulation/world.hpp"
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

/// The store as one process sees it: over a network that is late, breaks, and loses answers, as the faults of the world say.
/// \tparam Kept the store itself, whose operations complete without suspending
template <store Kept>
class simulated_store {
 public:
  /// \param process whose view it is, an index into the world's processes; `nobody` for that of a client
  simulated_store(Kept& kept, simulated_world& world, std::size_t process) : kept_(kept), world_(world), process_(process) {}
  simulated_store(simulated_store const&) = delete;
  simulated_store& operator=(simulated_store const&) = delete;

  task<> open() {
    return read([&to = kept_] { return to.open(); });
  }
  task<> close() {
    return read([&to = kept_] { return to.close(); });
  }
  task<instant> now() {
    return read([&to = kept_] { return to.now(); });
  }

  /// What it committed itself, a process is always told of.
  [[nodiscard]] subscription on_change(std::function<void()> callback) {
    return kept_.on_change([this, callback = std::move(callback)] {
      if (world_.author != process_ && world_.happens(world_.faults.unheard))
        ++world_.counts.unheard;
      else
        callback();
    });
  }

  task<node_lease> join(join_request request) {
    return write([&to = kept_, request = std::move(request)] { return to.join(request); });
  }
  task<node_lease> renew(node_lease const& lease, duration ttl, node_state state) {
    return write([&to = kept_, lease, ttl, state] { return to.renew(lease, ttl, state); });
  }
  task<> leave(node_lease const& lease) {
    return write([&to = kept_, lease] { return to.leave(lease); });
  }
  task<std::vector<recovery>> recover(std::optional<node_lease> evict) {
    return write([&to = kept_, evict = std::move(evict)] { return to.recover(evict); });
  }
  task<> set_wish(std::string const& node, std::optional<node_wish> wish) {
    return write([&to = kept_, node, wish] { return to.set_wish(node, wish); });
  }
  task<bool> remove_node(std::string const& node) {
    return write([&to = kept_, node] { return to.remove_node(node); });
  }
  task<std::vector<node_record>> nodes() {
    return read([&to = kept_] { return to.nodes(); });
  }
  task<std::vector<type_limit_record>> limits() {
    return read([&to = kept_] { return to.limits(); });
  }
  task<std::int64_t> reserve_ids(std::size_t count) {
    return write([&to = kept_, count] { return to.reserve_ids(count); });
  }
  task<std::size_t> enqueue(std::span<new_job const> jobs) {
    return write([&to = kept_, jobs = copy(jobs)] { return to.enqueue(jobs); });
  }
  task<exchange_result> exchange(node_lease const& lease, std::span<completion const> done, std::span<give_back const> back,
                                 std::span<claim_request const> wanted) {
    return write([&to = kept_, lease, done = copy(done), back = copy(back), wanted = copy(wanted)] {
      return to.exchange(lease, done, back, wanted);
    });
  }
  task<promotion> promote(std::size_t limit) {
    return write([&to = kept_, limit] { return to.promote(limit); });
  }
  task<outlook> glance() {
    return read([&to = kept_] { return to.glance(); });
  }
  task<due_schedules> due(std::size_t limit) {
    return read([&to = kept_, limit] { return to.due(limit); });
  }
  task<std::vector<fired>> fire(node_lease const& lease, std::span<fire_order const> orders) {
    return write([&to = kept_, lease, orders = copy(orders)] { return to.fire(lease, orders); });
  }
  task<schedule_changes> replace_schedules(origin whose, std::span<schedule_record const> all) {
    return write([&to = kept_, whose, all = copy(all)] { return to.replace_schedules(whose, all); });
  }
  task<> add_schedule(schedule_record record) {
    return write([&to = kept_, record = std::move(record)] { return to.add_schedule(record); });
  }
  task<schedule_record> update_schedule(schedule_record record) {
    return write([&to = kept_, record = std::move(record)] { return to.update_schedule(record); });
  }
  task<bool> remove_schedule(std::string const& id) {
    return write([&to = kept_, id] { return to.remove_schedule(id); });
  }
  task<std::optional<schedule_record>> find_schedule(std::string const& id) {
    return read([&to = kept_, id] { return to.find_schedule(id); });
  }
  task<std::vector<schedule_record>> schedules(schedule_filter filter) {
    return read([&to = kept_, filter = std::move(filter)] { return to.schedules(filter); });
  }
  task<std::vector<fire_record>> fires(std::string const& schedule, std::size_t limit) {
    return read([&to = kept_, schedule, limit] { return to.fires(schedule, limit); });
  }
  task<std::optional<job_view>> find_job(job_id id) {
    return read([&to = kept_, id] { return to.find_job(id); });
  }
  task<std::vector<job_view>> jobs(job_filter filter) {
    return read([&to = kept_, filter = std::move(filter)] { return to.jobs(filter); });
  }
  task<std::vector<attempt_record>> attempts(job_id id) {
    return read([&to = kept_, id] { return to.attempts(id); });
  }
  task<cancel_result> cancel_job(job_id id) {
    return write([&to = kept_, id] { return to.cancel_job(id); });
  }
  task<std::vector<job_id>> cancel_requests() {
    return read([&to = kept_] { return to.cancel_requests(); });
  }
  task<> retry_job(job_id id) {
    return write([&to = kept_, id] { return to.retry_job(id); });
  }

 private:
  enum class fault { none, refused, unanswered, overdue };

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

  fault choose(bool writes) {
    ++world_.counts.calls;
    double luck = world_.uniform();
    auto const is_hit = [&](double probability, std::size_t& count) {
      bool const hit = luck < probability;
      luck -= probability;
      count += hit ? 1 : 0;
      return hit;
    };
    if (is_hit(world_.faults.refused, world_.counts.refused)) return fault::refused;
    if (is_hit(world_.faults.unanswered, world_.counts.unanswered)) return fault::unanswered;
    if (writes && is_hit(world_.faults.overdue, world_.counts.overdue)) return fault::overdue;
    return fault::none;
  }

  duration choose_length() {
    if (!world_.happens(world_.faults.slow)) return world_.up_to(2 * world_.faults.usual_call);
    ++world_.counts.slow;
    return world_.up_to(world_.faults.longest_call);
  }

  void note_trouble(fault what, duration length) {
    if (process_ == simulated_world::nobody || (what == fault::none && length <= 2 * world_.faults.usual_call)) return;
    world_.processes[process_].troubles.push_back(simulated_span{world_.now(), world_.now() + length});
    world_.note("a call is in trouble", process_, static_cast<int>(what), length.count());
  }

  /// \param operation makes the call; it has copies of all that it is about, since it may happen when the caller is gone
  template <class Operation, class Value = typename std::invoke_result_t<Operation&>::value_type>
  task<Value> call(bool writes, Operation operation) {
    auto const what = choose(writes);
    auto const length = choose_length();
    note_trouble(what, length);
    bool const happens_first = world_.happens(0.5);
    if (!happens_first || what == fault::refused || what == fault::overdue) co_await pass(length);
    if (what == fault::refused) throw error(condition::connection_lost, "simulated: nothing was written");
    if (what == fault::overdue) {
      happen_later(std::move(operation));
      throw error(condition::outcome_unknown, "simulated: nobody knows");
    }
    outcome_of<Value> result;
    co_await carry_out(operation, result);
    if (happens_first) co_await pass(length);
    if (what == fault::unanswered)
      throw error(writes ? condition::outcome_unknown : condition::connection_lost, "simulated: the answer was lost");
    if (result.failure) std::rethrow_exception(result.failure);
    if constexpr (!std::is_void_v<Value>) co_return std::move(*result.value);
  }

  template <class Value>
  struct outcome_of {
    std::exception_ptr failure;
    std::optional<std::conditional_t<std::is_void_v<Value>, bool, Value>> value;
  };

  /// What happens at the store's: at one instant, and alone.
  template <class Operation, class Value>
  task<> carry_out(Operation& operation, outcome_of<Value>& result) {
    world_.author = process_;
    try {
      if constexpr (std::is_void_v<Value>)
        co_await operation();
      else
        result.value.emplace(co_await operation());
    } catch (...) {
      result.failure = std::current_exception();
    }
    world_.author = simulated_world::nobody;
    if constexpr (!std::is_void_v<Value>)
      if (result.value) look_at(*result.value);
  }

  template <class Value>
  void look_at(Value const& value) {
    if constexpr (std::is_same_v<Value, node_lease>) {
      note_lease(value);
    } else if constexpr (std::is_same_v<Value, exchange_result>) {
      world_.counts.refused_results += value.refused.size();
      if (!value.lease_current) ++world_.counts.refused_leases;
    } else if constexpr (std::is_same_v<Value, std::vector<recovery>>) {
      world_.counts.recoveries += value.size();
    }
  }

  void note_lease(node_lease const& lease) {
    if (process_ == simulated_world::nobody) return;
    auto& all = world_.processes[process_].leases;
    auto known = std::ranges::find(all, lease.epoch, &simulated_lease::epoch);
    if (known == all.end()) known = all.insert(known, simulated_lease{lease.epoch, world_.now(), lease.until, is_late_});
    known->until = std::max(known->until, lease.until);
    world_.note("has a lease", process_, lease.epoch, (lease.until - simulated_clock::start).count());
  }

  template <class Operation>
  void happen_later(Operation operation) {
    // Not of this object, which is gone by then where the process is.
    auto call = std::make_shared<late_call<Operation>>(kept_, world_, process_, std::move(operation));
    auto& world = world_;
    world_.time.at(world_.time.elapsed() + world_.up_to(world_.faults.longest_call),
                   [&world, call] { boost::asio::co_spawn(world.server, late_call<Operation>::happen(call), boost::asio::detached); });
  }

  template <class Operation>
  struct late_call {
    late_call(Kept& kept, simulated_world& world, std::size_t process, Operation what)
        : seen_by(kept, world, process), operation(std::move(what)) {
      seen_by.is_late_ = true;
    }

    simulated_store seen_by;
    Operation operation;

    static task<> happen(std::shared_ptr<late_call> self) {
      outcome_of<typename std::invoke_result_t<Operation&>::value_type> result;
      self->seen_by.world_.note("a call of which nobody hears happens", self->seen_by.process_);
      co_await self->seen_by.carry_out(self->operation, result);
    }
  };

  task<> pass(duration length) {
    auto const here = co_await boost::asio::this_coro::executor;
    simulated_clock::timer timer{here, simulated_clock(world_.time, true_time)};
    auto const end = world_.time.elapsed() + length;
    while (world_.time.elapsed() < end) {
      auto sleep = timer.async_wait_for(end - world_.time.elapsed(), boost::asio::use_awaitable);
      co_await std::move(sleep);
    }
  }

  static constexpr machine_time true_time{};

  Kept& kept_;
  simulated_world& world_;
  std::size_t process_;
  bool is_late_ = false;  // nobody waits for what it does
};

}  // namespace visor::detail

#endif
