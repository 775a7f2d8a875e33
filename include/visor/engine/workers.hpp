#ifndef VISOR_ENGINE_WORKERS_HPP
#define VISOR_ENGINE_WORKERS_HPP

#include "visor/async/clock.hpp"
#include "visor/async/task.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/engine/job_type.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace visor::detail {

/// One worker: a coroutine on a strand of its own.
struct worker {
  explicit worker(boost::asio::any_io_executor const& on) : strand(boost::asio::make_strand(on)) {}

  boost::asio::any_io_executor strand;
  boost::asio::cancellation_signal interrupt;  ///< emitted on the strand
  bool has_come = false;
};

/// One attempt that this node runs.
template <timekeeper Clock>
struct running_job {
  running_job(claimed_job job, std::shared_ptr<std::string const> node, node_lease const& of_node, lease_id from,
              std::shared_ptr<job_type const> what, std::size_t output_limit)
      : context(std::move(job), std::move(node), of_node, {}, output_limit), lease(from), type(std::move(what)) {
    context.treat_unknown_fields(type->options.unknown_fields);
  }

  job_context context;
  lease_id lease;
  std::shared_ptr<job_type const> type;
  std::optional<typename Clock::timer> deadline;  ///< where the type has a timeout
  std::size_t running_index = 0;                  ///< among the jobs that the runner knows

  // Written by a worker.
  instant started_at{};
  instant finished_at{};
  duration took{};
  std::exception_ptr failure;
  bool was_called = false;          ///< the handler was called; it is not if the job is told to stop before its turn
  std::shared_ptr<worker> at;       ///< while the handler runs
  std::optional<duration> started;  ///< by `elapsed()`; none: its turn has not come
};

/// Runs handlers. A worker takes one job after the other while there are any, so that a handler that never waits costs neither a coroutine
/// nor a hop between executors. Before it starts a job, it sends for another worker if more jobs wait. So a handler that does wait, or
/// takes long, holds up no other job: all available threads find work.
///
/// All members may be called from any thread.
template <timekeeper Clock>
class workers : public std::enable_shared_from_this<workers<Clock>> {
 public:
  using job_ptr = std::shared_ptr<running_job<Clock>>;

  /// \param on_end called, from any thread, when jobs have ended; not again before these were taken
  workers(boost::asio::any_io_executor executor, Clock clock, std::function<void()> on_end)
      : executor_(std::move(executor)), clock_(std::move(clock)), on_end_(std::move(on_end)) {}

  /// Queues a job. Handlers are called in the order of these calls.
  void run(job_ptr job) {
    std::unique_lock lock(mutex_);
    waiting_.push_back(std::move(job));
    send_for_another(lock);
  }

  /// Takes the jobs that ended since the last call, in that order.
  std::vector<job_ptr> take_ended() {
    std::scoped_lock const lock(mutex_);
    is_told_ = false;
    return std::exchange(ended_, {});
  }

  /// Cancels the operation that the handler awaits, if it runs. A handler whose turn comes after the request to stop is not called.
  void interrupt(job_ptr const& job) {
    std::shared_ptr<worker> at;
    {
      std::scoped_lock const lock(mutex_);
      at = job->at;
    }
    if (!at) return;
    boost::asio::post(at->strand, [all = this->shared_from_this(), at, job] {
      bool is_there = false;
      {
        std::scoped_lock const lock(all->mutex_);
        is_there = job->at == at;
      }
      if (is_there) at->interrupt.emit(boost::asio::cancellation_type::terminal);
    });
  }

  /// The time when the handler was called, by `elapsed()`.
  std::optional<duration> started(job_ptr const& job) const {
    std::scoped_lock const lock(mutex_);
    return job->started;
  }

  /// Starts no more jobs. Running handlers go on, and their ends are not reported.
  void close() {
    std::scoped_lock const lock(mutex_);
    waiting_.clear();
    is_told_ = true;
  }

 private:
  /// How long a worker keeps a thread, approximately, before it lets others run on it.
  static constexpr std::chrono::milliseconds longest_turn{1};

  /// \param lock held; released when a worker is sent for
  void send_for_another(std::unique_lock<std::mutex>& lock) {
    if (is_coming_ || waiting_.empty()) return;
    is_coming_ = true;
    lock.unlock();
    auto const next = std::make_shared<worker>(executor_);
    // Posted: the new worker must not start inside the one that sends for it.
    boost::asio::post(next->strand, [all = this->shared_from_this(), next] {
      boost::asio::co_spawn(next->strand, work(all, next),
                            boost::asio::bind_cancellation_slot(next->interrupt.slot(), [next](std::exception_ptr) {}));
    });
  }

  /// Readings of two clocks: one is stepped, and the other means nothing to people.
  struct moment {
    instant date{};
    duration elapsed{};
  };
  moment now() const {
    moment result;
    result.date = clock_.now();
    result.elapsed = clock_.elapsed();
    return result;
  }

  static task<> work(std::shared_ptr<workers> all, std::shared_ptr<worker> me) {
    moment now = all->now();
    duration turn_began = now.elapsed;
    for (;;) {
      // A cancellation of the last job's handler must not affect the next one.
      co_await boost::asio::this_coro::reset_cancellation_state();
      co_await boost::asio::this_coro::throw_if_cancelled(true);
      if (now.elapsed - turn_began >= longest_turn) {
        auto pause = boost::asio::post(me->strand, boost::asio::use_awaitable);
        co_await std::move(pause);
        now = all->now();
        turn_began = now.elapsed;
      }
      job_ptr const job = all->next(me, now);
      if (!job) co_return;
      try {
        if (job->context.stop_requested()) throw boost::system::system_error(boost::asio::error::operation_aborted, "not started");
        job->was_called = true;
        co_await job->type->run(job->context);
      } catch (...) {
        job->failure = std::current_exception();
      }
      now = all->now();
      all->end(job, now);
    }
  }

  /// \return none: no job waits
  job_ptr next(std::shared_ptr<worker> const& me, moment const& now) {
    std::unique_lock lock(mutex_);
    if (!std::exchange(me->has_come, true)) is_coming_ = false;
    if (waiting_.empty()) return nullptr;
    job_ptr job = std::move(waiting_.front());
    waiting_.pop_front();
    job->at = me;
    job->started = now.elapsed;
    job->started_at = now.date;
    job->context.run_on(me->strand);
    send_for_another(lock);
    return job;
  }

  void end(job_ptr const& job, moment const& now) {
    job->finished_at = now.date;
    job->took = now.elapsed - *job->started;
    bool is_first = false;
    {
      std::scoped_lock const lock(mutex_);
      job->at.reset();
      ended_.push_back(job);
      is_first = !std::exchange(is_told_, true);
    }
    if (is_first) on_end_();
  }

  boost::asio::any_io_executor executor_;
  Clock clock_;
  std::function<void()> on_end_;
  mutable std::mutex mutex_;
  std::deque<job_ptr> waiting_;
  std::vector<job_ptr> ended_;
  bool is_coming_ = false;  ///< a worker was sent for, and has not started yet
  bool is_told_ = false;    ///< `on_end` was called for the jobs in `ended_`
};

}  // namespace visor::detail

#endif
