#ifndef VISOR_STORE_SQL_FRONT_MARKS_HPP
#define VISOR_STORE_SQL_FRONT_MARKS_HPP

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

/// A place in a queue, whose jobs lie in the order of priority, `run_at` and id. As it is: before all that there can be.
struct queue_place {
  std::int64_t priority = std::numeric_limits<int>::min() - std::int64_t{1};
  instant run_at{};
  job_id job = 0;
  friend bool operator==(queue_place const&, queue_place const&) = default;
};

/// What a claim met in a queue.
struct front_seen {
  queue_place from;                 ///< it looked behind this
  duration took{0};                 ///< from the question to its answer
  std::size_t count = 0;            ///< jobs that it took
  std::optional<queue_place> last;  ///< where the last of them was; none if there was none
  bool is_full = false;             ///< it took as many as it wanted
};

/// Where claims begin to look for the front of each queue.
///
/// While an old transaction is open, a database that keeps versions of rows in its indexes can forget nothing of what was claimed since,
/// and whoever looks for the front has to pass it all. So where some claims in a row took long (fewer may have waited for a lock, or for a
/// processor that has much else to do), the last of them leaves a mark where it ended, and the next ones begin there. Once in a second, or
/// in 20 times what the last rescan took, one begins at the front again: it finds what came before the mark, because it is more urgent or
/// was committed late, and whether it still takes long.
///
/// Even where nothing is slow yet, what was claimed since the last VACUUM is in the way. So where many are taken at once from a queue that
/// has more, the next claims begin where that one ended, for 50 ms: what is more urgent waits for so long.
///
/// A mark is only a hint: from a wrong one a claim finds too little, for a second. Thread-safe. O(log(queues that have one)).
class front_marks {
 public:
  static constexpr duration between_sweeps = std::chrono::seconds{1};
  /// A rescan takes at most this part of the time, unless that would be rarer than `longest_between_sweeps`.
  static constexpr int share_of_sweeps = 20;
  static constexpr duration longest_between_sweeps = std::chrono::seconds{60};
  /// So many claims from the front must have taken long, one after the other.
  static constexpr int enough = 4;
  /// The same where nothing takes long, of claims of so many jobs.
  static constexpr duration between_looks = std::chrono::milliseconds{50};
  static constexpr std::size_t many = 100;

  /// Behind which place a claim is to look.
  /// \param now here and below: the time since some fixed moment
  queue_place start(std::string_view queue, duration now) {
    std::scoped_lock const lock(mutex_);
    auto const at = marks_.find(queue);
    if (at == marks_.end()) return {};
    if (!at->second.is_used) return {};
    if (now - at->second.swept_at < at->second.lasts()) return at->second.place;
    at->second.swept_at = now;  // others need not sweep meanwhile
    return {};
  }

  /// Learns from a claim.
  /// \return how long from now until another one may find what this could not see, 0 if that one would look at all there is; none when this
  /// one has, or is to be followed by another one anyway
  std::optional<duration> saw(std::string_view queue, front_seen const& seen, duration now) {
    std::scoped_lock const lock(mutex_);
    auto at = marks_.find(queue);
    bool const was_sweep = seen.from == queue_place();
    // From a mark it must be much quicker, or the reason is another one than what lies before it.
    duration const took = std::max(duration{0}, seen.took - round_trip_.value_or(duration{0}));
    bool const is_of_use =
        was_sweep ? took > usual(seen.count) : at != marks_.end() && at->second.is_slow() && took <= at->second.sweep_took / 2;
    bool const has_more = seen.is_full && seen.count >= many;
    if (!is_of_use && !has_more) {
      if (at != marks_.end()) marks_.erase(at);
      return seen_all(was_sweep, seen) ? std::nullopt : std::optional(duration{0});
    }
    if (at == marks_.end()) {
      if (marks_.size() == most_marks) return std::nullopt;
      at = marks_.emplace(queue, mark()).first;
    }
    if (was_sweep) {
      at->second.swept_at = now;
      at->second.sweep_took = took;
      at->second.sweeps = is_of_use ? std::min(at->second.sweeps + 1, enough) : 0;
    } else if (at->second.is_slow() && !is_of_use) {
      at->second.sweeps = 0;
    }
    if (seen.last) at->second.place = *seen.last;
    at->second.is_used = (at->second.is_slow() || has_more) && at->second.place != queue_place();
    if (!at->second.is_used) return std::nullopt;
    if (seen_all(was_sweep, seen)) return std::nullopt;
    return std::max(duration{0}, at->second.swept_at + at->second.lasts() - now);
  }

  /// How long the server took for next to nothing, with the way to it and back. The shortest counts, or slowly the present one.
  void saw_round_trip(duration took) {
    std::scoped_lock const lock(mutex_);
    round_trip_ = std::min(took, round_trip_.value_or(took) + took / 16);
  }

 private:
  struct mark {
    queue_place place;     ///< of the last job that was seen
    bool is_used = false;  ///< the next claims begin there
    duration swept_at{0};
    duration sweep_took{0};
    int sweeps = 0;  ///< in a row that took long

    bool is_slow() const { return sweeps == enough; }
    duration lasts() const {
      return is_slow() ? std::clamp(sweep_took * share_of_sweeps, between_sweeps, longest_between_sweeps) : between_looks;
    }
  };
  /// There is a queue for each key of a limited type.
  static constexpr std::size_t most_marks = 1000;

  /// What a claim may take where nothing is in its way: about three times what 500 jobs of 150 bytes took, with as many results, on
  /// PostgreSQL and two processors.
  static constexpr duration usual(std::size_t jobs) {
    return std::chrono::milliseconds{10} + std::chrono::microseconds{10} * static_cast<std::int64_t>(jobs);
  }

  static bool seen_all(bool was_sweep, front_seen const& seen) { return was_sweep || seen.is_full; }

  std::mutex mutex_;
  std::optional<duration> round_trip_;
  std::map<std::string, mark, std::less<>> marks_;
};

}  // namespace visor::detail

#endif
