#ifndef VISOR_POOL_POOL_HPP
#define VISOR_POOL_POOL_HPP

#include "visor/async/clock.hpp"
#include "visor/async/completion_poster.hpp"
#include "visor/async/signal.hpp"
#include "visor/async/task.hpp"
#include "visor/async/with_timeout.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/pool/core.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/describe/enum_to_string.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace visor {

/// The requirements of a pool on its source of connections.
///
/// - `C::connection`: closes itself, without waiting, in its destructor.
/// - `connector.connect()`: awaits to a `std::unique_ptr<connection>`; throws `visor::error`.
/// - `connector.display_name()`: the name of the server in messages.
/// - `c.state()`: see `connection_state`. It does no I/O.
/// - `c.ping()`: pings the server at no cost for it and awaits its answer; throws when there is none.
/// - `c.reset()`: rolls back and restores the initial state of the session; throws on failure.
/// - `c.close()`: closes in an orderly way, without a long wait.
/// - `c.interrupt()`: interrupts the running operation, from any thread.
///
/// Each awaitable operation runs on the executor of the pool, ends early when it is cancelled (terminal), and is the only operation of its
/// connection at that time.
template <class C>
concept connector = requires(C& connector, typename C::connection& c) {
  { connector.connect() } -> std::same_as<task<std::unique_ptr<typename C::connection>>>;
  { connector.display_name() } -> std::convertible_to<std::string>;
  { std::as_const(c).state() } noexcept -> std::same_as<connection_state>;
  { c.ping() } -> std::same_as<task<>>;
  { c.reset() } -> std::same_as<task<>>;
  { c.close() } -> std::same_as<task<>>;
  { c.interrupt() } noexcept;
};

/// True when another connect would fail too until an administrator changes something. Callers do not wait for that, and servers lock
/// accounts after repeated attempts.
inline bool is_permanent(errc what) noexcept {
  return what == errc::authentication_failed || what == errc::tls_failed || what == errc::not_found || what == errc::invalid_argument ||
         what == errc::unsupported || what == errc::corrupt;
}

/// A pool of connections that are made on demand, shared by all callers and kept for reuse.
///
/// Callers get connections in the order of their requests. Idle connections are reused newest first, so that surplus ones stay idle and are
/// closed. See `connection_purpose` for heartbeats, which never wait behind others, `pool_settings` for the options, and `pool_core` for
/// the decisions.
///
/// Thread-safe. The pool's own operations (connect, ping, reset, close) run on its executor, whose context must outlive the pool and every
/// handle; callers complete on their own executors.
/// \tparam Connector makes connections
/// \tparam Clock measures time
template <connector Connector, timekeeper Clock = wall_clock>
class pool {
  class shared;

 public:
  using connection = typename Connector::connection;

  /// A borrowed connection; the destructor releases it. A handle may outlive the pool. Empty after it was moved from.
  class handle {
   public:
    handle() noexcept = default;
    handle(handle&& other) noexcept
        : from_(std::move(other.from_)), connection_(std::exchange(other.connection_, nullptr)), slot_(other.slot_) {}
    handle& operator=(handle&& other) noexcept {
      if (this == &other) return *this;
      release();
      from_ = std::move(other.from_);
      connection_ = std::exchange(other.connection_, nullptr);
      slot_ = other.slot_;
      return *this;
    }
    ~handle() { release(); }

    explicit operator bool() const noexcept { return connection_ != nullptr; }
    connection& operator*() const noexcept { return *connection_; }
    connection* operator->() const noexcept { return connection_; }

    /// Releases the connection early.
    void release() noexcept {
      if (std::exchange(connection_, nullptr) != nullptr) std::exchange(from_, nullptr)->put_back(slot_);
    }

    /// Evicts as `pool::evict_all`, unless all connections were evicted since this one was made. For a broken connection: the others
    /// probably broke too, but a second caller that finds so must not evict the connections that were made since.
    /// \pre it is not empty
    void evict_all() { from_->evict_all_as_old_as(slot_); }

    /// The same for a connection whose server is unusable, such as read-only; see `pool_core::condemn`.
    /// \pre it is not empty
    void condemn() { from_->condemn(slot_); }

    /// Releases the connection to be closed, whatever its state.
    void discard() noexcept {
      if (std::exchange(connection_, nullptr) != nullptr) std::exchange(from_, nullptr)->put_back(slot_, connection_state::broken);
    }

