#ifndef VISOR_DRIVER_POSTGRESQL_CONNECTION_HPP
#define VISOR_DRIVER_POSTGRESQL_CONNECTION_HPP

#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/driver/batch.hpp"
#include "visor/driver/driver.hpp"
#include "visor/driver/postgresql/backends.hpp"
#include "visor/driver/postgresql/copy.hpp"
#include "visor/driver/postgresql/failure.hpp"
#include "visor/driver/postgresql/values.hpp"
#include "visor/driver/statement_form.hpp"
#include "visor/driver/statement_log.hpp"
#include "visor/pool/notify_coalescer.hpp"
#include "visor/pool/pool.hpp"

#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::postgresql_driver {

struct connection_closer {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
using connection_ptr = std::unique_ptr<PGconn, connection_closer>;

/// A connection in pipeline mode: requests are sent without waiting until an answer is needed. One operation at a time, on any context,
/// except for `interrupt`.
class connection {
 public:
  /// \param made connected
  /// \param display_name the name of the database in messages
  /// \param among the processes whose notifications are ignored, including this one
  /// \param notifier coalesces the notifications of these connections
  /// \param grants the remedy for a user who lacks a right
  /// \param local the settings of each transaction, where it has no session of its own; empty: the session belongs to this connection
  connection(connection_ptr made, std::string display_name, std::shared_ptr<own_backends> among,
             std::shared_ptr<visor::detail::notify_coalescer> notifier, visor::detail::statement_log log, std::string grants,
             std::string local = {})
      : handle_(std::move(made)),
        display_name_(std::move(display_name)),
        backend_(std::move(among), PQbackendPID(handle_.get())),
        notifier_(std::move(notifier)),
        log_(std::move(log)),
        grants_(std::move(grants)),
        local_(std::move(local)) {
    if (socket_number_.value < 0 || PQsetnonblocking(handle_.get(), 1) != 0 || PQenterPipelineMode(handle_.get()) != 1)
      throw error(errc::connection_failed, "cannot use the connection to " + display_name_, one_line(PQerrorMessage(handle_.get())));
    refuse_by_name();
  }
  connection(connection const&) = delete;
  connection& operator=(connection const&) = delete;
  ~connection() { detach(); }

  /// The index of an answer among those of a transaction.
  using ticket = std::size_t;

  /// Queues a statement behind the earlier ones. Its parameters are copied, and its answer is dropped.
  template <sql::statement Definition>
  void post(typename Definition::params const& given) {
    static constexpr auto types = parameter_types<Definition>();
    parameters<placeholders<Definition>.size()> values;
    sql::bind_all<sql::spelled<postgresql_dialect, Definition>>(values, given);
    send_prepared(visor::detail::form_of<postgresql_dialect, Definition>(), types.data(), values.all());
  }

  /// The same for unprepared text without parameters.
  void post(std::string const& text) {
    note_sent(PQsendQueryParams(handle_.get(), text.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1));
    if (log_.is_on()) telling_.push_back({sent_ - 1, std::string(log_.without_values(text)), 0});
  }

  /// Queues a statement behind the earlier ones, and requests its answer.
  template <sql::statement Definition>
  ticket send(typename Definition::params const& given) {
    post<Definition>(given);
    return want();
  }
  ticket send(std::string const& text) {
    post(text);
    return want();
  }

  /// Returns an answer, once. It is fetched together with those of all statements sent so far.
  /// \throws visor::error as `receive`
  task<result_ptr> answer(ticket which) {
    if (which >= answers_.size()) co_await receive();
    co_return std::move(answers_[which]);
  }

  /// Marks the session as modified: statements in this transaction may leave a state in it, so `reset` runs before the next transaction.
  void touch() noexcept { is_touched_ = true; }

  /// The number of statements sent since the last call of `receive`.
  std::size_t unanswered() const noexcept { return sent_; }

