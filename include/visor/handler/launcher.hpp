#ifndef VISOR_HANDLER_LAUNCHER_HPP
#define VISOR_HANDLER_LAUNCHER_HPP

#include "visor/handler/child_process.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace visor::detail {

/// A start of a program, shared by the handler that waits for it and the thread that performs it.
///
/// A start that hangs in the kernel is left: its handler continues, and the thread keeps the memory that the child may still use. All
/// members may be called from any thread, and none of them waits for the kernel.
class launch {
 public:
  /// \param kind distinguishes starts of one command from those of others
  /// \param prepare makes the request, on the starting thread. It may use members of the handler: `leave` waits for its end.
  /// \param on_end called once when the start has ended, unless it was left
  launch(void const* kind, std::function<void(spawn_request&)> prepare, std::function<void()> on_end)
      : kind_(kind), prepare_(std::move(prepare)), on_end_(std::move(on_end)) {}

  void const* kind() const noexcept { return kind_; }

  /// Performs the start; called on a launcher thread.
  void run(child_stack const& stack) {
    if (!enter(stage::preparing)) return;
    std::exception_ptr failure;
    try {
      prepare_(request_);
    } catch (...) {
      failure = std::current_exception();
    }
    child_process child;
    if (enter(stage::starting) && !failure) child = start_process(request_, stack);
    std::scoped_lock const lock(mutex_);
    stage_ = stage::ended;
    if (is_left_) return;
    child_ = std::move(child);
    failure_ = std::move(failure);
    // Called and destroyed under the lock: the objects that it refers to may not outlive the waiting handler.
    std::exchange(on_end_, nullptr)();
  }

  /// Ends a queued start without performing it.
  void refuse() {
    std::scoped_lock const lock(mutex_);
    if (is_left_) return;
    stage_ = stage::ended;
    is_refused_ = true;
    std::exchange(on_end_, nullptr)();
  }

  /// True when the start has ended, and was not performed since another one of its kind hangs.
  bool is_refused() {
    std::scoped_lock const lock(mutex_);
    return is_refused_;
  }

  /// True when nothing is left to do; the thread that performed it may not have returned yet.
  bool has_ended() {
    std::scoped_lock const lock(mutex_);
    return stage_ == stage::ended;
  }

  /// Abandons the start if it is queued. \return false: it is under way, or has ended
  bool withdraw() {
    std::scoped_lock const lock(mutex_);
    if (stage_ != stage::queued) return false;
    is_left_ = true;
    on_end_ = nullptr;
    return true;
  }

  /// Kills the child before it has become the program. The kernel releases a killed child from most of its waits.
  void kill() {
    std::scoped_lock const lock(mutex_);
    kill_locked();
  }

  /// Takes the result of a start that has ended. May be called once.
  /// \param request set to the request, with its failure
  /// \throws the exception of the preparation
  child_process take(spawn_request const*& request) {
    std::scoped_lock const lock(mutex_);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    request = &request_;
    return std::move(child_);
  }

  /// Abandons the start: a queued one does not begin, and the child of a running one is killed.
  void leave() {
    child_process left;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stage_ != stage::preparing; });
    is_left_ = true;
    on_end_ = nullptr;
    kill_locked();
    left = std::move(child_);
    lock.unlock();
  }

 private:
  enum class stage { queued, preparing, starting, ended };

  /// \return false: the start was left
  bool enter(stage to) {
    std::scoped_lock const lock(mutex_);
    if (is_left_) return false;
    stage_ = to;
    changed_.notify_all();
    return true;
  }

  void kill_locked() {
    if (stage_ != stage::starting) return;
    // In this order: a child that is made now checks the flag, and one that was made before has a pidfd.
    request_.is_cancelled = true;
    int const watch = request_.watch;
    if (watch >= 0) ::syscall(SYS_pidfd_send_signal, watch, SIGKILL, nullptr, 0);
  }

  void const* kind_;
  std::function<void(spawn_request&)> prepare_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> on_end_;
  stage stage_ = stage::queued;
  bool is_left_ = false;
  bool is_refused_ = false;
  spawn_request request_;
  child_process child_;
  std::exception_ptr failure_;
};

/// The threads that start programs. Children are set to die with the *thread* that made them, so these threads end only with the execution
/// context, and none of them is the user's. Usually one of them starts all programs. When a start takes long, another thread takes over the
/// next ones, and the first is a spare when it returns. There are at most two more threads than starts that hung at the same time.
///
/// Starts of one kind do not pile up behind one that hangs: they wait in the queue while it takes long, and are refused once it counts as
/// hanging.
class launcher_threads : public std::enable_shared_from_this<launcher_threads> {
  using clock = std::chrono::steady_clock;

 public:
  /// \throws std::system_error when there is no thread and none can be made
  void begin(std::shared_ptr<launch> start) {
    std::scoped_lock const lock(mutex_);
    auto const* const earlier = active_of(start->kind());
    if (earlier != nullptr && clock::now() >= earlier->since + hanging) return start->refuse();
    if (free_ == 0) make_thread();
    waiting_.push_back(std::move(start));
    changed_.notify_one();
  }

