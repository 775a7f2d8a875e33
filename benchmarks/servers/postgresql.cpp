#include "round_trips.hpp"

#include "support/postgresql_server.hpp"

#include "visor/postgresql.hpp"

int main() {
  auto const& server = visor_test::postgresql_server::shared();
  visor::postgresql_settings settings;
  settings.host = server.socket_folder();
  settings.database = "postgres";
  settings.user = "postgres";
  visor_bench::measure<visor::postgresql>(settings, {FLOOR_PROGRAM, "host=" + server.socket_folder() + " user=postgres dbname=postgres",
                                                     visor_bench::statement_text<visor::postgresql>});
}
