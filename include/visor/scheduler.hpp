#ifndef VISOR_SCHEDULER_HPP
#define VISOR_SCHEDULER_HPP

#include "visor/async/clock.hpp"
#include "visor/base/log.hpp"
#include "visor/base/log_buffer.hpp"
#include "visor/config/settings.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/detail/scheduler_core.hpp"
#include "visor/handler/typed.hpp"
#include "visor/jobs.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/describe/enum_to_string.hpp>

#include <atomic>
#include <concepts>
#include <csignal>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor {

/// The options of one schedule.
struct schedule_options {
  time_zone zone = time_zone::utc();
  visor::misfire misfire = visor::misfire::latest;
  int misfire_limit = 100;    ///< for `misfire::all`: how many at most
  duration misfire_window{};  ///< for `misfire::window`: the greatest age
  visor::overlap overlap = visor::overlap::allow;
  dst_policy dst;  ///< policy for clock changes; only for schedules that follow the clocks: not for `@every` and not for one instant
  std::string description;
  schedule_options() = default;
  schedule_options(time_zone where) : zone(where) {}
};

namespace detail {

/// Resolves the settings that a scheduler obeys. Where `ha` differs from its default, the node's own settings follow it, as
/// when a file is read.
/// \throws visor::error `invalid_argument` for settings that a scheduler of this driver would ignore
inline settings obeyed(settings how, std::string_view driver) {
  auto const refuse = [](std::string const& what) { throw error(errc::invalid_argument, what); };
  settings const standard;
  std::string const said = boost::describe::enum_to_string(how.storage.driver, "");
  if (how.storage.driver != standard.storage.driver && said != driver)
    refuse("storage.driver is " + said + ", but this scheduler is one of the driver " + std::string(driver));
  if (!how.storage.path.empty()) refuse("storage.path is set: only the program `visor run` takes such a file over");
  if (!how.cron.empty() || !how.workflows.empty())
    refuse("cron and workflows are for the program `visor run`: here schedules are added by at(), and job types by on()");
  if (how.ha.enabled) how.node.exclusive = false;
  if (!how.node.exclusive && (driver == "sqlite" || driver == "memory"))
    refuse("ha.enabled or node.exclusive asks for several nodes, and " + std::string(driver) + " allows one");
  if (how.node.name.empty()) how.node.name = how.ha.node_id;
  if (how.ha.lock_ttl != standard.ha.lock_ttl) how.node.lease_ttl = how.ha.lock_ttl;
  if (how.ha.heartbeat_interval != standard.ha.heartbeat_interval) how.node.heartbeat_interval = how.ha.heartbeat_interval;
  if (how.check_interval_ms) how.node.poll_interval = *how.check_interval_ms;
  return how;
}

}  // namespace detail

/// Returns the settings of the environment for a driver. Headers of drivers overload it.
template <class Driver>
settings environment_settings(Driver) {
  return settings::from_environment();
}

/// Durable cron and jobs in one object: a store, a node on it, and the program's job types and schedules.
///
/// \tparam Driver a type that names a database: `visor::sqlite` (`visor/sqlite.hpp`), `visor::memory` (`visor/memory.hpp`)
/// \tparam Clock tests pass a `manual_clock`
///
/// Thread-safety: every operation that begins with `async_`, `stop` and `at` may be called from any thread. `on` may be called before the
///   first run only. `run` may be called on one thread at a time.
/// Executor: all work happens on the executor of the constructor, whose context must outlive the scheduler. A completion handler runs on
///   its associated executor, by default that of the scheduler.
/// Object lifetimes: the destructor is a hard stop. It waits for blocking functions and for the current step of the store, not for
///   coroutines. A running node does not leave the store: others take its jobs over when its lease ends, as after a crash. Coroutine
///   handlers are told to stop, and may still use what they refer to while the context runs. For an orderly end, let `async_close` complete
///   first.
/// Completion tokens: any, by default `boost::asio::use_awaitable`: `co_await scheduler.async_enqueue(…)`. Errors are passed to the
///   completion; initiations throw none.
template <class Driver, timekeeper Clock = wall_clock>
class scheduler {
  using core = detail::scheduler_core<Driver, Clock>;

