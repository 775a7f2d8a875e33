#include "commands.hpp"

namespace visor_program {

std::span<command_group const> command_groups() {
  static constexpr command_group groups[] = {
      {"run", "Runs schedules and jobs until it is told to stop", run_commands},
      {"schedule", "Shows and changes schedules", schedule_commands},
      {"job", "Shows, adds and changes jobs", job_commands},
      {"node", "Shows the nodes, and keeps work from them", node_commands},
      {"cron", "Tells what a cron expression or a phrase means", cron_commands},
      {"config", "Checks and shows the configuration", config_commands},
      {"db", "Makes, checks and removes the tables in the database", db_commands},
      {"drivers", "Lists the databases that this program can use", drivers_commands},
      {"bench", "Measures how fast a database works, with schedules and jobs of its own", bench_commands},
      {"completion", "Prints a script that completes commands in a shell", completion_commands},
  };
  return groups;
}

}  // namespace visor_program
