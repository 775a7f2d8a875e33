#include "fake_clock_cluster.hpp"

using namespace visor_test;
using visor::job_context;
using visor::job_state;

TEST_CASE("a second exclusive node on the same machine is refused with the name of the first") {
  fake_clock_cluster w;
  auto& first = w.add(fake_clock_cluster::settings("first"));
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
  fake_clock_cluster w;
  auto& first = w.add(fake_clock_cluster::settings("first"));
  w.start(first);
  auto& second = w.add(fake_clock_cluster::settings("second"));
  w.start(second);
  CHECK(second.ended);  // no time has passed
  CHECK_THAT(second.failure, StartsWith("node first ("));
  CHECK_FALSE(first.ended);
  CHECK(w.run_now(w.store.nodes()).size() == 1);
  w.stop_all();
}

TEST_CASE("a second engine of the same name is refused, also in the same process") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
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
  fake_clock_cluster w;
  int tries = 0;
  w.store.before_join = [&] {
    if (++tries <= 5) throw visor::error(visor::errc::lease_held, "another node was first");
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
  fake_clock_cluster w;
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

TEST_CASE("whether the process of an exclusive node lives is known by its lock, whatever its address and lease say") {
  fake_clock_cluster w;
  visor::join_request request;
  request.node = "elsewhere";
  request.address = "another-host pid 1 start 1 boot x space y";
  request.exclusive = true;
  request.ttl = 1h;
  w.run_now(w.store.join(request));
  visor::node_claim answer;
  int claims = 0;
  w.store.claim = [&] {
    ++claims;
    return answer;
  };
  auto& node = w.add();

  SECTION("it is gone: the node takes over at once, and keeps the lock until it has left") {
    auto const lock = std::make_shared<int>();
    answer.is_taken = false;
    answer.lock = lock;
    w.start(node);
    CHECK_FALSE(node.ended);
    CHECK(node.logged("taking over"));
    answer.lock.reset();
    CHECK(lock.use_count() == 2);
    w.stop_all();
    CHECK(lock.use_count() == 1);
  }
  SECTION("it lives, although its lease has run out: the node is refused") {
    answer.is_taken = true;
    answer.holder = "node elsewhere (other pid 1)";
    w.pass(2h);
    w.start(node);
    w.pass(2s);
    CHECK(node.ended);
    CHECK_THAT(node.failure, StartsWith("node elsewhere (other pid 1) is at work"));
    CHECK(claims > 2);
    CHECK(w.run_now(w.store.nodes()).size() == 1);
  }
  SECTION("it is at its end: the node waits for that") {
    answer.is_taken = true;
    w.start(node);
    w.pass(200ms);
    CHECK_FALSE(node.ended);
    answer.is_taken = false;
    w.pass(200ms);
    CHECK(node.logged("taking over"));
    w.stop_all();
  }
}

TEST_CASE("nodes that tolerate others claim nothing") {
  fake_clock_cluster w;
  int claims = 0;
  w.store.claim = [&] {
    ++claims;
    return visor::node_claim();
  };
  w.start(w.add(fake_clock_cluster::beside_others("one")));
  w.start(w.add(fake_clock_cluster::beside_others("two")));
  CHECK(claims == 0);
  w.stop_all();
}

namespace {

/// A heartbeat of a node that is not one of the cluster's.
visor::renewal beat() {
  visor::renewal how;
  how.ttl = 1min;
  return how;
}

}  // namespace

TEST_CASE("the end of the lease of an unknown exclusive node is waited for") {
  fake_clock_cluster w;
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
    lease = w.run_now(w.store.renew(lease, beat()));
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
  fake_clock_cluster w;
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
  CHECK(node.logged("node elsewhere (another-host pid 1) was the only one, and its lease ended at "));
  CHECK(node.lines.end() != std::ranges::find(node.lines, "took over from node elsewhere (epoch 1): 1 jobs run again"));
  w.stop_all();
}

TEST_CASE("a node looks every two minutes for what lapsed nodes hold, also one that is alone, unless its own heartbeat is late") {
  fake_clock_cluster w;
  bool const is_alone = GENERATE(true, false);
  auto settings = fake_clock_cluster::settings();
  settings.exclusive = is_alone;
  auto& node = w.add(settings);
  w.start(node);
  w.pass(1min);
  int const at_start = w.store.recoveries;
  w.pass(9min);
  CHECK(w.store.recoveries >= at_start + 3);
  CHECK(w.store.recoveries <= at_start + 6);
  if (is_alone) {
    w.store.before_renew = [] { throw visor::error(visor::errc::busy, "too late"); };
    w.pass(1min);
    int const before = w.store.recoveries;
    w.pass(10min);
    CHECK(w.store.recoveries == before);
    w.store.before_renew = {};
  }
  w.pass(1min);
  CHECK(node.engine->counters().lost_leases == 0);
  w.stop_all();
}

TEST_CASE("a node renews its lease for as long as it runs") {
  fake_clock_cluster w;
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
  fake_clock_cluster w;
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
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
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

namespace {

/// A node beside others with one job, and how often and why it was told to stop.
struct job_that_listens {
  explicit job_that_listens(fake_clock_cluster& in, visor::node_settings settings = fake_clock_cluster::beside_others(),
                            visor::duration length = 1h)
      : w(in), node(w.add(std::move(settings))) {
    auto const clock = w.clock;
    node.engine->add(visor::job_type("work", [this, clock, length](job_context& job) -> visor::task<> {
      fences.push_back(job.fence());
      visor::manual_clock::timer timer{job.executor(), clock};
      auto wait = timer.async_wait_for(length, boost::asio::as_tuple(boost::asio::use_awaitable));
      co_await std::move(wait);
      reasons.push_back(job.why_stopped());
      if (job.stop_requested() && !finishes_when_told) throw std::runtime_error("told to stop");
    }));
    w.start(node);
    id = w.enqueue("work");
    w.pass(1s);
  }

  fake_clock_cluster& w;
  fake_clock_cluster::node& node;
  visor::job_id id = 0;
  bool finishes_when_told = false;
  std::vector<visor::stop_reason> reasons;
  std::vector<std::int64_t> fences;
};

/// No heartbeat gets through.
void refuse_beats(store_type& store) {
  store.before_renew = [] { throw visor::error(visor::errc::busy, "somebody locked the table of nodes"); };
}

}  // namespace

TEST_CASE("a lease that cannot be renewed tells its jobs to stop before it ends") {
  fake_clock_cluster w;
  job_that_listens job(w);
  refuse_beats(w.store);
  visor::instant const end = w.run_now(w.store.nodes()).at(0).lease_until;
  w.pass(end - w.clock.now() - 6s);
  CHECK(job.reasons.empty());
  w.pass(2s);  // stop_grace is 5 s
  CHECK(job.reasons == std::vector{visor::stop_reason::lease_ending});
  CHECK(job.node.engine->counters().lost_leases == 0);
  w.pass(5s);
  CHECK(job.node.engine->counters().lost_leases == 1);
  w.store.before_renew = {};
  w.stop_all();
}

TEST_CASE("a heartbeat that gets through at the last moment saves what jobs did when they were told to stop") {
  fake_clock_cluster w;
  job_that_listens job(w);
  job.finishes_when_told = GENERATE(true, false);
  refuse_beats(w.store);
  for (int i = 0; i < 120 && job.reasons.empty(); ++i) w.pass(500ms);
  REQUIRE(job.reasons == std::vector{visor::stop_reason::lease_ending});
  CHECK(job.node.engine->counters().lost_leases == 0);
  w.store.before_renew = {};
  w.pass(3s);
  CHECK(job.node.engine->counters().lost_leases == 0);
  if (job.finishes_when_told) {
    CHECK(w.state(job.id) == job_state::completed);
    CHECK(w.attempts(job.id).size() == 1);
  } else {
    CHECK(w.state(job.id) == job_state::running);  // again, though it may have one attempt
    REQUIRE(w.attempts(job.id).size() == 1);
    CHECK(w.attempts(job.id)[0].outcome == visor::outcome::released);
    CHECK(job.fences == std::vector<std::int64_t>{1, 2});
  }
  w.stop_all();
}

TEST_CASE("a heartbeat whose answer comes after the deadline leaves no job behind") {
  fake_clock_cluster w;
  job_that_listens job(w);
  w.store.renew_takes = 58s;  // the heartbeat 15 s after the join is answered when the lease has been given up
  w.pass(75s);
  REQUIRE(job.node.engine->counters().lost_leases == 1);
  w.store.renew_takes = 0s;
  w.pass(30s);
  REQUIRE(w.attempts(job.id).size() == 1);
  CHECK(w.attempts(job.id)[0].outcome == visor::outcome::released);
  CHECK(w.state(job.id) == job_state::running);
  CHECK(job.fences == std::vector<std::int64_t>{1, 2});
  w.stop_all();
}

TEST_CASE("nothing that happens to an exclusive node on its own cancels its jobs") {
  fake_clock_cluster w;
  job_that_listens job(w, fake_clock_cluster::settings(), 10h);
  SECTION("its heartbeats are late") {
    refuse_beats(w.store);
    w.pass(1h);
    w.store.before_renew = {};
  }
  SECTION("its machine is suspended") { w.clock.suspend(3h); }
  SECTION("its clock is stepped ahead, and back") {
    w.clock.step_to(w.clock.now() + 48h);
    w.pass(1min);
    w.clock.step_to(w.clock.now() - 48h);
  }
  SECTION("it stands still") { w.clock.advance(3h); }
  w.pass(1min);
  CHECK(job.reasons.empty());
  CHECK(job.node.engine->counters().lost_leases == 0);
  CHECK(w.state(job.id) == job_state::running);
  w.pass(10h);
  CHECK(w.state(job.id) == job_state::completed);
  CHECK(w.attempts(job.id).size() == 1);
  w.stop_all();
}

TEST_CASE("a node beside others counts the time for which its machine was suspended") {
  fake_clock_cluster w;
  job_that_listens job(w);
  w.clock.suspend(3min);
  w.pass(3s);
  CHECK(job.reasons.size() == 1);
  CHECK(job.node.engine->counters().lost_leases == 1);
  w.stop_all();
}

TEST_CASE("an exclusive node whose place was taken stops its jobs, waits once, and ends as at the start") {
  fake_clock_cluster w;
  job_that_listens job(w, fake_clock_cluster::settings());
  refuse_beats(w.store);
  w.pass(2min);
  visor::join_request request;
  request.node = GENERATE("one", "another");
  request.address = "another-host pid 1 start 1 boot x space y";
  request.exclusive = true;
  request.ttl = 1min;
  auto const lease = w.run_now(w.store.join(request));
  w.store.before_renew = {};
  w.pass(20s);
  CHECK(job.reasons == std::vector{visor::stop_reason::lease_lost});
  CHECK(job.node.logged("has taken the place of this node"));
  CHECK_FALSE(job.node.ended);
  SECTION("the other lives") {
    CHECK_NOTHROW(w.run_now(w.store.renew(lease, beat())));
    w.pass(1min);
    CHECK(job.node.ended);
    CHECK_THAT(job.node.failure, StartsWith("node " + request.node + " (") && EndsWith("stop it first"));
    auto const nodes = w.run_now(w.store.nodes());
    CHECK(std::ranges::find(nodes, request.node, &visor::node_record::name)->epoch == lease.epoch);
  }
  SECTION("the other is gone") {
    w.pass(1min);
    CHECK_FALSE(job.node.ended);
    CHECK(job.node.logged("is back under epoch"));
    w.stop_all();
  }
}

TEST_CASE("two live nodes of one name come to rest: the one that lost the name never takes it back") {
  fake_clock_cluster w;
  job_that_listens job(w);
  refuse_beats(w.store);
  w.pass(50s);
  w.store.before_join = [] { throw visor::error(visor::errc::busy, "somebody locked the table of nodes"); };
  w.pass(2min);
  CHECK(job.node.engine->counters().lost_leases == 1);
  w.store.before_join = {};
  visor::join_request request;
  request.node = "one";
  request.address = "another-host pid 1 start 1 boot x space y";
  request.ttl = 1min;
  auto lease = w.run_now(w.store.join(request));
  w.store.before_renew = {};
  for (int i = 0; i < 10; ++i) {
    w.pass(20s);
    lease = w.run_now(w.store.renew(lease, beat()));
  }
  CHECK(lease.epoch == w.run_now(w.store.nodes()).at(0).epoch);
  CHECK(job.node.ended);
  CHECK_THAT(job.node.failure, StartsWith("node one ("));
}

TEST_CASE("a node ends when its database was restored from a backup") {
  fake_clock_cluster w;
  auto settings = GENERATE(fake_clock_cluster::settings(), fake_clock_cluster::beside_others());
  job_that_listens job(w, settings);
  w.store.before_renew = [] { throw visor::error(visor::errc::restored, "the database does not know the last heartbeat"); };
  w.pass(20s);
  CHECK(job.reasons == std::vector{visor::stop_reason::shutdown});
  CHECK(job.node.ended);
  CHECK_THAT(job.node.failure, StartsWith("the database does not know"));
}

TEST_CASE("a node that lost its lease ends when its database, which was restored, has given its epoch to another process") {
  fake_clock_cluster w;
  auto const kept = w.store.back_up();
  job_that_listens job(w);
  refuse_beats(w.store);
  w.store.restore(kept);
  visor::join_request request;
  request.node = "one";
  request.address = "another-host pid 1 start 1 boot x space y";
  request.ttl = 70s;
  auto const again = w.run_now(w.store.join(request));
  CHECK(again.epoch == 1);  // as the node that runs
  w.pass(65s);
  CHECK(job.node.engine->counters().lost_leases == 1);
  w.store.before_renew = {};
  request.last_epoch = again.epoch;
  auto const later = w.run_now(w.store.join(request));
  w.run_now(w.store.leave(later, visor::departure::clean));
  w.pass(2min);
  CHECK(job.node.ended);
  CHECK_THAT(job.node.failure, Contains("it was restored from a backup while the node ran"));
  CHECK(w.run_now(w.store.nodes()).at(0).epoch == later.epoch);
}

TEST_CASE("a node whose tables got another version drains, and ends") {
  fake_clock_cluster w;
  job_that_listens job(w, fake_clock_cluster::beside_others(), 20s);
  bool const is_newer = GENERATE(true, false);
  (is_newer ? w.store.newer_schema : w.store.older_schema) = 99;
  std::string const reason =
      is_newer ? "a newer program has migrated the tables to version 99" : "the tables were rolled back to version 99";
  w.pass(16s);
  CHECK(job.node.logged(reason));
  CHECK_FALSE(job.node.ended);
  auto const later = w.enqueue("work");
  w.pass(10s);
  CHECK(job.node.ended);
  CHECK_THAT(job.node.failure, StartsWith(reason));
  CHECK(w.state(job.id) == job_state::completed);
  CHECK(job.reasons == std::vector{visor::stop_reason::none});
  CHECK(w.state(later) == job_state::ready);
}

TEST_CASE("a node whose lease was lost ends where the tables got another version") {
  fake_clock_cluster w;
  auto& node = w.add(fake_clock_cluster::beside_others());
  w.start(node);
  w.store.before_join = [] { throw visor::error(visor::errc::schema_mismatch, "the tables are of version 5"); };
  w.store.before_renew = [] { throw visor::error(visor::errc::connection_lost, "away"); };
  w.pass(3min);
  CHECK(node.ended);
  CHECK(node.failure == "the tables are of version 5");
}

TEST_CASE("each attempt of a job has a larger fence, whatever its node") {
  fake_clock_cluster w;
  auto& one = w.add(fake_clock_cluster::beside_others("one"));
  auto& two = w.add(fake_clock_cluster::beside_others("two"));
  std::vector<std::int64_t> fences;
  for (auto* const node : {&one, &two})
    node->engine->add(visor::job_type("work", [&fences](job_context& job) -> visor::task<> {
      fences.push_back(job.fence());
      throw std::runtime_error("again");
      co_return;
    }));
  w.start(one);
  for (int i = 0; i < 5; ++i) {  // the epochs of this name are high
    visor::join_request request;
    request.node = "two";
    w.run_now(w.store.join(request));
    w.pass(2min);
  }
  w.start(two);
  auto const id = w.enqueue("work", 6);
  w.pass(10min);
  CHECK(w.state(id) == job_state::dead);
  REQUIRE(fences.size() == 6);
  CHECK(std::ranges::is_sorted(fences, std::ranges::less_equal()));
  CHECK(fences.front() == 1);
  w.stop_all();
}

TEST_CASE("a node whose lease ran out while it stood still gives up what it ran") {
  fake_clock_cluster w;
  auto settings = fake_clock_cluster::settings();
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
  fake_clock_cluster w;
  int runs = 0;
  auto const make = [&](std::string name) -> fake_clock_cluster::node& {
    auto settings = fake_clock_cluster::settings(std::move(name));
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
