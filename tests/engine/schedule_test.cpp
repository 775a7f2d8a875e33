#include "world.hpp"

using namespace visor_test;
using visor::job_context;
using visor::job_state;

namespace {

visor::job_type counting(int& runs) {
  return visor::job_type("tick", [&runs](job_context&) -> visor::task<> {
    ++runs;
    co_return;
  });
}

}  // namespace

TEST_CASE("a schedule fires at every planned instant, once") {
  world w;
  auto& node = w.add();
  int runs = 0;
  node.engine->add(counting(runs));
  node.engine->add(schedule("minutely", "* * * * *", "tick"));
  w.start(node);
  w.pass(10min + 1s);
  CHECK(runs == 10);
  auto const fires = w.run_now(w.store.fires("minutely", 100));
  REQUIRE(fires.size() == 10);
  CHECK(visor::to_string(fires[9].planned_at) == "2026-01-01T00:01:00Z");
  CHECK(visor::to_string(fires[0].planned_at) == "2026-01-01T00:10:00Z");
  for (auto const& fire : fires) CHECK(fire.fired_at - fire.planned_at < 100ms);
  w.stop_all();
}

TEST_CASE("a job forty days ahead runs in forty days") {
  world w;
  auto how = world::settings();
  how.poll_interval = 10min;  // forty days of polling every two seconds would take minutes under a sanitizer
  how.lease_ttl = 1h;
  how.heartbeat_interval = 10min;
  auto& node = w.add(how);
  int runs = 0;
  node.engine->add(counting(runs));
  auto once = schedule("later", "", "tick");
  once.next_at = w.clock.now() + 24h * 40;
  node.engine->add(once);
  w.start(node);
  w.pass(24h * 39);
  CHECK(runs == 0);
  w.pass(24h * 1);
  CHECK(runs == 1);
  CHECK(w.run_now(w.store.find_schedule("later"))->state == visor::schedule_state::completed);
  w.pass(24h * 2);
  CHECK(runs == 1);
  w.stop_all();
}

TEST_CASE("what was missed while no node was there follows the policy") {
  world w;
  int runs = 0;
  auto const down_for_an_hour = [&](visor::misfire policy) {
    auto minutely = schedule("minutely", "* * * * *", "tick");
    minutely.misfire = policy;
    minutely.misfire_window = 10min;
    auto& before = w.add(world::settings("before"));
    before.engine->add(counting(runs));
    before.engine->add(minutely);
    w.start(before);
    w.pass(2min + 1s);
    before.engine->stop();
    w.pass(1s);
    REQUIRE(before.ended);
    w.pass(1h + 40s);
    runs = 0;
    auto& after = w.add(world::settings("after"));
    after.engine->add(counting(runs));
    after.engine->add(minutely);
    w.start(after);
    w.pass(1s);
    bool const told = after.logged("schedule minutely was due from ") && after.logged("is not made up for");
    CHECK(told == (policy != visor::misfire::all));
    w.stop_all();
  };
  SECTION("skip") {
    down_for_an_hour(visor::misfire::skip);
    CHECK(runs <= 2);  // the drain lets two minutes pass in which it may fire on time
  }
  SECTION("latest") {
    down_for_an_hour(visor::misfire::latest);
    CHECK(runs == 1);
  }
  SECTION("all") {
    down_for_an_hour(visor::misfire::all);
    CHECK(runs == 60);
  }
  SECTION("window") {
    down_for_an_hour(visor::misfire::window);
    CHECK(runs == 10);
  }
}

