#ifndef VISOR_SIMULATION_HPP
#define VISOR_SIMULATION_HPP

/// \file
/// A whole cluster in one thread and in virtual time: `visor::simulation`. It tests handlers and schedules against all that may
/// happen to nodes and to their calls to the store, thousands of times in a minute. A seed that revealed a bug reproduces it.

#include "visor/engine/engine.hpp"
#include "visor/simulation/simulated_clock.hpp"
#include "visor/simulation/simulated_cluster.hpp"
#include "visor/simulation/simulated_store.hpp"
#include "visor/store/memory_store.hpp"
#include "visor/store/schedule_rules.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor {

/// Simulates nodes, each a real `engine`, on one store, in virtual time and in one thread. The run depends only on the seed,
/// the faults and the calls made here: not on real time, addresses of memory, or the machine. Handlers must keep to that too:
/// they wait with a `simulated_clock::timer` made from `job.executor()` and `clock()`, and are coroutines that never block.
///
///     visor::simulated_faults faults;
///     faults.crash = 5min;                                    // one node of the cluster in five minutes
///     faults.unanswered = 0.01;                               // one call to the store in a hundred
///     visor::simulation cluster(seed, faults);
///
///     cluster.add(visor::job_type("send", send, options));      // the handler under test
///     for (int i = 0; i < 3; ++i) cluster.add_node();
///     cluster.enqueue(job);
///
///     cluster.run_for(1h);                                      // some milliseconds
///     CHECK(cluster.rest(1h));                                  // no more faults: does everything end?
///     // now look at the effects of the handler, at cluster.runs() and at cluster.run_sync(cluster.store().attempts(id))
///
/// \tparam Store constructible from a `simulated_clock`; its operations must complete without suspending. Beside the operations
///   of the concept it has `back_up`, `restore`, `restored` and `refuse_moves`, and their types; see `memory_store`.
/// Thread-safety: none; any number of simulations may run, each in a thread of its own.
template <store Store = memory_store<simulated_clock>>
class basic_simulation {
 public:
  explicit basic_simulation(std::uint64_t seed, simulated_faults faults = simulated_faults()) : cluster_(seed) {
    cluster_.faults = faults;
    run_sync(store_.open());
    keep_happening(&simulated_faults::crash, [this](std::size_t which) { crash(which, cluster_.up_to(cluster_.faults.longest_downtime)); });
    keep_happening(&simulated_faults::pause, [this](std::size_t which) { pause(which, cluster_.up_to(cluster_.faults.longest_pause)); });
    keep_happening(&simulated_faults::suspend,
                   [this](std::size_t which) { suspend(which, cluster_.up_to(cluster_.faults.longest_pause)); });
    keep_happening(&simulated_faults::stop, [this](std::size_t which) { stop(which, cluster_.up_to(cluster_.faults.longest_downtime)); });
    keep_happening(&simulated_faults::clock_step, [this](std::size_t which) {
      step_clock(which, cluster_.up_to(2 * cluster_.faults.longest_step) - cluster_.faults.longest_step);
    });
    keep_happening(&simulated_faults::full_log,
                   [this](std::size_t which) { fill_log(which, cluster_.up_to(cluster_.faults.longest_pause)); });
    keep_happening(&simulated_faults::store_step, [this](std::size_t) {
      auto const longest = cluster_.faults.longest_store_step;
      step_store_clock(cluster_.happens(0.5) ? duration{0} : cluster_.up_to(2 * longest) - longest);
    });
    keep_happening(&simulated_faults::restore, [this](std::size_t) { restore_later(cluster_.up_to(cluster_.faults.longest_backup_age)); });
  }
  basic_simulation(basic_simulation const&) = delete;
  basic_simulation& operator=(basic_simulation const&) = delete;
  ~basic_simulation() {
    for (auto& each : machines_) destroy(each);
    cluster_.time.forget(cluster_.server);
  }

  /// Sets the sink for one line per event, and for the log lines of the engines. Logging does not change the run.
  void log_to(std::function<void(std::string_view)> sink) { cluster_.log = std::move(sink); }

  // --- the program ----------------------------------------------------------------------------------------------------------------

  /// Registers a job type for every process that starts from now on.
  /// \param knows whether the program of a machine has the type; empty: on all machines
  void add(job_type type, std::function<bool(std::size_t)> knows = {}) { types_.push_back({std::move(type), std::move(knows)}); }

