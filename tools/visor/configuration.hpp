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
  std::string file;  ///< empty: there is none, and the settings are the defaults
};

/// Reads the configuration of a command: the file of `--config`, else of `$VISOR_CONFIG`, else `.visor.yaml` or `visor.yaml` in
/// the working directory, else none; the environment; and the options that say where the database is.
/// \throws visor::error with a line for each fault
configuration read_configuration(invocation const& arguments);

/// A driver, or null when it was not built in.
driver_entry const* driver_in_program(visor::storage_driver which);

/// Finds a workflow by its name. \throws failure with the nearest name, or with advice when there are no workflows at all
visor::workflow const& find_workflow(configuration const& from, std::string const& name);

/// Makes an attempt to connect end when its caller has given up. A command shares its connections with nobody; some libraries
/// cannot be interrupted, and the command would not end before they do.
void give_up_in_time(visor::storage_settings& of);

/// Opens the store of a configuration, for commands that read or change it from outside of `visor run`.
/// \throws visor::error when the driver is not part of this program, keeps nothing, or fails
std::shared_ptr<storage> open_storage(configuration const& from);

/// Opens the store for commands that only read: null, with a note on standard error, when there is no database yet.
std::shared_ptr<storage> look_at_storage(configuration const& from);

/// `name=value` words as a JSON object of texts. \throws usage_error
std::string inputs_as_json(std::vector<std::string> const& words);

}  // namespace visor_program

#endif
