#ifndef VISOR_SCHEDULER_HPP
#define VISOR_SCHEDULER_HPP

#include "visor/async/clock.hpp"
#include "visor/base/log.hpp"
#include "visor/base/log_buffer.hpp"
#include "visor/config/settings.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/engine/engine.hpp"
#include "visor/handler/payload.hpp"
#include "visor/handler/typed.hpp"
#include "visor/store/check_text.hpp"
#include "visor/store/id_block.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <boost/type_index.hpp>

#include <concepts>
#include <csignal>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
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

/// The options of one job. An option that is not set follows the job type.
struct enqueue_options {
  std::optional<instant> run_at;    ///< the earliest start; now if none
  std::optional<int> priority;      ///< lower runs first; -32768 to 32767
  std::optional<int> max_attempts;  ///< from 1
  std::optional<std::string> queue;
  std::string key;  ///< for the limits of its type by key, such as the name of a customer; empty: none
  enqueue_options() = default;
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

/// Durable cron and jobs in one object: a store, a node on it, and the program's job types and schedules.
///
/// \tparam Driver a type that names a database: `visor::sqlite` (`visor/sqlite.hpp`), `visor::memory` (`visor/memory.hpp`)
/// \tparam Clock tests pass a `manual_clock`
/// Thread-safety: `async_enqueue` and `stop` may be called from any thread once `run` or `async_run` was called; all else only before.
template <class Driver, timekeeper Clock = wall_clock>
class scheduler {
 public:
  using store_type =
      typename decltype(make_store(Driver(), std::declval<storage_settings const&>(), std::declval<Clock>(), log_sink()))::element_type;

  /// Creates the scheduler. It does not connect yet.
  /// \param io runs all of the scheduler's work; it must outlive the scheduler
  /// \param log called on a thread of its own (`log_buffer`), so that a slow or stuck sink delays nothing but lines. While 1
  ///   MiB of lines waits, the newest are dropped, and counted. The destructor waits 2 s for the remaining lines. With a clock
  ///   other than `wall_clock`, as in tests, `log` is called at once, on the thread that produced the line.
  /// \throws visor::error `invalid_argument` when a setting is out of range, or would be ignored: another driver,
  ///   `storage.path`, `cron`, `workflows`
  explicit scheduler(boost::asio::io_context& io, settings how = settings::from_environment(), Clock clock = Clock(), log_sink log = {});
  /// Waits for blocking functions that a drain abandoned: a thread cannot be ended from outside.
  ~scheduler();

  /// Registers a job type: its name, the type of its payload, and its handler.
  /// \tparam Payload a described struct; one C++ type belongs to one job type
  /// \param run a coroutine that returns `visor::task<>`, or a function that returns `void`. Such a function may block, and
  ///   runs on threads of its own. The handler is called with `(job_context&, Payload const&)` or `(Payload const&)`; an
  ///   exception means failure.
  /// \throws visor::error `already_exists` when the name or the payload type is taken
  template <class Payload, class Function>
  void on(std::string type, Function run, job_type_options options = job_type_options()) {
    auto code = handler_of<Payload>(std::move(run));
    add(job_type(type, std::move(code), options));
    if (!names_.emplace(boost::typeindex::type_id<Payload>(), known_type(type, std::move(options))).second)
      throw error(errc::already_exists, "the payload type of job type " + type + " belongs to another job type already");
  }

  /// Registers a job type that has no payload, or whose handler reads the payload itself.
  template <class Function>
  void on(std::string type, Function run, job_type_options options = job_type_options()) {
    auto code = handler_of<void>(std::move(run));
    add(job_type(type, std::move(code), options));
  }

  /// Adds a schedule with a cron expression: `"0 2 * * *"_cron`. The id chooses the values of each `H` in it. All schedules of
  /// a program are declared together, under the name `settings::set`, as long as it runs. A schedule that the program declared
  /// in its last run and no longer declares is removed, unless another living node declares it. An unchanged schedule continues
  /// where it was, and its missed instants follow its misfire policy.
  /// \param id unique; its fires are stored under it
  /// \throws visor::error `not_found` when no job type has this payload, `already_exists` when the program has a schedule of
  ///   this id, `invalid_argument` when the id chooses days for `H` that no year has, or `options.dst` is set for `@every`
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
  void declare_schedules() { engine_.declare(set_); }

