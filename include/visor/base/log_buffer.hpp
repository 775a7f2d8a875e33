#ifndef VISOR_BASE_LOG_BUFFER_HPP
#define VISOR_BASE_LOG_BUFFER_HPP

#include "visor/base/log.hpp"
#include "visor/base/time.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace visor {

/// A log sink that never blocks its callers: a thread of its own writes the lines, in their order.
///
/// While the thread waits (for a full pipe, a stopped terminal, a slow callback), lines wait in a buffer. When the buffer is full, new
/// lines are dropped and counted, and a warning reports the number as soon as lines flow again.
///
/// Thread-safety: all members, and the sinks, may be called from any thread. Sinks may outlive the buffer: they are silent then.
class log_buffer {
 public:
  /// \return whether the line was written; false counts it as dropped
  using writer = std::function<bool(log_level, std::string_view)>;

  static constexpr std::size_t default_capacity = 1 << 20;
  static constexpr std::chrono::seconds default_flush_timeout{2};

  /// \param to called on the buffer's thread; a throw counts the line as dropped
  /// \param capacity bytes of the waiting lines; the thread may hold as many again
  /// \param flush_timeout the longest time that the destructor waits for the remaining lines
  explicit log_buffer(writer to, std::size_t capacity = default_capacity, duration flush_timeout = default_flush_timeout)
      : state_(std::make_shared<state>(std::move(to), capacity)), flush_timeout_(flush_timeout) {}

  /// The same for a sink. An empty sink makes all sinks of the buffer empty.
  explicit log_buffer(log_sink to, std::size_t capacity = default_capacity, duration flush_timeout = default_flush_timeout)
      : log_buffer(as_writer(std::move(to)), capacity, flush_timeout) {}

  log_buffer(log_buffer const&) = delete;
  log_buffer& operator=(log_buffer const&) = delete;

  /// Writes the remaining lines, for at most `flush_timeout`. A call that takes a quarter longer is left behind with its thread.
  ~log_buffer() {
    flush(flush_timeout_);
    std::unique_lock lock(state_->mutex);
    state_->is_closed = true;
    state_->lines.clear();
    lock.unlock();
    state_->changed.notify_all();
    if (!thread_.joinable()) return;
    lock.lock();
    bool const is_over = state_->changed.wait_for(lock, flush_timeout_ / 4, [this] { return state_->is_over; });
    lock.unlock();
    if (is_over)
      thread_.join();
    else
      thread_.detach();
  }

  /// Returns a sink for the buffer; an empty one when there is nothing to write to.
  log_sink sink() {
    if (!state_->write) return {};
    start();
    return [state = state_](log_level level, std::string_view line) { state->add(level, line); };
  }

  /// Waits until all lines that were logged before are written. \return false when that takes longer
  bool flush(duration longest) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, longest, [this] { return state_->lines.empty() && state_->dropped == 0 && !state_->is_writing; });
  }

 private:
  struct entry {
    log_level level;
    std::string text;
  };

  struct state {
    state(writer to, std::size_t most) : write(std::move(to)), capacity(most) {}

    void add(log_level level, std::string_view text) {
      {
        std::scoped_lock const lock(mutex);
        if (is_closed) return;
        if (waiting + text.size() > capacity || dropped != 0) {
          ++dropped;
          return;
        }
        waiting += text.size();
        lines.push_back({level, std::string(text)});
      }
      changed.notify_all();
    }

    void run() {
      std::unique_lock lock(mutex);
      for (;;) {
        changed.wait(lock, [this] { return is_closed || !lines.empty() || dropped != 0; });
        if (is_closed) break;
        auto const batch = std::exchange(lines, {});
        auto const lost = std::exchange(dropped, 0);  // later than all of the batch
        waiting = 0;
        is_writing = true;
        lock.unlock();
        std::uint64_t failed = 0;
        for (auto const& each : batch) {
          if (is_abandoned()) break;
          failed += hand_on(each.level, each.text) ? 0U : 1U;
        }
        unreported += lost + failed;
        if (unreported != 0) report();
        lock.lock();
        is_writing = false;
        changed.notify_all();
      }
      is_over = true;
      lock.unlock();
      changed.notify_all();
    }

    bool hand_on(log_level level, std::string_view text) noexcept {
      try {
        return write(level, text);
      } catch (...) {
        return false;
      }
    }

    void report() noexcept {
      std::string const text = std::to_string(unreported) + " lines of the log were dropped: they could not be written in time";
      if (!is_abandoned() && hand_on(log_level::warning, text)) unreported = 0;
    }

    bool is_abandoned() noexcept {
      std::scoped_lock const lock(mutex);
      return is_closed;
    }

    writer const write;
    std::size_t const capacity;
    std::uint64_t unreported = 0;  // used by the thread only
    std::mutex mutex;              // guards the members below
    std::condition_variable changed;
    std::vector<entry> lines;
    std::size_t waiting = 0;  // bytes in `lines`
    std::uint64_t dropped = 0;
    bool is_writing = false;
    bool is_closed = false;
    bool is_over = false;
  };

  static writer as_writer(log_sink to) {
    if (!to) return {};
    return [to = std::move(to)](log_level level, std::string_view line) {
      to(level, line);
      return true;
    };
  }

  void start() {
    std::scoped_lock const lock(state_->mutex);
    if (thread_.joinable()) return;
    // Signals belong to the threads of the program.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([state = state_] { state->run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  std::shared_ptr<state> state_;
  duration flush_timeout_;
  std::thread thread_;  // guarded by the mutex of the state
};

}  // namespace visor

#endif