  /// Fetches the answers to all statements sent since the last call.
  /// \throws visor::error the error of the first failed statement; those behind it were not executed
  task<> receive() {
    is_busy_ = true;
    if (PQpipelineSync(handle_.get()) != 1) lose();
    std::vector<result_ptr> all;
    std::optional<error> failure;
    duration since = log_.is_on() ? log_.now() : duration{0};
    std::size_t told = 0;
    for (std::size_t i = 0; i < sent_; ++i) {
      result_ptr answer = co_await next_result();
      if (!answer) lose();
      if (!is_success(answer.get()) && !failure && PQresultStatus(answer.get()) != PGRES_PIPELINE_ABORTED)
        failure = failure_of(answer.get(), display_name_, grants_, i == entry_index_ && kept_out(answer.get()));
      if (log_.is_on() && told < telling_.size() && i == telling_[told].index) tell(telling_[told++], answer.get(), since);
      all.push_back(std::move(answer));
      result_ptr const end = co_await next_result();  // end of the answers of this statement
      if (end) lose();
    }
    result_ptr const sync = co_await next_result();
    if (!sync || PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC) lose();
    for (auto const& [number, index] : preparing_) prepared_[number] = is_success(all[index].get());
    for (std::size_t const each : wanted_) answers_.push_back(std::move(all[each]));
    preparing_.clear();
    wanted_.clear();
    telling_.clear();
    sent_ = 0;
    entry_index_ = nowhere;
    is_busy_ = false;
    if (failure) throw error(*failure);
  }

  // Many executions of one statement; see `visor::detail::execute_many`.

  /// Returns the executions for the next batch.
  template <sql::statement Definition>
  std::span<typename Definition::params const> next_batch(std::span<typename Definition::params const> rest) const {
    return visor::detail::next_batch<sql::spelled<postgresql_dialect, Definition>>(rest, visor::detail::largest_batch);
  }

  /// True when one statement can insert many rows.
  template <sql::statement Definition>
  static constexpr bool takes_bulks() {
    return requires { typename Definition::bulk_form; };
  }

  /// Queues the executions of a batch behind the earlier statements.
  template <sql::statement Definition>
  void post_batch(std::span<typename Definition::params const> given) {
    if constexpr (takes_bulks<Definition>()) {
      if (given.size() > 1) return post_bulk<Definition>(given);
    }
    for (auto const& each : given) post<Definition>(each);
  }

  /// \return the sum of the affected rows
  template <sql::statement Definition>
  task<std::size_t> execute_bulk(std::span<typename Definition::params const> given) {
    post_batch<Definition>(given);
    result_ptr const answered = co_await answer(want());
    co_return row_count(answered.get());
  }

  template <sql::statement Definition>
  task<std::size_t> execute_each(std::span<typename Definition::params const> given, std::span<std::size_t> affected) {
    ticket const first = answers_.size() + wanted_.size();
    for (auto const& each : given) send<Definition>(each);
    std::size_t sum = 0;
    for (std::size_t i = 0; i < given.size(); ++i) {
      result_ptr const answered = co_await answer(first + i);
      std::size_t const count = row_count(answered.get());
      sum += count;
      if (!affected.empty()) affected[i] = count;
    }
    co_return sum;
  }

  /// Inserts rows by COPY, which is cheaper for the server than any INSERT. It takes two round trips, and one more where statements were
  /// sent before: a pipeline has no COPY.
  template <sql::statement Definition>
  task<> copy(std::span<typename Definition::params const> rows) {
    static constexpr std::string_view text = sql::text_in<postgresql_dialect, copy_in<typename Definition::bulk_form>>;
    if (sent_ != 0) co_await receive();
    duration const since = log_.is_on() ? log_.now() : duration{0};
    is_busy_ = true;
    if (PQexitPipelineMode(handle_.get()) != 1 || PQsendQuery(handle_.get(), text.data()) != 1) lose();
    result_ptr answer = co_await next_result();
    std::optional<error> failure;
    if (PQresultStatus(answer.get()) == PGRES_COPY_IN) {
      failure = co_await put_rows(rows);
      answer = co_await next_result();
    }
    if (!answer) lose();
    if (!failure && !is_success(answer.get())) failure = failure_of(answer.get(), display_name_, grants_);
    if (log_.is_on()) log_.tell(text, 0, failure ? std::nullopt : std::optional(rows.size()), log_.now() - since);
    result_ptr const end = co_await next_result();
    if (end || PQenterPipelineMode(handle_.get()) != 1) lose();
    is_busy_ = false;
    if (failure) throw error(*failure);
  }

