#ifndef VISOR_MYSQL_HPP
#define VISOR_MYSQL_HPP

/// \file
/// The driver `visor::mysql`, and `visor::mysql_store` on it, for MariaDB and MySQL. Needs MariaDB Connector/C 3.3.4 or newer.

#include "visor/driver/mysql/mysql.hpp"
#include "visor/store/sql_store.hpp"

namespace visor {

/// A store in a MariaDB or MySQL database.
/// \tparam Clock `wall_clock`: the server's clock is the store's; any other: that one, for tests
template <timekeeper Clock = wall_clock>
using mysql_store = sql_store<mysql, Clock>;

}  // namespace visor

#endif
