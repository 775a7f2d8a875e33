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
  cancelled,     ///< somebody wants it
  timed_out,     ///< the attempt took longer than the type's `timeout`
  lease_ending,  ///< the node cannot reach the store: its lease ends soon, and then others may begin with the job
  lease_lost,    ///< others may have begun with the job: what it does from now on does not count
  shutdown       ///< the node stops
};

/// What a handler is told about the job that it runs, and where it leaves its output. One for each attempt; it outlives the
/// handler's run. All members may be called from any thread.
class job_context {
 public:
  /// How much output is kept of one attempt. What comes later is dropped and counted.
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
  int attempt() const noexcept { return job_.attempt; }  ///< 1 for the first try

  /// The number of this attempt among those that count for `max_attempts()`: all but those that were lost
  /// with their nodes, or released by them.
  int counted_attempt() const noexcept { return job_.attempt - job_.uncounted.value_or(0); }
  int max_attempts() const noexcept { return job_.max_attempts; }
  std::string const& payload() const noexcept { return job_.payload; }  ///< JSON
  std::optional<std::string> const& schedule() const noexcept { return job_.schedule; }
  std::optional<instant> const& planned_at() const noexcept { return job_.planned_at; }
  std::string const& node() const noexcept { return *node_; }

  /// The fencing token of this attempt: larger than that of every earlier attempt of the job, on whatever node, also after a restored
  /// backup of which visor was told. Hand it to systems that can refuse a smaller one, and an attempt whose node lost its lease without
  /// knowing does no harm there. Below 2^53, so it is exact as a number of JSON.
  std::int64_t fence() const noexcept { return detail::fence_of(generation_, job_.attempt); }

  /// The epoch of this node's lease. It counts per node: a later attempt on another node may have a smaller one.
  std::int64_t epoch() const noexcept { return epoch_; }

  /// Where a coroutine handler runs.
  boost::asio::any_io_executor const& executor() const noexcept { return executor_; }

  /// What a typed handler does about a payload of another version.
  visor::unknown_fields unknown_fields() const noexcept { return unknown_fields_; }

  /// Says what, for the engine, before the handler is called.
  void treat_unknown_fields(visor::unknown_fields how) noexcept { unknown_fields_ = how; }

  /// Says where, for the engine, before the handler is called.
  void run_on(boost::asio::any_io_executor executor) { executor_ = std::move(executor); }

  /// Fires when the job is cancelled, times out, its node's lease is about to end or lost, or shutdown waits no longer. A handler that
  /// ignores it keeps its slot until it ends; its result is then refused or recorded as what the stop was for. Coroutine handlers are also
  /// cancelled at what they await (terminal cancellation).
  std::stop_token stop_token() const {
    std::scoped_lock const lock{mutex_};
    if (!stop_.stop_possible()) {
      stop_ = std::stop_source();
      if (stop_requested()) stop_.request_stop();  // nobody listens yet
    }
    return stop_.get_token();
  }
  bool stop_requested() const noexcept { return why_stopped() != stop_reason::none; }
  stop_reason why_stopped() const noexcept { return reason_.load(std::memory_order_acquire); }

  /// Adds a line to the attempt's output. Kept up to the limit; text that is not UTF-8 is kept with U+FFFD in its place.
  void log(std::string_view line) {
    append(line);
    append("\n");
  }

  /// Adds raw text to the attempt's output, for handlers that pass on what others write. Same limit.
  void append(std::string_view text) {
    std::scoped_lock const lock{mutex_};
    std::size_t const room = output_limit_ - std::min(output_limit_, output_.size());
    output_.append(text.substr(0, room));
    dropped_ += text.size() - std::min(room, text.size());
  }

  /// Takes the output out, for the engine. What was dropped is said in its last line.
  std::string take_output() {
    std::scoped_lock const lock{mutex_};
    std::string result = std::exchange(output_, {});
    if (dropped_ != 0) result += "\n[" + std::to_string(dropped_) + " bytes more were not kept]\n";
    return result;
  }

  /// Adds a job if this attempt completes, in the transaction that records it: then, and only then, it is there, once. Not if the attempt
  /// fails, nor if its result is refused since the node lost its lease. `scheduler::enqueue_with` makes one of a payload.
  /// \throws visor::error `invalid_argument` for one that no store would take
  void add_child(new_job child) {
    check_text(child);
    std::scoped_lock const lock{mutex_};
    children_.push_back(std::move(child));
  }

  /// Takes them out, for the engine.
  std::vector<new_job> take_children() {
    std::scoped_lock const lock{mutex_};
    return std::exchange(children_, {});
  }

  /// The longest time that a handler has to end, from when it was asked to stop, for handlers that end others by force when theirs is over.
  duration stop_limit() const noexcept { return duration{stop_limit_.load(std::memory_order_acquire)}; }

  /// Asks the handler to stop. Only the first reason counts. Callbacks of the stop token run inside.
  /// \param limit see `stop_limit`
  /// \return whether this was the first
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
  visor::unknown_fields unknown_fields_ = visor::unknown_fields::give_back;
  mutable std::stop_source stop_{std::nostopstate};  ///< made when somebody wants its token
  std::atomic<stop_reason> reason_{stop_reason::none};
  std::atomic<duration::rep> stop_limit_{duration::max().count()};
  mutable std::mutex mutex_;
  std::string output_;
  std::vector<new_job> children_;
  std::size_t dropped_ = 0;
};

/// Thrown by a handler for a failure that trying again cannot mend: the job ends as failed, whatever attempts are left.
class permanent_failure : public error {
 public:
  explicit permanent_failure(std::string message) : error(condition::handler_failed, std::move(message)) {}
};

/// Thrown by a handler that could not begin, because its node lacks something for the moment: descriptors, processes, memory, a file server
/// that answers. The job is given back and no attempt is counted. It waits from a second up to five minutes, longer each time in a row
/// on this node. While the node lacks descriptors, processes or memory, it also claims fewer jobs. For want of memory a job is given back
/// four times in a row only, since it may be the job that is too large: then the exception is a failure like any other.
class not_started : public error {
 public:
  /// \param why what the system answered
  /// \param message what could not be begun; `what()` is this and the text of `why`
  not_started(std::errc why, std::string const& message)
      : error(condition::handler_failed, message + ": " + std::make_error_code(why).message()), why_(why) {}
  /// For a job that another version of the program may be able to do.
  explicit not_started(std::string message) : error(condition::handler_failed, std::move(message)) {}

  std::errc why() const noexcept { return why_; }  ///< zero where the system had no part in it

 private:
  std::errc why_{};
};

/// Thrown by a handler whose other side asked for time: a failure like any other, but the next attempt, if one is left, begins no earlier
/// than `after` from now, an hour at most, and no earlier than the pause of its type says.
class retry_later : public error {
 public:
  static constexpr duration longest{std::chrono::hours{1}};

  retry_later(std::string message, duration after)
      : error(condition::handler_failed, std::move(message)), after_(std::min(after, longest)) {}

  duration after() const noexcept { return after_; }

 private:
  duration after_;
};

/// The code that runs a job. Returning is success; an exception is failure, and its `what()` is kept as the attempt's error.
using handler = std::function<task<>(job_context&)>;

}  // namespace visor

#endif