   private:
    friend class pool;
    handle(std::shared_ptr<shared> from, connection* what, detail::pool_core::slot which)
        : from_(std::move(from)), connection_(what), slot_(which) {}

    std::shared_ptr<shared> from_;
    connection* connection_ = nullptr;
    detail::pool_core::slot slot_ = 0;
  };

  /// Creates a pool; it connects on demand, except for the first `settings.min` connections.
  /// \param log receives failed connects, connections held for too long, and more if the settings say so
  /// \throws visor::error `invalid_argument` for a setting out of its range
  pool(boost::asio::any_io_executor executor, pool_settings settings, Connector source, Clock clock = Clock(), log_sink log = {},
       std::uint64_t seed = std::random_device{}())
      : shared_((settings.check(), std::make_shared<shared>(std::move(executor), std::move(settings), std::move(source), std::move(clock),
                                                            std::move(log), seed))) {
    shared_->start();
  }
  pool(pool const&) = delete;
  pool& operator=(pool const&) = delete;
  ~pool() { shared_->shut_down(); }

  /// Returns an idle connection that was known to be good a short time ago; otherwise an empty handle. O(1), without waiting.
  handle try_acquire(std::source_location where = std::source_location::current(), connection_purpose why = connection_purpose::work) {
    return shared_->try_acquire(where, why);
  }

  /// Acquires a connection. Waits for `acquire_timeout` at most. Cancelling (terminal) leaves the queue.
  /// \param where the holder that the log names when the connection is held for longer than `leak_threshold`
  /// \throws visor::error `timeout`, with the use of all connections and the cause of the last failed connect; `busy` when too many callers
  /// wait already; `closed`; the error of a failed connect, if a retry would fail too
  task<handle> acquire(std::source_location where = std::source_location::current(), connection_purpose why = connection_purpose::work) {
    return shared_->acquire(where, false, why);
  }

  /// The same, but throws the error of the first connect that fails, of any kind: for a start that should fail rather than wait.
  task<handle> acquire_or_fail(std::source_location where = std::source_location::current(),
                               connection_purpose why = connection_purpose::work) {
    return shared_->acquire(where, true, why);
  }

  pool_statistics statistics() const { return shared_->statistics(); }

  /// Grants no connection until `resume`; callers wait meanwhile and do not time out.
  void suspend() { shared_->suspend(); }
  void resume() { shared_->resume(); }

  /// Replaces all connections: idle ones at once, the others on release. For new credentials or certificates.
  void evict_all() { shared_->evict_all(); }

  /// Closes the pool: refuses waiting and later callers, cancels connects, waits for connections in use for `timeout` at most, interrupts
  /// the rest, and closes everything. May be called again; each call waits.
  /// \return whether all connections were released in time
  task<bool> close(duration timeout) { return shared_->close(timeout); }

 private:
  std::shared_ptr<shared> shared_;
};

/// The state that the pool and its handles share.
template <connector Connector, timekeeper Clock>
class pool<Connector, Clock>::shared : public std::enable_shared_from_this<shared> {
  using core = detail::pool_core;
  using slot = core::slot;
  using ticket = core::ticket;
  using action = core::action;
  using handler = typename boost::asio::async_result<std::decay_t<boost::asio::use_awaitable_t<> const>,
                                                     void(std::exception_ptr, handle)>::handler_type;

 public:
  shared(boost::asio::any_io_executor const& executor, pool_settings settings, Connector source, Clock clock, log_sink log,
         std::uint64_t seed)
      : executor_(boost::asio::make_strand(executor)),
        settings_(settings),
        connector_(std::move(source)),
        clock_(std::move(clock)),
        log_(std::move(log)),
        core_(settings, seed),
        slots_(static_cast<std::size_t>(settings.max)),
        maintenance_(executor_, clock_) {}

  void start() { boost::asio::co_spawn(executor_, maintain(this->shared_from_this()), boost::asio::detached); }

  handle try_acquire(std::source_location where, connection_purpose why) {
    std::scoped_lock const lock(mutex_);
    auto const found = core_.acquire(clock_.elapsed(), why);
    if (!found) return {};
    slots_[*found].holder = where;
    wake_maintenance();
    return handle(this->shared_from_this(), slots_[*found].current.get(), *found);
  }

