#ifndef VISOR_ENGINE_START_BACKOFF_HPP
#define VISOR_ENGINE_START_BACKOFF_HPP

#include "visor/base/time.hpp"
#include "visor/store/records.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <system_error>
#include <unordered_map>

namespace visor::detail {

/// Decides the consequences when a job could not be started (`not_started`): how long the job waits, and how many jobs the node may hold
/// meanwhile. Pure: all times come from the caller's monotonic clock.
class start_backoff {
 public:
  /// Notes that the job could not be started.
  /// \param others the jobs that the node holds beside it
  /// \param random uniform in [0, 1), spreads jobs that were refused together
  /// \return how long the job waits; none: it was tried often enough, and has failed
  std::optional<duration> refuse(job_id job, std::errc why, duration now, std::size_t others, double random) {
    forget_old(now);
    auto& refused = refused_[job];
    ++refused.times;
    refused.at = now;
    if (is_shortage(why)) hold_fewer(now, others);
    if (why == std::errc::not_enough_memory && refused.times >= memory_tries) {
      refused_.erase(job);
      return std::nullopt;
    }
    auto const longest = doubled(first_wait, refused.times - 1, longest_wait);
    return std::chrono::duration_cast<duration>(longest * (0.5 + random / 2));
  }

  /// Notes that the job was started.
  void accept(job_id job) {
    if (!refused_.empty()) refused_.erase(job);
  }

  /// The number of jobs that the node may hold; none: as many as it has slots. The number grows with time after the last refusal.
  std::optional<std::size_t> most_jobs(duration now, std::size_t slots) {
    if (most_ && now >= changes_at_) {
      *most_ += std::max<std::size_t>(1, *most_ / 4);
      changes_at_ = now + growth_interval;
      if (*most_ >= slots) most_.reset();
    }
    return most_;
  }

  /// The time when `most_jobs` changes next without a refusal; none: never.
  std::optional<duration> changes_at() const { return most_ ? std::optional(changes_at_) : std::nullopt; }

 private:
  struct refusal {
    int times = 0;  ///< in a row
    duration at{};
  };

  /// Whether other jobs of this node would be refused too. A busy program file or a stale handle concerns one program.
  static bool is_shortage(std::errc why) {
    switch (why) {
      case std::errc::too_many_files_open:
      case std::errc::too_many_files_open_in_system:
      case std::errc::resource_unavailable_try_again:
      case std::errc::not_enough_memory:
      case std::errc::no_buffer_space: return true;
      default: return false;
    }
  }

  void hold_fewer(duration now, std::size_t others) {
    if (most_ && now < pause_end_) {  // refused together with the one before it
      most_ = std::min(*most_, others);
      return;
    }
    bool const again = pauses_ > 0 && now - pause_end_ < calm;
    pauses_ = again ? pauses_ + 1 : 1;
    most_ = others;
    changes_at_ = pause_end_ = now + doubled(first_wait, pauses_ - 1, longest_pause);
  }

  /// Drops old refusals: such jobs may have run on another node.
  void forget_old(duration now) {
    if (refused_.size() < 1000 || now - forgot_at_ < growth_interval) return;
    forgot_at_ = now;
    std::erase_if(refused_, [&](auto const& each) { return now - each.second.at > 2 * longest_wait; });
  }

  static duration doubled(duration from, int times, duration most) {
    for (int i = 0; i < times && from < most; ++i) from *= 2;
    return std::min(from, most);
  }

  static constexpr duration first_wait{std::chrono::seconds{1}};
  static constexpr duration longest_wait{std::chrono::minutes{5}};
  static constexpr duration longest_pause{std::chrono::minutes{1}};
  static constexpr duration growth_interval{std::chrono::seconds{1}};
  static constexpr duration calm{std::chrono::minutes{2}};  ///< so long without a refusal, the next one is the first in a row
  static constexpr int memory_tries = 5;

  std::unordered_map<job_id, refusal> refused_;
  std::optional<std::size_t> most_;
  duration changes_at_{};
  duration pause_end_{};
  duration forgot_at_{};
  int pauses_ = 0;  ///< in a row
};

}  // namespace visor::detail

#endif
