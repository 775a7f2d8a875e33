#include "round_trips.hpp"

#include "support/mariadb_server.hpp"

#include "visor/mysql.hpp"

int main() {
  auto const& server = visor_test::mariadb_server::shared();
  server.run("CREATE DATABASE bench");
  visor::mysql_settings settings;
  settings.host = server.folder();
  settings.database = "bench";
  settings.user = "root";
  visor_bench::measure<visor::mysql>(settings, {FLOOR_PROGRAM, server.socket_file(), "bench", visor_bench::statement_text<visor::mysql>});
}
