#include "contract/adapt.hpp"
#include "support/postgresql_server.hpp"

#include "visor/async/manual_clock.hpp"
#include "visor/postgresql.hpp"

#include <stdexcept>
#include <string>

namespace visor_test {

namespace {

/// A schema that is removed with its last user.
struct temporary_schema {
  std::string const name = new_name();
  temporary_schema() { postgresql_server::shared().run("CREATE SCHEMA " + name); }
  temporary_schema(temporary_schema const&) = delete;
  temporary_schema& operator=(temporary_schema const&) = delete;
  ~temporary_schema() { postgresql_server::shared().run("DROP SCHEMA " + name + " CASCADE"); }
};

}  // namespace

std::unique_ptr<tested_store> make_tested_store() {
  using store = visor::postgresql_store<visor::manual_clock>;
  visor::manual_clock const clock;
  auto const schema = std::make_shared<temporary_schema>();
  auto const make = [clock, schema] {
    auto settings = postgresql_server::shared().settings();
    settings.schema = schema->name;
    return std::make_shared<store>(settings, clock);
  };
  auto const run = [schema](std::string const& sql) {
    if (!postgresql_server::shared().run("SET search_path TO " + schema->name + "; " + sql))
      throw std::runtime_error("PostgreSQL refused: " + sql);
  };
  row_refusals refusals;
  refusals.begin = [run](std::string const& table, std::string const& when, std::string const& change) {
    std::string const name = "refuse_" + change + table;
    run("CREATE FUNCTION " + name + "() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'we refuse'; END $$; CREATE TRIGGER " +
        name + " BEFORE " + change + " ON " + table + " FOR EACH ROW WHEN (" + when + ") EXECUTE FUNCTION " + name + "()");
  };
  refusals.end = [run](std::string const& table, std::string const& change) {
    run("DROP FUNCTION refuse_" + change + table + "() CASCADE");
  };
  return std::make_unique<adapted<store, visor::manual_clock>>(clock, make, refusals);
}

}  // namespace visor_test
