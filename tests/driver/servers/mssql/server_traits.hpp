#ifndef VISOR_TESTS_DRIVER_SERVERS_MSSQL_SERVER_TRAITS_HPP
#define VISOR_TESTS_DRIVER_SERVERS_MSSQL_SERVER_TRAITS_HPP

#include "support/mssql_server.hpp"

#include "visor/mssql.hpp"

#include <string>

namespace visor_test {

/// As of the other servers, as far as somebody else's server can be asked.
struct server_traits {
  using driver = visor::mssql;
  using server = mssql_server;

  static void make_database(server& at, std::string const& name) { at.run("CREATE DATABASE " + name); }
  static void drop_database(server& at, std::string const& name) { at.drop_database(name); }
  static visor::mssql_settings settings(server& at, std::string const& name) {
    auto result = at.settings();
    result.database = name;
    return result;
  }
};

}  // namespace visor_test

#endif
