#ifndef VISOR_TOOLS_WORKFLOWS_HPP
#define VISOR_TOOLS_WORKFLOWS_HPP

#include "visor/config/settings.hpp"
#include "visor/engine/job_type.hpp"
#include "visor/store/store.hpp"

#include <string>
#include <vector>

namespace visor_program {

/// The job type of schedules that name no workflow: their text is their output. It has a slash, so no workflow can have this
/// name.
inline constexpr char const* text_type = "visor/text";

/// The job types of the workflows of a configuration: commands and webhooks, and a text for schedules without a workflow.
/// \param unchecked gets a text where programs and folders could not be checked, as a file server did not answer for five
///   seconds
/// \throws visor::config_failure with all faults that keep them from being run on this machine
std::vector<visor::job_type> job_types_of(visor::settings const& settings, std::vector<std::string>& unchecked);

/// The schedules of a configuration, as the store keeps them; without those that are not enabled.
std::vector<visor::schedule_record> schedules_of(visor::settings const& settings);

/// Names the schedules that never fire again, since their last year is over, with the reason: a line each.
std::vector<std::string> ended_schedules(std::vector<visor::schedule_record> const& schedules);

/// The set under which a node declares the schedules of a configuration.
visor::schedule_set set_of(visor::settings const& settings);

}  // namespace visor_program

#endif
