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

/// How the pause before a retry grows. `fixed`: the same pause before every retry. `exponential`: a random pause between zero and
/// base·2^(n-1), at most the cap ("full jitter").
BOOST_DEFINE_ENUM_CLASS(backoff_kind, fixed, exponential)

/// The random part of an exponential pause: all of it, its second half, or none.
BOOST_DEFINE_ENUM_CLASS(jitter, full, equal, none)

/// The pause before an attempt is repeated.
struct backoff {
  backoff_kind kind = backoff_kind::exponential;
  duration base{std::chrono::seconds{1}};      ///< at least 0
  duration cap{std::chrono::minutes{5}};       ///< at least `base`
  int factor = 2;                              ///< ratio of each pause to the one before, if exponential; 1 to 100
  visor::jitter jitter = visor::jitter::full;  ///< if exponential
  backoff() = default;
  backoff(backoff_kind how, duration first, duration most) : kind(how), base(first), cap(most) {}
  friend bool operator==(backoff const&, backoff const&) = default;
};
BOOST_DESCRIBE_STRUCT(backoff, (), (kind, base, cap, factor, jitter))

/// The treatment of a payload that the handler's struct cannot hold: it has a field that the struct lacks, or a number that would lose
/// digits.
///
/// - `release`: the job returns to the queue and its attempt does not count. The delay grows, since a newer or older program may know the
///   field.
/// - `refuse`: the job ends as failed.
/// - `ignore`: unknown fields are passed over. A job with a number that would lose digits is released all the same.
BOOST_DEFINE_ENUM_CLASS(unknown_fields, release, refuse, ignore)

/// The options that all jobs of one type share. Values of a job or schedule, where they are given, override these.
struct job_type_options {
  std::string queue = "default";
  int priority = 100;      ///< lower runs first; -32768 to 32767
  int max_attempts = 1;    ///< at least 1
  std::string capability;  ///< a node needs it to run the job; empty: none needed
  job_limits limits;       ///< over all nodes
  duration timeout{};      ///< of one attempt; 0: none
  visor::backoff backoff;
  std::optional<std::size_t> output_limit;  ///< bytes kept of an attempt's output; none: the node's limit; at most 16 MiB
  visor::unknown_fields unknown_fields = visor::unknown_fields::release;  ///< for payloads of a C++ struct
  /// The number of consecutive losses that end a job. An attempt is lost when its node dies; it does not count for `max_attempts`. None: 3.
  /// 0: a lost job is never run again, for work that must not be repeated.
  std::optional<int> max_lost;
  job_type_options() = default;
  friend bool operator==(job_type_options const&, job_type_options const&) = default;
};
BOOST_DESCRIBE_STRUCT(job_type_options, (),
                      (queue, priority, max_attempts, capability, limits, timeout, backoff, output_limit, unknown_fields, max_lost))

}  // namespace visor

#endif
