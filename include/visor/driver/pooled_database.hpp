#ifndef VISOR_DRIVER_POOLED_DATABASE_HPP
#define VISOR_DRIVER_POOLED_DATABASE_HPP

#include "visor/async/clock.hpp"
#include "visor/async/run_on.hpp"
#include "visor/async/task.hpp"
#include "visor/async/with_timeout.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/driver/driver.hpp"
#include "visor/driver/operation.hpp"
#include "visor/driver/peer.hpp"
#include "visor/pool/notify_coalescer.hpp"
#include "visor/pool/pool.hpp"
#include "visor/settings/tls_settings.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <source_location>
#include <string>
#include <thread>
#include <utility>

namespace visor::detail {

/// Breaks connections whose transaction takes too long. Every transaction has the same time limit, so their deadlines are in the order in
/// which they began. Thread-safe. O(1) to begin and to end one.
template <class Connection>
class transaction_deadlines {
 public:
  struct transaction {
    std::chrono::steady_clock::time_point end;
    Connection* on;
  };

  /// Registers a transaction for its duration.
  class entry {
   public:
    entry(transaction_deadlines& in, Connection& of, duration length) : in_(in) {
      std::scoped_lock const lock(in_.mutex_);
      in_.running_.push_back({std::chrono::steady_clock::now() + length, &of});
      at_ = std::prev(in_.running_.end());
    }
    entry(entry const&) = delete;
    entry& operator=(entry const&) = delete;
    ~entry() {
      std::scoped_lock const lock(in_.mutex_);
      in_.running_.erase(at_);
    }

   private:
    transaction_deadlines& in_;
    typename std::list<transaction>::iterator at_;
  };

  void break_late() {
    auto const now = std::chrono::steady_clock::now();
    std::scoped_lock const lock(mutex_);
    for (auto const& each : running_) {
      if (each.end > now) break;
      each.on->interrupt(true);
    }
  }

 private:
  std::mutex mutex_;
  std::list<transaction> running_;
};

}  // namespace visor::detail

namespace visor {

/// A driver's database whose connections come from a pool; satisfies the requirements of `driver`. The driver provides
///
/// - `settings`: with `pool`, `transaction_timeout`, `check()`;
/// - `connector`: see the concept of that name, made from the settings and a `log_sink`; if it has threads of its own, with `stop()`, after
///   which they do nothing more;
/// - `session`: made from a connection;
/// - in its connection: `begin(lock_mode, lock_request)`, `commit()` and `rollback()`, which await, or else block on `threads()`;
///   `was_kept_out()`; `attachment`; and `interrupt(late)`;
/// - where the server can notify of other commits: `listen()` and `wait_for_notifications()`, used where `hears()` of the settings is true;
/// - with those, `flush_pending(store_lock)`, which sends the pending notification of the connector's `notifier()`, a `notify_coalescer`.
///
/// Notifications use connections of the pool as well, so there are never more than its `max`. Where that is below 3, no connection listens.
///
/// Operations of callers run on their executors. A thread of the database connects, maintains idle connections, and listens. It does not
/// keep the caller's context, nor the process, alive.
template <class Driver>
class pooled_database {
  using connector = typename Driver::connector;
  using connection = typename connector::connection;
  using session = typename Driver::session;
  using operation = detail::operation_ref<session>;

 public:
  /// \param log receives events of connections, and statements if the settings say so
  /// \param lock of the store whose transactions these are
  explicit pooled_database(typename Driver::settings settings, log_sink log = {}, store_lock lock = {})
      : settings_(std::move(settings)), log_(std::move(log)), lock_(lock) {}
  pooled_database(pooled_database const&) = delete;
  pooled_database& operator=(pooled_database const&) = delete;
  ~pooled_database() { halt(); }

  /// Ends the threads and drops the connections without a farewell. Operations fail with `closed` from now on; what was sent may have been
  /// done. Blocks for the current step of each thread. From any thread.
  void halt() {
    std::shared_ptr<running> last;
    {
      std::scoped_lock const lock(mutex_);
      is_halted_ = true;
      last = std::exchange(running_, nullptr);
    }
    if (last) last->stop();  // without the lock, which its thread may wait for
  }

  /// \throws visor::error `invalid_argument` for a setting out of its range; the error of the first failed connect
  task<> open() {
    auto const here = start();
    auto const held = co_await here->pool.acquire_or_fail();
    warn_of_plain_text();
    if constexpr (requires { held->shortcoming(); }) warn_of_shortcoming(held->shortcoming());
  }

