#ifndef VISOR_DRIVER_MSSQL_CONNECTION_HPP
#define VISOR_DRIVER_MSSQL_CONNECTION_HPP

#include "visor/async/run_on.hpp"
#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/driver/driver.hpp"
#include "visor/driver/mssql/deferred.hpp"
#include "visor/driver/mssql/failure.hpp"
#include "visor/driver/mssql/library.hpp"
#include "visor/driver/mssql/values.hpp"
#include "visor/driver/statement_form.hpp"
#include "visor/driver/statement_log.hpp"
#include "visor/pool/pool.hpp"
#include "visor/sql/statement.hpp"

#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/any_io_executor.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::mssql_driver {

/// A duplicate of the library's socket under a number of our own, for shutdown.
class shared_socket {
 public:
  explicit shared_socket(int number) : number_(number) {}
  shared_socket(shared_socket&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  shared_socket& operator=(shared_socket&&) = delete;
  ~shared_socket() {
    if (number_ >= 0) ::close(number_);
  }
  void shut() const noexcept {
    if (number_ >= 0) ::shutdown(number_, SHUT_RDWR);
  }

 private:
  int number_;
};

/// A statement that is prepared once for each connection, with its parameters and its current row.
struct prepared_statement {
  prepared_statement(statement_ptr made, visor::detail::statement_form const& form)
      : handle(std::move(made)), values(form.parameters), row(form.columns) {}
  statement_ptr handle;
  parameters values;
  row_buffer row;
};

/// A connection. Its calls block: they run on one of `threads()`, one at a time. Only `interrupt` may be called from other threads.
class connection {
 public:
  /// \param made connected
  /// \param display_name the name of the database in messages
  /// \param remedy for a user who lacks a right
  /// \param limit of a transaction
  /// \param lock_wait the longest wait of a statement for a lock
  /// \param how shared by all connections of the connector
  connection(connection_ptr made, shared_socket socket, std::string display_name, std::string remedy, duration limit, duration lock_wait,
             visor::detail::statement_log log, std::shared_ptr<deferral_state> how, boost::asio::any_io_executor threads)
      : handle_(std::move(made)),
        socket_(std::move(socket)),
        display_name_(std::move(display_name)),
        remedy_(std::move(remedy)),
        limit_(limit),
        log_(std::move(log)),
        deferral_(std::move(how)),
        threads_(std::move(threads)),
        wait_(milliseconds(lock_wait)) {}
  connection(connection const&) = delete;
  connection& operator=(connection const&) = delete;
  ~connection() {
    if (is_broken_) socket_.shut();  // so that its logout waits for nothing
  }

  boost::asio::any_io_executor threads() const { return threads_; }

  /// Sets up a new session with the settings that visor relies on.
  /// \param longest wait for each answer
  void prepare_session(duration longest) {
    duration const whole = std::exchange(limit_, longest);
    run("SET XACT_ABORT ON; SET NOCOUNT OFF; SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET CONCAT_NULL_YIELDS_NULL ON; "
        "SET QUOTED_IDENTIFIER ON; SET LOCK_TIMEOUT " +
        wait_);
    server_ = query_value("SELECT CAST(SERVERPROPERTY('productversion') AS nvarchar(128))");
    std::string const bare = query_value("SELECT CAST(SERVERPROPERTY('babelfish') AS nvarchar(10))");
    is_babelfish_ = bare == "1";
    // There a lock by name belongs to the whole server, and not to a database.
    if (is_babelfish_) database_of_lock_ = " of " + query_value("SELECT DB_NAME()");
    reads_json_ = probe_json();
    // Undoes possible settings of the server's `user options` or of a login trigger: implicit transactions, cut results, and errors instead
    // of rounded numbers.
    if (!is_babelfish_)
      run("SET IMPLICIT_TRANSACTIONS OFF; SET ROWCOUNT 0; SET NUMERIC_ROUNDABORT OFF; SET ARITHABORT ON; SET CURSOR_CLOSE_ON_COMMIT OFF");
    has_snapshots_ =
        is_babelfish_ ||
        query_value("SELECT CAST(snapshot_isolation_state AS nvarchar(10)) FROM sys.databases WHERE database_id = DB_ID()") == "1";
    limit_ = whole;
  }

