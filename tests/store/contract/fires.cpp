#include "contract/store_fixture.hpp"

/// Each planned instant is acted on once, and the overlap policy says how.
namespace visor_test {

using visor::overlap;

TEST_CASE("a fire makes a job of its schedule and moves the schedule on", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto made = s.schedule("tick");
  made.queue = "reports";
  made.priority = 7;
  s->add_schedule(made);
  auto const planned = *made.next_at;
  s->advance(3s);
  auto const result = s.fire(lease, s.order("tick", 11));
  CHECK(result.accepted);
  visor::fire_record expected;
  expected.schedule = "tick";
  expected.planned_at = planned;
  expected.fired_at = s->now();
  expected.node = "a";
  expected.result = visor::fire_result::fired;
  expected.job = 11;
  CHECK(result.fires == std::vector{expected});
  CHECK(s->fires("tick", 10) == std::vector{expected});

  visor::job_record job;
  job.id = 11;
  job.type = "tick";
  job.queue = "reports";
  job.priority = 7;
  job.payload = made.payload;
  job.max_attempts = 2;
  job.schedule = "tick";
  job.planned_at = planned;
  job.owner = "ann";
  job.run_at = planned;
  job.created_at = s->now();
  CHECK(s->find_job(11)->job == job);
  CHECK(s.state(11) == "ready");

  auto const after = s->find_schedule("tick").value();
  CHECK(after.next_at == planned + 1min);
  CHECK(after.last_at == planned);
  CHECK(after.last_job == 11);
  CHECK(after.run_count == 1);
  CHECK(after.version == 1);
  CHECK(after.state == visor::schedule_state::active);

  auto const claimed = s.claim(lease, 1, "reports");
  REQUIRE(claimed.jobs.size() == 1);
  CHECK(claimed.jobs[0].schedule == "tick");
  CHECK(claimed.jobs[0].planned_at == planned);
  CHECK(claimed.jobs[0].run_at == planned);
}

TEST_CASE("an instant fires once, whoever tries and however often", "[contract]") {
  store_fixture s;
  auto const a = s.join("a", 1h);
  auto const b = s.join("b", 1h);
  s->add_schedule(s.schedule("tick"));
  auto const mine = s.order("tick", 1);
  auto theirs = mine;
  theirs.ids = {2};
  CHECK(s.fire(a, mine).accepted);
  SECTION("by another node with what it read before") {
    CHECK_FALSE(s.fire(b, theirs).accepted);
    CHECK(s.fire(b, theirs).fires.empty());
  }
  SECTION("by the same node again") { CHECK_FALSE(s.fire(a, mine).accepted); }
  SECTION("twice in one call") {
    auto again = s.order("tick", 3);
    auto twice = std::vector{again, again};
    twice[1].ids = {4};
    if (GENERATE(false, true)) twice[1].planned = {*again.expected_next + 30s};
    s->advance(1min);
    auto const results = s->fire(a, twice);
    CHECK(results.at(0).accepted);
    CHECK_FALSE(results.at(1).accepted);
    CHECK(s.state(3) == "ready");
    CHECK(s.state(4) == "none");
    CHECK(s->fires("tick", 10).size() == 2);
    return;
  }
  SECTION("after the schedule was set back to it") {
    auto record = s->find_schedule("tick").value();
    record.next_at = mine.expected_next;
    s->update_schedule(record);
    auto late = s.order("tick", 2);
    late.planned = {*mine.expected_next, *mine.expected_next + 30s};
    late.ids = {2, 3};
    auto const result = s.fire(b, late);
    CHECK(result.accepted);
    REQUIRE(result.fires.size() == 1);
    CHECK(result.fires[0].job == 3);
    CHECK(s.state(2) == "none");
    CHECK(s->find_schedule("tick")->run_count == 2);
    return;
  }
  SECTION("after the schedule was removed and made again") {
    CHECK(s->remove_schedule("tick"));
    auto anew = s.schedule("tick");
    anew.next_at = mine.expected_next;
    s->add_schedule(anew);
    auto const result = s.fire(b, s.order("tick", 2));
    CHECK(result.accepted);
    CHECK(result.fires.empty());
    CHECK(s->find_schedule("tick")->next_at == *mine.expected_next + 1min);
  }
  CHECK(s.state(1) == "ready");
  CHECK(s.state(2) == "none");
  CHECK(s->fires("tick", 10).size() == 1);
}

TEST_CASE("a fire order is refused when the schedule is not as it was read", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 10s);
  s->add_schedule(s.schedule("tick"));
  auto order = s.order("tick", 1);
  auto by = lease;
  auto record = s->find_schedule("tick").value();
  SECTION("it was changed") {
    record.payload = "{}";
    s->update_schedule(record);
  }
  SECTION("it was paused") {
    record.state = visor::schedule_state::paused;
    order.version = s->update_schedule(record).version;
  }
  SECTION("it was removed") { s->remove_schedule("tick"); }
  SECTION("its next instant is another") { order.expected_next = *order.expected_next + 1us; }
  SECTION("its next instant is none") { order.expected_next.reset(); }
  SECTION("the version is another") { ++order.version; }
  SECTION("the node's time is up") { s->advance(10s); }
  SECTION("the node joined again") { s.join("a"); }
  SECTION("the node is unknown") { by.node = "b"; }
  SECTION("the schedule is unknown") { order.schedule = "tock"; }
  auto const before = s->find_schedule("tick");
  auto const result = s.fire(by, order);
  CHECK_FALSE(result.accepted);
  CHECK(result.fires.empty());
  CHECK(s->find_schedule("tick") == before);
  CHECK(s.state(1) == "none");
  CHECK(s->fires("tick", 10).empty());
}

