#include "contract/adapt.hpp"
#include "support/mariadb_server.hpp"

#include "visor/async/manual_clock.hpp"
#include "visor/mysql.hpp"

#include <stdexcept>
#include <string>

namespace visor_test {

namespace {

/// A database that is removed with its last user.
struct temporary_database {
  std::string const name = new_name();
  temporary_database() { mariadb_server::shared().run("CREATE DATABASE " + name); }
  temporary_database(temporary_database const&) = delete;
  temporary_database& operator=(temporary_database const&) = delete;
  ~temporary_database() { mariadb_server::shared().run("DROP DATABASE " + name); }
};

}  // namespace

std::unique_ptr<tested_store> make_tested_store() {
  using store = visor::mysql_store<visor::manual_clock>;
  visor::manual_clock const clock;
  auto const database = std::make_shared<temporary_database>();
  auto const make = [clock, database] {
    auto settings = mariadb_server::shared().settings();
    settings.database = database->name;
    return std::make_shared<store>(settings, clock);
  };
  auto const run = [](std::string const& sql) {
    if (!mariadb_server::shared().run(sql)) throw std::runtime_error("MariaDB refused: " + sql);
  };
  row_refusals refusals;
  refusals.begin = [run, database](std::string const& table, std::string const& when, std::string const& change) {
    run("CREATE TRIGGER " + database->name + ".refuse_" + change + table + " BEFORE " + change + " ON " + database->name + "." + table +
        " FOR EACH ROW IF " + when + " THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'we refuse'; END IF");
  };
  refusals.end = [run, database](std::string const& table, std::string const& change) {
    run("DROP TRIGGER " + database->name + ".refuse_" + change + table);
  };
  return std::make_unique<adapted<store, visor::manual_clock>>(clock, make, refusals);
}

}  // namespace visor_test
