#ifndef VISOR_TESTS_SIMULATION_CLUSTER_HPP
#define VISOR_TESTS_SIMULATION_CLUSTER_HPP

#include "visor/simulation.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
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

/// A cluster from a seed: the number of nodes, their settings, the faults and their rates, and the work. Most seeds leave out
/// some kinds of faults: with everything at once, events that need quiet before them would never happen.
class cluster {
 public:
  explicit cluster(std::uint64_t seed, std::function<void(std::string_view)> log = {}) : random_(seed), simulated(seed, choose_faults()) {
    if (log) simulated.log_to(std::move(log));
    add_types();
    add_schedules();
    settings = choose_settings();
    length = one_of<visor::duration>({3min, 5min, 10min});
    std::size_t const nodes = settings.exclusive ? 1 + below(2) : 1 + below(5);
    if (one_in(5)) namesakes.insert({0, nodes});
    knows_rare = settings.exclusive ? std::set<std::size_t>() : namesakes;
    if (knows_rare.empty() && !settings.exclusive) knows_rare.insert(below(nodes));
    for (std::size_t i = 0; i < nodes + (namesakes.empty() ? 0 : 1); ++i) {
      auto own = settings;
      if (namesakes.contains(i)) own.name = "namesake";
      simulated.add_node(own);
    }
    keep_enqueueing();
    if (one_in(3)) keep_deploying();
  }
  cluster(cluster const&) = delete;
  cluster& operator=(cluster const&) = delete;

  /// Runs the whole plan. \return the problems at the end
  std::vector<std::string> run() {
    simulated.run_for(length);
    is_resting_ = true;
    accepts_moves_from = simulated.clock().now();
    std::vector<std::string> problems = check_schedules();
    for (auto const id : repeated_ids_) problems.push_back("the id " + std::to_string(id) + " was given out twice");
    if (!simulated.rest(2h))
      problems.push_back(std::to_string(simulated.open_jobs()) + " jobs have not ended two hours after the last fault");
    if (!simulated.stop_all(settings.drain_timeout + settings.stop_grace + 10s)) problems.push_back("a node did not stop in time");
    return problems;
  }

 private:
  // Before the simulation, which is made of it.
  std::mt19937_64 random_;
  bool is_resting_ = false;

