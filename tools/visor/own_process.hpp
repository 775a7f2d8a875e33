#ifndef VISOR_TOOLS_OWN_PROCESS_HPP
#define VISOR_TOOLS_OWN_PROCESS_HPP

#include "visor/config/settings.hpp"

#include <string>
#include <vector>

namespace visor_program {

/// Sets inherited state of the process on which visor depends, before there are threads: signals, descriptors 0 to 2, the limit
/// of descriptors. A library leaves all of this to its program.
void prepare_process();

/// As process 1, forks: a child goes on, and this process reaps all of its children. Without this, processes that commands
/// leave behind would stay as zombies. It passes on signals and ends as the child does. In other processes the function just
/// returns. Called before there are threads.
void leave_process_1_to_reaper();

/// The limits of this process that are too low for a node with these settings, one text for each.
std::vector<std::string> limits_too_low_for(visor::settings const& settings);

/// Ends the process by SIGPIPE, as if that were not ignored, when its standard output has no reader any more.
void end_if_nobody_reads();

}  // namespace visor_program

#endif
