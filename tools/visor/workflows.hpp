#ifndef VISOR_TOOLS_WORKFLOWS_HPP
#define VISOR_TOOLS_WORKFLOWS_HPP

#include "visor/config/settings.hpp"
#include "visor/engine/job_type.hpp"
#include "visor/store/store.hpp"

#include <string>
#include <vector>

namespace visor_program {

/// The job type of schedules that name no workflow: their text is their output. No workflow can have this name, it has a slash.
inline constexpr char const* text_type = "visor/text";

/// What the workflows of a configuration run: commands and webhooks, and a text for schedules without a workflow.
/// \param unchecked gets a text where programs and folders could not be looked for, as a file server did not answer for five seconds
/// \throws visor::config_failure with all that keeps them from being run on this machine
std::vector<visor::job_type> job_types_of(visor::settings const& settings, std::vector<std::string>& unchecked);

/// The schedules of a configuration, as the store keeps them; without those that are not enabled.
std::vector<visor::schedule_record> schedules_of(visor::settings const& settings);

/// The set that they are declared as.
visor::schedule_set set_of(visor::settings const& settings);

}  // namespace visor_program

#endif
