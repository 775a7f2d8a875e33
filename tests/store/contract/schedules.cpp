#include "contract/store_fixture.hpp"

/// Schedules as records: made, changed, replaced as a whole, listed.
namespace visor_test {

using visor::origin;
using visor::schedule_state;

namespace {

std::vector<std::string> names(std::vector<visor::schedule_record> const& records) {
  std::vector<std::string> result;
  for (auto const& record : records) result.push_back(record.id);
  return result;
}

visor::schedule_record full_record(visor::instant now) {
  visor::schedule_record made;
  made.id = "nightly";
  made.origin = origin::code;
  made.expression = "0 2 * * *";
  made.zone = "Europe/Berlin";
  made.type = "report";
  made.payload = "{\"team\":\"platform\",\"name\":\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"}";
  made.queue = "slow";
  made.priority = -3;
  made.max_attempts = 4;
  made.misfire = visor::misfire::window;
  made.misfire_limit = 7;
  made.misfire_window = 90min;
  made.overlap = visor::overlap::queue;
  made.max_failures = 3;
  made.owner = "ann";
  made.description = "every night";
  made.phrase = "every day at 2am";
  made.output = "{\"type\":\"none\"}";
  made.dst_gap = visor::dst_gap::skip;
  made.dst_overlap = visor::dst_overlap::both;
  made.anchor = "2026-01-01T09:00:00";
  made.state = schedule_state::paused;
  made.next_at = now + 123456us;
  made.last_at = now - 1us;
  made.last_job = 9'007'199'254'740'993;  // more than a double can tell
  made.run_count = 5'000'000'000;
  made.failure_count = 2;
  made.last_error = "it's broken";
  made.created_at = now - 24h;
  return made;
}

/// With the digest that a store gives it.
visor::schedule_record stored(visor::schedule_record record) {
  record.digest = visor::definition_digest(record);
  return record;
}

}  // namespace

TEST_CASE("a schedule is kept as it was added", "[contract]") {
  store_fixture s;
  auto made = full_record(s->now());
  made.version = 77;
  s->add_schedule(made);
  auto expected = made;
  expected.version = 1;
  expected.updated_at = s->now();
  expected = stored(expected);
  CHECK(s->find_schedule("nightly") == expected);

  SECTION("and what is not there stays not there") {
    visor::schedule_record bare;
    bare.id = "bare";
    s->advance(1s);
    s->add_schedule(bare);
    bare.created_at = bare.updated_at = s->now();
    CHECK(s->find_schedule("bare") == stored(bare));
  }
  SECTION("once") {
    auto again = made;
    again.type = "other";
    CHECK(refusal([&] { s->add_schedule(again); }) == "already exists");
    CHECK_THAT(message([&] { s->add_schedule(again); }), Contains("nightly"));
    CHECK(s->find_schedule("nightly") == expected);
  }
  CHECK_FALSE(s->find_schedule("Nightly"));
  CHECK_FALSE(s->find_schedule(""));
}

TEST_CASE("a change writes the definition and keeps identity, counters and history", "[contract]") {
  store_fixture s;
  auto const before = full_record(s->now());
  s->add_schedule(before);
  s->advance(1min);
  visor::schedule_record change;
  change.id = "nightly";
  change.origin = origin::user;
  change.expression = "0 3 * * *";
  change.type = "other";
  change.state = schedule_state::active;
  change.next_at = s->now() + 1h;
  change.run_count = 1;
  change.failure_count = 1;
  change.last_error = "paused: the disk is full";
  change.version = 1;
  auto const result = s->update_schedule(change);
  auto expected = change;
  expected.origin = origin::code;
  expected.last_at = before.last_at;
  expected.last_job = before.last_job;
  expected.run_count = before.run_count;
  expected.failure_count = before.failure_count;
  expected.created_at = before.created_at;
  expected.updated_at = s->now();
  expected.version = 2;
  expected = stored(expected);
  CHECK(result == expected);
  CHECK(s->find_schedule("nightly") == expected);
}