  /// Adds a schedule to the program of every process that starts from now on. It replaces one of the same id, as a new version
  /// would.
  void add(schedule_record schedule) {
    schedule.origin = origin::code;
    std::erase_if(schedules_, [&](schedule_record const& other) { return other.id == schedule.id; });
    schedules_.push_back(std::move(schedule));
  }

  /// Makes the store permanently refuse such results, and the jobs of such fires, as a CHECK or an encoding does.
  /// \param moves see `memory_store::refuse_moves`
  void refuse(std::function<bool(job_result const&)> results, std::function<bool(fire_order const&)> fires = {},
              std::function<bool(job_record const&, int, job_state)> moves = {}) {
    cluster_.refuses_result = std::move(results);
    cluster_.refuses_fire = std::move(fires);
    store_.refuse_moves(std::move(moves));
  }

  /// Removes a schedule from the program of every process that starts from now on.
  void remove_schedule(std::string const& id) {
    std::erase_if(schedules_, [&](schedule_record const& other) { return other.id == id; });
  }

  /// Adds a machine with one node on it, and starts it. A process that ends is started again after a while, as by a service
  /// manager.
  /// \param settings with an empty name, the node is given one. Of two machines with the same name, only one at a time can join
  /// \return the number of the machine, from 0
  /// \throws visor::error `invalid_argument` when a setting is out of range
  std::size_t add_node(node_settings settings = cluster_settings()) {
    settings.check();
    machine& made = machines_.emplace_back();
    made.settings = std::move(settings);
    std::size_t const number = machines_.size() - 1;
    made.has_own_name = !made.settings.name.empty();
    if (!made.has_own_name) made.settings.name = "node" + std::to_string(number);
    made.address = new_address();
    start(number);
    return number;
  }

  /// Returns the settings of a node that is one of several.
  static node_settings cluster_settings() {
    node_settings result;
    result.exclusive = false;
    return result;
  }

  std::size_t machines() const { return machines_.size(); }

  // --- what happens ---------------------------------------------------------------------------------------------------------------

  /// Advances the virtual time and runs all that falls due.
  /// \throws std::logic_error when the work of one instant never ends
  void run_for(duration length) {
    auto const end = cluster_.time.elapsed() + length;
    settle();
    for (auto next = cluster_.time.next_due(); next && *next <= end; next = cluster_.time.next_due()) {
      if (*next > cluster_.time.elapsed()) handled_ = 0;
      cluster_.time.move_to(*next);
      settle();
    }
    cluster_.time.move_to(end);
  }

  /// Calls `what` after a time.
  void after(duration wait, std::function<void()> what) { cluster_.time.at(cluster_.time.elapsed() + wait, std::move(what)); }

  /// Kills the process of a machine. A new one starts after `downtime`.
  void crash(std::size_t which, duration downtime) {
    if (!machines_[which].engine) return;
    ++cluster_.counts.crashes;
    end(which, simulated_process::end::crashed, downtime);
  }

  /// Stops a process from executing for a time; then it continues.
  void pause(std::size_t which, duration length) {
    if (hold(which, length, false)) ++cluster_.counts.pauses;
  }

  /// Pauses a process, and stops the clock of its machine meanwhile, except the time of day.
  void suspend(std::size_t which, duration length) {
    if (hold(which, length, true)) ++cluster_.counts.suspensions;
  }

  /// Asks a process to stop, which drains it. A new one starts after `downtime`.
  void stop(std::size_t which, duration downtime) {
    auto& stopped = machines_[which];
    auto& about = cluster_.processes[stopped.process];
    if (!stopped.engine || about.asked_to_stop) return;
    ++cluster_.counts.stops;
    cluster_.note("is asked to stop", stopped.process);
    about.asked_to_stop = cluster_.now();
    stopped.downtime = downtime;
    stopped.engine->stop();
  }

  /// Sets the time of day of a machine off the true time.
  void step_clock(std::size_t which, duration offset) {
    ++cluster_.counts.clock_steps;
    machines_[which].time.ahead = offset;
    cluster_.note("the clock is set", machines_[which].process, offset.count());
  }

  /// Drops the log lines of a process for a time.
  void fill_log(std::size_t which, duration length) {
    cluster_.note("the log is full", machines_[which].process, length.count());
    machines_[which].log_full_until = cluster_.time.elapsed() + length;
  }

  /// Sets the clock of the store off the true time.
  void step_store_clock(duration ahead) {
    if (ahead == cluster_.store_time.ahead) return;
    ++cluster_.counts.store_steps;
    cluster_.note("the clock of the store is set", cluster_.nobody, ahead.count());
    cluster_.store_time.ahead = ahead;
    cluster_.store_steps.push_back({cluster_.now(), ahead});
    surprise(cluster_.now());
  }

