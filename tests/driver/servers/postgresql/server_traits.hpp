#ifndef VISOR_TESTS_DRIVER_SERVERS_POSTGRESQL_SERVER_TRAITS_HPP
#define VISOR_TESTS_DRIVER_SERVERS_POSTGRESQL_SERVER_TRAITS_HPP

#include "support/postgresql_server.hpp"

#include "visor/postgresql.hpp"

#include <csignal>
#include <string>

namespace visor_test {

/// Parts of the servers' tests that differ between servers: the driver, and the spelling of statements.
struct server_traits {
  using driver = visor::postgresql;
  using server = postgresql_server;
  static constexpr int crash = SIGQUIT;

  /// Makes a database for tables, and a way to reach it.
  static void make_database(server& at, std::string const& name) { at.run("CREATE SCHEMA " + name); }
  static void drop_database(server& at, std::string const& name) { at.run("DROP SCHEMA " + name + " CASCADE"); }
  static visor::postgresql_settings settings(server& at, std::string const& name) {
    auto result = at.settings();
    result.schema = name;
    return result;
  }
  static std::string socket_file(visor::postgresql_settings const& of) { return of.host + "/.s.PGSQL." + std::to_string(of.port); }

  /// Ends every connection to a database, and waits for that.
  static void end_connections(server& at, std::string const&) {
    at.run(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'visor' AND datname = current_database() "
        "AND pid <> pg_backend_pid()");
  }

  /// Makes a user with the password hunter2, who may have so many connections.
  static void make_user(server& at, std::string const& name, std::string const& database, int connections) {
    at.run("CREATE ROLE " + name + " LOGIN PASSWORD 'hunter2' CONNECTION LIMIT " + std::to_string(connections));
    at.run("GRANT ALL ON SCHEMA " + database + " TO " + name);
  }
  static std::string drop_user(std::string const& name) { return "DROP OWNED BY " + name + "; DROP ROLE " + name; }

  static bool takes_bulks(server const&) { return true; }

  static std::string sleep(std::string const& seconds) { return "SELECT pg_sleep(" + seconds + ")"; }

  /// Puts a row where the table `numbers` hides behind it, changes a setting, and takes a lock: for the whole session.
  static constexpr char const* leftovers[] = {"CREATE TEMPORARY TABLE numbers (value bigint)", "INSERT INTO numbers VALUES (4711)",
                                              "SET lock_timeout = 4711", "SELECT pg_advisory_lock(4711)"};
  /// Reads the state of a session: rows, a setting, a lock; and whether our own settings are in force.
  static constexpr char const* look =
      "SELECT (SELECT count(*) FROM numbers WHERE value = 4711) AS hidden, "
      "(SELECT count(*) FROM pg_settings WHERE name = 'lock_timeout' AND setting = '4711') AS changed, "
      "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711) AS locked, "
      "(SELECT count(*) FROM pg_settings WHERE (name, setting) IN (('TimeZone', 'UTC'), ('statement_timeout', '5000'))) AS ours";
  static constexpr int all_of_ours = 2;

  /// Makes a session read-only, like the connections of a demoted server.
  static constexpr char const* demote = "SET default_transaction_read_only = on";
  /// Makes the server drop the prepared statements of a session.
  static constexpr char const* forget = "DEALLOCATE ALL";
  static constexpr char const* alter = "ALTER TABLE words ALTER COLUMN word TYPE varchar(100)";

  /// Settings of a server, a database or a user that would change the meaning of our statements.
  static void spoil(server& at, std::string const& user) {
    for (std::string const each :
         {"synchronous_commit = off", "lock_timeout = 1", "statement_timeout = 250", "idle_session_timeout = 200", "DateStyle = 'German'",
          "idle_in_transaction_session_timeout = 1", "default_transaction_isolation = 'serializable'", "standard_conforming_strings = off"})
      at.run("ALTER ROLE " + user + " SET " + each);
    at.run("GRANT ALL ON SCHEMA " + user + " TO " + user);
    at.run("GRANT ALL ON ALL TABLES IN SCHEMA " + user + " TO " + user);
  }
  static void be_pooled(visor::postgresql_settings& how) { how.pgbouncer = true; }
  static void mend(server&) {}
  /// How many of these are as we need them.
  static constexpr char const* unspoiled =
      "SELECT (current_setting('synchronous_commit') = 'on')::int + (current_setting('lock_timeout') <> '1ms')::int + "
      "(current_setting('idle_session_timeout') = '0' OR current_setting('visor.session', true) IS NULL)::int::bigint AS value";
  static constexpr int all_unspoiled = 3;
};

}  // namespace visor_test

#endif
