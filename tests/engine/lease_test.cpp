#include "world.hpp"

using namespace visor_test;
using visor::job_context;
using visor::job_state;

TEST_CASE("a second exclusive node on the same machine is refused with the name of the first") {
  world w;
  auto& first = w.add(world::settings("first"));
  w.start(first);
  // Of the same process; an address that differs only in the start of the process would be one that is gone.
  auto const lease = w.run_now(w.store.nodes()).at(0);
  CHECK(lease.exclusive);
  visor::join_request other;
  other.node = "other";
  other.exclusive = true;
  CHECK_THROWS_AS(w.run_now(w.store.join(other)), visor::error);
  w.stop_all();
}

TEST_CASE("a second exclusive engine of the same process is refused") {
  world w;
  auto& first = w.add(world::settings("first"));
  w.start(first);
  auto& second = w.add(world::settings("second"));
  w.start(second);
  CHECK(second.ended);  // no time has passed
  CHECK_THAT(second.failure, StartsWith("node first ("));
  CHECK_FALSE(first.ended);
  CHECK(w.run_now(w.store.nodes()).size() == 1);
  w.stop_all();
}

TEST_CASE("a second engine of the same name is refused, also in the same process") {
  world w;
  auto settings = world::settings();
  settings.exclusive = GENERATE(true, false);
  auto& first = w.add(settings);
  w.start(first);
  auto& second = w.add(settings);
  w.start(second);
  CHECK(second.ended);
  CHECK_THAT(second.failure, StartsWith("node one ("));
  w.pass(1min);
  CHECK(first.engine->counters().lost_leases == 0);
  w.stop_all();
}

TEST_CASE("a node that another one got ahead of looks again after a pause") {
  world w;
  int tries = 0;
  w.store.before_join = [&] {
    if (++tries <= 5) throw visor::error(visor::condition::lease_held, "another node was first");
  };
  auto& node = w.add();
  w.start(node);
  CHECK(tries == 1);
  CHECK_FALSE(node.ended);
  SECTION("until it gets in") {
    w.pass(1s);
    CHECK(tries == 6);
    CHECK(w.run_now(w.store.nodes()).size() == 1);
    w.stop_all();
  }
  SECTION("until it is stopped") {
    node.engine->stop();
    w.settle();
    CHECK(node.ended);
    CHECK(node.failure.empty());
    CHECK(tries == 1);
  }
}

TEST_CASE("an exclusive node whose process is gone is evicted and its jobs run again") {
  world w;
  auto gone = visor::process_identity::current();
  gone.start = "1";
  visor::join_request request;
  request.node = "gone";
  request.address = gone.text();
  request.exclusive = true;
  request.ttl = 1h;
  auto const lease = w.run_now(w.store.join(request));
  auto const id = w.enqueue("work", 2);
  std::vector<visor::claim_request> const wanted{visor::claim_request()};
  REQUIRE(w.run_now(w.store.exchange(lease, {}, {}, wanted)).claims.size() == 1);
  CHECK(w.state(id) == job_state::running);

  auto& node = w.add();
  node.engine->add(visor::job_type("work", [](job_context&) -> visor::task<> { co_return; }));
  w.start(node);
  w.pass(1s);
  CHECK(node.logged("taking over"));
  CHECK(w.state(id) == job_state::completed);
  auto const tries = w.attempts(id);
  REQUIRE(tries.size() == 2);
  CHECK(tries[0].outcome == visor::outcome::lost);
  CHECK(tries[1].number == 2);
  w.stop_all();
}

TEST_CASE("the end of the lease of an unknown exclusive node is waited for") {
  world w;
  visor::join_request request;
  request.node = "elsewhere";
  request.address = "another-host pid 1 start 1 boot x space y";
  request.exclusive = true;
  request.ttl = 1min;
  auto lease = w.run_now(w.store.join(request));
  auto& node = w.add();
  w.start(node);
  w.pass(30s);
  CHECK(node.logged("waiting"));
  SECTION("it was dead") {
    w.pass(31s);
    CHECK(w.run_now(w.store.nodes()).size() == 2);
    CHECK_FALSE(node.ended);
    w.stop_all();
  }
  SECTION("it was alive") {
    lease = w.run_now(w.store.renew(lease, 1min, visor::node_state::online));
    w.pass(31s);
    CHECK(node.ended);
    CHECK(node.failure.find("elsewhere") != std::string::npos);
  }
  SECTION("nobody wants to wait any more") {
    node.engine->stop();
    w.settle();
    CHECK(node.ended);
    CHECK(node.failure.empty());
    CHECK(w.run_now(w.store.nodes()).size() == 1);
  }
}

