#ifndef VISOR_DRIVER_SQLITE_WORK_HPP
#define VISOR_DRIVER_SQLITE_WORK_HPP

#include "visor/async/completion_poster.hpp"
#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/driver/operation.hpp"
#include "visor/driver/sqlite/session.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor::sqlite_driver {

/// An operation on its way to a connection's thread and back. It is not a template, so that Asio's part of it is compiled once.
class work {
 public:
  using operation = visor::detail::operation_ref<session>;
  using handler = boost::asio::async_result<std::decay_t<boost::asio::use_awaitable_t<> const>, void(std::exception_ptr)>::handler_type;

  work(operation what, handler completion) : operation_(what), poster_(std::move(completion)) {}

  /// Calls the operation and keeps its exception.
  void run(session& on) noexcept {
    try {
      operation_(on).get();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  /// Completes the operation on the executor of its caller. Must be called once.
  void complete() noexcept { poster_.complete(std::move(failure_)); }

  std::exception_ptr const& failure() const noexcept { return failure_; }
  void fail(std::exception_ptr why) noexcept { failure_ = std::move(why); }

 private:
  friend class work_queue;

  operation operation_;
  visor::detail::completion_poster<handler> poster_;
  std::exception_ptr failure_;
  enum class state { fresh, queued, running, done } state_ = state::fresh;  // guarded by the queue's mutex
  connection* interruptible_ = nullptr;                                     // the same
  bool is_given_up_ = false;                                                // the same
};

/// The queue of waiting work for the threads of one kind of connection. Thread-safe.
class work_queue {
 public:
  using clock = std::chrono::steady_clock;

  /// Adds work. A closed queue completes it with the error `closed`.
  void push(std::shared_ptr<work> one) {
    {
      std::unique_lock lock(mutex_);
      if (open_) {
        one->state_ = work::state::queued;
        waiting_.push_back(std::move(one));
        lock.unlock();
        arrived_.notify_one();
        return;
      }
    }
    one->fail(std::make_exception_ptr(error(errc::closed, "the database is not open: call open() first, and nothing after close()")));
    one->complete();
  }

  /// Waits for work, at most until `until`, and takes up to `most` of it. Empty after the timeout, after `wake()`, or when the queue is
  /// closed and empty: then `closed()`.
  std::vector<std::shared_ptr<work>> take(std::size_t most, clock::time_point until) {
    std::unique_lock lock(mutex_);
    auto const ready = [this] { return !waiting_.empty() || !open_ || woken_; };
    if (until == clock::time_point::max())
      arrived_.wait(lock, ready);
    else
      arrived_.wait_until(lock, until, ready);
    woken_ = false;
    std::vector<std::shared_ptr<work>> taken;
    while (!waiting_.empty() && taken.size() < most) {
      taken.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
      taken.back()->state_ = work::state::running;
    }
    return taken;
  }

  /// From here to `end_interruptible`, `give_up` interrupts the connection.
  void begin_interruptible(work& one, connection& on) {
    std::scoped_lock const lock(mutex_);
    on.forget_interrupt();
    if (one.is_given_up_) on.interrupt();
    one.interruptible_ = &on;
  }

  void end_interruptible(work& one) {
    std::scoped_lock const lock(mutex_);
    one.interruptible_ = nullptr;
  }

  /// Abandons work that its caller has cancelled: queued work is removed, and a running read is interrupted.
  void give_up(std::shared_ptr<work> const& one) {
    {
      std::scoped_lock const lock(mutex_);
      one->is_given_up_ = true;
      if (one->interruptible_ != nullptr) one->interruptible_->interrupt();
      if (one->state_ != work::state::queued) return;
      one->state_ = work::state::done;
      std::erase(waiting_, one);
    }
    one->fail(std::make_exception_ptr(boost::system::system_error(boost::asio::error::operation_aborted)));
    one->complete();
  }

  /// Ends a wait, so that a thread checks its settings again.
  void wake() {
    {
      std::scoped_lock const lock(mutex_);
      woken_ = true;
    }
    arrived_.notify_all();
  }

  void open() {
    std::scoped_lock const lock(mutex_);
    open_ = true;
  }

  /// Refuses new work; queued work is still done.
  void close() {
    {
      std::scoped_lock const lock(mutex_);
      open_ = false;
    }
    arrived_.notify_all();
  }

  bool closed() const {
    std::scoped_lock const lock(mutex_);
    return !open_ && waiting_.empty();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<work>> waiting_;
  bool open_ = false;
  bool woken_ = false;
};

namespace detail {

struct submit {
  void operator()(work::handler handler, std::shared_ptr<work_queue> queue, work::operation what) const {
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    auto one = std::make_shared<work>(what, std::move(handler));
    if (slot.is_connected()) {
      slot.assign([queue, weak = std::weak_ptr<work>(one)](boost::asio::cancellation_type) {
        if (auto const still = weak.lock()) queue->give_up(still);
      });
    }
    queue->push(std::move(one));
  }
};

}  // namespace detail

}  // namespace visor::sqlite_driver

#endif
