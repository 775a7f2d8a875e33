#ifndef VISOR_DRIVER_MYSQL_CONNECTION_HPP
#define VISOR_DRIVER_MYSQL_CONNECTION_HPP

#include "visor/async/clock.hpp"
#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/driver/batch.hpp"
#include "visor/driver/driver.hpp"
#include "visor/driver/mysql/failure.hpp"
#include "visor/driver/mysql/mysql_dialect.hpp"
#include "visor/driver/mysql/socket.hpp"
#include "visor/driver/mysql/values.hpp"
#include "visor/driver/statement_form.hpp"
#include "visor/driver/statement_log.hpp"
#include "visor/pool/pool.hpp"
#include "visor/sql/statement.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor::mysql_driver {

/// A statement that the server has prepared, and the buffer of its rows.
struct prepared_statement {
  prepared_statement(MYSQL* on, std::span<sql::kind const> columns) : handle(mysql_stmt_init(on)), row(columns) {}
  std::size_t affected() const { return static_cast<std::size_t>(mysql_stmt_affected_rows(handle.get())); }
  statement_ptr handle;
  row_buffer row;
  bool is_ready = false;
};

/// A connection, over the non-blocking calls of the library. One operation at a time, on any context, except for `interrupt`.
class connection {
 public:
  /// \param made connected, its socket non-blocking
  /// \param display_name the name of the database in messages
  /// \param limit of a transaction
  /// \param grants the remedy for a user who lacks a right
  /// \param lock_wait the longest wait of a statement for a lock; the servers count whole seconds
  connection(connection_ptr made, std::string display_name, std::string grants, duration limit, duration lock_wait,
             visor::detail::statement_log log)
      : handle_(std::move(made)),
        socket_(mysql_get_socket(handle_.get())),
        display_name_(std::move(display_name)),
        grants_(std::move(grants)),
        limit_(limit),
        log_(std::move(log)),
        wait_(whole_seconds(lock_wait)) {}
  connection(connection const&) = delete;
  connection& operator=(connection const&) = delete;
  ~connection() {
    if (is_broken_ || is_busy_) socket_.shut();  // so that its logout waits for nothing
  }

  /// \throws visor::error `unsupported` for a server that is known not to lock rows
  task<> check_product() {
    if (is_mariadb()) co_return;
    auto const comment = co_await run("SELECT @@version_comment");
    if (comment.at(0).find("Dolt") != std::string::npos) throw locks_no_rows(display_name_, "Dolt");
    bool const is_vitess = (comment.at(0) + mysql_get_server_info(handle_.get())).find("Vitess") != std::string::npos;
    if (!is_vitess) co_return;
    auto const shards = co_await run("SHOW VITESS_SHARDS LIKE '%'");
    bool const is_whole = shards.empty() || shards.at(0).ends_with("/-") || shards.at(0).ends_with("/0");
    if (!is_whole) throw locks_no_rows(display_name_, "a sharded Vitess");
  }

  /// Sets up a new session with the settings that visor relies on.
  task<> prepare_session() {
    // The SQL modes make sure that no value is cut, adapted or replaced. The other options get their defaults, whatever the server's
    // settings: a COMMIT only commits, no result is cut, no UPDATE is refused, unique keys are checked, and NULL is nothing but NULL.
    // Materialization is off because each of our subqueries asks for few rows: after a mass insert the servers would read the whole table
    // instead. The server has timeouts of its own: it may not notice that a client is gone, and would keep its locks. SET NAMES repeats the
    // character set of the connect, which the server loses in a reset.
    std::string const microseconds = std::to_string(limit_.count());
    std::string const text =
        "SET NAMES utf8mb4; SET sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', time_zone = '+00:00', "
        "autocommit = 1, completion_type = 0, sql_select_limit = 18446744073709551615, max_join_size = 18446744073709551615, "
        "sql_big_selects = 1, sql_safe_updates = 0, sql_auto_is_null = 0, unique_checks = 1, "
        "optimizer_switch = 'materialization=off', innodb_lock_wait_timeout = " +
        wait_ + ", lock_wait_timeout = " + wait_ + " /*M! , max_statement_time = " + microseconds +
        " / 1000000, idle_transaction_timeout = " + longest_pause() + " *//*!80000 , max_execution_time = " + microseconds +
        " DIV 1000 */; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SELECT @@max_allowed_packet; "
        "SELECT CONCAT(@@read_only, @@innodb_read_only); "
        "SHOW VARIABLES WHERE variable_name = 'wsrep_on' AND value = 'ON'";
    auto const answers = co_await run(text);
    std::from_chars(answers.at(0).data(), answers.at(0).data() + answers.at(0).size(), largest_packet_);
    is_writable_ = answers.at(1) == "00" || answers.at(1).starts_with("OFF");
    bool const is_galera = !answers.at(2).empty();
    // A member of a Galera cluster receives commits of others before it applies them: every statement waits until it has.
    if (is_galera) co_await run("SET SESSION wsrep_sync_wait = 7");
  }

