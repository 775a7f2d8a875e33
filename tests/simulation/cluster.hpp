#ifndef VISOR_TESTS_SIMULATION_CLUSTER_HPP
#define VISOR_TESTS_SIMULATION_CLUSTER_HPP

#include "visor/simulation.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace visor_test {

using namespace std::chrono_literals;

inline visor::task<> sleep_for(visor::job_context& job, visor::simulated_clock clock, visor::duration length) {
  visor::simulated_clock::timer timer{job.executor(), clock};
  auto const end = clock.elapsed() + length;
  while (clock.elapsed() < end) {
    auto wait = timer.async_wait_for(end - clock.elapsed(), boost::asio::use_awaitable);
    co_await std::move(wait);
  }
}

/// A cluster of a seed: how many nodes, how they are set, what goes wrong and how often, what they have to do. Most seeds leave out some
/// kinds of trouble: with everything at once, what needs quiet before it would never happen.
class cluster {
 public:
  explicit cluster(std::uint64_t seed, std::function<void(std::string_view)> log = {}) : random_(seed), world(seed, choose_faults()) {
    if (log) world.log_to(std::move(log));
    add_types();
    add_schedules();
    settings = choose_settings();
    length = one_of<visor::duration>({3min, 5min, 10min});
    for (std::size_t i = 0, count = settings.exclusive ? 1 + below(2) : 1 + below(5); i < count; ++i) world.add_node(settings);
    keep_enqueueing();
    if (one_in(3)) keep_deploying();
  }
  cluster(cluster const&) = delete;
  cluster& operator=(cluster const&) = delete;

  /// Everything that is to happen. \return what did not end as it must
  std::vector<std::string> run() {
    world.run_for(length);
    is_resting_ = true;
    std::vector<std::string> problems;
    if (!world.rest(2h)) problems.push_back(std::to_string(world.open_jobs()) + " jobs have not ended two hours after the last fault");
    if (!world.stop_all(settings.drain_timeout + settings.stop_grace + 10s)) problems.push_back("a node did not stop in time");
    return problems;
  }

 private:
  // Before the world, which is made of it.
  std::mt19937_64 random_;
  bool is_resting_ = false;

 public:
  visor::simulation world;
  visor::node_settings settings;
  visor::duration length;
  std::set<visor::job_id> enqueued;
  std::set<visor::job_id> cancelled;  ///< asked for by the client
  /// Schedules that never change and make up for everything, with their periods.
  std::vector<std::pair<std::string, visor::duration>> steady;
  /// Schedules whose jobs must not run beside each other.
  std::vector<std::string> one_at_a_time;

