#ifndef VISOR_POSTGRESQL_HPP
#define VISOR_POSTGRESQL_HPP

/// \file
/// The driver `visor::postgresql`, and `visor::postgresql_store` on it. Needs libpq 15 or newer.

#include "visor/driver/postgresql/postgresql.hpp"
#include "visor/store/sql_store.hpp"

namespace visor {

/// A store in a PostgreSQL database.
/// \tparam Clock `wall_clock`: the server's clock is the store's; any other: that one, for tests
template <timekeeper Clock = wall_clock>
using postgresql_store = sql_store<postgresql, Clock>;

}  // namespace visor

#endif
