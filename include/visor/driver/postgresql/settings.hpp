#ifndef VISOR_DRIVER_POSTGRESQL_SETTINGS_HPP
#define VISOR_DRIVER_POSTGRESQL_SETTINGS_HPP

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

/// How to reach a PostgreSQL server. `check()` names the field that is out of range.
struct postgresql_settings {
  std::string host =
      "localhost";  ///< a name, an address, several of them with commas between, or a folder of Unix sockets: `/run/postgresql`
  int port = 5432;  ///< 1 to 65535
  std::string database = "visor";
  std::string user = "visor";
  secret password;             ///< empty: none, or that of the password file
  tls_settings tls;            ///< not used over a Unix socket
  std::string target = "any";  ///< of several hosts: `any`, `read-write`, `primary`, `prefer-standby`, ...
  std::string schema;          ///< where the tables are; empty: as the server decides for this user
  pool_settings pool;
  duration transaction_timeout{std::chrono::seconds{30}};  ///< what takes longer is given up, here and by the server; 100 ms to 1 h
  std::optional<bool> auto_init;  ///< unset: make the tables where there are none; true: bring older ones up to date too; false: neither

  postgresql_settings() = default;
  friend bool operator==(postgresql_settings const&, postgresql_settings const&) = default;

  /// Options of a connection URL beside those that every driver knows.
  static constexpr char const* more_options = ", target_session_attrs, search_path";
  /// \return whether there is such an option
  bool set_option(std::string const& option, std::string const& value) {
    if (option == "target_session_attrs")
      target = value;
    else if (option == "search_path")
      schema = value;
    else
      return false;
    return true;
  }

  bool is_local() const { return host.starts_with('/'); }

  /// The connection as a URL for people: without the password, and nothing escaped.
  std::string url() const {
    if (is_local()) return "postgresql://" + user + "@:" + std::to_string(port) + "/" + database + "?host=" + host;
    return "postgresql://" + user + "@" + host + ":" + std::to_string(port) + "/" + database;
  }

  /// How messages name the database: without the password.
  std::string place() const {
    return "the database '" + database + "' at " +
           (is_local() ? host + "/.s.PGSQL." + std::to_string(port) : host + ":" + std::to_string(port));
  }

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
