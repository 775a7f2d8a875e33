#include "certificate.hpp"
#include "server_driver.hpp"

#include "visor/postgresql.hpp"

#include <libpq-fe.h>

namespace visor_program {
namespace {

struct bench_ways {
  static visor::postgresql_settings inside(visor::postgresql_settings around) {
    around.schema = bench_sandbox_name;
    return around;
  }
  static constexpr char const* what = "the schema";
  static constexpr char const* make = "CREATE SCHEMA visor_bench";
  static constexpr char const* remove = "DROP SCHEMA IF EXISTS visor_bench CASCADE";
  static constexpr char const* settle = "ANALYZE visor_job, visor_ready, visor_attempt";
  static constexpr char const* written = "SELECT CAST(pg_current_wal_insert_lsn() - '0/0' AS bigint) AS value";
};

using driver = server_driver<visor::postgresql, bench_server_sandbox<visor::postgresql, bench_ways>>;

std::string library() {
  int const version = ::PQlibVersion();
  return "libpq " + std::to_string(version / 10000) + "." + std::to_string(version % 10000);
}

/// Adds the fault of a certificate, which libpq does not report.
visor::database_report probe(visor::settings const& from) {
  try {
    return driver::probe(from);
  } catch (visor::error const& failure) {
    auto const to = driver::settings_of(from);
    bool const verifies = to.tls.mode == visor::tls_mode::verify_ca || to.tls.mode == visor::tls_mode::verify_full;
    if (failure.code() != visor::errc::tls_failed || !verifies) throw;
    auto const found = run_sync(fault_of_certificate(to, before_tls::of_postgresql));
    if (found) throw visor::error(*found);
    throw;
  }
}

driver_entry entry_of_postgresql() {
  auto entry = driver::entry(&library);
  entry.probe = &probe;
  return entry;
}

}  // namespace

driver_entry const& postgresql_driver() {
  static driver_entry const entry = entry_of_postgresql();
  return entry;
}

}  // namespace visor_program
