#ifndef VISOR_DRIVER_SQLITE_CONNECTION_HPP
#define VISOR_DRIVER_SQLITE_CONNECTION_HPP

#include "visor/driver/sqlite/classify.hpp"
#include "visor/driver/sqlite/file.hpp"
#include "visor/driver/sqlite/file_identity.hpp"
#include "visor/driver/sqlite/lock_holder.hpp"
#include "visor/driver/sqlite/sqlite_dialect.hpp"
#include "visor/driver/sqlite/sqlite_settings.hpp"
#include "visor/driver/statement_log.hpp"
#include "visor/driver/statement_number.hpp"
#include "visor/sql/statement.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace visor::sqlite_driver {

/// Binds parameters by reference: they must stay in place until the statement has run.
class parameter_binder {
 public:
  explicit parameter_binder(sqlite3_stmt* prepared) : prepared_(prepared) {}
  void bind(int index, std::int32_t value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::int64_t value) { note(sqlite3_bind_int64(prepared_, index + 1, value)); }
  void bind(int index, bool value) { note(sqlite3_bind_int(prepared_, index + 1, value ? 1 : 0)); }
  void bind(int index, instant value) { bind(index, std::int64_t{value.time_since_epoch().count()}); }
  void bind(int index, std::string_view value) {
    // An empty view may have a null pointer, which would bind NULL rather than empty text.
    note(sqlite3_bind_text64(prepared_, index + 1, value.data() == nullptr ? "" : value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  void bind_null(int index) { note(sqlite3_bind_null(prepared_, index + 1)); }
  int result() const { return result_; }

 private:
  void note(int code) {
    if (code != SQLITE_OK) result_ = code;
  }
  sqlite3_stmt* prepared_;
  int result_ = SQLITE_OK;
};

/// The current row.
class row_cursor {
 public:
  explicit row_cursor(sqlite3_stmt* prepared) : prepared_(prepared) {}
  bool is_null(int column) const { return sqlite3_column_type(prepared_, column) == SQLITE_NULL; }
  std::int64_t integer(int column) const { return sqlite3_column_int64(prepared_, column); }
  bool boolean(int column) const { return integer(column) != 0; }
  instant when(int column) const { return instant{duration{integer(column)}}; }
  std::string_view text(int column) const {
    auto const* characters = reinterpret_cast<char const*>(sqlite3_column_text(prepared_, column));
    return {characters == nullptr ? "" : characters, static_cast<std::size_t>(sqlite3_column_bytes(prepared_, column))};
  }

 private:
  sqlite3_stmt* prepared_;
};

/// A connection with its prepared statements. It belongs to one thread; only `interrupt` may be called from others.
class connection {
 public:
  enum class role { writer, reader };

  /// Opens the file. A writer makes missing files and folders, unless the file existed before.
  /// \param identity of the file, shared by all connections to it
  /// \param stopping ends a wait for another process once it is true
  /// \throws visor::error with one line that names the file and the remedy; `replaced` as `check_file`
  connection(sqlite_settings const& settings, role as, file_identity& identity, std::atomic<bool> const& stopping, log_sink const& log)
      : filename_(settings.filename),
        busy_timeout_(settings.busy_timeout),
        identity_(identity),
        stopping_(stopping),
        log_(settings.log_statements, log) {
    if (identity_.is_known())
      identity_.check();
    else
      prepare_file(settings, as == role::writer);
    sqlite3* opened = nullptr;
    int const code =
        sqlite3_open_v2(identity_.path().c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
    handle_.reset(opened);
    check(code);
    sqlite3_busy_handler(opened, &connection::wait_while_busy, this);
    // A misspelt column in double quotes must not be taken for text.
    sqlite3_db_config(opened, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(opened, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    if (as == role::writer) become_writer(settings);
    if (as == role::reader) sqlite3_progress_handler(opened, steps_between_looks, &connection::is_interrupted, this);
    run(as == role::writer ? "PRAGMA cache_size = -16384" : "PRAGMA query_only = 1");
    run("PRAGMA temp_store = MEMORY");
    identity_.check();
  }

  /// The last connection to a file writes the log into it when it is closed. If either is damaged, that would make the damage worse.
  ~connection() {
    if (handle_ != nullptr && identity_.is_doubtful()) sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  connection(connection const&) = delete;
  connection& operator=(connection const&) = delete;

  /// Returns the prepared form of a statement: made at its first use and kept.
  template <sql::statement Definition>
  sqlite3_stmt* prepared() {
    return prepared(visor::detail::statement_number::of<Definition>(), sql::text_in<sqlite_dialect, Definition>);
  }

  template <sql::statement Definition>
  sqlite3_stmt* bound(typename Definition::params const& params) {
    sqlite3_stmt* const statement = prepared<Definition>();
    bind<Definition>(statement, params);
    return statement;
  }

  template <sql::statement Definition>
  void bind(sqlite3_stmt* statement, typename Definition::params const& params) {
    parameter_binder binder(statement);
    sql::bind_all<sql::spelled<sqlite_dialect, Definition>>(binder, params);
    check(binder.result());
  }

  /// Returns true while there is a row.
  bool step(sqlite3_stmt* statement) {
    int const code = sqlite3_step(statement);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) fail(code);
    return false;
  }

  /// Runs a statement without a result to its end.
  std::size_t execute(sqlite3_stmt* statement) {
    reset_guard const guard(statement);
    while (step(statement)) {
    }
    return static_cast<std::size_t>(sqlite3_changes64(handle_.get()));
  }

  /// Logs a statement when the returned entry is destroyed.
  template <sql::statement Definition>
  visor::detail::statement_log::entry tell() const {
    constexpr std::size_t count = sql::text_of<sql::spelled<sqlite_dialect, Definition>>.parameters.size();
    return visor::detail::statement_log::entry(log_, sql::text_in<sqlite_dialect, Definition>, count);
  }

  /// Runs unprepared text.
  void run(std::string_view text) {
    std::string const whole(text);
    visor::detail::statement_log::entry telling(log_, log_.without_values(whole), 0);
    check(sqlite3_exec(handle_.get(), whole.c_str(), nullptr, nullptr, nullptr));
    telling.rows = 0;
  }

  void begin_immediate() { control("BEGIN IMMEDIATE", begin_immediate_); }
  void begin() { control("BEGIN", begin_); }
  void commit() { control("COMMIT", commit_); }
  void savepoint() { control("SAVEPOINT visor", savepoint_); }
  void release() { control("RELEASE visor", release_); }
  void rollback_to() { control("ROLLBACK TO visor", rollback_to_); }

  /// Rolls back the transaction, if it is still open. Some failures have ended it already.
  void rollback() noexcept {
    if (in_transaction()) sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }

  bool in_transaction() const noexcept { return sqlite3_get_autocommit(handle_.get()) == 0; }

  /// Checks that the path still leads to the open file, and to its log and the index of that, which must not be removed while a connection
  /// has them open.
  /// \throws visor::error `replaced`
  void check_file() {
    identity_.check();
    for (auto* const each : {&log_mark_, &index_mark_}) {
      std::string const path = identity_.path() + (each == &log_mark_ ? "-wal" : "-shm");
      if (auto const what = each->look(path); !what.empty()) identity_.set_wrong("lost '" + path + "', which " + std::string(what) + ",");
    }
    identity_.check();
  }

  /// True when the file is shorter than its header says: it was cut off, or, for a moment, a checkpoint is in progress.
  bool is_cut_off() {
    sqlite3_file* const file = main_file();
    if (file == nullptr) return false;
    sqlite3_int64 size = 0;
    if (file->pMethods->xFileSize(file, &size) != SQLITE_OK) return false;
    auto const page = number_in(*file, 16, 2), pages = number_in(*file, 28, 4);
    if (!page || !pages) return size != 0;
    return size < (*page == 1 ? 65536 : *page) * *pages;
  }

  /// True when another connection has committed since the last call; also true at the first call, before which nothing is known.
  bool changed_by_others() {
    sqlite3_stmt* const statement = keep("PRAGMA data_version", data_version_);
    reset_guard const guard(statement);
    std::int64_t const now = step(statement) ? sqlite3_column_int64(statement, 0) : 0;
    return std::exchange(last_version_, now) != now;
  }

  /// Ends the statements that run from now until `forget_interrupt`, the next one too, with SQLITE_INTERRUPT. `sqlite3_interrupt` would be
  /// lost if it came between two of them. For readers; from any thread, while the connection exists.
  void interrupt() noexcept { interrupted_.store(true, std::memory_order_relaxed); }
  void forget_interrupt() noexcept { interrupted_.store(false, std::memory_order_relaxed); }

  struct reset_guard {
    explicit reset_guard(sqlite3_stmt* used) : statement(used) {}
    reset_guard(reset_guard const&) = delete;
    reset_guard& operator=(reset_guard const&) = delete;
    ~reset_guard() { sqlite3_reset(statement); }
    sqlite3_stmt* statement;
  };

 private:
  static constexpr int steps_between_looks = 1000;  // of SQLite's virtual machine: a few microseconds

  struct closer {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };
  struct finalizer {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  using statement_ptr = std::unique_ptr<sqlite3_stmt, finalizer>;

  /// Returns the file that SQLite has open; to open and close it once more would release all locks. Null where there is none.
  sqlite3_file* main_file() {
    sqlite3_file* file = nullptr;
    sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
    return file == nullptr || file->pMethods == nullptr ? nullptr : file;
  }

  static std::optional<std::int64_t> number_in(sqlite3_file& file, sqlite3_int64 at, std::size_t length) {
    std::array<unsigned char, 4> bytes{};
    if (file.pMethods->xRead(&file, bytes.data(), static_cast<int>(length), at) != SQLITE_OK) return std::nullopt;
    std::int64_t value = 0;
    for (std::size_t i = 0; i < length; ++i) value = value * 256 + bytes.at(i);
    return value;
  }

  [[noreturn]] void fail(int code) {
    // The connection knows the extended code, which is more precise than a primary one.
    int const extended = handle_ != nullptr && (sqlite3_extended_errcode(handle_.get()) & 0xFF) == (code & 0xFF)
                             ? sqlite3_extended_errcode(handle_.get())
                             : code;
    errc const what = classify(extended);
    if (what == errc::corrupt || what == errc::connection_lost) identity_.doubt();
    std::string const writer = what == errc::busy ? writer_of(identity_.path()) : std::string();
    int const reason = what == errc::connection_failed && handle_ != nullptr ? sqlite3_system_errno(handle_.get()) : 0;
    std::string const lack = describe_lack_of_descriptors(reason, filename_);
    throw error(what, lack.empty() ? describe(what, filename_, writer) : lack,
                handle_ != nullptr ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code));
  }

  void check(int code) {
    if (code != SQLITE_OK) fail(code);
  }

  void become_writer(sqlite_settings const& settings) {
    if (sqlite3_db_readonly(handle_.get(), "main") == 1) throw error(errc::read_only, describe(errc::read_only, filename_));
    bool const is_full = settings.synchronous == sqlite_synchronous::full;
    if (settings.journal == sqlite_journal::wal) {
      enter_wal();
      run(is_full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    } else {
      leave_wal();
      // The end of the journal is the commit, so its folder must reach the disk too.
      run(is_full ? "PRAGMA synchronous = EXTRA" : "PRAGMA synchronous = NORMAL");
    }
    // Frees the space of a huge transaction at the next checkpoint.
    run("PRAGMA journal_size_limit = 67108864");
  }

  void enter_wal() {
    if (std::string const mode = change_journal("PRAGMA journal_mode = WAL"); mode != "wal")
      throw error(errc::unsupported, "cannot keep a write-ahead log beside the database '" + filename_ + "' (journal mode '" + mode +
                                         "'): its file system, perhaps a network one, does not allow it; use a local disk");
  }

  /// Leaves a write-ahead log of an earlier use. With exclusive access, SQLite reads that log without the memory that processes share.
  void leave_wal() {
    run("PRAGMA locking_mode = EXCLUSIVE");
    if (std::string const mode = change_journal("PRAGMA journal_mode = DELETE"); mode != "delete")
      throw error(errc::busy, "cannot leave the journal mode '" + mode + "' of the database '" + filename_ +
                                  "': another process uses it; stop that, and try again");
    run("PRAGMA locking_mode = NORMAL");
    run("SELECT count(*) FROM sqlite_schema");  // the next access releases the lock
  }

  /// Changes the journal mode, which needs exclusive access for a moment and does not wait for it by itself.
  /// \return the mode of the file afterwards
  std::string change_journal(std::string_view text) {
    statement_ptr const statement = prepare(text, 0);
    for (int tries = 0;; ++tries) {
      int const code = sqlite3_step(statement.get());
      if (code == SQLITE_ROW) break;
      sqlite3_reset(statement.get());
      if ((code & 0xFF) != SQLITE_BUSY || wait_while_busy(this, tries) == 0) fail(code);
    }
    return reinterpret_cast<char const*>(sqlite3_column_text(statement.get(), 0));
  }

  statement_ptr prepare(std::string_view text, unsigned flags) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v3(handle_.get(), text.data(), static_cast<int>(text.size()), flags, &statement, nullptr));
    return statement_ptr(statement);
  }

  sqlite3_stmt* prepared(std::size_t number, std::string_view text) {
    if (number >= statements_.size()) statements_.resize(number + 1);
    return keep(text, statements_[number]);
  }

  sqlite3_stmt* keep(std::string_view text, statement_ptr& statement) {
    if (!statement) statement = prepare(text, SQLITE_PREPARE_PERSISTENT);
    return statement.get();
  }

  void control(std::string_view text, statement_ptr& statement) {
    visor::detail::statement_log::entry telling(log_, text, 0);
    execute(keep(text, statement));
    telling.rows = 0;
  }

  static int is_interrupted(void* self) { return static_cast<connection*>(self)->interrupted_.load(std::memory_order_relaxed) ? 1 : 0; }

  /// Sleeps from 1 to 20 ms, increasing with each try and randomized, until the timeout or the end of the program.
  static int wait_while_busy(void* self, int tries) {
    auto& that = *static_cast<connection*>(self);
    auto const now = std::chrono::steady_clock::now();
    if (tries == 0) that.busy_until_ = now + that.busy_timeout_;
    if (now >= that.busy_until_ || that.stopping_.load(std::memory_order_relaxed)) return 0;
    thread_local std::minstd_rand random{std::random_device{}()};
    auto const most = std::min(20, 1 + tries);
    std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<int>(500, most * 1000)(random)));
    return 1;
  }

  std::string filename_;
  duration busy_timeout_;
  file_identity& identity_;
  file_mark log_mark_;
  file_mark index_mark_;
  std::atomic<bool> const& stopping_;
  visor::detail::statement_log log_;
  std::chrono::steady_clock::time_point busy_until_{};
  std::atomic<bool> interrupted_{false};
  std::optional<std::int64_t> last_version_;
  std::unique_ptr<sqlite3, closer> handle_;  // outlives its statements, which are declared below it
  std::vector<statement_ptr> statements_;
  statement_ptr begin_immediate_, begin_, commit_, savepoint_, release_, rollback_to_, data_version_;
};

}  // namespace visor::sqlite_driver

#endif
