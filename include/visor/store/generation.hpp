#ifndef VISOR_STORE_GENERATION_HPP
#define VISOR_STORE_GENERATION_HPP

#include "visor/base/time.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

/// Where numbers go on after a restored backup. A database cannot know what it gave out after the backup, nor how often that backup was
/// restored before. The time can: whatever began earlier has given out smaller numbers, unless it gave out more a second than is allowed
/// for.
namespace visor::detail {

/// Numbers of generations count the seconds from here. So those of the first stores are greater than any that they had before a restore.
inline constexpr instant generations_begin{std::chrono::sys_days{std::chrono::year{2020} / 1 / 1}};

/// The generation that begins now. Two of one store never begin within a second.
/// \param last the one before, as it is stored; 0 for none
inline std::int64_t generation_at(instant now, std::int64_t last) {
  auto const passed = std::chrono::floor<std::chrono::seconds>(now - generations_begin);
  return std::max<std::int64_t>(last + 1, passed.count());
}

/// So many fences a generation has for each job before they are those of a generation that begins a second later. Until 2292 a fence is
/// below 2^53, so that JSON keeps it exactly.
inline constexpr std::int64_t fences_of_a_second = std::int64_t{1} << 20;

inline std::int64_t fence_of(std::int64_t generation, int attempt) { return generation * fences_of_a_second + attempt; }

/// How many numbers of a sequence may be given out a second, on the average.
inline constexpr std::int64_t ids_of_a_second = std::int64_t{1} << 13;  ///< of jobs, and of leases: below 2^44 until 2088
inline constexpr std::int64_t epochs_of_a_second = std::int64_t{1} << 10;

/// The first number of a generation that begins now. Where the time is no further than the sequence, as the clock is behind or more numbers
/// were given out than may be, it is far behind the last one, and still another one each time.
/// \param next the one that would come next, as it is stored
inline std::int64_t goes_on_at(std::int64_t of_a_second, instant now, std::int64_t next) {
  constexpr std::int64_t far = std::int64_t{1} << 32;
  auto const passed = std::chrono::floor<std::chrono::milliseconds>(now - generations_begin);
  std::int64_t const by_time = passed.count() * of_a_second / 1000;
  return by_time > next ? by_time : next + far + std::max<std::int64_t>(by_time, 0) % far;
}

}  // namespace visor::detail

#endif
