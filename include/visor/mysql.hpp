#ifndef VISOR_MYSQL_HPP
#define VISOR_MYSQL_HPP

/// \file
/// The driver `visor::mysql`, and `visor::mysql_store` on it, for MariaDB and MySQL. Needs MariaDB Connector/C 3.3.4 or newer.

#include "visor/base/log.hpp"
#include "visor/config/connection_url.hpp"
#include "visor/config/sources.hpp"
#include "visor/driver/mysql/mysql_driver.hpp"
#include "visor/store/sql/sql_store.hpp"

#include <memory>
#include <utility>

namespace visor {

/// A store in a MariaDB or MySQL database.
/// \tparam Clock with `wall_clock` the store uses the server's clock; with any other clock, for tests, it uses that one
template <timekeeper Clock = wall_clock>
using mysql_store = sql_store<mysql, Clock>;

/// Converts the storage settings of a configuration to those of the driver.
/// \throws visor::error `invalid_argument` for an invalid URL, or one with an unknown option
inline mysql_settings driver_settings(mysql, storage_settings const& storage) { return server_settings<mysql_settings>(storage); }

/// Creates the store of a configuration, of the kind that the tag names. It does not connect yet.
template <timekeeper Clock>
std::unique_ptr<mysql_store<Clock>> make_store(mysql tag, storage_settings const& storage, Clock clock, log_sink log) {
  return std::make_unique<mysql_store<Clock>>(driver_settings(tag, storage), std::move(clock), std::move(log));
}

/// Returns the settings of the environment, as `load_environment` reads them for this driver.
/// \throws config_failure with every mistake in the variables
inline settings environment_settings(mysql) { return load_environment(storage_driver::mysql); }

}  // namespace visor

#endif
