#ifndef VISOR_DRIVER_POSTGRESQL_POSTGRESQL_DRIVER_HPP
#define VISOR_DRIVER_POSTGRESQL_POSTGRESQL_DRIVER_HPP

#include "visor/driver/driver.hpp"
#include "visor/driver/pooled_database.hpp"
#include "visor/driver/postgresql/classify.hpp"
#include "visor/driver/postgresql/connector.hpp"
#include "visor/driver/postgresql/postgresql_dialect.hpp"
#include "visor/driver/postgresql/postgresql_settings.hpp"
#include "visor/driver/postgresql/session.hpp"

namespace visor {

/// PostgreSQL, version 12 or newer. Satisfies `driver`.
struct postgresql {
  static constexpr std::string_view name = "postgresql";
  using dialect = postgresql_dialect;
  static constexpr driver_capabilities capabilities{.server_clock = true};
  using settings = postgresql_settings;
  using connector = postgresql_driver::connector;
  using session = postgresql_driver::session;
  using database = pooled_database<postgresql>;
  static errc classify(std::string_view state) noexcept { return postgresql_driver::classify(state); }
};

}  // namespace visor

#endif
