#include "server_driver.hpp"

#include "visor/mysql.hpp"

namespace visor_program {

driver_entry const& mysql_driver() {
  static driver_entry const entry =
      server_driver<visor::mysql>::entry([] { return "MariaDB Connector/C " + std::string(::mysql_get_client_info()); });
  return entry;
}

}  // namespace visor_program
