#ifndef VISOR_STORE_LOSS_RULES_HPP
#define VISOR_STORE_LOSS_RULES_HPP

#include "visor/store/records.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

/// Decides about jobs whose attempt was lost with its node, as functions over values: every store calls them.
namespace visor {

/// The number of consecutive losses that end a job which sets no limit. One loss may be a deployment, two may be chance. Three nodes that
/// died with the same job suggest that the job kills them.
inline constexpr int default_max_lost = 3;

/// The error of an attempt `lost`. If the loss ended the job, more text follows.
inline constexpr char const* lease_ran_out = "the lease of its node ran out";

namespace detail {

/// The losses of one job since its last attempt with another outcome, including the loss to decide about.
struct losses_in_row {
  int all = 0;
  int fatal = 0;  ///< those whose process never came back
};

/// The consequence of a loss for its job.
struct loss_disposition {
  bool is_dead = false;
  duration delay{};   ///< until the job may run again
  std::string error;  ///< of the attempt
};

/// The pause after a loss. The first consecutive loss has none, each further one waits: 5 s, 10 s, 20 s ... at most 5 min.
inline duration loss_delay(int losses) {
  constexpr duration first{std::chrono::seconds{5}};
  constexpr duration longest{std::chrono::minutes{5}};
  duration delay{};
  for (int i = 1; i < losses && delay < longest; ++i) delay = delay == duration{0} ? first : delay * 2;
  return std::min(delay, longest);
}

/// \param max_lost as in `job_record`
inline loss_disposition classify_loss(losses_in_row losses, std::optional<int> max_lost) {
  int const tolerated = max_lost.value_or(default_max_lost);
  loss_disposition result;
  result.is_dead = tolerated == 0 || losses.fatal >= tolerated;
  result.delay = loss_delay(losses.all);
  result.error = lease_ran_out;
  if (tolerated == 0)
    result.error += ", and max_lost is 0: the job is not run again";
  else if (result.is_dead)
    result.error += ": lost " + std::to_string(losses.fatal) + " times in a row, max_lost is " + std::to_string(tolerated) +
                    "; the job may be what stops its nodes";
  return result;
}

}  // namespace detail
}  // namespace visor

#endif
