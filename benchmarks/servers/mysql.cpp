#include "round_trips.hpp"

#include "support/mariadb_server.hpp"

#include "visor/mysql.hpp"

int main() {
  visor_test::mariadb_server const server;
  server.run("CREATE DATABASE bench");
  visor::mysql_settings settings = server.settings();
  settings.database = "bench";
  visor_bench::measure<visor::mysql>(settings,
                                     {FLOOR_PROGRAM, settings.host + "/mysqld.sock", "bench", visor_bench::statement_text<visor::mysql>});
}