TEST_CASE("a change of what somebody else changed is a conflict", "[contract]") {
  store_fixture s;
  s->add_schedule(s.schedule("tick"));
  auto const read = s->find_schedule("tick").value();
  auto mine = read;
  mine.payload = "1";
  auto theirs = read;
  theirs.payload = "2";
  CHECK(s->update_schedule(mine).version == 2);
  CHECK(refusal([&] { s->update_schedule(theirs); }) == "conflict");
  CHECK_THAT(message([&] { s->update_schedule(theirs); }), Contains("tick"));
  theirs.version = 3;
  CHECK(refusal([&] { s->update_schedule(theirs); }) == "conflict");
  CHECK(s->find_schedule("tick")->payload == "1");
  theirs.id = "tock";
  CHECK(refusal([&] { s->update_schedule(theirs); }) == "not found");
}

TEST_CASE("a fire between reading and changing is no conflict, and is not lost", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s->add_schedule(s.schedule("tick"));
  auto read = s->find_schedule("tick").value();
  REQUIRE(s.fire(lease, "tick", 1));
  read.state = schedule_state::paused;
  auto const paused = s->update_schedule(read);
  CHECK(paused.run_count == 1);
  CHECK(paused.last_job == 1);
}

TEST_CASE("pausing keeps a schedule from firing and resuming lets it", "[contract]") {
  store_fixture s;
  s->add_schedule(s.schedule("tick"));
  auto record = s->find_schedule("tick").value();
  record.state = schedule_state::paused;
  record = s->update_schedule(record);
  CHECK(s->due(10).schedules.empty());
  CHECK_FALSE(s->due(10).next_at);
  record.state = schedule_state::active;
  record.next_at = s->now() + 1s;
  s->update_schedule(record);
  CHECK(s->due(10).schedules.empty());
  CHECK(s->due(10).next_at == record.next_at);
  s->advance(1s);
  CHECK(s->due(10).schedules.size() == 1);
}

TEST_CASE("a schedule is removed once", "[contract]") {
  store_fixture s;
  s->add_schedule(s.schedule("tick"));
  CHECK_FALSE(s->remove_schedule("tock"));
  CHECK(s->remove_schedule("tick"));
  CHECK_FALSE(s->remove_schedule("tick"));
  CHECK(s->due(10).schedules.empty());
  s->add_schedule(s.schedule("tick"));
  CHECK(s->due(10).schedules.size() == 1);
}

TEST_CASE("the schedules of a set become what its only node declares", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 24h);
  visor::schedule_set const set(origin::config);
  auto const bring = [&](std::vector<visor::schedule_record> all) { return visor_test::bring(s.store(), set, std::move(all)); };
  s->add_schedule(s.schedule("of-user"));
  CHECK(bring({s.schedule("a"), s.schedule("b"), s.schedule("c")}) == set_changes{3, 0, 0, 0, {}});
  CHECK(s->find_schedule("a")->origin == origin::config);
  CHECK(s->find_schedule("a")->set_name == "default");
  REQUIRE(s.fire(lease, "a", 1));
  REQUIRE(s.fire(lease, "b", 2));
  s.work_off(lease, visor::job_state::failed);
  s.work_off(lease, visor::job_state::failed);
  auto const a = s->find_schedule("a").value();
  auto const b = s->find_schedule("b").value();

  s->advance(1h);
  auto other_b = s.schedule("b");
  other_b.payload = "{\"team\":\"other\"}";
  other_b.next_at = s->now() + 5min;
  CHECK(bring({s.schedule("a"), other_b, s.schedule("d")}) == set_changes{1, 1, 1, 1, {}});
  CHECK(names(s->schedules({})) == std::vector<std::string>{"a", "b", "d", "of-user"});
  CHECK(s->find_schedule("a") == a);
  auto expected = b;
  expected.payload = other_b.payload;
  expected.next_at = other_b.next_at;
  expected.version = 2;
  expected.updated_at = s->now();
  CHECK(s->find_schedule("b") == stored(expected));
  CHECK(expected.failure_count == 1);
  CHECK(expected.last_error == "it broke");

  SECTION("the same again changes nothing") { CHECK(bring({s.schedule("a"), other_b, s.schedule("d")}) == set_changes{0, 0, 0, 3, {}}); }
  SECTION("another origin is apart, and so is another set") {
    visor::schedule_set const of_code(origin::code);
    visor::schedule_set const other(origin::config, "other");
    CHECK(visor_test::bring(s.store(), of_code, {}).removed == 0);
    CHECK(visor_test::bring(s.store(), of_code, {s.schedule("of-code")}).added == 1);
    CHECK(s->find_schedule("of-code")->origin == origin::code);
    CHECK(visor_test::bring(s.store(), other, {s.schedule("of-other")}).added == 1);
    CHECK(bring({}).removed == 3);
    CHECK(names(s->schedules({})) == std::vector<std::string>{"of-code", "of-other", "of-user"});
  }
  SECTION("an id of somebody else is refused, and the others are there") {
    auto const mine = s->find_schedule("of-user");
    CHECK(bring({s.schedule("a"), other_b, s.schedule("e"), s.schedule("of-user")}) == set_changes{1, 0, 1, 2, {"of-user"}});
    CHECK(s->find_schedule("of-user") == mine);
    CHECK(s->find_schedule("e"));
    s->remove_schedule("of-user");
    CHECK(bring({s.schedule("of-user")}).added == 1);
  }
  SECTION("a text that cannot be kept stores nothing") {
    auto bad = s.schedule("bad");
    bad.payload = "\xed\xa0\x80";
    CHECK(refusal([&] { bring({s.schedule("new"), bad}); }) == "invalid argument");
    CHECK_FALSE(s->find_schedule("new"));
  }
}

