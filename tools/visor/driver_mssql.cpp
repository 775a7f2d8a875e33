#include "certificate.hpp"
#include "server_driver.hpp"

#include "visor/mssql.hpp"

namespace visor_program {
namespace {

struct bench_ways {
  static visor::mssql_settings inside(visor::mssql_settings around) {
    around.database = bench_sandbox_name;
    return around;
  }
  static constexpr char const* how_to_make = "CREATE DATABASE visor_bench";
};

// SQL Server creates no database within a transaction, and the driver sends all statements within one.
using sandbox = bench_existing_sandbox<visor::mssql, bench_ways>;

using driver = server_driver<visor::mssql, sandbox>;

/// Adds the fault of a certificate, which FreeTDS does not report.
visor::database_report probe(visor::settings const& from) {
  try {
    return driver::probe(from);
  } catch (visor::error const& failure) {
    auto const to = driver::settings_of(from);
    if (failure.code() != visor::errc::tls_failed || to.has_instance()) throw;
    auto const found = run_sync(fault_of_certificate(to, before_tls::of_mssql));
    if (found) throw visor::error(*found);
    throw;
  }
}

driver_entry entry_of_mssql() {
  auto entry = driver::entry([] { return std::string("unixODBC"); });
  entry.probe = &probe;
  return entry;
}

}  // namespace

driver_entry const& mssql_driver() {
  static driver_entry const entry = entry_of_mssql();
  return entry;
}

}  // namespace visor_program