  /// Enqueues a job. Once this has completed, the job will reach exactly one final state, whatever happens to this process.
  /// \param token completes with `void(std::exception_ptr, job_id)`; the error is a `visor::error`. After `outcome_unknown` the
  ///   job may exist.
  /// \throws visor::error `not_found` at once when no job type has this payload
  template <class Payload, class Token>
  auto async_enqueue(Payload const& payload, enqueue_options options, Token&& token) {
    return boost::asio::co_spawn(strand_, enqueue(make_job(payload, options)), std::forward<Token>(token));
  }
  template <class Payload, class Token>
  auto async_enqueue(Payload const& payload, Token&& token) {
    return async_enqueue(payload, enqueue_options(), std::forward<Token>(token));
  }

  /// Enqueues a job only if the running attempt completes, in the transaction that records that result. For handlers; from any
  /// thread.
  /// \throws visor::error `not_found` when no job type has this payload
  template <class Payload>
  void enqueue_with(job_context& parent, Payload const& payload, enqueue_options const& options = enqueue_options()) const {
    parent.add_child(make_job(payload, options));
  }

  /// Runs the node until `stop()`, then drains. It cannot be cancelled in another way. With `settings::enabled` false it
  /// completes at once.
  /// \param token completes with `void(std::exception_ptr)`
  template <class Token>
  auto async_run(Token&& token) {
    return boost::asio::co_spawn(strand_, work(), std::forward<Token>(token));
  }

  /// Runs the node, and the `io_context`, on this thread until SIGINT, SIGTERM or `stop()`, then drains. After a second signal
  /// it no longer waits for handlers; a third one ends the process. Other work of the context does not keep this function from
  /// returning.
  /// \throws visor::error when the node cannot start, ends by itself, or cannot leave the store; then others take over its jobs
  void run();

  /// Starts to drain. After a second call the drain no longer waits for handlers.
  void stop();

  /// Returns the store, for operations that this class does not offer. The store is open from the start of `run` on.
  store_type& store() noexcept { return *store_; }

 private:
  struct known_type {
    std::string name;
    job_type_options options;
    known_type(std::string called, job_type_options with) : name(std::move(called)), options(std::move(with)) {}
  };

  /// Makes a handler. Only functions that may block need threads, so only those make the engine start some.
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

  template <class Payload>
  known_type const& type_of() const {
    auto const found = names_.find(boost::typeindex::type_id<Payload>());
    if (found == names_.end())
      throw error(errc::not_found,
                  "no job type has the payload " + boost::typeindex::type_id<Payload>().pretty_name() + ": call on<...>() first");
    return found->second;
  }

  template <class Payload>
  std::string payload_text(Payload const& payload, std::string const& type) const {
    std::string text = to_payload(payload);
    detail::check_payload_size(text, settings_.node.payload_limit, "payload_limit", [&] { return "job type " + type; });
    return text;
  }

