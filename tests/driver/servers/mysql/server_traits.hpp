#ifndef VISOR_TESTS_DRIVER_SERVERS_MYSQL_SERVER_TRAITS_HPP
#define VISOR_TESTS_DRIVER_SERVERS_MYSQL_SERVER_TRAITS_HPP

#include "support/mariadb_server.hpp"

#include "visor/mysql.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

namespace visor_test {

/// Parts of the servers' tests that differ between servers: the driver, and the spelling of statements.
struct server_traits {
  using driver = visor::mysql;
  using server = mariadb_server;
  static constexpr int crash = SIGKILL;

  /// Makes a database for tables, and a way to reach it.
  static void make_database(server& at, std::string const& name) { at.run("CREATE DATABASE " + name); }
  static void drop_database(server& at, std::string const& name) { at.run("DROP DATABASE " + name); }
  static visor::mysql_settings settings(server& at, std::string const& name) {
    auto result = at.settings();
    result.database = name;
    return result;
  }
  static std::string socket_file(visor::mysql_settings const& of) { return of.host + "/mysqld.sock"; }

  /// Ends every connection to a database, and waits for that.
  static void end_connections(server& at, std::string const& name) {
    std::string const which = "SELECT id FROM information_schema.processlist WHERE db = '" + name + "'";
    auto const all = at.values(which);
    for (auto const& each : all) at.run("KILL " + each);
    for (int tries = 0; tries < 1000; ++tries) {
      auto const left = at.values(which);
      if (std::ranges::none_of(all, [&](auto const& each) { return std::ranges::find(left, each) != left.end(); })) return;
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
  }

  /// Makes a user with the password hunter2, who may have so many connections.
  static void make_user(server& at, std::string const& name, std::string const& database, int connections) {
    at.run("CREATE USER " + name + " IDENTIFIED BY 'hunter2' WITH MAX_USER_CONNECTIONS " + std::to_string(connections));
    at.run("GRANT ALL ON " + database + ".* TO " + name);
  }
  static std::string drop_user(std::string const& name) { return "DROP USER " + name; }

  static bool is_mariadb(server const& at) { return at.values("SELECT VERSION()").at(0).find("MariaDB") != std::string::npos; }

  /// Whether there is one message for many executions of a statement: MySQL has none.
  static bool takes_bulks(server const& at) { return is_mariadb(at); }

  static std::string sleep(std::string const& seconds) { return "DO SLEEP(" + seconds + ")"; }

  /// Puts a row where the table `numbers` hides behind it, changes a setting, and takes a lock: for the whole session.
  static constexpr char const* leftovers[] = {"CREATE TEMPORARY TABLE numbers (value bigint)", "INSERT INTO numbers VALUES (4711)",
                                              "SET max_sort_length = 4711", "DO GET_LOCK('left behind', 1)"};
  /// Reads the state of a session: rows, a setting, a lock; and whether our own settings are in force.
  static constexpr char const* look =
      "SELECT (SELECT COUNT(*) FROM numbers WHERE value = 4711) AS hidden, @@max_sort_length = 4711 AS changed, "
      "IS_USED_LOCK('left behind') IS NOT NULL AS locked, "
      "(@@time_zone = '+00:00') + (@@sql_mode LIKE 'STRICT_ALL_TABLES%') + (@@character_set_client = 'utf8mb4') AS ours";
  static constexpr int all_of_ours = 3;

  /// Makes a session read-only, like the connections of a demoted server.
  static constexpr char const* demote = "SET SESSION TRANSACTION READ ONLY";
  static constexpr char const* forget = "DO 1";  // nothing does
  static constexpr char const* alter = "ALTER TABLE words MODIFY word VARCHAR(100)";

  /// Settings of a server that would change the meaning of our statements.
  static void spoil(server& at, std::string const&) {
    at.run(
        "SET GLOBAL completion_type = 2, GLOBAL sql_select_limit = 1, GLOBAL max_join_size = 1, GLOBAL sql_safe_updates = 1, "
        "GLOBAL sql_auto_is_null = 1, GLOBAL unique_checks = 0, GLOBAL autocommit = 0");
  }
  static void be_pooled(visor::mysql_settings&) {}
  static void mend(server& at) {
    at.run(
        "SET GLOBAL completion_type = DEFAULT, GLOBAL sql_select_limit = DEFAULT, GLOBAL max_join_size = DEFAULT, "
        "GLOBAL sql_safe_updates = DEFAULT, GLOBAL sql_auto_is_null = DEFAULT, GLOBAL unique_checks = DEFAULT, GLOBAL autocommit = "
        "DEFAULT");
  }
  /// How many of these are as we need them.
  static constexpr char const* unspoiled =
      "SELECT (@@completion_type = 'NO_CHAIN') + (@@sql_select_limit > 1000000) + (@@sql_big_selects = 1) + (@@sql_safe_updates = 0) + "
      "(@@sql_auto_is_null = 0) + (@@unique_checks = 1) AS value";
  static constexpr int all_unspoiled = 6;
};

}  // namespace visor_test

#endif