  /// The largest message in bytes that the server accepts; 0 if unknown.
  std::size_t largest_packet() const noexcept { return largest_packet_; }

  /// Whether the server was writable when the session began; some users may write even if not.
  bool is_writable() const { return is_writable_; }

  /// Executes a statement that is prepared once for each connection.
  /// \return the statement, with its rows in memory if it has any
  template <sql::statement Definition>
  task<prepared_statement*> execute(typename Definition::params const& given) {
    auto const form = visor::detail::form_of<mysql_dialect, Definition>();
    parameters<placeholders<Definition>.size()> values;
    sql::bind_all<sql::spelled<mysql_dialect, Definition>>(values, given);
    co_return co_await execute(form, values.all(), values.bytes_of_text(), 0);
  }

  // Many executions of one statement; see `visor::detail::execute_many`.

  /// Returns the executions for the next message.
  template <sql::statement Definition>
  std::span<typename Definition::params const> next_batch(std::span<typename Definition::params const> rest) const {
    std::size_t const known = largest_packet_ == 0 ? visor::detail::largest_batch : largest_packet_ / 2;
    std::size_t const most = std::min(visor::detail::largest_batch, known);
    return visor::detail::next_batch<sql::spelled<mysql_dialect, Definition>>(rest, most);
  }

  /// True for MariaDB; MySQL has no message for bulks.
  template <sql::statement Definition>
  bool takes_bulks() const {
    unsigned long more_capabilities = 0;
    mariadb_get_infov(handle_.get(), MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &more_capabilities);
    return (more_capabilities & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
  }

  /// \return the sum of the affected rows
  template <sql::statement Definition>
  task<std::size_t> execute_bulk(std::span<typename Definition::params const> given) {
    auto const form = visor::detail::form_of<mysql_dialect, Definition>();
    parameter_columns values(form.parameters);
    for (auto const& each : given) sql::bind_all<sql::spelled<mysql_dialect, Definition>>(values, each);
    prepared_statement* const one = co_await execute(form, values.all(), values.bytes_of_text(), static_cast<unsigned>(given.size()));
    co_return one->affected();
  }

  template <sql::statement Definition>
  task<std::size_t> execute_each(std::span<typename Definition::params const> given, std::span<std::size_t> affected) {
    std::size_t sum = 0;
    std::size_t at = 0;
    for (auto const& each : given) {
      prepared_statement* const one = co_await execute<Definition>(each);
      sum += one->affected();
      if (!affected.empty()) affected[at++] = one->affected();
    }
    co_return sum;
  }

  task<> savepoint() { auto const answers = co_await run("SAVEPOINT visor"); }
  task<> release_savepoint() { co_return; }  // the next savepoint of that name replaces it
  task<> rollback_to_savepoint() { auto const answers = co_await run("ROLLBACK TO visor"); }

  /// Returns the next row of an executed statement, or null.
  row_buffer const* next_row(prepared_statement& of) {
    int const got = mysql_stmt_fetch(of.handle.get());  // from memory
    if (got == MYSQL_NO_DATA) return nullptr;
    if ((got != 0 && got != MYSQL_DATA_TRUNCATED) || !of.row.complete(of.handle.get())) fail(of);
    return &of.row;
  }

  /// Releases the rows.
  void finish(prepared_statement& of) noexcept {
    mysql_stmt_free_result(of.handle.get());  // in memory
    of.row.clear();
  }

  /// Runs unprepared statements without parameters, with `;` between them.
  /// \return for each statement with rows the first value of the first row; empty for NULL
  task<std::vector<std::string>> run(std::string text) {
    std::vector<std::string> values;
    visor::detail::statement_log::entry telling(log_, log_.without_values(text), 0);
    std::size_t count = 0;
    answered_ = 0;
    int failed = co_await call(&mysql_real_query_start, &mysql_real_query_cont, handle_.get(), text.c_str(),
                               static_cast<unsigned long>(text.size()));
    for (;;) {
      if (failed != 0) fail();
      if (mysql_field_count(handle_.get()) != 0) {
        MYSQL_RES* const stored = co_await call(&mysql_store_result_start, &mysql_store_result_cont, handle_.get());
        if (stored == nullptr) fail();
        result_ptr const rows(stored);
        MYSQL_ROW const row = mysql_fetch_row(stored);
        values.emplace_back(row != nullptr && row[0] != nullptr ? row[0] : "");
        count += mysql_num_rows(stored);
      } else {
        count += mysql_affected_rows(handle_.get());
      }
      ++answered_;
      failed = co_await call(&mysql_next_result_start, &mysql_next_result_cont, handle_.get());
      if (failed < 0) break;  // there are no more results
    }
    telling.rows = count;
    co_return values;
  }

  /// Marks the session as modified: text in this transaction may leave a state in it, so `reset` runs before the next transaction.
  void touch() noexcept { is_touched_ = true; }

  /// Attaches the connection to the context of an executor; the destructor detaches it.
  class attachment {
   public:
    attachment(connection& what, boost::asio::any_io_executor const& executor) : what_(what) { what_.socket_.attach(executor); }
    attachment(attachment const&) = delete;
    attachment& operator=(attachment const&) = delete;
    ~attachment() { what_.socket_.detach(); }

   private:
    connection& what_;
  };

  // One transaction.

  /// Begins a transaction. The lock of write transactions is a row of the store that no transaction writes. The lock of the schema is a
  /// lock by name: it exists before the tables do, outlives the commits that are hidden in CREATE TABLE, and is released by the server when
  /// the connection breaks. Both belong to one server: a cluster with several writable servers must send all of visor to one of them.
  ///
  /// A transaction in lock mode `shared` hardly ever waits for that row, so the time is read together with it, which saves a statement. A
  /// statement returns the time of its beginning, so after a wait the time is read again.
  ///
  /// A transaction that waits for the exclusive lock keeps out all later ones, so it waits for only a second at first. The statement behind
  /// the wait, or the one that ends the transaction, restores the limit of the session.
  task<> begin(lock_mode how, lock_request const& wanted = {}) {
    how_ = how;
    resource_ = wanted.lock.resource;
    was_kept_out_ = has_own_lock_timeout_ = false;
    time_.clear();
    if (how == lock_mode::single_statement || how == lock_mode::heartbeat) co_return;
    is_open_ = true;
    std::string const time = std::string("SELECT ") + server_time;
    std::string const gate = " FROM " + (wanted.lock.row.empty() ? "(SELECT 1 AS version) one" : std::string(wanted.lock.row)) + " ";
    std::string text;
    if (!is_mariadb()) text = "SET wait_timeout = " + longest_pause() + "; ";
    switch (how) {
      case lock_mode::single_statement:
      case lock_mode::heartbeat:
      case lock_mode::snapshot:
        text += "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY; " + time;
        break;
      case lock_mode::shared: text += "START TRANSACTION; " + time + gate + "LOCK IN SHARE MODE"; break;
      case lock_mode::exclusive:
        has_own_lock_timeout_ = wanted.lock_timeout != duration{0} && whole_seconds(wanted.lock_timeout) != wait_;
        if (has_own_lock_timeout_) text += "SET innodb_lock_wait_timeout = " + whole_seconds(wanted.lock_timeout) + "; ";
        text += "START TRANSACTION; SELECT version" + gate + "FOR UPDATE; ";
        if (has_own_lock_timeout_) text += restore_lock_timeout() + "; ";
        text += time;
        break;
      case lock_mode::schema: text += "SELECT GET_LOCK(" + lock_name() + ", " + wait_ + "); START TRANSACTION; " + time; break;
    }
    bool is_late = false;
    std::vector<std::string> answers;
    duration const asked_at = wall_clock().elapsed();
    try {
      answers = co_await run(text);
    } catch (error const& thrown) {
      is_late = thrown.code() == errc::busy;
      if (!is_late) throw;
    }
    if (!is_late) has_own_lock_timeout_ = false;
    was_kept_out_ = is_late;
    bool const has_waited = how == lock_mode::shared && wall_clock().elapsed() - asked_at > longest_entry;
    if (!is_late && !has_waited) time_ = answers.back();
    if (how == lock_mode::snapshot) co_return;
    bool const is_in = !is_late && !answers.at(0).empty() && answers.at(0) != "0";
    if (is_late || (!is_in && how == lock_mode::schema))
      throw error(errc::busy, "others wrote to " + display_name_ + " all the time: this was not begun");
    if (!is_in) throw error(errc::schema_mismatch, "the tables of visor in " + display_name_ + " are not complete: run `visor db init`");
  }

  /// True when the last transaction failed because it did not get its lock in time; nothing of it was done.
  bool was_kept_out() const noexcept { return was_kept_out_; }

  /// The server's clock. The first call returns the time that came with the begin of the transaction; later calls query the server.
  task<instant> now() {
    if (auto const at = std::exchange(time_, {}); !at.empty()) co_return as_instant(at);
    auto const answers = co_await run(std::string("SELECT ") + server_time);
    co_return as_instant(answers.at(0));
  }

  /// Commits.
  /// \throws visor::error `outcome_unknown` when the connection broke before the answer
  task<> commit() {
    if (how_ == lock_mode::single_statement || how_ == lock_mode::heartbeat) co_return;
    std::optional<error> failure;
    try {
      auto const answers = co_await run(end_of("COMMIT"));
    } catch (error const& thrown) {
      failure = thrown;
    }
    if (failure && answered_ != 0) is_broken_ = true;  // it is committed, but the lock may not be free
    if (failure && answered_ == 0) {
      if (is_broken_ && how_ != lock_mode::snapshot)
        throw error(errc::outcome_unknown, "the connection to " + display_name_ + " broke while it committed: it may have, or not",
                    failure->server_text());
      throw error(*failure);
    }
    is_open_ = false;
  }

  task<> rollback() {
    auto const answers = co_await run(end_of("ROLLBACK"));
    is_open_ = has_own_lock_timeout_ = false;
  }

  /// Product and version.
  std::string server() const { return (is_mariadb() ? "MariaDB " : "MySQL ") + std::string(mysql_get_server_info(handle_.get())); }
  /// Protocol and cipher; empty without TLS.
  std::string tls() const {
    char const* const cipher = mysql_get_ssl_cipher(handle_.get());
    if (cipher == nullptr) return {};
    char const* protocol = nullptr;
    mariadb_get_infov(handle_.get(), MARIADB_CONNECTION_TLS_VERSION, &protocol);
    return (protocol == nullptr ? "" : protocol + std::string(" ")) + cipher;
  }

  // The interface for the pool.

  connection_state state() const noexcept {
    if (is_broken_ || is_busy_) return connection_state::broken;
    return is_open_ || is_touched_ ? connection_state::dirty : connection_state::clean;
  }

  task<> ping() {
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    attachment const here(*this, executor);
    int const failed = co_await call(&mysql_ping_start, &mysql_ping_cont, handle_.get());
    if (failed != 0) fail();
  }

  task<> reset() {
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    attachment const here(*this, executor);
    int const failed = co_await call(&mysql_reset_connection_start, &mysql_reset_connection_cont, handle_.get());
    if (failed != 0) fail();
    prepared_.clear();  // the server has dropped them, and the library knows
    is_open_ = is_touched_ = false;
    co_await prepare_session();
  }

  task<> close() { co_return; }  // the destructor sends a logout, which waits for nothing

  /// Interrupts the running operation by breaking the connection. From any thread.
  /// \param late the time limit has passed
  void interrupt(bool late = false) noexcept {
    if (late) is_late_ = true;
    socket_.shut();
  }

 private:
  /// A time that took longer than this to arrive was read before a wait. A round trip, even to another continent, is shorter, or costs a
  /// query.
  static constexpr std::chrono::milliseconds longest_entry{100};
  static constexpr char const* server_time = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))";

  static std::string whole_seconds(duration length) {
    return std::to_string(std::max<std::int64_t>(std::chrono::floor<std::chrono::seconds>(length).count(), 1));
  }

  std::string restore_lock_timeout() const { return "SET innodb_lock_wait_timeout = " + wait_; }

  static instant as_instant(std::string const& text) {
    std::int64_t count = 0;
    std::from_chars(text.data(), text.data() + text.size(), count);
    return instant{duration{count}};
  }

  /// Returns the name of the schema lock, within the 64 characters that MySQL allows. The newest versions of MySQL have no MD5. Names of
  /// databases that differ only in case share a lock, which does no harm.
  std::string lock_name() const { return "CONCAT('" + std::string(resource_) + ".', LEFT(SHA2(LOWER(DATABASE()), 256), 32))"; }

  bool is_mariadb() const { return mariadb_connection(handle_.get()) != 0; }

  /// The longest pause within a transaction, in seconds. MySQL has a limit for sessions only, which is set for the duration of a
  /// transaction.
  static std::string longest_pause() {
    return std::to_string(std::chrono::ceil<std::chrono::seconds>(server_options::longest_pause).count());
  }

  std::string end_of(std::string how) const {
    if (has_own_lock_timeout_) how += "; " + restore_lock_timeout();
    if (!is_mariadb()) how += "; SET wait_timeout = DEFAULT";
    if (how_ == lock_mode::schema) how += "; DO RELEASE_LOCK(" + lock_name() + ")";
    return how;
  }

  /// Runs a call of the library to its end. The call stops where it would block, and returns the event that it waits for.
  template <class Result, class Handle, class... Given>
  task<Result> call(int (*start)(Result*, Handle*, Given...), int (*go_on)(Result*, Handle*, int), Handle* on,
                    std::type_identity_t<Given>... given) {
    Result result{};
    is_busy_ = true;
    stopped_call<Result, Handle> here(result, go_on, on, socket_);
    forget_tls_errors();
    here.waits_for = start(&result, on, given...);
    while (here.waits_for != 0) {
      int const ready = co_await socket_.wait(here.waits_for);
      forget_tls_errors();
      here.waits_for = go_on(&result, on, ready);
    }
    is_busy_ = false;
    co_return result;
  }

  /// Completes an abandoned call, whose stack would leak otherwise: on a broken connection nothing blocks.
  template <class Result, class Handle>
  struct stopped_call {
    stopped_call(Result& result, int (*go_on)(Result*, Handle*, int), Handle* on, watched_socket& socket)
        : result_(result), go_on_(go_on), on_(on), socket_(socket) {}
    stopped_call(stopped_call const&) = delete;
    stopped_call& operator=(stopped_call const&) = delete;
    ~stopped_call() {
      if (waits_for == 0) return;
      socket_.shut();
      forget_tls_errors();
      while (waits_for != 0) waits_for = go_on_(&result_, on_, waits_for);
    }

    int waits_for = 0;

   private:
    Result& result_;
    int (*go_on_)(Result*, Handle*, int);
    Handle* on_;
    watched_socket& socket_;
  };

  /// \param rows of a bulk; 0 for a single execution
  task<prepared_statement*> execute(visor::detail::statement_form form, MYSQL_BIND* given, std::size_t bytes, unsigned rows) {
    visor::detail::statement_log::entry telling(log_, form.text, form.parameters.size() * std::max(rows, 1U));
    prepared_statement& one = place_for(form);
    if (!one.is_ready) co_await prepare(one, form.text);
    co_await execute(one, given, bytes, rows);
    telling.rows = form.columns.empty() ? one.affected() : mysql_stmt_num_rows(one.handle.get());
    co_return &one;
  }

  prepared_statement& place_for(visor::detail::statement_form const& form) {
    if (form.number >= prepared_.size()) prepared_.resize(form.number + 1);
    auto& one = prepared_[form.number];
    if (!one) one = std::make_unique<prepared_statement>(handle_.get(), form.columns);
    if (!one->handle) throw error(errc::internal, "no memory for a statement");
    return *one;
  }

  task<> prepare(prepared_statement& what, std::string_view text) {
    int const failed = co_await call(&mysql_stmt_prepare_start, &mysql_stmt_prepare_cont, what.handle.get(), text.data(),
                                     static_cast<unsigned long>(text.size()));
    if (failed != 0) fail(what);
    what.is_ready = true;
  }

  task<> execute(prepared_statement& what, MYSQL_BIND* given, std::size_t bytes, unsigned rows) {
    // The server would break the connection without an error.
    if (largest_packet_ != 0 && bytes + 4096 > largest_packet_)
      throw failure_of(1153, std::to_string(bytes) + " bytes, max_allowed_packet is " + std::to_string(largest_packet_), display_name_,
                       grants_);
    MYSQL_STMT* const handle = what.handle.get();
    mysql_stmt_attr_set(handle, STMT_ATTR_ARRAY_SIZE, &rows);
    if (mysql_stmt_bind_param(handle, given) != 0) fail(what);
    int failed = co_await call(&mysql_stmt_execute_start, &mysql_stmt_execute_cont, handle);
    if (failed != 0) fail(what);
    if (mysql_stmt_field_count(handle) == 0) co_return;
    if (mysql_stmt_bind_result(handle, what.row.all()) != 0) fail(what);
    failed = co_await call(&mysql_stmt_store_result_start, &mysql_stmt_store_result_cont, handle);
    if (failed != 0) fail(what);
  }

  [[noreturn]] void fail() { fail(static_cast<int>(mysql_errno(handle_.get())), mysql_error(handle_.get())); }
  [[noreturn]] void fail(prepared_statement& of) {
    fail(static_cast<int>(mysql_stmt_errno(of.handle.get())), mysql_stmt_error(of.handle.get()));
  }
  [[noreturn]] void fail(int number, std::string_view text) {
    if (ends_connection(number)) is_broken_ = true;
    if (is_broken_ && is_late_) throw error(errc::timeout, display_name_ + " did not answer in the time that a transaction may take");
    throw failure_of(number, text, display_name_, grants_);
  }

  std::vector<std::unique_ptr<prepared_statement>> prepared_;  // closed after the connection, which saves a message for each
  connection_ptr handle_;
  watched_socket socket_;
  std::string display_name_;
  std::string grants_;
  duration limit_;
  visor::detail::statement_log log_;
  std::string wait_;  // longest wait for a lock, in whole seconds
  std::size_t largest_packet_ = 0;
  std::size_t answered_ = 0;  // number of answered statements in the last text
  lock_mode how_ = lock_mode::snapshot;
  std::string_view resource_;  // the lock of the store that this transaction works on
  bool was_kept_out_ = false;
  bool has_own_lock_timeout_ = false;  // the session has a shorter lock timeout than the normal one
  std::string time_;                   // server time at the begin of this transaction; empty: none
  bool is_writable_ = true;
  bool is_open_ = false;     // a transaction or the lock is open
  bool is_touched_ = false;  // the session may not be as it was
  bool is_busy_ = false;     // in a call of the library
  bool is_broken_ = false;
  std::atomic<bool> is_late_{false};
};

}  // namespace visor::mysql_driver

#endif