TEST_CASE("a schedule that nobody declares is gone, and comes back with its pause and its counters", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 24h);
  visor::schedule_set const set(origin::config);
  visor_test::bring(s.store(), set, {s.schedule("tick"), s.schedule("tock")});
  REQUIRE(s.fire(lease, "tick", 1));
  s.work_off(lease, visor::job_state::failed);
  auto paused = s->find_schedule("tick").value();
  paused.state = schedule_state::paused;
  paused = s->update_schedule(paused);
  CHECK(visor_test::bring(s.store(), set, {}).removed == 2);
  CHECK(s->schedules({}).empty());
  CHECK(s->due(10).schedules.empty());
  CHECK_FALSE(s->due(10).next_at);
  CHECK_FALSE(s->find_schedule("tick"));
  CHECK_FALSE(s->remove_schedule("tick"));
  CHECK(refusal([&] { s->update_schedule(paused); }) == "not found");
  auto const brief = s->schedule_digests(origin::config);
  REQUIRE(brief.size() == 2);
  CHECK(brief[0].id == "tick");
  CHECK(brief[0].retired_at == s->now());
  SECTION("as it was") {
    auto back = s.schedule("tick");
    back.next_at = s->now() + 7min;
    CHECK(visor_test::bring(s.store(), set, {back}).added == 1);
    auto expected = paused;
    expected.next_at = back.next_at;
    expected.version = paused.version + 2;
    expected.updated_at = s->now();
    CHECK(s->find_schedule("tick") == expected);
    CHECK(expected.run_count == 1);
    CHECK(expected.failure_count == 1);
  }
  SECTION("in another set, of another origin") {
    visor::schedule_set const other(origin::code, "other");
    CHECK(visor_test::bring(s.store(), other, {s.schedule("tick")}).added == 1);
    CHECK(s->find_schedule("tick")->state == schedule_state::paused);
    CHECK(s->find_schedule("tick")->origin == origin::code);
    CHECK(s->find_schedule("tick")->set_name == "other");
    CHECK(visor_test::bring(s.store(), set, {}).removed == 0);
  }
  SECTION("or a user takes its id") {
    s->add_schedule(s.schedule("tick"));
    CHECK(s->find_schedule("tick")->state == schedule_state::active);
    CHECK(s->find_schedule("tick")->run_count == 0);
    CHECK(visor_test::bring(s.store(), set, {s.schedule("tick")}).taken == std::vector<std::string>{"tick"});
  }
  SECTION("and one that had come to its end does not begin again") {
    auto once = s.schedule("once");
    once.expression = "";
    visor_test::bring(s.store(), set, {once});
    auto order = s.order("once", 9);
    order.next_at.reset();
    order.state = schedule_state::completed;
    CHECK(s.fire(lease, order).accepted);
    CHECK(visor_test::bring(s.store(), set, {}).removed == 1);
    CHECK(visor_test::bring(s.store(), set, {once}).added == 1);
    CHECK(s->find_schedule("once")->state == schedule_state::completed);
    CHECK(s->due(10).schedules.empty());
  }
}