  /// Ends the threads, after at most a second. Threads that still hang then are detached until the process ends.
  void close() {
    std::unique_lock lock(mutex_);
    is_closed_ = true;
    for (auto const& each : std::exchange(waiting_, {})) each->leave();
    for (auto const& each : active_) each.start->leave();
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds{1}, [this] { return active_.empty(); });
    auto const is_busy = [this](std::thread const& thread) {
      return std::ranges::any_of(active_, [&](active_launch const& each) { return each.thread == thread.get_id(); });
    };
    auto threads = std::exchange(threads_, {});
    auto const rest = std::partition(threads.begin(), threads.end(), is_busy);
    std::for_each(threads.begin(), rest, [](std::thread& thread) { thread.detach(); });
    lock.unlock();
    std::for_each(rest, threads.end(), [](std::thread& thread) { thread.join(); });
  }

 private:
  struct active_launch {
    std::shared_ptr<launch> start;
    std::thread::id thread;
    clock::time_point since;
  };

  /// A start that takes longer no longer delays others.
  static constexpr std::chrono::milliseconds patience{100};
  static constexpr std::chrono::seconds hanging{5};  ///< a start that takes longer lets no others of its kind wait for it

  active_launch const* active_of(void const* kind) const {
    auto const is_active = [kind](active_launch const& each) { return each.start->kind() == kind && !each.start->has_ended(); };
    auto const at = std::ranges::find_if(active_, is_active);
    return at == active_.end() ? nullptr : &*at;
  }

  /// Refuses the starts that wait for one that hangs.
  /// \return when to call this again
  clock::time_point refuse_hopeless() {
    auto const now = clock::now();
    auto next = clock::time_point::max();
    std::erase_if(waiting_, [&](std::shared_ptr<launch> const& each) {
      auto const* const earlier = active_of(each->kind());
      if (earlier == nullptr) return false;
      if (now >= earlier->since + hanging) {
        each->refuse();
        return true;
      }
      next = std::min(next, earlier->since + hanging);
      return false;
    });
    return next;
  }

  void make_thread() {
    try {
      // Threads inherit the mask: no signal handler runs on them.
      sigset_t all, before;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_SETMASK, &all, &before);
      struct restore {
        sigset_t const& mask;
        ~restore() { ::pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
      } const restored{before};
      auto stack = std::make_unique<child_stack>();
      threads_.emplace_back([all = shared_from_this(), stack = std::move(stack)] { all->work(*stack); });
      ++free_;
    } catch (...) {
      if (threads_.empty()) throw;
    }
  }

  void work(child_stack const& stack) {
    std::unique_lock lock(mutex_);
    while (!is_closed_) {
      auto const next_refusal = refuse_hopeless();
      if (waiting_.empty()) {
        changed_.wait(lock);
        continue;
      }
      if (turn_began_ && clock::now() < *turn_began_ + patience) {
        changed_.wait_until(lock, *turn_began_ + patience);
        continue;
      }
      auto const first =
          std::ranges::find_if(waiting_, [this](std::shared_ptr<launch> const& each) { return active_of(each->kind()) == nullptr; });
      if (first == waiting_.end()) {
        changed_.wait_until(lock, next_refusal);
        continue;
      }
      auto const start = std::move(*first);
      waiting_.erase(first);
      auto const turn = ++turn_;
      turn_began_ = clock::now();
      active_.push_back({start, std::this_thread::get_id(), *turn_began_});
      --free_;
      // The rest needs a thread that watches it, since this one may hang.
      if (!waiting_.empty()) free_ == 0 ? make_thread() : changed_.notify_one();
      lock.unlock();
      start->run(stack);
      lock.lock();
      ++free_;
      std::erase_if(active_, [&](active_launch const& each) { return each.start == start; });
      if (turn_ == turn) turn_began_.reset();
      if (is_closed_) changed_.notify_all();
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<launch>> waiting_;
  std::vector<active_launch> active_;
  std::vector<std::thread> threads_;
  std::size_t free_ = 0;  ///< idle threads
  std::uint64_t turn_ = 0;
  std::optional<clock::time_point> turn_began_;  ///< of the last start; none: it has ended
  bool is_closed_ = false;
};

/// The `launcher_threads` of an execution context.
class launcher : public boost::asio::execution_context::service {
 public:
  using key_type = launcher;
  static inline boost::asio::execution_context::id id;
  explicit launcher(boost::asio::execution_context& owner) : service(owner) {}

  static std::shared_ptr<launcher_threads> of(boost::asio::any_io_executor const& executor) {
    auto& context = boost::asio::query(executor, boost::asio::execution::context);
    return boost::asio::use_service<launcher>(context).threads_;
  }

 private:
  void shutdown() override { threads_->close(); }

  std::shared_ptr<launcher_threads> threads_ = std::make_shared<launcher_threads>();
};

}  // namespace visor::detail

#endif
