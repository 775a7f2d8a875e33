#ifndef VISOR_DRIVER_MYSQL_MYSQL_SETTINGS_HPP
#define VISOR_DRIVER_MYSQL_MYSQL_SETTINGS_HPP

#include "visor/driver/server_options.hpp"

#include <string>

namespace visor {

/// The settings to reach a MySQL or MariaDB server. A host with a `/` in front is a Unix socket, or the folder of one named `mysqld.sock`:
/// `/run/mysqld`; `port` is unused then.
struct mysql_settings : server_options {
  mysql_settings() { port = 3306; }
  friend bool operator==(mysql_settings const&, mysql_settings const&) = default;

  /// Options of a connection URL in addition to those of every driver.
  static constexpr char const* more_options = "";
  bool set_option(std::string const&, std::string const&) { return false; }

  /// The connection as a URL for people: without the password, and unescaped.
  std::string url() const {
    if (is_local()) return "mysql://" + user + "@/" + database + "?host=" + host;
    return "mysql://" + user + "@" + server() + "/" + database + "?sslmode=" + sslmode(tls.mode);
  }

  /// The name of the database in messages: without the password.
  std::string display_name() const { return "the database '" + database + "' at " + server(); }
};

}  // namespace visor

#endif
