#ifndef VISOR_TESTS_DRIVER_SERVERS_POSTGRESQL_KIT_HPP
#define VISOR_TESTS_DRIVER_SERVERS_POSTGRESQL_KIT_HPP

#include "support/postgresql_server.hpp"

#include "visor/postgresql.hpp"

#include <csignal>
#include <string>

namespace visor_test {

/// What the tests of all servers ask of one: its driver, and how it spells what they need.
struct kit {
  using driver = visor::postgresql;
  using server = postgresql_server;
  static constexpr int crash = SIGQUIT;

  /// Makes a place for tables, and a way to get there.
  static void make_place(server& at, std::string const& name) { at.run("CREATE SCHEMA " + name); }
  static void drop_place(server& at, std::string const& name) { at.run("DROP SCHEMA " + name + " CASCADE"); }
  static visor::postgresql_settings settings(server& at, std::string const& name) {
    auto result = at.settings();
    result.schema = name;
    return result;
  }
  static std::string socket_file(visor::postgresql_settings const& of) { return of.host + "/.s.PGSQL." + std::to_string(of.port); }

  /// Ends every connection to a place, and waits for that.
  static void end_connections(server& at, std::string const&) {
    at.run(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'visor' AND datname = current_database() "
        "AND pid <> pg_backend_pid()");
  }

  /// Makes a user with the password hunter2, who may have so many connections.
  static void make_user(server& at, std::string const& name, std::string const&, int connections) {
    at.run("CREATE ROLE " + name + " LOGIN PASSWORD 'hunter2' CONNECTION LIMIT " + std::to_string(connections));
  }
  static std::string drop_user(std::string const& name) { return "DROP ROLE " + name; }

  static bool takes_bulks(server const&) { return true; }

  static std::string sleep(std::string const& seconds) { return "SELECT pg_sleep(" + seconds + ")"; }

  /// Puts a row where the table `numbers` hides behind it, changes a setting, and takes a lock: for the whole session.
  static constexpr char const* leftovers[] = {"CREATE TEMPORARY TABLE numbers (value bigint)", "INSERT INTO numbers VALUES (4711)",
                                              "SET lock_timeout = 4711", "SELECT pg_advisory_lock(4711)"};
  /// What is there of that: rows, a setting, a lock; and whether the settings of ours are.
  static constexpr char const* look =
      "SELECT (SELECT count(*) FROM numbers WHERE value = 4711) AS hidden, "
      "(SELECT count(*) FROM pg_settings WHERE name = 'lock_timeout' AND setting = '4711') AS changed, "
      "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711) AS locked, "
      "(SELECT count(*) FROM pg_settings WHERE (name, setting) IN (('TimeZone', 'UTC'), ('statement_timeout', '5000'))) AS ours";
  static constexpr int all_of_ours = 2;
};

}  // namespace visor_test

#endif
