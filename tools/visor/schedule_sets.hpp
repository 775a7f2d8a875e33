#ifndef VISOR_TOOLS_SCHEDULE_SETS_HPP
#define VISOR_TOOLS_SCHEDULE_SETS_HPP

#include "command.hpp"

namespace visor_program {

// Commands of `visor schedule` that compare the declarations of the configuration with the stored schedules.

/// Prints the differences.
int diff(invocation const& arguments);

/// Makes the additions and changes that a node with this configuration would make at its start.
int apply(invocation const& arguments);

/// Removes schedules that neither the configuration nor a living node declares.
int prune(invocation const& arguments);

}  // namespace visor_program

#endif