  task<> close() {
    std::shared_ptr<running> last;
    {
      std::scoped_lock const lock(mutex_);
      last = std::exchange(running_, nullptr);
    }
    if (!last) co_return;
    last->is_closing = true;
    co_await flush_last_pending(*last);
    co_await last->pool.close(settings_.transaction_timeout);
    last->stop();
  }

  template <class Op>
  task<> transact(Op& op, lock_mode how = lock_mode::schema) {
    return perform(operation::to(op), how, where_of(op), deferral_of<Op>());
  }

  template <class Op>
  task<> read(Op& op, lock_mode how = lock_mode::snapshot) {
    return perform(operation::to(op), how, where_of(op));
  }

  void watch(std::function<void()> f) {
    std::scoped_lock const lock(mutex_);
    watcher_ = std::move(f);
    if (running_ && watcher_) listen(running_);
  }

  /// False also for a listening connection that ends when it is idle: nothing reports that end, so callers have to poll as if there were
  /// none.
  bool is_watching() const {
    std::scoped_lock const lock(mutex_);
    return running_ && running_->is_subscribed && longest_silence() == duration{0};
  }

  /// The statistics of the pool, while the database is open.
  std::optional<pool_statistics> statistics() const {
    std::scoped_lock const lock(mutex_);
    if (!running_) return std::nullopt;
    return running_->pool.statistics();
  }

  /// The longest payload that the server accepts, in bytes, while the database is open.
  std::optional<std::size_t> payload_limit() const
    requires requires(connector const& source) { source.payload_limit(); }
  {
    std::scoped_lock const lock(mutex_);
    return running_ ? std::optional(running_->source.payload_limit()) : std::nullopt;
  }

 private:
  /// Warns once when traffic to another machine can be read on the way.
  void warn_of_plain_text() {
    auto const leaves = [](auto const& each) { return !detail::names_this_machine(each.host); };
    if (settings_.tls.mode != tls_mode::disable || !std::ranges::any_of(settings_.addresses(), leaves) || is_warned_.exchange(true)) return;
    if (log_)
      log_(log_level::warning, settings_.display_name() +
                                   " is on another machine, and nothing that goes there is encrypted, not even what proves the password: "
                                   "set ssl of the connection");
  }

  void warn_of_shortcoming(std::string const& what) {
    if (!what.empty() && log_ && !is_told_.exchange(true)) log_(log_level::warning, settings_.display_name() + ": " + what);
  }

  /// Whether the calls of a connection block, on threads of the driver.
  template <class Connection>
  static constexpr bool blocks = requires(Connection const& c) { c.threads(); };

  /// Whether other processes are notified of commits.
  static constexpr bool notifies = requires(connection& c) { c.flush_pending(store_lock()); };

  static constexpr int most_attempts = 5;
  static constexpr int most_deferred = 3;  // others may have written each time: then it takes a turn, and finally a lock
  static constexpr std::chrono::milliseconds pause_for_turn{20};
  /// A transaction that waits for the exclusive lock keeps out all later ones. So it gives up its place, lets those pass, and returns with
  /// twice the lock timeout. With the whole `lock_timeout` it gets the lock, since the transactions before it wait no longer for anything.
  static constexpr std::chrono::milliseconds first_lock_wait{250};
  static constexpr std::chrono::seconds grace{1};  // for the server, which aborts the transaction by itself and keeps the connection

  /// The state of an open database: it lives until the last operation on it has ended.
  struct running {
    running(typename Driver::settings const& settings, log_sink const& log)
        : source(settings, log), pool(context.get_executor(), settings.pool, source, wall_clock(), log), thread([this] { context.run(); }) {
      boost::asio::co_spawn(context, watch_deadlines(*this, settings.transaction_timeout), boost::asio::detached);
    }
    running(running const&) = delete;
    running& operator=(running const&) = delete;
    ~running() { stop(); }

    void stop() {
      is_closing = true;
      context.stop();
      if (thread.joinable()) thread.join();
      if constexpr (requires(connector& c) { c.stop(); }) source.stop();
    }

    static task<> watch_deadlines(running& in, duration length) {
      boost::asio::steady_timer timer(in.context);
      for (;;) {
        timer.expires_after(std::clamp<duration>(length / 8, std::chrono::milliseconds{10}, std::chrono::seconds{1}));
        auto sleep = timer.async_wait(boost::asio::use_awaitable);
        co_await std::move(sleep);
        in.deadlines.break_late();
      }
    }

