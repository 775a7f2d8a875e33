#include "sqlite_fixture.hpp"

#include "visor/async/manual_clock.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace visor_test {
namespace {

using manual_store = visor::sqlite_store<visor::manual_clock>;

struct stored {
  explicit stored(visor::sqlite_settings settings) : store(std::move(settings), clock) {}
  template <class T>
  T wait(visor::task<T> work) {
    return run(io, std::move(work));
  }
  void wait(visor::task<> work) { run(io, std::move(work)); }
  refused opening() {
    return refusal_of([&] { wait(store.open()); });
  }

  boost::asio::io_context io;
  visor::manual_clock clock;
  manual_store store;
};

/// The version of the schema that this program needs.
constexpr int latest = static_cast<int>(visor::schema_versions.size());

visor::sqlite_settings with_init(std::string const& filename, std::optional<bool> init) {
  auto settings = quick(filename);
  settings.auto_init = init;
  return settings;
}

/// Makes a database with our tables that nobody has open.
void make(temporary_folder const& folder) {
  stored made(quick(folder.file()));
  made.wait(made.store.open());
}

std::string count_of_tables(temporary_folder const& folder) {
  return other_connection(folder.file())
      .value("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name LIKE 'visor\\_%' ESCAPE '\\'");
}

}  // namespace

TEST_CASE("tables are made where there are none, unless that is forbidden", "[driver][schema]") {
  temporary_folder const folder;
  SECTION("unset") {
    stored s(with_init(folder.file(), std::nullopt));
    CHECK_FALSE(s.opening().was);
    CHECK(count_of_tables(folder) == "19");
  }
  SECTION("true") {
    stored s(with_init(folder.file(), true));
    CHECK_FALSE(s.opening().was);
  }
  SECTION("false") {
    stored s(with_init(folder.file(), false));
    auto const no = s.opening();
    CHECK(no.code == visor::errc::schema_mismatch);
    CHECK(no.text == "there are no tables of visor in the database '" + folder.file() + "', and auto_init is false: run `visor db init`");
    CHECK(count_of_tables(folder) == "0");
    CHECK(refusal_of([&] { s.wait(s.store.nodes()); }).code == visor::errc::closed);
    s.wait(s.store.schema().migrate());
    CHECK_FALSE(s.opening().was);
  }
}

TEST_CASE("opening again is no matter, and tables stay", "[driver][schema]") {
  temporary_folder const folder;
  make(folder);
  stored s(with_init(folder.file(), false));
  CHECK_FALSE(s.opening().was);
  CHECK_FALSE(s.opening().was);
}

TEST_CASE("the user's own tables are left alone", "[driver][schema]") {
  temporary_folder const folder;
  other_connection(folder.file()).run("CREATE TABLE invoices (id INTEGER); INSERT INTO invoices VALUES (7)");
  stored s(quick(folder.file()));
  CHECK_FALSE(s.opening().was);
  CHECK(s.wait(s.store.schema().validate()).empty());
  s.wait(s.store.schema().reset());
  CHECK(other_connection(folder.file()).value("SELECT id FROM invoices") == "7");
}

TEST_CASE("a database that a newer program made is refused", "[driver][schema]") {
  temporary_folder const folder;
  make(folder);
  other_connection(folder.file()).run("INSERT INTO visor_migration VALUES (99, 'from the future', 'x', 0)");
  for (auto const init : {std::optional<bool>(), std::optional<bool>(true)}) {
    stored s(with_init(folder.file(), init));
    auto const no = s.opening();
    CHECK(no.code == visor::errc::schema_mismatch);
    CHECK_THAT(no.text, Contains("are of version 99, newer than this program, which knows " + std::to_string(latest)));
    CHECK(refusal_of([&] { s.wait(s.store.schema().migrate()); }).code == visor::errc::schema_mismatch);
    CHECK(refusal_of([&] { s.wait(s.store.schema().rollback(1)); }).code == visor::errc::schema_mismatch);
    CHECK(refusal_of([&] { s.wait(s.store.schema().reset()); }).code == visor::errc::schema_mismatch);
    auto const status = s.wait(s.store.schema().status());
    CHECK(status.current == 99);
    REQUIRE(status.versions.size() == static_cast<std::size_t>(latest) + 1);
    CHECK(status.versions.back().name == "from the future");
    CHECK_FALSE(status.versions.back().is_known);
  }
}