  /// Backs up the store, and restores it after `age`. Visor is told of the restore up to `longest_untold` later. Does nothing
  /// while another restore is pending.
  void restore_later(duration age) {
    if (is_restoring_) return;
    is_restoring_ = true;
    auto kept = std::make_shared<typename Store::backup const>(store_.back_up());
    cluster_.note("is backed up", cluster_.nobody, age.count());
    after(age, [this, kept, backed_up = cluster_.now()] { restore_and_tell(kept, backed_up); });
  }

  /// Enqueues a job as a client that repeats its call until the call is acknowledged.
  /// \param job its id is assigned here
  job_id enqueue(new_job job) {
    job.id = run_sync(store_.reserve_ids(1)).take();
    boost::asio::co_spawn(cluster_.server, hand_in(job), boost::asio::detached);
    return job.id;
  }

  /// Requests that a job be cancelled, as a client that does not repeat its call.
  void cancel(job_id id) { boost::asio::co_spawn(cluster_.server, withdraw(id), boost::asio::detached); }

  // --- the end --------------------------------------------------------------------------------------------------------------------

  /// Ends all faults. Resumes the paused processes, and starts one where the last has ended.
  void calm() {
    auto const before = cluster_.faults.mean_call;
    cluster_.faults = simulated_faults();
    cluster_.faults.mean_call = before;
    cluster_.faults.longest_downtime = duration{0};
    is_calm_ = true;
    tell_restored();
    step_store_clock(duration{0});
    for (std::size_t which = 0; which < machines_.size(); ++which) {
      resume(which, machines_[which].process);
      if (!machines_[which].engine) start(which);
    }
  }

  /// Ends the faults, pauses the schedules once they have caught up, and waits until every job has ended.
  /// \return false when that took longer than `limit`
  bool rest(duration limit) {
    calm();
    duration longest{};
    for (auto const& each : machines_) longest = std::max(longest, each.settings.lease_ttl + each.settings.heartbeat_interval);
    run_for(longest + std::chrono::minutes{1});
    for (auto& each : run_sync(store_.schedules(schedule_filter()))) {
      if (each.state != schedule_state::active) continue;
      each.state = schedule_state::paused;
      run_sync(store_.update_schedule(each));
    }
    for (duration waited{}; open_jobs() != 0; waited += std::chrono::seconds{10}) {
      if (waited >= limit) return false;
      run_for(std::chrono::seconds{10});
    }
    return true;
  }

  /// Drains every process and starts none again.
  /// \return false when that took longer than `limit`
  bool stop_all(duration limit) {
    is_over_ = true;
    for (std::size_t which = 0; which < machines_.size(); ++which) stop(which, duration{0});
    run_for(limit);
    return std::ranges::none_of(machines_, [](machine const& each) { return each.engine != nullptr; });
  }

  // --- what happened --------------------------------------------------------------------------------------------------------------

  /// Returns the true time. The store has the same time until its clock is set.
  simulated_clock clock() { return {cluster_.time, true_time_}; }
  /// Returns the clock of a machine.
  simulated_clock clock(std::size_t which) { return {cluster_.time, machines_.at(which).time}; }

  std::vector<simulated_run> const& runs() const { return cluster_.runs; }
  std::vector<simulated_claim> const& claims() const { return cluster_.claims; }
  std::vector<simulated_process> const& processes() const { return cluster_.processes; }
  simulated_counts const& counts() const { return cluster_.counts; }
  std::vector<simulated_store_step> const& store_steps() const { return cluster_.store_steps; }
  std::vector<simulated_restore> const& restores() const { return cluster_.restores; }

  /// Returns the jobs that were lost by a restore: the older state does not have them.
  std::set<job_id> const& forgotten() const { return cluster_.forgotten; }

  /// Returns the ids of the jobs whose enqueue was acknowledged to the client.
  std::vector<job_id> const& acknowledged() const { return acknowledged_; }

  /// Returns a hash of the whole run: the same for the same seed, faults and calls.
  std::uint64_t trace() const { return cluster_.trace; }

  /// Returns the store itself, without faults.
  Store& store() { return store_; }

  /// Runs an operation of the store and returns its result: `cluster.run_sync(cluster.store().attempts(id))`.
  template <class T>
  T run_sync(task<T> operation) {
    std::optional<T> answer;
    complete(keep(std::move(operation), answer));
    return std::move(*answer);
  }
  void run_sync(task<> operation) { complete(std::move(operation)); }

