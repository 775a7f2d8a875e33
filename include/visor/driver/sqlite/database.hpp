#ifndef VISOR_DRIVER_SQLITE_DATABASE_HPP
#define VISOR_DRIVER_SQLITE_DATABASE_HPP

#include "visor/base/home.hpp"
#include "visor/base/node_claim.hpp"
#include "visor/driver/driver.hpp"
#include "visor/driver/sqlite/file_system.hpp"
#include "visor/driver/sqlite/node_lock.hpp"
#include "visor/driver/sqlite/work.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace visor::sqlite_driver {

/// The file with its threads: one write connection, and a few read connections.
///
/// *Group commit.* The writer's thread takes all waiting transactions and runs them one after another inside one transaction of the file.
/// Each runs in a savepoint, so that a failed one rolls back only its own changes. The thread commits once; no caller gets a success before
/// that commit. While the disk is flushed the next group gathers, so the disk limits the flushes a second, not the transactions.
///
/// A connection is made at the first use and again after a failure that ended it: the database recovers as soon as the disk does.
/// Thread-safe. A `close` does not wait for another one that is under way.
///
/// The class is a template only for the compilers: GCC emits the coroutines of every inline function, called or not, but those of a
/// template only where it is used. That saves two seconds for each file that includes this.
template <class Settings>
class basic_database {
 public:
  explicit basic_database(Settings settings, log_sink log = {}, store_lock = {})
      : settings_(in_home(std::move(settings))), log_(std::move(log)), identity_(settings_.filename) {}
  basic_database(basic_database const&) = delete;
  basic_database& operator=(basic_database const&) = delete;
  ~basic_database() {
    halt();
    if (closer_.joinable()) closer_.join();
  }

  /// Ends the threads: transactions that run are finished, others are not begun. Operations fail with `closed` from now on. Blocks for as
  /// long. From any thread.
  void halt() {
    std::unique_lock lock(life_mutex_);
    is_halted_ = true;
    if (threads_.empty()) return;
    bool const is_closing = std::exchange(closing_, true);
    lock.unlock();
    if (!is_closing) return stop();
    for (; !has_stopped(); std::this_thread::sleep_for(std::chrono::milliseconds{1})) {
    }
  }

  /// Opens the database without the write lock, if possible: a process that only reads need not be able to write.
  /// \throws visor::error `invalid_argument` for a setting out of its range; `closed` after `close`; as `transact`
  task<> open() {
    settings_.check();
    start();
    auto const look = [](session& on) -> immediate<> { return read_anything(on); };
    // A reader of a file that still has a write-ahead log would prevent the change of the journal mode.
    bool needs_writer = settings_.journal == sqlite_journal::rollback;
    try {
      if (!needs_writer) co_await read(look);
    } catch (error const& failure) {
      if (failure.code() == errc::replaced) throw;
      // The writer makes the file, or has a better error: even to read a read-only file is impossible while its log is in use.
      needs_writer = true;
    }
    if (!needs_writer) co_return;
    co_await transact(look);
    co_await read(look);
  }

  task<> close() {
    {
      std::scoped_lock const lock(life_mutex_);
      if (threads_.empty() || std::exchange(closing_, true)) co_return;
    }
    auto waiting = boost::asio::async_initiate<boost::asio::use_awaitable_t<> const, void()>(
        [](auto handler, basic_database* that) {
          // Joining the threads takes as long as their work, and the last one writes the log into the file.
          std::scoped_lock const lock(that->life_mutex_);
          that->closer_ = std::thread([that, poster = visor::detail::completion_poster(std::move(handler))]() mutable {
            that->stop();
            poster.complete();
          });
        },
        boost::asio::use_awaitable, this);
    co_await std::move(waiting);
  }

  /// Runs a write transaction; writers run alone.
  template <class Op>
  task<> transact(Op& op, lock_mode = lock_mode::schema) {
    return perform(writes_, work::operation::to(op));
  }

  template <class Op>
  task<> read(Op& op, lock_mode = lock_mode::snapshot) {
    return perform(reads_, work::operation::to(op));
  }

  /// Claims the right to be the only node. On a network file system the answer is unknown: the lock of a machine that is cut off may be
  /// given away while that machine lives.
  /// \throws visor::error when the lock file can be neither made nor locked
  task<node_claim> claim_node(std::string holder) {
    node_claim claim;
    auto const take = [&](session&) -> immediate<> {
      if (!shared_file_system_of(settings_.filename).empty()) co_return;
      auto const lock = std::make_shared<node_lock>(node_lock::path_of(settings_.filename), holder);
      try {
        claim.is_taken = !lock->hold();
      } catch (error const& failure) {
        if (failure.code() != errc::unsupported) throw;  // a file system without locks proves nothing
      }
      if (!claim.is_taken) co_return;
      if (*claim.is_taken) {
        claim.holder = lock->read_holder();
        co_return;
      }
      claim.lock = lock;
      std::scoped_lock const guard(watch_mutex_);
      node_lock_ = lock;
    };
    co_await read(take);
    co_return claim;
  }