    boost::asio::io_context context{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work = boost::asio::make_work_guard(context);
    detail::transaction_deadlines<connection> deadlines;
    connector source;
    visor::pool<connector> pool;
    std::atomic<bool> is_closing{false};
    bool is_listening = false;
    bool is_flushing = false;                    // used on the context only
    std::atomic<bool> is_subscribed{false};      // the listening connection is established
    std::atomic<bool> is_silent{false};          // the listening connection was closed, since no notification came
    boost::asio::steady_timer silence{context};  // ends when there is a reason to listen again
    std::thread thread;
  };

  std::shared_ptr<running> start() {
    settings_.check();
    std::scoped_lock const lock(mutex_);
    if (is_halted_) throw error(errc::closed, "the store has ended");
    if (running_) return running_;
    running_ = std::make_shared<running>(settings_, log_);
    if (watcher_) listen(running_);
    if constexpr (notifies)
      running_->source.notifier().on_pending([this, &here = *running_] {
        boost::asio::post(here.context, [this, &here] {
          if (!std::exchange(here.is_flushing, true))
            boost::asio::co_spawn(here.context, flush_pending_notifications(here), boost::asio::detached);
        });
      });
    return running_;
  }

  std::shared_ptr<running> current() const {
    std::scoped_lock const lock(mutex_);
    if (!running_) throw error(errc::closed, "the database is not open: call open() first, and nothing after close()");
    return running_;
  }

  /// True when the whole transaction may be repeated, since nothing of it was written.
  static bool may_repeat(errc what) noexcept {
    return what == errc::connection_lost || what == errc::serialization_failure || what == errc::deadlock || what == errc::read_only;
  }

  static constexpr connection_purpose purpose_of(lock_mode how) noexcept {
    return how == lock_mode::heartbeat ? connection_purpose::heartbeat : connection_purpose::work;
  }

  /// Writers, except for heartbeats, make the database listen again: other nodes will react.
  static void end_silence(running& in, lock_mode how) {
    bool const writes = how == lock_mode::shared || how == lock_mode::exclusive || how == lock_mode::schema;
    if (!writes || !in.is_silent.exchange(false)) return;
    boost::asio::post(in.context, [&in] { in.silence.cancel(); });
  }

  template <class Op>
  static constexpr deferral deferral_of() noexcept {
    if constexpr (requires { Op::defers; })
      return Op::defers;
    else
      return deferral::none;
  }

  /// The name of the holder of a connection, where the operation knows it; otherwise messages could only name this file.
  template <class Op>
  static std::source_location where_of(Op const& op) {
    if constexpr (requires { op.where(); })
      return op.where();
    else
      return std::source_location::current();
  }

  /// Runs an operation, with retries.
  /// \param where the holder of the connection, for messages
  task<> perform(operation op, lock_mode how, std::source_location where, deferral may_defer = deferral::none) {
    auto const here = current();
    duration const limit = settings_.longest_lock_wait();
    duration lock_wait = std::min<duration>(first_lock_wait, limit);
    duration waited{0};  // for the turns of others
    end_silence(*here, how);
    for (int attempt = 1;; ++attempt) {
      std::optional<error> failure;
      bool was_kept_out = false;
      bool is_others_turn = false;
      {
        auto held = here->pool.try_acquire(where, purpose_of(how));
        if (!held) held = co_await here->pool.acquire(where, purpose_of(how));
        // From here on the operation refers to values of the caller.
        co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
        try {
          bool const is_calm = attempt <= most_deferred;
          lock_request const wanted{lock_, lock_wait, limit, is_calm ? may_defer : deferral::none, attempt < most_attempts, !is_calm};
          co_await run(*here, *held, op, how, wanted);
          if (held->state() == connection_state::broken) held.evict_all();  // the connection broke with the last answer
          co_return;
        } catch (error const& thrown) {
          failure = thrown;
        }
        was_kept_out = how == lock_mode::exclusive && held->was_kept_out();
        if constexpr (requires { held->is_others_turn(); }) is_others_turn = held->is_others_turn();
        bool const broke = failure->code() == errc::connection_lost || failure->code() == errc::outcome_unknown;
        // A right that is granted later counts for later connections only.
        bool const is_of_no_use = failure->code() == errc::read_only || failure->code() == errc::authentication_failed;
        if (broke) held.evict_all();
        if (is_of_no_use) held.condemn();
      }
      if (is_others_turn && waited < limit) {
        co_await sleep(pause_for_turn);
        waited += pause_for_turn;
        --attempt;
        continue;
      }
      if (was_kept_out && lock_wait < limit) {
        co_await sleep(lock_wait);
        lock_wait = std::min(lock_wait * 2, limit);
        --attempt;
        continue;
      }
      // The next connection may lead to the server that is writable now. If even a new connection finds none, there is none.
      int const most = failure->code() == errc::read_only ? 2 : most_attempts;
      if (!may_repeat(failure->portable_code()) || attempt >= most) throw error(*failure);
      if (failure->code() != errc::connection_lost) co_await pause(attempt);
    }
  }

