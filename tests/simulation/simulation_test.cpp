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

visor::job_type sleeper(simulation& world, visor::duration length) {
  return visor::job_type("sleep", [clock = world.clock(), length](job_context& job) -> visor::task<> {
    auto work = sleep_for(job, clock, length);
    co_await std::move(work);
  });
}

job_state state_of(simulation& world, visor::job_id id) { return world.run_sync(world.store().find_job(id)).value().state; }

}  // namespace

TEST_CASE("without faults a job runs once, and takes virtual time alone") {
  simulation world(1);
  world.add(sleeper(world, 10h));
  world.add_node();
  auto const id = world.enqueue(job_of("sleep"));
  world.run_for(9h);
  CHECK(state_of(world, id) == job_state::running);
  world.run_for(2h);
  CHECK(state_of(world, id) == job_state::completed);
  REQUIRE(world.runs().size() == 1);
  CHECK(world.runs()[0].returned);
  CHECK(*world.runs()[0].ended - world.runs()[0].began == 10h);
  CHECK(world.acknowledged() == std::vector<visor::job_id>{id});
}

TEST_CASE("of a process that crashed nothing goes on, and another one takes over") {
  struct mark {
    explicit mark(int& all) : alive(all) { ++alive; }
    ~mark() { --alive; }
    int& alive;
  };
  int alive = 0;
  int effects = 0;
  simulation world(2);
  world.add(visor::job_type("work", [&, clock = world.clock()](job_context& job) -> visor::task<> {
    mark const here{alive};
    auto work = sleep_for(job, clock, 30s);
    co_await std::move(work);
    ++effects;
  }));
  world.add_node();
  auto const id = world.enqueue(job_of("work"));
  world.run_for(10s);
  CHECK(alive == 1);
  world.add_node();
  world.crash(0, 10min);
  CHECK(alive == 0);
  CHECK(world.processes()[0].how == simulated_process::end::crashed);
  world.run_for(5min);
  CHECK(effects == 1);
  CHECK(state_of(world, id) == job_state::completed);
  REQUIRE(world.runs().size() == 2);
  CHECK_FALSE(world.runs()[0].ended);
  CHECK(world.runs()[1].process == 1);
  CHECK(world.runs()[1].attempt == 2);
  CHECK(world.processes().size() == 2);
  world.run_for(6min);
  CHECK(world.processes().size() == 3);  // it was started again
}

TEST_CASE("a process that was paused for longer than its lease is told to stop when it goes on") {
  simulation world(3);
  world.add(sleeper(world, 5min));
  world.add_node();
  auto const id = world.enqueue(job_of("sleep"));
  world.run_for(10s);
  world.add_node();
  world.pause(0, 3min);
  world.run_for(90s);
  REQUIRE(world.runs().size() == 2);  // beside the first, which cannot know
  CHECK_FALSE(world.runs()[0].told_to_stop);
  world.run_for(10min);
  CHECK(world.runs()[0].told_to_stop == world.processes()[0].pauses.at(0).until);
  CHECK(world.runs()[0].why == visor::stop_reason::lease_lost);
  CHECK(state_of(world, id) == job_state::completed);
  CHECK(world.run_sync(world.store().attempts(id)).size() == 2);
}

TEST_CASE("a process that is asked to stop drains") {
  simulation world(4);
  world.add(sleeper(world, 20s));
  world.add_node();
  auto const id = world.enqueue(job_of("sleep"));
  world.run_for(5s);
  world.stop(0, 0s);
  world.run_for(16s);
  CHECK(world.processes()[0].how == simulated_process::end::stopped);
  CHECK(state_of(world, id) == job_state::completed);
}

TEST_CASE("a handler that ends as soon as it is told loses no attempt, however little time it has") {
  simulation world(12);
  world.add(sleeper(world, 1h));
  auto settings = simulation::cluster_settings();
  settings.drain_timeout = 0s;
  settings.stop_grace = 0s;
  world.add_node(settings);
  auto const id = world.enqueue(job_of("sleep"));
  world.run_for(5s);
  world.stop(0, 1h);
  world.run_for(5s);
  CHECK(world.processes()[0].how == simulated_process::end::stopped);
  auto const attempts = world.run_sync(world.store().attempts(id));
  REQUIRE(attempts.size() == 1);
  CHECK(attempts[0].outcome == visor::outcome::released);
}