  /// Counts the jobs that have not ended.
  std::size_t open_jobs() {
    std::size_t result = 0;
    for (auto const state : {job_state::running, job_state::ready, job_state::scheduled, job_state::waiting}) {
      job_filter filter;
      filter.state = state;
      filter.limit = static_cast<std::size_t>(-1);
      result += run_sync(store_.jobs(filter)).size();
    }
    return result;
  }

 private:
  using view_type = detail::simulated_store<Store>;
  using engine_type = engine<view_type, simulated_clock>;

  /// A node, and its current process if there is one.
  struct machine {
    node_settings settings;
    detail::machine_time time;
    process_identity address;
    std::size_t process = 0;  ///< the index of the last one
    duration downtime{};      ///< from the end of the process to the next start
    duration log_full_until{};
    bool has_own_name = false;  ///< all of its processes have that name
    bool is_paused = false;
    bool has_ended = false;  ///< `run` has completed; the process is still to be cleaned up
    // Each process has its own context. A pause does not run it for a while, and a crash never runs it again.
    std::unique_ptr<boost::asio::io_context> io;
    std::unique_ptr<view_type> view;
    std::unique_ptr<engine_type> engine;
  };

  /// Repeats a fault at random times. \param mean the member with the mean interval; 0 for never
  void keep_happening(duration simulated_faults::* mean, std::function<void(std::size_t)> what) {
    if (cluster_.faults.*mean <= duration{0}) return;
    after(cluster_.up_to(2 * (cluster_.faults.*mean)), [this, mean, what] {
      if (cluster_.faults.*mean <= duration{0}) return;  // it is calm now
      if (!machines_.empty()) what(cluster_.below(machines_.size()));
      keep_happening(mean, what);
    });
  }

  process_identity new_address() {
    process_identity result;
    result.host = "simulated" + std::to_string(++addresses_);
    result.pid = 1;
    result.start = "1";
    return result;
  }

  // A process.

  void start(std::size_t which) {
    machine& on = machines_[which];
    if (is_over_ || on.engine) return;
    on.process = cluster_.processes.size();
    auto& about = cluster_.processes.emplace_back();
    about.node = on.settings.name;
    about.machine = which;
    about.address = on.address.host;
    about.started = cluster_.now();
    cluster_.note("starts", on.process);
    on.is_paused = on.has_ended = false;
    on.downtime = cluster_.up_to(cluster_.faults.longest_downtime);
    on.io = std::make_unique<boost::asio::io_context>(1);
    on.view = std::make_unique<view_type>(store_, cluster_, on.process);
    log_sink sink;
    if (cluster_.log || cluster_.faults.full_log > duration{0})
      sink = [this, which, process = on.process](log_level, std::string_view line) { log(which, process, line); };
    engine_origin origin;
    origin.identity = on.address;
    origin.seed = cluster_.random();
    on.engine = std::make_unique<engine_type>(on.io->get_executor(), *on.view, on.settings, clock(which), sink, origin);
    for (auto const& each : types_)
      if (!each.knows || each.knows(which)) on.engine->add(watched(each.type, on.process));
    on.engine->declare(schedule_set(origin::code));
    for (auto const& schedule : schedules_) {
      about.schedules.emplace(schedule.id, definition_digest(schedule));
      on.engine->add(schedule);
    }
    boost::asio::co_spawn(*on.io, on.engine->run(), [this, which](std::exception_ptr thrown) { has_run(which, thrown); });
  }

  void log(std::size_t which, std::size_t process, std::string_view line) {
    if (cluster_.time.elapsed() < machines_[which].log_full_until)
      ++cluster_.counts.dropped_lines;
    else if (cluster_.log)
      cluster_.say(line, process);
  }

  void has_run(std::size_t which, std::exception_ptr const& thrown) {
    machine& on = machines_[which];
    auto& about = cluster_.processes[on.process];
    about.lost_leases = on.engine->counters().lost_leases;
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (std::exception const& failure) {
      about.failure = failure.what();
    }
    on.has_ended = true;
  }

  void clear_ended() {
    for (std::size_t which = 0; which < machines_.size(); ++which)
      if (auto& on = machines_[which]; on.has_ended) {
        auto const failed = !cluster_.processes[on.process].failure.empty();
        end(which, failed ? simulated_process::end::failed : simulated_process::end::stopped, on.downtime);
      }
  }

