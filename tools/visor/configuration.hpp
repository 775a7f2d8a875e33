#ifndef VISOR_TOOLS_CONFIGURATION_HPP
#define VISOR_TOOLS_CONFIGURATION_HPP

#include "command.hpp"

#include "visor/config/settings.hpp"

#include <memory>
#include <string>

namespace visor_program {

class storage;
struct driver_entry;

struct configuration {
  visor::settings settings;
  std::string file;  ///< empty: there is none, these are the defaults
};

/// Reads the configuration that a command is to use: the file of `--config`, else of `$VISOR_CONFIG`, else `.visor.yaml` or
/// `visor.yaml` in the working directory, else none; the environment; and the options that say where the database is.
/// \throws visor::error with a line for everything that is wrong
configuration read_configuration(invocation const& given);

/// A driver, or null when it was not built in.
driver_entry const* driver_in_program(visor::storage_driver which);

/// The workflow of a name. \throws failure with the nearest name, or what to do when there are no workflows at all
visor::workflow const& find_workflow(configuration const& from, std::string const& name);

/// Has connecting end when its caller, a command that nobody else shares connections with, has given up: some libraries cannot be
/// interrupted, and the command would not end before they do.
void give_up_in_time(visor::storage_settings& of);

/// The store of a configuration, opened, for commands that look at it or change it from outside of `visor run`.
/// \throws visor::error when the driver is not part of this program, keeps nothing, or fails
std::shared_ptr<storage> open_storage(configuration const& from);

/// The same for commands that only look: null, with a note on standard error, when there is no database yet.
std::shared_ptr<storage> look_at_storage(configuration const& from);

/// `name=value` words as a JSON object of texts. \throws usage_error
std::string inputs_as_json(std::vector<std::string> const& words);

}  // namespace visor_program

#endif