TEST_CASE("the clock of a machine changes nothing but what it says") {
  simulation world(5);
  world.add(sleeper(world, 10s));
  world.add_node();
  world.step_clock(0, -1h);
  CHECK(world.clock().now() - world.clock(0).now() == 1h);
  auto const id = world.enqueue(job_of("sleep"));
  world.run_for(20s);
  auto const attempts = world.run_sync(world.store().attempts(id));
  REQUIRE(attempts.size() == 1);
  CHECK(*attempts[0].started_at < world.runs()[0].began - 59min);
}

TEST_CASE("a call is refused, unanswered or overdue as often as wanted") {
  visor::simulated_faults faults;
  SECTION("refused") { faults.refused = 0.2; }
  SECTION("unanswered") { faults.unanswered = 0.2; }
  SECTION("overdue") { faults.overdue = 0.2; }
  simulation world(6, faults);
  world.add(sleeper(world, 1s));
  world.add_node();
  world.add_node();
  for (int i = 0; i < 50; ++i) {
    world.enqueue(job_of("sleep", 1000));
    world.run_for(10s);
  }
  auto const& counts = world.counts();
  auto const met = counts.refused + counts.unanswered + counts.overdue;
  CHECK(met > counts.calls / 20);
  CHECK(met < counts.calls / 3);
  CHECK(world.rest(1h));
  CHECK(world.acknowledged().size() == 50);
  for (auto const id : world.acknowledged()) CHECK(state_of(world, id) == job_state::completed);
}

TEST_CASE("a node alone on its store has its schedules there, also when a call for that failed") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    visor::simulated_faults faults;
    faults.refused = 0.4;
    simulation world(seed, faults);
    visor::schedule_record schedule;
    schedule.id = "nightly";
    schedule.expression = "0 2 * * *";
    schedule.type = "sleep";
    world.add(schedule);
    world.add(sleeper(world, 1s));
    world.add_node(visor::node_settings());
    world.run_for(10s);
    world.calm();
    world.run_for(1min);
    CHECK(world.run_sync(world.store().find_schedule("nightly")));
  }
}

TEST_CASE("a job that one node of twenty knows begins within a second, and the others leave it alone from then on") {
  simulation world(8);
  world.add(sleeper(world, 1s));
  world.add(visor::job_type("rare", [](job_context&) -> visor::task<> { co_return; }), [](std::size_t machine) { return machine == 7; });
  for (int i = 0; i < 20; ++i) world.add_node();
  world.run_for(1min);
  for (int i = 0; i < 10; ++i) {
    auto const asked = world.clock().now();
    auto const id = world.enqueue(job_of("rare"));
    world.run_for(2s);
    CHECK(state_of(world, id) == job_state::completed);
    REQUIRE(world.runs().size() == static_cast<std::size_t>(i) + 1);
    CHECK(world.runs().back().began - asked < 1s);
    CHECK(world.processes()[world.runs().back().process].machine == 7);
    CHECK(world.runs().back().attempt == 1);
  }
}

TEST_CASE("of two nodes with one name the second is refused, and takes over when the first is silent for longer than its lease") {
  simulation world(9);
  world.add(sleeper(world, 1s));
  auto settings = simulation::cluster_settings();
  settings.name = "one";
  world.add_node(settings);
  world.run_for(1min);
  world.add_node(settings);
  world.run_for(5min);
  CHECK(world.processes()[1].failure.find("is at work on this store") != std::string::npos);
  world.pause(0, 10min);
  world.run_for(20min);
  CHECK(world.processes()[0].how == simulated_process::end::failed);  // it does not take its name back
  CHECK(world.processes()[0].failure.find("is at work on this store") != std::string::npos);
}

TEST_CASE("two nodes with one name that start at once do not both work") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    simulation world(seed);
    auto settings = simulation::cluster_settings();
    settings.name = "one";
    world.add_node(settings);
    world.add_node(settings);
    world.run_for(1s);
    CHECK(world.processes()[0].leases.empty() != world.processes()[1].leases.empty());
  }
}

