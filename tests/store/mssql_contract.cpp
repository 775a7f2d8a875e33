#include "contract/adapt.hpp"
#include "support/mssql_server.hpp"

#include "visor/async/manual_clock.hpp"
#include "visor/mssql.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace visor_test {

namespace {

mssql_server& server = mssql_server::shared();

/// A database that is removed with its last user.
class temporary_database {
 public:
  temporary_database() { server.run("CREATE DATABASE " + name); }
  temporary_database(temporary_database const&) = delete;
  temporary_database& operator=(temporary_database const&) = delete;
  ~temporary_database() { server.drop_database(name); }

  std::string const name = new_name();
};

}  // namespace

std::unique_ptr<tested_store> make_tested_store() {
  using store = visor::mssql_store<visor::manual_clock>;
  visor::manual_clock const clock;
  auto const database = std::make_shared<temporary_database>();
  auto const make = [clock, database] {
    auto settings = server.settings();
    settings.database = database->name;
    // Logins are expensive, and these tests do not measure time.
    settings.pool.acquire_timeout = std::chrono::minutes{2};
    settings.pool.connect_timeout = std::chrono::minutes{2};
    settings.transaction_timeout = std::chrono::minutes{2};
    return std::make_shared<store>(settings, clock);
  };
  return std::make_unique<adapted<store, visor::manual_clock>>(clock, make);
}

}  // namespace visor_test
