#ifndef VISOR_TOOLS_SCHEDULE_SETS_HPP
#define VISOR_TOOLS_SCHEDULE_SETS_HPP

#include "command.hpp"

namespace visor_program {

// Of `visor schedule`: what the configuration declares, beside what is stored.

/// Prints what differs.
int diff(invocation const& given);

/// Adds and changes what a node with this configuration would add and change at its start.
int apply(invocation const& given);

/// Removes what neither the configuration nor a living node declares.
int prune(invocation const& given);

}  // namespace visor_program

#endif