TEST_CASE("a step is taken if the schedule is as it was read, and if what was decided from still holds", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  visor::schedule_set const set(origin::config);
  visor_test::bring(s.store(), set, {s.schedule("tick")});
  auto given = s.schedule("tick");
  given.payload = "{}";
  std::vector<visor::schedule_change> steps;
  auto const try_one = [&](visor::schedule_step what, std::int64_t version) {
    steps.assign(1, visor::schedule_change(what, given, version));
    return text(s->change_schedules(set, {}, steps).value().at(0));
  };
  CHECK(try_one(visor::schedule_step::change, 2) == "passed_over");
  CHECK(try_one(visor::schedule_step::retire, 2) == "passed_over");
  CHECK(try_one(visor::schedule_step::bring_back, 1) == "passed_over");
  CHECK(try_one(visor::schedule_step::add, 0) == "passed_over");  // another node of the set was first
  given.id = "theirs";
  s->add_schedule(s.schedule("theirs"));
  CHECK(try_one(visor::schedule_step::add, 0) == "taken");
  given.id = "tick";
  CHECK(s->find_schedule("tick")->version == 1);
  CHECK(try_one(visor::schedule_step::change, 1) == "done");
  CHECK(try_one(visor::schedule_step::change, 2) == "unchanged");
  CHECK(s->find_schedule("tick")->version == 2);

  s->put_manifest("m", 0, std::vector<std::string>{"one"});
  std::vector const sets{visor::set_declaration(set, "m", 1)};
  REQUIRE(s->declare(lease, sets));
  given.payload = "[]";
  steps.assign(1, visor::schedule_change(visor::schedule_step::change, given, 2));
  CHECK_FALSE(s->change_schedules(set, {}, steps));
  CHECK_FALSE(s->change_schedules(set, std::vector<std::string>{"n"}, steps));
  CHECK(s->find_schedule("tick")->payload == "{}");
  CHECK(s->change_schedules(set, std::vector<std::string>{"m"}, steps));
  CHECK(s->find_schedule("tick")->payload == "[]");
}

TEST_CASE("a declaration lasts as long as the lease of its node", "[contract]") {
  store_fixture s;
  auto const a = s.join("a", 10s);
  auto const b = s.join("b", 1h);
  visor::schedule_set const config(origin::config);
  visor::schedule_set const code(origin::code, "it's");
  std::vector<std::string> const parts{"one\n", "two \xf0\x9f\x98\x80\n"};
  std::vector const both{visor::set_declaration(config, "m1", 2), visor::set_declaration(code, "empty", 0)};
  CHECK_FALSE(s->declare(a, both));
  CHECK(s->declarations().empty());
  s->put_manifest("m1", 1, std::span(parts).subspan(1));
  CHECK_FALSE(s->declare(a, both));
  CHECK(s->manifest_parts("m1").empty());
  s->put_manifest("m1", 0, parts);
  REQUIRE(s->declare(a, both));
  REQUIRE(s->declare(b, std::span(both).first(1)));
  CHECK(s->manifest_parts("m1") == parts);
  CHECK(s->declared(config) == std::vector<std::string>{"m1"});
  CHECK(s->declared(code) == std::vector<std::string>{"empty"});
  auto const all = s->declarations();
  REQUIRE(all.size() == 3);
  CHECK(all[0].node == "a");
  CHECK(all[0].origin == origin::code);
  CHECK(all[0].set_name == "it's");
  CHECK(all[0].digest == "empty");
  CHECK(all[0].declared_at == s->now());
  CHECK(all[1].node == "a");
  CHECK(all[2].node == "b");
  s->put_manifest("m2", 0, std::span(parts).first(1));
  std::vector const next{visor::set_declaration(config, "m2", 1)};
  SECTION("or until it declares something else, or nothing") {
    REQUIRE(s->declare(b, next));
    CHECK(s->declared(config) == std::vector<std::string>{"m1", "m2"});
    REQUIRE(s->declare(a, {}));
    CHECK(s->declared(config) == std::vector<std::string>{"m2"});
    CHECK(s->declared(code).empty());
  }
  SECTION("it leaves") {
    s->leave(a);
    CHECK(s->declared(code).empty());
    CHECK(s->declared(config) == std::vector<std::string>{"m1"});
    s->leave(b);
    CHECK(s->declarations().empty());
    CHECK(s->manifests(config) == std::vector<std::string>{"m1"});
  }
  SECTION("it is taken over") {
    s->advance(10s);
    CHECK(s->declarations().size() == 3);
    s->recover();
    CHECK(s->declarations().size() == 1);
    CHECK(refusal([&] { s->declare(a, both); }) == "lease lost");
  }
  SECTION("it is evicted") {
    s->recover(a);
    CHECK(s->declarations().size() == 1);
  }
  SECTION("its process is another one: until that says what it declares") {
    auto const again = s.join("a");
    CHECK(s->declarations().size() == 3);
    CHECK(refusal([&] { s->declare(a, next); }) == "lease lost");
    REQUIRE(s->declare(again, next));
    CHECK(s->declared(config) == std::vector<std::string>{"m1", "m2"});
    CHECK(s->declared(code).empty());
  }
}

