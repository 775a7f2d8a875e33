#include "server_driver.hpp"

#include "visor/postgresql.hpp"

#include <libpq-fe.h>

namespace visor_program {

driver_entry const& postgresql_driver() {
  static driver_entry const entry = server_driver<visor::postgresql>::entry([] {
    int const version = ::PQlibVersion();
    return "libpq " + std::to_string(version / 10000) + "." + std::to_string(version % 10000);
  });
  return entry;
}

}  // namespace visor_program
