#include "contract/store_fixture.hpp"

#include "visor/store/generation.hpp"

/// Nodes, their leases, and the fate of the jobs of a node that is gone.
namespace visor_test {

TEST_CASE("a node is kept as it joined", "[contract]") {
  store_fixture s;
  auto const lease = s.join("b", 30s);
  CHECK(lease.node == "b");
  CHECK(lease.epoch == 1);
  CHECK(lease.until == s->now() + 30s);
  visor::node_record expected;
  expected.name = "b";
  expected.address = "host b";
  expected.state = visor::node_state::online;
  expected.epoch = 1;
  expected.lease_until = lease.until;
  expected.slots = 3;
  expected.started_at = s->now();
  expected.version = "1.2.3";
  expected.queues = "default:3";
  expected.capabilities = "gpu,tape";
  expected.resources = "processors:4,memory:1024";
  expected.token = 0;
  REQUIRE(s->nodes().size() == 1);
  CHECK(s->nodes()[0] == expected);

  s.join("B");
  s.join("\xc3\xa4");
  s.join("a", 1h, false);
  std::vector<std::string> names;
  for (auto const& node : s->nodes()) names.push_back(node.name);
  CHECK(names == std::vector<std::string>{"B", "a", "b", "\xc3\xa4"});
}

TEST_CASE("who joins with an epoch that is not the stored one is refused, and nothing is written", "[contract]") {
  store_fixture s;
  visor::join_request request;
  request.node = "a";
  request.ttl = 60s;
  request.known_epoch = 1;
  CHECK(refusal([&] { s->join(request); }) == "conflict");
  CHECK(s->nodes().empty());
  request.known_epoch = 0;
  auto const lease = s->join(request);
  CHECK(lease.epoch == 1);
  s.add(1);
  s.claim(lease);
  auto const before = s->nodes();
  // The same call again, as where it was given up and happens at last: the node has its jobs under the lease that it got with another.
  CHECK(refusal([&] { s->join(request); }) == "conflict");
  CHECK(s->nodes() == before);
  CHECK(s->find_job(1).value().state == visor::job_state::running);
  request.known_epoch = 1;
  CHECK(s->join(request).epoch == 2);
  CHECK(s.history(1) == "lost");
  SECTION("nor after others took over from it") {
    request.known_epoch = 2;
    s->advance(60s);
    s->recover();
    CHECK(refusal([&] { s->join(request); }) == "conflict");
    request.known_epoch = 3;
    CHECK(s->join(request).epoch == 4);
  }
}

TEST_CASE("an exclusive node tolerates no other and is tolerated by none", "[contract]") {
  store_fixture s;
  SECTION("it was there first") {
    auto const first = s.join("a", 10s, true);
    auto const second = [&] { s.join("b"); };
    CHECK(refusal(second) == "lease held by another node");
    CHECK_THAT(message(second), Contains("node a"));
    CHECK(refusal([&] { s.join("b", 10s, true); }) == "lease held by another node");
    CHECK(s->nodes().size() == 1);
    SECTION("until its time is up") {
      s->advance(10s - 1us);
      CHECK(refusal(second) != "");
      s->advance(1us);
      CHECK(refusal(second) == "");
    }
    SECTION("until it leaves") {
      s->leave(first);
      CHECK(refusal(second) == "");
    }
    SECTION("until it is evicted") {
      s->recover(first);
      CHECK(refusal(second) == "");
    }
    SECTION("as long as it renews") {
      s->advance(9s);
      s.renew(first, 10s, visor::node_state::draining);
      s->advance(9s);
      CHECK(refusal(second) != "");
    }
  }
  SECTION("another was there first") {
    auto const first = s.join("a", 10s);
    auto const second = [&] { s.join("b", 10s, true); };
    CHECK(refusal(second) == "lease held by another node");
    CHECK(s.join("c", 10s).epoch == 1);
    s->advance(10s);
    CHECK(refusal(second) == "");
    CHECK(s->nodes().size() == 3);
  }
  SECTION("it may join again itself") {
    s.join("a", 10s, true);
    CHECK(s.join("a", 10s, true).epoch == 2);
    CHECK(s.join("a", 10s, false).epoch == 3);
    CHECK(s.join("b").epoch == 1);
  }
}

TEST_CASE("who joins again has the next epoch and what was held before is recovered", "[contract]") {
  store_fixture s;
  auto const first = s.join("a");
  s.add(1);
  s.add(2, 0s, 1);
  s.add(3);
  s.claim(first, 2);
  s.claim(first, 1);
  s->cancel_job(3);
  s->advance(5s);
  auto const second = s.join("a", 20s);
  CHECK(second.epoch == 2);
  CHECK(second.until == s->now() + 20s);
  CHECK(s.history(1) == "lost");
  CHECK(s.history(2) == "lost");
  CHECK(s.history(3) == "lost:cancelled");
  CHECK(s.claim(second, 10).jobs.at(0).attempt == 2);
  REQUIRE(s->nodes().size() == 1);
  CHECK(s->nodes()[0].epoch == 2);
  CHECK(s->nodes()[0].started_at == s->now());

  SECTION("also after its lease was recovered") {
    s->advance(1min);
    CHECK(s->recover().size() == 1);
    auto const epoch = s->nodes()[0].epoch;
    CHECK(epoch > 2);
    CHECK(s.join("a").epoch == epoch + 1);
    CHECK(s.history(1) == "lost lost");
  }
  SECTION("also after it left") {
    s->leave(second);
    CHECK(s.join("a").epoch > 2);
    CHECK(s.history(1) == "lost");
  }
}

/// A request to join as `store_fixture::join` does, but to go on.
visor::join_request goes_on(store_fixture& s, std::string const& name, std::vector<visor::lease_id> keeps) {
  auto request = s.request(name);
  request.keeps = std::move(keeps);
  return request;
}

TEST_CASE("a node goes on with the leases it knows, and the others are put back unrun", "[contract]") {
  store_fixture s;
  auto const first = s.join("a");
  auto const other = s.join("b");
  for (visor::job_id id = 1; id <= 6; ++id) s.add(id);
  auto const known = s.claim(first, 3);
  auto const unknown = s.claim(first, 2);
  auto const of_another = s.claim(other);
  REQUIRE(s.exchange(first, {s.done(known, 0)}).refused.empty());
  s->cancel_job(5);
  s->advance(1s);
  auto const second = s->join(goes_on(s, "a", {known.lease, 4711}));
  CHECK(second.epoch == 2);
  CHECK(second.until == s->now() + 60s);
  CHECK(s.state(2) == "running");
  CHECK(s.state(4) == "ready");
  CHECK(s->find_job(4).value().attempts == 0);
  CHECK(s.state(5) == "cancelled");
  CHECK(s.state(6) == "running");
  CHECK(s->nodes().size() == 2);

  SECTION("a claim under the epoch before happens no more") {
    auto const late = s.exchange(first, {}, {}, {visor::claim_request("default", 1)});
    CHECK_FALSE(late.lease_current);
    CHECK(late.claims.empty());
    CHECK(s.state(4) == "ready");
    CHECK(refusal([&] { s.renew(first, 60s, visor::node_state::online); }) == "lease lost");
  }
  SECTION("what it kept ends, under the epoch in which it was claimed") {
    CHECK(s.exchange(second, {s.done(known, 1)}).refused.empty());
    CHECK(s->attempts(2).at(0).epoch == 1);
    CHECK(s.exchange(second, {}, {visor::release(known.lease, 3)}).refused.empty());
    CHECK(s.state(3) == "ready");
  }
  SECTION("also with a result that was on its way") {
    CHECK(s.exchange(first, {s.done(known, 1)}).refused.empty());
    CHECK(s.exchange(second, {s.done(known, 0), s.done(known, 1)}).refused.empty());
    CHECK(s->attempts(2).size() == 1);
  }
  SECTION("what it did not keep is another's") {
    CHECK(s.exchange(second, {s.done(unknown, 0)}).refused == ids{4});
    CHECK(s.exchange(first, {s.done(unknown, 0)}).refused == ids{4});
    auto const again = s.claim(other);
    CHECK(ids_of(again) == ids{4});
    CHECK(again.jobs.at(0).attempt == 1);
  }
  SECTION("what it kept is lost with it") {
    s->advance(60s);
    auto const recovered = s->recover();
    REQUIRE(recovered.size() == 2);
    CHECK(recovered[0].epoch == 2);
    CHECK(recovered[0].requeued == ids{2, 3});
    auto const lost = s->attempts(2).at(0);
    CHECK(lost.outcome == visor::outcome::lost);
    CHECK(lost.epoch == 1);
    CHECK(lost.started_at == known.taken_at);
    CHECK(s.exchange(second, {s.done(known, 1)}).refused == ids{2});
  }
  SECTION("what it kept comes back when it leaves") {
    s->leave(second);
    CHECK(s.state(2) == "ready");
    CHECK(s.state(3) == "ready");
  }
  SECTION("it can go on more than once") {
    auto const fresh = s.claim(second);
    CHECK(ids_of(fresh) == ids{4});
    auto const third = s->join(goes_on(s, "a", {known.lease, fresh.lease}));
    CHECK(third.epoch == 3);
    CHECK(s.exchange(third, {s.done(known, 1), s.done(known, 2), s.done(fresh, 0)}).refused.empty());
    CHECK(s->attempts(3).at(0).epoch == 1);
    CHECK(s->attempts(4).at(0).epoch == 2);
  }
  SECTION("or with nothing") {
    auto const third = s->join(goes_on(s, "a", {}));
    CHECK(s.state(2) == "ready");
    CHECK(s.history(2).empty());
    CHECK(s.exchange(third, {s.done(known, 1)}).refused == ids{2});
  }
}

TEST_CASE("a node whose lease is lost cannot go on", "[contract]") {
  store_fixture s;
  CHECK(refusal([&] { s->join(goes_on(s, "a", {})); }) == "lease lost");
  CHECK(s->nodes().empty());
  auto const lease = s.join("a");
  s.add(1);
  auto const claimed = s.claim(lease);
  auto request = goes_on(s, "a", {claimed.lease});
  SECTION("when its time is up") { s->advance(60s); }
  SECTION("when others took over from it") {
    s->advance(60s);
    s->recover();
  }
  SECTION("when another process has its name") { request.address = "elsewhere"; }
  SECTION("when it left") { s->leave(lease); }
  auto const before = s->nodes();
  auto const state = s.state(1);
  CHECK(refusal([&] { s->join(request); }) == "lease lost");
  CHECK(s->nodes() == before);
  CHECK(s.state(1) == state);
}

TEST_CASE("a lease is renewed from now on", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  s->advance(9s);
  auto const renewed = s.renew(lease, 20s, visor::node_state::draining);
  CHECK(renewed == visor::node_lease("a", 1, s->now() + 20s));
  CHECK(s->nodes().at(0).lease_until == renewed.until);
  CHECK(s->nodes().at(0).state == visor::node_state::draining);
  s->advance(19s);
  CHECK(s.exchange(lease, {}).lease_current);
  CHECK(s.renew(lease, 1s, visor::node_state::online).until == s->now() + 1s);
  CHECK(s->nodes().at(0).state == visor::node_state::online);
}

TEST_CASE("a lease that is lost cannot be renewed", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  auto const renew = [&] { s.renew(lease, 10s, visor::node_state::online); };
  SECTION("its time is up, though nobody noticed") {
    s->advance(10s - 1us);
    CHECK(refusal(renew) == "");
    s->advance(10s);
  }
  SECTION("it joined again") { s.join("a"); }
  SECTION("it was evicted") { s->recover(lease); }
  SECTION("it left") { s->leave(lease); }
  SECTION("it left, and the clock went back") {
    s->leave(lease);
    s->advance(-1s);
  }
  auto const before = s->nodes();
  CHECK(refusal(renew) == "lease lost");
  CHECK_THAT(message(renew), Contains("node a"));
  CHECK(s->nodes() == before);
  CHECK(refusal([&] { s.renew(visor::node_lease("nobody", 1, lease.until), 10s, visor::node_state::online); }) == "lease lost");
}

TEST_CASE("a node that leaves releases all without using up attempts", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto const other = s.join("b");
  s.add(1, 0s, 1);
  s.add(2);
  s.add(3);
  auto const claimed = s.claim(lease, 2);
  s.claim(other, 1);
  CHECK(s.exchange(lease, {s.done(claimed, 1)}).refused.empty());
  s->leave(lease);
  CHECK(s->nodes().at(0).state == visor::node_state::offline);
  CHECK(s.state(1) == "ready");
  CHECK(s->attempts(1).empty());
  CHECK(s.state(2) == "completed");
  CHECK(s.state(3) == "running");
  CHECK(s.claim(other).jobs.at(0).attempt == 1);

  auto const before = s->nodes();
  s->leave(lease);
  CHECK(s->nodes() == before);
  s->leave(visor::node_lease("nobody", 1, s->now()));
  s->advance(1h);
  CHECK(s->recover().size() == 1);  // only the other
}

TEST_CASE("an old lease cannot make its successor leave", "[contract]") {
  store_fixture s;
  auto const old = s.join("a");
  auto const lease = s.join("a");
  s.add(1);
  s.claim(lease);
  s->leave(old);
  CHECK(s.state(1) == "running");
  CHECK(s.exchange(lease, {}).lease_current);
}

TEST_CASE("what a lapsed node held goes on elsewhere", "[contract]") {
  store_fixture s;
  auto const gone = s.join("gone", 10s);
  auto const alive = s.join("alive", 1h);
  s.add(1, 0s, 1);
  auto never_again = s.job(2);
  never_again.max_lost = 0;
  s.add(never_again);
  s.add(3);
  s.add(4);
  s.add(5);
  s.add(6, 0s, 2);
  s.claim(alive, 0);
  auto const first = s.claim(gone, 4);
  auto const theirs = s.claim(alive, 1);
  REQUIRE(ids_of(theirs) == ids{5});
  s->cancel_job(3);
  CHECK(s.exchange(gone, {s.done(first, 3)}).refused.empty());
  auto const taken_at = first.taken_at;

  s->advance(10s - 1us);
  CHECK(s->recover().empty());
  s->advance(1us);
  auto const recovered = s->recover();
  REQUIRE(recovered.size() == 1);
  CHECK(recovered[0].node == "gone");
  CHECK(recovered[0].epoch == gone.epoch);
  CHECK(recovered[0].requeued == ids{1});
  CHECK(recovered[0].dead == ids{2});
  CHECK(recovered[0].cancelled == ids{3});

  visor::attempt_record lost;
  lost.job = 1;
  lost.number = 1;
  lost.lease = first.lease;
  lost.node = "gone";
  lost.epoch = gone.epoch;
  lost.started_at = taken_at;
  lost.finished_at = s->now();
  lost.outcome = visor::outcome::lost;
  lost.error = visor::lease_ran_out;
  CHECK(s->attempts(1) == std::vector{lost});
  CHECK(s.state(1) == "ready");
  CHECK(s.history(2) == "lost:dead");
  CHECK(s.state(2) == "dead");
  CHECK_THAT(s->find_job(2)->error.value(), Contains(visor::lease_ran_out) && Contains("max_lost is 0"));
  CHECK(s.history(3) == "lost:cancelled");
  CHECK(s->cancel_requests().empty());
  CHECK(s.history(4) == "completed:completed");
  CHECK(s.state(5) == "running");
  CHECK(s.state(6) == "ready");
  auto const node = s->nodes().at(1);
  CHECK(node.name == "gone");
  CHECK(node.state == visor::node_state::offline);
  CHECK(node.epoch == gone.epoch + 1);
  CHECK(s->nodes().at(0).state == visor::node_state::online);

  CHECK(s->recover().empty());
  CHECK(s.history(1) == "lost");
  auto const again = s.claim(alive, 10);
  CHECK(ids_of(again) == ids{1, 6});  // its old position
  CHECK(again.jobs.at(0).attempt == 2);
  CHECK(s.exchange(alive, {s.done(theirs)}).refused.empty());
}

/// A node of another process each time, as where one dies and another takes its place.
visor::node_lease another_process(store_fixture& s, std::string const& name, int number) {
  auto request = s.request(name, 10s);
  request.address = "host " + name + " pid " + std::to_string(number);
  return s->join(request);
}

TEST_CASE("losses use up no attempts, and are paused for longer each time", "[contract]") {
  store_fixture s;
  auto made = s.job(1);
  made.max_attempts = 1;
  made.max_lost = 5;
  s.add(made);
  visor::duration const pauses[]{0s, 5s, 10s, 20s};
  for (int round = 0; round < 4; ++round) {
    auto const lease = another_process(s, "a", round);
    auto const claimed = s.claim(lease);
    REQUIRE(claimed.jobs.size() == 1);
    CHECK(claimed.jobs[0].attempt == round + 1);
    CHECK(claimed.jobs[0].uncounted.value_or(0) == round);
    s->advance(10s);
    CHECK(s->recover().at(0).requeued == ids{1});
    auto const pause = pauses[round];
    CHECK(s.state(1) == (pause == 0s ? "ready" : "scheduled"));
    s->advance(pause);
    s->promote(10);
    CHECK(s.state(1) == "ready");
  }
  CHECK(s.history(1) == "lost lost lost lost");
  CHECK(s->find_job(1)->job.uncounted == 4);
  SECTION("an attempt that ends otherwise begins the count anew") {
    auto const lease = s.join("b");
    auto const claimed = s.claim(lease);
    CHECK(s.exchange(lease, {s.retried(claimed, 0s)}).refused.empty());
    REQUIRE(s.claim(another_process(s, "a", 5)).jobs.size() == 1);
    s->advance(10s);
    CHECK(s->recover().at(0).requeued == ids{1});
    CHECK(s.state(1) == "ready");
  }
  SECTION("the last one that is tolerated ends it") {
    auto const lease = another_process(s, "a", 5);
    REQUIRE(s.claim(lease).jobs.size() == 1);
    s->advance(10s);
    CHECK(s->recover().at(0).dead == ids{1});
    CHECK(s.history(1) == "lost lost lost lost lost:dead");
    CHECK_THAT(s->find_job(1)->error.value(), Contains("lost 5 times in a row"));
  }
}

TEST_CASE("a job that is lost three times in a row with its process is dead", "[contract]") {
  store_fixture s;
  s.add(1);
  for (int round = 0; round < 3; ++round) {
    REQUIRE(s.claim(another_process(s, "a", round)).jobs.size() == 1);
    s->advance(10s);
    s->recover();
    s->advance(1min);
    s->promote(10);
  }
  CHECK(s.history(1) == "lost lost lost:dead");
}

TEST_CASE("a loss that the process survived is never fatal", "[contract]") {
  store_fixture s;
  s.add(1);
  auto never_again = s.job(2);
  never_again.max_lost = 0;
  SECTION("it joined again, itself or after others took over") {
    for (int round = 0; round < 6; ++round) {
      auto const lease = s.join("a", 10s);
      REQUIRE(s.claim(lease).jobs.size() == 1);
      s->advance(10s);
      if (round % 2 == 0) s->recover();
      s.join("a", 10s);
      s->advance(5min);
      s->promote(10);
      CHECK(s.state(1) == "ready");
    }
    CHECK(s.history(1) == "lost lost lost lost lost lost");
    CHECK(s->nodes().at(0).survived);
  }
  SECTION("it left owing results") {
    for (int round = 0; round < 4; ++round) {
      auto const lease = another_process(s, "a", round);
      REQUIRE(s.claim(lease).jobs.size() == 1);
      s->leave(lease, visor::departure::owing_results);
      CHECK(s->nodes().at(0).state == visor::node_state::offline);
      s->advance(5min);
      s->promote(10);
      CHECK(s.state(1) == "ready");
    }
    CHECK(s.history(1) == "lost lost lost lost");
  }
  SECTION("but one that must not be repeated is dead all the same") {
    s.add(never_again);
    auto const lease = s.join("a", 10s);
    REQUIRE(s.claim(lease, 2).jobs.size() == 2);
    s.join("a", 10s);
    CHECK(s.history(1) == "lost");
    CHECK(s.history(2) == "lost:dead");
  }
}

TEST_CASE("the lease of an exclusive node has no end of its own", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s, true);
  s.add(1);
  s->advance(1h);
  auto const claimed = s.claim(lease);
  REQUIRE(claimed.jobs.size() == 1);
  s->advance(1h);
  CHECK(s.exchange(lease, {s.done(claimed)}).lease_current);
  CHECK(s.state(1) == "completed");
  SECTION("a late heartbeat renews it") { CHECK(s.renew(lease, 10s).until == s->now() + 10s); }
  SECTION("another node ends it, and takes what it held") {
    s.add(2);
    REQUIRE(ids_of(s.claim(lease)) == ids{2});
    auto const other = s.join("b", 10s, true);
    CHECK(s.history(2) == "lost");
    CHECK_FALSE(s.exchange(lease, {}).lease_current);
    CHECK(refusal([&] { s.renew(lease, 10s); }) == "lease lost");
    CHECK(s.claim(other).jobs.size() == 1);
  }
  SECTION("a take-over ends it") {
    CHECK(s->recover().size() == 1);
    CHECK_FALSE(s.exchange(lease, {}).lease_current);
  }
}