TEST_CASE("what was declared last is kept, and what is declared", "[contract]") {
  store_fixture s;
  auto const a = s.join("a", 24h);
  auto const b = s.join("b", 24h);
  visor::schedule_set const set(origin::config);
  auto const declare = [&](visor::node_lease const& by, std::string const& digest) {
    s->advance(1s);
    s->put_manifest(digest, 0, std::vector<std::string>{digest});
    std::vector const sets{visor::set_declaration(set, digest, 1)};
    REQUIRE(s->declare(by, sets));
  };
  declare(b, "m0");
  for (int i = 1; i <= 6; ++i) declare(a, "m" + std::to_string(i));
  CHECK(s->manifests(set) == std::vector<std::string>{"m6", "m5", "m4", "m3", "m0"});
  CHECK(s->manifest_parts("m0") == std::vector<std::string>{"m0"});
  CHECK(s->manifest_parts("m2").empty());
  declare(a, "m3");
  CHECK(s->manifests(set) == std::vector<std::string>{"m3", "m6", "m5", "m4", "m0"});
}

TEST_CASE("the next instant of a schedule is corrected if it is as it was read", "[contract]") {
  store_fixture s;
  s->add_schedule(s.schedule("tick"));
  auto const read = s->find_schedule("tick").value();
  visor::next_correction right;
  right.schedule = "tick";
  right.version = 1;
  right.from = *read.next_at;
  right.to = *read.next_at + 3min;
  auto other_version = right;
  other_version.version = 2;
  auto other_instant = right;
  other_instant.from += 1us;
  auto unknown = right;
  unknown.schedule = "tock";
  CHECK(s->correct_next(std::vector{other_version, other_instant, unknown}) == std::vector{false, false, false});
  CHECK(s->find_schedule("tick") == read);
  CHECK(s->correct_next(std::vector{other_version, right, right}) == std::vector{false, true, false});
  auto expected = read;
  expected.next_at = right.to;
  CHECK(s->find_schedule("tick") == expected);
  expected.state = schedule_state::paused;
  s->update_schedule(expected);
  right.version = 2;
  right.from = *right.to;
  right.to = s->now();
  CHECK(s->correct_next(std::span(&right, 1)) == std::vector{false});
}

TEST_CASE("many schedules are added together, or none of them", "[contract]") {
  store_fixture s;
  std::vector<visor::schedule_record> all;
  for (int i = 0; i < 1200; ++i) all.push_back(s.schedule("s" + std::to_string(i)));
  s->add_schedules(all);
  CHECK(s->schedules([] {
           visor::schedule_filter filter;
           filter.limit = 10'000;
           return filter;
         }())
            .size() == 1200);
  s->add_schedules({});
  std::vector<visor::schedule_record> more{s.schedule("new"), s.schedule("s7"), s.schedule("newer")};
  CHECK(refusal([&] { s->add_schedules(more); }) == "already exists");
  CHECK_THAT(message([&] { s->add_schedules(more); }), Contains("s7"));
  CHECK_FALSE(s->find_schedule("new"));
  more = {s.schedule("new"), s.schedule("new")};
  CHECK(refusal([&] { s->add_schedules(more); }) == "already exists");
  CHECK_FALSE(s->find_schedule("new"));
}