TEST_CASE("what was missed is on record, until it is made up for", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s->add_schedule(s.schedule("tick"));
  auto const due = s->now();
  s->advance(20s);
  std::vector<visor::missed_instant> const missed{{"tick", due, "no node can"}, {"tock", due, "it is gone"}};
  SECTION("noted by a node that cannot fire it") {
    CHECK(s->note_missed(lease, missed) == 2);
    CHECK(s->note_missed(lease, missed) == 0);
    auto const fires = s->fires("tick", 10);
    REQUIRE(fires.size() == 1);
    CHECK(fires[0].planned_at == due);
    CHECK(fires[0].fired_at == s->now());
    CHECK(fires[0].node == "a");
    CHECK(text(fires[0].result) == "missed");
    CHECK(fires[0].reason == "no node can");
    CHECK_FALSE(fires[0].job);
    CHECK(s->acted_on("tick", due - 1s, 10).empty());
    CHECK(s->due(10).schedules.size() == 1);
    REQUIRE(s.fire(lease, s.order("tick", 1)).fires.size() == 1);
    auto const now = s->fires("tick", 10);
    REQUIRE(now.size() == 1);
    CHECK(text(now[0].result) == "fired");
    CHECK(now[0].job == 1);
    CHECK_FALSE(now[0].reason);
    CHECK(s->acted_on("tick", due - 1s, 10) == std::vector{due});
    CHECK(s->acted_on("tick", due, 10).empty());
    CHECK(s->note_missed(lease, missed) == 0);
  }
  SECTION("by a node whose lease is gone") {
    s->leave(lease);
    CHECK(s->note_missed(lease, missed) == 0);
    CHECK(s->fires("tick", 10).empty());
  }
  SECTION("dropped by the policy") {
    auto order = s.order("tick", 1);
    order.planned = {due + 10s};
    order.missed = "misfire: latest";
    CHECK(s.fire(lease, order).fires.size() == 1);
    auto const fires = s->fires("tick", 10);
    REQUIRE(fires.size() == 2);
    CHECK(fires[0].job == 1);
    CHECK(fires[1].planned_at == due);
    CHECK(fires[1].reason == "misfire: latest");
  }
  SECTION("nothing planned at all") {
    auto order = s.order("tick", 1);
    order.planned.clear();
    order.ids.clear();
    order.missed = "misfire: skip";
    CHECK(s.fire(lease, order).accepted);
    CHECK(s->fires("tick", 10).size() == 1);
  }
}