TEST_CASE("a lease of a time when the clock was ahead is cut", "[contract]") {
  store_fixture s;
  s.add(1);
  auto const lease = s.join("a", 10s);
  s.claim(lease);
  s->advance(24h * 365);
  auto const ahead = s.renew(s.join("a", 10s), 10s);
  s.claim(ahead);
  s->advance(-24h * 365);
  SECTION("so that what its node held is taken over soon") {
    CHECK(s->recover().empty());
    CHECK(s->nodes().at(0).lease_until == s->now() + 5min);
    s->advance(6min);
    REQUIRE(s->recover().size() == 1);
    CHECK(s.history(1) == "lost lost");
  }
  SECTION("and a node that lives puts it right") {
    CHECK(s->recover().empty());
    CHECK(s.renew(ahead, 10s).until == s->now() + 10s);
  }
  SECTION("and one whose process is gone is evicted at once") {
    auto const seen = s->nodes().at(0);
    REQUIRE(s->recover(visor::node_lease(seen.name, seen.epoch, seen.lease_until)).size() == 1);
    CHECK(s.history(1) == "lost lost");
  }
}

TEST_CASE("a heartbeat knows a database that was restored", "[contract]") {
  store_fixture s;
  auto request = s.request("a");
  request.token = 7;
  auto const lease = s->join(request);
  visor::renewal beat;
  beat.ttl = 60s;
  beat.last_token = 7;
  beat.token = 8;
  CHECK(refusal([&] { s->renew(lease, beat); }) == "");
  CHECK(refusal([&] { s->renew(lease, beat); }) == "");  // repeated, since its answer never came
  CHECK(s->nodes().at(0).token == 8);
  beat.last_token = 8;
  beat.token = 9;
  CHECK(refusal([&] { s->renew(lease, beat); }) == "");
  auto const before = s->nodes();
  beat.last_token = 10;
  beat.token = 11;
  CHECK(refusal([&] { s->renew(lease, beat); }) == "database restored");
  CHECK(s->nodes() == before);
  auto newer = lease;
  ++newer.epoch;  // that the store never gave out
  CHECK(refusal([&] { s->renew(newer, beat); }) == "database restored");
  s->advance(1h);  // a backup is older than any lease
  CHECK(refusal([&] { s->renew(lease, beat); }) == "database restored");
}