 public:
  visor::simulation simulated;
  visor::node_settings settings;
  visor::duration length;
  std::set<visor::job_id> enqueued;
  std::set<visor::job_id> cancelled;  ///< asked for by the client
  /// Schedules that never change and make up for everything, with their periods.
  std::vector<std::pair<std::string, visor::duration>> steady;
  /// Schedules that never change, with their periods: each of their instants has a row with its outcome.
  std::vector<std::pair<std::string, visor::duration>> accounted;
  /// Schedules whose jobs must not run beside each other.
  std::vector<std::string> one_at_a_time;
  /// One that no node can compute, with its instant.
  std::optional<visor::instant> not_computable;
  bool has_unfit = false;                            ///< a schedule of which the store refuses every job
  std::optional<visor::instant> accepts_moves_from;  ///< until then the store refuses to move jobs of type `stuck`
  std::set<std::size_t> namesakes;                   ///< machines whose nodes have one name
  std::set<std::size_t> knows_rare;                  ///< machines that know the type `rare`; none: all do

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
    if (one_in(4)) faults.full_log = 30s;
    choose_store(faults);
    return faults;
  }

  void choose_store(visor::simulated_faults& faults) {
    if (one_in(8)) faults.store_step = one_of<visor::duration>({20s, 2min});
    faults.longest_store_step = one_of<visor::duration>({30s, 5min});
    if (one_in(8)) faults.restore = one_of<visor::duration>({30s, 2min});
    faults.longest_backup_age = one_of<visor::duration>({1s, 1min});
    faults.restored_again = 0.4;
    faults.longest_untold = one_of<visor::duration>({0s, 10s, 3min});
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
    result.exclusive = one_in(8);
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

  std::string type_of(visor::job_id id) {
    auto const found = simulated.run_sync(simulated.store().find_job(id));
    return found ? found->job.type : std::string();
  }

  void add_type(std::string name, visor::handler code, visor::duration timeout = 0s, std::function<bool(std::size_t)> knows = {}) {
    visor::job_type_options options;
    options.timeout = timeout;
    options.backoff.kind = one_in(2) ? visor::backoff_kind::fixed : visor::backoff_kind::exponential;
    options.backoff.base = one_of<visor::duration>({0s, 100ms, 3s});
    options.backoff.cap = 10s;
    simulated.add(visor::job_type(std::move(name), std::move(code), options), std::move(knows));
  }

  void add_types() {
    auto const clock = simulated.clock();
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
    add_type(
        "rare",
        [clock](visor::job_context& job) -> visor::task<> {
          auto work = sleep_for(job, clock, length_of(job, 500ms));
          co_await std::move(work);
        },
        0s, [this](std::size_t machine) { return knows_rare.empty() || knows_rare.contains(machine); });
    // Of some of its jobs the first tries are not begun; of some no try is, as they need too much memory.
    add_type("unstartable", [tries = std::make_shared<std::map<visor::job_id, int>>()](visor::job_context& job) -> visor::task<> {
      if (job.id() % 5 == 0) throw visor::not_started(std::errc::not_enough_memory, "the program");
      auto const why = job.id() % 2 == 0 ? std::errc::too_many_files_open : std::errc::text_file_busy;
      if ((*tries)[job.id()]++ < static_cast<int>(job.id() % 4)) throw visor::not_started(why, "the program");
      co_return;
    });
    add_type("stuck", [clock](visor::job_context& job) -> visor::task<> {
      auto work = sleep_for(job, clock, length_of(job, 60s));
      co_await std::move(work);
    });
    add_type("chatty", [](visor::job_context& job) -> visor::task<> {
      job.log("10 \xE2\x82\xAC");
      co_return;
    });
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
      accounted.emplace_back("steady", 5s);
      simulated.add(schedule("steady", "*/5 * * * * *", "quick"));
    }
    if (one_in(2)) {
      steady.emplace_back("flaky", 10s);
      accounted.emplace_back("flaky", 10s);
      simulated.add(schedule("flaky", "*/10 * * * * *", "flaky"));
    }
    changing_ = schedule("changing", one_in(4) ? "* * * * * *" : "*/10 * * * * *", "quick");
    if (one_in(2)) changing_.misfire = visor::misfire::latest;
    if (one_in(2)) simulated.add(changing_);
    if (one_in(2)) {
      auto record = schedule("latest", "*/6 * * * * *", "quick");
      record.misfire = visor::misfire::latest;
      accounted.emplace_back(record.id, 6s);
      simulated.add(record);
    }
    // The store refuses the output of some jobs, that some are tried again, and all jobs of a schedule.
    auto const is_refused = [this](visor::job_result const& done) {
      if (done.retry_after && !accepts_moves_from && type_of(done.job) == "stuck") return true;
      return done.output && done.output->find("\xE2\x82\xAC") != std::string::npos;
    };
    auto const is_stuck = [this](visor::job_record const& job, int attempt, visor::job_state to) {
      return job.type == "stuck" && to == visor::job_state::ready && (attempt > 1 || job.id % 4 == 1) && !accepts_moves_from;
    };
    auto const is_unfit = [](visor::fire_order const& order) { return order.schedule == "unfit" && !order.planned.empty(); };
    simulated.refuse(is_refused, is_unfit, is_stuck);
    if (one_in(4)) {
      has_unfit = true;
      simulated.add(schedule("unfit", "*/10 * * * * *", "quick"));
    }
    if (one_in(8)) {
      auto record = schedule("of the future", "@when-the-moon-is-full", "quick");
      record.next_at = not_computable = simulated.clock().now() + 20s;
      simulated.run_sync(simulated.store().add_schedule(record));
    }
    if (one_in(2)) {
      auto record = schedule("in-turn", "*/15 * * * * *", "slow");
      record.overlap = one_of({visor::overlap::skip, visor::overlap::queue, visor::overlap::cancel});
      record.misfire = visor::misfire::skip;
      one_at_a_time.push_back(record.id);
      accounted.emplace_back(record.id, 15s);
      simulated.add(record);
    }
    if (one_in(4)) {
      auto record = schedule("once", "", "slow");
      record.next_at = simulated.clock().now() + 70s;
      simulated.add(record);
    }
  }

  void keep_enqueueing() {
    visor::duration const mean = one_of<visor::duration>({1s, 10s, 30s});
    simulated.after(visor::duration{static_cast<std::int64_t>(below(static_cast<std::size_t>(2 * mean.count())))}, [this] {
      if (is_resting_) return;
      enqueue();
      keep_enqueueing();
    });
  }

  void enqueue() {
    visor::new_job job;
    job.type =
        one_of<char const*>({"quick", "slow", "slow", "flaky", "hopeless", "hanging", "deaf", "rare", "unstartable", "chatty", "stuck"});
    job.priority = one_of({1, 100});
    bool const never_completes = job.type == "hanging" || job.type == "unstartable";
    job.max_attempts = never_completes || one_in(4) ? 1 + static_cast<int>(below(3)) : 1000;
    if (one_in(5)) job.run_at = simulated.clock().now() + visor::duration{std::chrono::seconds(below(60))};
    auto const id = simulated.enqueue(std::move(job));
    bool const is_new = enqueued.insert(id).second;
    bool const is_told = simulated.restores().empty() || simulated.restores().back().told;
    if (is_told && !is_new) repeated_ids_.push_back(id);
    if (one_in(10)) {
      cancelled.insert(id);
      simulated.after(std::chrono::seconds(below(20)), [this, id] { simulated.cancel(id); });
    }
  }

  /// From now and then on, processes that start have another version of a schedule, be it one that was there before, and one schedule more
  /// in some versions. There are as many as the store remembers.
  void keep_deploying() {
    simulated.after(std::chrono::seconds(5 + below(30)), [this] {
      if (is_resting_) return;
      version_ = 1 + (version_ + (one_in(3) ? 1 : 0)) % 3;
      changing_.payload = "{\"version\":" + std::to_string(version_) + "}";
      simulated.add(changing_);
      if (version_ % 2 == 0)
        simulated.add(schedule("extra", "*/10 * * * * *", "quick"));
      else
        simulated.remove_schedule("extra");
      simulated.stop(below(simulated.machines()), 0s);
      keep_deploying();
    });
  }

  /// When nothing goes wrong any more, there are the schedules that some living process declares, as one of these declares them.
  std::vector<std::string> check_schedules() {
    simulated.calm();
    simulated.run_for(settings.lease_ttl + settings.heartbeat_interval + settings.poll_interval + 1min);
    if (!simulated.store_steps().empty()) simulated.run_for(5min);  // for as long a lease may be that was given out meanwhile
    if (not_computable) simulated.run_for(11min);                   // others may be able to
    std::map<std::string, std::set<std::string>> declared;
    for (auto const& process : simulated.processes()) {
      bool const is_joined = !process.leases.empty() && process.leases.back().until > simulated.clock().now();
      if (process.ended || !is_joined) continue;  // others are kept out by one that lives
      for (auto const& [id, digest] : process.schedules) declared[id].insert(digest);
    }
    std::vector<std::string> problems;
    for (auto const& each : simulated.run_sync(simulated.store().schedules(visor::schedule_filter()))) {
      if (each.origin == visor::origin::user) continue;
      auto const at = declared.find(each.id);
      if (at == declared.end())
        problems.push_back("schedule " + each.id + " is there, and no living node declares it");
      else if (!at->second.contains(visor::definition_digest(each)))
        problems.push_back("schedule " + each.id + " is not as any living node declares it: " + each.payload);
      else if (simulated.store_steps().empty() && is_outdated(each, at->second))  // the store's clock tells which is newest
        problems.push_back("schedule " + each.id + " is not as the newest of the living nodes declares it: " + each.payload);
      if (at != declared.end()) declared.erase(at);
    }
    for (auto const& [id, _] : declared) problems.push_back("schedule " + id + " is not there, and a living node declares it");
    return problems;
  }

  /// Whether a living node declares a definition that was first declared later, and long after this one.
  bool is_outdated(visor::schedule_record const& stored, std::set<std::string> const& living) const {
    auto const first_declared = [&](std::string const& digest) {
      auto first = visor::instant::max();
      for (auto const& process : simulated.processes()) {
        auto const at = process.schedules.find(stored.id);
        if (at == process.schedules.end() || at->second != digest) continue;
        for (auto const when : process.declared)
          if (!is_forgotten(when)) first = std::min(first, when);
      }
      return first;
    };
    auto const own = first_declared(visor::definition_digest(stored));
    return std::ranges::any_of(living, [&](std::string const& other) { return first_declared(other) > own + 1min; });
  }

  /// Whether a declaration of that time was lost by the restore of an older state.
  bool is_forgotten(visor::instant when) const {
    return std::ranges::any_of(simulated.restores(),
                               [&](visor::simulated_restore const& each) { return each.backed_up < when && when <= each.restored; });
  }

  std::vector<visor::job_id> repeated_ids_;
  visor::schedule_record changing_;
  int version_ = 0;
};

}  // namespace visor_test

#endif