TEST_CASE("due schedules are read page by page", "[contract]") {
  store_fixture s;
  auto const start = s->now();
  for (int i = 0; i < 5; ++i) {
    auto made = s.schedule("s" + std::to_string(i));
    made.next_at = start + (i < 3 ? 1s : 2s);
    s->add_schedule(made);
  }
  s->advance(2s);
  std::vector<std::string> seen;
  std::optional<visor::due_position> after;
  for (int pages = 0; pages < 10; ++pages) {
    auto const page = s->due(2, after);
    for (auto const& each : page.schedules) seen.push_back(each.id);
    if (page.schedules.size() < 2) break;
    after.emplace(*page.schedules.back().next_at, page.schedules.back().id);
  }
  CHECK(seen == std::vector<std::string>{"s0", "s1", "s2", "s3", "s4"});
  CHECK(s->due(10, visor::due_position(start + 1s, "s1")).schedules.size() == 3);
  CHECK(s->due(10, visor::due_position(start + 1s, "s2")).schedules.size() == 2);
  CHECK(s->due(10, visor::due_position(start + 2s, "s9")).schedules.empty());
}

TEST_CASE("an order without one id for each instant is refused as a whole", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s->add_schedule(s.schedule("one"));
  s->add_schedule(s.schedule("two"));
  auto const good = s.order("one", 1);
  auto bad = s.order("two", 2);
  bad.planned.push_back(*bad.next_at);
  std::vector const orders{good, bad};
  CHECK(refusal([&] { s->fire(lease, orders); }) == "invalid argument");
  CHECK(s.state(1) == "none");
  CHECK(s->find_schedule("one")->run_count == 0);
}

TEST_CASE("a fire whose job would have the id of another one changes nothing", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  for (std::string const id : {"one", "two", "three"}) {
    auto schedule = s.schedule(id);
    if (id == "three") schedule.overlap = visor::overlap::skip;
    s->add_schedule(schedule);
  }
  s.add(2);
  for (std::string const id : {"two", "three"}) {
    std::vector const orders{s.order("one", 1), s.order(id, 2)};
    CHECK(refusal([&] { s->fire(lease, orders); }) == "conflict");
    CHECK(s.state(1) == "none");
    for (std::string const each : {"one", id.c_str()}) {
      CHECK(s->find_schedule(each)->run_count == 0);
      CHECK(s->fires(each, 10).empty());
    }
  }
  std::vector const orders{s.order("one", 1), s.order("two", 3), s.order("three", 4)};
  for (auto const& result : s->fire(lease, orders)) CHECK(result.accepted);
  CHECK(s.claim(lease, 10).jobs.size() == 4);
}

TEST_CASE("orders of several schedules are decided one by one", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  for (std::string const id : {"one", "two", "three"}) s->add_schedule(s.schedule(id));
  std::vector orders{s.order("one", 1), s.order("two", 2), s.order("three", 3)};
  orders[1].version = 9;
  auto const results = s->fire(lease, orders);
  REQUIRE(results.size() == 3);
  CHECK(results[0].schedule == "one");
  CHECK(results[0].accepted);
  CHECK_FALSE(results[1].accepted);
  CHECK(results[2].accepted);
  CHECK(s.claim(lease, 10).jobs.size() == 2);
  CHECK(s->fire(lease, {}).empty());
}