  task<handle> acquire(std::source_location where, bool fail_fast, connection_purpose why) {
    if (handle at_once = try_acquire(where, why)) co_return at_once;
    auto waiting = boost::asio::async_initiate<boost::asio::use_awaitable_t<> const, void(std::exception_ptr, handle)>(
        join_queue(), boost::asio::use_awaitable, this->shared_from_this(), where, fail_fast, why);
    co_return co_await std::move(waiting);
  }

  pool_statistics statistics() const {
    std::scoped_lock const lock(mutex_);
    return core_.statistics();
  }

  void suspend() {
    change([](core& of, duration) { of.suspend(); });
  }
  void resume() {
    change([](core& of, duration now) { of.resume(now); });
  }
  void evict_all() {
    change([](core& of, duration now) { of.evict_all(now); });
  }
  void evict_all_as_old_as(slot which) {
    change([which](core& of, duration now) { of.evict_all_as_old_as(which, now); });
  }
  void condemn(slot which) {
    change([which](core& of, duration now) { of.condemn(which, now); });
  }
  void shut_down() {
    change([](core& of, duration) { of.shut_down(); });
    boost::asio::post(executor_, [self = this->shared_from_this()] {
      self->is_shut_down_ = true;
      for (auto& each : self->slots_) each.give_up_connecting.emit(boost::asio::cancellation_type::terminal);
      self->maintenance_.notify();
    });
  }

  task<bool> close(duration timeout) {
    auto const self = this->shared_from_this();
    shut_down();
    auto waiting = boost::asio::co_spawn(executor_, wait_for_end(self, timeout), boost::asio::use_awaitable);
    co_return co_await std::move(waiting);
  }

  void put_back(slot which, std::optional<connection_state> how = std::nullopt) noexcept {
    std::unique_lock lock(mutex_);
    std::optional<std::source_location> late;
    if (core_.was_reported(which)) late = slots_[which].holder;
    core_.release(which, how ? *how : slots_[which].current->state(), clock_.elapsed());
    settle(lock);
    if (late) log(log_level::info, "a connection to " + connector_.display_name() + " came back that " + text_of(*late) + " had for long");
  }

 private:
  /// A waiting caller: its completion, and the holder that messages name.
  struct waiter {
    waiter(handler completion, std::source_location where) : poster(std::move(completion)), holder(where) {}
    detail::completion_poster<handler> poster;
    std::source_location holder;
  };

  /// The connection of a slot and its holder.
  struct slot_state {
    std::unique_ptr<connection> current;
    std::source_location holder;
    boost::asio::cancellation_signal give_up_connecting;  ///< used on the strand
  };

  /// Registers a signal for the end of the pool during its lifetime.
  class close_waiter {
   public:
    close_waiter(std::vector<detail::signal<Clock>*>& among, detail::signal<Clock>& who) : among_(among), who_(who) {
      among_.push_back(&who_);
    }
    close_waiter(close_waiter const&) = delete;
    close_waiter& operator=(close_waiter const&) = delete;
    ~close_waiter() { std::erase(among_, &who_); }

   private:
    std::vector<detail::signal<Clock>*>& among_;
    detail::signal<Clock>& who_;
  };

  struct join_queue {
    void operator()(handler completion, std::shared_ptr<shared> in, std::source_location where, bool fail_fast,
                    connection_purpose why) const {
      in->join(std::move(completion), where, fail_fast, why);
    }
  };

  /// Names a holder: an operation of the store by its function, which tells users more than a position in our source; any other by its
  /// position.
  static std::string text_of(std::source_location const& where) {
    std::string_view const file = where.file_name();
    if (file.ends_with("visor/store/sql/sql_store.hpp")) {
      std::string_view name = where.function_name();
      name = name.substr(0, name.find('('));
      return std::string(name.substr(name.rfind(':') + 1));
    }
    return std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(where.line());
  }

  void log(log_level level, std::string const& line) const {
    if (log_) log_(level, line);
  }

  template <class Change>
  void change(Change const& how) {
    std::unique_lock lock(mutex_);
    how(core_, clock_.elapsed());
    settle(lock);
  }