  /// Whether the server returns texts from JSON unchanged. Babelfish 4.3 leaves them escaped: JSON is not used there.
  bool reads_json() const noexcept { return reads_json_; }

  /// Executes a statement that is prepared once for each connection.
  /// \return the statement; its rows have to be fetched, and `finish` called
  template <sql::statement Definition>
  prepared_statement& execute(typename Definition::params const& given) {
    auto const form = visor::detail::form_of<mssql_dialect, Definition>();
    prepared_statement& one = prepare(form);
    sql::bind_all<sql::spelled<mssql_dialect, Definition>>(one.values, given);
    execute(form, one);
    return one;
  }

  /// Fetches the next row.
  /// \return false when there is none
  bool next_row(prepared_statement& of) {
    running const now(*this, of.handle.get());
    SQLRETURN const done = SQLFetch(of.handle.get());
    if (done == SQL_NO_DATA) return false;
    if (!SQL_SUCCEEDED(done) || !of.row.take(of.handle.get())) fail(of.handle.get());
    return true;
  }

  std::size_t affected(prepared_statement& of) {
    SQLLEN count = 0;
    SQLRowCount(of.handle.get(), &count);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }

  /// Reads the rest of the answer.
  void finish(prepared_statement& of) {
    take_rest(of.handle.get());
    SQLFreeStmt(of.handle.get(), SQL_CLOSE);
  }

  template <sql::statement Definition>
  visor::detail::statement_log::entry tell() const {
    auto const form = visor::detail::form_of<mssql_dialect, Definition>();
    return visor::detail::statement_log::entry(log_, form.text, form.parameters.size());
  }

  /// Runs text that is not prepared: one statement or several.
  void run(std::string_view text) {
    visor::detail::statement_log::entry telling(log_, log_.without_values(text), 0);
    statement_ptr const one = make_statement();
    execute_text(one.get(), text);
    take_rest(one.get());
    telling.rows = 0;
  }

  /// Runs a query.
  /// \return the first value of its result, as text; empty for none
  std::string query_value(std::string_view text) {
    statement_ptr const one = make_statement();
    execute_text(one.get(), text);
    running const now(*this, one.get());
    static constexpr sql::kind text_kind[] = {sql::kind::text};
    row_buffer row(text_kind);
    SQLRETURN done = SQLFetch(one.get());
    while (!SQL_SUCCEEDED(done)) {  // results without rows may come first; the wanted one is behind them
      SQLRETURN const more = SQLMoreResults(one.get());
      if (more == SQL_NO_DATA) return {};
      if (!SQL_SUCCEEDED(more)) fail(one.get());
      done = SQLFetch(one.get());
    }
    if (!row.take(one.get())) fail(one.get());
    take_rest(one.get());
    return std::string(row.text(0));
  }

  /// Describes the transaction of the server, other than this one, that has been open longest, for people. Empty where the user lacks the
  /// right.
  std::string oldest_transaction() {
    try {
      return query_value(
          "SELECT TOP (1) CONCAT('session ', s.session_id, ' of the server (user ', s.login_name, ', program ', s.program_name, ', from ', "
          "s.host_name, ', process ', s.host_process_id, '), open since ', CONVERT(nvarchar(19), t.transaction_begin_time, 120)) FROM "
          "sys.dm_tran_session_transactions o JOIN sys.dm_tran_active_transactions t ON t.transaction_id = o.transaction_id JOIN "
          "sys.dm_exec_sessions s ON s.session_id = o.session_id WHERE o.session_id <> @@SPID ORDER BY t.transaction_begin_time");
    } catch (error const&) {
      return {};
    }
  }

  /// Marks the session as modified: text in this transaction may leave a state in it that nothing resets.
  void touch() noexcept { is_touched_ = true; }