 public:
  using executor_type = boost::asio::any_io_executor;
  using default_token = boost::asio::use_awaitable_t<>;
  using store_type =
      typename decltype(make_store(Driver(), std::declval<storage_settings const&>(), std::declval<Clock>(), log_sink()))::element_type;

  /// Creates the scheduler. It does not connect yet.
  /// \param executor runs all of the scheduler's work; any executor of Boost.Asio
  /// \param how by default read from the environment, as `load_environment` does for this driver
  /// \param log called on a thread of its own (`log_buffer`), so that a slow or stuck sink delays nothing but lines. While 1
  ///   MiB of lines waits, the newest are dropped, and counted. The destructor waits 2 s for the remaining lines. With a clock
  ///   other than `wall_clock`, as in tests, `log` is called at once, on the thread that produced the line.
  /// \throws visor::error `invalid_argument` when a setting is out of range, or would be ignored: another driver,
  ///   `storage.path`, `cron`, `workflows`
  explicit scheduler(executor_type executor, settings how = environment_settings(Driver()), Clock clock = Clock(), log_sink log = {});
  explicit scheduler(boost::asio::io_context& io, settings how = environment_settings(Driver()), Clock clock = Clock(), log_sink log = {})
      : scheduler(executor_type(io.get_executor()), std::move(how), std::move(clock), std::move(log)) {}
  scheduler(scheduler const&) = delete;
  scheduler& operator=(scheduler const&) = delete;
  /// Stops hard, and waits for blocking functions that run: a thread cannot be ended from outside.
  ~scheduler();

  executor_type get_executor() const;

  /// Registers the handler of a job type, whose name and options `job_type_of<Payload>` declares.
  /// \tparam Payload a described struct
  /// \param run a coroutine that returns `visor::task<>`, or a function that returns `void`. Such a function may block, and
  ///   runs on threads of its own, which start with the first such job. The handler is called with `(job_context&, Payload const&)` or
  ///   `(Payload const&)`; an exception means failure.
  /// \throws visor::error `already_exists` when the type has a handler, `invalid_argument` for options out of range
  template <class Payload, class Function>
  void on(Function run) {
    add(job_type(detail::job_type_name<Payload>(), handler_of<Payload>(std::move(run)), detail::declared_options<Payload>()));
  }

  /// Registers a job type that has no payload, or whose handler reads the payload itself.
  template <class Function>
  void on(std::string type, Function run, job_type_options options = job_type_options()) {
    auto code = handler_of<void>(std::move(run));
    add(job_type(std::move(type), std::move(code), std::move(options)));
  }

  /// Adds a schedule with a cron expression: `"0 2 * * *"_cron`. The id chooses the values of each `H` in it. All schedules of
  /// a program are declared together, under the name `settings::set`, as long as it runs. A schedule that the program declared
  /// in its last run and no longer declares is removed, unless another living node declares it. An unchanged schedule continues
  /// where it was, and its missed instants follow its misfire policy. A schedule that is added while the node runs is declared with the
  /// others within seconds.
  /// \param id unique; its fires are stored under it
  /// \throws visor::error `already_exists` when the program has a schedule of this id, `invalid_argument` when the id chooses days for `H`
  ///   that no year has, or `options.dst` is set for `@every`
  template <class Payload>
  void at(std::string id, cron_expression const& when, schedule_options options, Payload const& payload) {
    auto record = describe(std::move(id), options, payload);
    record.expression = when.to_string();
    if (when.is_interval()) refuse_dst(record);
    if (!when.is_interval() && !when.for_schedule(record.id).can_fire())
      throw error(errc::invalid_argument, "schedule " + record.id + " never fires: no year has the day that its id chooses for H");
    add(std::move(record));
  }
  template <class Payload>
  void at(std::string id, cron_expression const& when, Payload const& payload) {
    at(std::move(id), when, schedule_options(), payload);
  }

