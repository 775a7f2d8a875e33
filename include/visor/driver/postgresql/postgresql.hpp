#ifndef VISOR_DRIVER_POSTGRESQL_POSTGRESQL_HPP
#define VISOR_DRIVER_POSTGRESQL_POSTGRESQL_HPP

#include "visor/driver/driver.hpp"
#include "visor/driver/pooled_database.hpp"
#include "visor/driver/postgresql/classify.hpp"
#include "visor/driver/postgresql/connector.hpp"
#include "visor/driver/postgresql/dialect.hpp"
#include "visor/driver/postgresql/session.hpp"
#include "visor/driver/postgresql/settings.hpp"

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
  static condition classify(std::string_view state) noexcept { return postgresql_driver::classify(state); }
};

}  // namespace visor

#endif
