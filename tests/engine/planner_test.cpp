#include "support/catch.hpp"

#include "visor/cron/recurrence.hpp"
#include "visor/engine/planner.hpp"

#include <string>
#include <vector>

namespace {

using visor::duration;
using visor::instant;
using visor::misfire;
using namespace std::chrono_literals;

instant at(char const* text) { return visor::parse_instant(text).value(); }

visor::fire_plan plan(visor::schedule_record const& schedule, instant now) {
  if (schedule.expression.empty()) {
    auto const never = [](instant) { return std::optional<instant>(); };
    return visor::plan_fires(schedule, now, never, never);
  }
  auto const when = visor::recurrence::parse(schedule.expression);
  auto const utc = visor::time_zone::utc();
  return visor::plan_fires(
      schedule, now, [&](instant after) { return when.next(utc, after); }, [&](instant before) { return when.previous(utc, before); });
}

visor::schedule_record hourly(misfire policy, char const* next_at) {
  visor::schedule_record schedule;
  schedule.id = "hourly";
  schedule.expression = "0 * * * *";
  schedule.misfire = policy;
  schedule.next_at = at(next_at);
  return schedule;
}

std::vector<std::string> texts(std::vector<instant> const& instants) {
  std::vector<std::string> result;
  for (auto const when : instants) result.push_back(visor::to_string(when));
  return result;
}

using list = std::vector<std::string>;

}  // namespace

TEST_CASE("an instant on time fires under every policy") {
  for (auto const policy : {misfire::skip, misfire::latest, misfire::all, misfire::window}) {
    auto const result = plan(hourly(policy, "2026-01-01T10:00:00Z"), at("2026-01-01T10:00:00.003Z"));
    CHECK(texts(result.planned) == list{"2026-01-01T10:00:00Z"});
    CHECK(visor::to_string(*result.next_at) == "2026-01-01T11:00:00Z");
    CHECK(result.state == visor::schedule_state::active);
  }
}

TEST_CASE("the instant itself is due, a microsecond before is not yet") {
  auto const result = plan(hourly(misfire::latest, "2026-01-01T10:00:00Z"), at("2026-01-01T10:00:00Z"));
  CHECK(texts(result.planned) == list{"2026-01-01T10:00:00Z"});
  CHECK(visor::to_string(*result.next_at) == "2026-01-01T11:00:00Z");
}

TEST_CASE("skip drops what was missed, however many") {
  auto const result = plan(hourly(misfire::skip, "2026-01-01T10:00:00Z"), at("2026-01-01T13:30:00Z"));
  CHECK(result.planned.empty());
  CHECK(visor::to_string(*result.next_at) == "2026-01-01T14:00:00Z");
}

TEST_CASE("skip forgives a minute of lateness for an hourly schedule and half a period for a fast one") {
  CHECK(plan(hourly(misfire::skip, "2026-01-01T10:00:00Z"), at("2026-01-01T10:01:00Z")).planned.size() == 1);
  CHECK(plan(hourly(misfire::skip, "2026-01-01T10:00:00Z"), at("2026-01-01T10:01:00.000001Z")).planned.empty());
  auto fast = hourly(misfire::skip, "2026-01-01T10:00:00Z");
  fast.expression = "*/10 * * * * *";
  CHECK(plan(fast, at("2026-01-01T10:00:05Z")).planned.size() == 1);
  CHECK(plan(fast, at("2026-01-01T10:00:05.000001Z")).planned.empty());
  CHECK(texts(plan(fast, at("2026-01-01T11:00:04Z")).planned) == list{"2026-01-01T11:00:00Z"});
}

TEST_CASE("latest fires one, the newest") {
  auto const result = plan(hourly(misfire::latest, "2026-01-01T10:00:00Z"), at("2026-01-01T13:30:00Z"));
  CHECK(texts(result.planned) == list{"2026-01-01T13:00:00Z"});
}

TEST_CASE("latest of a year of missed seconds is found at once") {
  auto every_second = hourly(misfire::latest, "2025-01-01T00:00:00Z");
  every_second.expression = "* * * * * *";
  auto const result = plan(every_second, at("2026-01-01T00:00:00.5Z"));
  CHECK(texts(result.planned) == list{"2026-01-01T00:00:00Z"});
}

TEST_CASE("all fires every one, oldest first, and keeps the newest when there are too many") {
  auto schedule = hourly(misfire::all, "2026-01-01T10:00:00Z");
  CHECK(texts(plan(schedule, at("2026-01-01T12:30:00Z")).planned) ==
        list{"2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z"});
  schedule.misfire_limit = 2;
  CHECK(texts(plan(schedule, at("2026-01-01T12:30:00Z")).planned) == list{"2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z"});
}

TEST_CASE("all is bounded whatever its limit says") {
  auto schedule = hourly(misfire::all, "2020-01-01T10:00:00Z");
  schedule.misfire_limit = 1'000'000;
  CHECK(plan(schedule, at("2026-01-01T12:30:00Z")).planned.size() == static_cast<std::size_t>(visor::most_fires_at_once));
}

