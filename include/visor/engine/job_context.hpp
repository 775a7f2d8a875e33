#ifndef VISOR_ENGINE_JOB_CONTEXT_HPP
#define VISOR_ENGINE_JOB_CONTEXT_HPP

#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/settings/job_type_options.hpp"
#include "visor/store/check_text.hpp"
#include "visor/store/generation.hpp"
#include "visor/store/store.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace visor {

/// Why a running job is asked to stop.
enum class stop_reason {
  none,
  cancelled,     ///< a user or a program requested it
  timed_out,     ///< the attempt took longer than the type's `timeout`
  lease_ending,  ///< the node cannot reach the store: its lease ends soon, and then others may start the job
  lease_lost,    ///< others may have started the job: from now on its effects do not count
  shutdown       ///< the node stops
};

/// The view that a handler has of its job, and the sink of its output. There is one for each attempt; it outlives the handler's run. All
/// members may be called from any thread.
class job_context {
 public:
  /// The number of output bytes that are kept of one attempt. Later output is dropped and counted.
  static constexpr std::size_t default_output_limit = 64 * 1024;

  /// \param node its name
  job_context(claimed_job job, std::string node, std::int64_t epoch, boost::asio::any_io_executor executor,
              std::size_t output_limit = default_output_limit)
      : job_context(std::move(job), std::make_shared<std::string const>(std::move(node)), node_lease({}, epoch, {}), std::move(executor),
                    output_limit) {}
  /// \param lease of the node
  job_context(claimed_job job, std::shared_ptr<std::string const> node, node_lease const& lease, boost::asio::any_io_executor executor,
              std::size_t output_limit = default_output_limit)
      : job_(std::move(job)),
        node_(std::move(node)),
        epoch_(lease.epoch),
        generation_(lease.generation),
        executor_(std::move(executor)),
        output_limit_(output_limit) {}
  job_context(job_context const&) = delete;
  job_context& operator=(job_context const&) = delete;

  job_id id() const noexcept { return job_.id; }
  std::string const& type() const noexcept { return job_.type; }
  std::string const& queue() const noexcept { return job_.queue; }
  int attempt() const noexcept { return job_.attempt; }  ///< 1 for the first attempt

  /// The number of this attempt among those that count for `max_attempts()`. Attempts that were lost with their nodes, or released by them,
  /// do not count.
  int counted_attempt() const noexcept { return job_.attempt - job_.uncounted.value_or(0); }
  int max_attempts() const noexcept { return job_.max_attempts; }
  std::string const& payload() const noexcept { return job_.payload; }  ///< JSON
  std::optional<std::string> const& schedule() const noexcept { return job_.schedule; }
  std::optional<instant> const& planned_at() const noexcept { return job_.planned_at; }
  std::string const& node() const noexcept { return *node_; }

  /// The fencing token of this attempt: larger than that of every earlier attempt of the job, on whatever node. This also holds after a
  /// restored backup that visor was told of. A system that refuses smaller tokens is safe from an attempt whose node lost its lease without
  /// knowing. Below 2^53, so it is exact as a number of JSON.
  std::int64_t fence() const noexcept { return detail::fence_of(generation_, job_.attempt); }

  /// The epoch of this node's lease. It counts per node: a later attempt on another node may have a smaller one.
  std::int64_t epoch() const noexcept { return epoch_; }

  /// The executor of a coroutine handler.
  boost::asio::any_io_executor const& executor() const noexcept { return executor_; }

  /// The treatment of a payload of another version by a typed handler.
  visor::unknown_fields unknown_fields() const noexcept { return unknown_fields_; }

  /// Sets the treatment of unknown fields, for the engine, before the handler is called.
  void treat_unknown_fields(visor::unknown_fields how) noexcept { unknown_fields_ = how; }

  /// Sets the executor, for the engine, before the handler is called.
  void run_on(boost::asio::any_io_executor executor) { executor_ = std::move(executor); }

  /// Fires when the job is cancelled or times out, when its node's lease is lost or about to end, or when shutdown waits no longer. A
  /// handler that ignores the token keeps its slot until it ends. Its result is then refused, or recorded as the reason of the stop says.
  /// Coroutine handlers are also cancelled at their current `co_await` (terminal cancellation).
  std::stop_token stop_token() const {
    std::scoped_lock const lock{mutex_};
    if (!stop_.stop_possible()) {
      stop_ = std::stop_source();
      if (stop_requested()) stop_.request_stop();  // no callback is registered yet
    }
    return stop_.get_token();
  }
  bool stop_requested() const noexcept { return why_stopped() != stop_reason::none; }
  stop_reason why_stopped() const noexcept { return reason_.load(std::memory_order_acquire); }

  /// Adds a line to the attempt's output, up to the limit. Text that is not UTF-8 is kept with U+FFFD in its place.
  void log(std::string_view line) {
    append(line);
    append("\n");
  }