TEST_CASE("of orders in one call each goes its own way", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  for (std::string const id : {"first", "later", "none", "other"}) s->add_schedule(s.schedule(id));
  for (std::string const id : {"busy", "idle", "many"}) s->add_schedule(s.schedule(id, overlap::skip));
  s->add_schedule(s.schedule("behind", overlap::queue));
  s->add_schedule(s.schedule("instead", overlap::cancel));
  CHECK(s.fire(lease, s.order("idle", 1)).accepted);
  s.work_off(lease);
  for (auto const& [id, job] : {std::pair<char const*, visor::job_id>("busy", 2), {"behind", 3}, {"instead", 4}})
    CHECK(s.fire(lease, s.order(id, job)).accepted);
  auto later = s->find_schedule("later").value();
  later.next_at = s->now() + 24h;
  s->update_schedule(later);
  s->advance(10min);

  std::vector orders{s.order("first", 11), s.order("later", 12),  s.order("none", 13),    s.order("other", 14), s.order("busy", 15),
                     s.order("idle", 16),  s.order("behind", 17), s.order("instead", 18), s.order("many", 19)};
  for (auto* const several : {&orders[0], &orders[8]}) {
    several->planned.push_back(*several->next_at);
    several->ids.push_back(several->ids[0] + 10);
    several->next_at = *several->next_at + 1min;
  }
  orders[2].planned.clear();
  orders[2].ids.clear();
  ++orders[3].version;
  auto const what = [&] {
    std::vector<std::string> told;
    for (auto const& result : s->fire(lease, orders)) {
      told.push_back(result.schedule + (result.accepted ? ":" : " refused"));
      for (auto const& fire : result.fires) told.back() += " " + text(fire.result) + (fire.job ? " " + std::to_string(*fire.job) : "");
    }
    return told;
  };
  SECTION("as its schedule says") {
    CHECK(what() == std::vector<std::string>{"first: fired 11 fired 21", "later: fired 12", "none:", "other refused", "busy: skipped",
                                             "idle: fired 16", "behind: fired 17", "instead: fired 18", "many: fired 19 skipped"});
    CHECK(s.state(12) == "scheduled");
    CHECK(s.state(16) == "ready");
    CHECK(s.state(17) == "waiting");
    CHECK(s.state(4) == "cancelled");
    CHECK(s->find_schedule("first")->run_count == 2);
    CHECK(s->find_schedule("first")->last_job == 21);
    CHECK(s->find_schedule("idle")->run_count == 2);
    CHECK(s->find_schedule("other")->run_count == 0);
    for (auto const& order : orders)
      if (order.schedule != "other") CHECK(s->find_schedule(order.schedule)->next_at == order.next_at);
  }
  SECTION("also when one of its instants is in the book already") {
    auto back = s->find_schedule("idle").value();
    back.next_at = s->fires("idle", 1).at(0).planned_at;
    orders[5].version = s->update_schedule(back).version;
    orders[5].expected_next = back.next_at;
    orders[5].planned = {*back.next_at};
    CHECK(what() == std::vector<std::string>{"first: fired 11 fired 21", "later: fired 12", "none:", "other refused", "busy: skipped",
                                             "idle:", "behind: fired 17", "instead: fired 18", "many: fired 19 skipped"});
    CHECK(s.state(16) == "none");
    CHECK(s->find_schedule("idle")->next_at == orders[5].next_at);
    CHECK(s->find_schedule("first")->run_count == 2);
  }
  CHECK(s->fires("first", 10).size() == 2);
}

TEST_CASE("an order without instants only moves the schedule", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s->add_schedule(s.schedule("tick"));
  auto order = s.order("tick", 1);
  order.planned.clear();
  order.ids.clear();
  auto const result = s.fire(lease, order);
  CHECK(result.accepted);
  CHECK(result.fires.empty());
  auto const after = s->find_schedule("tick").value();
  CHECK(after.next_at == order.next_at);
  CHECK(after.run_count == 0);
  CHECK_FALSE(after.last_at);
}

TEST_CASE("missed instants of one order all become jobs, in their order", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s->add_schedule(s.schedule("tick"));
  auto order = s.order("tick", 1);
  order.planned = {*order.expected_next, *order.expected_next + 1min, *order.expected_next + 2min};
  order.ids = {5, 6, 7};
  s->advance(5min);
  CHECK(s.fire(s.join("a"), order).fires.size() == 3);
  CHECK(ids_of(s.claim(s.join("b"), 10)) == ids{5, 6, 7});
  auto const after = s->find_schedule("tick").value();
  CHECK(after.run_count == 3);
  CHECK(after.last_job == 7);
  CHECK(after.last_at == order.planned.back());
  auto const newest = s->fires("tick", 2);
  REQUIRE(newest.size() == 2);
  CHECK(newest[0].planned_at == order.planned[2]);
  CHECK(newest[1].planned_at == order.planned[1]);
  CHECK(s->fires("tick", 0).empty());
  CHECK(s->fires("tock", 10).empty());
}

TEST_CASE("the only instant of a schedule completes it", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto once = s.schedule("once");
  once.expression.clear();
  s->add_schedule(once);
  auto order = s.order("once", 1);
  order.next_at.reset();
  order.state = visor::schedule_state::completed;
  CHECK(s.fire(lease, order).accepted);
  auto const after = s->find_schedule("once").value();
  CHECK(after.state == visor::schedule_state::completed);
  CHECK_FALSE(after.next_at);
  CHECK(s->due(10).schedules.empty());
  CHECK_FALSE(s.fire(lease, order).accepted);
}