  task<> pause(int attempt) const {
    thread_local std::minstd_rand random{std::random_device{}()};
    return sleep(std::chrono::microseconds(std::uniform_int_distribution<int>(500, 2000 << attempt)(random)));
  }

  static task<> sleep(duration length) {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    timer.expires_after(length);
    auto sleeping = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(sleeping);
  }

  task<> run(running& in, connection& on, operation op, lock_mode how, lock_request const& wanted) {
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    typename connection::attachment const here(on, executor);
    typename detail::transaction_deadlines<connection>::entry const until(in.deadlines, on, settings_.transaction_timeout + grace);
    if constexpr (blocks<connection>) {
      auto const work = [&on, op, how, &wanted] { run_here(on, op, how, wanted); };
      auto done = detail::run_on(on.threads(), work);
      co_await std::move(done);
    } else {
      std::exception_ptr failure;
      try {
        co_await on.begin(how, wanted);
        session in_transaction(on);
        co_await op(in_transaction);
        co_await on.commit();
      } catch (...) {
        failure = std::current_exception();
      }
      if (!failure) co_return;
      if (on.state() == connection_state::dirty) {
        try {
          co_await on.rollback();
        } catch (error const&) {  // then the pool resets the connection, or it is broken, and the server rolls back
        }
      }
      std::rethrow_exception(failure);
    }
  }

  /// The same over a connection that blocks, on a thread of the driver.
  static void run_here(connection& on, operation op, lock_mode how, lock_request const& wanted)
    requires blocks<connection>
  {
    struct turn {
      connection& of;
      ~turn() {
        if constexpr (requires { of.end_turn(); }) of.end_turn();
      }
    } const ends_last{on};
    try {
      if (wanted.defers != deferral::none && deferred_here(on, op, how, wanted)) return;
      if constexpr (requires { on.replays(how); }) {
        if (wanted.may_replay && on.replays(how)) {
          lock_request replayed(wanted);
          replayed.defers = deferral::replayed;
          if (deferred_here(on, op, how, replayed)) return;
        }
      }
      lock_request with_lock(wanted);
      with_lock.defers = deferral::none;
      on.begin(how, with_lock);
      session in_transaction(on);
      op(in_transaction).get();
      on.commit();
    } catch (...) {
      if (on.state() == connection_state::dirty) {
        try {
          on.rollback();
        } catch (error const&) {  // as above
        }
      }
      throw;
    }
  }

  /// Runs a deferred operation.
  /// \return false when the operation needs an answer half-way; nothing was written then
  static bool deferred_here(connection& on, operation op, lock_mode how, lock_request const& wanted)
    requires blocks<connection>
  {
    try {
      on.begin(how, wanted);
      session in_transaction(on);
      op(in_transaction).get();
      on.commit();
      return true;
    } catch (detail::cannot_defer const&) {
      return false;
    }
  }

  /// \pre the lock is held, and there is a watcher
  void listen(std::shared_ptr<running> const& here) {
    if constexpr (requires(connection& c) { c.listen(store_lock()); }) {
      if (std::exchange(here->is_listening, true)) return;
      if (!settings_.hears()) {
        note_deaf(*here, " tells of no commits of others: they are looked for");
        return;
      }
      if (settings_.pool.max < 3) {
        note_deaf(
            *here,
            ": nobody listens for commits of others, which takes a connection of its own and pool.max of 3 or more: they are looked for");
        return;
      }
      boost::asio::co_spawn(here->context, keep_listening(*here), boost::asio::detached);
    }
  }

  void note_deaf(running& here, std::string const& why) {
    boost::asio::post(here.context, [log = log_, text = settings_.display_name() + why] {
      if (log) log(log_level::info, text);
    });
  }

  /// The time after which a listening connection without notifications is closed; zero: never.
  duration longest_silence() const { return settings_.pool.min == 0 ? settings_.pool.idle_timeout : duration{0}; }

