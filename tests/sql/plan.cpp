#include "all_statements.hpp"

#include "visor/driver/sqlite/sqlite_dialect.hpp"
#include "visor/sql/migration.hpp"

#include "support/catch.hpp"

#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

// The statements on SQLite: they prepare, return the columns that their rows expect, and none that runs often reads or sorts a
// table that grows.
namespace visor_test {
namespace {

class database {
 public:
  database() {
    sqlite3* opened = nullptr;
    REQUIRE(sqlite3_open(":memory:", &opened) == SQLITE_OK);
    handle_.reset(opened);
    sqlite3_db_config(opened, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    run(std::string(visor::sql::create_table_text<visor::sqlite_dialect, visor::migration_record>));
    for (auto const& step : visor::detail::migrations<visor::sqlite_dialect>())
      for (auto const& each : step.up) run(std::string(each.text));
  }

  struct finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using statement = std::unique_ptr<sqlite3_stmt, finalizer>;

  statement prepare(std::string const& text) {
    sqlite3_stmt* prepared = nullptr;
    INFO(text);
    INFO(sqlite3_errmsg(handle_.get()));
    REQUIRE(sqlite3_prepare_v2(handle_.get(), text.c_str(), -1, &prepared, nullptr) == SQLITE_OK);
    return statement(prepared);
  }

  void run(std::string const& text) {
    INFO(text);
    REQUIRE(sqlite3_exec(handle_.get(), text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }

  /// One line for each step of the plan.
  std::vector<std::string> plan(std::string_view text) {
    auto const explained = prepare("EXPLAIN QUERY PLAN " + std::string(text));
    std::vector<std::string> lines;
    while (sqlite3_step(explained.get()) == SQLITE_ROW)
      lines.emplace_back(reinterpret_cast<char const*>(sqlite3_column_text(explained.get(), 3)));
    return lines;
  }

 private:
  struct closer {
    void operator()(sqlite3* handle) const { sqlite3_close(handle); }
  };
  std::unique_ptr<sqlite3, closer> handle_;
};

template <class Statement>
std::string plan_of() {
  database db;
  std::string all;
  for (auto const& line : db.plan(visor::sql::text_in<visor::sqlite_dialect, Statement>)) all += line + "\n";
  return all;
}

/// Whether a plan goes through a whole table, however ordered. One that holds no more than runs or waits now may be.
bool reads_all(std::string const& line) { return line.starts_with("SCAN") && line.find("SCAN e") != 0 && line.find("SCAN l") != 0; }

template <class Statement>
void check_plan() {
  database db;
  for (auto const& line : db.plan(visor::sql::text_in<visor::sqlite_dialect, Statement>)) {
    INFO(Statement::name << ": " << line);
    CHECK(!reads_all(line));
    CHECK(line.find("TEMP B-TREE") == std::string::npos);
    CHECK(line.find("AUTOMATIC") == std::string::npos);
  }
}

template <class... Statements>
void check_plans() {
  (check_plan<Statements>(), ...);
}

namespace st = visor::statements;

}  // namespace

TEST_CASE("every statement prepares and returns the columns of its row", "[sql][sqlite]") {
  database db;
  for_each_statement([&]<class Statement>(Statement) {
    INFO(Statement::name);
    auto const prepared = db.prepare(std::string(visor::sql::text_in<visor::sqlite_dialect, Statement>));
    using row = typename Statement::row;
    REQUIRE(sqlite3_column_count(prepared.get()) == static_cast<int>(visor::sql::member_count<row>));
    for (std::size_t i = 0; i < visor::sql::member_count<row>; ++i)
      CHECK(std::string(sqlite3_column_name(prepared.get(), static_cast<int>(i))) == std::string(visor::sql::member_names<row>[i]));
    CHECK(sqlite3_bind_parameter_count(prepared.get()) ==
          static_cast<int>(visor::sql::text_of<visor::sql::spelled<visor::sqlite_dialect, Statement>>.parameters.size()));
  });
}

TEST_CASE("what runs often uses an index, and sorts and scans nothing", "[sql][sqlite]") {
  check_plans<st::front_of_queue, st::ready_jobs, st::remove_front, st::remove_ready, st::remove_retried_ready, st::remove_scheduled,
              st::remove_waiting, st::remove_dead, st::remove_cancel, st::put_ready, st::put_scheduled, st::find_facts, st::due_jobs,
              st::remove_due, st::waiting_behind, st::remove_waiting_behind, st::find_waiting, st::find_cancel, st::attempts_of,
              st::accepted_before, st::next_attempt_number, st::reopen_job, st::find_lease, st::open_jobs, st::narrow_lease,
              st::remove_lease, st::current_node, st::renew_node<true>, st::renew_node<false>, st::find_beat, st::note_survived,
              st::latest_attempts, st::leave_node, st::lapse_node, st::advance_sequence, st::read_sequence, st::find_schedule,
              st::remove_schedule, st::due_schedules_now, st::next_due_schedule, st::schedule_digests_of, st::due_schedules_after,
              st::find_any_schedule, st::correct_next, st::acted_on, st::redefine_schedule, st::retire_schedule, st::list_schedules,
              st::update_schedule, st::advance_schedule, st::job_completed, st::job_failed, st::find_fire, st::fires_of>();
}

TEST_CASE("lists of jobs go down an index", "[sql][sqlite]") {
  check_plans<st::find_job, st::find_running, st::list_jobs<st::from_all>, st::list_jobs<st::from_completed>,
              st::list_jobs<st::from_scheduled>, st::list_jobs<st::from_waiting>, st::list_jobs<st::from_dead>,
              st::list_jobs<st::from_failed>, st::list_jobs<st::from_cancelled>>();
}

TEST_CASE("the claim goes down the key of ready, to the position where it stops", "[sql][sqlite]") {
  CHECK(plan_of<st::front_of_queue>() == "SEARCH r USING PRIMARY KEY (queue=?)\nSEARCH j USING INTEGER PRIMARY KEY (rowid=?)\n");
  CHECK(plan_of<st::remove_front>() == "SEARCH visor_ready USING PRIMARY KEY (queue=? AND (priority,run_at,job)<(?,?,?))\n");
  CHECK(plan_of<st::remove_ready>() == "SEARCH visor_ready USING PRIMARY KEY (queue=? AND priority=? AND run_at=? AND job=?)\n");
  CHECK(plan_of<st::due_jobs>() == "SEARCH visor_scheduled USING PRIMARY KEY (run_at<?)\n");
  CHECK(plan_of<st::due_schedules_now>() == "SEARCH visor_schedule USING INDEX visor_schedule_due (state=? AND next_at<?)\n");
}

TEST_CASE("a search for failed jobs uses the index that holds no others", "[sql][sqlite]") {
  CHECK_THAT(plan_of<st::list_jobs<st::from_failed>>(),
             StartsWith("SEARCH d USING COVERING INDEX visor_attempt_ended (final_state=? AND job<?)"));
}

}  // namespace visor_test