  template <class Payload>
  schedule_record describe(std::string id, schedule_options const& options, Payload const& payload) const {
    auto const& type = type_of<Payload>();
    schedule_record record;
    record.id = std::move(id);
    record.origin = origin::code;
    record.zone = std::string(options.zone.name());
    record.type = type.name;
    record.payload = payload_text(payload, type.name);
    record.queue = queue_of(type.options.queue, type.options.capability, type.options.limits, type.name);
    record.priority = type.options.priority;
    record.max_attempts = type.options.max_attempts;
    record.max_lost = type.options.max_lost;
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

  template <class Payload>
  new_job make_job(Payload const& payload, enqueue_options const& options) const {
    auto const& type = type_of<Payload>();
    new_job job;
    job.type = type.name;
    job.payload = payload_text(payload, type.name);
    job.queue = queue_of(options.queue.value_or(type.options.queue), type.options.capability, type.options.limits, type.name, options.key);
    job.priority = options.priority.value_or(type.options.priority);
    job.max_attempts = options.max_attempts.value_or(type.options.max_attempts);
    job.max_lost = type.options.max_lost;
    job.run_at = options.run_at;
    return job;
  }

  /// Limits lock waits of the node's statements to a quarter of its lease, so that no lock wait puts the lease at risk.
  static storage_settings storage_of(settings const& how) {
    storage_settings result = how.storage;
    result.lock_timeout = how.node.lease_ttl / 4;
    return result;
  }

  void add(job_type type);
  void add(schedule_record schedule);
  boost::asio::any_io_executor blocking_executor();
  task<> open();
  task<job_id> enqueue(new_job job);
  task<> work();
  log_sink log() { return std::same_as<Clock, wall_clock> ? lines_.sink() : log_; }

  settings settings_;
  log_sink log_;
  log_buffer lines_;  // outlives all that logs
  boost::asio::io_context& io_;
  boost::asio::strand<boost::asio::io_context::executor_type> strand_;
  [[no_unique_address]] Clock clock_;
  schedule_set set_{origin::code};
  bool is_open_ = false;
  detail::id_block ids_;
  decltype(make_store(Driver(), std::declval<storage_settings const&>(), std::declval<Clock>(), log_sink())) store_;
  engine<store_type, Clock> engine_;
  std::map<boost::typeindex::type_index, known_type> names_;
};

// Members that do not depend on a payload are defined outside of the class. An `extern template` then keeps them out of a file,
// and with them the engine, the store and the driver. Members that are defined in a class are inline, and a compiler generates
// those in every file.

template <class Driver, timekeeper Clock>
scheduler<Driver, Clock>::scheduler(boost::asio::io_context& io, settings how, Clock clock, log_sink log)
    : settings_(detail::obeyed(std::move(how), Driver::name)),
      log_(std::move(log)),
      lines_(log_),
      io_(io),
      strand_(boost::asio::make_strand(io)),
      clock_(clock),
      store_(make_store(Driver(), storage_of(settings_), clock, this->log())),
      engine_(io.get_executor(), *store_, settings_.node, clock, this->log()) {
  set_.name = settings_.set;
  if (auto const sink = this->log(); sink)
    for (auto const& each : settings_.ignored) sink(log_level::warning, each);
}

template <class Driver, timekeeper Clock>
scheduler<Driver, Clock>::~scheduler() = default;

template <class Driver, timekeeper Clock>
void scheduler<Driver, Clock>::run() {
  // Shared by the callbacks: abandoned handlers may keep the context busy after this function has returned.
  struct run_state {
    explicit run_state(boost::asio::io_context& io) : signals(io, SIGINT, SIGTERM) {}
    boost::asio::signal_set signals;
    bool ended = false;
    std::exception_ptr failure;
  };
  auto const state = std::make_shared<run_state>(io_);
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
  if (io_.stopped()) io_.restart();
  while (!state->ended && io_.run_one() != 0) {
  }
  if (state->failure) std::rethrow_exception(std::exchange(state->failure, nullptr));
}

template <class Driver, timekeeper Clock>
void scheduler<Driver, Clock>::stop() {
  engine_.stop();
}

template <class Driver, timekeeper Clock>
void scheduler<Driver, Clock>::add(job_type type) {
  engine_.add(std::move(type));
}

template <class Driver, timekeeper Clock>
void scheduler<Driver, Clock>::add(schedule_record schedule) {
  engine_.declare(set_);
  engine_.add(std::move(schedule));
}

template <class Driver, timekeeper Clock>
boost::asio::any_io_executor scheduler<Driver, Clock>::blocking_executor() {
  return engine_.blocking_executor();
}

template <class Driver, timekeeper Clock>
task<> scheduler<Driver, Clock>::open() {
  if (is_open_) co_return;
  co_await store_->open();  // concurrent calls do no harm
  is_open_ = true;
}

template <class Driver, timekeeper Clock>
task<job_id> scheduler<Driver, Clock>::enqueue(new_job job) {
  co_await open();
  auto id = ids_.take(clock_.elapsed());
  if (!id) {
    auto reserved = co_await store_->reserve_ids(ids_.wanted(clock_.elapsed()));
    id = ids_.put(std::move(reserved), clock_.elapsed());
  }
  job.id = *id;
  auto const one = std::span<new_job const>(&job, 1);
  co_await store_->enqueue(one);
  co_return job.id;
}

template <class Driver, timekeeper Clock>
task<> scheduler<Driver, Clock>::work() {
  co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
  std::exception_ptr failure;
  try {
    co_await open();
    if (settings_.enabled) {
      co_await engine_.run();
    } else if (auto const sink = log(); sink) {
      sink(log_level::warning, "enabled is false: nothing is run");
    }
  } catch (...) {
    failure = std::current_exception();
  }
  co_await store_->close();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace visor

#endif