  /// Calls the watcher at others' commits, over a connection of its own, until the database is closed. Where no connection may stay open
  /// idle, this one is closed as well after as long without a notification, until this process writes again. That end calls no watcher: the
  /// watcher would use connections, and its writes would begin to listen again.
  task<> keep_listening(running& here) {
    std::chrono::milliseconds pause{100};
    bool again = false;
    while (!here.is_closing) {
      bool is_silent = false;
      try {
        auto const where = std::source_location::current();
        // Where the server allows a single connection only, it is not used for listening.
        auto other = co_await here.pool.acquire(where);
        auto listen_connection = co_await here.pool.acquire_or_fail(where, connection_purpose::listening);
        other.release();
        {
          boost::asio::any_io_executor const executor = here.context.get_executor();
          typename connection::attachment const attached(*listen_connection, executor);
          co_await listen_connection->listen(lock_);
          here.is_subscribed = true;
          pause = std::chrono::milliseconds{100};
          if (std::exchange(again, true)) tell_watcher();  // for notifications missed meanwhile
          while (!is_silent) {
            std::size_t const received = co_await await_notifications(here, *listen_connection);
            is_silent = received == 0;
            if (!is_silent) tell_watcher();
          }
        }
        here.is_silent = is_silent;
        here.is_subscribed = false;
        listen_connection.discard();
      } catch (std::exception const&) {  // operations on the database fail in the same way, and have a caller to tell
      }
      here.is_subscribed = false;
      if (is_silent) {
        while (here.is_silent && !here.is_closing) {
          here.silence.expires_after(std::chrono::hours{1});
          auto sleep = here.silence.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
          co_await std::move(sleep);
        }
        continue;
      }
      boost::asio::steady_timer timer(here.context);
      timer.expires_after(pause);
      pause = std::min<std::chrono::milliseconds>(pause * 2, std::chrono::seconds{5});
      auto sleep = timer.async_wait(boost::asio::use_awaitable);
      co_await std::move(sleep);
    }
  }

  /// Waits for notifications.
  /// \return the number of notifications from others; 0: none came for as long as a connection may be idle
  task<std::size_t> await_notifications(running& here, connection& listen_connection) {
    for (;;) {
      std::size_t received = 0;
      duration const longest = longest_silence();
      if (longest == duration{0}) {
        received = co_await listen_connection.wait_for_notifications();
      } else {
        boost::asio::any_io_executor const executor = here.context.get_executor();
        auto listening =
            detail::with_timeout<std::optional<std::size_t>>(executor, wall_clock(), longest, await_notifications_once(listen_connection));
        auto const answer = co_await std::move(listening);
        if (!answer) co_return 0;
        received = *answer;
      }
      if (received != 0) co_return received;
    }
  }
  static task<std::optional<std::size_t>> await_notifications_once(connection& listen_connection) {
    co_return co_await listen_connection.wait_for_notifications();
  }

  /// Sends pending notifications of commits, as long as there are any.
  task<> flush_pending_notifications(running& here) {
    boost::asio::steady_timer timer(here.context);
    duration pause = detail::notify_coalescer::interval;
    for (;;) {
      timer.expires_after(pause);
      auto sleep = timer.async_wait(boost::asio::use_awaitable);
      co_await std::move(sleep);
      if (!here.source.notifier().take_pending(std::chrono::steady_clock::now())) break;
      pause = std::chrono::milliseconds{100};
      try {
        auto notify_connection = co_await here.pool.acquire();
        boost::asio::any_io_executor const executor = here.context.get_executor();
        typename connection::attachment const attached(*notify_connection, executor);
        co_await notify_connection->flush_pending(lock_);
        pause = detail::notify_coalescer::interval;
      } catch (std::exception const&) {  // operations on the database fail in the same way, and have a caller to tell
        here.source.notifier().mark_pending();
      }
    }
    here.is_flushing = false;
  }

  /// Sends the pending notification when the database is closed, if a connection is idle.
  task<> flush_last_pending(running& here) {
    if constexpr (notifies) {
      auto held = here.pool.try_acquire();
      if (!held || !here.source.notifier().take_pending(std::chrono::steady_clock::now())) co_return;
      boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
      typename connection::attachment const attached(*held, executor);
      try {
        co_await held->flush_pending(lock_);
      } catch (error const&) {  // then the others find the work by themselves
      }
    }
    co_return;
  }

  void tell_watcher() {
    std::function<void()> watcher;
    {
      std::scoped_lock const lock(mutex_);
      watcher = watcher_;
    }
    if (watcher) watcher();
  }

  typename Driver::settings settings_;
  std::atomic<bool> is_warned_{false};  ///< about the lack of encryption
  std::atomic<bool> is_told_{false};    ///< about a shortcoming of the database
  log_sink log_;
  store_lock lock_;
  mutable std::mutex mutex_;  // guards the members below
  std::function<void()> watcher_;
  std::shared_ptr<running> running_;
  bool is_halted_ = false;
};

}  // namespace visor

#endif
