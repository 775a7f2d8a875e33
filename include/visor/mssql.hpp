#ifndef VISOR_MSSQL_HPP
#define VISOR_MSSQL_HPP

/// \file
/// The driver `visor::mssql`, and `visor::mssql_store` on it, for Microsoft SQL Server. Needs unixODBC with FreeTDS's driver 1.3 or newer.

#include "visor/base/log.hpp"
#include "visor/config/connection_url.hpp"
#include "visor/config/sources.hpp"
#include "visor/driver/mssql/mssql_driver.hpp"
#include "visor/store/sql/sql_store.hpp"

#include <memory>
#include <utility>

namespace visor {

/// A store in a SQL Server database.
/// \tparam Clock with `wall_clock` the store uses the server's clock; with any other clock, for tests, it uses that one
template <timekeeper Clock = wall_clock>
using mssql_store = sql_store<mssql, Clock>;

/// Converts the storage settings of a configuration to those of the driver.
/// \throws visor::error `invalid_argument` for an invalid URL, or one with an unknown option
inline mssql_settings driver_settings(mssql, storage_settings const& storage) { return server_settings<mssql_settings>(storage); }

/// Creates the store of a configuration, of the kind that the tag names. It does not connect yet.
template <timekeeper Clock>
std::unique_ptr<mssql_store<Clock>> make_store(mssql tag, storage_settings const& storage, Clock clock, log_sink log) {
  return std::make_unique<mssql_store<Clock>>(driver_settings(tag, storage), std::move(clock), std::move(log));
}

/// Returns the settings of the environment, as `load_environment` reads them for this driver.
/// \throws config_failure with every mistake in the variables
inline settings environment_settings(mssql) { return load_environment(storage_driver::mssql); }

}  // namespace visor

#endif