  /// Does nothing: this connection waits on no context.
  struct attachment {
    attachment(connection&, boost::asio::any_io_executor const&) {}
  };

  // One transaction.

  /// Begins a transaction. A write transaction waits until every other one has ended, even in lock mode `shared`. A read transaction sees
  /// one state, that of its first statement; where the database allows no snapshots, it blocks writers instead.
  ///
  /// A deferred transaction begins with its last message, and a replayed one also with each message that asks about its own writes. Its
  /// earlier reads need no lock: the message has no effect if another transaction has written since the first query. Where the operation
  /// guards itself, it has no effect if one of its statements affects another number of rows than it must.
  void begin(lock_mode how, lock_request const& wanted = {}) {
    was_kept_out_ = false;
    last_number_ = 0;
    how_ = how;
    counter_ = wanted.lock.counter;
    defers_ = wanted.defers != deferral::none && !counter_.table.empty() && !deferral_->is_off;
    is_guarded_ = wanted.defers == deferral::guarded;
    is_replayed_ = wanted.defers == deferral::replayed;
    if (defers_) {
      later_.clear();
      seen_.reset();
      lock_text_ = lock_text(how, wanted);
      writes_ = how != lock_mode::snapshot;
      if (wanted.takes_turn) take_turn();
      return;
    }
    writes_ = how != lock_mode::snapshot && how != lock_mode::single_statement;
    if (how == lock_mode::single_statement || how == lock_mode::heartbeat) return;
    is_open_ = true;
    if (!writes_ && has_snapshots_) return run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION");
    std::string const got = query_value(lock_text(how, wanted) + turn_check_of(how) + " SELECT CAST(@got AS nvarchar(20))");
    was_kept_out_ = got.empty() || got.starts_with('-');
    if (was_kept_out_) throw kept_out(how);
  }

  /// True when the last transaction failed because it did not get its lock in time; nothing of it was done.
  bool was_kept_out() const noexcept { return was_kept_out_; }

  /// True when it failed because another transaction had the turn, which ends within a second; nothing of it was done.
  bool is_others_turn() const noexcept { return last_number_ == static_cast<int>(raised::others_turn); }

  /// True when any transaction of the kind may run as `deferral::replayed`: those that would block others between two messages.
  bool replays(lock_mode how) const noexcept {
    return how == lock_mode::shared || how == lock_mode::exclusive || (how == lock_mode::snapshot && !has_snapshots_);
  }

  /// Lets others write again, after a transaction that took a turn and did not complete.
  void end_turn() noexcept {
    if (std::exchange(takes_turn_, false) && !is_broken_) {
      try {
        run(turn_end_text());
      } catch (error const&) {  // the turn ends by itself
      }
    }
    turn_ = 0;
  }

  /// Commits.
  /// \throws visor::error `outcome_unknown` when the transaction wrote and the connection broke before the answer
  void commit() {
    if (defers_ && later_.is_empty()) {
      defers_ = false;
      if (seen_ && seen_ != count()) throw error(errc::serialization_failure, "others wrote to " + display_name_ + " meanwhile");
    }
    if (!is_open_ && !defers_) return;
    std::optional<error> failure;
    try {
      if (std::exchange(defers_, false))
        send_deferred();
      else
        run(writes_ ? count_text(counter_.name) + "COMMIT TRANSACTION" : std::string("COMMIT TRANSACTION"));
    } catch (error const& thrown) {
      failure = thrown;
    }
    if (failure && is_broken_ && writes_)
      throw error(errc::outcome_unknown, "the connection to " + display_name_ + " broke while it committed: it may have, or not",
                  failure->server_text());
    if (failure) throw error(*failure);
    is_open_ = false;
  }

  void rollback() {
    run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION");
    is_open_ = false;
  }

  // Deferred transactions.

  bool defers() const noexcept { return defers_; }
  deferred_statements& later() noexcept { return later_; }