  /// Adds a schedule that fires once, at an instant.
  /// \throws visor::error as above, `invalid_argument` also when `options.dst` is set
  template <class Payload>
  void at(std::string id, instant when, Payload const& payload, schedule_options options = schedule_options()) {
    auto record = describe(std::move(id), options, payload);
    record.next_at = when;
    refuse_dst(record);
    record.phrase = to_string(when);  // part of the definition, so that another instant is another schedule
    add(std::move(record));
  }

  /// Declares the program's schedules even if it has none, so that those of an earlier run are removed. A program that calls
  /// neither this nor `at` leaves the stored schedules alone.
  void declare_schedules();

  /// Enqueues a job. Once this has completed, the job will reach exactly one final state, whatever happens to this process. It needs no
  /// running node, and works until `async_close`.
  /// \param token completes with `void(std::exception_ptr, job_id)`; the error is a `visor::error`
  ///
  /// Errors: `invalid_argument` for a payload or an option that cannot be stored; `closed` after `async_close`; those of the database.
  ///   After `outcome_unknown` the job may exist.
  /// Per-operation cancellation: terminal. The job may exist then.
  template <class Payload, boost::asio::completion_token_for<void(std::exception_ptr, job_id)> Token = default_token>
  [[nodiscard]] auto async_enqueue(job<Payload> what, Token&& token = Token()) {
    return boost::asio::co_spawn(strand(), enqueue(prepare(std::span<job<Payload> const>(&what, 1))), std::forward<Token>(token));
  }

  /// Enqueues jobs, all of them or none, in one transaction.
  /// \param token completes with `void(std::exception_ptr, std::vector<job_id>)`, with the ids in the order of `all`
  ///
  /// Errors and cancellation: as those of `async_enqueue`.
  template <class Payload, boost::asio::completion_token_for<void(std::exception_ptr, std::vector<job_id>)> Token = default_token>
  [[nodiscard]] auto async_enqueue_many(std::vector<job<Payload>> all, Token&& token = Token()) {
    return boost::asio::co_spawn(strand(), enqueue_many(prepare(std::span<job<Payload> const>(all))), std::forward<Token>(token));
  }

  /// Runs the node until `stop()`, then drains. With `settings::enabled` false it completes at once. After it has completed, it may be
  /// called again.
  /// \param token completes with `void(std::exception_ptr)`
  ///
  /// Errors: `conflict` when the scheduler runs already; why the node could not start, ended by itself, or could not leave the store.
  /// Per-operation cancellation: none: a node has jobs to give back. Call `stop`.
  template <boost::asio::completion_token_for<void(std::exception_ptr)> Token = default_token>
  [[nodiscard]] auto async_run(Token&& token = Token()) {
    return boost::asio::co_spawn(strand(), work(), std::forward<Token>(token));
  }

  /// Ends the run as `stop` does, waits for it, and closes the store for good.
  /// \param token completes with `void(std::exception_ptr)`
  ///
  /// Per-operation cancellation: none. A second `stop` shortens the drain.
  template <boost::asio::completion_token_for<void(std::exception_ptr)> Token = default_token>
  [[nodiscard]] auto async_close(Token&& token = Token()) {
    return boost::asio::co_spawn(strand(), close(), std::forward<Token>(token));
  }

  /// Runs the node, and the `io_context` of the constructor, on this thread until SIGINT, SIGTERM or `stop()`. Then it drains and closes
  /// its connections. After a second signal it no longer waits for handlers; a third one ends the process. Other work of the context does
  /// not keep this function from returning.
  /// \throws visor::error when the node cannot start, ends by itself, or cannot leave the store; then others take over its jobs.
  ///   `invalid_argument` when the executor of the constructor is not that of an `io_context`: use `async_run`
  void run();

  /// Starts to drain. After a second call the drain no longer waits for handlers.
  void stop();

