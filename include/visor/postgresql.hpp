#ifndef VISOR_POSTGRESQL_HPP
#define VISOR_POSTGRESQL_HPP

/// \file
/// The driver `visor::postgresql`, and `visor::postgresql_store` on it. Needs libpq 15 or newer, and the library boost_url.

#include "visor/base/log.hpp"
#include "visor/config/connection_url.hpp"
#include "visor/driver/postgresql/postgresql_driver.hpp"
#include "visor/store/sql/sql_store.hpp"

#include <memory>
#include <utility>

namespace visor {

/// A store in a PostgreSQL database.
/// \tparam Clock `wall_clock`: the server's clock is the store's; any other: that one, for tests
template <timekeeper Clock = wall_clock>
using postgresql_store = sql_store<postgresql, Clock>;

/// What a configuration says, as the driver takes it.
/// \throws visor::error `invalid_argument` for a URL that is none, or has an option that is not known
inline postgresql_settings driver_settings(postgresql, storage_settings const& storage) {
  return server_settings<postgresql_settings>(storage);
}

/// Makes the store that a configuration asks for, of the kind that the tag names. It does not connect yet.
template <timekeeper Clock>
std::unique_ptr<postgresql_store<Clock>> make_store(postgresql tag, storage_settings const& storage, Clock clock, log_sink log) {
  return std::make_unique<postgresql_store<Clock>>(driver_settings(tag, storage), std::move(clock), std::move(log));
}

}  // namespace visor

#endif
