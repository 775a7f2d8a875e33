#ifndef VISOR_STORE_SQL_CLAIM_CURSORS_HPP
#define VISOR_STORE_SQL_CLAIM_CURSORS_HPP

#include "visor/base/time.hpp"
#include "visor/store/records.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace visor::detail {

/// A position in a queue, whose jobs are ordered by priority, `run_at` and id. The default is before all possible jobs.
struct queue_position {
  std::int64_t priority = std::numeric_limits<int>::min() - std::int64_t{1};
  instant run_at{};
  job_id job = 0;
  friend bool operator==(queue_position const&, queue_position const&) = default;
};

/// The observations of one claim in a queue.
struct front_seen {
  queue_position from;                 ///< the scan began after this
  duration took{0};                    ///< from the request to its reply
  std::size_t count = 0;               ///< jobs that it took
  std::optional<queue_position> last;  ///< the position of the last of them; none if there was none
  bool is_full = false;                ///< it took as many as it wanted
};

/// The claim cursors: where claims begin to scan each queue.
///
/// While a long transaction is open, a database that keeps row versions in its indexes cannot remove dead rows. So every claim from the
/// head of the queue scans past the rows already claimed. When some claims in a row took long, the last of them leaves a cursor where it
/// ended, and the next ones begin there. (Fewer slow claims may have waited for a lock, or for a busy processor.) A rescan from the head
/// follows once a second, or after 20 times the duration of the last rescan. It finds jobs before the cursor, which are more urgent or were
/// committed late. It also finds out whether the scan still takes long.
///
/// Even where nothing is slow yet, claims scan past rows that were claimed since the last VACUUM. So after a large claim from a queue that
/// has more jobs, the next claims begin where that one ended, for 50 ms: more urgent jobs wait for so long.
///
/// A cursor is only a hint: with a wrong one a claim finds too little, for a second. Thread-safe. O(log(queues that have one)).
class claim_cursors {
 public:
  static constexpr duration between_rescans = std::chrono::seconds{1};
  /// The divisor of the share of time that rescans may take, 1/20, unless that would make them rarer than `longest_between_rescans`.
  static constexpr int share_of_rescans = 20;
  static constexpr duration longest_between_rescans = std::chrono::seconds{60};
  /// The number of consecutive slow claims from the head after which a cursor is used.
  static constexpr int enough = 4;
  /// The interval between rescans where nothing is slow, after claims of `many` jobs.
  static constexpr duration between_looks = std::chrono::milliseconds{50};
  static constexpr std::size_t many = 100;

  /// Returns the position after which a claim has to scan.
  /// \param now here and below: the time since some fixed moment
  queue_position start(std::string_view queue, duration now) {
    std::scoped_lock const lock(mutex_);
    auto const at = cursors_.find(queue);
    if (at == cursors_.end()) return {};
    if (!at->second.is_used) return {};
    if (now - at->second.rescanned_at < at->second.lasts()) return at->second.position;
    at->second.rescanned_at = now;  // others need not rescan meanwhile
    return {};
  }

  /// Learns from a claim.
  /// \return how long from now until another claim may find jobs that this one could not see; 0 if that one would scan the whole queue.
  ///   None when this one has scanned all, or another claim follows anyway.
  std::optional<duration> saw(std::string_view queue, front_seen const& seen, duration now) {
    std::scoped_lock const lock(mutex_);
    auto at = cursors_.find(queue);
    bool const was_rescan = seen.from == queue_position();
    // A claim from a cursor must be much quicker. Otherwise the rows before the cursor are not the reason for the delay.
    duration const took = std::max(duration{0}, seen.took - round_trip_.value_or(duration{0}));
    bool const is_of_use = was_rescan ? took > normal_duration(seen.count)
                                      : at != cursors_.end() && at->second.is_slow() && took <= at->second.rescan_took / 2;
    bool const has_more = seen.is_full && seen.count >= many;
    if (!is_of_use && !has_more) {
      if (at != cursors_.end()) cursors_.erase(at);
      return seen_all(was_rescan, seen) ? std::nullopt : std::optional(duration{0});
    }
    if (at == cursors_.end()) {
      if (cursors_.size() == most_cursors) return std::nullopt;
      at = cursors_.emplace(queue, claim_cursor()).first;
    }
    if (was_rescan) {
      at->second.rescanned_at = now;
      at->second.rescan_took = took;
      at->second.slow_rescans = is_of_use ? std::min(at->second.slow_rescans + 1, enough) : 0;
    } else if (at->second.is_slow() && !is_of_use) {
      at->second.slow_rescans = 0;
    }
    if (seen.last) at->second.position = *seen.last;
    at->second.is_used = (at->second.is_slow() || has_more) && at->second.position != queue_position();
    if (!at->second.is_used) return std::nullopt;
    if (seen_all(was_rescan, seen)) return std::nullopt;
    return std::max(duration{0}, at->second.rescanned_at + at->second.lasts() - now);
  }

  /// Notes how long a minimal request took, with the network both ways. The shortest counts; it slowly adapts to longer ones.
  void saw_round_trip(duration took) {
    std::scoped_lock const lock(mutex_);
    round_trip_ = std::min(took, round_trip_.value_or(took) + took / 16);
  }

 private:
  struct claim_cursor {
    queue_position position;  ///< of the last job that was seen
    bool is_used = false;     ///< the next claims begin there
    duration rescanned_at{0};
    duration rescan_took{0};
    int slow_rescans = 0;  ///< consecutive rescans that took long

    bool is_slow() const { return slow_rescans == enough; }
    duration lasts() const {
      return is_slow() ? std::clamp(rescan_took * share_of_rescans, between_rescans, longest_between_rescans) : between_looks;
    }
  };
  /// Bounds the memory: there is a queue for each key of a limited type.
  static constexpr std::size_t most_cursors = 1000;

  /// The normal duration of a claim: about three times the time that 500 jobs of 150 bytes took, with as many results, on PostgreSQL and
  /// two processors.
  static constexpr duration normal_duration(std::size_t jobs) {
    return std::chrono::milliseconds{10} + std::chrono::microseconds{10} * static_cast<std::int64_t>(jobs);
  }

  static bool seen_all(bool was_rescan, front_seen const& seen) { return was_rescan || seen.is_full; }

  std::mutex mutex_;
  std::optional<duration> round_trip_;
  std::map<std::string, claim_cursor, std::less<>> cursors_;
};

}  // namespace visor::detail

#endif
