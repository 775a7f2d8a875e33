#include "contract/adapt.hpp"
#include "support/mariadb_server.hpp"

#include "visor/base/manual_clock.hpp"
#include "visor/mysql.hpp"

#include <string>

namespace visor_test {

namespace {

/// A database that goes with the last who uses it.
struct temporary_database {
  std::string const name = new_name();
  temporary_database() { mariadb_server::shared().run("CREATE DATABASE " + name); }
  temporary_database(temporary_database const&) = delete;
  temporary_database& operator=(temporary_database const&) = delete;
  ~temporary_database() { mariadb_server::shared().run("DROP DATABASE " + name); }
};

}  // namespace

std::unique_ptr<subject> make_subject() {
  using store = visor::mysql_store<visor::manual_clock>;
  visor::manual_clock const clock;
  auto const database = std::make_shared<temporary_database>();
  auto const make = [clock, database] {
    auto settings = mariadb_server::shared().settings();
    settings.database = database->name;
    return std::make_shared<store>(settings, clock);
  };
  return std::make_unique<adapted<store, visor::manual_clock>>(clock, make);
}

}  // namespace visor_test
