#include "visor/store/manifest.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <string>
#include <vector>

// Declarations of nodes, and their effects.
namespace {

using visor::instant;
using visor::manifest;
using visor::schedule_set;
using namespace std::chrono_literals;

constexpr instant start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
schedule_set const default_named;

visor::schedule_record wanted(std::string id, std::string payload = "{}") {
  visor::schedule_record record;
  record.id = std::move(id);
  record.expression = "* * * * *";
  record.payload = std::move(payload);
  record.digest = visor::definition_digest(record);
  return record;
}

visor::schedule_digest stored(visor::schedule_record const& record, bool is_retired = false, char const* set = "default") {
  visor::schedule_digest brief;
  brief.id = record.id;
  brief.set_name = set;
  brief.digest = record.digest;
  brief.version = 7;
  if (is_retired) brief.retired_at = start;
  return brief;
}

manifest seen(std::vector<visor::schedule_record> const& all, visor::duration after) { return visor::manifest_of(all, start + after); }

/// `add x, change y` for a node that wants `mine`, which were first seen after a minute.
std::string plan(std::vector<visor::schedule_record> const& mine, std::vector<visor::schedule_digest> const& in_store,
                 std::vector<manifest> const& others = {}) {
  auto const plan = visor::plan_set(default_named, mine, seen(mine, 1min), others, in_store);
  std::string words;
  auto const say = [&](char const* what, std::string const& id) { words += (words.empty() ? "" : ", ") + std::string(what) + " " + id; };
  for (auto const which : plan.add) say("add", mine[which].id);
  for (auto const& each : plan.change) say("change", mine[each.which].id);
  for (auto const& each : plan.bring_back) say("bring back", mine[each.which].id);
  for (auto const which : plan.left) say("leave", mine[which].id);
  for (auto const& each : plan.retire) say("retire", each.id);
  return words;
}

}  // namespace

TEST_CASE("a manifest is read as it was written, in parts", "[store]") {
  std::vector<visor::schedule_record> all;
  for (int i = 0; i < 2500; ++i) all.push_back(wanted("s" + std::to_string(i), std::to_string(i)));
  for (auto const* odd : {"", "a b", "line\nbreak", "back\\slash", "\\n", "\xf0\x9f\x98\x80", "tab\t"}) all.push_back(wanted(odd));
  auto const made = seen(all, 1s);
  auto const parts = made.parts();
  CHECK(parts.size() == 3);
  CHECK(manifest::parse(parts) == made);
  CHECK(manifest().parts().empty());
  CHECK(manifest::parse({}) == manifest());
  for (auto const* wrong : {"x", "x y", "x y z", "x 1y z"}) {
    std::vector<std::string> const text{wrong};
    CHECK_THROWS_AS(manifest::parse(text), visor::error);
  }
}

