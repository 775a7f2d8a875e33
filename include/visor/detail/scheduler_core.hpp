#ifndef VISOR_DETAIL_SCHEDULER_CORE_HPP
#define VISOR_DETAIL_SCHEDULER_CORE_HPP

#include "visor/async/clock.hpp"
#include "visor/async/signal.hpp"
#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/base/log.hpp"
#include "visor/config/settings.hpp"
#include "visor/engine/engine.hpp"
#include "visor/store/id_block.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor::detail {

/// A value, or the reason why it could not be made. An initiation reports that reason by its completion instead of throwing it.
template <class T>
struct attempted {
  T value{};
  std::exception_ptr failure;

  template <class Function>
  static attempted by(Function const& make) {
    attempted result;
    try {
      result.value = make();
    } catch (...) {
      result.failure = std::current_exception();
    }
    return result;
  }

  T take() && {
    if (failure) std::rethrow_exception(failure);
    return std::move(value);
  }
};

/// The threads for functions that block. They start when the first such function is called.
class blocking_threads {
 public:
  explicit blocking_threads(std::size_t count) : count_(count) {}

  /// \throws visor::error `closed` after `join`
  boost::asio::any_io_executor executor() {
    std::scoped_lock const lock(mutex_);
    if (is_over_) throw error(errc::closed, "the scheduler is gone");
    if (!threads_) threads_ = std::make_unique<boost::asio::thread_pool>(count_);
    return threads_->get_executor();
  }

  /// Waits for the functions that run; those that wait for a thread are not called, and no thread starts any more.
  void join() {
    std::unique_lock lock(mutex_);
    is_over_ = true;
    auto* const threads = threads_.get();
    lock.unlock();
    if (threads == nullptr) return;
    threads->stop();
    threads->join();
  }

 private:
  std::size_t count_;
  std::mutex mutex_;  ///< guards the members below
  std::unique_ptr<boost::asio::thread_pool> threads_;
  bool is_over_ = false;
};

/// The state of a scheduler. Its coroutines share it, so they may outlive the scheduler: a scheduler that is destroyed while its context
/// runs stops them and does not wait.
///
/// Thread-safety: `halt` and `stop` from any thread; the coroutines run on the strand; the rest before the first run.
template <class Driver, timekeeper Clock>
class scheduler_core : public std::enable_shared_from_this<scheduler_core<Driver, Clock>> {
 public:
  using store_pointer = decltype(make_store(Driver(), std::declval<storage_settings const&>(), std::declval<Clock>(), log_sink()));
  using store_type = typename store_pointer::element_type;

  scheduler_core(boost::asio::any_io_executor executor, settings how, Clock clock, log_sink log)
      : executor_(std::move(executor)),
        settings_(std::move(how)),
        log_(std::move(log)),
        strand_(boost::asio::make_strand(executor_)),
        clock_(std::move(clock)),
        run_ended_(strand_, clock_),
        threads_(std::make_shared<blocking_threads>(thread_count(settings_.node))),
        store_(make_store(Driver(), storage_of(settings_), clock_, log_)) {
    set_.name = settings_.set;
    if (log_)
      for (auto const& each : settings_.ignored) log_(log_level::warning, each);
  }

  /// Makes the first engine. Called once, before all else.
  void begin() { engine_ = make_engine(); }

  boost::asio::any_io_executor const& executor() const noexcept { return executor_; }
  boost::asio::strand<boost::asio::any_io_executor> const& strand() const noexcept { return strand_; }
  std::size_t payload_limit() const noexcept { return settings_.node.payload_limit; }
  std::shared_ptr<blocking_threads> const& threads() const noexcept { return threads_; }
  store_type& store() noexcept { return *store_; }

  /// \pre not run yet \throws visor::error `already_exists`, `invalid_argument`
  void add(job_type type) {
    engine_->add(type);
    types_.push_back(std::move(type));
  }

  /// Adds a schedule to the declared set, also while the node runs. From any thread.
  /// \throws visor::error `already_exists`, `invalid_argument`
  void add(schedule_record schedule) {
    std::scoped_lock const lock(mutex_);
    declare_set();
    engine_->add(schedule);
    schedules_.push_back(std::move(schedule));
  }

  void declare() {
    std::scoped_lock const lock(mutex_);
    declare_set();
  }

  static task<std::vector<job_id>> enqueue(std::shared_ptr<scheduler_core> self, attempted<std::vector<new_job>> prepared) {
    auto jobs = std::move(prepared).take();
    std::vector<job_id> result;
    if (jobs.empty()) co_return result;
    co_await self->open();
    if (jobs.size() == 1) {
      jobs.front().id = co_await self->next_id();
    } else {
      auto reserved = co_await self->store_->reserve_ids(jobs.size());
      for (auto& each : jobs) each.id = reserved.take();
    }
    co_await self->store_->enqueue(std::span<new_job const>(jobs));
    result.reserve(jobs.size());
    for (auto const& each : jobs) result.push_back(each.id);
    co_return result;
  }

