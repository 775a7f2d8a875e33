#ifndef VISOR_DRIVER_MSSQL_LIBRARY_HPP
#define VISOR_DRIVER_MSSQL_LIBRARY_HPP

#include <sql.h>
#include <sqlext.h>

#include <memory>
#include <string>
#include <vector>

/// ODBC, by unixODBC. The driver below it is FreeTDS's own, of FreeTDS 1.3 or newer (Debian: tdsodbc).
namespace visor::mssql_driver {

template <SQLSMALLINT Kind>
struct handle_closer {
  void operator()(void* handle) const noexcept {
    if constexpr (Kind == SQL_HANDLE_DBC) SQLDisconnect(handle);
    SQLFreeHandle(Kind, handle);
  }
};
using environment_ptr = std::unique_ptr<void, handle_closer<SQL_HANDLE_ENV>>;
using connection_ptr = std::unique_ptr<void, handle_closer<SQL_HANDLE_DBC>>;
using statement_ptr = std::unique_ptr<void, handle_closer<SQL_HANDLE_STMT>>;

/// What ODBC says of a call that failed.
struct diagnosis {
  std::string state;  ///< five characters
  int number = 0;     ///< the server's, or from 20000 to 20999 FreeTDS's
  std::string text;
};

inline std::vector<diagnosis> diagnoses(SQLSMALLINT kind, SQLHANDLE of) {
  std::vector<diagnosis> all;
  for (SQLSMALLINT i = 1;; ++i) {
    SQLCHAR state[6] = {}, text[2048] = {};
    SQLINTEGER number = 0;
    SQLSMALLINT length = 0;
    if (!SQL_SUCCEEDED(SQLGetDiagRec(kind, of, i, state, &number, text, sizeof text, &length))) return all;
    diagnosis one;
    one.state = reinterpret_cast<char const*>(state);
    one.number = number;
    one.text = reinterpret_cast<char const*>(text);
    all.push_back(std::move(one));
  }
}

}  // namespace visor::mssql_driver

#endif