  void join(handler completion, std::source_location where, bool fail_fast, connection_purpose why) {
    auto cancellation = boost::asio::get_associated_cancellation_slot(completion);
    auto one = std::make_unique<waiter>(std::move(completion), where);
    std::unique_lock lock(mutex_);
    bool const is_refused = core_.is_full() && why != connection_purpose::heartbeat;
    if (core_.is_closing() || is_refused) {
      auto const failure = core_.is_closing() ? closed_failure() : full_failure();
      lock.unlock();
      one->poster.complete(std::make_exception_ptr(failure), handle());
      return;
    }
    // The answer may be among the first actions, so the waiter is registered before they are taken.
    ticket const mine = core_.wait(clock_.elapsed(), settings_.acquire_timeout, fail_fast, why);
    waiters_.emplace(mine, std::move(one));
    if (cancellation.is_connected())
      cancellation.assign([weak = this->weak_from_this(), mine](boost::asio::cancellation_type) {
        if (auto const self = weak.lock()) self->give_up(mine);
      });
    settle(lock);
  }

  void give_up(ticket mine) {
    std::unique_lock lock(mutex_);
    if (!core_.give_up(mine)) return;
    auto const one = take_waiter(mine);
    lock.unlock();
    one->poster.complete(std::make_exception_ptr(boost::system::system_error(boost::asio::error::operation_aborted)), handle());
  }

  std::unique_ptr<waiter> take_waiter(ticket mine) {
    auto const at = waiters_.find(mine);
    auto one = std::move(at->second);
    waiters_.erase(at);
    return one;
  }

  error closed_failure() const { return error(errc::closed, "the pool for " + connector_.display_name() + " is closed"); }

  error full_failure() {
    core_.count_rejected();
    return error(errc::busy, "no connection to " + connector_.display_name() + ": " + std::to_string(settings_.max_waiting) +
                                 " callers wait for one already (pool.max_waiting); " + occupation());
  }

  error timeout_failure() const {
    std::string text = "no connection to " + connector_.display_name() + " within " + to_string(settings_.acquire_timeout) +
                       " (pool.acquire_timeout, DB_CONNECTION_TIMEOUT_MS): " + occupation();
    if (last_failure_) text += "; the last connect failed: " + std::string(last_failure_->what());
    return error(errc::timeout, text);
  }

  /// Describes the use of all connections, and a remedy.
  std::string occupation() const {
    auto const now = core_.statistics();
    std::string text = std::to_string(now.in_use) + " of " + std::to_string(settings_.max) + " connections are in use, " +
                       std::to_string(now.idle) + " idle, " + std::to_string(now.connecting) + " being made, " +
                       std::to_string(now.waiting) + " callers wait";
    if (auto const oldest = core_.oldest_in_use(clock_.elapsed()))
      text += "; the oldest is held for " + to_string(std::chrono::floor<std::chrono::milliseconds>(oldest->second)) + " by " +
              text_of(slots_[oldest->first].holder);
    if (now.in_use == settings_.max) text += "; raise pool.max (DB_POOL_MAX), or find who keeps them";
    return text;
  }

  /// Carries out the actions of the core. \param lock is held on entry and released on return
  void settle(std::unique_lock<std::mutex>& lock) {
    wake_maintenance();
    if (!core_.has_actions()) return lock.unlock();
    std::vector<action> actions;
    core_.take_actions(actions);
    struct answer {
      std::unique_ptr<waiter> to;
      std::exception_ptr failure;
      handle connection;
    };
    std::vector<answer> answers;
    std::vector<std::string> reports;
    for (auto const& each : actions) {
      switch (each.what) {
        case action::kind::grant: {
          auto to = take_waiter(each.caller);
          slots_[each.connection].holder = to->holder;
          answers.push_back(
              {std::move(to), nullptr, handle(this->shared_from_this(), slots_[each.connection].current.get(), each.connection)});
          break;
        }
        case action::kind::refuse: answers.push_back({take_waiter(each.caller), refusal_of(each), handle()}); break;
        case action::kind::report: reports.push_back(report_of(each)); break;
        case action::kind::interrupt: slots_[each.connection].current->interrupt(); break;
        default: break;
      }
    }
    lock.unlock();
    for (auto const& each : reports) log(log_level::warning, each);
    for (auto& each : answers) each.to->poster.complete(std::move(each.failure), std::move(each.connection));
    for (auto const& each : actions) perform(each);
  }