  /// Must be called before each query.
  /// \return true when `replay` has to run the query, since it is about unsent writes
  /// \throws detail::cannot_defer when that is impossible
  template <sql::statement S>
  bool prepare_question() {
    if (!defers_ || S::used::all.empty()) return false;
    bool const is_about_ours = later_.touches<typename S::used>();
    if (is_about_ours && !is_replayed_) throw visor::detail::cannot_defer();
    if (!is_guarded_) look_at_counter();
    return is_about_ours;
  }

  /// Runs a query about unsent writes: a message performs the writes, runs the query, and rolls back.
  /// \param take is called with each row
  template <sql::statement S, class Take>
  void replay(typename S::params const& given, Take take) {
    deferred_statements all(later_);
    all.add_query<S>(given);
    auto const form = visor::detail::form_of<mssql_dialect, S>();
    send(all, "ROLLBACK TRANSACTION", form.columns, take);
  }

  /// Keeps statements, and determines in the same way the row count of each.
  /// \throws detail::cannot_defer when that is impossible
  template <sql::statement S>
  std::vector<std::size_t> replay_counts(std::span<typename S::params const> many) {
    if (!is_replayed_) throw visor::detail::cannot_defer();
    look_at_counter();
    deferred_statements all(later_);
    all.begin_counts();
    for (auto const& each : many) all.add_counted<S>(each);
    static constexpr sql::kind text_kind[] = {sql::kind::text};
    std::string found;
    auto const take = [&found](row_buffer const& row) { found = row.text(0); };
    send(all, "ROLLBACK TRANSACTION; " + std::string(deferred_statements::select_counts), text_kind, take);
    std::vector<std::size_t> counts;
    char const* at = found.c_str();
    for (auto const& each : many) {
      char* end = nullptr;
      counts.push_back(std::strtoull(at, &end, 10));
      if (end == at) throw error(errc::internal, display_name_ + " did not tell how many rows a statement affected");
      at = end;
      later_.add<S>(each, counts.back());
    }
    return counts;
  }

  error other_number() const {
    return error(
        errc::serialization_failure,
        "a claim in " + display_name_ + " removed other rows than it had read: another transaction was at work there, so nothing was done");
  }

  /// True when readers and writers do not block each other.
  bool has_snapshots() const { return has_snapshots_; }

  /// Product and version, and a possible improvement.
  std::string server() const {
    std::string const product = (is_babelfish_ ? "Babelfish for PostgreSQL, as SQL Server " : "SQL Server ") + server_;
    return has_snapshots_ ? product : product + ", whose database has no snapshots: ALTER DATABASE ... SET ALLOW_SNAPSHOT_ISOLATION ON";
  }
  /// Protocol and cipher, of which the library reports nothing.
  std::string tls() const { return is_encrypted_ ? "TLS" : ""; }
  void note_encrypted() { is_encrypted_ = true; }

  // The interface for the pool.

  connection_state state() const noexcept {
    if (is_broken_ || is_touched_ || is_late_ || is_interrupted_) return connection_state::broken;
    return is_open_ ? connection_state::dirty : connection_state::clean;
  }

  task<> ping() {
    auto const work = [this] { run("SELECT 1"); };
    auto done = visor::detail::run_on(threads_, work);
    co_await std::move(done);
  }

  task<> reset() {
    auto const work = [this] { rollback(); };
    auto done = visor::detail::run_on(threads_, work);
    co_await std::move(done);
  }

  task<> close() { co_return; }

  /// Interrupts the running statement by breaking the connection. From any thread.
  /// \param late the time limit has passed
  void interrupt(bool late = false) noexcept {
    (late ? is_late_ : is_interrupted_) = true;
    std::scoped_lock const lock(mutex_);
    if (running_ != nullptr) SQLCancel(running_);
    socket_.shut();
  }

 private:
  /// Registers the statement that `interrupt` cancels.
  class running {
   public:
    running(connection& on, SQLHSTMT what) : on_(on) {
      std::scoped_lock const lock(on_.mutex_);
      on_.running_ = what;
    }
    running(running const&) = delete;
    running& operator=(running const&) = delete;
    ~running() {
      std::scoped_lock const lock(on_.mutex_);
      on_.running_ = nullptr;
    }

