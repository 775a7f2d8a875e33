#include "all_statements.hpp"

#include "visor/driver/mssql/bulk.hpp"
#include "visor/driver/mssql/mssql_dialect.hpp"
#include "visor/driver/mysql/mysql_dialect.hpp"
#include "visor/driver/postgresql/copy.hpp"
#include "visor/driver/postgresql/postgresql_dialect.hpp"
#include "visor/driver/sqlite/sqlite_dialect.hpp"
#include "visor/sql/migration.hpp"
#include "visor/store/sql/schema.hpp"

#include "support/catch.hpp"

#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

// The exact text of every statement, so that a change of what reaches a database is seen in a review. After an intended change run
// this test with VISOR_UPDATE_GOLDEN=1 and look at the difference.
namespace visor_test {
namespace {

void compare(std::string const& file, std::string const& text) {
  std::filesystem::path const path = std::filesystem::path(VISOR_GOLDEN_FOLDER) / file;
  if (char const* update = std::getenv("VISOR_UPDATE_GOLDEN"); update != nullptr && std::string(update) == "1") {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream kept;
  kept << in.rdbuf();
  INFO(path.string() << " differs; VISOR_UPDATE_GOLDEN=1 rewrites it");
  CHECK(kept.str() == text);
}

template <class BulkForm>
using as_it_is = BulkForm;

/// Those of many rows.
/// \tparam Written how a driver writes them
template <class Dialect, template <class> class Written>
std::string texts_of_bulk_forms() {
  std::string text;
  for_each_statement([&]<class Statement>(Statement) {
    if constexpr (requires { typename Statement::bulk_form; })
      text += "-- " + std::string(Statement::name) + "\n" +
              std::string(visor::sql::text_in<Dialect, Written<typename Statement::bulk_form>>) + ";\n\n";
  });
  return text;
}

template <class Dialect, class List>
std::string texts_of() {
  std::string text;
  for_each_statement<List>([&]<class Statement>(Statement) {
    text += "-- " + std::string(Statement::name) + "\n" + std::string(visor::sql::text_in<Dialect, Statement>) + ";\n\n";
  });
  return text;
}

/// Of those that are copied, what goes before them.
std::string texts_of_copies() {
  using boost::mp11::mp_list;
  return texts_of<visor::postgresql_dialect, mp_list<visor::postgresql_driver::copy_in<visor::statements::insert_job::bulk_form>,
                                                     visor::postgresql_driver::copy_in<visor::statements::insert_ready::bulk_form>,
                                                     visor::postgresql_driver::copy_in<visor::statements::insert_scheduled::bulk_form>>>();
}

template <class Dialect>
void compare_all() {
  std::string const folder = std::string(Dialect::name) + "/";
  compare(folder + "jobs.sql", texts_of<Dialect, visor::statements::all_of_jobs>());
  compare(folder + "leases.sql", texts_of<Dialect, visor::statements::all_of_leases>());
  if (Dialect::numbers != visor::sql::number_source::counter)
    compare(folder + "numbers.sql", texts_of<Dialect, visor::statements::all_of_numbers>());
  compare(folder + "limits.sql", texts_of<Dialect, visor::statements::all_of_limits>());
  compare(folder + "schedules.sql", texts_of<Dialect, visor::statements::all_of_schedules>());
  compare(folder + "sets.sql", texts_of<Dialect, visor::statements::all_of_sets>());
  compare(folder + "views.sql", texts_of<Dialect, visor::statements::all_of_views>());
  std::string schema = texts_of<Dialect, visor::statements::all_of_schema>();
  schema += std::string(visor::sql::create_table_text<Dialect, visor::migration_record>) + ";\n\n";
  for (auto const& step : visor::detail::migrations<Dialect>()) {
    schema += "-- up " + std::to_string(step.version) + ": " + std::string(step.name) + ", checksum " + step.checksum() + "\n";
    for (auto const& each : step.up) schema += std::string(each.text) + ";\n";
    schema += "-- down " + std::to_string(step.version) + "\n";
    for (auto const& each : step.down) schema += std::string(each.text) + ";\n";
  }
  compare(folder + "schema.sql", schema);
}

/// The width of a value in a row of PostgreSQL; 0: of no fixed width, and not aligned.
int width_of(visor::sql::kind what) {
  switch (what) {
    case visor::sql::kind::bigint:
    case visor::sql::kind::instant: return 8;
    case visor::sql::kind::integer: return 4;
    case visor::sql::kind::boolean: return 1;
    case visor::sql::kind::text: break;
  }
  return 0;
}

}  // namespace

TEST_CASE("the statements of SQLite are these", "[sql][golden]") { compare_all<visor::sqlite_dialect>(); }
TEST_CASE("the statements of PostgreSQL are these", "[sql][golden]") {
  compare_all<visor::postgresql_dialect>();
  compare("postgresql/bulk.sql", texts_of_bulk_forms<visor::postgresql_dialect, as_it_is>());
  compare("postgresql/copy.sql", texts_of_copies());
}
TEST_CASE("the statements of SQL Server are these", "[sql][golden]") {
  compare_all<visor::mssql_dialect>();
  compare("mssql/bulk.sql", texts_of_bulk_forms<visor::mssql_dialect, visor::mssql_driver::with_json>());
}
TEST_CASE("the statements of MySQL are these", "[sql][golden]") { compare_all<visor::mysql_dialect>(); }

TEST_CASE("rows that there is one of for each job are not filled up", "[sql][golden]") {
  // PostgreSQL aligns: behind a narrow value, or a text, a wide one begins up to 7 bytes later.
  using rows =
      boost::mp11::mp_list<visor::job_record, visor::ready_record, visor::scheduled_record, visor::waiting_record, visor::attempt_record>;
  boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, rows>>([]<class Record>(boost::mp11::mp_identity<Record>) {
    int before = 8;
    boost::mp11::mp_for_each<visor::sql::members_of<Record>>([&]<class Descriptor>(Descriptor) {
      using type = visor::sql::type_of<Descriptor>;
      INFO(visor::sql::table<Record>::name << "." << Descriptor::name);
      int const width = width_of(visor::sql::kind_of<type>);
      bool const is_rarely_there = before == 0 && visor::sql::is_optional<type>::value;
      bool const is_narrow_end = width == 4 && visor::sql::member_names<Record>.back() == Descriptor::name;
      CHECK((width <= before || is_rarely_there || is_narrow_end));
      before = std::min(before, width);
    });
  });
}

TEST_CASE("where rows lie in the order of the key, the last column is none of it", "[sql][golden]") {
  boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, visor::all_records>>(
      []<class Record>(boost::mp11::mp_identity<Record>) {
        using table = visor::sql::table<Record>;
        INFO(table::name);
        CHECK_FALSE((table::clustered && visor::sql::detail::pattern_has(table::key, visor::sql::member_names<Record>.back())));
      });
}

TEST_CASE("a statement that writes names the table that it writes first", "[sql][golden]") {
  // By the first table `mssql_driver::deferred_statements` decides whether a read touches deferred writes.
  for_each_statement([]<class Statement>(Statement) {
    std::string_view const text = visor::sql::text_in<visor::mssql_dialect, Statement>;
    INFO(Statement::name);
    if (!text.starts_with("INSERT ") && !text.starts_with("UPDATE ") && !text.starts_with("DELETE ")) return;
    std::string_view const prefix = "[visor_";
    std::string_view const table = text.substr(text.find(prefix) + prefix.size());
    if constexpr (!Statement::used::all.empty()) {
      CHECK(table.substr(0, table.find(']')) == Statement::used::all.front().name);
    } else {
      FAIL_CHECK("names no table");
    }
  });
}

TEST_CASE("no two statements have one name", "[sql][golden]") {
  std::set<std::string> names;
  for_each_statement([&]<class Statement>(Statement) {
    INFO(Statement::name);
    CHECK(names.emplace(Statement::name).second);
  });
}

}  // namespace visor_test