  /// Returns the store, for operations that this class does not offer. The store is open from the start of `run`, or the first
  /// `async_enqueue`, on.
  store_type& store() noexcept;

 private:
  using prepared_jobs = detail::attempted<std::vector<new_job>>;

  /// Makes a handler. Only functions that may block need threads, so only those make the scheduler start some.
  template <class Payload, class Function>
  handler handler_of(Function run) {
    if constexpr (detail::user_function<Function, Payload>::fits) {
      if constexpr (std::is_void_v<detail::user_result<Function, Payload>>)
        return make_handler<Payload>(std::move(run), blocking_executor());
      else
        return make_handler<Payload>(std::move(run));
    } else {
      return make_handler<Payload>(std::move(run));  // its static_assert names the arguments that a handler takes
    }
  }

  /// Makes the rows of jobs before any coroutine exists: that one must not refer to arguments of the caller.
  template <class Payload>
  prepared_jobs prepare(std::span<job<Payload> const> all) const {
    return prepared_jobs::by([&] {
      std::vector<new_job> result;
      result.reserve(all.size());
      for (auto const& each : all) result.push_back(each.to_record(payload_limit()));
      return result;
    });
  }

  template <class Payload>
  schedule_record describe(std::string id, schedule_options const& options, Payload const& payload) const {
    auto const job = visor::job<Payload>(payload).to_record(payload_limit());
    schedule_record record;
    record.id = std::move(id);
    record.origin = origin::code;
    record.zone = std::string(options.zone.name());
    record.type = job.type;
    record.payload = job.payload;
    record.queue = job.queue;
    record.priority = job.priority;
    record.max_attempts = job.max_attempts;
    record.max_lost = job.max_lost;
    record.misfire = options.misfire;
    record.misfire_limit = options.misfire_limit;
    record.misfire_window = options.misfire_window;
    record.overlap = options.overlap;
    record.dst_gap = options.dst.gap;
    record.dst_overlap = options.dst.overlap;
    if (!options.description.empty()) record.description = options.description;
    return record;
  }

  static void refuse_dst(schedule_record const& record) {
    if (record.dst_gap || record.dst_overlap)
      throw error(errc::invalid_argument,
                  "schedule " + record.id + ": options.dst goes with a cron expression; intervals and single instants know no clocks");
  }

  void add(job_type type);
  void add(schedule_record schedule);
  std::size_t payload_limit() const;
  boost::asio::strand<executor_type> strand() const;
  std::function<executor_type()> blocking_executor() const;
  task<job_id> enqueue(prepared_jobs jobs);
  task<std::vector<job_id>> enqueue_many(prepared_jobs jobs);
  task<> work();
  task<> close();

  log_sink told_;
  std::shared_ptr<std::atomic<bool>> is_silent_ = std::make_shared<std::atomic<bool>>(false);
  log_buffer lines_;
  std::shared_ptr<core> core_;
};

// Members that do not depend on a payload are defined outside of the class. An `extern template` then keeps them out of a file,
// and with them the engine, the store and the driver. Members that are defined in a class are inline, and a compiler generates
// those in every file.

template <class Driver, timekeeper Clock>
scheduler<Driver, Clock>::scheduler(executor_type executor, settings how, Clock clock, log_sink log)
    : told_(std::move(log)), lines_(told_) {
  log_sink sink = lines_.sink();
  if (!std::same_as<Clock, wall_clock> && told_)
    sink = [told = told_, is_silent = is_silent_](log_level level, std::string_view line) {
      if (!*is_silent) told(level, line);
    };
  core_ = std::make_shared<core>(std::move(executor), detail::obeyed(std::move(how), Driver::name), std::move(clock), std::move(sink));
  core_->begin();
}

template <class Driver, timekeeper Clock>
scheduler<Driver, Clock>::~scheduler() {
  core_->halt();
  *is_silent_ = true;
}

template <class Driver, timekeeper Clock>
typename scheduler<Driver, Clock>::executor_type scheduler<Driver, Clock>::get_executor() const {
  return core_->executor();
}

