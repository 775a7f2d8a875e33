#ifndef VISOR_DRIVER_POSTGRESQL_POSTGRESQL_SETTINGS_HPP
#define VISOR_DRIVER_POSTGRESQL_POSTGRESQL_SETTINGS_HPP

#include "visor/driver/server_options.hpp"

#include <initializer_list>
#include <stdexcept>
#include <string>

namespace visor {

/// How to reach a PostgreSQL server. The host may be several with commas between, or a folder of Unix sockets: `/run/postgresql`. Without a
/// password that of the password file is taken.
struct postgresql_settings : server_options {
  /// Of several servers: `any`, `read-write`, `primary`, `prefer-standby`, ...; empty: the first that can be written, or else the first.
  std::string target;
  std::string schema;  ///< where the tables are; empty: as the server decides for this user
  /// The server is reached through PgBouncer, or another pooler, which gives each transaction a session that others had before: nothing is
  /// kept in sessions then, and nobody is told of others' commits.
  bool pgbouncer = false;
  std::string channel_binding;  ///< `disable`, `prefer` or `require`; empty: as libpq does by itself
  std::string options;          ///< more for the server, as libpq's option of that name: `-c name=value`; what visor sets goes before it

  postgresql_settings() { port = 5432; }
  friend bool operator==(postgresql_settings const&, postgresql_settings const&) = default;

  /// Options of a connection URL beside those that every driver knows.
  static constexpr char const* more_options = ", target_session_attrs, search_path, schema, pgbouncer, channel_binding, options";
  /// \return whether there is such an option
  /// \throws std::invalid_argument with what is allowed
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

  /// Whether the server tells of others' commits.
  bool hears() const { return !pgbouncer; }

  /// The connection as a URL for people: without the password, and nothing escaped.
  std::string url() const {
    if (is_local()) return "postgresql://" + user + "@:" + std::to_string(port) + "/" + database + "?host=" + host;
    return "postgresql://" + user + "@" + server() + "/" + database + "?sslmode=" + sslmode(tls.mode);
  }

  /// How messages name the database: without the password.
  std::string place() const {
    return "the database '" + database + "' at " + (is_local() ? host + "/.s.PGSQL." + std::to_string(port) : server());
  }
};

}  // namespace visor

#endif