TEST_CASE("what is due comes oldest first, and what comes next is told", "[contract]") {
  store_fixture s;
  auto const now = s->now();
  auto const add = [&](std::string id, std::optional<visor::duration> after, visor::schedule_state state = visor::schedule_state::active) {
    auto made = s.schedule(std::move(id));
    made.next_at.reset();
    if (after) made.next_at = now + *after;
    made.state = state;
    s->add_schedule(made);
  };
  CHECK(s->due(10).schedules.empty());
  CHECK_FALSE(s->due(10).next_at);
  add("now", 0s);
  add("before", -1s);
  add("next", 1us);
  add("later", 1h);
  add("b", -1min);
  add("a", -1min);
  add("never", std::nullopt);
  add("paused", -1h, visor::schedule_state::paused);
  add("failed", -1h, visor::schedule_state::failed);
  add("completed", -1h, visor::schedule_state::completed);
  auto const names = [](visor::due_schedules const& due) {
    std::vector<std::string> result;
    for (auto const& each : due.schedules) result.push_back(each.id);
    return result;
  };
  auto due = s->due(10);
  CHECK(due.now == now);
  CHECK(names(due) == std::vector<std::string>{"a", "b", "before", "now"});
  CHECK(due.schedules.at(3) == s->find_schedule("now").value());
  CHECK(due.next_at == now + 1us);
  CHECK(names(s->due(2)) == std::vector<std::string>{"a", "b"});
  CHECK(s->due(2).next_at == now + 1us);
  s->advance(1us);
  due = s->due(10);
  CHECK(due.schedules.size() == 5);
  CHECK(due.next_at == now + 1h);
  s->advance(1h);
  CHECK_FALSE(s->due(10).next_at);
}

TEST_CASE("allow: jobs of a schedule run beside each other", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s->add_schedule(s.schedule("tick"));
  CHECK(s.fire(lease, "tick", 1));
  REQUIRE(ids_of(s.claim(lease)) == ids{1});
  CHECK(s.fire(lease, "tick", 2));
  CHECK(s.state(2) == "ready");
  CHECK(s.fire(lease, "tick", 3));
  CHECK(ids_of(s.claim(lease, 10)) == ids{2, 3});
}

TEST_CASE("skip: nothing new while the last job has not ended", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s->add_schedule(s.schedule("tick", overlap::skip));
  CHECK(s.fire(lease, "tick", 1));
  CHECK_FALSE(s.fire(lease, "tick", 2));  // ready
  auto const claimed = s.claim(lease, 10);
  REQUIRE(ids_of(claimed) == ids{1});
  CHECK_FALSE(s.fire(lease, "tick", 3));  // running
  auto const record = s->find_schedule("tick").value();
  CHECK(record.run_count == 1);
  CHECK(record.last_job == 1);
  CHECK(record.last_at == s->fires("tick", 10).back().planned_at);
  auto const skipped = s->fires("tick", 1).at(0);
  CHECK(skipped.result == visor::fire_result::skipped);
  CHECK_FALSE(skipped.job);
  CHECK(skipped.node == "a");
  CHECK(s.state(3) == "none");

  CHECK(s.exchange(lease, {s.retried(claimed, 24h)}).refused.empty());
  CHECK_FALSE(s.fire(lease, "tick", 4));  // scheduled for a retry
  s->cancel_job(1);
  CHECK(s.fire(lease, "tick", 5));
  s.work_off(lease);
  CHECK(s.fire(lease, "tick", 6));
  CHECK(s->fires("tick", 10).size() == 6);
}

TEST_CASE("skip: of several missed instants one runs", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s->add_schedule(s.schedule("tick", overlap::skip));
  auto order = s.order("tick", 1);
  order.planned = {*order.expected_next, *order.expected_next + 1min, *order.expected_next + 2min};
  order.ids = {1, 2, 3};
  auto const fires = s.fire(lease, order).fires;
  REQUIRE(fires.size() == 3);
  CHECK(fires[0].result == visor::fire_result::fired);
  CHECK(fires[1].result == visor::fire_result::skipped);
  CHECK(fires[2].result == visor::fire_result::skipped);
  CHECK(s.claim(lease, 10).jobs.size() == 1);
}

