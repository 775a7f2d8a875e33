#include "visor/simulation.hpp"

#include "simulation/cluster.hpp"
#include "support/catch.hpp"

#include <boost/asio/use_awaitable.hpp>

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

job_state state_of(simulation& world, visor::job_id id) { return world.ask(world.store().find_job(id)).value().state; }

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
  CHECK(world.ask(world.store().attempts(id)).size() == 2);
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

TEST_CASE("the clock of a machine changes nothing but what it says") {
  simulation world(5);
  world.add(sleeper(world, 10s));
  world.add_node();
  world.step_clock(0, -1h);
  CHECK(world.clock().now() - world.clock(0).now() == 1h);
  auto const id = world.enqueue(job_of("sleep"));
  world.run_for(20s);
  auto const attempts = world.ask(world.store().attempts(id));
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