TEST_CASE("tables made with other statements are refused", "[driver][schema]") {
  temporary_folder const folder;
  make(folder);
  other_connection(folder.file()).run("UPDATE visor_migration SET checksum = '0123456789abcdef'");
  stored s(with_init(folder.file(), true));
  auto const no = s.opening();
  CHECK(no.code == visor::errc::schema_mismatch);
  CHECK_THAT(no.text, Contains("version 1 of the tables"));
  CHECK_THAT(no.text, Contains("`visor db validate`"));
  auto const status = s.wait(s.store.schema().status());
  CHECK(status.versions[0].is_altered);
}

TEST_CASE("a migration does not go on from tables made with other statements", "[driver][schema]") {
  temporary_folder const folder;
  make(folder);
  other_connection(folder.file()).run("UPDATE visor_migration SET checksum = '0123456789abcdef'");
  stored s(with_init(folder.file(), true));
  auto const no = refusal_of([&] { s.wait(s.store.schema().migrate()); });
  CHECK(no.code == visor::errc::schema_mismatch);
  CHECK_THAT(no.text, Contains("version 1 of the tables"));
  CHECK_THAT(no.text, Contains("`visor db validate`"));
  CHECK(other_connection(folder.file()).value("SELECT max(checksum) FROM visor_migration") == "0123456789abcdef");
}

TEST_CASE("somebody else's tables of our names are not touched", "[driver][schema]") {
  temporary_folder const folder;
  other_connection(folder.file()).run("CREATE TABLE visor_job (x)");
  stored s(with_init(folder.file(), true));
  auto const no = s.opening();
  CHECK(no.code == visor::errc::schema_mismatch);
  CHECK_THAT(no.text, Contains("visor did not make"));
  CHECK(refusal_of([&] { s.wait(s.store.schema().migrate()); }).code == visor::errc::schema_mismatch);
  CHECK(count_of_tables(folder) == "1");
}

TEST_CASE("validation names what differs", "[driver][schema]") {
  temporary_folder const folder;
  make(folder);
  stored s(quick(folder.file()));
  CHECK(s.wait(s.store.schema().validate()).empty());
  other_connection other(folder.file());
  other.run("DROP TABLE visor_fire");
  other.run("ALTER TABLE visor_node ADD COLUMN colour TEXT");
  other.run("DROP INDEX visor_scheduled_job");
  other.run("ALTER TABLE visor_dead DROP COLUMN error");
  auto const lines = s.wait(s.store.schema().validate());
  CHECK(lines == std::vector<std::string>{"table visor_dead lacks the column error", "table visor_fire is missing",
                                          "table visor_node has a column colour that is not ours",
                                          "table visor_scheduled lacks the index visor_scheduled_job"});
}

TEST_CASE("validation of an empty database says what to do", "[driver][schema]") {
  temporary_folder const folder;
  stored s(quick(folder.file()));
  auto const lines = s.wait(s.store.schema().validate());
  REQUIRE(lines.size() == 1);
  CHECK_THAT(lines[0], Contains("`visor db init`"));
}

TEST_CASE("versions go up and down", "[driver][schema]") {
  temporary_folder const folder;
  stored s(quick(folder.file()));
  auto status = s.wait(s.store.schema().status());
  CHECK_FALSE(status.has_tables);
  CHECK(status.current == 0);
  REQUIRE(status.versions.size() == static_cast<std::size_t>(latest));
  CHECK_FALSE(status.versions[0].applied_at);
  CHECK(s.wait(s.store.schema().migrate()) == latest);
  CHECK(s.wait(s.store.schema().migrate()) == 0);
  status = s.wait(s.store.schema().status());
  CHECK(status.has_tables);
  CHECK(status.current == status.latest);
  CHECK(status.versions[0].applied_at == s.clock.now());
  CHECK(s.wait(s.store.schema().rollback(latest)) == latest);
  CHECK(count_of_tables(folder) == "0");
  CHECK(s.wait(s.store.schema().migrate()) == latest);
  CHECK(s.wait(s.store.schema().validate()).empty());
}