TEST_CASE("queue: one waits behind the last job, no more", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s->add_schedule(s.schedule("tick", overlap::queue));
  CHECK(s.fire(lease, "tick", 1));
  SECTION("behind a running one") {
    auto const claimed = s.claim(lease);
    CHECK(s.fire(lease, "tick", 2));
    CHECK(s.state(2) == "waiting");
    CHECK(s->find_job(2)->attempts == 0);
    CHECK_FALSE(s.fire(lease, "tick", 3));
    CHECK(s->find_schedule("tick")->last_job == 2);
    CHECK(s.claim(lease, 10).jobs.empty());
    SECTION("until it completes") { CHECK(s.exchange(lease, {s.done(claimed)}).refused.empty()); }
    SECTION("until it fails") { CHECK(s.exchange(lease, {s.done(claimed, 0, visor::job_state::failed)}).refused.empty()); }
    SECTION("until it is dead") { CHECK(s.exchange(lease, {s.done(claimed, 0, visor::job_state::dead)}).refused.empty()); }
    SECTION("not while it is tried again") {
      CHECK(s.exchange(lease, {s.retried(claimed, 0s)}).refused.empty());
      CHECK(s.state(2) == "waiting");
      CHECK(s.exchange(lease, {}, {visor::release(s.claim(lease).lease, 1)}).refused.empty());
      CHECK(s.state(2) == "waiting");
      CHECK(s->cancel_job(1) == visor::cancel_result::cancelled);
    }
    SECTION("in the same exchange") {
      auto const result = s.exchange(lease, {s.done(claimed)}, {}, {{"default", 1}});
      REQUIRE(result.claims.size() == 1);
      CHECK(ids_of(result.claims[0]) == ids{2});
      return;
    }
    CHECK(s.state(2) == "ready");
    auto const next = s.claim(lease, 10);
    REQUIRE(ids_of(next) == ids{2});
    CHECK(next.jobs[0].attempt == 1);
    CHECK(s.fire(lease, "tick", 4));
    CHECK(s.state(4) == "waiting");
  }
  SECTION("behind a ready one") {
    CHECK(s.fire(lease, "tick", 2));
    CHECK(s.state(2) == "waiting");
    CHECK(s.work_off(lease) == 1);
    CHECK(s.state(2) == "ready");
    CHECK(s.fire(lease, "tick", 3));
    CHECK(s.state(3) == "waiting");
    CHECK(s.work_off(lease) == 2);
    CHECK(s.work_off(lease) == 3);
  }
  SECTION("behind one of a node that is lost") {
    s.add(99);
    auto const doomed = s.join("doomed", 2min);
    REQUIRE(ids_of(s.claim(doomed)) == ids{1});
    CHECK(s.fire(lease, "tick", 2));
    s->advance(2min);
    CHECK(s->recover().at(0).requeued == ids{1});
    CHECK(s.state(2) == "waiting");
    for (int more = 0; more < 2; ++more) {
      auto request = s.request("doomed", 1s);
      request.address = "another process " + std::to_string(more);
      REQUIRE(s.claim(s->join(request), 2).jobs.size() == 2);
      s->advance(1s);
      auto const recovered = s->recover().at(0);
      CHECK(std::ranges::count(more == 1 ? recovered.dead : recovered.requeued, 1) == 1);
      s->advance(5s);
      s->promote(10);
    }
    CHECK(s.state(2) == "ready");
  }
  SECTION("behind none when the last has ended") {
    s.work_off(lease);
    CHECK(s.fire(lease, "tick", 2));
    CHECK(s.state(2) == "ready");
  }
  SECTION("what waits can be cancelled") {
    CHECK(s.fire(lease, "tick", 2));
    CHECK(s->cancel_job(2) == visor::cancel_result::cancelled);
    CHECK(s.state(2) == "cancelled");
    s.work_off(lease);
    CHECK(s.state(2) == "cancelled");
    CHECK(s.claim(lease, 10).jobs.empty());
    CHECK(s.fire(lease, "tick", 3));
    CHECK(s.state(3) == "ready");
  }
}