   private:
    connection& on_;
  };

  /// Checks the JSON support of the server.
  /// \throws visor::error `unsupported` where the database has the compatibility level of an older server
  bool probe_json() {
    try {
      return query_value(R"(SELECT c FROM OPENJSON(N'[{"c":"\"\\\n\t\u0041"}]') WITH (c nvarchar(max)))") == "\"\\\n\tA";
    } catch (error const& thrown) {
      if (thrown.code() != errc::schema_mismatch) throw;
      throw error(errc::unsupported,
                  display_name_ + " knows no JSON, since it behaves as an older server: ALTER DATABASE ... SET COMPATIBILITY_LEVEL = 140",
                  thrown.server_text());
    }
  }

  /// \param how an exclusive transaction retries with a longer lock timeout, so the holder of the lock is not looked up yet
  error kept_out(lock_mode how) {
    std::string line = "others wrote to " + display_name_ + " all the time: this was not begun";
    if (how != lock_mode::exclusive)
      if (std::string const whose = oldest_transaction(); !whose.empty()) line += "; perhaps it was " + whose;
    return error(errc::busy, line);
  }

  /// Returns the text that begins a transaction and takes its lock. The result of the lock is in @got, below 0 on failure.
  std::string lock_text(lock_mode how, lock_request const& wanted) const {
    bool const only_reads = how == lock_mode::snapshot;
    return "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRANSACTION; DECLARE @got int; EXEC @got = sp_getapplock @Resource = " +
           quoted(std::string(wanted.lock.resource) + database_of_lock_) + ", @LockMode = N'" + (only_reads ? "Shared" : "Exclusive") +
           "', @LockOwner = N'Transaction', @LockTimeout = " +
           (how == lock_mode::exclusive && wanted.lock_timeout != duration{0} ? milliseconds(wanted.lock_timeout) : wait_) + ";";
  }

  /// Reads the count of write transactions; nothing where none was counted yet. Later statements take no locks, where that is possible.
  std::optional<std::int64_t> count() {
    // A replayed operation may run while the schema is incomplete.
    std::string const where_there = is_replayed_ ? "IF OBJECT_ID(" + quoted(counter_.table) + ") IS NOT NULL " : std::string();
    std::string const found =
        query_value(std::string("SET TRANSACTION ISOLATION LEVEL ") + (has_snapshots_ ? "SNAPSHOT" : "READ COMMITTED") + "; " +
                    where_there + "SELECT CAST(" + counted() + " AS nvarchar(20)) FROM " + counters());
    if (found.empty()) return std::nullopt;
    return std::strtoll(found.c_str(), nullptr, 10);
  }

  void look_at_counter() {
    if (!seen_) seen_ = count();
    if (!seen_) throw visor::detail::cannot_defer();  // no write transaction has been counted yet
  }

  /// The number that must stay the same: for a replayed transaction the sum of both counters, each of which only grows.
  std::string counted() const { return is_replayed_ ? "SUM(" + column(counter_.number) + ")" : column(counter_.number); }
  std::string counters() const {
    std::string const table = std::string(counter_.table) + " WHERE ";
    if (!is_replayed_) return table + is_row(counter_.name);
    return table + column(counter_.key) + " IN (" + quoted(counter_.name) + ", " + quoted(counter_.additions) + ")";
  }

  static std::string column(std::string_view name) { return bracketed(name); }
  static std::string quoted(std::string_view name) {
    std::string result = "N'";
    for (char const c : name) result += c == '\'' ? std::string("''") : std::string(1, c);
    return result + "'";
  }
  std::string is_row(std::string_view name) const { return column(counter_.key) + " = " + quoted(name); }

