#ifndef VISOR_DRIVER_MYSQL_SETTINGS_HPP
#define VISOR_DRIVER_MYSQL_SETTINGS_HPP

#include "visor/base/error.hpp"
#include "visor/base/secret.hpp"
#include "visor/base/text.hpp"
#include "visor/base/time.hpp"
#include "visor/driver/tls.hpp"
#include "visor/pool/settings.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace visor {

/// How to reach a MySQL or MariaDB server. `check()` names the field that is out of range.
struct mysql_settings {
  /// A name or an address, reached over TCP; or, with a `/` in front, a Unix socket or the folder of one named `mysqld.sock`:
  /// `/run/mysqld`.
  std::string host = "localhost";
  int port = 3306;  ///< 1 to 65535; not used for a Unix socket
  std::string database = "visor";
  std::string user = "visor";
  secret password;   ///< empty: none
  tls_settings tls;  ///< not used over a Unix socket
  pool_settings pool;
  duration transaction_timeout{std::chrono::seconds{30}};  ///< what takes longer is given up, here and by the server; 100 ms to 1 h
  std::optional<bool> auto_init;  ///< unset: make the tables where there are none; true: bring older ones up to date too; false: neither

  mysql_settings() = default;
  friend bool operator==(mysql_settings const&, mysql_settings const&) = default;

  bool is_local() const { return host.starts_with('/'); }

  /// How messages name the server.
  std::string server() const { return is_local() ? host : host + ":" + std::to_string(port); }

  /// How messages name the database: without the password.
  std::string place() const { return "the database '" + database + "' at " + server(); }

  /// \throws visor::error `invalid_argument` that names the first field out of its range, and what is allowed
  void check() const {
    auto const need = [](char const* field, std::string const& value) {
      if (value.empty() || !is_storable_text(value))
        throw error(condition::invalid_argument, std::string(field) + " is empty or not plain text");
    };
    need("host", host);
    need("database", database);
    need("user", user);
    if (port < 1 || port > 65535) throw error(condition::invalid_argument, "port is " + std::to_string(port) + ": allowed is 1 to 65535");
    if (transaction_timeout < std::chrono::milliseconds{100} || transaction_timeout > std::chrono::hours{1})
      throw error(condition::invalid_argument, "transaction_timeout is " + to_string(transaction_timeout) + ": allowed is 100ms to 1h");
    tls.check();
    pool.check();
  }
};

}  // namespace visor

#endif