TEST_CASE("a node that joins again knows a database that was restored", "[contract]") {
  store_fixture s;
  auto request = s.request("a");
  request.token = 7;
  auto const lease = s->join(request);
  s->advance(1h);
  s->recover();  // others may be first to see that the lease of an old row has run out
  request.token = 9;
  request.last_token = 7;
  request.last_epoch = lease.epoch;
  auto const refused = [&] { return refusal([&] { s->join(request); }); };
  SECTION("whose last heartbeat is not there") {
    request.last_token = 8;
    CHECK(refused() == "database restored");
    request.address = "another process";
    CHECK(refused() == "");
  }
  SECTION("whose last epoch is not there") {
    request.last_epoch = lease.epoch + 2;
    CHECK(refused() == "database restored");
  }
  SECTION("whose last epoch another process has") {
    request.last_epoch = lease.epoch + 1;
    request.address = "another process";
    CHECK(refused() == "database restored");
  }
  SECTION("which does not know its name") {
    request.node = "b";
    CHECK(refused() == "database restored");
  }
  SECTION("but it was only removed") {
    s->remove_node("a");
    CHECK(refused() == "");
  }
  SECTION("but it was not") { CHECK(refused() == ""); }
}

namespace {

/// The greatest numbers of each kind that a store has given out.
struct given_out {
  visor::job_id id = 0;
  visor::lease_id lease = 0;
  std::int64_t epoch = 0;
  std::int64_t fence = 0;
};

/// The first numbers that a store gives out in a new generation.
given_out first_of_generation(store_fixture& s) {
  given_out first;
  std::int64_t const generation = s->restored();
  for (auto const& node : s->nodes()) first.epoch = std::max(first.epoch, node.epoch);
  auto const lease = s.join("new");
  CHECK(lease.generation == generation);
  CHECK(lease.epoch > first.epoch);
  first.id = s->reserve_ids(1).take();
  s.add(first.id);
  first.lease = s.claim(lease).lease;
  first.fence = visor::detail::fence_of(generation, 1);
  return first;
}

/// Where all stores with the same history begin, as if they were one that was restored from one backup.
void as_backed_up(store_fixture& s) {
  s.join("a");
  for (int i = 0; i < 3; ++i) s.join("removed", 1s);
  s->advance(10s);
  s->recover();
  s->remove_node("removed");
  s->reserve_ids(1000);
}

}  // namespace