 private:
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> all) {
    return *(all.begin() + static_cast<std::ptrdiff_t>(below(all.size())));
  }

  visor::simulated_faults choose_faults() {
    visor::simulated_faults faults;
    choose_network(faults);
    if (!one_in(4)) faults.crash = one_of<visor::duration>({10s, 40s, 2min});
    if (one_in(2)) faults.pause = one_of<visor::duration>({10s, 40s});
    if (one_in(3)) faults.suspend = one_of<visor::duration>({10s, 40s});
    if (one_in(2)) faults.stop = one_of<visor::duration>({20s, 1min});
    if (one_in(2)) faults.clock_step = 30s;
    faults.longest_pause = one_of<visor::duration>({5s, 30s, 3min});
    faults.longest_downtime = one_of<visor::duration>({1s, 20s, 1min});
    return faults;
  }

  void choose_network(visor::simulated_faults& faults) {
    faults.unheard = one_of({0.0, 0.5, 1.0});
    if (one_in(3)) return;
    if (one_in(2)) faults.refused = one_of({0.002, 0.02, 0.1});
    if (one_in(2)) faults.unanswered = one_of({0.002, 0.02, 0.1});
    if (one_in(3)) faults.overdue = one_of({0.002, 0.02});
    if (one_in(2)) faults.slow = one_of({0.002, 0.02, 0.1});
    faults.longest_call = one_of<visor::duration>({100ms, 3s, 20s});
  }

  visor::node_settings choose_settings() {
    visor::node_settings result;
    result.exclusive = one_in(15);
    result.lease_ttl = one_of<visor::duration>({5s, 10s, 30s, 60s});
    result.heartbeat_interval = result.lease_ttl / one_of<int>({2, 4, 5});
    result.poll_interval = one_of<visor::duration>({2s, 10s, 30s});
    result.completion_delay = one_of<visor::duration>({0ms, 2ms, 100ms});
    result.drain_timeout = one_of<visor::duration>({0s, 2s, 30s});
    result.stop_grace = one_of<visor::duration>({0s, 5s});
    result.queues.assign(1, visor::queue_settings("default", one_of({1, 3, 20})));
    return result;
  }

  /// How long a job takes is the same each time.
  static visor::duration length_of(visor::job_context const& job, visor::duration longest) {
    auto const mixed = (static_cast<std::uint64_t>(job.id()) * 31U + static_cast<std::uint64_t>(job.attempt())) * 0x9e3779b97f4a7c15U;
    return visor::duration{static_cast<std::int64_t>((mixed >> 20U) % static_cast<std::uint64_t>(longest.count()))};
  }

  void add_type(std::string name, visor::handler code, visor::duration timeout = 0s) {
    visor::job_type_options options;
    options.timeout = timeout;
    options.backoff.kind = one_in(2) ? visor::backoff_kind::fixed : visor::backoff_kind::exponential;
    options.backoff.base = one_of<visor::duration>({0s, 100ms, 3s});
    options.backoff.cap = 10s;
    world.add(visor::job_type(std::move(name), std::move(code), options));
  }

  void add_types() {
    auto const clock = world.clock();
    add_type("quick", [](visor::job_context&) -> visor::task<> { co_return; });
    add_type("slow", [clock](visor::job_context& job) -> visor::task<> {
      auto work = sleep_for(job, clock, length_of(job, 20s));
      co_await std::move(work);
    });
    add_type("flaky", [clock](visor::job_context& job) -> visor::task<> {
      auto work = sleep_for(job, clock, length_of(job, 500ms));
      co_await std::move(work);
      if (job.attempt() % 3 != 0) throw std::runtime_error("not yet");
    });
    add_type("hopeless", [](visor::job_context&) -> visor::task<> {
      throw visor::permanent_failure("no");
      co_return;
    });
    add_type(
        "hanging",
        [clock](visor::job_context& job) -> visor::task<> {
          auto work = sleep_for(job, clock, 24h);
          co_await std::move(work);
        },
        5s);
    add_type("deaf", [clock](visor::job_context& job) -> visor::task<> {
      co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
      auto work = sleep_for(job, clock, length_of(job, 90s));
      co_await std::move(work);
    });
  }

  visor::schedule_record schedule(std::string id, std::string expression, std::string type) const {
    visor::schedule_record record;
    record.id = std::move(id);
    record.expression = std::move(expression);
    record.type = std::move(type);
    record.max_attempts = 1000;
    record.misfire = visor::misfire::all;
    record.misfire_limit = 1000;
    return record;
  }

  void add_schedules() {
    if (one_in(2)) {
      steady.emplace_back("steady", 5s);
      world.add(schedule("steady", "*/5 * * * * *", "quick"));
    }
    if (one_in(2)) {
      steady.emplace_back("flaky", 10s);
      world.add(schedule("flaky", "*/10 * * * * *", "flaky"));
    }
    changing_ = schedule("changing", one_in(4) ? "* * * * * *" : "*/10 * * * * *", "quick");
    if (one_in(2)) changing_.misfire = visor::misfire::latest;
    if (one_in(2)) world.add(changing_);
    if (one_in(2)) {
      auto record = schedule("in-turn", "*/15 * * * * *", "slow");
      record.overlap = one_of({visor::overlap::skip, visor::overlap::queue, visor::overlap::cancel});
      record.misfire = visor::misfire::skip;
      one_at_a_time.push_back(record.id);
      world.add(record);
    }
    if (one_in(4)) {
      auto record = schedule("once", "", "slow");
      record.next_at = world.clock().now() + 70s;
      world.add(record);
    }
  }

  void keep_enqueueing() {
    visor::duration const mean = one_of<visor::duration>({1s, 10s, 30s});
    world.after(visor::duration{static_cast<std::int64_t>(below(static_cast<std::size_t>(2 * mean.count())))}, [this] {
      if (is_resting_) return;
      enqueue();
      keep_enqueueing();
    });
  }

  void enqueue() {
    visor::new_job job;
    job.type = one_of<char const*>({"quick", "slow", "slow", "flaky", "hopeless", "hanging", "deaf"});
    job.priority = one_of({1, 100});
    job.max_attempts = job.type == "hanging" || one_in(4) ? 1 + static_cast<int>(below(3)) : 1000;
    if (one_in(5)) job.run_at = world.clock().now() + visor::duration{std::chrono::seconds(below(60))};
    auto const id = world.enqueue(std::move(job));
    enqueued.insert(id);
    if (one_in(10)) {
      cancelled.insert(id);
      world.after(std::chrono::seconds(below(20)), [this, id] { world.cancel(id); });
    }
  }

  /// From now and then on, processes that start have another version of a schedule.
  void keep_deploying() {
    world.after(std::chrono::seconds(5 + below(30)), [this] {
      if (is_resting_) return;
      changing_.payload = "{\"version\":" + std::to_string(++version_) + "}";
      world.add(changing_);
      world.stop(below(world.machines()), 0s);
      keep_deploying();
    });
  }

  visor::schedule_record changing_;
  int version_ = 0;
};

}  // namespace visor_test

#endif