TEST_CASE("a manifest is ASCII, whatever its ids", "[store]") {
  std::vector const all{wanted("grüß dich 😀"), wanted("back\\slash\nline \\x41"), wanted("\xC3\xA9")};
  auto const parts = seen(all, 0s).parts();
  REQUIRE(parts.size() == 1);
  CHECK(std::ranges::all_of(parts[0], [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
  CHECK(manifest::parse(parts) == seen(all, 0s));
  for (std::string const broken : {"digest 1 \\x", "digest 1 \\x4", "digest 1 \\xzz"})
    CHECK_THROWS_AS(manifest::parse(std::vector{broken}), visor::error);
}

TEST_CASE("the digest of a manifest is that of its ids, their definitions and its set, and of nothing else", "[store]") {
  auto const digest = [](std::vector<visor::schedule_record> const& all, schedule_set const& set = default_named,
                         visor::duration after = 0s) { return seen(all, after).digest(set); };
  auto const both = digest({wanted("a"), wanted("b")});
  CHECK(both.size() == 32);
  CHECK(digest({wanted("b"), wanted("a")}) == both);
  CHECK(digest({wanted("a"), wanted("b")}, default_named, 1h) == both);
  CHECK(digest({wanted("a")}) != both);
  CHECK(digest({wanted("a"), wanted("b", "1")}) != both);
  CHECK(digest({wanted("a"), wanted("b")}, schedule_set(visor::origin::code)) != both);
  CHECK(digest({wanted("a"), wanted("b")}, schedule_set(visor::origin::config, "x")) != both);
  CHECK(digest({}) != digest({}, schedule_set(visor::origin::config, "x")));
}

TEST_CASE("the digest of a definition does not change when a later version knows more", "[store]") {
  // These are in databases: a change here makes every schedule another one.
  CHECK(visor::definition_digest(visor::schedule_record()) == "8570e250fe4c2473");
  CHECK(wanted("any").digest == wanted("other").digest);
}

TEST_CASE("what is missing is added, what differs is changed, what nobody wants is retired", "[store]") {
  CHECK(plan({}, {}) == "");
  CHECK(plan({wanted("a")}, {}) == "add a");
  CHECK(plan({wanted("a")}, {stored(wanted("a"))}) == "");
  CHECK(plan({wanted("a", "1")}, {stored(wanted("a"))}) == "change a");
  CHECK(plan({wanted("a")}, {stored(wanted("a"), true)}) == "bring back a");
  CHECK(plan({wanted("a")}, {stored(wanted("a")), stored(wanted("b")), stored(wanted("c"), true)}) == "retire b");
  auto of_before = stored(wanted("a"));
  of_before.digest.reset();
  of_before.set_name.reset();
  CHECK(plan({wanted("a")}, {of_before}) == "change a");
  CHECK(plan({}, {of_before}) == "retire a");
}

TEST_CASE("schedules of another set are none of its business", "[store]") {
  CHECK(plan({}, {stored(wanted("a"), false, "other")}) == "");
  CHECK(plan({wanted("a")}, {stored(wanted("a"), false, "other")}) == "add a");  // the store refuses it
}

TEST_CASE("of two definitions that living nodes want, the one counts that was first seen later", "[store]") {
  auto const mine = wanted("a", "mine");
  auto const theirs = wanted("a", "theirs");
  CHECK(plan({mine}, {stored(theirs)}, {seen({theirs}, 2min)}) == "leave a");
  CHECK(plan({mine}, {stored(theirs)}, {seen({theirs}, 0s)}) == "change a");
  CHECK(plan({mine}, {stored(theirs)}, {seen({theirs}, 0s), seen({wanted("a", "newest")}, 2min)}) == "leave a");
  CHECK(plan({mine}, {stored(theirs)}, {}) == "change a");
  CHECK(plan({mine}, {stored(mine)}, {seen({theirs}, 2min)}) == "");
  CHECK(plan({mine}, {}, {seen({theirs}, 2min)}) == "add a");
  CHECK(plan({mine}, {stored(theirs, true)}, {seen({theirs}, 2min)}) == "leave a");
  // At one instant, the same one of the two counts for both.
  auto const tie = plan({mine}, {stored(theirs)}, {seen({theirs}, 1min)});
  auto const other_way = plan({theirs}, {stored(mine)}, {seen({mine}, 1min)});
  CHECK(tie != other_way);
}

TEST_CASE("nothing is retired that a living node wants, in whatever version", "[store]") {
  CHECK(plan({wanted("a")}, {stored(wanted("a")), stored(wanted("b"))}, {seen({wanted("b", "old")}, 0s)}) == "");
  CHECK(plan({}, {stored(wanted("b"))}, {seen({wanted("c")}, 0s)}) == "retire b");
}

TEST_CASE("a manifest knows since when what others declared too was seen", "[store]") {
  auto mine = seen({wanted("a"), wanted("b", "new"), wanted("c")}, 1h);
  mine.inherit(seen({wanted("a"), wanted("b")}, 1min));
  mine.inherit(seen({wanted("c")}, 2h));
  CHECK(mine.find("a")->first_seen == start + 1min);
  CHECK(mine.find("b")->first_seen == start + 1h);
  CHECK(mine.find("c")->first_seen == start + 1h);
  CHECK(mine.find("d") == nullptr);
}
