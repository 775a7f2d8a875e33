#include "round_trips.hpp"

#include "support/postgresql_server.hpp"

#include "visor/postgresql.hpp"

int main() {
  visor_test::postgresql_server const server;
  auto const& settings = server.settings();
  visor_bench::measure<visor::postgresql>(
      settings, {FLOOR_PROGRAM, "host=" + settings.host + " user=" + settings.user + " dbname=" + settings.database,
                 visor_bench::statement_text<visor::postgresql>});
}
