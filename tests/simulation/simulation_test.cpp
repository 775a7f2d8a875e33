#include "visor/simulation.hpp"

#include "simulation/cluster.hpp"
#include "support/catch.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <map>
#include <set>
#include <vector>

using namespace visor_test;
using visor::job_context;
using visor::job_state;
using visor::simulated_process;
using visor::simulation;

namespace {

visor::new_job job_of(std::string type, int max_attempts = 10) {
  visor::new_job job;
  job.type = std::move(type);
  job.max_attempts = max_attempts;
  return job;
}

visor::job_type sleeper(simulation& simulated, visor::duration length) {
  return visor::job_type("sleep", [clock = simulated.clock(), length](job_context& job) -> visor::task<> {
    auto work = sleep_for(job, clock, length);
    co_await std::move(work);
  });
}

job_state state_of(simulation& simulated, visor::job_id id) { return simulated.run_sync(simulated.store().find_job(id)).value().state; }

}  // namespace

TEST_CASE("without faults a job runs once, and takes virtual time alone") {
  simulation simulated(1);
  simulated.add(sleeper(simulated, 10h));
  simulated.add_node();
  auto const id = simulated.enqueue(job_of("sleep"));
  simulated.run_for(9h);
  CHECK(state_of(simulated, id) == job_state::running);
  simulated.run_for(2h);
  CHECK(state_of(simulated, id) == job_state::completed);
  REQUIRE(simulated.runs().size() == 1);
  CHECK(simulated.runs()[0].returned);
  CHECK(*simulated.runs()[0].ended - simulated.runs()[0].began == 10h);
  CHECK(simulated.acknowledged() == std::vector<visor::job_id>{id});
}

TEST_CASE("of a process that crashed nothing goes on, and another one takes over") {
  struct mark {
    explicit mark(int& all) : alive(all) { ++alive; }
    ~mark() { --alive; }
    int& alive;
  };
  int alive = 0;
  int effects = 0;
  simulation simulated(2);
  simulated.add(visor::job_type("work", [&, clock = simulated.clock()](job_context& job) -> visor::task<> {
    mark const here{alive};
    auto work = sleep_for(job, clock, 30s);
    co_await std::move(work);
    ++effects;
  }));
  simulated.add_node();
  auto const id = simulated.enqueue(job_of("work"));
  simulated.run_for(10s);
  CHECK(alive == 1);
  simulated.add_node();
  simulated.crash(0, 10min);
  CHECK(alive == 0);
  CHECK(simulated.processes()[0].how == simulated_process::end::crashed);
  simulated.run_for(5min);
  CHECK(effects == 1);
  CHECK(state_of(simulated, id) == job_state::completed);
  REQUIRE(simulated.runs().size() == 2);
  CHECK_FALSE(simulated.runs()[0].ended);
  CHECK(simulated.runs()[1].process == 1);
  CHECK(simulated.runs()[1].attempt == 2);
  CHECK(simulated.processes().size() == 2);
  simulated.run_for(6min);
  CHECK(simulated.processes().size() == 3);  // it was started again
}

TEST_CASE("a process that was paused for longer than its lease is told to stop when it goes on") {
  simulation simulated(3);
  simulated.add(sleeper(simulated, 5min));
  simulated.add_node();
  auto const id = simulated.enqueue(job_of("sleep"));
  simulated.run_for(10s);
  simulated.add_node();
  simulated.pause(0, 3min);
  simulated.run_for(90s);
  REQUIRE(simulated.runs().size() == 2);  // beside the first, which cannot know
  CHECK_FALSE(simulated.runs()[0].told_to_stop);
  simulated.run_for(10min);
  CHECK(simulated.runs()[0].told_to_stop == simulated.processes()[0].pauses.at(0).until);
  CHECK(simulated.runs()[0].why == visor::stop_reason::lease_lost);
  CHECK(state_of(simulated, id) == job_state::completed);
  CHECK(simulated.run_sync(simulated.store().attempts(id)).size() == 2);
}

TEST_CASE("a process that is asked to stop drains") {
  simulation simulated(4);
  simulated.add(sleeper(simulated, 20s));
  simulated.add_node();
  auto const id = simulated.enqueue(job_of("sleep"));
  simulated.run_for(5s);
  simulated.stop(0, 0s);
  simulated.run_for(16s);
  CHECK(simulated.processes()[0].how == simulated_process::end::stopped);
  CHECK(state_of(simulated, id) == job_state::completed);
}

TEST_CASE("a handler that ends as soon as it is told loses no attempt, however little time it has") {
  simulation simulated(12);
  simulated.add(sleeper(simulated, 1h));
  auto settings = simulation::cluster_settings();
  settings.drain_timeout = 0s;
  settings.stop_grace = 0s;
  simulated.add_node(settings);
  auto const id = simulated.enqueue(job_of("sleep"));
  simulated.run_for(5s);
  simulated.stop(0, 1h);
  simulated.run_for(5s);
  CHECK(simulated.processes()[0].how == simulated_process::end::stopped);
  auto const attempts = simulated.run_sync(simulated.store().attempts(id));
  REQUIRE(attempts.size() == 1);
  CHECK(attempts[0].outcome == visor::outcome::released);
}