  /// Returns the text that sets the number of a row, or inserts the row.
  std::string set_text(std::string_view name, std::string const& to, std::string const& first) const {
    std::string const table(counter_.table), number = column(counter_.number);
    return "UPDATE " + table + " SET " + number + " = " + to + " WHERE " + is_row(name) + "; IF @@ROWCOUNT = 0 INSERT INTO " + table +
           " (" + column(counter_.key) + ", " + number + ") VALUES (" + quoted(name) + ", " + first + "); ";
  }

  /// Returns the text that counts a write transaction. The table may not exist yet, or not any more.
  std::string count_text(std::string_view name) const {
    if (counter_.table.empty() || name.empty()) return {};
    return "IF OBJECT_ID(" + quoted(counter_.table) + ") IS NOT NULL BEGIN " + set_text(name, column(counter_.number) + " + 1", "1") +
           "END; ";
  }

  // The turn of a transaction that failed several times because others wrote. It is a row with the instant of its end, by the server's
  // clock: the transaction holds no lock between two messages, and the turn of a stopped process ends by itself.

  static constexpr std::string_view microseconds_now = "DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME())";
  static constexpr std::string_view length_of_turn = "1000000";

  void take_turn() {
    if (counter_.turn.empty()) return;
    std::string const text = lock_text_ + " IF @got < 0 " + deferred_statements::raising(raised::no_turn) + " " + turn_check() +
                             " DECLARE @until bigint = " + std::string(microseconds_now) + " + " + std::string(length_of_turn) + "; " +
                             set_text(counter_.turn, "@until", "@until") + "COMMIT TRANSACTION; SELECT CAST(@until AS nvarchar(20))";
    std::string until;
    try {
      until = query_value(text);
    } catch (error const&) {
      was_kept_out_ = last_number_ == static_cast<int>(raised::no_turn);
      if (was_kept_out_) throw kept_out(how_);
      throw;
    }
    turn_ = std::strtoll(until.c_str(), nullptr, 10);
    takes_turn_ = true;
  }

  /// Returns the text that raises an error during the turn of another transaction.
  std::string turn_check() const {
    if (counter_.turn.empty()) return {};
    std::string const number = column(counter_.number), now(microseconds_now);
    std::string const not_ours = turn_ == 0 ? std::string() : " AND " + number + " <> " + std::to_string(turn_);
    return "IF EXISTS (SELECT 1 FROM " + std::string(counter_.table) + " WHERE " + is_row(counter_.turn) + " AND " + number + " > " + now +
           " AND " + number + " <= " + now + " + " + std::string(length_of_turn) + not_ours + ") " +
           deferred_statements::raising(raised::others_turn);
  }

  /// The same for a transaction under the lock, when tables may be missing.
  std::string turn_check_of(lock_mode how) const {
    if (counter_.turn.empty() || (how != lock_mode::shared && how != lock_mode::exclusive)) return {};
    return " IF @got >= 0 AND OBJECT_ID(" + quoted(counter_.table) + ") IS NOT NULL BEGIN " + turn_check() + " END;";
  }

  std::string turn_end_text() const {
    return "UPDATE " + std::string(counter_.table) + " SET " + column(counter_.number) + " = 0 WHERE " + is_row(counter_.turn) + " AND " +
           column(counter_.number) + " = " + std::to_string(turn_) + "; ";
  }

  /// Sends all writes of the transaction, from its begin to its commit: the server waits for nothing from us until it is over.
  void send_deferred() {
    // A guarded operation adds rows, or changes rows that only guarded operations read. So it invalidates no reads of others but those of
    // replayed operations, which may read anything.
    std::string end = count_text(is_guarded_ ? counter_.additions : counter_.name);
    if (takes_turn_) end += turn_end_text();
    send(later_, end + "COMMIT TRANSACTION", {}, [](row_buffer const&) {});
    takes_turn_ = false;
    later_.clear();
  }

