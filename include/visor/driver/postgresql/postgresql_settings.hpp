#ifndef VISOR_DRIVER_POSTGRESQL_POSTGRESQL_SETTINGS_HPP
#define VISOR_DRIVER_POSTGRESQL_POSTGRESQL_SETTINGS_HPP

#include "visor/driver/server_options.hpp"

#include <initializer_list>
#include <stdexcept>
#include <string>

namespace visor {

/// The settings to reach a PostgreSQL server. The host may be several with commas between, or a folder of Unix sockets: `/run/postgresql`.
/// An empty password is taken from the password file.
struct postgresql_settings : server_options {
  /// Required attributes if there are several servers: `any`, `read-write`, `primary`, `prefer-standby`, ...; empty: the first writable
  /// server, or else the first.
  std::string target;
  std::string schema;  ///< schema of the tables; empty: the server's default for this user
  /// The server is reached through PgBouncer, or another pooler, which gives each transaction a session that others had before. Sessions
  /// then hold no state, and commits of others are not announced.
  bool pgbouncer = false;
  std::string channel_binding;  ///< `disable`, `prefer` or `require`; empty: the default of libpq
  std::string options;  ///< more options for the server, in the form of libpq's option of that name: `-c name=value`; the settings of visor
                        ///< override them

  postgresql_settings() { port = 5432; }
  friend bool operator==(postgresql_settings const&, postgresql_settings const&) = default;

  /// Options of a connection URL in addition to those of every driver.
  static constexpr char const* more_options = ", target_session_attrs, search_path, schema, pgbouncer, channel_binding, options";
  /// Sets an option.
  /// \return false when there is no such option
  /// \throws std::invalid_argument with the allowed values
  bool set_option(std::string const& option, std::string const& value) {
    if (option == "target_session_attrs")
      target = value;
    else if (option == "search_path" || option == "schema")
      schema = value;
    else if (option == "pgbouncer")
      pgbouncer = one_of(value, {"false", "true"}) == "true";
    else if (option == "channel_binding")
      channel_binding = one_of(value, {"disable", "prefer", "require"});
    else if (option == "options")
      options = value;
    else
      return false;
    return true;
  }

  static std::string one_of(std::string const& value, std::initializer_list<char const*> allowed) {
    std::string list;
    for (char const* const each : allowed) {
      if (value == each) return value;
      list += (list.empty() ? "" : ", ") + std::string(each);
    }
    throw std::invalid_argument(list);
  }

  /// True when the server notifies of others' commits.
  bool hears() const { return !pgbouncer; }

  /// The connection as a URL for people: without the password, and unescaped.
  std::string url() const {
    if (is_local()) return "postgresql://" + user + "@:" + std::to_string(port) + "/" + database + "?host=" + host;
    return "postgresql://" + user + "@" + server() + "/" + database + "?sslmode=" + sslmode(tls.mode);
  }

  /// The name of the database in messages: without the password.
  std::string display_name() const {
    return "the database '" + database + "' at " + (is_local() ? host + "/.s.PGSQL." + std::to_string(port) : server());
  }
};

}  // namespace visor

#endif