TEST_CASE("window fires what is not older than it") {
  auto schedule = hourly(misfire::window, "2026-01-01T10:00:00Z");
  schedule.misfire_window = 90min;
  CHECK(texts(plan(schedule, at("2026-01-01T12:30:00Z")).planned) == list{"2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z"});
}

TEST_CASE("nothing before the instant that was due is fired again") {
  auto schedule = hourly(misfire::window, "2026-01-01T12:00:00Z");
  schedule.misfire_window = 24h;
  CHECK(texts(plan(schedule, at("2026-01-01T12:30:00Z")).planned) == list{"2026-01-01T12:00:00Z"});
}

TEST_CASE("a single instant fires once, late or not, and completes its schedule") {
  visor::schedule_record once;
  once.next_at = at("2026-01-01T10:00:00Z");
  auto result = plan(once, at("2026-03-01T00:00:00Z"));
  CHECK(texts(result.planned) == list{"2026-01-01T10:00:00Z"});
  CHECK(!result.next_at);
  CHECK(result.state == visor::schedule_state::completed);
  once.misfire = misfire::skip;
  CHECK(plan(once, at("2026-03-01T00:00:00Z")).planned.empty());
}

TEST_CASE("an expression whose years are over completes its schedule with its last instant") {
  auto last = hourly(misfire::latest, "2026-12-31T23:00:00Z");
  last.expression = "0 0 23 31 12 * 2026";
  auto const result = plan(last, at("2026-12-31T23:00:01Z"));
  CHECK(texts(result.planned) == list{"2026-12-31T23:00:00Z"});
  CHECK(!result.next_at);
  CHECK(result.state == visor::schedule_state::completed);
}

namespace {

/// The correction of a stored next instant of an hourly schedule, if any.
std::string corrected(char const* stored, char const* now, std::vector<char const*> const& acted_on = {}) {
  auto const when = visor::recurrence::parse("0 * * * *");
  auto const next = [&](instant after) { return when.next(visor::time_zone::utc(), after); };
  auto const was_acted_on = [&](instant planned) {
    for (auto const each : acted_on)
      if (at(each) == planned) return true;
    return false;
  };
  auto const to = visor::corrected_next(at(stored), at(now), next, was_acted_on);
  return to ? visor::to_string(*to) : "";
}

}  // namespace

TEST_CASE("a next instant is corrected where it is later than the first one from now on that has no fire") {
  CHECK(corrected("2026-01-01T11:00:00Z", "2026-01-01T10:30:00Z") == "");
  CHECK(corrected("2026-01-01T12:00:00Z", "2026-01-01T10:30:00Z") == "2026-01-01T11:00:00Z");
  CHECK(corrected("2027-01-01T12:00:00Z", "2026-01-01T11:00:00Z") == "2026-01-01T12:00:00Z");
  CHECK(corrected("2026-01-01T12:00:00Z", "2026-01-01T10:30:00Z", {"2026-01-01T11:00:00Z"}) == "");
  CHECK(corrected("2026-01-01T14:00:00Z", "2026-01-01T10:30:00Z", {"2026-01-01T11:00:00Z"}) == "2026-01-01T12:00:00Z");
  CHECK(corrected("2026-01-01T12:00:00Z", "2026-01-01T10:30:00Z", {"2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z"}) == "");
}

TEST_CASE("a next instant is corrected where the expression does not name it") {
  CHECK(corrected("2026-01-01T10:45:00Z", "2026-01-01T10:30:00Z") == "2026-01-01T11:00:00Z");
  CHECK(corrected("2026-01-01T11:15:00Z", "2026-01-01T10:30:00Z") == "2026-01-01T11:00:00Z");
  CHECK(corrected("2026-01-01T10:00:00Z", "2026-01-01T10:30:00Z") == "");                      // due
  CHECK(corrected("2026-01-01T09:45:00Z", "2026-01-01T10:30:00Z") == "2026-01-01T10:00:00Z");  // due, and wrong
}

TEST_CASE("a clock that goes back is noticed, one that goes at another speed is not, nor a slow call") {
  visor::step_watch watch;
  auto const start = at("2026-01-01T10:00:00Z");
  CHECK_FALSE(watch.saw(start, 0s, 10ms));
  CHECK_FALSE(watch.saw(start + 30s, 30s, 30s));
  CHECK_FALSE(watch.saw(start + 31s, 31s, 50s));
  CHECK_FALSE(watch.saw(start + 60s, 60s + 900ms, 61s));
  CHECK_FALSE(watch.saw(start + 2h, 62s, 62s));
  CHECK(watch.saw(start + 2h - 2s, 63s, 63s));
  CHECK_FALSE(watch.saw(start + 2h, 65s, 65s));
  CHECK(watch.saw(start, 66s, 66s));
  CHECK_FALSE(watch.saw(start + 1s, 67s, 67s));
}