  void end(std::size_t which, enum simulated_process::end how, duration downtime) {
    machine& on = machines_[which];
    auto& about = cluster_.processes[on.process];
    cluster_.note("ends", on.process, static_cast<int>(how));
    about.how = how;
    about.ended = cluster_.now();
    end_pause(on);
    destroy(on);
    // The next process has another address, or another name too. Otherwise the store replaces its predecessor at once.
    if (cluster_.happens(0.5)) on.address = new_address();
    if (cluster_.happens(0.3) && !on.has_own_name) on.settings.name = "node" + std::to_string(which) + "-" + std::to_string(++names_);
    after(downtime, [this, which] { start(which); });
  }

  /// Destroys a process: pending waits before the objects that they refer to. The context, which destroys the rest, goes before
  /// the view of the store.
  void destroy(machine& on) {
    if (!on.io) return;
    cluster_.time.forget(*on.io);
    on.engine.reset();
    on.io.reset();
    on.view.reset();
    on.is_paused = on.has_ended = false;
  }

  void resume(std::size_t which, std::size_t process) {
    machine& on = machines_[which];
    if (!on.engine || on.process != process || !on.is_paused) return;
    cluster_.note("goes on", process);
    end_pause(on);
  }

  bool hold(std::size_t which, duration length, bool suspended) {
    machine& on = machines_[which];
    if (!on.engine || on.is_paused) return false;
    cluster_.note(suspended ? "is suspended" : "is paused", on.process, length.count());
    on.is_paused = true;
    cluster_.processes[on.process].pauses.push_back(simulated_pause{cluster_.now(), cluster_.now() + length, suspended});
    after(length, [this, which, process = on.process] { resume(which, process); });
    return true;
  }

  /// Ends a pause. Timers that fell due while the clock of the machine stood still end early, as waits may.
  void end_pause(machine& on) {
    if (!on.is_paused) return;
    auto& pause = cluster_.processes[on.process].pauses.back();
    pause.until = cluster_.now();
    if (pause.suspended) on.time.behind += pause.until - pause.from;
    on.is_paused = false;
  }

  /// Wraps a job type so that each of its runs is recorded.
  job_type watched(job_type type, std::size_t process) {
    type.run = [this, process, code = std::move(type.run)](job_context& job) -> task<> {
      std::size_t const number = begins(job, process);
      auto const tell = [this, number, &job] { is_told(number, job.why_stopped()); };
      std::stop_callback const told{job.stop_token(), tell};
      std::exception_ptr thrown;
      try {
        auto work = code(job);
        co_await std::move(work);
      } catch (not_started const&) {
        thrown = std::current_exception();
        cluster_.runs[number].not_started = true;
      } catch (...) {
        thrown = std::current_exception();
      }
      ends(number, !thrown);
      if (thrown) std::rethrow_exception(thrown);
    };
    return type;
  }

  std::size_t begins(job_context const& job, std::size_t process) {
    auto& run = cluster_.runs.emplace_back();
    run.job = job.id();
    run.attempt = job.attempt();
    run.type = job.type();
    run.process = process;
    run.epoch = job.epoch();
    run.fence = job.fence();
    run.began = cluster_.now();
    cluster_.note("a run begins", process, run.job, run.attempt);
    return cluster_.runs.size() - 1;
  }

  void is_told(std::size_t number, stop_reason why) {
    auto& run = cluster_.runs[number];
    run.told_to_stop = cluster_.now();
    run.why = why;
    cluster_.note("a run is told to stop", run.process, run.job, static_cast<int>(why));
  }

  void ends(std::size_t number, bool returned) {
    auto& run = cluster_.runs[number];
    run.ended = cluster_.now();
    run.returned = returned;
    cluster_.note(returned ? "a run returns" : "a run throws", run.process, run.job, run.attempt);
  }

  // The store.

  /// Records that the leases known to living processes may have been wrong from `from` until now.
  void surprise(instant from) {
    for (auto& each : cluster_.processes)
      if (!each.ended || *each.ended >= from) each.surprises.push_back(simulated_span{from, cluster_.now()});
  }

  std::set<job_id> stored_jobs() {
    job_filter all;
    all.limit = static_cast<std::size_t>(-1);
    std::set<job_id> result;
    for (auto const& each : run_sync(store_.jobs(all))) result.insert(each.job.id);
    return result;
  }

