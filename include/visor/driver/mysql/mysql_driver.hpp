#ifndef VISOR_DRIVER_MYSQL_MYSQL_DRIVER_HPP
#define VISOR_DRIVER_MYSQL_MYSQL_DRIVER_HPP

#include "visor/driver/driver.hpp"
#include "visor/driver/mysql/classify.hpp"
#include "visor/driver/mysql/connector.hpp"
#include "visor/driver/mysql/mysql_dialect.hpp"
#include "visor/driver/mysql/mysql_settings.hpp"
#include "visor/driver/mysql/session.hpp"
#include "visor/driver/pooled_database.hpp"

namespace visor {

/// MariaDB, version 10.6 or newer, and MySQL, 8.0.17 or newer. Satisfies `driver`.
struct mysql {
  static constexpr std::string_view name = "mysql";
  using dialect = mysql_dialect;
  static constexpr driver_capabilities capabilities{.server_clock = true, .transactional_schema = false};
  using settings = mysql_settings;
  using connector = mysql_driver::connector;
  using session = mysql_driver::session;
  using database = pooled_database<mysql>;
  static errc classify(int number) noexcept { return mysql_driver::classify(number); }
};

}  // namespace visor

#endif