TEST_CASE("the overlap policy decides what a fire beside a running job does") {
  world w;
  auto& node = w.add();
  int begun = 0;
  auto const clock = w.clock;
  node.engine->add(visor::job_type("slow", [&, clock](job_context& job) -> visor::task<> {
    ++begun;
    visor::manual_clock::timer timer{job.executor(), clock};
    auto wait = timer.async_wait_for(150s, boost::asio::use_awaitable);
    co_await std::move(wait);
  }));
  auto minutely = schedule("minutely", "* * * * *", "slow");
  auto const run = [&](visor::overlap policy) {
    minutely.overlap = policy;
    node.engine->add(minutely);
    w.start(node);
    w.pass(4min + 1s);  // fires at 1, 2, 3, 4
  };
  auto const finish = [&] {
    node.engine->stop();
    w.pass(5min);
    REQUIRE(node.ended);
  };
  SECTION("allow") {
    run(visor::overlap::allow);
    CHECK(begun == 4);
    finish();
  }
  SECTION("skip") {
    run(visor::overlap::skip);
    CHECK(begun == 2);  // at 1, and at 4 since that of 1 ended at 3.5
    auto const fires = w.run_now(w.store.fires("minutely", 10));
    REQUIRE(fires.size() == 4);
    CHECK(fires[1].result == visor::fire_result::skipped);
    CHECK(fires[2].result == visor::fire_result::skipped);
    finish();
  }
  SECTION("queue") {
    run(visor::overlap::queue);
    CHECK(begun == 2);  // at 1, that of 2 waits until 3.5, that of 3 is skipped, that of 4 waits
    w.pass(2min);       // that of 2 ends at 6
    CHECK(begun == 3);
    finish();
  }
  SECTION("cancel") {
    run(visor::overlap::cancel);
    w.pass(3s);
    CHECK(begun == 4);
    auto const jobs = w.run_now(w.store.jobs(visor::job_filter()));
    REQUIRE(jobs.size() == 4);
    CHECK(jobs[0].state == job_state::running);
    for (std::size_t i = 1; i < 4; ++i) CHECK(jobs[i].state == job_state::cancelled);
    finish();
  }
}

TEST_CASE("a schedule that cannot be computed is paused with the reason and holds up no other") {
  world w;
  auto broken = schedule("broken", "* * * * *", "tick");
  broken.origin = visor::origin::user;
  broken.zone = "Mars/Olympus_Mons";
  broken.next_at = w.clock.now();
  w.run_now(w.store.add_schedule(broken));
  auto& node = w.add();
  int runs = 0;
  node.engine->add(counting(runs));
  node.engine->add(schedule("minutely", "* * * * *", "tick"));
  w.start(node);
  w.pass(1min + 1s);
  CHECK(runs == 1);
  auto const now = w.run_now(w.store.find_schedule("broken")).value();
  CHECK(now.state == visor::schedule_state::paused);
  CHECK(now.last_error.value().find("Mars/Olympus_Mons") != std::string::npos);
  w.stop_all();
}

TEST_CASE("a schedule with a wrong expression or zone is refused when it is added") {
  world w;
  auto& node = w.add();
  CHECK_THROWS_AS(node.engine->add(schedule("x", "61 * * * *", "tick")), visor::error);
  CHECK_THROWS_AS(node.engine->add(schedule("x", "", "tick")), visor::error);
  auto nowhere = schedule("x", "* * * * *", "tick");
  nowhere.zone = "Nowhere/Land";
  CHECK_THROWS_AS(node.engine->add(nowhere), visor::error);
}

TEST_CASE("a restart keeps the schedules that are as before and removes those that are gone") {
  world w;
  int runs = 0;
  auto& first = w.add(world::settings("first"));
  first.engine->add(counting(runs));
  first.engine->add(schedule("stays", "0 0 1 1 *", "tick"));
  first.engine->add(schedule("goes", "0 0 1 1 *", "tick"));
  w.start(first);
  w.stop_all();
  auto& second = w.add(world::settings("second"));
  second.engine->add(counting(runs));
  second.engine->add(schedule("stays", "0 0 1 1 *", "tick"));
  w.start(second);
  w.pass(1s);
  CHECK(second.logged("0 added, 0 changed, 1 removed, 1 as before"));
  CHECK_FALSE(w.run_now(w.store.find_schedule("goes")));
  w.stop_all();
}