  void restore_and_tell(std::shared_ptr<typename Store::backup const> const& kept, instant backed_up) {
    if (is_calm_) return;
    restore(*kept, backed_up);
    after(cluster_.up_to(cluster_.faults.longest_untold), [this, kept, backed_up] {
      if (cluster_.restores.back().told) return;
      tell_restored();
      if (!cluster_.happens(cluster_.faults.restored_again)) return;
      is_restoring_ = true;
      auto const wait = std::chrono::seconds{2} + cluster_.up_to(cluster_.faults.longest_backup_age);  // a restore takes some time
      after(wait, [this, kept, backed_up] { restore_and_tell(kept, backed_up); });
    });
  }

  void restore(typename Store::backup const& kept, instant backed_up) {
    ++cluster_.counts.restores;
    cluster_.note("is restored", cluster_.nobody, (backed_up - simulated_clock::start).count());
    auto const before = stored_jobs();
    store_.restore(kept);
    auto const left = stored_jobs();
    std::ranges::set_difference(before, left, std::inserter(cluster_.forgotten, cluster_.forgotten.end()));
    cluster_.restores.push_back({backed_up, cluster_.now(), std::nullopt});
  }

  /// Tells visor of the restore, as `visor db restored` does.
  void tell_restored() {
    if (cluster_.restores.empty() || cluster_.restores.back().told) return;
    cluster_.note("visor is told of the restored backup", cluster_.nobody, run_sync(store_.restored()));
    cluster_.restores.back().told = cluster_.now();
    surprise(cluster_.restores.back().restored);
    is_restoring_ = false;
  }

  // A client.

  task<> hand_in(new_job job) {
    std::vector<new_job> const jobs{job};
    for (;;) {
      try {
        co_await client_.enqueue(jobs);
        cluster_.note("a job is acknowledged", cluster_.nobody, job.id);
        acknowledged_.push_back(job.id);
        co_return;
      } catch (error const&) {
        cluster_.note("a job was not acknowledged", cluster_.nobody, job.id);
      }
    }
  }

  task<> withdraw(job_id id) {
    try {
      co_await client_.cancel_job(id);
    } catch (error const&) {
      cluster_.note("cancelling was not acknowledged", cluster_.nobody, id);
    }
  }

  // Running.

  /// Runs all that can run without time passing: some of one process, then of another, in random order.
  void settle() {
    for (bool any = true; any;) {
      any = false;
      std::size_t const first = cluster_.below(machines_.size() + 1);
      for (std::size_t i = 0; i <= machines_.size(); ++i) any = run_some((first + i) % (machines_.size() + 1)) || any;
      clear_ended();
    }
  }

  /// Runs one to four handlers of the context of one machine, or of the store.
  bool run_some(std::size_t which) {
    auto* io = &cluster_.server;
    if (which < machines_.size()) {
      if (!machines_[which].io || machines_[which].is_paused) return false;
      io = machines_[which].io.get();
    }
    io->restart();
    std::size_t done = 0;
    for (std::size_t most = 1 + cluster_.below(4); done < most && io->poll_one() != 0;) ++done;
    handled_ += done;
    if (handled_ > 1'000'000)
      throw std::logic_error("at " + to_string(cluster_.now()) + " something goes on for ever without time passing");
    return done != 0;
  }

  template <class T>
  static task<> keep(task<T> operation, std::optional<T>& answer) {
    answer.emplace(co_await std::move(operation));
  }

  void complete(task<> operation) {
    boost::asio::io_context io{1};
    std::exception_ptr failure;
    bool answered = false;
    boost::asio::co_spawn(io, std::move(operation), [&](std::exception_ptr thrown) {
      failure = thrown;
      answered = true;
    });
    io.run();
    if (failure) std::rethrow_exception(failure);
    if (!answered) throw std::logic_error("the store of a simulation must answer at once");
  }

  static constexpr detail::machine_time true_time_{};

  detail::simulated_cluster cluster_;
  Store store_{simulated_clock(cluster_.time, cluster_.store_time)};
  view_type client_{store_, cluster_, detail::simulated_cluster::nobody};
  struct known_type {
    job_type type;
    std::function<bool(std::size_t)> knows;
  };
  std::vector<known_type> types_;
  std::vector<schedule_record> schedules_;
  std::deque<machine> machines_;
  std::vector<job_id> acknowledged_;
  std::uint64_t handled_ = 0;
  int addresses_ = 0;
  int names_ = 0;
  bool is_over_ = false;
  bool is_calm_ = false;
  bool is_restoring_ = false;
};

using simulation = basic_simulation<>;

}  // namespace visor

#endif
