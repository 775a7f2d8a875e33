#ifndef VISOR_TOOLS_WORKFLOWS_HPP
#define VISOR_TOOLS_WORKFLOWS_HPP

#include "visor/config/settings.hpp"
#include "visor/engine/job_type.hpp"

#include <vector>

namespace visor_program {

/// What the workflows of a configuration run: commands and webhooks, and a text for schedules without a workflow.
/// \throws visor::config_failure with all that keeps them from being run on this machine
std::vector<visor::job_type> job_types_of(visor::settings const& settings);

/// The schedules of a configuration, as the store keeps them; without those that are not enabled.
std::vector<visor::schedule_record> schedules_of(visor::settings const& settings);

}  // namespace visor_program

#endif
