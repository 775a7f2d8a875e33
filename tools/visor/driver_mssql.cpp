#include "server_driver.hpp"

#include "visor/mssql.hpp"

namespace visor_program {
namespace {

struct bench_ways {};

// A server makes no database within a transaction, and all that the driver sends is within one.
using room = bench_bare_room<visor::mssql, bench_ways>;

}  // namespace

driver_entry const& mssql_driver() {
  static driver_entry const entry = server_driver<visor::mssql, room>::entry([] { return std::string("unixODBC"); });
  return entry;
}

}  // namespace visor_program
