#include "fake_clock_cluster.hpp"

#include <algorithm>
#include <optional>
#include <set>

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
  fake_clock_cluster w;
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
  fake_clock_cluster w;
  auto how = fake_clock_cluster::settings();
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
  fake_clock_cluster w;
  int runs = 0;
  auto const down_for_an_hour = [&](visor::misfire policy) {
    auto minutely = schedule("minutely", "* * * * *", "tick");
    minutely.misfire = policy;
    minutely.misfire_window = 10min;
    auto& before = w.add(fake_clock_cluster::settings("before"));
    before.engine->add(counting(runs));
    before.engine->add(minutely);
    w.start(before);
    w.pass(2min + 1s);
    before.engine->stop();
    w.pass(1s);
    REQUIRE(before.ended);
    w.pass(1h + 40s);
    runs = 0;
    auto& after = w.add(fake_clock_cluster::settings("after"));
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
  fake_clock_cluster w;
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

namespace {

/// Of a user, in a zone of which this program knows nothing.
visor::schedule_record on_mars(std::string id, visor::instant next_at) {
  auto record = schedule(std::move(id), "* * * * *", "tick");
  record.origin = visor::origin::user;
  record.zone = "Mars/Olympus_Mons";
  record.next_at = next_at;
  return record;
}

}  // namespace

TEST_CASE("a schedule that this node cannot compute is left to others, and is on record when no node can") {
  fake_clock_cluster w;
  auto const due = w.clock.now();
  w.run_now(w.store.add_schedule(on_mars("broken", due)));
  auto& node = w.add();
  int runs = 0;
  node.engine->add(counting(runs));
  node.engine->add(schedule("minutely", "* * * * *", "tick"));
  w.start(node);
  w.pass(1min + 1s);
  CHECK(runs == 1);
  CHECK(node.logged("schedule broken cannot be computed by this node"));
  CHECK_FALSE(node.logged("no node can fire it"));
  CHECK(w.run_now(w.store.fires("broken", 10)).empty());
  w.pass(1min + 10s);  // two periods
  CHECK(node.logged("schedule broken was due at 2026-01-01T00:00:00Z and did not fire: no node can fire it"));
  auto const fires = w.run_now(w.store.fires("broken", 10));
  REQUIRE(fires.size() == 1);
  CHECK(fires[0].result == visor::fire_result::missed);
  CHECK(fires[0].reason.value().find("Mars/Olympus_Mons") != std::string::npos);
  w.pass(10min);
  auto const now = w.run_now(w.store.find_schedule("broken")).value();
  CHECK(now.state == visor::schedule_state::active);
  CHECK(now.next_at == due);
  CHECK(std::ranges::count_if(node.lines, [](std::string const& line) { return line.find("schedule broken") != std::string::npos; }) == 2);

  auto repaired = now;
  repaired.zone = "UTC";  // as a node sees it that knows the zone
  w.run_now(w.store.update_schedule(repaired));
  w.pass(1s);
  CHECK(w.run_now(w.store.find_schedule("broken"))->run_count == 1);
  w.stop_all();
}

TEST_CASE("a thousand schedules that this node cannot compute hide no others") {
  fake_clock_cluster w;
  std::vector<visor::schedule_record> all;
  for (int i = 0; i < 1200; ++i) all.push_back(on_mars("a" + std::to_string(i), w.clock.now() - 1h));
  w.run_now(w.store.add_schedules(all));
  auto& node = w.add();
  int runs = 0;
  node.engine->add(counting(runs));
  node.engine->add(schedule("z", "* * * * *", "tick"));
  w.start(node);
  w.pass(3min + 1s);
  CHECK(runs == 3);
  CHECK(node.lines.size() < 100);
  w.stop_all();
}

TEST_CASE("fires that nobody accepts burn no ids and are not tried all the time") {
  fake_clock_cluster w;
  auto& node = w.add(fake_clock_cluster::beside_others());
  int runs = 0;
  node.engine->add(counting(runs));
  node.engine->add(schedule("minutely", "* * * * *", "tick"));
  w.start(node);
  auto const first = w.run_now(w.store.reserve_ids(1)).take();
  auto const others = w.run_now(w.store.nodes());
  // Another node takes over, and the node does not know it yet: for a heartbeat interval its fires are refused.
  std::optional<visor::node_lease> lapsed(std::in_place, "one", others.at(0).epoch, others.at(0).lease_until);
  w.pass(59s);
  w.run_now(w.store.recover(lapsed));
  w.pass(1min);
  CHECK(w.run_now(w.store.reserve_ids(1)).take() - first < 10);
  CHECK(runs == 1);
  w.stop_all();
}

TEST_CASE("a clock that was ahead and is put back stops no schedule") {
  fake_clock_cluster w;
  int runs = 0;
  auto const start = w.clock.now();
  auto const ahead = GENERATE(visor::duration(20s), visor::duration(24h * 365));
  auto& first = w.add(fake_clock_cluster::settings("first"));
  first.engine->add(counting(runs));
  first.engine->add(schedule("tick", "*/10 * * * * *", "tick"));
  first.engine->add(schedule("minutely", "* * * * *", "tick"));
  w.clock.step_to(start + ahead);
  w.start(first);
  w.pass(61s);
  CHECK(runs == 7);
  SECTION("while it is stopped") {
    w.stop_all();
    w.clock.step_to(start);
    runs = 0;
    auto& second = w.add(fake_clock_cluster::settings("second"));
    second.engine->add(counting(runs));
    second.engine->add(schedule("tick", "*/10 * * * * *", "tick"));
    second.engine->add(schedule("minutely", "* * * * *", "tick"));
    w.start(second);
    w.pass(5min + 1s);
    CHECK(second.logged("which a wrong clock or other time zone data said"));
  }
  SECTION("while it runs") {
    runs = 0;
    w.clock.step_to(start);
    w.pass(5min + 1s);
    CHECK(first.logged("the clock of the store was put back"));
  }
  // Instants that fired already by the wrong clock do not fire again, and the clock is read each half minute.
  CHECK(runs >= 35 - 7 - 4);
  auto const fires = w.run_now(w.store.fires("tick", 1000));
  std::set<visor::instant> planned;
  for (auto const& fire : fires) CHECK(planned.insert(fire.planned_at).second);
  w.stop_all();
}

TEST_CASE("a next instant that the expression does not name is corrected at the start") {
  fake_clock_cluster w;
  auto wrong = schedule("nightly", "0 2 * * *", "tick");
  wrong.origin = visor::origin::user;
  wrong.next_at = w.clock.now() + 1h;  // as data of time zones said that were others
  w.run_now(w.store.add_schedule(wrong));
  auto& node = w.add();
  w.start(node);
  w.pass(1s);
  CHECK(visor::to_string(w.run_now(w.store.find_schedule("nightly"))->next_at.value()) == "2026-01-01T02:00:00Z");
  CHECK(node.logged("schedule nightly was to be due next at 2026-01-01T01:00:00Z"));
  w.stop_all();
}

TEST_CASE("a schedule with a wrong expression or zone is refused when it is added") {
  fake_clock_cluster w;
  auto& node = w.add();
  CHECK_THROWS_AS(node.engine->add(schedule("x", "61 * * * *", "tick")), visor::error);
  CHECK_THROWS_AS(node.engine->add(schedule("x", "", "tick")), visor::error);
  auto nowhere = schedule("x", "* * * * *", "tick");
  nowhere.zone = "Nowhere/Land";
  CHECK_THROWS_AS(node.engine->add(nowhere), visor::error);
}

TEST_CASE("a restart keeps the schedules that are as before and removes those that are gone") {
  fake_clock_cluster w;
  int runs = 0;
  auto& first = w.add(fake_clock_cluster::settings("first"));
  first.engine->add(counting(runs));
  first.engine->add(schedule("stays", "0 0 1 1 *", "tick"));
  first.engine->add(schedule("goes", "0 0 1 1 *", "tick"));
  w.start(first);
  w.stop_all();
  auto& second = w.add(fake_clock_cluster::settings("second"));
  second.engine->add(counting(runs));
  second.engine->add(schedule("stays", "0 0 1 1 *", "tick"));
  w.start(second);
  w.pass(1s);
  CHECK(second.logged("0 added, 0 changed, 1 removed, 1 as before"));
  CHECK_FALSE(w.run_now(w.store.find_schedule("goes")));
  w.stop_all();
}

namespace {

/// A node of a cluster with some schedules, each of which runs once in a year.
fake_clock_cluster::node& add_node(fake_clock_cluster& w, std::string name, std::vector<std::string> const& ids,
                                   std::string const& payload = "{}") {
  auto& node = w.add(fake_clock_cluster::beside_others(std::move(name)));
  for (auto const& id : ids) {
    auto record = schedule(id, "0 0 1 1 *", "tick");
    record.payload = payload;
    node.engine->add(record);
  }
  w.start(node);
  w.pass(1s);
  return node;
}

std::string ids_of(fake_clock_cluster& w) {
  std::string all;
  for (auto const& each : w.run_now(w.store.schedules(visor::schedule_filter()))) all += each.id + " ";
  return all;
}

void stop(fake_clock_cluster& w, fake_clock_cluster::node& node) {
  node.engine->stop();
  w.pass(10s);
  REQUIRE(node.ended);
}

}  // namespace

TEST_CASE("a node of an older version takes nothing from those of a newer one, and has its own again when they are gone") {
  fake_clock_cluster w;
  auto& old = add_node(w, "old", {"a"}, "1");
  auto& young = add_node(w, "young", {"a", "b"}, "2");
  CHECK(ids_of(w) == "a b ");
  CHECK(w.run_now(w.store.find_schedule("a"))->payload == "2");
  stop(w, old);
  auto& again = add_node(w, "again", {"a"}, "1");
  CHECK(ids_of(w) == "a b ");
  CHECK(w.run_now(w.store.find_schedule("a"))->payload == "2");
  CHECK(again.logged("1 schedule was not changed: a node of a newer version lives and declares it otherwise"));
  auto paused = w.run_now(w.store.find_schedule("b")).value();
  paused.state = visor::schedule_state::paused;
  w.run_now(w.store.update_schedule(paused));
  SECTION("they leave") { stop(w, young); }
  SECTION("they are taken over") {
    auto const nodes = w.run_now(w.store.nodes());
    auto const at = std::ranges::find(nodes, "young", &visor::node_record::name);
    std::optional<visor::node_lease> evicted(std::in_place, "young", at->epoch, at->lease_until);
    w.run_now(w.store.recover(evicted));
    w.run_now(w.store.remove_node("young"));
    CHECK(w.run_now(w.store.declared(visor::schedule_set(visor::origin::code))).size() == 1);
    w.pass(1min);  // it notices, and is back
    CHECK(ids_of(w) == "a b ");
    CHECK(w.run_now(w.store.find_schedule("a"))->payload == "2");
    stop(w, young);
  }
  CHECK(ids_of(w) == "a ");
  CHECK(w.run_now(w.store.find_schedule("a"))->payload == "1");
  CHECK(again.logged("schedule b was removed: no living node declares it"));
  CHECK(again.logged("schedule a was changed"));
  auto& back = add_node(w, "back", {"a", "b"}, "2");
  CHECK(w.run_now(w.store.find_schedule("b"))->state == visor::schedule_state::paused);
  CHECK_FALSE(back.logged("was removed"));
  w.stop_all();
}

TEST_CASE("of many schedules that changed the log names some and counts the others") {
  fake_clock_cluster w;
  std::vector<std::string> ids;
  for (int i = 100; i < 153; ++i) ids.push_back("s" + std::to_string(i));
  stop(w, add_node(w, "first", ids, "1"));
  auto& second = add_node(w, "second", ids, "2");
  CHECK(second.logged("3 more schedules were changed, as this node declares them"));
  stop(w, second);
  auto& third = add_node(w, "third", {"s100"}, "2");
  CHECK(third.logged("2 more schedules were removed: no living node declares them, and this one declares their set without them"));
  stop(w, third);
  ids.pop_back();
  ids.pop_back();
  stop(w, add_node(w, "fourth", ids, "3"));
  auto& last = add_node(w, "last", ids, "4");
  CHECK(last.logged("1 more schedule was changed, as this node declares it"));
  w.stop_all();
}

TEST_CASE("a node without schedules leaves those of others alone, and one that declares none removes what nobody declares") {
  fake_clock_cluster w;
  auto& node = add_node(w, "node", {"a", "b"});
  auto& worker = add_node(w, "worker", {});
  CHECK(ids_of(w) == "a b ");
  stop(w, node);
  w.pass(1min);
  CHECK(ids_of(w) == "a b ");
  stop(w, worker);
  auto& empty = w.add(fake_clock_cluster::beside_others("empty"));
  empty.engine->declare(visor::schedule_set(visor::origin::code));
  w.start(empty);
  w.pass(1s);
  CHECK(ids_of(w).empty());
  CHECK(empty.logged("schedule a was removed"));
  w.stop_all();
}

TEST_CASE("a schedule of somebody else under an id of the file stops neither the start nor the others") {
  fake_clock_cluster w;
  auto theirs = schedule("b", "* * * * *", "tick");
  theirs.origin = visor::origin::user;
  theirs.owner = "ann";
  theirs.next_at = w.clock.now() + 1h;
  w.run_now(w.store.add_schedule(theirs));
  auto& node = add_node(w, "node", {"a", "b", "c"});
  CHECK(ids_of(w) == "a b c ");
  CHECK(w.run_now(w.store.find_schedule("b"))->owner == "ann");
  CHECK(
      node.logged("schedule b is not added, and all others run: ann created one of this id: give this one another id, or cancel that one "
                  "(visor schedule cancel b) and then restart this node or run visor schedule apply"));
  w.stop_all();
}
