#include "server_driver.hpp"

#include "visor/mssql.hpp"

namespace visor_program {

driver_entry const& mssql_driver() {
  static driver_entry const entry = server_driver<visor::mssql>::entry([] { return std::string("unixODBC"); });
  return entry;
}

}  // namespace visor_program