  bool is_watching() const { return watching_; }

  void watch(std::function<void()> f) {
    {
      std::scoped_lock const lock(watch_mutex_);
      watcher_ = std::move(f);
      watching_ = watcher_ != nullptr;
    }
    writes_->wake();
  }

 private:
  static constexpr std::size_t longest_group = 256;
  static constexpr int reading_threads = 2;  // a long listing for a person must not keep the engine waiting
  static constexpr std::chrono::milliseconds watch_interval{100};
  static constexpr int longest_checkpoint = 20;  // checks of the file during which it may be shorter than its header says

  static Settings in_home(Settings settings) {
    settings.filename = with_home(settings.filename);
    return settings;
  }

  /// Runs an operation on a thread of the queue and completes on the caller's executor.
  static task<> perform(std::shared_ptr<work_queue> queue, work::operation what) {
    return boost::asio::async_initiate<boost::asio::use_awaitable_t<> const, void(std::exception_ptr)>(
        detail::submit(), boost::asio::use_awaitable, std::move(queue), what);
  }

  static immediate<> read_anything(session& on) { co_await on.run("SELECT count(*) FROM sqlite_schema"); }

  void start() {
    std::scoped_lock const lock(life_mutex_);
    if (is_halted_) throw error(errc::closed, "the store has ended");
    if (!threads_.empty()) return;
    if (closer_.joinable()) closer_.join();
    stopping_ = false;
    writes_->open();
    reads_->open();
    threads_.emplace_back([this] { write(); });
    for (int i = 0; i < reading_threads; ++i) threads_.emplace_back([this] { read_on(); });
  }

  bool has_stopped() {
    std::scoped_lock const lock(life_mutex_);
    return threads_.empty();
  }

  void stop() {
    stopping_ = true;
    writes_->close();
    reads_->close();
    // Without the lock: a concurrent open or close would wait as long. They do not touch the threads while there are any.
    for (auto& thread : threads_) thread.join();
    std::scoped_lock const lock(life_mutex_);
    threads_.clear();
    closing_ = false;
    identity_.forget();
    has_told_ = false;
  }

  void write() {
    std::optional<connection> file;
    auto look_at = work_queue::clock::time_point::max();
    while (!writes_->closed()) {
      if (!watching_)
        look_at = work_queue::clock::time_point::max();
      else if (look_at == work_queue::clock::time_point::max())
        look_at = work_queue::clock::now();
      auto const group = writes_->take(longest_group, look_at);
      if (!group.empty()) commit_together(group, file);
      if (watching_ && work_queue::clock::now() >= look_at) {
        look_at = work_queue::clock::now() + watch_interval;
        look_for_others(file);
      }
    }
    disconnect(file);
  }

  /// Calls the watcher when the file was changed by another process or by another store in this one, or was replaced.
  void look_for_others(std::optional<connection>& file) noexcept {
    try {
      connect(file, connection::role::writer);
      look_at_files(*file);
      if (!file->changed_by_others()) return;
      if (std::exchange(has_looked_, true)) call_watcher();  // the very first check only reads the version
    } catch (error const& failure) {                         // the next operation fails in the same way, and has a caller to tell
      if (failure.code() != errc::replaced) return;
      disconnect(file);
      if (std::exchange(has_told_, true)) return;
      if (log_) log_(log_level::error, failure.what());
      call_watcher();
    } catch (...) {
    }
  }

  void look_at_files(connection& file) {
    file.check_file();
    std::shared_ptr<node_lock> held;
    {
      std::scoped_lock const lock(watch_mutex_);
      held = node_lock_.lock();
    }
    if (held && !held->hold()) identity_.set_wrong("lost the lock of its node to another process");
    bool const is_short = (identity_.has_shrunk() || looks_while_short_ != 0) && file.is_cut_off();
    looks_while_short_ = is_short ? looks_while_short_ + 1 : 0;
    if (looks_while_short_ > longest_checkpoint) identity_.set_wrong("was truncated");
    identity_.check();
  }

