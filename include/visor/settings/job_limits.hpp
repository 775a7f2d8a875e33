#ifndef VISOR_SETTINGS_JOB_LIMITS_HPP
#define VISOR_SETTINGS_JOB_LIMITS_HPP

#include "visor/base/time.hpp"

#include <boost/describe/class.hpp>

#include <chrono>

namespace visor {

/// The limits of one job type over the whole cluster; 0 is no limit. A job is running from its claim to its end. A rate counts claims,
/// including those for a retry.
struct job_limits {
  int concurrency = 0;                    ///< jobs that run at the same time
  int key_concurrency = 0;                ///< the same for jobs that were added with one key
  int rate = 0;                           ///< jobs that start within any `per`
  int key_rate = 0;                       ///< the same for jobs that were added with one key
  duration per{std::chrono::minutes{1}};  ///< the window of both rates; 1 ms to 24 h
  job_limits() = default;

  bool any() const noexcept { return concurrency > 0 || rate > 0 || any_by_key(); }
  bool any_by_key() const noexcept { return key_concurrency > 0 || key_rate > 0; }
  bool any_rate() const noexcept { return rate > 0 || key_rate > 0; }
  friend bool operator==(job_limits const&, job_limits const&) = default;
};
BOOST_DESCRIBE_STRUCT(job_limits, (), (concurrency, key_concurrency, rate, key_rate, per))

}  // namespace visor

#endif