  static task<job_id> enqueue_one(std::shared_ptr<scheduler_core> self, attempted<std::vector<new_job>> prepared) {
    auto adding = enqueue(std::move(self), std::move(prepared));
    auto const ids = co_await std::move(adding);
    co_return ids.front();
  }

  static task<> run(std::shared_ptr<scheduler_core> self) {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    if (self->is_running_.exchange(true)) throw error(errc::conflict, "the scheduler runs already");
    std::exception_ptr failure;
    try {
      self->begin_run();
      co_await self->open();
      if (self->settings_.enabled)
        co_await self->engine_->run();
      else if (self->log_)
        self->log_(log_level::warning, "enabled is false: nothing is run");
    } catch (...) {
      failure = std::current_exception();
    }
    self->has_run_ = true;
    self->is_running_ = false;
    self->run_ended_.notify();
    if (failure) std::rethrow_exception(failure);
  }

  /// Ends the run, and closes the store.
  /// \param for_good no operation opens the store again
  static task<> close(std::shared_ptr<scheduler_core> self, bool for_good) {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    if (for_good) self->is_closed_ = true;
    if (self->is_running_) self->engine_->stop();
    while (self->is_running_) co_await self->run_ended_.wait_for(std::chrono::seconds{1});
    co_await self->close_store();
  }

  /// Stops the current run, or the one that was asked for before this call: each run has an engine of its own.
  void stop() {
    boost::asio::post(strand_, [self = this->shared_from_this()] { self->engine_->stop(); });
  }

  /// Stops everything at once, for the destructor of the scheduler. Afterwards no thread of visor runs, so the context may be destroyed.
  /// While it runs instead, the coroutines end by themselves.
  void halt() {
    is_closed_ = true;
    if (is_running_) {
      boost::asio::post(strand_, [self = this->shared_from_this()] {
        self->engine_->stop();
        self->engine_->stop();
      });
    }
    threads_->join();
    if constexpr (requires { store_->halt(); }) store_->halt();
  }

 private:
  static std::size_t thread_count(node_settings const& node) {
    if (node.threads != 0) return static_cast<std::size_t>(node.threads);
    int slots = 0;
    for (auto const& queue : node.queues) slots += queue.slots;
    return static_cast<std::size_t>(std::clamp(slots, 1, 64));
  }

  /// Limits lock waits of the node's statements to a quarter of its lease, so that no lock wait puts the lease at risk.
  static storage_settings storage_of(settings const& how) {
    storage_settings result = how.storage;
    result.lock_timeout = how.node.lease_ttl / 4;
    return result;
  }

  using engine_type = engine<store_type, Clock>;
  std::unique_ptr<engine_type> make_engine() {
    auto result = std::make_unique<engine_type>(executor_, *store_, settings_.node, clock_, log_);
    result->keep_by(this->weak_from_this());
    return result;
  }

  void declare_set() {
    if (std::exchange(is_declared_, true)) return;
    engine_->declare(set_);
  }

  /// Makes a new engine for each run but the first: an engine runs once.
  void begin_run() {
    if (!has_run_) return;
    std::scoped_lock const lock(mutex_);
    engine_ = make_engine();
    for (auto const& type : types_) engine_->add(type);
    if (is_declared_) engine_->declare(set_);
    for (auto const& schedule : schedules_) engine_->add(schedule);
  }

  task<> open() {
    if (is_closed_) throw error(errc::closed, "the scheduler is closed");
    if (is_open_) co_return;
    co_await store_->open();  // concurrent calls do no harm
    is_open_ = true;
  }

  task<> close_store() {
    is_open_ = false;
    co_await store_->close();
  }

  task<job_id> next_id() {
    if (auto const id = ids_.take(clock_.elapsed())) co_return *id;
    auto reserved = co_await store_->reserve_ids(ids_.wanted(clock_.elapsed()));
    co_return ids_.put(std::move(reserved), clock_.elapsed());
  }

  boost::asio::any_io_executor executor_;
  settings settings_;
  log_sink log_;
  boost::asio::strand<boost::asio::any_io_executor> strand_;
  [[no_unique_address]] Clock clock_;
  signal<Clock> run_ended_;
  std::shared_ptr<blocking_threads> threads_;  ///< shared with handlers
  schedule_set set_{origin::code};
  bool is_open_ = false;
  id_block ids_;
  store_pointer store_;
  std::mutex mutex_;  ///< guards the members below
  bool is_declared_ = false;
  std::vector<job_type> types_;
  std::vector<schedule_record> schedules_;
  std::unique_ptr<engine_type> engine_;  ///< replaced on the strand, where it is read without the mutex
  bool has_run_ = false;                 ///< used on the strand only
  std::atomic<bool> is_closed_{false};
  std::atomic<bool> is_running_{false};
};

}  // namespace visor::detail

#endif
