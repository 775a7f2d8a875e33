#ifndef VISOR_POOL_STATISTICS_HPP
#define VISOR_POOL_STATISTICS_HPP

#include "visor/base/time.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace visor {

/// The reason why a pool closed a connection.
BOOST_DEFINE_ENUM_CLASS(close_reason, broken, unanswered, reset_failed, idle, lifetime, uses, evicted, shutdown)

/// A histogram of durations: bucket n counts those of less than 2^n microseconds and not less than half of that. The last bucket also has
/// all longer ones.
class duration_histogram {
 public:
  static constexpr std::size_t buckets = 32;  // up to 36 minutes

  void add(duration length) noexcept {
    auto const microseconds = static_cast<std::uint64_t>(length.count() < 0 ? 0 : length.count());
    ++counts_[std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(microseconds)), buckets - 1)];
  }

  std::array<std::uint64_t, buckets> const& counts() const noexcept { return counts_; }
  std::uint64_t total() const noexcept {
    std::uint64_t sum = 0;
    for (auto const count : counts_) sum += count;
    return sum;
  }

 private:
  std::array<std::uint64_t, buckets> counts_{};
};

/// The state of a pool at one moment, and its counters since the start.
struct pool_statistics {
  int total = 0;       ///< all connections: the sum of the next five, and of those that await the answer to a ping
  int idle = 0;        ///< ready for use
  int in_use = 0;      ///< held by callers
  int connecting = 0;  ///< being made
  int resetting = 0;   ///< released, and being reset
  int closing = 0;     ///< being closed
  int waiting = 0;     ///< callers in the queue

  std::uint64_t acquired = 0;             ///< grants since the start
  std::uint64_t timed_out = 0;            ///< callers whose wait timed out
  std::uint64_t rejected = 0;             ///< callers refused because `max_waiting` others waited
  std::uint64_t connected = 0;            ///< connections made
  std::uint64_t failed_connects = 0;      ///< attempts that failed
  std::array<std::uint64_t, 8> closed{};  ///< connections closed, by `close_reason`
  duration_histogram acquire_time;        ///< waiting time of callers that got a connection
  duration_histogram usage_time;          ///< time that they held it
};

}  // namespace visor

#endif