  void call_watcher() {
    std::function<void()> watcher;
    {
      std::scoped_lock const lock(watch_mutex_);
      watcher = watcher_;
    }
    if (watcher) watcher();
  }

  void connect(std::optional<connection>& file, connection::role as) {
    if (!file) file.emplace(settings_, as, identity_, stopping_, log_);
  }

  /// Closes a connection, one at a time. SQLite writes the log into the file when it closes the last connection. Of two concurrent closes
  /// each takes the other connection for open: the log would stay, and a copy of the file would lack its content.
  void disconnect(std::optional<connection>& file) noexcept {
    std::scoped_lock const lock(disconnect_mutex_);
    file.reset();
  }

  /// Returns the error of a failed operation: that of the replaced file, if the file was replaced, whatever the operation threw.
  static std::exception_ptr reason_of(std::exception_ptr failure, std::optional<connection>& file) noexcept {
    try {
      if (file) file->check_file();
      return failure;
    } catch (...) {
      return std::current_exception();
    }
  }

  void commit_together(std::vector<std::shared_ptr<work>> const& group, std::optional<connection>& file) noexcept {
    std::size_t begun = 0;  // those before it are finished, in success or failure
    while (begun < group.size()) begun = commit_from(group, begun, file);
    for (auto const& one : group) one->complete();
  }

  /// Runs as much of the group as possible in one transaction of the file. Returns the index where the rest, if any, begins.
  std::size_t commit_from(std::vector<std::shared_ptr<work>> const& group, std::size_t first, std::optional<connection>& file) noexcept {
    std::size_t next = first;
    try {
      connect(file, connection::role::writer);
      bool const alone = group.size() - first == 1;
      session on(*file);
      file->begin_immediate();
      while (next < group.size()) {
        work& one = *group[next];
        if (!alone) file->savepoint();
        ++next;
        one.run(on);
        if (one.failure() == nullptr) {
          if (!alone) file->release();
          continue;
        }
        if (alone || !file->in_transaction()) std::rethrow_exception(one.failure());
        file->rollback_to();
        file->release();
      }
      file->commit();
      file->check_file();  // a write to a file that no path leads to is lost
    } catch (...) {
      if (file) file->rollback();
      auto const failure = reason_of(std::current_exception(), file);
      auto const code = code_of(failure);
      if (next == first) next = group.size();  // the begin failed: the others would fail too
      for (std::size_t i = first; i < next; ++i)
        if (group[i]->failure() == nullptr || code == errc::replaced) group[i]->fail(failure);
      if (is_fatal(code)) disconnect(file);
    }
    return next;
  }

  void read_on() {
    std::optional<connection> file;
    while (!reads_->closed()) {
      for (auto const& one : reads_->take(1, work_queue::clock::time_point::max())) {
        try {
          connect(file, connection::role::reader);
          read_one(*one, *file);
        } catch (...) {
          if (one->failure() == nullptr) one->fail(std::current_exception());
        }
        if (file) file->rollback();
        if (auto const reason = reason_of(one->failure(), file); reason != one->failure()) one->fail(reason);
        if (one->failure() != nullptr && is_fatal(code_of(one->failure()))) disconnect(file);
        one->complete();
      }
    }
    disconnect(file);
  }

  void read_one(work& one, connection& file) {
    file.begin();
    reads_->begin_interruptible(one, file);
    session on(file);
    one.run(on);
    reads_->end_interruptible(one);
    file.forget_interrupt();
    if (one.failure() == nullptr) file.commit();
  }

  static errc code_of(std::exception_ptr const& failure) noexcept {
    try {
      std::rethrow_exception(failure);
    } catch (error const& known) {
      return known.portable_code();
    } catch (...) {
      return errc::internal;
    }
  }

  Settings settings_;
  log_sink log_;
  std::shared_ptr<work_queue> writes_ = std::make_shared<work_queue>();
  std::shared_ptr<work_queue> reads_ = std::make_shared<work_queue>();
  std::atomic<bool> stopping_{false};
  std::atomic<bool> watching_{false};
  file_identity identity_;
  bool has_looked_ = false;    // of the writer's thread
  bool has_told_ = false;      // the same
  int looks_while_short_ = 0;  // the same
  std::mutex watch_mutex_;
  std::function<void()> watcher_;
  std::weak_ptr<node_lock> node_lock_;
  std::mutex disconnect_mutex_;
  std::mutex life_mutex_;  // guards the members below
  std::vector<std::thread> threads_;
  std::thread closer_;
  bool closing_ = false;
  bool is_halted_ = false;
};

using database = basic_database<sqlite_settings>;

}  // namespace visor::sqlite_driver

#endif