  /// Sends one message that begins a transaction, runs everything and ends it.
  /// \param end the text that ends it
  /// \param columns of the rows that the message returns
  template <class Take>
  void send(deferred_statements const& what, std::string_view end, std::span<sql::kind const> columns, Take take) {
    std::string text = lock_text_ + " IF @got < 0 " + deferred_statements::raising(raised::no_turn) + " " + turn_check() + " ";
    std::vector<sql::kind> first;
    if (seen_) {
      first.push_back(sql::kind::bigint);
      if (is_replayed_)
        text += "IF (SELECT " + counted() + " FROM " + counters() + ") <> ? " + deferred_statements::raising(raised::out_of_date) + " ";
      else
        text += "IF NOT EXISTS (SELECT 1 FROM " + counters() + " AND " + column(counter_.number) + " = ?) " +
                deferred_statements::raising(raised::out_of_date) + " ";
    }
    text.append(what.text()).append(end);
    auto const kinds = what.kinds_behind(std::move(first));
    parameters values(kinds);
    if (seen_) values.bind(0, *seen_);
    what.bind_to(values, seen_ ? 1 : 0);
    visor::detail::statement_log::entry telling(log_, what.text(), kinds.size());
    statement_ptr const one = make_statement();
    is_open_ = true;
    last_number_ = 0;
    if (!values.give_to(one.get())) fail(one.get());
    try {
      execute_text(one.get(), text);
      telling.rows = take_rows(one.get(), columns, take);
    } catch (error const&) {
      was_kept_out_ = last_number_ == static_cast<int>(raised::no_turn);
      if (was_kept_out_) throw kept_out(how_);
      if (is_broken_ || deferral_->is_understood || !is_not_understood(last_number_)) throw;
    }
    if (last_number_ != 0) {
      deferral_->is_off = true;
      rollback();
      throw visor::detail::cannot_defer();
    }
    is_open_ = false;
    deferral_->is_understood = true;
  }

  /// Reads the rows of an answer.
  /// \return the number of rows
  template <class Take>
  std::size_t take_rows(SQLHSTMT of, std::span<sql::kind const> columns, Take take) {
    running const now(*this, of);
    std::size_t count = 0;
    for (;;) {
      SQLSMALLINT width = 0;
      SQLNumResultCols(of, &width);
      if (width > 0 && !columns.empty()) {
        row_buffer row(columns);
        SQLRETURN done = SQLFetch(of);
        for (; SQL_SUCCEEDED(done); done = SQLFetch(of)) {
          if (!row.take(of)) fail(of);
          take(row);
          ++count;
        }
        if (done != SQL_NO_DATA) fail(of);
      }
      SQLRETURN const more = SQLMoreResults(of);
      if (more == SQL_NO_DATA) return count;
      if (!SQL_SUCCEEDED(more)) fail(of);
    }
  }

