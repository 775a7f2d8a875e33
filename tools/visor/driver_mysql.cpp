#include "server_driver.hpp"

#include "visor/mysql.hpp"

// GnuTLS, which Debian's Connector/C brings along, initializes itself when it is loaded. With this function the program defers
// that to the first connection that needs it. A daemon without any has 0.8 MB less in memory. The macro GNUTLS_SKIP_GLOBAL_INIT
// of <gnutls/gnutls.h> defines the same function.
extern "C" int _gnutls_global_init_skip();
extern "C" int _gnutls_global_init_skip() { return 1; }

namespace visor_program {
namespace {

struct bench_ways {
  static visor::mysql_settings inside(visor::mysql_settings around) {
    around.database = bench_sandbox_name;
    return around;
  }
  static constexpr char const* what = "the database";
  static constexpr char const* make = "CREATE DATABASE visor_bench";
  static constexpr char const* remove = "DROP DATABASE IF EXISTS visor_bench";
  // MySQL has this counter elsewhere.
  static constexpr char const* written =
      "SELECT CAST(VARIABLE_VALUE AS SIGNED) AS value FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Innodb_os_log_written'";
};

using sandbox = bench_server_sandbox<visor::mysql, bench_ways>;

}  // namespace

driver_entry const& mysql_driver() {
  static driver_entry const entry =
      server_driver<visor::mysql, sandbox>::entry([] { return "MariaDB Connector/C " + std::string(::mysql_get_client_info()); });
  return entry;
}

}  // namespace visor_program
