#ifndef VISOR_DRIVER_MYSQL_LIBRARY_HPP
#define VISOR_DRIVER_MYSQL_LIBRARY_HPP

#include <mysql.h>

// The client library of MySQL has no non-blocking calls for prepared statements. Before 3.3.4, an abandoned call leaked its stack:
// https://jira.mariadb.org/browse/CONC-622
#if !defined(MARIADB_PACKAGE_VERSION_ID) || MARIADB_PACKAGE_VERSION_ID < 30304
#error "visor/mysql.hpp needs MariaDB Connector/C 3.3.4 or newer (Debian: libmariadb-dev); it speaks to MySQL too"
#endif

#include <memory>

// From OpenSSL, which is present if the library was built with it. Weak, so that it need not be linked by name.
extern "C" void ERR_clear_error(void) __attribute__((weak));

namespace visor::mysql_driver {

/// Must be called before each call of the library that may read or write. The library mistakes any error that is left in OpenSSL's queue of
/// this thread, such as that of another broken connection, for one of its own.
inline void forget_tls_errors() noexcept {
  if (&ERR_clear_error != nullptr) ERR_clear_error();
}

struct connection_closer {
  void operator()(MYSQL* connection) const noexcept { mysql_close(connection); }
};
using connection_ptr = std::unique_ptr<MYSQL, connection_closer>;

/// Closing a statement after its connection causes no I/O.
struct statement_closer {
  void operator()(MYSQL_STMT* statement) const noexcept { mysql_stmt_close(statement); }
};
using statement_ptr = std::unique_ptr<MYSQL_STMT, statement_closer>;

struct result_closer {
  void operator()(MYSQL_RES* result) const noexcept { mysql_free_result(result); }
};
using result_ptr = std::unique_ptr<MYSQL_RES, result_closer>;

}  // namespace visor::mysql_driver

#endif
