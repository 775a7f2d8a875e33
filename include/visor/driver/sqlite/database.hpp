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

/// The file with its threads: one connection that writes, and a few that read.
///
/// *Group commit.* The writer's thread takes all transactions that wait, runs them one after another inside one transaction of the
/// file, each in a savepoint so that one which fails takes only its own changes back, and commits once. Nobody is told of success
/// before that commit. While it flushes the disk the next group gathers, so the flushes a second, not the transactions, are what
/// the disk limits.
///
/// A connection is made at the first use and again after a failure that ended it: when the disk is back, so are we.
/// Thread-safe. While one `close` is under way another one does not wait for it.
///
/// It is a template only for the compilers: GCC makes the coroutines of every inline function, called or not, but those of a
/// template only where it is used. That is two seconds for each file that includes this.
template <class Settings>
class basic_database {
 public:
  explicit basic_database(Settings settings, log_sink log = {}, store_lock = {})
      : settings_(in_home(std::move(settings))), log_(std::move(log)), identity_(settings_.filename) {}
  basic_database(basic_database const&) = delete;
  basic_database& operator=(basic_database const&) = delete;
  ~basic_database() {
    if (closer_.joinable()) closer_.join();
    stop();
  }

  /// Waits for nobody: whoever only reads need not be able to write.
  /// \throws visor::error `invalid_argument` for a setting out of its range; `closed` after `close`; as `transact`
  task<> open() {
    settings_.check();
    start();
    auto const look = [](session& on) -> immediate<> { return ask_for_anything(on); };
    // Whoever reads while the file still has a write-ahead log keeps it from being given up.
    bool needs_writer = settings_.journal == sqlite_journal::rollback;
    try {
      if (!needs_writer) co_await read(look);
    } catch (error const& failure) {
      if (failure.kind() == condition::replaced) throw;
      // Whoever writes makes it, or says it better: a file that may only be read cannot even be read while its log is in use.
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
          // Ending the threads takes as long as what they do, and the last one out folds the log into the file.
          std::scoped_lock const lock(that->life_mutex_);
          that->closer_ = std::thread([that, back = visor::detail::way_back(std::move(handler))]() mutable {
            that->stop();
            back.go();
          });
        },
        boost::asio::use_awaitable, this);
    co_await std::move(waiting);
  }

  /// Whoever writes is alone.
  template <class Op>
  task<> transact(Op& op, access = access::schema) {
    return perform(writes_, work::operation::to(op));
  }

  template <class Op>
  task<> read(Op& op, access = access::reads) {
    return perform(reads_, work::operation::to(op));
  }

  /// On a network file system nothing is known: the lock of a machine that is cut off may be given away while that lives.
  /// \throws visor::error when the file of the lock can be neither made nor locked
  task<node_claim> claim_node(std::string holder) {
    node_claim claim;
    auto const take = [&](session&) -> immediate<> {
      if (!shared_file_system_of(settings_.filename).empty()) co_return;
      auto const lock = std::make_shared<node_lock>(node_lock::path_of(settings_.filename), holder);
      try {
        claim.is_taken = !lock->hold();
      } catch (error const& failure) {
        if (failure.kind() != condition::unsupported) throw;  // a file system without locks tells nothing
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
  static constexpr int reading_threads = 2;  // one long list for a person must not keep the engine waiting
  static constexpr std::chrono::milliseconds watch_interval{100};
  static constexpr int longest_checkpoint = 20;  // looks: so long a file may be shorter than it says

  static Settings in_home(Settings settings) {
    settings.filename = with_home(settings.filename);
    return settings;
  }

  /// Runs an operation on a thread of the queue and completes on the caller's executor.
  static task<> perform(std::shared_ptr<work_queue> queue, work::operation what) {
    return boost::asio::async_initiate<boost::asio::use_awaitable_t<> const, void(std::exception_ptr)>(
        detail::submit(), boost::asio::use_awaitable, std::move(queue), what);
  }

  static immediate<> ask_for_anything(session& on) { co_await on.run("SELECT count(*) FROM sqlite_schema"); }

  void start() {
    std::scoped_lock const lock(life_mutex_);
    if (!threads_.empty()) return;
    if (closer_.joinable()) closer_.join();
    stopping_ = false;
    writes_->open();
    reads_->open();
    threads_.emplace_back([this] { write(); });
    for (int i = 0; i < reading_threads; ++i) threads_.emplace_back([this] { read_on(); });
  }

  void stop() {
    stopping_ = true;
    writes_->close();
    reads_->close();
    // Not under the lock: whoever opens or closes meanwhile would wait as long. They leave the threads alone until there are none.
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

  /// Calls the watcher when the file was changed by another process, or by another store in this one, or is not the file any more.
  void look_for_others(std::optional<connection>& file) noexcept {
    try {
      connect(file, connection::role::writer);
      look_at_files(*file);
      if (!file->changed_by_others()) return;
      if (std::exchange(has_looked_, true)) call_watcher();  // the first look of all only takes the measure
    } catch (error const& failure) {                         // the next operation meets the same, and has somebody to tell
      if (failure.kind() != condition::replaced) return;
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

  /// SQLite folds the log into the file where it closes the last connection. Of two that close at once each takes the other for open:
  /// the log would stay, and whoever copies the file would miss what is in it.
  void disconnect(std::optional<connection>& file) noexcept {
    std::scoped_lock const lock(disconnect_mutex_);
    file.reset();
  }

  /// What an operation has failed with: where the file is not the one it was, that, whatever came of it.
  static std::exception_ptr reason_of(std::exception_ptr failure, std::optional<connection>& file) noexcept {
    try {
      if (file) file->check_file();
      return failure;
    } catch (...) {
      return std::current_exception();
    }
  }

  void commit_together(std::vector<std::shared_ptr<work>> const& group, std::optional<connection>& file) noexcept {
    std::size_t begun = 0;  // those before it are finished, one way or the other
    while (begun < group.size()) begun = commit_from(group, begun, file);
    for (auto const& one : group) one->complete();
  }

  /// Runs what it can of the group in one transaction of the file. Returns where the rest, if any, begins.
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
      file->check_file();  // what went to a file that nobody finds was not written
    } catch (...) {
      if (file) file->rollback();
      auto const failure = reason_of(std::current_exception(), file);
      auto const kind = condition_of(failure);
      if (next == first) next = group.size();  // not even begun: the others would fare no better
      for (std::size_t i = first; i < next; ++i)
        if (group[i]->failure() == nullptr || kind == condition::replaced) group[i]->fail(failure);
      if (is_fatal(kind)) disconnect(file);
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
        if (one->failure() != nullptr && is_fatal(condition_of(one->failure()))) disconnect(file);
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

  static condition condition_of(std::exception_ptr const& failure) noexcept {
    try {
      std::rethrow_exception(failure);
    } catch (error const& known) {
      return known.kind();
    } catch (...) {
      return condition::internal;
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
  std::mutex life_mutex_;  // of what follows
  std::vector<std::thread> threads_;
  std::thread closer_;
  bool closing_ = false;
};

using database = basic_database<sqlite_settings>;

}  // namespace visor::sqlite_driver

#endif
