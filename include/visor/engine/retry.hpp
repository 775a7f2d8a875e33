#ifndef VISOR_ENGINE_RETRY_HPP
#define VISOR_ENGINE_RETRY_HPP

#include "visor/engine/job_type.hpp"

#include <algorithm>
#include <cstdint>

namespace visor {

/// Returns the pause before attempt `failed + 1`, after attempt `failed` (from 1) ended badly. The ceiling is exponential: min(cap,
/// base*factor^(failed-1)). With full jitter the pause is uniform between zero and the ceiling. That spreads the retries of jobs that
/// failed together better than jitter around a fixed pause does (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog,
/// 2015). With equal jitter it is at least half of the ceiling, without jitter all of it.
/// \param random uniform in [0, 1]
inline duration retry_delay(backoff const& policy, int failed, double random) {
  if (policy.kind == backoff_kind::fixed) return policy.base;
  std::int64_t const cap = policy.cap.count();
  std::int64_t ceiling = std::min(policy.base.count(), cap);
  for (int i = 1; i < failed && ceiling < cap && ceiling > 0 && policy.factor > 1; ++i)
    ceiling = ceiling > cap / policy.factor ? cap : ceiling * policy.factor;
  std::int64_t const least = policy.jitter == jitter::full ? 0 : policy.jitter == jitter::equal ? ceiling / 2 : ceiling;
  return duration{least + static_cast<std::int64_t>(static_cast<double>(ceiling - least) * random)};
}

/// How the code of one attempt ended.
struct attempt_end {
  bool returned = true;                     ///< it returned; otherwise it threw
  bool permanent = false;                   ///< it threw `permanent_failure`
  stop_reason stopped = stop_reason::none;  ///< why it had been asked to stop, if it had
};

/// The consequence of the end of an attempt for its job. `keep` is false where nothing is recorded, since the lease is gone.
struct attempt_disposition {
  bool keep = true;
  visor::outcome outcome = visor::outcome::completed;
  bool retry = false;
  job_state state = job_state::completed;  ///< if there is no retry
};

/// Decides the consequence of an ended attempt. Completed work counts, also when the handler was asked to stop meanwhile. Only a lost lease
/// voids it, since by then another node may have the job.
inline attempt_disposition classify_attempt(attempt_end const& end, int attempt, int max_attempts) {
  attempt_disposition result;
  if (end.stopped == stop_reason::lease_lost) {
    result.keep = false;
    return result;
  }
  if (end.returned) return result;
  if (end.stopped == stop_reason::shutdown || end.stopped == stop_reason::lease_ending) {
    result.outcome = outcome::released;
    result.retry = true;
    return result;
  }
  if (end.stopped == stop_reason::cancelled) {
    result.outcome = outcome::cancelled;
    result.state = job_state::cancelled;
    return result;
  }
  result.outcome = end.stopped == stop_reason::timed_out ? outcome::timed_out : outcome::failed;
  result.retry = !end.permanent && attempt < max_attempts;
  result.state = end.permanent ? job_state::failed : job_state::dead;
  return result;
}

}  // namespace visor

#endif
