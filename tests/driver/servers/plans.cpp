#include "plan.hpp"

#include "visor/store/sql/lease_statements.hpp"
#include "visor/store/sql/schedule_statements.hpp"
#include "visor/store/sql/sql_store.hpp"
#include "visor/store/sql/view_statements.hpp"

#include "support/catch.hpp"
#include "support/run.hpp"

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

// Execution plans with a million jobs. Statements that run often, and those that show lists, read no more rows than they need,
// use an index, and sort nothing that grows.
namespace visor_test {
namespace {

namespace st = visor::statements;
using visor::instant;

/// The instants of the data.
instant at(std::int64_t seconds) { return instant{std::chrono::seconds{1'700'000'000 + seconds}}; }

/// Of each 20 jobs 12 have ended, 6 are ready, one is scheduled and one waits. Then come those that run.
constexpr std::int64_t jobs = 1'000'000;
constexpr std::int64_t leases = 200;
constexpr std::int64_t jobs_of_lease = 50;
constexpr std::int64_t schedules = 100'000;

/// No larger than what runs now; some servers say what a statement calls them.
constexpr std::array small_tables{"visor_type_limit", "visor_migration", "visor_lease", "visor_node",
                                  "visor_cancel",     "visor_sequence",  "l",           "e"};

class full_database {
 public:
  full_database() {
    server_traits::make_database(server_, name_);
    boost::asio::io_context io{1};
    visor::sql_store<server_traits::driver> store(server_traits::settings(server_, name_));
    run(io, store.open());
    run(io, store.close());
    fill();
  }
  full_database(full_database const&) = delete;
  full_database& operator=(full_database const&) = delete;
  ~full_database() { server_traits::drop_database(server_, name_); }

  planner connect() const { return planner(server_traits::settings(server_, name_)); }

 private:
  void fill() {
    using std::to_string;
    auto const on = connect();
    auto const p = [](std::string const& seconds) { return planner::instant(seconds); };
    auto const numbers = " FROM " + planner::numbers(jobs);
    auto const ended = " WHERE mod(n, 20) < 12";
    on.run(
        "INSERT INTO visor_job (id, type, queue, priority, payload, max_attempts, run_at, created_at) "
        "SELECT n, 'report', CASE WHEN mod(n, 20) = 17 THEN 'other' ELSE 'default' END, 100, '{\"team\": \"platform\"}', 3, " +
        p("n") + ", " + p("n") + " FROM " + planner::numbers(jobs + leases * jobs_of_lease));
    on.run(
        "INSERT INTO visor_attempt (job, number, lease, node, epoch, started_at, finished_at, outcome, final_state) "
        "SELECT n, 1, n / 500 + 1000, 'n1', 1, " +
        p("n") + ", " + p("n + 1") +
        ", CASE WHEN mod(n, 200) IN (0, 40) THEN 'failed' WHEN mod(n, 200) = 20 THEN 'cancelled' END, "
        "CASE mod(n, 200) WHEN 0 THEN 'failed' WHEN 20 THEN 'cancelled' WHEN 40 THEN 'dead' ELSE 'completed' END" +
        numbers + ended);
    on.run("INSERT INTO visor_dead (job, died_at, attempts) SELECT n, " + p("n") + ", 1" + numbers + " WHERE mod(n, 200) = 40");
    on.run(
        "INSERT INTO visor_ready (queue, priority, run_at, job, attempt) "
        "SELECT CASE WHEN mod(n, 20) = 17 THEN 'other' ELSE 'default' END, 100, " +
        p("n") + ", n, 1" + numbers + " WHERE mod(n, 20) BETWEEN 12 AND 17");
    on.run("INSERT INTO visor_scheduled (run_at, job, queue, priority, attempt) SELECT " + p("n") + ", n, 'default', 100, 1" + numbers +
           " WHERE mod(n, 20) = 18");
    on.run("INSERT INTO visor_waiting (blocker, job, queue, priority, run_at, attempt) SELECT n - 1, n, 'default', 100, " + p("n") + ", 1" +
           numbers + " WHERE mod(n, 20) = 19");
    on.run("INSERT INTO visor_cancel (job, requested_at) SELECT n + " + to_string(jobs) + ", " + p("n") + " FROM " + planner::numbers(10));
    for (std::int64_t lease = 1, job = jobs + 1; lease <= leases; ++lease) {
      std::string ids;
      for (int i = 0; i < jobs_of_lease; ++i, ++job) ids += (ids.empty() ? "" : ",") + to_string(job);
      on.run("INSERT INTO visor_lease (id, node, epoch, taken_at, jobs) VALUES (" + to_string(lease) + ", 'n1', 1, " + p("1") + ", '[" +
             ids + "]')");
    }
    on.run("INSERT INTO visor_node (name, address, state, epoch, lease_until, exclusive, slots, started_at, version) SELECT concat('n', " +
           planner::text("n") + "), '', 'online', 1, " + p("0") + ", false, 8, " + p("0") + ", '1' FROM " + planner::numbers(3));
    on.run(
        "INSERT INTO visor_schedule (id, origin, expression, zone, type, payload, queue, priority, max_attempts, misfire, "
        "misfire_limit, misfire_window, overlap, max_failures, state, next_at, run_count, failure_count, created_at, updated_at, "
        "version) SELECT concat('s', " +
        planner::text("n") +
        "), CASE WHEN n <= 100 THEN 'config' ELSE 'api' END, '0 2 * * *', 'UTC', 'report', '{}', 'default', 100, 3, 'latest', 0, 0, "
        "'allow', 0, CASE WHEN mod(n, 100) = 0 THEN 'paused' ELSE 'active' END, " +
        p("n") + ", 0, 0, " + p("0") + ", " + p("0") + ", 1 FROM " + planner::numbers(schedules));
    on.run("INSERT INTO visor_fire (schedule, planned_at, fired_at, node, result) SELECT concat('s', " + planner::text("mod(n, 100)") +
           "), " + p("n") + ", " + p("n") + ", 'n1', 'fired' FROM " + planner::numbers(300'000));
  }

  server_traits::server& server_ = server_traits::server::shared();
  std::string const name_ = new_name();
};

/// \param most rows that it may read, of tables and indexes together
template <class Statement>
void check(planner const& on, typename Statement::params const& given, double most) {
  plan const found = on.template explain<Statement>(given);
  std::string all;
  for (auto const& table : found.whole)
    if (std::ranges::find(small_tables, table) == small_tables.end()) all += " " + table;
  INFO(found.text);
  INFO(Statement::name << " reads " << found.read << " rows and sorts " << found.sorted << "; tables that it reads whole:" << all);
  CHECK(found.read <= most);
  CHECK(found.sorted <= most);
  CHECK(all.empty());
}

void check_often(planner const& on) {
  st::of_job const ended{1}, ready{500'012}, scheduled{500'018}, waiting{500'019}, running{jobs + 77};
  st::at_most const one{1};
  visor::job_id const blocker = waiting.job - 1;

  // Claims. Each row of a queue is read with its job; where the query removes it, the rows that it has read count again.
  check<st::front_of_queue>(on, {"default", 500}, 2500);
  check<st::front_of_queue>(on, {"default", 500, 100, at(700'000), 700'000}, 2500);
  check<st::front_of_queue>(on, {"default", 500, 99, at(700'000), 700'000}, 2500);
  check<st::front_of_queue>(on, {"empty", 500}, 0);
  check<st::remove_ready>(on, {"default", 100, at(ready.job), ready.job}, 1);
  check<st::due_jobs>(on, {at(900'000), 500}, 500);
  check<st::remove_due>(on, {at(scheduled.job), scheduled.job}, 1);
  check<st::next_scheduled>(on, one, 1);
  check<st::pending_work>(on, {}, 20);  // the types with lanes, and the versions of the schema
  check<st::remove_scheduled>(on, scheduled, 1);

  // Completions.
  check<st::any_waiting>(on, one, 1);
  check<st::waiting_behind>(on, {blocker}, 1);
  check<st::remove_waiting_behind>(on, {blocker}, 1);
  check<st::find_waiting>(on, waiting, 1);
  check<st::remove_waiting>(on, waiting, 1);
  check<st::remove_dead>(on, {1'040}, 1);
  check<st::cancels>(on, one, 10);
  check<st::find_cancel>(on, running, 10);
  check<st::remove_cancel>(on, {jobs + 1}, 10);
  check<st::put_ready>(on, {running.job, {}, 2}, 1);
  check<st::put_scheduled>(on, {running.job, at(1), 2}, 1);
  check<st::find_facts>(on, running, 1);
  check<st::attempts_of>(on, ended, 1);
  check<st::accepted_before>(on, {ended.job, 1, 1'000}, 1);
  check<st::next_attempt_number>(on, ended, 1);
  check<st::reopen_job>(on, ended, 1);
  check<st::find_lease>(on, {7, "n1", 1}, leases);
  check<st::open_jobs>(on, {7}, leases + 3 * jobs_of_lease);
  check<st::narrow_lease>(on, {7, "[]"}, leases);
  check<st::remove_lease>(on, {7}, leases);
  check<st::leases_of_node>(on, {"n1", 1}, leases);
  check<st::current_node>(on, {"n1", 1}, 3);
  check<st::renew_node<true>>(on, {"n1", 1, at(-1), at(9), std::chrono::minutes{1}, visor::node_state::online, 1, 0, true}, 3);
  check<st::find_beat>(on, {"n1"}, 3);

  // Schedules and fires.
  check<st::due_schedules_now>(on, {at(200), 100}, 200);
  check<st::due_schedules_after>(on, {at(200), at(100), "s100", 100}, 200);
  check<st::next_due_schedule>(on, {at(200), 1}, 200);  // it may pass those that are due
  check<st::find_schedule>(on, {"s500"}, 1);
  check<st::advance_schedule>(on, {"s500", at(1), visor::schedule_state::active, {}, {}, 1}, 1);
  check<st::job_completed>(on, {"s500"}, 1);
  check<st::job_failed>(on, {"s500", "no"}, 1);
  check<st::remove_schedule>(on, {"s500"}, 1);
  check<st::find_fire>(on, {"s5", at(100'005)}, 1);
  check<st::acted_on>(on, {"s5", at(100), 50}, 50);
  check<st::fires_of>(on, {"s5", 50}, 50);
}

void check_lists(planner const& on) {
  st::of_job const ended{1}, running{jobs + 77};
  check<st::schedule_digests_of>(on, {visor::origin::config}, 100);
  check<st::list_schedules>(on, {"s5", "s6", {}, {}, {}, {}, 50}, 50);
  check<st::list_schedules>(on, {"", {}, {}, {}, {}, {}, 50}, 50);

  // Lists of jobs: each job with its last attempt, found by its number, and its position among those not yet ready.
  double const shown = 5;
  check<st::find_job>(on, ended, shown);
  check<st::find_job_state>(on, ended, shown);
  check<st::list_jobs<st::from_all>>(on, {jobs, {}, {}, 50}, 50 * shown);
  check<st::list_jobs<st::from_completed>>(on, {jobs, {}, {}, 50}, 2 * 50 * shown);  // two of three jobs have ended
  check<st::list_jobs<st::from_scheduled>>(on, {jobs, {}, {}, 50}, 50 * (shown + 1));
  check<st::list_jobs<st::from_waiting>>(on, {jobs, {}, {}, 50}, 50 * (shown + 1));
  check<st::list_jobs<st::from_dead>>(on, {jobs, {}, {}, 50}, 50 * (shown + 1));
  check<st::list_jobs<st::from_failed>>(on, {jobs, {}, {}, 50}, 50 * (shown + 1));
  check<st::list_jobs<st::from_cancelled>>(on, {jobs, {}, {}, 50}, 50 * (shown + 1));
  double const in_leases = static_cast<double>(leases * (1 + 2 * jobs_of_lease));
  check<st::find_running>(on, running, in_leases);
  check<st::running_jobs>(on, {}, in_leases);
}

}  // namespace

TEST_CASE("a million jobs are found along indexes", "[servers]") {
  if (!planner::understands(server_traits::server::shared())) return;
  full_database const database;
  auto const on = database.connect();
  // A table that has just grown is as the planner remembers it: small, or not at all.
  if (planner::can_be_ignorant) {
    INFO("without statistics");
    check_often(on);
  }
  for (std::string const table : {"job", "attempt", "dead", "ready", "scheduled", "waiting", "cancel", "lease", "node", "schedule", "fire"})
    on.learn("visor_" + table);
  check_often(on);
  check_lists(on);
}

}  // namespace visor_test
