#include "server_driver.hpp"

#include "visor/postgresql.hpp"

#include <libpq-fe.h>

namespace visor_program {
namespace {

struct bench_ways {
  static visor::postgresql_settings inside(visor::postgresql_settings around) {
    around.schema = bench_place;
    return around;
  }
  static constexpr char const* what = "the schema";
  static constexpr char const* make = "CREATE SCHEMA visor_bench";
  static constexpr char const* remove = "DROP SCHEMA IF EXISTS visor_bench CASCADE";
  static constexpr char const* settle = "ANALYZE visor_job, visor_ready, visor_attempt";
  static constexpr char const* written = "SELECT CAST(pg_current_wal_insert_lsn() - '0/0' AS bigint) AS value";
};

using room = bench_server_room<visor::postgresql, bench_ways>;

}  // namespace

driver_entry const& postgresql_driver() {
  static driver_entry const entry = server_driver<visor::postgresql, room>::entry([] {
    int const version = ::PQlibVersion();
    return "libpq " + std::to_string(version / 10000) + "." + std::to_string(version % 10000);
  });
  return entry;
}

}  // namespace visor_program
