#include "fake_clock_cluster.hpp"

using namespace visor_test;
using visor::job_context;
using visor::job_state;

TEST_CASE("an idle node stops at once") {
  fake_clock_cluster w;
  auto& node = w.add();
  w.start(node);
  node.engine->stop();
  w.pass(100ms);
  CHECK(node.ended);
  CHECK(w.run_now(w.store.nodes()).at(0).state == visor::node_state::offline);
}

TEST_CASE("draining lets a running job finish and takes no other") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("default", 1)};
  auto& node = w.add(settings);
  node.engine->add(visor::job_type("work", sleeper(w.clock, 10s)));
  w.start(node);
  auto const running = w.enqueue("work");
  auto const waiting = w.enqueue("work");
  w.pass(1s);
  node.engine->stop();
  w.pass(5s);
  CHECK_FALSE(node.ended);
  CHECK(w.run_now(w.store.nodes()).at(0).state == visor::node_state::draining);
  w.pass(5s);
  CHECK(node.ended);
  CHECK(w.state(running) == job_state::completed);
  CHECK(w.state(waiting) == job_state::ready);
}

TEST_CASE("a job that does not end in time is told to stop and released with all its attempts") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("work", sleeper(w.clock, 1h)));
  w.start(node);
  auto const id = w.enqueue("work");
  w.pass(1s);
  node.engine->stop();
  w.pass(29s);
  CHECK_FALSE(node.ended);
  w.pass(2s);
  CHECK(node.ended);
  CHECK(node.logged("1 jobs did not end within 30s (drain_timeout) and are told to stop"));
  CHECK(w.state(id) == job_state::ready);
  REQUIRE(w.attempts(id).size() == 1);
  CHECK(w.attempts(id)[0].outcome == visor::outcome::released);
  CHECK(w.run_now(w.store.find_job(id))->job.uncounted == 1);
  CHECK(node.engine->counters().released == 1);
}

TEST_CASE("a second stop waits for nobody") {
  fake_clock_cluster w;
  auto& node = w.add();
  node.engine->add(visor::job_type("work", sleeper(w.clock, 1h)));
  w.start(node);
  auto const id = w.enqueue("work");
  w.pass(1s);
  node.engine->stop();
  w.pass(1s);
  node.engine->stop();
  w.pass(100ms);
  CHECK(node.ended);
  CHECK(w.state(id) == job_state::ready);
}

TEST_CASE("a second stop waits no longer than the grace for a job that ignores it") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.poll_interval = 1h;
  settings.drain_timeout = 24h;
  auto& node = w.add(settings);
  auto const clock = w.clock;
  node.engine->add(visor::job_type("deaf", [clock](job_context& job) -> visor::task<> {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    visor::manual_clock::timer timer{job.executor(), clock};
    auto wait = timer.async_wait_for(48h, boost::asio::use_awaitable);
    co_await std::move(wait);
  }));
  w.start(node);
  auto const id = w.enqueue("deaf");
  w.pass(1s);
  node.engine->stop();
  w.pass(1min);
  node.engine->stop();
  w.pass(4s);
  CHECK_FALSE(node.ended);
  w.pass(2s);
  REQUIRE(node.ended);
  CHECK(w.state(id) == job_state::ready);
  node.engine.reset();
  w.pass(50h);  // what was left behind ends while its clock is there
}

TEST_CASE("a job that ignores everything is left behind, and what it says later does not count") {
  fake_clock_cluster w;
  auto& node = w.add();
  std::unique_ptr<visor::manual_clock::timer> deaf;
  auto const clock = w.clock;
  node.engine->add(visor::job_type("deaf", [&, clock](job_context& job) -> visor::task<> {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    deaf = std::make_unique<visor::manual_clock::timer>(job.executor(), clock);
    auto wait = deaf->async_wait_for(1h, boost::asio::use_awaitable);
    co_await std::move(wait);
  }));
  w.start(node);
  auto const id = w.enqueue("deaf");
  w.pass(1s);
  node.engine->stop();
  w.pass(36s);
  CHECK(node.ended);
  CHECK(node.logged("left behind"));
  CHECK(w.state(id) == job_state::ready);
  node.engine.reset();
  w.pass(2h);
  CHECK(w.state(id) == job_state::ready);
  REQUIRE(w.attempts(id).size() == 1);
  CHECK(w.attempts(id)[0].outcome == visor::outcome::lost);  // its next run has a larger fence
}

TEST_CASE("a drain ends although a job whose lease was lost ignores everything") {
  fake_clock_cluster w;
  auto& node = w.add();
  std::unique_ptr<visor::manual_clock::timer> deaf;
  auto const clock = w.clock;
  node.engine->add(visor::job_type("deaf", [&, clock](job_context& job) -> visor::task<> {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    deaf = std::make_unique<visor::manual_clock::timer>(job.executor(), clock);
    auto wait = deaf->async_wait_for(1h, boost::asio::use_awaitable);
    co_await std::move(wait);
  }));
  w.start(node);
  auto const id = w.enqueue("deaf");
  w.pass(1s);
  auto const was = w.run_now(w.store.nodes()).at(0);
  std::optional<visor::node_lease> evicted(std::in_place, was.name, was.epoch, was.lease_until);
  CHECK(w.run_now(w.store.recover(evicted)).size() == 1);
  w.pass(1min);
  REQUIRE(node.engine->counters().lost_leases == 1);
  CHECK(w.attempts(id).at(0).outcome == visor::outcome::lost);
  node.engine->stop();
  w.pass(34s);
  CHECK_FALSE(node.ended);  // the slot is taken: it is waited for like any other
  w.pass(2s);
  CHECK(node.ended);
  CHECK(node.logged("1 jobs ignore that they are told to stop and are left behind"));
}
