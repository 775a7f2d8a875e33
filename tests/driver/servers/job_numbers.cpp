#include "test_database.hpp"

#include "visor/store/sql/sql_store.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Ids of jobs, on every server that several processes share.
namespace visor_test {
namespace {

using store = visor::sql_store<server_traits::driver>;
using transaction = visor::detail::transaction<session>;

constexpr bool is_sequence = session::dialect::numbers == visor::sql::number_source::query;
constexpr std::string_view begin_anew = is_sequence ? "SELECT setval('visor_job_number_number_seq', 1)" : "TRUNCATE TABLE visor_job_number";
constexpr std::string_view number_no_more = is_sequence ? "ALTER TABLE visor_job_number ALTER number DROP IDENTITY"
                                                        : "ALTER TABLE visor_job_number MODIFY number BIGINT NOT NULL DEFAULT 0";

/// Runs something within one transaction that may write.
template <class Op>
void within(test_database const& where, boost::asio::io_context& io, Op op) {
  database base(where.settings(), visor::log_sink(), visor::detail::lock_of_tables);
  run(io, base.open());
  auto once = [&op](session& on) -> done {
    visor::detail::lease_cache leases;
    visor::detail::claim_cursors cursors;
    transaction t{on, visor::instant{}, leases, cursors, false, {}, nullptr};
    co_await op(t);
  };
  run(io, base.transact(once, visor::lock_mode::shared));
  run(io, base.close());
}

/// The counter of older versions of the schema; none where it does not exist.
std::optional<std::int64_t> counter(test_database const& where, boost::asio::io_context& io) {
  std::optional<std::int64_t> next;
  within(where, io, [&next](transaction& t) -> done {
    visor::statements::of_node const which{visor::detail::job_counter};
    auto const found = co_await t.session.find(visor::statements::read_sequence(), which);
    if (found) next = found->next;
  });
  return next;
}

void set_counter(test_database const& where, boost::asio::io_context& io, std::int64_t next) {
  within(where, io, [next](transaction& t) -> done {
    visor::sequence_record const counted{std::string(visor::detail::job_counter), next};
    co_await t.session.execute(visor::statements::insert_new_sequence(), counted);
  });
}

}  // namespace

TEST_CASE("ids of jobs wait for no transaction that took some, and are not given out again when it ends", "[servers]") {
  test_database const where;
  boost::asio::io_context io{1};
  store storage(where.settings());
  run(io, storage.open());
  visor::reserved_ids mine, others;
  try {
    within(where, io, [&](transaction& t) -> done {
      auto taken = co_await visor::detail::take_job_ids(t, 120);
      mine = std::move(taken.ids);
      others = co_await storage.reserve_ids(1000);
      throw visor::error(errc::conflict, "is rolled back");
    });
  } catch (visor::error const& thrown) {
    CHECK(thrown.code() == errc::conflict);
  }
  REQUIRE(mine.size() == 120);
  REQUIRE(others.size() == 1000);
  CHECK(mine.is_consecutive());
  auto const first = mine.first();
  auto next = first;
  while (!mine.empty()) next = mine.take();
  CHECK(others.first() > next);
  while (!others.empty()) next = others.take();
  CHECK(run(io, storage.reserve_ids(1)).first() > next);
  run(io, storage.close());
}

TEST_CASE("a schema of before goes on with the next id, and back", "[servers]") {
  test_database const where;
  boost::asio::io_context io{1};
  store storage(where.settings());
  constexpr int numbered = visor::sql::table<visor::job_number_record>::since;
  run(io, storage.schema().migrate());
  CHECK(counter(where, io) == std::nullopt);
  run(io, storage.schema().rollback(static_cast<int>(visor::schema_versions.size()) - numbered + 1));
  set_counter(where, io, 4'712);
  auto const before = *counter(where, io);
  CHECK(before > 0);
  within(where, io, [](transaction& t) -> done {
    visor::statements::sequence_params const more{visor::detail::job_counter, 4'000};
    co_await t.session.execute(visor::statements::advance_sequence(), more);
  });
  run(io, storage.schema().migrate());
  run(io, storage.open());
  auto const first = run(io, storage.reserve_ids(10)).first();
  CHECK(first >= before + 4'000);
  CHECK(first < before + 4'000 + 200);
  run(io, storage.close());
  run(io, storage.schema().rollback(static_cast<int>(visor::schema_versions.size()) - numbered + 1));
  auto const after = *counter(where, io);
  // Others may have taken ids while the table went.
  CHECK(after >= first + visor::detail::most_reserved);
  CHECK(after < first + visor::detail::most_reserved + 200);
}

TEST_CASE("a node joins no tables that were rolled back after they were opened, and notices it", "[servers]") {
  test_database const where;
  boost::asio::io_context io{1};
  store storage(where.settings());
  run(io, storage.open());
  store other(where.settings());
  constexpr int latest = static_cast<int>(visor::schema_versions.size());
  int const steps = GENERATE(1, 2, static_cast<int>(visor::schema_versions.size()));
  run(io, other.schema().rollback(steps));
  visor::join_request request;
  request.node = "node";
  try {
    run(io, storage.join(request));
    FAIL("it has joined");
  } catch (visor::error const& refused) {
    CHECK(refused.code() == visor::errc::schema_mismatch);
  }
  CHECK(run(io, storage.pending_work()).older_schema == latest - steps);
  run(io, other.schema().migrate());
  CHECK(run(io, storage.pending_work()).older_schema == std::nullopt);
  CHECK(run(io, storage.join(request)).epoch == 1);
}

TEST_CASE("jobs that were copied into a database are in the way of no new one", "[servers]") {
  test_database const where;
  boost::asio::io_context io{1};
  std::vector<std::string> said;
  {
    store storage(where.settings());
    run(io, storage.open());
    visor::new_job far;
    far.id = 100'000'000'000;
    far.type = "copied";
    CHECK(run(io, storage.enqueue({&far, 1})) == 1);
    run(io, storage.close());
  }
  for (int process = 0; process < 2; ++process) {
    store storage(where.settings(), {}, [&said](visor::log_level, std::string_view line) { said.emplace_back(line); });
    run(io, storage.open());
    CHECK(run(io, storage.reserve_ids(3)).first() > 100'000'000'000);
    run(io, storage.close());
  }
  CHECK(std::ranges::count(said, "there were jobs with ids that had not been given out: those of new jobs are greater from now on") == 1);
}

TEST_CASE("ids that are set back under a running node are in the way of no new job", "[servers]") {
  test_database const where;
  boost::asio::io_context io{1};
  std::vector<std::string> said;
  store storage(where.settings(), {}, [&said](visor::log_level, std::string_view line) { said.emplace_back(line); });
  run(io, storage.open());
  for (int round = 0; round < 3; ++round) {
    auto ids = run(io, storage.reserve_ids(100));
    auto const first = ids.first();
    std::vector<visor::new_job> jobs(100);
    for (auto& job : jobs) {
      job.id = ids.take();
      job.type = "t";
    }
    CHECK(run(io, storage.enqueue(jobs)) == 100);
    within(where, io, [](transaction& t) -> done { co_await t.session.run(std::string(begin_anew)); });
    auto next = run(io, storage.reserve_ids(1));
    CHECK(next.first() > jobs.back().id);
    CHECK(next.first() > first);
    CHECK(said.size() == static_cast<std::size_t>(round + 1));
  }
  run(io, storage.close());
}

TEST_CASE("a sequence of job numbers that ends or begins anew is found", "[servers]") {
  if (!is_sequence) return;
  test_database const where;
  boost::asio::io_context io{1};
  store storage(where.settings());
  run(io, storage.open());
  std::string const name = "visor_job_number_number_seq";
  std::string const remedy = "ALTER SEQUENCE " + name + " NO MAXVALUE NO CYCLE";
  for (std::string const limit : {" MAXVALUE 30 CYCLE", " MAXVALUE 30", " CYCLE"}) {
    within(where, io, [&](transaction& t) -> done { co_await t.session.run("ALTER SEQUENCE " + name + limit); });
    CHECK(run(io, storage.schema().validate()) == std::vector<std::string>{"table visor_job_number has a limited sequence " + name +
                                                                           " that is not ours: lift its limits, as " + remedy});
    within(where, io, [&](transaction& t) -> done { co_await t.session.run(remedy); });
    CHECK(run(io, storage.schema().validate()).empty());
  }
  run(io, storage.close());
}

TEST_CASE("a column that no longer numbers its rows is found, and gives out no id", "[servers]") {
  test_database const where;
  boost::asio::io_context io{1};
  store storage(where.settings());
  run(io, storage.open());
  CHECK(run(io, storage.schema().validate()).empty());
  within(where, io, [](transaction& t) -> done { co_await t.session.run(std::string(number_no_more)); });
  auto const lines = run(io, storage.schema().validate());
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == "table visor_job_number lacks the numbered column number");
  CHECK_THROWS_AS(run(io, storage.reserve_ids(1)), visor::error);
  run(io, storage.close());
}

}  // namespace visor_test