TEST_CASE("nodes stop when an older state of the store comes back, and their fences grow when visor is told") {
  visor::simulated_faults faults;
  faults.longest_untold = 0s;
  SECTION("told at once") {}
  SECTION("told later") { faults.longest_untold = 5min; }
  simulation world(10, faults);
  world.add(sleeper(world, 8min));
  for (int i = 0; i < 3; ++i) world.add_node();
  auto const kept = world.enqueue(job_of("sleep"));
  world.run_for(1min);
  world.restore_later(5min);
  world.run_for(4min);
  auto const gone = world.enqueue(job_of("sleep"));
  world.run_for(20min);
  CHECK(world.restores().size() == 1);
  CHECK(world.forgotten() == std::set<visor::job_id>{gone});
  for (std::size_t i = 0; i < 3; ++i) {
    auto const& process = world.processes()[i];
    CHECK(process.how == simulated_process::end::failed);
    CHECK(process.failure.find("it was restored from a backup while the node ran") != std::string::npos);
  }
  CHECK(world.rest(1h));
  CHECK(state_of(world, kept) == job_state::completed);
  auto const& runs = world.runs();
  CHECK(std::ranges::count(runs, kept, &visor::simulated_run::job) > 1);
  CHECK(runs.back().fence > std::int64_t{1} << 32);
}

TEST_CASE("no fence and no id is given out twice where one backup is restored twice") {
  visor::simulated_faults faults;
  faults.longest_untold = 0s;
  faults.restored_again = 1;
  faults.longest_backup_age = 1min;
  simulation world(10, faults);
  world.add(sleeper(world, 1s));
  world.add_node();
  world.run_for(1min);
  world.restore_later(1min);
  std::map<visor::job_id, std::set<std::int64_t>> fences;
  std::set<visor::job_id> ids;
  std::size_t given = 0;
  for (int i = 0; i < 60; ++i) {
    world.run_for(3s);
    if (world.restores().empty() || !world.restores().back().told) continue;
    ids.insert(world.enqueue(job_of("sleep")));
    ++given;
  }
  CHECK(world.restores().size() >= 2);
  CHECK(ids.size() == given);
  for (auto const& run : world.runs()) CHECK(fences[run.job].insert(run.fence).second);
}

TEST_CASE("a job that the store refuses to move is dead, and the others of its node run again") {
  simulation world(13);
  world.add(sleeper(world, 1h));
  auto settings = simulation::cluster_settings();
  settings.queues = {visor::queue_settings("default", 3)};
  world.add_node(settings);
  std::vector<visor::job_id> jobs;
  for (int i = 0; i < 3; ++i) jobs.push_back(world.enqueue(job_of("sleep")));
  auto const stuck = jobs[1];
  world.refuse({}, {}, [stuck](visor::job_record const& job, int, job_state to) { return job.id == stuck && to == job_state::ready; });
  world.run_for(10s);
  REQUIRE(world.runs().size() == 3);
  world.add_node(settings);
  world.crash(0, 10min);
  world.run_for(2min);
  CHECK(state_of(world, jobs[0]) == job_state::running);
  CHECK(state_of(world, jobs[1]) == job_state::dead);
  CHECK(state_of(world, jobs[2]) == job_state::running);
  auto const attempts = world.run_sync(world.store().attempts(stuck));
  REQUIRE(attempts.size() == 1);
  CHECK(attempts[0].outcome == visor::outcome::lost);
  CHECK_THAT(attempts[0].error.value_or(""), StartsWith("it cannot be moved: ") && Contains("is refused"));
  CHECK(world.counts().refused_moves == 1);
}

TEST_CASE("a schedule goes on when the clock of the store was ahead and is put back") {
  simulation world(11);
  world.add(visor::job_type("quick", [](job_context&) -> visor::task<> { co_return; }));
  visor::schedule_record schedule;
  schedule.id = "often";
  schedule.expression = "*/10 * * * * *";
  schedule.type = "quick";
  world.add(schedule);
  world.add_node();
  world.run_for(1min);
  world.step_store_clock(5min);
  world.run_for(1min);
  auto const ahead = world.runs().size();
  world.step_store_clock(0s);
  world.run_for(2min);
  CHECK(world.runs().size() >= ahead + 8);
}

TEST_CASE("what goes on for ever without time passing is found", "[slow]") {
  visor::simulated_faults faults;
  faults.usual_call = 0s;
  simulation world(7, faults);
  visor::job_type_options options;
  options.backoff = visor::backoff{visor::backoff_kind::fixed, 0s, 0s};
  world.add(visor::job_type(
      "again",
      [](job_context&) -> visor::task<> {
        throw std::runtime_error("again");
        co_return;
      },
      options));
  auto settings = simulation::cluster_settings();
  settings.completion_delay = 0s;
  world.add_node(settings);
  world.enqueue(job_of("again", 1'000'000'000));
  CHECK_THROWS_AS(world.run_for(1s), std::logic_error);
}