  static std::string milliseconds(duration length) {
    return std::to_string(std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(length).count(), 1));
  }

  prepared_statement& prepare(visor::detail::statement_form const& form) {
    if (form.number >= prepared_.size()) prepared_.resize(form.number + 1);
    auto& one = prepared_[form.number];
    if (!one) {
      auto made = std::make_unique<prepared_statement>(make_statement(), form);
      std::vector<SQLWCHAR> text = to_wide(form.text);
      if (!SQL_SUCCEEDED(SQLPrepareW(made->handle.get(), text.data(), SQL_NTS))) fail(made->handle.get());
      one = std::move(made);
    }
    return *one;
  }

  /// Executes a statement with its bound values.
  void execute(visor::detail::statement_form const& form, prepared_statement& one) {
    statement_ptr failed;
    running const now(*this, one.handle.get());
    SQLRETURN const done = one.values.give_to(one.handle.get()) ? SQLExecute(one.handle.get()) : SQLRETURN{SQL_ERROR};
    if (SQL_SUCCEEDED(done) || done == SQL_NO_DATA) return;
    // Whether the statement was prepared is unknown.
    failed = std::move(one.handle);
    prepared_[form.number].reset();
    fail(failed.get());
  }

  statement_ptr make_statement() {
    SQLHSTMT made = nullptr;
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_STMT, handle_.get(), &made))) {
      is_broken_ = true;
      throw failure_of(diagnoses(SQL_HANDLE_DBC, handle_.get()), display_name_, remedy_);
    }
    auto const seconds = std::chrono::ceil<std::chrono::seconds>(limit_).count() + 1;
    SQLSetStmtAttr(made, SQL_ATTR_QUERY_TIMEOUT, reinterpret_cast<SQLPOINTER>(static_cast<std::intptr_t>(seconds)), 0);
    return statement_ptr(made);
  }

  void execute_text(SQLHSTMT statement, std::string_view text) {
    running const now(*this, statement);
    std::vector<SQLWCHAR> wide = to_wide(text);
    SQLRETURN const done = SQLExecDirectW(statement, wide.data(), SQL_NTS);
    if (!SQL_SUCCEEDED(done) && done != SQL_NO_DATA) fail(statement);
  }

  /// Reads the rest of an answer, which may contain an error. An unread rest would be cancelled, which takes a round trip.
  void take_rest(SQLHSTMT of) {
    running const now(*this, of);
    SQLRETURN done = SQL_SUCCESS;
    while (SQL_SUCCEEDED(done)) done = SQLMoreResults(of);
    if (done != SQL_NO_DATA) fail(of);
  }

  [[noreturn]] void fail(SQLHSTMT statement) {
    auto all = diagnoses(SQL_HANDLE_STMT, statement);
    SQLUINTEGER dead = SQL_CD_FALSE;
    SQLGetConnectAttr(handle_.get(), SQL_ATTR_CONNECTION_DEAD, &dead, 0, nullptr);
    if (dead == SQL_CD_TRUE && !visor::mssql_driver::is_broken(all))
      all.push_back(hung_up());  // a connection that breaks in the middle of an answer reports no error
    if (visor::mssql_driver::is_broken(all) || is_late_ || is_interrupted_) is_broken_ = true;
    last_number_ = reason_of(all).number;
    SQLFreeStmt(statement, SQL_CLOSE);
    if (is_others_turn()) throw error(errc::busy, "others wrote to " + display_name_ + " all the time: this was not begun");
    if (is_late_) throw error(errc::timeout, display_name_ + " did not answer in the time that a transaction may take");
    if (is_interrupted_) throw error(errc::connection_lost, "the connection to " + display_name_ + " was closed");
    throw failure_of(all, display_name_, remedy_);
  }

  connection_ptr handle_;
  shared_socket socket_;
  std::string display_name_;
  std::string remedy_;  // for a user who lacks a right
  duration limit_;
  visor::detail::statement_log log_;
  std::shared_ptr<deferral_state> deferral_;
  boost::asio::any_io_executor threads_;
  std::string wait_;                                           // longest wait for a lock, in ms
  std::vector<std::unique_ptr<prepared_statement>> prepared_;  // closed before the connection
  std::string server_;
  std::mutex mutex_;  // guards `running_`
  SQLHSTMT running_ = nullptr;
  std::string database_of_lock_;
  bool is_babelfish_ = false;
  bool reads_json_ = true;
  bool has_snapshots_ = false;
  bool is_encrypted_ = false;
  bool writes_ = false;
  bool was_kept_out_ = false;
  lock_mode how_ = lock_mode::single_statement;
  bool defers_ = false;  // the transaction
  bool is_guarded_ = false;
  bool is_replayed_ = false;
  bool takes_turn_ = false;
  std::int64_t turn_ = 0;  // end of the turn, in microseconds of the server's clock
  std::string lock_text_;  // the text that begins the deferred transaction
  store_lock::counter_row counter_;
  std::optional<std::int64_t> seen_;  // the counter at the first query
  deferred_statements later_;
  int last_number_ = 0;      // of an error
  bool is_open_ = false;     // a transaction
  bool is_touched_ = false;  // the session may not be as it was
  bool is_broken_ = false;
  std::atomic<bool> is_late_{false};         // interrupted because of the time limit
  std::atomic<bool> is_interrupted_{false};  // interrupted for another reason
};

}  // namespace visor::mssql_driver

#endif
