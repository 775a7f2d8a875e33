#ifndef VISOR_DRIVER_MSSQL_CONNECTION_HPP
#define VISOR_DRIVER_MSSQL_CONNECTION_HPP

#include "visor/base/error.hpp"
#include "visor/base/run_on.hpp"
#include "visor/base/task.hpp"
#include "visor/driver/driver.hpp"
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
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::mssql_driver {

/// A socket that is the library's, under a number of our own: to be shut.
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

/// A statement that is prepared once for a connection, what it is given, and the row it is at.
struct prepared_statement {
  prepared_statement(statement_ptr made, visor::detail::statement_form const& form)
      : handle(std::move(made)), values(form.parameters), row(form.columns) {}
  statement_ptr handle;
  parameters values;
  row_buffer row;
};

/// One connection. Its calls block: they are made on one thread at a time, one of `threads()`. Only `interrupt` comes from others.
class connection {
 public:
  /// \param made connected
  /// \param place how messages name the database
  /// \param limit how long a transaction may take
  connection(connection_ptr made, shared_socket socket, std::string place, duration limit, visor::detail::statement_log log,
             boost::asio::any_io_executor threads)
      : handle_(std::move(made)),
        socket_(std::move(socket)),
        place_(std::move(place)),
        limit_(limit),
        log_(std::move(log)),
        threads_(std::move(threads)) {}
  connection(connection const&) = delete;
  connection& operator=(connection const&) = delete;
  ~connection() {
    if (is_broken_) socket_.shut();  // so that its goodbye waits for nothing
  }

  boost::asio::any_io_executor threads() const { return threads_; }

  /// Brings a new session into the state that we count on.
  void prepare_session() {
    // Shorter than the limit, so that there is time to say what was waited for.
    wait_ = std::to_string(std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(limit_ * 3 / 4).count(), 1));
    run("SET XACT_ABORT ON; SET NOCOUNT OFF; SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET CONCAT_NULL_YIELDS_NULL ON; "
        "SET QUOTED_IDENTIFIER ON; SET LOCK_TIMEOUT " +
        wait_);
    server_ = ask("SELECT CAST(SERVERPROPERTY('productversion') AS nvarchar(128))");
    std::string const bare = ask("SELECT CAST(SERVERPROPERTY('babelfish') AS nvarchar(10))");
    is_babelfish_ = bare == "1";
    has_snapshots_ =
        is_babelfish_ || ask("SELECT CAST(snapshot_isolation_state AS nvarchar(10)) FROM sys.databases WHERE database_id = DB_ID()") == "1";
  }

  /// Executes a statement that is prepared once for each connection.
  /// \return it; its rows are to be fetched, and `finish` called
  template <sql::statement Definition>
  prepared_statement& execute(typename Definition::params const& given) {
    auto const form = visor::detail::form_of<mssql_dialect, Definition>();
    prepared_statement& one = prepare(form);
    sql::bind_all<sql::spelled<mssql_dialect, Definition>>(one.values, given);
    execute(form, one);
    return one;
  }

  /// \return whether there is a next row
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

  /// Takes what is left of the answer.
  void finish(prepared_statement& of) {
    take_rest(of.handle.get());
    SQLFreeStmt(of.handle.get(), SQL_CLOSE);
  }

  template <sql::statement Definition>
  visor::detail::statement_log::entry tell() const {
    auto const form = visor::detail::form_of<mssql_dialect, Definition>();
    return visor::detail::statement_log::entry(log_, form.text, form.parameters.size());
  }

  /// Runs text that is not kept: one statement or several.
  void run(std::string_view text) {
    std::string copy(text);
    visor::detail::statement_log::entry telling(log_, log_.without_values(copy), 0);
    statement_ptr const one = make_statement();
    execute_text(one.get(), copy);
    take_rest(one.get());
    telling.rows = 0;
  }

  /// \return the first value that a query finds, as text; empty for none
  std::string ask(std::string_view text) {
    std::string copy(text);
    statement_ptr const one = make_statement();
    execute_text(one.get(), copy);
    running const now(*this, one.get());
    static constexpr sql::kind text_kind[] = {sql::kind::text};
    row_buffer row(text_kind);
    SQLRETURN done = SQLFetch(one.get());
    while (!SQL_SUCCEEDED(done)) {  // results without rows may come before, and what is waited for is behind them
      SQLRETURN const more = SQLMoreResults(one.get());
      if (more == SQL_NO_DATA) return {};
      if (!SQL_SUCCEEDED(more)) fail(one.get());
      done = SQLFetch(one.get());
    }
    if (!row.take(one.get())) fail(one.get());
    take_rest(one.get());
    return std::string(row.text(0));
  }

  /// Whatever was or will be run in this transaction may leave something in the session, which nothing clears.
  void touch() noexcept { is_touched_ = true; }

  /// Nothing of it waits on anybody's context.
  struct attachment {
    attachment(connection&, boost::asio::any_io_executor const&) {}
  };

  // One transaction.

  /// One that writes waits until every other that writes has ended, also one that could go beside others. One that reads sees one state, of
  /// the moment of its first statement, or keeps those that write waiting where the database allows no snapshots.
  void begin(access how) {
    writes_ = how != access::reads && how != access::asks;
    if (how == access::asks) return;
    is_open_ = true;
    if (!writes_ && has_snapshots_) return run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION");
    std::string const mode = writes_ ? "Exclusive" : "Shared";
    std::string const got =
        ask("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRANSACTION; DECLARE @got int; EXEC @got = sp_getapplock @Resource = "
            "N'visor', @LockMode = N'" +
            mode + "', @LockOwner = N'Transaction', @LockTimeout = " + wait_ + "; SELECT CAST(@got AS nvarchar(20))");
    if (got.empty() || got.starts_with('-'))
      throw error(condition::busy, "others wrote to " + place_ + " for longer than " + wait_ + " ms: this was not begun");
  }

  /// \throws visor::error `outcome_unknown` when something was written and the connection broke before the answer
  void commit() {
    if (!is_open_) return;
    std::optional<error> failure;
    try {
      run("COMMIT TRANSACTION");
    } catch (error const& thrown) {
      failure = thrown;
    }
    if (failure && is_broken_ && writes_)
      throw error(condition::outcome_unknown, "the connection to " + place_ + " broke while it committed: it may have, or not",
                  failure->server_text());
    if (failure) throw error(*failure);
    is_open_ = false;
  }

  void rollback() {
    run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION");
    is_open_ = false;
  }

  /// Whether who reads keeps nobody waiting who writes, and the other way round.
  bool has_snapshots() const { return has_snapshots_; }

  /// Product and version, and what would make it better.
  std::string server() const {
    std::string const product = (is_babelfish_ ? "Babelfish for PostgreSQL, as SQL Server " : "SQL Server ") + server_;
    return has_snapshots_ ? product : product + ", whose database has no snapshots: ALTER DATABASE ... SET ALLOW_SNAPSHOT_ISOLATION ON";
  }
  /// Protocol and cipher, of which the library tells nothing.
  std::string tls() const { return is_encrypted_ ? "TLS" : ""; }
  void note_encrypted() { is_encrypted_ = true; }

  // What a pool asks of it.

  connection_state state() const noexcept {
    if (is_broken_ || is_touched_ || is_late_ || is_interrupted_) return connection_state::broken;
    return is_open_ ? connection_state::dirty : connection_state::clean;
  }

  task<> ask() {
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

  /// Ends what runs, by breaking the connection. From any thread.
  /// \param late because its time was over
  void interrupt(bool late = false) noexcept {
    (late ? is_late_ : is_interrupted_) = true;
    std::scoped_lock const lock(mutex_);
    if (running_ != nullptr) SQLCancel(running_);
    socket_.shut();
  }

 private:
  /// What `interrupt` ends.
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

  prepared_statement& prepare(visor::detail::statement_form const& form) {
    if (form.number >= prepared_.size()) prepared_.resize(form.number + 1);
    auto& one = prepared_[form.number];
    if (!one) {
      auto made = std::make_unique<prepared_statement>(make_statement(), form);
      std::string text(form.text);
      if (!SQL_SUCCEEDED(SQLPrepare(made->handle.get(), reinterpret_cast<SQLCHAR*>(text.data()), SQL_NTS))) fail(made->handle.get());
      one = std::move(made);
    }
    return *one;
  }

  /// With the values that it holds.
  void execute(visor::detail::statement_form const& form, prepared_statement& one) {
    statement_ptr failed;
    running const now(*this, one.handle.get());
    SQLRETURN const done = one.values.give_to(one.handle.get()) ? SQLExecute(one.handle.get()) : SQLRETURN{SQL_ERROR};
    if (SQL_SUCCEEDED(done) || done == SQL_NO_DATA) return;
    // Whether it was prepared is not known.
    failed = std::move(one.handle);
    prepared_[form.number].reset();
    fail(failed.get());
  }

  statement_ptr make_statement() {
    SQLHSTMT made = nullptr;
    if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_STMT, handle_.get(), &made))) {
      is_broken_ = true;
      throw failure_of(reason_of(diagnoses(SQL_HANDLE_DBC, handle_.get())), place_);
    }
    auto const seconds = std::chrono::ceil<std::chrono::seconds>(limit_).count() + 1;
    SQLSetStmtAttr(made, SQL_ATTR_QUERY_TIMEOUT, reinterpret_cast<SQLPOINTER>(static_cast<std::intptr_t>(seconds)), 0);
    return statement_ptr(made);
  }

  void execute_text(SQLHSTMT statement, std::string& text) {
    running const now(*this, statement);
    SQLRETURN const done = SQLExecDirect(statement, reinterpret_cast<SQLCHAR*>(text.data()), static_cast<SQLINTEGER>(text.size()));
    if (!SQL_SUCCEEDED(done) && done != SQL_NO_DATA) fail(statement);
  }

  /// What is left of an answer may be that it failed after all, and what is not taken would be cancelled, which takes a round trip.
  void take_rest(SQLHSTMT of) {
    running const now(*this, of);
    SQLRETURN done = SQL_SUCCESS;
    while (SQL_SUCCEEDED(done)) done = SQLMoreResults(of);
    if (done != SQL_NO_DATA) fail(of);
  }

  [[noreturn]] void fail(SQLHSTMT statement) {
    diagnosis why = reason_of(diagnoses(SQL_HANDLE_STMT, statement));
    SQLUINTEGER dead = SQL_CD_FALSE;
    SQLGetConnectAttr(handle_.get(), SQL_ATTR_CONNECTION_DEAD, &dead, 0, nullptr);
    if (dead == SQL_CD_TRUE && why.number == 0) why.state = "08S01";  // in the middle of an answer the library does not say so
    if (visor::mssql_driver::is_broken(why) || is_late_ || is_interrupted_) is_broken_ = true;
    SQLFreeStmt(statement, SQL_CLOSE);
    if (is_late_) throw error(condition::timeout, place_ + " did not answer within transaction_timeout");
    if (is_interrupted_) throw error(condition::connection_lost, "the connection to " + place_ + " was closed");
    throw failure_of(why, place_);
  }

  connection_ptr handle_;
  shared_socket socket_;
  std::string place_;
  duration limit_;
  visor::detail::statement_log log_;
  boost::asio::any_io_executor threads_;
  std::vector<std::unique_ptr<prepared_statement>> prepared_;  // closed before the connection
  std::string wait_;                                           // for what others have locked, in ms
  std::string server_;
  std::mutex mutex_;  // of what runs
  SQLHSTMT running_ = nullptr;
  bool is_babelfish_ = false;
  bool has_snapshots_ = false;
  bool is_encrypted_ = false;
  bool writes_ = false;
  bool is_open_ = false;     // a transaction
  bool is_touched_ = false;  // the session may not be as it was
  bool is_broken_ = false;
  std::atomic<bool> is_late_{false};         // it was interrupted for that
  std::atomic<bool> is_interrupted_{false};  // for another reason
};

}  // namespace visor::mssql_driver

#endif