TEST_CASE("each part of a definition makes it another one", "[contract]") {
  store_fixture s;
  auto const original = full_record(s->now());
  auto changed = original;
  s->add_schedule(original);
  SECTION("expression") { changed.expression = "1 2 * * *"; }
  SECTION("zone") { changed.zone = "UTC"; }
  SECTION("type") { changed.type = "other"; }
  SECTION("payload") { changed.payload += " "; }
  SECTION("queue") { changed.queue = "Slow"; }
  SECTION("priority") { ++changed.priority; }
  SECTION("max_attempts") { ++changed.max_attempts; }
  SECTION("misfire") { changed.misfire = visor::misfire::all; }
  SECTION("misfire_limit") { ++changed.misfire_limit; }
  SECTION("misfire_window") { changed.misfire_window += 1us; }
  SECTION("overlap") { changed.overlap = visor::overlap::cancel; }
  SECTION("max_failures") { ++changed.max_failures; }
  SECTION("owner") { changed.owner.reset(); }
  SECTION("description") { changed.description = ""; }
  SECTION("phrase") { changed.phrase = "daily at 2am"; }
  SECTION("output") { changed.output.reset(); }
  SECTION("dst_gap") { changed.dst_gap = visor::dst_gap::run; }
  SECTION("dst_overlap") { changed.dst_overlap.reset(); }
  visor::schedule_set const set(origin::code);
  CHECK(visor_test::bring(s.store(), set, {changed}).changed == 1);
  CHECK(visor_test::bring(s.store(), set, {changed}).unchanged == 1);
  auto const kept = s->find_schedule("nightly").value();
  CHECK(kept.run_count == original.run_count);
  CHECK(kept.state == original.state);
  CHECK(kept.version == 2);
}

TEST_CASE("what is not part of a definition does not change it", "[contract]") {
  store_fixture s;
  auto const original = full_record(s->now());
  s->add_schedule(original);
  auto const before = s->find_schedule("nightly");
  auto given = original;
  given.state = schedule_state::active;
  given.next_at.reset();
  given.last_at.reset();
  given.last_job.reset();
  given.run_count = 0;
  given.failure_count = 0;
  given.last_error.reset();
  given.created_at = {};
  given.anchor = "2026-02-02T09:00:00";
  given.version = 5;
  s->advance(1s);
  CHECK(visor_test::bring(s.store(), visor::schedule_set(origin::code), {given}).unchanged == 1);
  CHECK(s->find_schedule("nightly") == before);
}

TEST_CASE("an interval goes on from where it was when something else of its definition changes", "[contract]") {
  store_fixture s;
  auto every = s.schedule("often");
  every.origin = origin::code;
  every.expression = "@every 45m";
  every.anchor = "2026-01-01T00:00:00Z";
  every.next_at = s->now() + 45min;
  visor::schedule_set const set(origin::code);
  visor_test::bring(s.store(), set, {every});
  auto later = every;
  later.payload = "{\"changed\":true}";
  later.anchor = "2026-01-01T00:30:00Z";
  later.next_at = s->now() + 75min;
  SECTION("its period is as before") {
    CHECK(visor_test::bring(s.store(), set, {later}).changed == 1);
    auto const kept = s->find_schedule("often").value();
    CHECK(kept.payload == later.payload);
    CHECK(kept.anchor == every.anchor);
    CHECK(kept.next_at == every.next_at);
  }
  SECTION("its period is another one") {
    later.expression = "@every 50m";
    CHECK(visor_test::bring(s.store(), set, {later}).changed == 1);
    CHECK(s->find_schedule("often")->anchor == later.anchor);
    CHECK(s->find_schedule("often")->next_at == later.next_at);
  }
}

TEST_CASE("a schedule that had come to its end starts again with its new definition only", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto once = s.schedule("once");
  once.origin = origin::code;
  once.phrase = "2026-01-01";
  visor::schedule_set const set(origin::code);
  visor_test::bring(s.store(), set, {once});
  auto order = s.order("once", 1);
  order.next_at.reset();
  order.state = schedule_state::completed;
  CHECK(s.fire(lease, order).accepted);
  CHECK(visor_test::bring(s.store(), set, {once}).unchanged == 1);
  CHECK(s->find_schedule("once")->state == schedule_state::completed);
  CHECK_FALSE(s->find_schedule("once")->next_at);
  once.phrase = "2026-02-01";
  once.next_at = s->now() + 1h;
  CHECK(visor_test::bring(s.store(), set, {once}).changed == 1);
  CHECK(s->find_schedule("once")->state == schedule_state::active);
  CHECK(s->find_schedule("once")->run_count == 1);
  CHECK(s->due(10).next_at == once.next_at);
}