TEST_CASE("an exclusive node takes over from one of another name whose lease had run out before it began") {
  world w;
  visor::join_request request;
  request.node = "elsewhere";
  request.address = "another-host pid 1 start 1 boot x space y";
  request.exclusive = true;
  request.ttl = 1min;
  auto const lease = w.run_now(w.store.join(request));
  auto const id = w.enqueue("work", 2);
  std::vector<visor::claim_request> const wanted{visor::claim_request()};
  REQUIRE(w.run_now(w.store.exchange(lease, {}, {}, wanted)).claims.size() == 1);
  w.pass(2min);
  auto& node = w.add();
  node.engine->add(visor::job_type("work", [](job_context&) -> visor::task<> { co_return; }));
  w.start(node);
  w.pass(1s);
  CHECK(w.state(id) == job_state::completed);
  CHECK(w.attempts(id).size() == 2);
  w.stop_all();
}

TEST_CASE("a node renews its lease for as long as it runs") {
  world w;
  auto& node = w.add();
  w.start(node);
  for (int i = 0; i < 100; ++i) {
    w.pass(7s);
    CHECK(w.run_now(w.store.nodes()).at(0).lease_until > w.clock.now() + 40s);
  }
  CHECK(node.engine->counters().lost_leases == 0);
  w.stop_all();
}

TEST_CASE("stepping the clock back does not stop the heartbeat") {
  world w;
  auto& node = w.add();
  w.start(node);
  w.pass(1min);
  w.clock.step_to(w.clock.now() - 1h);
  w.pass(5min);
  auto const now = w.run_now(w.store.nodes()).at(0);
  CHECK(now.lease_until > w.clock.now() + 40s);
  w.stop_all();
}

TEST_CASE("a node that others gave up stops its jobs, refuses their results and comes back under a new epoch") {
  world w;
  auto settings = world::settings();
  settings.exclusive = false;
  auto& node = w.add(settings);
  int begun = 0;
  std::vector<visor::stop_reason> reasons;
  auto const clock = w.clock;
  node.engine->add(visor::job_type("work", [&, clock](job_context& job) -> visor::task<> {
    ++begun;
    visor::manual_clock::timer timer{job.executor(), clock};
    auto wait = timer.async_wait_for(20s, boost::asio::as_tuple(boost::asio::use_awaitable));
    co_await std::move(wait);
    reasons.push_back(job.why_stopped());
  }));
  w.start(node);
  auto const id = w.enqueue("work", 3);
  w.pass(1s);
  CHECK(begun == 1);
  auto const was = w.run_now(w.store.nodes()).at(0);
  std::optional<visor::node_lease> evicted(std::in_place, was.name, was.epoch, was.lease_until);
  CHECK(w.run_now(w.store.recover(evicted)).size() == 1);
  w.pass(1min);
  CHECK(node.engine->counters().lost_leases == 1);
  REQUIRE(reasons.size() == 2);
  CHECK(reasons[0] == visor::stop_reason::lease_lost);
  CHECK(reasons[1] == visor::stop_reason::none);
  CHECK(w.state(id) == job_state::completed);
  auto const tries = w.attempts(id);
  REQUIRE(tries.size() == 2);
  CHECK(tries[0].outcome == visor::outcome::lost);
  CHECK(tries[1].outcome == visor::outcome::completed);
  CHECK(tries[1].epoch.value() > tries[0].epoch.value());
  w.stop_all();
}

TEST_CASE("a node whose lease ran out while it stood still gives up what it ran") {
  world w;
  auto settings = world::settings();
  settings.exclusive = false;
  auto& node = w.add(settings);
  node.engine->add(visor::job_type("work", sleeper(w.clock, 3h)));
  w.start(node);
  auto const id = w.enqueue("work", 5);
  w.pass(1s);
  w.clock.advance(1h);  // nothing ran meanwhile, as after SIGSTOP
  w.pass(1min);
  CHECK(node.engine->counters().lost_leases == 1);
  CHECK(w.attempts(id).at(0).outcome == visor::outcome::lost);
  CHECK(w.state(id) == job_state::running);
  node.engine->stop();
  w.pass(1min);
  CHECK(node.ended);
}

TEST_CASE("two nodes share the work and take over from each other") {
  world w;
  int runs = 0;
  auto const make = [&](std::string name) -> world::node& {
    auto settings = world::settings(std::move(name));
    settings.exclusive = false;
    auto& node = w.add(settings);
    node.engine->add(visor::job_type("tick", [&](job_context&) -> visor::task<> {
      ++runs;
      co_return;
    }));
    node.engine->add(schedule("every-second", "* * * * * *", "tick"));
    return node;
  };
  auto& one = make("one");
  auto& two = make("two");
  w.start(one);
  w.start(two);
  w.pass(60s + 100ms);
  CHECK(runs == 60);
  one.engine->stop();
  w.pass(60s);
  CHECK(one.ended);
  CHECK(runs == 120);
  w.stop_all();
}
