#ifndef VISOR_MSSQL_HPP
#define VISOR_MSSQL_HPP

/// \file
/// The driver `visor::mssql`, and `visor::mssql_store` on it, for Microsoft SQL Server. Needs unixODBC with FreeTDS's driver 1.3 or newer,
/// and the library boost_url.

#include "visor/base/log.hpp"
#include "visor/config/connection_url.hpp"
#include "visor/driver/mssql/mssql_driver.hpp"
#include "visor/store/sql/sql_store.hpp"

#include <memory>
#include <utility>

namespace visor {

/// A store in a SQL Server database.
/// \tparam Clock `wall_clock`: the server's clock is the store's; any other: that one, for tests
template <timekeeper Clock = wall_clock>
using mssql_store = sql_store<mssql, Clock>;

/// What a configuration says, as the driver takes it.
/// \throws visor::error `invalid_argument` for a URL that is none, or has an option that is not known
inline mssql_settings driver_settings(mssql, storage_settings const& storage) { return server_settings<mssql_settings>(storage); }

/// Makes the store that a configuration asks for, of the kind that the tag names. It does not connect yet.
template <timekeeper Clock>
std::unique_ptr<mssql_store<Clock>> make_store(mssql tag, storage_settings const& storage, Clock clock, log_sink log) {
  return std::make_unique<mssql_store<Clock>>(driver_settings(tag, storage), std::move(clock), std::move(log));
}

}  // namespace visor

#endif
