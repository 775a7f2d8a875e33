#ifndef VISOR_DRIVER_SQLITE_SQLITE_DRIVER_HPP
#define VISOR_DRIVER_SQLITE_SQLITE_DRIVER_HPP

#include "visor/driver/driver.hpp"
#include "visor/driver/sqlite/classify.hpp"
#include "visor/driver/sqlite/database.hpp"
#include "visor/driver/sqlite/session.hpp"
#include "visor/driver/sqlite/sqlite_dialect.hpp"
#include "visor/driver/sqlite/sqlite_settings.hpp"

namespace visor {

/// The embedded database: one file, any number of processes on one machine, one of which writes at a time. Satisfies `driver`.
struct sqlite {
  static constexpr std::string_view name = "sqlite";
  using dialect = sqlite_dialect;
  static constexpr driver_capabilities capabilities{.server_clock = false};
  using settings = sqlite_settings;
  using session = sqlite_driver::session;
  using database = sqlite_driver::database;
  static errc classify(int code) noexcept { return sqlite_driver::classify(code); }
};

}  // namespace visor

#endif