  /// Adds raw text to the attempt's output, for handlers that pass on the output of others. Same limit.
  void append(std::string_view text) {
    std::scoped_lock const lock{mutex_};
    std::size_t const room = output_limit_ - std::min(output_limit_, output_.size());
    output_.append(text.substr(0, room));
    dropped_ += text.size() - std::min(room, text.size());
  }

  /// Takes the output out, for the engine. Its last line states how much was dropped.
  std::string take_output() {
    std::scoped_lock const lock{mutex_};
    std::string result = std::exchange(output_, {});
    if (dropped_ != 0) result += "\n[" + std::to_string(dropped_) + " bytes more were not kept]\n";
    return result;
  }

  /// Adds a job if this attempt completes, in the transaction that records it: then, and only then, the job exists, once. It is not added
  /// if the attempt fails, or if its result is refused since the node lost its lease.
  /// \throws visor::error `invalid_argument` for a job that no store would take
  void add_child(new_job child) {
    check_text(child);
    std::scoped_lock const lock{mutex_};
    children_.push_back(std::move(child));
  }

  /// Adds a job, as `add_child` does. For handlers, from any thread.
  /// \tparam Job `visor::job<Payload>` (`visor/jobs.hpp`)
  /// \throws visor::error `invalid_argument` for a payload that cannot be stored or is too long, and for options out of range
  template <class Job>
  void enqueue_with(Job const& what) {
    add_child(what.to_record(payload_limit_));
  }

  /// Sets the limit of the payloads of children, for the engine, before the handler is called.
  void limit_payloads(std::size_t bytes) noexcept { payload_limit_ = bytes; }

  /// Takes the children out, for the engine.
  std::vector<new_job> take_children() {
    std::scoped_lock const lock{mutex_};
    return std::exchange(children_, {});
  }

  /// The longest time that a handler has to end after it was asked to stop. Handlers use it to end others by force when that time is over.
  duration stop_limit() const noexcept { return duration{stop_limit_.load(std::memory_order_acquire)}; }

  /// Asks the handler to stop. Only the first reason counts. Callbacks of the stop token run inside this call.
  /// \param limit see `stop_limit`
  /// \return whether this was the first request
  bool request_stop(stop_reason why, duration limit = duration::max()) {
    if (stop_requested()) return false;
    stop_limit_.store(limit.count(), std::memory_order_release);
    auto expected = stop_reason::none;
    if (!reason_.compare_exchange_strong(expected, why, std::memory_order_acq_rel)) return false;
    std::unique_lock lock{mutex_};
    auto stop = stop_;
    lock.unlock();
    stop.request_stop();
    return true;
  }

 private:
  claimed_job job_;
  std::shared_ptr<std::string const> node_;
  std::int64_t epoch_;
  std::int64_t generation_;
  boost::asio::any_io_executor executor_;
  std::size_t output_limit_;
  std::size_t payload_limit_ = json_limits::bytes;
  visor::unknown_fields unknown_fields_ = visor::unknown_fields::release;
  mutable std::stop_source stop_{std::nostopstate};  ///< made on the first request for its token
  std::atomic<stop_reason> reason_{stop_reason::none};
  std::atomic<duration::rep> stop_limit_{duration::max().count()};
  mutable std::mutex mutex_;
  std::string output_;
  std::vector<new_job> children_;
  std::size_t dropped_ = 0;
};

/// Thrown by a handler for a failure that a retry cannot repair: the job ends as failed, whatever attempts are left.
class permanent_failure : public error {
 public:
  explicit permanent_failure(std::string message) : error(errc::handler_failed, std::move(message)) {}
};

/// Thrown by a handler that could not start because its node lacks something for the moment: descriptors, processes, memory, a file server
/// that answers. The job is released and no attempt is counted. It waits from a second up to five minutes, longer after each consecutive
/// time on this node. While the node lacks descriptors, processes or memory, it also claims fewer jobs. For lack of memory a job is given
/// back only four times in a row, since the job itself may be too large. After that the exception is a failure like any other.
class not_started : public error {
 public:
  /// \param why the error of the system
  /// \param message the action that failed; `what()` is this and the text of `why`
  not_started(std::errc why, std::string const& message)
      : error(errc::handler_failed, message + ": " + std::make_error_code(why).message()), why_(why) {}
  /// Reports a job that another version of the program may be able to do.
  explicit not_started(std::string message) : error(errc::handler_failed, std::move(message)) {}

  std::errc why() const noexcept { return why_; }  ///< zero where the system had no part in it

 private:
  std::errc why_{};
};

/// Thrown by a handler when the system that it calls asked for time: a failure like any other, except for the pause. If an attempt is left,
/// it begins no earlier than `after` from now, an hour at most, and no earlier than the backoff of its type says.
class retry_later : public error {
 public:
  static constexpr duration longest{std::chrono::hours{1}};

  retry_later(std::string message, duration after) : error(errc::handler_failed, std::move(message)), after_(std::min(after, longest)) {}

  duration after() const noexcept { return after_; }

 private:
  duration after_;
};

/// The code that runs a job. Returning is success; an exception is failure, and its `what()` becomes the attempt's error.
using handler = std::function<task<>(job_context&)>;

}  // namespace visor

#endif
