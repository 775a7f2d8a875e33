#ifndef VISOR_DRIVER_MSSQL_MSSQL_DRIVER_HPP
#define VISOR_DRIVER_MSSQL_MSSQL_DRIVER_HPP

#include "visor/driver/driver.hpp"
#include "visor/driver/mssql/classify.hpp"
#include "visor/driver/mssql/connector.hpp"
#include "visor/driver/mssql/mssql_dialect.hpp"
#include "visor/driver/mssql/mssql_settings.hpp"
#include "visor/driver/mssql/session.hpp"
#include "visor/driver/pooled_database.hpp"

namespace visor {

/// Microsoft SQL Server, version 2017 or newer. Satisfies `driver`.
struct mssql {
  static constexpr std::string_view name = "mssql";
  using dialect = mssql_dialect;
  static constexpr driver_capabilities capabilities{.server_clock = true};
  using settings = mssql_settings;
  using connector = mssql_driver::connector;
  using session = mssql_driver::session;
  using database = pooled_database<mssql>;
  static errc classify(int number) noexcept { return mssql_driver::classify(number); }
};

}  // namespace visor

#endif
