#include "fake_clock_cluster.hpp"

#include "support/catch.hpp"

// Work of a node for other nodes, and requests of other nodes to it.
namespace visor_test {
namespace {

/// A node that is there by its lease alone, and has taken a job.
visor::node_lease taken_by(fake_clock_cluster& w, std::string name, visor::duration ttl) {
  visor::join_request request;
  request.node = std::move(name);
  request.ttl = ttl;
  auto const lease = w.run_now(w.store.join(request));
  std::vector<visor::claim_request> const one{visor::claim_request("default", 1)};
  auto const got = w.run_now(w.store.exchange(lease, {}, {}, one));
  REQUIRE(got.claims.size() == 1);
  return lease;
}

visor::job_id enqueue_in(fake_clock_cluster& w, std::string queue) {
  std::vector<visor::new_job> jobs(1);
  jobs[0].id = w.run_now(w.store.reserve_ids(1)).take();
  jobs[0].type = "work";
  jobs[0].queue = std::move(queue);
  w.run_now(w.store.enqueue(jobs));
  w.settle();
  return jobs[0].id;
}

visor::handler nothing() {
  return [](visor::job_context&) -> visor::task<> { co_return; };
}

}  // namespace

TEST_CASE("the jobs of a node that is gone are taken over when its lease ends, not at the next heartbeat") {
  fake_clock_cluster w;
  auto const id = w.enqueue("work", 2);
  taken_by(w, "gone", 20s);
  auto& node = w.add(fake_clock_cluster::beside_others());
  node.engine->add(visor::job_type("work", nothing()));
  w.start(node);
  w.pass(20s - 1ms);
  CHECK(w.state(id) == visor::job_state::running);
  w.pass(100ms);
  CHECK(w.state(id) == visor::job_state::completed);
  CHECK(node.logged("took over from node gone"));
  w.stop_all();
}

TEST_CASE("nodes that live are not looked at more often than they say so") {
  fake_clock_cluster w;
  auto& one = w.add(fake_clock_cluster::beside_others("one"));
  auto& two = w.add(fake_clock_cluster::beside_others("two"));
  w.start(one);
  w.pass(7s);
  w.start(two);
  w.pass(10min);
  // A lease that ends 60 s after its last heartbeat, which is 15 s ago at most, never ends before the next heartbeat of another.
  for (auto const& each : w.run_now(w.store.nodes())) CHECK(each.lease_until > w.clock.now() + 44s);
  CHECK(one.engine->counters().lost_leases + two.engine->counters().lost_leases == 0);
  w.stop_all();
}

TEST_CASE("a node takes the jobs that need what it has, and its slots are for both kinds") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("default", 2)};
  settings.capabilities = {"gpu", "tape"};
  auto& node = w.add(settings);
  int most = 0, now = 0;
  auto const clock = w.clock;
  node.engine->add(visor::job_type("work", [&, clock](visor::job_context& job) -> visor::task<> {
    most = std::max(most, ++now);
    visor::manual_clock::timer timer{job.executor(), clock};
    auto wait = timer.async_wait_for(1s, boost::asio::use_awaitable);
    co_await std::move(wait);
    --now;
  }));
  std::vector<visor::job_id> ids;
  for (int i = 0; i < 8; ++i)
    for (std::string const queue : {"default", "default+gpu", "default+tape"}) ids.push_back(enqueue_in(w, queue));
  auto const other = enqueue_in(w, "default+vector");
  auto const elsewhere = enqueue_in(w, "mail+gpu");
  w.start(node);
  w.pass(2s);
  int of_gpu = 0;
  for (auto const id : ids) of_gpu += w.state(id) != visor::job_state::ready ? 1 : 0;
  CHECK(of_gpu <= 6);
  w.pass(1min);
  for (auto const id : ids) CHECK(w.state(id) == visor::job_state::completed);
  CHECK(most == 2);
  CHECK(w.state(other) == visor::job_state::ready);
  CHECK(w.state(elsewhere) == visor::job_state::ready);
  w.stop_all();
}

TEST_CASE("no kind of job of a queue keeps the others from their turn") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.queues = {visor::queue_settings("default", 1)};
  settings.capabilities = {"gpu"};
  auto& node = w.add(settings);
  node.engine->add(visor::job_type("work", sleeper(w.clock, 1s)));
  std::vector<visor::job_id> plain;
  for (int i = 0; i < 30; ++i) {
    plain.push_back(enqueue_in(w, "default"));
    enqueue_in(w, "default+gpu");
  }
  auto const last = plain.at(9);
  w.start(node);
  w.pass(25s);
  CHECK(w.state(last) == visor::job_state::completed);
  CHECK(w.state(last + 1) == visor::job_state::completed);
  w.pass(60s);
  w.stop_all();
}

TEST_CASE("a node of which that is wanted takes no more work and fires nothing, until it may again") {
  bool const exclusive = GENERATE(true, false);
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
  settings.exclusive = exclusive;
  auto& node = w.add(settings);
  int runs = 0;
  node.engine->add(visor::job_type("tick", [&](visor::job_context&) -> visor::task<> {
    ++runs;
    co_return;
  }));
  node.engine->add(schedule("every-second", "* * * * * *", "tick"));
  w.start(node);
  w.pass(10s);
  CHECK(runs == 10);
  w.run_now(w.store.request_state("one", visor::requested_state::drain));
  w.pass(15s);  // a heartbeat
  int const before = runs;
  CHECK(before < 25);
  auto const id = w.enqueue("tick");
  w.pass(30s);
  CHECK(runs == before);
  CHECK(w.state(id) == visor::job_state::ready);
  CHECK(w.run_now(w.store.nodes()).at(0).state == visor::node_state::draining);
  // Also when it loses its lease meanwhile.
  auto const read = w.run_now(w.store.nodes()).at(0);
  std::optional<visor::node_lease> evicted(std::in_place, read.name, read.epoch, read.lease_until);
  CHECK(w.run_now(w.store.recover(evicted)).size() == 1);
  w.pass(40s);
  CHECK(w.run_now(w.store.nodes()).at(0).epoch > read.epoch);
  CHECK(runs == before);
  w.run_now(w.store.request_state("one", std::nullopt));
  w.pass(20s);
  CHECK(w.state(id) == visor::job_state::completed);
  CHECK(runs > before + 2);
  CHECK(w.run_now(w.store.nodes()).at(0).state == visor::node_state::online);
  w.stop_all();
}

TEST_CASE("a capability has a name") {
  auto settings = fake_clock_cluster::settings();
  settings.capabilities = {"a+b"};
  CHECK_THROWS_AS(settings.check(), visor::error);
  settings.capabilities = {""};
  CHECK_THROWS_AS(settings.check(), visor::error);
  settings.capabilities = {"gpu"};
  settings.queues = {visor::queue_settings("a,b", 1)};
  CHECK_THROWS_AS(settings.check(), visor::error);
}

}  // namespace visor_test
