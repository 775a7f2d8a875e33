#ifndef VISOR_STORE_LIMIT_BUDGET_HPP
#define VISOR_STORE_LIMIT_BUDGET_HPP

#include "visor/settings/queue_name.hpp"
#include "visor/store/store.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace visor::detail {

/// Computes what the limits of a job type allow now, from the running jobs and the recent claims. A claim counts from its instant on for
/// the length of the window. In any period of that length, wherever it begins, no more are claimed than the rate says. O(log keys) each.
///
/// It counts jobs. `claim_budget` counts bytes of payloads, and applies to every claim.
class limit_budget {
 public:
  limit_budget(job_limits const& limits, instant now) : limits_(limits), now_(now) {}

  job_limits const& limits() const { return limits_; }

  /// The start of the window: claims at this instant or before it no longer count.
  instant window_begin() const { return now_ - limits_.per; }

  /// \param queue as given to the job: its key is in there
  void add_running(std::string_view queue, std::size_t jobs) {
    each(queue, [&](usage& of) { of.running += jobs; });
  }

  void add_claimed(std::string_view queue, instant when, std::size_t jobs) {
    // A claim in the future was made while the clock was ahead: how long ago that was is unknown.
    if (when <= window_begin() || when > now_ + std::chrono::minutes{1}) return;
    each(queue, [&](usage& of) { of.claimed += jobs; });
    first_claim_ = first_claim_ ? std::min(*first_claim_, when) : when;
  }

  /// The number of jobs, up to `wanted`, of those that wait in this queue, that may start now.
  std::size_t available(std::string_view queue, std::size_t wanted) {
    auto const key = queue_name(queue).key;
    auto const at = by_key_.find(key);
    usage const same = at == by_key_.end() ? usage() : at->second;
    std::size_t by_rate = left_of(limits_.rate, all_.claimed);
    std::size_t left = left_of(limits_.concurrency, all_.running);
    if (!key.empty()) {
      by_rate = std::min(by_rate, left_of(limits_.key_rate, same.claimed));
      left = std::min(left, left_of(limits_.key_concurrency, same.running));
    }
    is_held_ = is_held_ || by_rate < wanted;
    return std::min({wanted, left, by_rate});
  }

  /// Whether any job may start, whatever its key.
  bool is_open() { return available({}, 1) != 0; }

  void take(std::string_view queue, std::size_t jobs) {
    add_running(queue, jobs);
    if (limits_.any_rate()) add_claimed(queue, now_, jobs);
  }

  /// The time to look again because a rate kept jobs from starting; none if no rate did.
  std::optional<instant> look_again_at() const {
    return is_held_ && first_claim_ ? std::optional(*first_claim_ + limits_.per) : std::nullopt;
  }

 private:
  struct usage {
    std::size_t running = 0;
    std::size_t claimed = 0;
  };

  template <class Add>
  void each(std::string_view queue, Add add) {
    add(all_);
    auto const key = queue_name(queue).key;
    if (!key.empty()) add(by_key_[std::string(key)]);
  }

  static std::size_t left_of(int limit, std::size_t used) {
    if (limit <= 0) return std::numeric_limits<std::size_t>::max();
    auto const most = static_cast<std::size_t>(limit);
    return used < most ? most - used : 0;
  }

  job_limits limits_;
  instant now_;
  usage all_;
  std::map<std::string, usage, std::less<>> by_key_;
  std::optional<instant> first_claim_;
  bool is_held_ = false;
};

/// The round-robin order of the queues of one limited type: the queue without a key, then those with one by name. It starts after the queue
/// that had its turn last, and goes around once. The caller finds the queues that exist.
class keyed_queue_rotation {
 public:
  explicit keyed_queue_rotation(claim_request const& request)
      : queue_(request.queue),
        first_(before_keys(request.queue)),
        end_(behind_keys(request.queue)),
        last_(request.after.empty() ? end_ : request.after),
        current_(request.after.empty() ? request.queue : request.after),
        is_around_(request.after.empty()),
        needs_next_(!request.after.empty()) {}

  bool is_over() const { return is_over_; }

  /// Whether `answer` has to come before `current` is the next one.
  bool needs_next() const { return needs_next_; }
  std::string const& behind() const { return current_ == queue_ ? first_ : current_; }
  std::string const& before() const { return end_; }

  /// \param found the first queue that has jobs and whose name is greater than `behind()` and less than `before()`
  void answer(std::optional<std::string> found) {
    needs_next_ = false;
    if (found && !(is_around_ && *found > last_)) {
      current_ = std::move(*found);
    } else if (!is_around_) {
      is_around_ = true;
      current_ = queue_;
    } else {
      is_over_ = true;
    }
  }

  std::string const& current() const { return current_; }
  void pass() { needs_next_ = true; }

 private:
  std::string queue_;
  std::string first_;
  std::string end_;
  std::string last_;
  std::string current_;
  bool is_around_;
  bool needs_next_;
  bool is_over_ = false;
};

}  // namespace visor::detail

#endif
