#ifndef VISOR_STORE_GENERATION_HPP
#define VISOR_STORE_GENERATION_HPP

#include "visor/base/time.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

/// Computes where numbers continue after a restored backup. A database does not know the numbers that it gave out after the backup, nor how
/// often that backup was restored before. The clock gives a bound: an earlier generation has given out smaller numbers, unless it gave out
/// more a second than is allowed for.
namespace visor::detail {

/// The origin of generation numbers, which count seconds from here. So those of the first stores are greater than any that they had before
/// a restore.
inline constexpr instant generations_begin{std::chrono::sys_days{std::chrono::year{2020} / 1 / 1}};

/// Returns the generation that begins now. Two generations of one store never begin within a second.
/// \param last the one before, as it is stored; 0 for none
inline std::int64_t generation_at(instant now, std::int64_t last) {
  auto const passed = std::chrono::floor<std::chrono::seconds>(now - generations_begin);
  return std::max<std::int64_t>(last + 1, passed.count());
}

/// The number of fencing tokens that each job has in a generation, before they reach those of a generation that begins a second later.
/// Until 2292 a token is below 2^53, so that JSON keeps it exactly.
inline constexpr std::int64_t fences_of_a_second = std::int64_t{1} << 20;

inline std::int64_t fence_of(std::int64_t generation, int attempt) { return generation * fences_of_a_second + attempt; }

/// How many numbers of a sequence may be given out a second, on average.
inline constexpr std::int64_t ids_of_a_second = std::int64_t{1} << 13;  ///< of jobs, and of leases: below 2^44 until 2088
inline constexpr std::int64_t epochs_of_a_second = std::int64_t{1} << 10;

/// Returns the first number of a generation that begins now. The time can lag the sequence: the clock is behind, or more numbers were given
/// out than allowed. Then the result is far above the last number, and different each time.
/// \param next the one that would come next, as it is stored
inline std::int64_t goes_on_at(std::int64_t of_a_second, instant now, std::int64_t next) {
  constexpr std::int64_t far = std::int64_t{1} << 32;
  auto const passed = std::chrono::floor<std::chrono::milliseconds>(now - generations_begin);
  std::int64_t const by_time = passed.count() * of_a_second / 1000;
  return by_time > next ? by_time : next + far + std::max<std::int64_t>(by_time, 0) % far;
}

}  // namespace visor::detail

#endif