template <class Driver, timekeeper Clock>
void scheduler<Driver, Clock>::run() {
  using io_executor = boost::asio::io_context::executor_type;
  auto const* const executor = core_->executor().template target<io_executor>();
  if (executor == nullptr)
    throw error(errc::invalid_argument, "run() needs the executor of an io_context: call async_run() with any other");
  boost::asio::io_context& io = executor->context();
  // Shared by the callbacks: abandoned handlers may keep the context busy after this function has returned.
  struct run_state {
    explicit run_state(boost::asio::io_context& context) : signals(context, SIGINT, SIGTERM) {}
    boost::asio::signal_set signals;
    bool ended = false;
    bool closed = false;
    std::exception_ptr failure;
  };
  auto const state = std::make_shared<run_state>(io);
  state->signals.async_wait([this, state](boost::system::error_code failed, int) {
    if (failed || state->ended) return;
    stop();
    state->signals.async_wait([this, state](boost::system::error_code failed_again, int) {
      if (failed_again || state->ended) return;
      stop();
      state->signals.clear();  // a third one ends the process
    });
  });
  async_run([state](std::exception_ptr thrown) {
    state->failure = std::move(thrown);
    state->ended = true;
    state->signals.clear();
    state->signals.cancel();  // clear alone would leave the wait pending, and with it the objects that it refers to
  });
  if (io.stopped()) io.restart();
  while (!state->ended && io.run_one() != 0) {
  }
  boost::asio::co_spawn(strand(), core::close(core_, false), [state](std::exception_ptr) { state->closed = true; });
  while (!state->closed && io.run_one() != 0) {
  }
  if (state->failure) std::rethrow_exception(std::exchange(state->failure, nullptr));
}

template <class Driver, timekeeper Clock>
void scheduler<Driver, Clock>::stop() {
  core_->stop();
}

template <class Driver, timekeeper Clock>
typename scheduler<Driver, Clock>::store_type& scheduler<Driver, Clock>::store() noexcept {
  return core_->store();
}

template <class Driver, timekeeper Clock>
void scheduler<Driver, Clock>::declare_schedules() {
  core_->declare();
}

template <class Driver, timekeeper Clock>
void scheduler<Driver, Clock>::add(job_type type) {
  core_->add(std::move(type));
}

template <class Driver, timekeeper Clock>
void scheduler<Driver, Clock>::add(schedule_record schedule) {
  core_->add(std::move(schedule));
}

template <class Driver, timekeeper Clock>
std::size_t scheduler<Driver, Clock>::payload_limit() const {
  return core_->payload_limit();
}

template <class Driver, timekeeper Clock>
boost::asio::strand<boost::asio::any_io_executor> scheduler<Driver, Clock>::strand() const {
  return core_->strand();
}

template <class Driver, timekeeper Clock>
std::function<boost::asio::any_io_executor()> scheduler<Driver, Clock>::blocking_executor() const {
  // Not shared: threads that handlers kept alive would keep those handlers alive.
  return [threads = std::weak_ptr(core_->threads())] {
    auto const living = threads.lock();
    if (!living) throw error(errc::closed, "the scheduler is gone");
    return living->executor();
  };
}

template <class Driver, timekeeper Clock>
task<job_id> scheduler<Driver, Clock>::enqueue(prepared_jobs jobs) {
  return core::enqueue_one(core_, std::move(jobs));
}

template <class Driver, timekeeper Clock>
task<std::vector<job_id>> scheduler<Driver, Clock>::enqueue_many(prepared_jobs jobs) {
  return core::enqueue(core_, std::move(jobs));
}

template <class Driver, timekeeper Clock>
task<> scheduler<Driver, Clock>::work() {
  return core::run(core_);
}

template <class Driver, timekeeper Clock>
task<> scheduler<Driver, Clock>::close() {
  return core::close(core_, true);
}

}  // namespace visor

#endif
