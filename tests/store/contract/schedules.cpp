#include "contract/given.hpp"

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

}  // namespace

TEST_CASE("a schedule is kept as it was added", "[contract]") {
  scene s;
  auto made = full_record(s->now());
  made.version = 77;
  s->add_schedule(made);
  auto expected = made;
  expected.version = 1;
  expected.updated_at = s->now();
  CHECK(s->find_schedule("nightly") == expected);

  SECTION("and what is not there stays not there") {
    visor::schedule_record bare;
    bare.id = "bare";
    s->advance(1s);
    s->add_schedule(bare);
    bare.created_at = bare.updated_at = s->now();
    CHECK(s->find_schedule("bare") == bare);
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
  scene s;
  auto const stored = full_record(s->now());
  s->add_schedule(stored);
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
  expected.last_at = stored.last_at;
  expected.last_job = stored.last_job;
  expected.run_count = stored.run_count;
  expected.failure_count = stored.failure_count;
  expected.created_at = stored.created_at;
  expected.updated_at = s->now();
  expected.version = 2;
  CHECK(result == expected);
  CHECK(s->find_schedule("nightly") == expected);
}

TEST_CASE("a change of what somebody else changed is a conflict", "[contract]") {
  scene s;
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
  scene s;
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
  scene s;
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
  scene s;
  s->add_schedule(s.schedule("tick"));
  CHECK_FALSE(s->remove_schedule("tock"));
  CHECK(s->remove_schedule("tick"));
  CHECK_FALSE(s->remove_schedule("tick"));
  CHECK(s->due(10).schedules.empty());
  s->add_schedule(s.schedule("tick"));
  CHECK(s->due(10).schedules.size() == 1);
}

TEST_CASE("the schedules of a configuration are replaced as a whole", "[contract]") {
  scene s;
  auto const lease = s.join("a", 24h);
  auto const entry = [&](std::string id) {
    auto made = s.schedule(std::move(id));
    made.origin = origin::config;
    return made;
  };
  s->add_schedule(s.schedule("of-user"));
  auto changes = s->replace_schedules(origin::config, std::vector{entry("a"), entry("b"), entry("c")});
  CHECK(changes.added == 3);
  CHECK(changes.changed + changes.removed + changes.unchanged == 0);
  CHECK(s->find_schedule("a")->origin == origin::config);
  REQUIRE(s.fire(lease, "a", 1));
  REQUIRE(s.fire(lease, "b", 2));
  s.work_off(lease, visor::job_state::failed);
  s.work_off(lease, visor::job_state::failed);
  auto const a = s->find_schedule("a").value();
  auto const b = s->find_schedule("b").value();

  s->advance(1h);
  auto other_b = entry("b");
  other_b.payload = "{\"team\":\"other\"}";
  other_b.next_at = s->now() + 5min;
  changes = s->replace_schedules(origin::config, std::vector{entry("a"), other_b, entry("d")});
  CHECK(changes.added == 1);
  CHECK(changes.changed == 1);
  CHECK(changes.removed == 1);
  CHECK(changes.unchanged == 1);
  CHECK(names(s->schedules({})) == std::vector<std::string>{"a", "b", "d", "of-user"});
  CHECK(s->find_schedule("a") == a);
  auto expected = b;
  expected.payload = other_b.payload;
  expected.next_at = other_b.next_at;
  expected.version = 2;
  expected.updated_at = s->now();
  CHECK(s->find_schedule("b") == expected);
  CHECK(expected.failure_count == 1);
  CHECK(expected.last_error == "it broke");

  SECTION("the same again changes nothing") {
    changes = s->replace_schedules(origin::config, std::vector{entry("a"), other_b, entry("d")});
    CHECK(changes.unchanged == 3);
    CHECK(changes.added + changes.changed + changes.removed == 0);
  }
  SECTION("another origin is apart") {
    CHECK(s->replace_schedules(origin::code, {}).removed == 0);
    CHECK(s->replace_schedules(origin::code, std::vector{entry("of-code")}).added == 1);
    CHECK(s->find_schedule("of-code")->origin == origin::code);
    CHECK(s->replace_schedules(origin::config, {}).removed == 3);
    CHECK(names(s->schedules({})) == std::vector<std::string>{"of-code", "of-user"});
  }
}

TEST_CASE("each part of a definition makes it another one", "[contract]") {
  scene s;
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
  CHECK(s->replace_schedules(origin::code, std::vector{changed}).changed == 1);
  CHECK(s->replace_schedules(origin::code, std::vector{changed}).unchanged == 1);
  auto const kept = s->find_schedule("nightly").value();
  CHECK(kept.run_count == original.run_count);
  CHECK(kept.state == original.state);
  CHECK(kept.version == 2);
}

TEST_CASE("what is not part of a definition does not change it", "[contract]") {
  scene s;
  auto const original = full_record(s->now());
  s->add_schedule(original);
  auto const stored = s->find_schedule("nightly");
  auto given = original;
  given.state = schedule_state::active;
  given.next_at.reset();
  given.last_at.reset();
  given.last_job.reset();
  given.run_count = 0;
  given.failure_count = 0;
  given.last_error.reset();
  given.created_at = {};
  given.version = 5;
  s->advance(1s);
  CHECK(s->replace_schedules(origin::code, std::vector{given}).unchanged == 1);
  CHECK(s->find_schedule("nightly") == stored);
}

TEST_CASE("a schedule that had come to its end starts again with its new definition only", "[contract]") {
  scene s;
  auto const lease = s.join("a");
  auto once = s.schedule("once");
  once.origin = origin::code;
  once.phrase = "2026-01-01";
  s->replace_schedules(origin::code, std::vector{once});
  auto order = s.order("once", 1);
  order.next_at.reset();
  order.state = schedule_state::completed;
  CHECK(s.fire(lease, order).accepted);
  CHECK(s->replace_schedules(origin::code, std::vector{once}).unchanged == 1);
  CHECK(s->find_schedule("once")->state == schedule_state::completed);
  CHECK_FALSE(s->find_schedule("once")->next_at);
  once.phrase = "2026-02-01";
  once.next_at = s->now() + 1h;
  CHECK(s->replace_schedules(origin::code, std::vector{once}).changed == 1);
  CHECK(s->find_schedule("once")->state == schedule_state::active);
  CHECK(s->find_schedule("once")->run_count == 1);
  CHECK(s->due(10).next_at == once.next_at);
}

TEST_CASE("a replacement that cannot be whole does nothing", "[contract]") {
  scene s;
  s->add_schedule(s.schedule("mine"));
  s->replace_schedules(origin::config, std::vector{s.schedule("kept")});
  auto const before = s->schedules({});
  std::string expected;
  std::vector all{s.schedule("new")};
  SECTION("an id of another origin") {
    all.push_back(s.schedule("mine"));
    expected = "already exists";
  }
  SECTION("an id twice") {
    all.push_back(s.schedule("new"));
    expected = "invalid argument";
  }
  SECTION("text that cannot be kept") {
    all.push_back(s.schedule("bad"));
    all.back().payload = "\xed\xa0\x80";
    expected = "invalid argument";
  }
  CHECK(refusal([&] { s->replace_schedules(origin::config, all); }) == expected);
  CHECK_THAT(message([&] { s->replace_schedules(origin::config, all); }), Contains(all.back().id));
  CHECK(s->schedules({}) == before);
}

TEST_CASE("schedules are listed by id, byte by byte, as the filter says", "[contract]") {
  scene s;
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
  CHECK(list([](auto& f) { f.limit = 2; }) == all{"B", "a%c"});
  CHECK(list([](auto& f) { f.limit = 0; }) == all{});
}

TEST_CASE("a schedule with text that cannot be kept is refused", "[contract]") {
  scene s;
  auto made = s.schedule("tick");
  SECTION("id") { made.id = "t\xfa"; }
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
}

}  // namespace visor_test