TEST_CASE("cancel: the last job makes way", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s->add_schedule(s.schedule("tick", overlap::cancel));
  CHECK(s.fire(lease, "tick", 1));
  SECTION("a ready one ends and the new one is ready") {
    CHECK(s.fire(lease, "tick", 2));
    CHECK(s.state(1) == "cancelled");
    CHECK(s.history(1) == "cancelled:cancelled");
    CHECK(s.state(2) == "ready");
    CHECK(s.fire(lease, "tick", 3));
    CHECK(ids_of(s.claim(lease, 10)) == ids{3});
  }
  SECTION("one that waits for its retry ends too") {
    CHECK(s.exchange(lease, {s.retried(s.claim(lease), 24h)}).refused.empty());
    CHECK(s.fire(lease, "tick", 2));
    CHECK(s.history(1) == "failed cancelled:cancelled");
    CHECK(s.state(2) == "ready");
  }
  SECTION("a running one is asked to stop, and the new one waits for that; a third takes the place of the second") {
    auto const claimed = s.claim(lease);
    CHECK(s->cancel_requests().empty());
    CHECK(s.fire(lease, "tick", 2));
    CHECK(s->cancel_requests() == ids{1});
    CHECK(s.state(1) == "running");
    CHECK(s.state(2) == "waiting");
    CHECK(s.fire(lease, "tick", 3));
    CHECK(s.state(2) == "cancelled");
    CHECK(s.state(3) == "waiting");
    CHECK(s.claim(lease, 10).jobs.empty());
    CHECK(s.exchange(lease, {s.done(claimed, 0, visor::job_state::cancelled)}).refused.empty());
    CHECK(s->cancel_requests().empty());
    CHECK(s.state(2) == "cancelled");
    CHECK(ids_of(s.claim(lease, 10)) == ids{3});
  }
  SECTION("one that has ended is left alone") {
    s.work_off(lease);
    CHECK(s.fire(lease, "tick", 2));
    CHECK(s.history(1) == "completed:completed");
    CHECK(s.state(2) == "ready");
  }
  SECTION("of several missed instants the last one runs") {
    auto order = s.order("tick", 2);
    order.planned = {*order.expected_next, *order.expected_next + 1min, *order.expected_next + 2min};
    order.ids = {2, 3, 4};
    s->advance(2min);
    CHECK(s.fire(lease, order).fires.size() == 3);
    CHECK(s.state(3) == "cancelled");
    CHECK(ids_of(s.claim(lease, 10)) == ids{4});
    CHECK(s->find_schedule("tick")->run_count == 4);
  }
  CHECK(s->find_schedule("tick")->failure_count == 0);
}

TEST_CASE("a policy that was changed holds for the next fire", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s->add_schedule(s.schedule("tick"));
  CHECK(s.fire(lease, "tick", 1));
  auto record = s->find_schedule("tick").value();
  record.overlap = overlap::skip;
  s->update_schedule(record);
  CHECK_FALSE(s.fire(lease, "tick", 2));
}