  // Sent together with the following statements.
  task<> savepoint() {
    post("SAVEPOINT visor");
    co_return;
  }
  task<> release_savepoint() {
    post("RELEASE visor");
    co_return;
  }
  task<> rollback_to_savepoint() {
    post("ROLLBACK TO visor");
    co_await release_savepoint();
  }

  /// Attaches the connection to the context of an executor; the destructor detaches it.
  class attachment {
   public:
    attachment(connection& what, boost::asio::any_io_executor const& executor) : what_(what) { what_.attach(executor); }
    attachment(attachment const&) = delete;
    attachment& operator=(attachment const&) = delete;
    ~attachment() { what_.detach(); }

   private:
    connection& what_;
  };

  // One transaction.

  /// Begins a transaction; sent together with the following statements. Each statement of a write transaction sees all earlier commits: the
  /// lock is held by then.
  ///
  /// The lock is requested through a row of the store, together with the time. A server that only passes statements on, such as a member of
  /// a Citus cluster, passes this one on to the server with the tables. The name of the schema is thus a literal.
  task<> begin(lock_mode how, lock_request const& wanted = {}) {
    if (is_without_schema_) throw error(errc::authentication_failed, display_name_ + ": " + grants_);
    how_ = how;
    lock_ = wanted.lock;
    leaves_pending_ = was_kept_out_ = false;
    entry_.reset();
    answers_.clear();
    if (is_bare()) co_return;
    post(writes() ? "BEGIN ISOLATION LEVEL READ COMMITTED" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (!has_session()) post(local_);
    if (!writes() || how == lock_mode::heartbeat) co_return;
    if (schema_.empty()) co_await find_tables();
    std::string const key = "(hashtext('" + std::string(lock_.resource) + "'), hashtext(" + schema_ + "))";
    if (how == lock_mode::shared)
      post_entry("SELECT '', pg_advisory_xact_lock_shared" + key + ", clock_timestamp()" + from_row());
    else if (how == lock_mode::exclusive && wanted.lock_timeout != duration{0})
      post("SELECT " + set_lock_timeout(wanted.lock_timeout) + ", pg_advisory_xact_lock" + key + ", clock_timestamp(), " +
           set_lock_timeout(wanted.limit) + from_row());
    else if (how == lock_mode::exclusive)
      post("SELECT '', pg_advisory_xact_lock" + key + ", clock_timestamp()" + from_row());
    else
      post("SELECT " + set_lock_timeout(longest_wait_of_schema) + ", pg_advisory_xact_lock" + key + ", clock_timestamp()");
    entry_index_ = sent_ - 1;
    entry_ = want();
  }

  /// The server's clock at the time of the answer. The first call returns the time that came with the lock, the time of the begin.
  task<instant> now() {
    if (entry_) return time_of(*std::exchange(entry_, std::nullopt), 2);
    return time_of(send("SELECT clock_timestamp()" + (how_ == lock_mode::schema ? std::string() : from_row())), 0);
  }

  /// True when COPY is worthwhile. A member of a Citus cluster that passes a COPY on commits in two phases, between which an acknowledged
  /// transaction may be invisible.
  bool should_copy() const noexcept { return !is_passing_on_; }

  /// True when the last transaction failed because it did not get its lock in time; nothing of it was done.
  bool was_kept_out() const noexcept { return was_kept_out_; }

  /// Commits.
  /// \throws visor::error `outcome_unknown` when the transaction wrote and the connection broke before the answer
  task<> commit() {
    if (!is_bare()) post("COMMIT");
    std::optional<error> failure;
    try {
      co_await receive();
    } catch (error const& thrown) {
      failure = thrown;
    }
    // A commit with an unknown outcome is notified in any case.
    if (leaves_pending_ && (!failure || is_broken_)) notifier_->mark_pending();
    if (!failure) co_return;
    if (is_broken_ && writes())
      throw error(errc::outcome_unknown, "the connection to " + display_name_ + " broke while it committed: it may have, or not",
                  failure->server_text());
    throw error(*failure);
  }

  task<> rollback() {
    post("ROLLBACK");
    co_await receive();
  }

  /// Notifies others of this transaction when it commits, or a moment later. Sent together with the following statements.
  void notify() {
    if (notifier_->sends_now(std::chrono::steady_clock::now()))
      post("NOTIFY " + std::string(lock_.resource));
    else
      leaves_pending_ = true;
  }

  /// Sends the pending notification to others. It need not be on the server's disk before they receive it.
  task<> flush_pending(store_lock const& lock) {
    co_await begin(lock_mode::single_statement);
    std::string const notification = "NOTIFY " + std::string(lock.resource);
    for (char const* const each : {"BEGIN", "SET LOCAL synchronous_commit TO OFF", notification.c_str(), "COMMIT"}) post(each);
    co_await receive();
  }

  task<> listen(store_lock const& lock) {
    post("LISTEN " + std::string(lock.resource));
    co_await receive();
  }

  /// Product and version.
  std::string server() const {
    char const* const version = PQparameterStatus(handle_.get(), "server_version");
    return "PostgreSQL " + std::string(version == nullptr ? "" : version);
  }
  /// Returns the limitation of this database for jobs; empty: none.
  std::string shortcoming() const {
    char const* const encoding = PQparameterStatus(handle_.get(), "server_encoding");
    if (encoding == nullptr || std::string_view(encoding) == "UTF8" || std::string_view(encoding) == "SQL_ASCII") return {};
    return "its encoding is " + std::string(encoding) +
           ", which lacks most characters: what a job prints is kept with ? in their place, and payloads that have them are refused; make "
           "the "
           "database with ENCODING 'UTF8' TEMPLATE template0";
  }
  /// Protocol and cipher; empty without TLS.
  std::string tls() const {
    if (PQsslInUse(handle_.get()) == 0) return {};
    auto const attribute = [this](char const* name) {
      char const* const text = PQsslAttribute(handle_.get(), name);
      return std::string(text == nullptr ? "" : text);
    };
    return attribute("protocol") + " " + attribute("cipher");
  }

  // The interface for the pool.

  connection_state state() const noexcept {
    if (is_broken_ || is_busy_ || PQstatus(handle_.get()) != CONNECTION_OK) return connection_state::broken;
    bool const is_idle = sent_ == 0 && PQtransactionStatus(handle_.get()) == PQTRANS_IDLE;
    return is_idle && !is_touched_ ? connection_state::clean : connection_state::dirty;
  }

  task<> ping() { return run_alone("SELECT 1"); }

  /// Sets up a new session with the settings that visor relies on; `reset` repeats that.
  /// \param setting a statement whose row ends with a boolean. It fails where the session lacks the requested settings; the connection is
  /// unusable then.
  /// \return that boolean; nothing on failure
  task<std::optional<bool>> prepare_session(std::string setting) {
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    attachment const here(*this, executor);
    setting_ = std::move(setting);
    try {
      result_ptr const found = co_await answer(send(setting_));
      answers_.clear();
      co_return *PQgetvalue(found.get(), 0, PQnfields(found.get()) - 1) != 0;  // in binary
    } catch (error const& refused) {
      if (refused.code() == errc::connection_lost || refused.code() == errc::timeout) throw;
    }
    co_return std::nullopt;
  }

  /// Refuses all transactions: the user has no right to the schema of our tables, which would look empty.
  void refuse_transactions() noexcept { is_without_schema_ = true; }

  task<> reset() {
    co_await run_alone("ROLLBACK");
    if (has_session()) {
      co_await run_alone("DISCARD ALL");  // the server requires that it is sent alone
      co_await run_alone(setting_);
    }
    prepared_.clear();
    is_touched_ = false;
  }

  task<> close() { co_return; }  // the destructor sends a logout, which waits for nothing

  /// Interrupts the running operation by breaking the connection. From any thread.
  /// \param late the time limit has passed
  void interrupt(bool late = false) noexcept {
    if (late) is_late_ = true;
    ::shutdown(socket_number_.value, SHUT_RDWR);
  }

  /// Waits for notifications.
  /// \return the number of those from others
  task<std::size_t> wait_for_notifications() {
    co_await wait(false);
    if (PQconsumeInput(handle_.get()) != 1) lose();
    std::size_t count = 0;
    while (PGnotify* const one = PQnotifies(handle_.get())) {
      if (!backend_.all().contains(one->be_pid)) ++count;
      PQfreemem(one);
    }
    co_return count;
  }

 private:
  /// Refuses servers that speak the protocol of PostgreSQL and lack features that claims need.
  /// \throws visor::error `unsupported`
  void refuse_by_name() const {
    char const* const cockroach = PQparameterStatus(handle_.get(), "crdb_version");
    std::string const product = cockroach != nullptr ? cockroach : server();
    if (cockroach != nullptr || product.find("-YB-") != std::string::npos)
      throw error(errc::unsupported,
                  display_name_ + " is not PostgreSQL but " + product + ", on which claims do not work: use PostgreSQL itself");
  }

  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

  template <sql::statement Definition>
  void post_bulk(std::span<typename Definition::params const> given) {
    using bulk_form = typename Definition::bulk_form;
    static constexpr auto types = parameter_types<bulk_form>();
    static constexpr auto array_types = parameter_types<bulk_form>(array_type_of);
    array_parameters<placeholders<bulk_form>.size()> arrays(types, given.size());
    for (auto const& each : given) sql::bind_all<sql::spelled<postgresql_dialect, bulk_form>>(arrays, each);
    auto const values = arrays.all();
    send_prepared(visor::detail::form_of<postgresql_dialect, bulk_form>(), array_types.data(), values.all());
  }

  /// Sends the data of a COPY.
  /// \return the reason why not all rows were sent: a value that the database does not have
  template <class Row>
  task<std::optional<error>> put_rows(std::span<Row const> rows) {
    constexpr std::size_t part = 65'536;
    std::optional<error> failure;
    copied_rows bytes;
    for (Row const& row : rows) {
      try {
        bytes.add(row);
      } catch (error const& thrown) {
        failure = thrown;
        break;
      }
      if (bytes.size() >= part) co_await put(bytes.take());
    }
    bytes.end();
    co_await put(bytes.take());
    int queued = 0;
    while ((queued = PQputCopyEnd(handle_.get(), failure ? "given up" : nullptr)) == 0) co_await flush();
    if (queued < 0) lose();
    co_return failure;
  }

  /// Sends bytes and waits until they are on their way, which bounds the memory here.
  task<> put(std::string bytes) {
    int queued = 0;
    while (queued == 0) {
      queued = PQputCopyData(handle_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (queued < 0) lose();
      co_await flush();
    }
  }

  /// Sends the bytes that libpq has buffered.
  task<> flush() {
    for (;;) {
      int const unsent = PQflush(handle_.get());
      if (unsent < 0) lose();
      if (unsent == 0) co_return;
      co_await wait(true);
      if (PQconsumeInput(handle_.get()) != 1) lose();
    }
  }

  /// Sends a statement, and before its first use a request to prepare it.
  void send_prepared(visor::detail::statement_form const& form, Oid const* types, parameter_list given) {
    char const* const text = form.text.data();
    if (has_session()) {
      std::string const name = "visor_" + std::to_string(form.number);
      if (form.number >= prepared_.size()) prepared_.resize(form.number + 1);
      if (!prepared_[form.number]) {
        note_sent(PQsendPrepare(handle_.get(), name.c_str(), text, given.count, types));
        preparing_.emplace_back(form.number, sent_ - 1);
        prepared_[form.number] = true;  // for the statements behind it
      }
      note_sent(PQsendQueryPrepared(handle_.get(), name.c_str(), given.count, given.values, given.lengths, given.formats, 1));
    } else {
      note_sent(PQsendQueryParams(handle_.get(), text, given.count, types, given.values, given.lengths, given.formats, 1));
    }
    if (log_.is_on()) telling_.push_back({sent_ - 1, std::string(form.text), form.parameters.size()});
  }

  /// Determines the location of the tables. Called once.
  task<> find_tables() {
    result_ptr const found = co_await answer(
        send("SELECT quote_literal(coalesce(current_schema(), '')), EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')"));
    bool const is_citus = row_cursor(found.get(), 0).boolean(1);
    if (is_citus && !lock_.row.empty()) {
      std::string const table(lock_.row.substr(0, lock_.row.find(' ')));
      result_ptr const elsewhere = co_await answer(
          send("SELECT EXISTS (SELECT 1 FROM pg_dist_shard s JOIN pg_dist_placement p ON p.shardid = s.shardid WHERE s.logicalrelid = "
               "to_regclass('" +
               table + "') AND p.groupid <> (SELECT groupid FROM pg_dist_local_group))"));
      is_passing_on_ = row_cursor(elsewhere.get(), 0).boolean(0);
    }
    schema_ = PQgetvalue(found.get(), 0, 0);
  }

  /// Sends the first statement of a transaction in lock mode `shared`: it is always the same, so it is prepared.
  void post_entry(std::string const& text) {
    struct entry {};
    visor::detail::statement_form const form{visor::detail::statement_number::of<entry>(), text, {}, {}};
    send_prepared(form, nullptr, parameter_list{});
  }

  std::string from_row() const { return lock_.row.empty() ? std::string() : " FROM " + std::string(lock_.row); }

  static std::string set_lock_timeout(duration length) {
    return "set_config('lock_timeout', '" + std::to_string(std::chrono::ceil<std::chrono::milliseconds>(length).count()) + "', true)";
  }

  /// \pre the answer to the lock request is an error
  bool kept_out(PGresult* answer) {
    char const* const state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    was_kept_out_ = state != nullptr && std::string_view(state) == "55P03";
    return was_kept_out_;
  }

  /// \throws visor::error `schema_mismatch` where the row of the store does not exist
  task<instant> time_of(ticket asked, int column) {
    result_ptr const found = co_await answer(asked);
    if (PQntuples(found.get()) == 0)
      throw error(errc::schema_mismatch, "the tables of visor in " + display_name_ + " are not complete: run `visor db init`");
    co_return row_cursor(found.get(), 0).when(column);
  }

  /// True when the state of the session persists to the next transaction.
  bool has_session() const noexcept { return local_.empty(); }

  /// Requests the answer to the last statement.
  ticket want() {
    wanted_.push_back(sent_ - 1);
    return answers_.size() + wanted_.size() - 1;
  }

  static bool is_success(PGresult const* answer) {
    auto const status = PQresultStatus(answer);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
  }

  /// The log entry of a statement that was sent.
  struct told_statement {
    std::size_t index;  // index in the sent statements
    std::string text;
    std::size_t parameters;
  };

  /// \param since the time when the server began with it, as far as known: that of the answer before it
  void tell(told_statement const& what, PGresult* answer, duration& since) const {
    duration const now = log_.now();
    std::optional<std::size_t> rows;
    if (is_success(answer)) rows = row_count(answer);
    if (PQresultStatus(answer) != PGRES_PIPELINE_ABORTED) log_.tell(what.text, what.parameters, rows, now - since);
    since = now;
  }

  task<> run_alone(std::string text) {
    boost::asio::any_io_executor const executor = co_await boost::asio::this_coro::executor;
    attachment const here(*this, executor);
    post(text);
    co_await receive();
  }

  void attach(boost::asio::any_io_executor const& executor) {
    socket_.emplace(executor);
    socket_->assign(socket_number_.value);
  }

  void detach() noexcept {
    if (!socket_) return;
    boost::system::error_code ignored;
    socket_->cancel(ignored);
    try {
      socket_->release();
    } catch (std::exception const&) {
      is_broken_ = true;
    }
    socket_.reset();
  }

  /// True for a single statement without a transaction, unless it needs the settings of one.
  bool is_bare() const noexcept { return (how_ == lock_mode::single_statement || how_ == lock_mode::heartbeat) && has_session(); }
  bool writes() const noexcept { return how_ != lock_mode::snapshot && how_ != lock_mode::single_statement; }

  void note_sent(int success) {
    if (success != 1) lose();
    ++sent_;
  }

  [[noreturn]] void lose() {
    is_broken_ = true;
    if (is_late_) throw error(errc::timeout, display_name_ + " did not answer in the time that a transaction may take");
    throw error(errc::connection_lost, "the connection to " + display_name_ + " broke", one_line(PQerrorMessage(handle_.get())));
  }

  /// Returns the next result, or null at the end of the answers of a statement.
  task<result_ptr> next_result() {
    for (;;) {
      int const unsent = PQflush(handle_.get());
      if (unsent < 0) lose();
      if (PQisBusy(handle_.get()) == 0) co_return result_ptr(PQgetResult(handle_.get()));
      co_await wait(unsent == 1);
      if (PQconsumeInput(handle_.get()) != 1) lose();
    }
  }

  /// Waits until the socket is readable, or writable if there is something to write.
  task<> wait(bool also_for_writing) {
    namespace asio = boost::asio;
    using asio::posix::descriptor_base;
    if (!also_for_writing) {
      auto waiting = socket_->async_wait(descriptor_base::wait_read, asio::use_awaitable);
      co_await std::move(waiting);
      co_return;
    }
    auto group = asio::experimental::make_parallel_group(socket_->async_wait(descriptor_base::wait_read, asio::deferred),
                                                         socket_->async_wait(descriptor_base::wait_write, asio::deferred));
    auto waiting = group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    co_await std::move(waiting);
  }

  /// A duplicate of libpq's socket: libpq closes its own when it finds it broken, and other code may get the number then.
  struct own_socket {
    explicit own_socket(int number) : value(::fcntl(number, F_DUPFD_CLOEXEC, 0)) {}
    own_socket(own_socket const&) = delete;
    own_socket& operator=(own_socket const&) = delete;
    ~own_socket() {
      if (value >= 0) ::close(value);
    }
    int value;
  };

  connection_ptr handle_;
  own_socket socket_number_{PQsocket(handle_.get())};
  std::string display_name_;
  own_backends::entry backend_;
  std::shared_ptr<visor::detail::notify_coalescer> notifier_;
  bool leaves_pending_ = false;  // another transaction is to notify others of this one
  visor::detail::statement_log log_;
  std::string grants_;
  std::string local_;
  std::string setting_;                // the statement that prepares the session
  store_lock lock_;                    // of this transaction
  std::string schema_;                 // schema of the tables, as a literal; empty: unknown yet
  bool is_passing_on_ = false;         // the tables are on another member of a Citus cluster
  std::optional<ticket> entry_;        // the request for lock and time, until the time was read
  std::size_t entry_index_ = nowhere;  // index in the sent statements
  bool was_kept_out_ = false;
  std::optional<boost::asio::posix::stream_descriptor> socket_;
  std::vector<bool> prepared_;
  std::vector<std::pair<std::size_t, std::size_t>> preparing_;  // number of a statement, and its index in the sent ones
  std::vector<std::size_t> wanted_;                             // indexes of sent statements with a requested answer
  std::vector<result_ptr> answers_;                             // requested answers of this transaction
  std::vector<told_statement> telling_;                         // for the log, if that is on
  std::size_t sent_ = 0;                                        // statements without an answer
  bool is_busy_ = false;                                        // between a sync and its answer
  lock_mode how_ = lock_mode::snapshot;
  bool is_touched_ = false;  // the session may not be as it was
  bool is_without_schema_ = false;
  bool is_broken_ = false;
  std::atomic<bool> is_late_{false};
};

}  // namespace visor::postgresql_driver

#endif
