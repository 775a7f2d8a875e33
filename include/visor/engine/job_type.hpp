#ifndef VISOR_ENGINE_JOB_TYPE_HPP
#define VISOR_ENGINE_JOB_TYPE_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/settings/job_type_options.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace visor {

/// A kind of job that a node can run: its handler and its options.
struct job_type {
  std::string name;
  handler run;
  job_type_options options;
  job_type() = default;
  job_type(std::string called, handler code, job_type_options with = job_type_options())
      : name(std::move(called)), run(std::move(code)), options(std::move(with)) {}
};

/// \throws visor::error `invalid_argument` that names the invalid field
inline void check(job_type const& type) {
  auto const fail = [&](std::string const& what) { throw error(errc::invalid_argument, "job type " + type.name + ": " + what); };
  if (type.name.empty() || !type.run) throw error(errc::invalid_argument, "a job type needs a name and a handler");
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
