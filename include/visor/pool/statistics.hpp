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

/// Why a pool closed a connection.
BOOST_DEFINE_ENUM_CLASS(close_reason, broken, unanswered, reset_failed, idle, lifetime, uses, evicted, shutdown)

/// How often something took how long: bucket n counts what took less than 2^n microseconds and not less than half of that. The last
/// one also has everything longer.
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

/// A pool at one moment, and what it has done so far.
struct pool_statistics {
  int total = 0;       ///< all connections: the sum of the next five, and of those that are asked whether they still answer
  int idle = 0;        ///< ready to be given out
  int in_use = 0;      ///< given out
  int connecting = 0;  ///< being made
  int resetting = 0;   ///< given back, on their way to their first state
  int closing = 0;     ///< being closed
  int waiting = 0;     ///< callers that wait for one

  std::uint64_t acquired = 0;             ///< given out so far
  std::uint64_t timed_out = 0;            ///< callers that waited in vain
  std::uint64_t turned_away = 0;          ///< callers that found `max_waiting` others
  std::uint64_t connected = 0;            ///< connections made so far
  std::uint64_t failed_connects = 0;      ///< and attempts that failed
  std::array<std::uint64_t, 8> closed{};  ///< connections closed so far, by `close_reason`
  duration_histogram acquire_time;        ///< how long callers waited that got one
  duration_histogram usage_time;          ///< how long they kept it
};

}  // namespace visor

#endif