TEST_CASE("the clock of a machine changes nothing but what it says") {
  simulation simulated(5);
  simulated.add(sleeper(simulated, 10s));
  simulated.add_node();
  simulated.step_clock(0, -1h);
  CHECK(simulated.clock().now() - simulated.clock(0).now() == 1h);
  auto const id = simulated.enqueue(job_of("sleep"));
  simulated.run_for(20s);
  auto const attempts = simulated.run_sync(simulated.store().attempts(id));
  REQUIRE(attempts.size() == 1);
  CHECK(*attempts[0].started_at < simulated.runs()[0].began - 59min);
}

TEST_CASE("a call is refused, unanswered or overdue as often as wanted") {
  visor::simulated_faults faults;
  SECTION("refused") { faults.refused = 0.2; }
  SECTION("unanswered") { faults.unanswered = 0.2; }
  SECTION("overdue") { faults.overdue = 0.2; }
  simulation simulated(6, faults);
  simulated.add(sleeper(simulated, 1s));
  simulated.add_node();
  simulated.add_node();
  for (int i = 0; i < 50; ++i) {
    simulated.enqueue(job_of("sleep", 1000));
    simulated.run_for(10s);
  }
  auto const& counts = simulated.counts();
  auto const met = counts.refused + counts.unanswered + counts.overdue;
  CHECK(met > counts.calls / 20);
  CHECK(met < counts.calls / 3);
  CHECK(simulated.rest(1h));
  CHECK(simulated.acknowledged().size() == 50);
  for (auto const id : simulated.acknowledged()) CHECK(state_of(simulated, id) == job_state::completed);
}

TEST_CASE("a node alone on its store has its schedules there, also when a call for that failed") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    visor::simulated_faults faults;
    faults.refused = 0.4;
    simulation simulated(seed, faults);
    visor::schedule_record schedule;
    schedule.id = "nightly";
    schedule.expression = "0 2 * * *";
    schedule.type = "sleep";
    simulated.add(schedule);
    simulated.add(sleeper(simulated, 1s));
    simulated.add_node(visor::node_settings());
    simulated.run_for(10s);
    simulated.calm();
    simulated.run_for(1min);
    CHECK(simulated.run_sync(simulated.store().find_schedule("nightly")));
  }
}

TEST_CASE("a job that one node of twenty knows begins within a second, and the others leave it alone from then on") {
  simulation simulated(8);
  simulated.add(sleeper(simulated, 1s));
  simulated.add(visor::job_type("rare", [](job_context&) -> visor::task<> { co_return; }),
                [](std::size_t machine) { return machine == 7; });
  for (int i = 0; i < 20; ++i) simulated.add_node();
  simulated.run_for(1min);
  for (int i = 0; i < 10; ++i) {
    auto const asked = simulated.clock().now();
    auto const id = simulated.enqueue(job_of("rare"));
    simulated.run_for(2s);
    CHECK(state_of(simulated, id) == job_state::completed);
    REQUIRE(simulated.runs().size() == static_cast<std::size_t>(i) + 1);
    CHECK(simulated.runs().back().began - asked < 1s);
    CHECK(simulated.processes()[simulated.runs().back().process].machine == 7);
    CHECK(simulated.runs().back().attempt == 1);
  }
}

TEST_CASE("of two nodes with one name the second is refused, and takes over when the first is silent for longer than its lease") {
  simulation simulated(9);
  simulated.add(sleeper(simulated, 1s));
  auto settings = simulation::cluster_settings();
  settings.name = "one";
  simulated.add_node(settings);
  simulated.run_for(1min);
  simulated.add_node(settings);
  simulated.run_for(5min);
  CHECK(simulated.processes()[1].failure.find("is at work on this store") != std::string::npos);
  simulated.pause(0, 10min);
  simulated.run_for(20min);
  CHECK(simulated.processes()[0].how == simulated_process::end::failed);  // it does not take its name back
  CHECK(simulated.processes()[0].failure.find("is at work on this store") != std::string::npos);
}

TEST_CASE("two nodes with one name that start at once do not both work") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    simulation simulated(seed);
    auto settings = simulation::cluster_settings();
    settings.name = "one";
    simulated.add_node(settings);
    simulated.add_node(settings);
    simulated.run_for(1s);
    CHECK(simulated.processes()[0].leases.empty() != simulated.processes()[1].leases.empty());
  }
}

