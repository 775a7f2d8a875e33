#ifndef VISOR_POSTGRESQL_HPP
#define VISOR_POSTGRESQL_HPP

/// \file
/// The driver `visor::postgresql`, and `visor::postgresql_store` on it. Needs libpq 15 or newer.

#include "visor/base/log.hpp"
#include "visor/config/connection_url.hpp"
#include "visor/config/sources.hpp"
#include "visor/driver/postgresql/postgresql_driver.hpp"
#include "visor/store/sql/sql_store.hpp"

#include <memory>
#include <utility>

namespace visor {

/// A store in a PostgreSQL database.
/// \tparam Clock with `wall_clock` the store uses the server's clock; with any other clock, for tests, it uses that one
template <timekeeper Clock = wall_clock>
using postgresql_store = sql_store<postgresql, Clock>;

/// Converts the storage settings of a configuration to those of the driver.
/// \throws visor::error `invalid_argument` for an invalid URL, or one with an unknown option
inline postgresql_settings driver_settings(postgresql, storage_settings const& storage) {
  return server_settings<postgresql_settings>(storage);
}

/// Creates the store of a configuration, of the kind that the tag names. It does not connect yet.
template <timekeeper Clock>
std::unique_ptr<postgresql_store<Clock>> make_store(postgresql tag, storage_settings const& storage, Clock clock, log_sink log) {
  return std::make_unique<postgresql_store<Clock>>(driver_settings(tag, storage), std::move(clock), std::move(log));
}

/// Returns the settings of the environment, as `load_environment` reads them for this driver.
/// \throws config_failure with every mistake in the variables
inline settings environment_settings(postgresql) { return load_environment(storage_driver::postgresql); }

}  // namespace visor

#endif
