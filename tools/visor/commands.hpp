#ifndef VISOR_TOOLS_COMMANDS_HPP
#define VISOR_TOOLS_COMMANDS_HPP

#include "command.hpp"

namespace visor_program {

// One table for each group, in the file of that group.
extern command const run_commands[1];
extern command const schedule_commands[11];
extern command const job_commands[6];
extern command const node_commands[4];
extern command const cron_commands[3];
extern command const config_commands[2];
extern command const db_commands[8];
extern command const drivers_commands[1];
extern command const bench_commands[1];
extern command const completion_commands[1];

// Belongs to `visor job`, but has a file of its own.
int why(invocation const& arguments);

// The command `visor run` has a second name among the schedules.
extern option const run_options[3];
int run(invocation const& arguments);

}  // namespace visor_program

#endif