TEST_CASE("what an older program made is brought up to date, and what is in it stays", "[driver][schema]") {
  temporary_folder const folder;
  {
    stored s(quick(folder.file()));
    CHECK_FALSE(s.opening().was);
    visor::join_request request;
    request.node = "a";
    s.wait(s.store.join(request));
    CHECK(s.wait(s.store.schema().rollback(latest - 1)) == latest - 1);
    CHECK(s.wait(s.store.schema().status()).current == 1);
  }
  {
    stored s(quick(folder.file()));
    auto const no = s.opening();
    CHECK(no.code == visor::errc::schema_mismatch);
    CHECK_THAT(no.text, Contains("visor db migrate"));
  }
  stored s(with_init(folder.file(), true));
  CHECK_FALSE(s.opening().was);
  CHECK(s.wait(s.store.schema().validate()).empty());
  auto const nodes = s.wait(s.store.nodes());
  REQUIRE(nodes.size() == 1);
  CHECK(nodes[0].name == "a");
  CHECK(nodes[0].queues == std::nullopt);
}

TEST_CASE("a node joins no tables that were rolled back after they were opened", "[driver][schema]") {
  temporary_folder const folder;
  stored s(quick(folder.file()));
  s.wait(s.store.open());
  stored other(quick(folder.file()));
  other.wait(other.store.schema().rollback(1));
  visor::join_request request;
  request.node = "node";
  auto const no = refusal_of([&] { s.wait(s.store.join(request)); });
  CHECK(no.code == visor::errc::schema_mismatch);
  CHECK(no.text == "the tables in the database '" + folder.file() + "' are of version " + std::to_string(latest - 1) +
                       ", and this program needs " + std::to_string(latest) + ": run `visor db migrate`");
  CHECK(s.wait(s.store.pending_work()).older_schema == latest - 1);
  other.wait(other.store.schema().migrate());
  CHECK(s.wait(s.store.pending_work()).older_schema == std::nullopt);
  CHECK(s.wait(s.store.join(request)).epoch == 1);
}

TEST_CASE("a renamed column keeps its values on the way down and up", "[driver][schema]") {
  temporary_folder const folder;
  stored s(quick(folder.file()));
  CHECK_FALSE(s.opening().was);
  visor::join_request request;
  request.node = "a";
  s.wait(s.store.join(request));
  s.wait(s.store.request_state("a", visor::requested_state::drain));
  CHECK(s.wait(s.store.schema().rollback(1)) == 1);
  CHECK(other_connection(folder.file()).value("SELECT wish FROM visor_node") == "drain");
  CHECK(s.wait(s.store.schema().migrate()) == 1);
  CHECK(s.wait(s.store.nodes()).at(0).requested_state == visor::requested_state::drain);
}

TEST_CASE("a reset leaves empty tables", "[driver][schema]") {
  temporary_folder const folder;
  stored s(quick(folder.file()));
  s.wait(s.store.open());
  std::vector<visor::new_job> jobs(1);
  jobs[0].id = 1;
  jobs[0].type = "x";
  CHECK(s.wait(s.store.enqueue(jobs)) == 1);
  s.wait(s.store.schema().reset());
  CHECK(s.wait(s.store.jobs({})).empty());
  CHECK(s.wait(s.store.schema().validate()).empty());
  CHECK(s.wait(s.store.enqueue(jobs)) == 1);
}

TEST_CASE("a migration that fails leaves nothing behind", "[driver][schema]") {
  temporary_folder const folder;
  // Not one of our tables, so that we begin; but the name of one of our indexes, so that we fail on the way.
  other_connection(folder.file()).run("CREATE TABLE mine (a); CREATE INDEX visor_schedule_due ON mine (a)");
  stored s(quick(folder.file()));
  CHECK(s.opening().was);
  CHECK(count_of_tables(folder) == "0");
  other_connection(folder.file()).run("DROP INDEX visor_schedule_due");
  CHECK_FALSE(s.opening().was);
}

}  // namespace visor_test