TEST_CASE("a backup that is restored twice gives out no number twice", "[contract]") {
  store_fixture once;
  store_fixture again;
  as_backed_up(once);
  as_backed_up(again);
  auto const before = again->reserve_ids(1).take();
  given_out last = first_of_generation(once);
  last.id = once->reserve_ids(100'000).take() + 99'999;
  auto lease = once.join("removed");
  for (int i = 0; i < 100; ++i) lease = once.join("new");
  last.epoch = lease.epoch;
  last.fence += 100'000;  // a job may have that many attempts
  again->advance(20s);
  auto const first = first_of_generation(again);
  CHECK(first.id > last.id);
  CHECK(first.lease > last.lease);
  CHECK(first.epoch > last.epoch);
  CHECK(first.fence > last.fence);
  SECTION("and within what JSON keeps exactly") {
    CHECK(first.id < std::int64_t{1} << 44);
    CHECK(first.epoch < std::int64_t{1} << 53);
    CHECK(first.fence < std::int64_t{1} << 53);
  }
  SECTION("and behind the backup") { CHECK(first.id > before); }
  SECTION("nor does one after that, at once") {
    auto const next = first_of_generation(again);
    CHECK(next.id > first.id);
    CHECK(next.lease > first.lease);
    CHECK(next.epoch > first.epoch);
    CHECK(next.fence > first.fence);
  }
}

TEST_CASE("what was given out grows with a generation also where the clock is wrong, or time tells too little", "[contract]") {
  store_fixture s;
  as_backed_up(s);
  auto const first = first_of_generation(s);
  s->advance(-24h * 3000);  // before all generations
  s->recover();
  auto const next = first_of_generation(s);
  CHECK(next.id > first.id + (std::int64_t{1} << 32));
  CHECK(next.lease > first.lease + (std::int64_t{1} << 32));
  CHECK(next.epoch > first.epoch + (std::int64_t{1} << 32));
  CHECK(next.fence > first.fence);
}

TEST_CASE("a node that lapsed with nothing in its hands is reported all the same, once", "[contract]") {
  store_fixture s;
  s.join("a", 10s);
  s.join("b", 10s);
  s->advance(1min);
  auto const recovered = s->recover();
  REQUIRE(recovered.size() == 2);
  CHECK(recovered[0].node == "a");
  CHECK(recovered[1].node == "b");
  CHECK(recovered[0].requeued.empty());
  CHECK(s->recover().empty());
}

TEST_CASE("what is wanted of a node is kept as long as it is the same process", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  CHECK(s->nodes().at(0).requested_state == std::nullopt);
  s->request_state("a", visor::requested_state::drain);
  s.renew(lease, 60s, visor::node_state::draining);
  CHECK(s->nodes().at(0).requested_state == visor::requested_state::drain);
  s->request_state("a", std::nullopt);
  CHECK(s->nodes().at(0).requested_state == std::nullopt);
  s->request_state("a", visor::requested_state::drain);
  s->request_state("a", visor::requested_state::drain);
  s.join("a");  // it had lost its lease
  CHECK(s->nodes().at(0).requested_state == visor::requested_state::drain);
  visor::join_request another;
  another.node = "a";
  another.address = "elsewhere";
  s->join(another);
  CHECK(s->nodes().at(0).requested_state == std::nullopt);
  CHECK(refusal([&] { s->request_state("b", visor::requested_state::drain); }) == "not found");
}

TEST_CASE("a node that is offline can be forgotten, and comes back under an epoch that it never had", "[contract]") {
  store_fixture s;
  s.join("a", 10s);
  s.join("a", 10s);
  auto const third = s.join("a", 10s);
  s.add(1);
  auto const held = s.claim(third);
  CHECK(refusal([&] { s->remove_node("a"); }) == "conflict");
  s->advance(10s);
  CHECK(refusal([&] { s->remove_node("a"); }) == "conflict");  // nobody has taken its job yet
  s->recover();
  CHECK(s->remove_node("a"));
  CHECK(s->nodes().empty());
  CHECK_FALSE(s->remove_node("a"));
  CHECK(s.history(1) == "lost");

  auto const again = s.join("a");
  CHECK(again.epoch > third.epoch);
  CHECK(s.exchange(third, {s.done(held)}).refused == ids{1});
  CHECK_FALSE(s.exchange(third, {}).lease_current);
  CHECK(s.join("b").epoch > third.epoch);
  s->leave(again);
  CHECK(s->remove_node("a"));
  CHECK(s.join("a").epoch > again.epoch);
}

TEST_CASE("a node can be evicted by the lease that was read, and by no older one", "[contract]") {
  store_fixture s;
  auto const old = s.join("a", 1h);
  auto const lease = s.join("a", 1h);
  auto const other = s.join("b", 1h);
  s.add(1);
  s.claim(lease);
  CHECK(s->recover(old).empty());
  CHECK(s->recover(visor::node_lease("nobody", 1, s->now())).empty());
  CHECK(s->recover(visor::node_lease("a", lease.epoch + 1, lease.until)).empty());
  CHECK(s.state(1) == "running");
  CHECK(s.exchange(lease, {}).lease_current);

  auto const read = s->nodes().at(0);
  auto const recovered = s->recover(visor::node_lease(read.name, read.epoch, read.lease_until));
  REQUIRE(recovered.size() == 1);
  CHECK(recovered[0].requeued == ids{1});
  CHECK(s->recover(visor::node_lease(read.name, read.epoch, read.lease_until)).empty());
  CHECK_FALSE(s.exchange(lease, {}).lease_current);
  CHECK(s.exchange(other, {}).lease_current);
  CHECK(s->nodes().at(0).state == visor::node_state::offline);
}

TEST_CASE("a renewed lease is safe from recovery", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  s.add(1);
  s.claim(lease);
  for (int beat = 0; beat < 5; ++beat) {
    s->advance(9s);
    s.renew(lease, 10s, visor::node_state::online);
    CHECK(s->recover().empty());
  }
  CHECK(s.state(1) == "running");
}

TEST_CASE("a node's text must be storable", "[contract]") {
  store_fixture s;
  visor::join_request request;
  request.node = "a";
  SECTION("name") { request.node = "a\xff"; }
  SECTION("address") { request.address = std::string("x\0y", 3); }
  SECTION("version") { request.version = "\xc0\x80"; }
  SECTION("a blank at the end of its name") { request.node = "a "; }
  SECTION("at that of a queue") { request.queues = "default:3,mail :2"; }
  SECTION("at that of a capability") { request.capabilities = "gpu ,tape"; }
  SECTION("at that of a job type") { request.limits.emplace_back("mail ", visor::job_limits()); }
  CHECK(refusal([&] { s->join(request); }) == "invalid argument");
  CHECK(s->nodes().empty());
  CHECK(refusal([&] { s->request_state("a ", std::nullopt); }) == "invalid argument");
  CHECK(refusal([&] { s->remove_node("a "); }) == "invalid argument");
}

}  // namespace visor_test
