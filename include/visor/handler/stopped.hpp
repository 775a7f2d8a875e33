#ifndef VISOR_HANDLER_STOPPED_HPP
#define VISOR_HANDLER_STOPPED_HPP

#include "visor/base/error.hpp"
#include "visor/engine/job_context.hpp"

#include <string>

namespace visor::detail {

/// Returns the error of a handler that ended because its job was asked to stop: the reason, and how the handler ended.
inline error stopped(job_context const& job, std::string const& how) {
  switch (job.why_stopped()) {
    case stop_reason::timed_out: return {errc::timeout, "timed out: " + how};
    case stop_reason::lease_ending: return {errc::lease_lost, "this node's lease is about to end: " + how};
    case stop_reason::lease_lost: return {errc::lease_lost, "this node's lease was lost: " + how};
    case stop_reason::shutdown: return {errc::cancelled, "this node shuts down: " + how};
    case stop_reason::none:
    case stop_reason::cancelled: break;
  }
  return {errc::cancelled, "cancelled: " + how};
}

}  // namespace visor::detail

#endif