TEST_CASE("nodes stop when an older state of the store comes back, and their fences grow when visor is told") {
  visor::simulated_faults faults;
  faults.longest_untold = 0s;
  SECTION("told at once") {}
  SECTION("told later") { faults.longest_untold = 5min; }
  simulation simulated(10, faults);
  simulated.add(sleeper(simulated, 8min));
  for (int i = 0; i < 3; ++i) simulated.add_node();
  auto const kept = simulated.enqueue(job_of("sleep"));
  simulated.run_for(1min);
  simulated.restore_later(5min);
  simulated.run_for(4min);
  auto const gone = simulated.enqueue(job_of("sleep"));
  simulated.run_for(20min);
  CHECK(simulated.restores().size() == 1);
  CHECK(simulated.forgotten() == std::set<visor::job_id>{gone});
  for (std::size_t i = 0; i < 3; ++i) {
    auto const& process = simulated.processes()[i];
    CHECK(process.how == simulated_process::end::failed);
    CHECK(process.failure.find("it was restored from a backup while the node ran") != std::string::npos);
  }
  CHECK(simulated.rest(1h));
  CHECK(state_of(simulated, kept) == job_state::completed);
  auto const& runs = simulated.runs();
  CHECK(std::ranges::count(runs, kept, &visor::simulated_run::job) > 1);
  CHECK(runs.back().fence > std::int64_t{1} << 32);
}

TEST_CASE("no fence and no id is given out twice where one backup is restored twice") {
  visor::simulated_faults faults;
  faults.longest_untold = 0s;
  faults.restored_again = 1;
  faults.longest_backup_age = 1min;
  simulation simulated(10, faults);
  simulated.add(sleeper(simulated, 1s));
  simulated.add_node();
  simulated.run_for(1min);
  simulated.restore_later(1min);
  std::map<visor::job_id, std::set<std::int64_t>> fences;
  std::set<visor::job_id> ids;
  std::size_t given = 0;
  for (int i = 0; i < 60; ++i) {
    simulated.run_for(3s);
    if (simulated.restores().empty() || !simulated.restores().back().told) continue;
    ids.insert(simulated.enqueue(job_of("sleep")));
    ++given;
  }
  CHECK(simulated.restores().size() >= 2);
  CHECK(ids.size() == given);
  for (auto const& run : simulated.runs()) CHECK(fences[run.job].insert(run.fence).second);
}

TEST_CASE("a job that the store refuses to move is dead, and the others of its node run again") {
  simulation simulated(13);
  simulated.add(sleeper(simulated, 1h));
  auto settings = simulation::cluster_settings();
  settings.queues = {visor::queue_settings("default", 3)};
  simulated.add_node(settings);
  std::vector<visor::job_id> jobs;
  for (int i = 0; i < 3; ++i) jobs.push_back(simulated.enqueue(job_of("sleep")));
  auto const stuck = jobs[1];
  simulated.refuse({}, {}, [stuck](visor::job_record const& job, int, job_state to) { return job.id == stuck && to == job_state::ready; });
  simulated.run_for(10s);
  REQUIRE(simulated.runs().size() == 3);
  simulated.add_node(settings);
  simulated.crash(0, 10min);
  simulated.run_for(2min);
  CHECK(state_of(simulated, jobs[0]) == job_state::running);
  CHECK(state_of(simulated, jobs[1]) == job_state::dead);
  CHECK(state_of(simulated, jobs[2]) == job_state::running);
  auto const attempts = simulated.run_sync(simulated.store().attempts(stuck));
  REQUIRE(attempts.size() == 1);
  CHECK(attempts[0].outcome == visor::outcome::lost);
  CHECK_THAT(attempts[0].error.value_or(""), StartsWith("it cannot be moved: ") && Contains("is refused"));
  CHECK(simulated.counts().refused_moves == 1);
}

TEST_CASE("a schedule goes on when the clock of the store was ahead and is put back") {
  simulation simulated(11);
  simulated.add(visor::job_type("quick", [](job_context&) -> visor::task<> { co_return; }));
  visor::schedule_record schedule;
  schedule.id = "often";
  schedule.expression = "*/10 * * * * *";
  schedule.type = "quick";
  simulated.add(schedule);
  simulated.add_node();
  simulated.run_for(1min);
  simulated.step_store_clock(5min);
  simulated.run_for(1min);
  auto const ahead = simulated.runs().size();
  simulated.step_store_clock(0s);
  simulated.run_for(2min);
  CHECK(simulated.runs().size() >= ahead + 8);
}

TEST_CASE("what goes on for ever without time passing is found", "[slow]") {
  visor::simulated_faults faults;
  faults.mean_call = 0s;
  simulation simulated(7, faults);
  visor::job_type_options options;
  options.backoff = visor::backoff{visor::backoff_kind::fixed, 0s, 0s};
  simulated.add(visor::job_type(
      "again",
      [](job_context&) -> visor::task<> {
        throw std::runtime_error("again");
        co_return;
      },
      options));
  auto settings = simulation::cluster_settings();
  settings.completion_delay = 0s;
  simulated.add_node(settings);
  simulated.enqueue(job_of("again", 1'000'000'000));
  CHECK_THROWS_AS(simulated.run_for(1s), std::logic_error);
}