  std::exception_ptr refusal_of(action const& refused) const {
    switch (refused.why) {
      case action::refusal::closed: return std::make_exception_ptr(closed_failure());
      case action::refusal::connect_failed:
        if (last_failure_) return std::make_exception_ptr(*last_failure_);
        break;
      default: break;
    }
    return std::make_exception_ptr(timeout_failure());
  }

  void perform(action const& one) {
    auto const spawn = [this](task<> work) { boost::asio::co_spawn(executor_, std::move(work), boost::asio::detached); };
    auto const self = this->shared_from_this();
    switch (one.what) {
      case action::kind::connect: boost::asio::post(executor_, [self, which = one.connection] { begin_to_connect(self, which); }); break;
      case action::kind::ping: spawn(ping(self, one.connection)); break;
      case action::kind::reset: spawn(reset(self, one.connection)); break;
      case action::kind::close: spawn(end(self, one.connection, one.reason)); break;
      case action::kind::report:
      case action::kind::interrupt:
      case action::kind::grant:
      case action::kind::refuse: break;
    }
  }

  std::string report_of(action const& one) const {
    return "a connection to " + connector_.display_name() + " is held for " +
           to_string(std::chrono::floor<std::chrono::milliseconds>(one.held)) + " by " + text_of(slots_[one.connection].holder) +
           ", longer than pool.leak_threshold";
  }

  /// \pre the lock is held
  std::string line_of(std::string const& what) const {
    auto const now = core_.statistics();
    return what + " to " + connector_.display_name() + ": " + std::to_string(now.total) + " of " + std::to_string(settings_.max) + ", " +
           std::to_string(now.in_use) + " in use, " + std::to_string(now.idle) + " idle, " + std::to_string(now.waiting) + " callers wait";
  }

  /// Must be called on the strand.
  static void begin_to_connect(std::shared_ptr<shared> self, slot which) {
    auto& give_up = self->slots_[which].give_up_connecting;
    boost::asio::co_spawn(self->executor_, connect(self, which),
                          boost::asio::bind_cancellation_slot(give_up.slot(), boost::asio::detached));
    if (self->is_shut_down_) give_up.emit(boost::asio::cancellation_type::terminal);
  }

  static task<> connect(std::shared_ptr<shared> self, slot which) {
    std::unique_ptr<connection> made;
    std::optional<error> failure;
    try {
      made = co_await detail::with_timeout<std::unique_ptr<connection>>(self->executor_, self->clock_, self->settings_.connect_timeout,
                                                                        self->connector_.connect());
    } catch (error const& refused) {
      failure = refused;
    } catch (std::exception const& broken) {
      failure = error(errc::internal, broken.what());
    }
    if (!made && !failure)
      failure = error(errc::connection_failed, self->connector_.display_name() + " did not answer within " +
                                                   to_string(self->settings_.connect_timeout) + " (pool.connect_timeout)");
    log_level const level = failure ? log_level::warning : log_level::info;
    std::unique_lock lock(self->mutex_);
    std::string line;
    if (failure) {
      // A server that is down for long fails every connect in the same way; only the first is reported.
      bool const is_new = !self->last_failure_ || self->last_failure_->code() != failure->code();
      bool const is_wanted = !self->core_.is_closing();  // else the connect was cancelled
      if (is_wanted && (is_new || self->settings_.log_connections)) line = std::string("cannot connect: ") + failure->what();
      self->last_failure_ = std::move(failure);
      self->core_.connect_failed(which, is_permanent(self->last_failure_->portable_code()), self->clock_.elapsed());
    } else {
      self->last_failure_.reset();
      self->slots_[which].current = std::move(made);
      self->core_.connected(which, self->clock_.elapsed());
    }
    if (!failure && self->settings_.log_connections) line = self->line_of("made a connection");
    self->settle(lock);
    if (!line.empty()) self->log(level, line);
    if (self->is_shut_down_) self->maintenance_.notify();  // the end of the pool waits for the last connect
  }

  /// Runs an operation of a connection for at most `length`.
  /// \return whether it succeeded in time
  static task<bool> try_with_timeout(std::shared_ptr<shared> self, duration length, task<> work) {
    try {
      bool const in_time = co_await detail::with_timeout(self->executor_, self->clock_, length, std::move(work));
      co_return in_time;
    } catch (std::exception const&) {  // the connection is closed, and the next connect reports the cause
    }
    co_return false;
  }

