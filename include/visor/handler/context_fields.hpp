#ifndef VISOR_HANDLER_CONTEXT_FIELDS_HPP
#define VISOR_HANDLER_CONTEXT_FIELDS_HPP

#include "visor/base/time.hpp"
#include "visor/engine/job_context.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace visor::detail {

/// A fact about the job that is passed to code outside of this process.
struct context_field {
  std::string_view name;
  std::optional<std::string> (*value)(job_context const&);  ///< nothing: this job has none
};

/// The facts that commands get in their environment (`VISOR_JOB_ID`), webhooks in their headers (`Visor-Job-Id`) and templates by name
/// (`{{job_id}}`).
inline constexpr std::array<context_field, 7> context_fields{{
    {"job_id", [](job_context const& job) -> std::optional<std::string> { return std::to_string(job.id()); }},
    {"attempt", [](job_context const& job) -> std::optional<std::string> { return std::to_string(job.attempt()); }},
    {"schedule", [](job_context const& job) { return job.schedule(); }},
    {"planned_at",
     [](job_context const& job) -> std::optional<std::string> {
       if (!job.planned_at()) return std::nullopt;
       return to_string(*job.planned_at());
     }},
    {"node", [](job_context const& job) -> std::optional<std::string> { return job.node(); }},
    {"fence", [](job_context const& job) -> std::optional<std::string> { return std::to_string(job.fence()); }},
    {"epoch", [](job_context const& job) -> std::optional<std::string> { return std::to_string(job.epoch()); }},
}};

}  // namespace visor::detail

#endif
