#ifndef VISOR_SETTINGS_JOB_TYPE_OPTIONS_HPP
#define VISOR_SETTINGS_JOB_TYPE_OPTIONS_HPP

#include "visor/base/time.hpp"
#include "visor/settings/job_limits.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace visor {

/// `fixed`: the same pause before every retry. `exponential`: a random pause between zero and base·2^(n-1), at most the cap
/// ("full jitter").
BOOST_DEFINE_ENUM_CLASS(backoff_kind, fixed, exponential)

/// Which part of an exponential pause is random: all of it, its second half, or none.
BOOST_DEFINE_ENUM_CLASS(jitter, full, equal, none)

/// How long to wait before an attempt is repeated.
struct backoff {
  backoff_kind kind = backoff_kind::exponential;
  duration base{std::chrono::seconds{1}};      ///< from 0
  duration cap{std::chrono::minutes{5}};       ///< not below `base`
  int factor = 2;                              ///< of each pause to the one before, if exponential; 1 to 100
  visor::jitter jitter = visor::jitter::full;  ///< if exponential
  backoff() = default;
  backoff(backoff_kind how, duration first, duration most) : kind(how), base(first), cap(most) {}
  friend bool operator==(backoff const&, backoff const&) = default;
};
BOOST_DESCRIBE_STRUCT(backoff, (), (kind, base, cap, factor, jitter))

/// What becomes of a job whose payload has a field that the handler's struct lacks, or a number of which it would lose digits.
/// `give_back`: it returns to the queue unused, with a growing delay, since a newer or older program may know it. `refuse`: it ends as
/// failed. `ignore`: unknown fields are passed over; a number that would lose digits is given back all the same.
BOOST_DEFINE_ENUM_CLASS(unknown_fields, give_back, refuse, ignore)

/// What every job of one type has in common. Values of a job or schedule, where they are given, go before these.
struct job_type_options {
  std::string queue = "default";
  int priority = 100;      ///< lower runs first; -32768 to 32767
  int max_attempts = 1;    ///< from 1
  std::string capability;  ///< runs only on nodes that have it; empty: on any
  job_limits limits;       ///< over all nodes
  duration timeout{};      ///< of one attempt; 0 = none
  visor::backoff backoff;
  std::optional<std::size_t> output_limit;  ///< bytes kept of an attempt's output; none: the node's; at most 16 MiB
  visor::unknown_fields unknown_fields = visor::unknown_fields::give_back;  ///< of a payload for a C++ struct
  /// The number of losses in a row that end a job: attempts whose node died, which do not count for `max_attempts`. None: 3. 0: a job that
  /// was lost is never run again, for work that must not be repeated.
  std::optional<int> max_lost;
  job_type_options() = default;
  friend bool operator==(job_type_options const&, job_type_options const&) = default;
};
BOOST_DESCRIBE_STRUCT(job_type_options, (),
                      (queue, priority, max_attempts, capability, limits, timeout, backoff, output_limit, unknown_fields, max_lost))

}  // namespace visor

#endif