  static task<> ping(std::shared_ptr<shared> self, slot which) {
    bool const answered = co_await try_with_timeout(self, self->settings_.validation_timeout, self->slots_[which].current->ping());
    std::unique_lock lock(self->mutex_);
    self->core_.pinged(which, answered && self->slots_[which].current->state() == connection_state::clean, self->clock_.elapsed());
    self->settle(lock);
  }

  static task<> reset(std::shared_ptr<shared> self, slot which) {
    bool const done = co_await try_with_timeout(self, self->settings_.reset_timeout, self->slots_[which].current->reset());
    std::unique_lock lock(self->mutex_);
    self->core_.was_reset(which, done && self->slots_[which].current->state() == connection_state::clean, self->clock_.elapsed());
    self->settle(lock);
  }

  static task<> end(std::shared_ptr<shared> self, slot which, close_reason reason) {
    auto ended = std::move(self->slots_[which].current);
    if (reason != close_reason::broken && reason != close_reason::unanswered && reason != close_reason::reset_failed)
      co_await try_with_timeout(self, self->settings_.reset_timeout, ended->close());
    ended.reset();
    std::unique_lock lock(self->mutex_);
    self->core_.closed(which, self->clock_.elapsed());
    std::string line;
    if (self->settings_.log_connections)
      line = self->line_of(std::string("closed a connection (") + boost::describe::enum_to_string(reason, "unknown") + ")");
    self->settle(lock);
    if (!line.empty()) self->log(log_level::info, line);
    self->maintenance_.notify();
  }

  /// Calls `tick` whenever it is due, until the pool is over.
  static task<> maintain(std::shared_ptr<shared> self) {
    for (;;) {
      duration wait{0};
      {
        std::unique_lock lock(self->mutex_);
        self->core_.tick(self->clock_.elapsed());
        if (self->core_.is_over()) {
          self->settle(lock);
          for (auto* const each : self->close_waiters_) each->notify();
          co_return;
        }
        self->maintenance_at_ = self->core_.wake_at();
        wait = self->maintenance_at_ == duration::max() ? longest_sleep : self->maintenance_at_ - self->clock_.elapsed();
        self->settle(lock);
      }
      wait = std::clamp(wait, duration{0}, duration{longest_sleep});
      co_await self->maintenance_.wait_for(wait);
    }
  }

  /// \pre the lock is held
  void wake_maintenance() {
    if (core_.wake_at() >= maintenance_at_) return;
    maintenance_at_ = core_.wake_at();
    boost::asio::post(executor_, [weak = this->weak_from_this()] {
      if (auto const self = weak.lock()) self->maintenance_.notify();
    });
  }

  static task<bool> wait_for_end(std::shared_ptr<shared> self, duration timeout) {
    detail::signal<Clock> ended(self->executor_, self->clock_);
    close_waiter const known(self->close_waiters_, ended);
    duration const until = self->clock_.elapsed() + timeout;
    bool in_time = true;
    bool is_over = self->is_over();
    while (!is_over) {
      if (in_time && self->clock_.elapsed() >= until) {
        self->interrupt_all();
        in_time = false;
      }
      duration const left = in_time ? until - self->clock_.elapsed() : longest_sleep;
      co_await ended.wait_for(left);
      is_over = self->is_over();
    }
    co_return in_time;
  }

  bool is_over() const {
    std::scoped_lock const lock(mutex_);
    return core_.is_over();
  }

  /// Interrupts the running operations of connections in use.
  void interrupt_all() {
    std::scoped_lock const lock(mutex_);
    for (slot each = 0; each < slots_.size(); ++each)
      if (core_.is_in_use(each)) slots_[each].current->interrupt();
  }

  static constexpr duration longest_sleep{std::chrono::seconds{30}};

  boost::asio::any_io_executor executor_;  // a strand
  pool_settings settings_;
  Connector connector_;
  [[no_unique_address]] Clock clock_;
  log_sink log_;

  mutable std::mutex mutex_;  // guards the members below
  core core_;
  std::vector<slot_state> slots_;
  std::unordered_map<ticket, std::unique_ptr<waiter>> waiters_;
  std::optional<error> last_failure_;
  duration maintenance_at_ = duration::max();

  // Used on the strand.
  detail::signal<Clock> maintenance_;
  std::vector<detail::signal<Clock>*> close_waiters_;  // of the callers that wait for the end
  bool is_shut_down_ = false;
};

}  // namespace visor

#endif