TEST_CASE("schedules are listed by id, byte by byte, as the filter says", "[contract]") {
  store_fixture s;
  auto const add = [&](std::string id, schedule_state state = schedule_state::active, std::optional<std::string> owner = {}) {
    auto made = s.schedule(std::move(id));
    made.state = state;
    made.owner = std::move(owner);
    s->add_schedule(made);
  };
  CHECK(s->schedules({}).empty());
  add("b");
  add("B", schedule_state::paused, "ann");
  add("a%c", schedule_state::completed, "bob");
  add("a_c", schedule_state::failed, "Ann");
  add("abc", schedule_state::active, "ann");
  add("\xc3\xa4");
  add("\xc3\x84");
  add("a\\c");
  auto const list = [&](auto change) {
    visor::schedule_filter filter;
    change(filter);
    return names(s->schedules(filter));
  };
  using all = std::vector<std::string>;
  CHECK(list([](auto&) {}) == all{"B", "a%c", "a\\c", "a_c", "abc", "b", "\xc3\x84", "\xc3\xa4"});
  CHECK(list([](auto& f) { f.state = schedule_state::paused; }) == all{"B"});
  CHECK(list([](auto& f) { f.owner = "ann"; }) == all{"B", "abc"});
  CHECK(list([](auto& f) { f.owner = ""; }) == all{});
  CHECK(list([](auto& f) { f.id_prefix = "a"; }) == all{"a%c", "a\\c", "a_c", "abc"});
  CHECK(list([](auto& f) { f.id_prefix = "a%"; }) == all{"a%c"});
  CHECK(list([](auto& f) { f.id_prefix = "a_"; }) == all{"a_c"});
  CHECK(list([](auto& f) { f.id_prefix = "a\\"; }) == all{"a\\c"});
  CHECK(list([](auto& f) { f.id_prefix = "A"; }) == all{});
  CHECK(list([](auto& f) { f.id_prefix = "\xc3\xa4"; }) == all{"\xc3\xa4"});
  CHECK(list([](auto& f) { f.id_prefix = ""; }).size() == 8);
  CHECK(list([](auto& f) { f.hide_completed = true; }).size() == 7);
  CHECK(list([](auto& f) {
          f.hide_completed = true;
          f.state = schedule_state::completed;
        }) == all{});
  CHECK(list([](auto& f) {
          f.owner = "ann";
          f.id_prefix = "a";
          f.state = schedule_state::active;
        }) == all{"abc"});
  CHECK(list([](auto& f) { f.after = "a_c"; }) == all{"abc", "b", "\xc3\x84", "\xc3\xa4"});
  CHECK(list([](auto& f) { f.after = "a_d"; }) == all{"abc", "b", "\xc3\x84", "\xc3\xa4"});
  CHECK(list([](auto& f) {
          f.after = "a\\c";
          f.id_prefix = "a";
        }) == all{"a_c", "abc"});
  CHECK(list([](auto& f) { f.limit = 2; }) == all{"B", "a%c"});
  CHECK(list([](auto& f) { f.limit = 0; }) == all{});
}

TEST_CASE("a schedule with text that cannot be kept is refused", "[contract]") {
  store_fixture s;
  auto made = s.schedule("tick");
  SECTION("id") { made.id = "t\xfa"; }
  SECTION("a blank at the end of the id") { made.id = "tick "; }
  SECTION("of the type") { made.type = "tick "; }
  SECTION("of the queue") { made.queue = "default "; }
  SECTION("of the owner") { made.owner = "ann "; }
  SECTION("payload") { made.payload = std::string("\"\0\"", 3); }
  SECTION("zone") { made.zone = "\xc3"; }
  SECTION("description") { made.description = "\xf5\x80\x80\x80"; }
  SECTION("last_error") { made.last_error = "\x80"; }
  CHECK(refusal([&] { s->add_schedule(made); }) == "invalid argument");
  CHECK(s->schedules({}).empty());
  auto const good = s.schedule("tick");
  s->add_schedule(good);
  if (made.id == "tick") {
    CHECK(refusal([&] { s->update_schedule(made); }) == "invalid argument");
  }
  CHECK(s->find_schedule("tick")->version == 1);
  // A database that ignores such blanks would find an id that was not named.
  CHECK(refusal([&] { s->find_schedule("tick "); }) == "invalid argument");
  CHECK(refusal([&] { s->remove_schedule("tick "); }) == "invalid argument");
  CHECK(refusal([&] { s->fires("tick ", 1); }) == "invalid argument");
  visor::schedule_filter of_owner;
  of_owner.owner = "ann ";
  CHECK(refusal([&] { s->schedules(of_owner); }) == "invalid argument");
}

}  // namespace visor_test
