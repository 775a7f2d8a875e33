#ifndef VISOR_ENGINE_JOB_TYPE_HPP
#define VISOR_ENGINE_JOB_TYPE_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/store/records.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

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

/// What can be run.
struct job_type {
  std::string name;
  handler run;
  job_type_options options;
  job_type() = default;
  job_type(std::string called, handler code, job_type_options with = job_type_options())
      : name(std::move(called)), run(std::move(code)), options(std::move(with)) {}
};

/// \throws visor::error `invalid_argument` that names what cannot be
inline void check(job_type const& type) {
  auto const fail = [&](std::string const& what) { throw error(condition::invalid_argument, "job type " + type.name + ": " + what); };
  if (type.name.empty() || !type.run) throw error(condition::invalid_argument, "a job type needs a name and a handler");
  auto const& limits = type.options.limits;
  if (type.options.max_lost && *type.options.max_lost < 0)
    fail("max_lost is " + std::to_string(*type.options.max_lost) + ": allowed is 0, which is to run it once at most, and more");
  if (int const factor = type.options.backoff.factor; factor < 1 || factor > 100)
    fail("backoff.factor is " + std::to_string(factor) + ": allowed is 1 to 100");
  if (limits.any() && type.name.find('*') != std::string::npos) fail("one with limits may have no * in its name");
  for (auto const& [name, most] : {std::pair("concurrency", limits.concurrency), std::pair("key_concurrency", limits.key_concurrency),
                                   std::pair("rate", limits.rate), std::pair("key_rate", limits.key_rate)})
    if (most < 0) fail(std::string("limits.") + name + " is " + std::to_string(most) + ": allowed is 0, which is none, and more");
  if (limits.per < std::chrono::milliseconds{1} || limits.per > std::chrono::hours{24})
    fail("limits.per is " + to_string(limits.per) + ": allowed is 1ms to 24h");
}

}  // namespace visor

#endif