TEST_CASE("jobs that keep failing fail their schedule", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  auto made = s.schedule("tick");
  made.max_failures = 3;
  s->add_schedule(made);
  visor::job_id id = 0;
  auto const run = [&](visor::job_state how) {
    REQUIRE(s.fire(lease, "tick", ++id));
    CHECK(s.work_off(lease, how) == id);
    return s->find_schedule("tick").value();
  };
  CHECK(run(visor::job_state::failed).failure_count == 1);
  CHECK(run(visor::job_state::dead).failure_count == 2);
  CHECK(s->find_schedule("tick")->last_error == "it broke");
  SECTION("three in a row do") {
    auto const failed = run(visor::job_state::failed);
    CHECK(failed.failure_count == 3);
    CHECK(failed.state == visor::schedule_state::failed);
    CHECK(failed.run_count == 3);
    CHECK(s->due(10).schedules.empty());
    CHECK_FALSE(s.fire(lease, s.order("tick", 99)).accepted);
    SECTION("and it can be started again, with a clean record") {
      auto revived = failed;
      revived.state = visor::schedule_state::active;
      CHECK(s->update_schedule(revived).failure_count == 0);
      CHECK(run(visor::job_state::failed).state == visor::schedule_state::active);
    }
    SECTION("and a job that fails later still counts, and stays without effect") {
      s->retry_job(1);
      s.work_off(lease, visor::job_state::failed);
      CHECK(s->find_schedule("tick")->failure_count == 4);
      CHECK(s->find_schedule("tick")->state == visor::schedule_state::failed);
    }
  }
  SECTION("a success between them counts from the start") {
    CHECK(run(visor::job_state::completed).failure_count == 0);
    CHECK(run(visor::job_state::failed).failure_count == 1);
    CHECK(s->find_schedule("tick")->state == visor::schedule_state::active);
  }
  SECTION("a cancelled one does not count") {
    CHECK(run(visor::job_state::cancelled).failure_count == 2);
    REQUIRE(s.fire(lease, "tick", ++id));
    s->cancel_job(id);
    CHECK(s->find_schedule("tick")->failure_count == 2);
  }
  SECTION("an attempt that is tried again does not count") {
    REQUIRE(s.fire(lease, "tick", ++id));
    CHECK(s.exchange(lease, {s.retried(s.claim(lease), 0s)}).refused.empty());
    CHECK(s->find_schedule("tick")->failure_count == 2);
    s.work_off(lease);
    CHECK(s->find_schedule("tick")->failure_count == 0);
  }
  SECTION("a result that is sent again counts once") {
    REQUIRE(s.fire(lease, "tick", ++id));
    auto const claimed = s.claim(lease);
    auto record = s->find_schedule("tick").value();
    record.max_failures = 0;
    s->update_schedule(record);
    auto const result = s.done(claimed, 0, visor::job_state::failed);
    CHECK(s.exchange(lease, {result, result}).refused.empty());
    CHECK(s.exchange(lease, {result}).refused.empty());
    CHECK(s->find_schedule("tick")->failure_count == 3);
  }
  SECTION("one that dies with its node counts") {
    auto record = s->find_schedule("tick").value();
    record.max_lost = 0;
    s->update_schedule(record);
    REQUIRE(s.fire(lease, "tick", ++id));
    auto const doomed = s.join("doomed", 1s);
    REQUIRE(s.claim(doomed).jobs.size() == 1);
    s->advance(1s);
    CHECK(s->recover().at(0).dead == ids{id});
    auto const failed = s->find_schedule("tick").value();
    CHECK(failed.failure_count == 3);
    CHECK(failed.state == visor::schedule_state::failed);
    CHECK_THAT(failed.last_error.value(), Contains(visor::lease_ran_out));
  }
}

TEST_CASE("a schedule without a limit counts failures and goes on", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s->add_schedule(s.schedule("tick"));
  for (visor::job_id id = 1; id <= 5; ++id) {
    REQUIRE(s.fire(lease, "tick", id));
    s.work_off(lease, visor::job_state::failed);
  }
  CHECK(s->find_schedule("tick")->failure_count == 5);
  CHECK(s->find_schedule("tick")->state == visor::schedule_state::active);
}

TEST_CASE("a paused schedule counts, and stays paused", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  auto made = s.schedule("tick");
  made.max_failures = 1;
  s->add_schedule(made);
  REQUIRE(s.fire(lease, "tick", 1));
  auto record = s->find_schedule("tick").value();
  record.state = visor::schedule_state::paused;
  s->update_schedule(record);
  s.work_off(lease, visor::job_state::failed);
  CHECK(s->find_schedule("tick")->failure_count == 1);
  CHECK(s->find_schedule("tick")->state == visor::schedule_state::paused);
}

TEST_CASE("jobs of a schedule that was removed run to their end", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  s->add_schedule(s.schedule("tick"));
  REQUIRE(s.fire(lease, "tick", 1));
  CHECK(s->remove_schedule("tick"));
  CHECK(s.work_off(lease, visor::job_state::failed) == 1);
  CHECK(s->find_job(1)->job.schedule == "tick");
  CHECK(s->fires("tick", 10).size() == 1);
  CHECK_FALSE(s->find_schedule("tick"));
}

}  // namespace visor_test
