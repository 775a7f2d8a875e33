#include "visor/cron/recurrence.hpp"

#include "support.hpp"

#include "visor/zone.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

using namespace visor;
using cron_test::at;
using cron_test::shown;
using visor_test::Contains;

TEST_CASE("an interval counts from its anchor, on every node alike") {
  auto const utc = time_zone::utc();
  auto const every_45 = recurrence::parse("@every 45m");
  CHECK(shown(every_45.next(utc, at("2026-06-03T10:20:30Z"))) == "2026-06-03T10:30:00Z");
  CHECK(shown(every_45.next(utc, at("2026-06-03T10:30:00Z"))) == "2026-06-03T11:15:00Z");
  CHECK(shown(every_45.previous(utc, at("2026-06-03T10:30:00Z"))) == "2026-06-03T09:45:00Z");
  CHECK(shown(every_45.previous(utc, at("2026-06-03T10:30:00.000001Z"))) == "2026-06-03T10:30:00Z");
  CHECK(shown(every_45.next(utc, at("1969-12-31T23:59:59Z"))) == "1970-01-01T00:00:00Z");
  CHECK(shown(every_45.next(utc, at("1969-12-31T23:15:00Z"))) == "1970-01-01T00:00:00Z");
  CHECK(shown(every_45.next(zone("Asia/Tokyo"), at("2026-06-03T10:20:30Z"))) == "2026-06-03T10:30:00Z");

  auto const anchored = recurrence::parse("@every 2d from 2026-06-04T07:00:00Z");
  CHECK(shown(anchored.next(utc, at("2026-06-04T07:00:00Z"))) == "2026-06-06T07:00:00Z");
  CHECK(shown(anchored.next(utc, at("2026-06-01T00:00:00Z"))) == "2026-06-02T07:00:00Z");
  CHECK(shown(anchored.previous(utc, at("2026-06-04T07:00:00Z"))) == "2026-06-02T07:00:00Z");
}

TEST_CASE("an interval of days with a local anchor keeps its time of the day when the clocks change") {
  auto const berlin = zone("Europe/Berlin");
  auto const every_2_days = recurrence::parse("@every 2d from 2026-10-22T09:00:00");
  CHECK(shown(every_2_days.next(berlin, at("2026-10-22T07:00:00Z"))) == "2026-10-24T07:00:00Z");
  CHECK(shown(every_2_days.next(berlin, at("2026-10-24T07:00:00Z"))) == "2026-10-26T08:00:00Z");
  CHECK(shown(every_2_days.next(berlin, at("2026-10-26T07:30:00Z"))) == "2026-10-26T08:00:00Z");
  CHECK(shown(every_2_days.previous(berlin, at("2026-10-26T08:00:00Z"))) == "2026-10-24T07:00:00Z");
  CHECK(shown(every_2_days.previous(berlin, at("2026-10-26T08:00:00.000001Z"))) == "2026-10-26T08:00:00Z");
  CHECK(shown(every_2_days.next(berlin, at("2026-10-01T00:00:00Z"))) == "2026-10-02T07:00:00Z");
  CHECK(shown(every_2_days.next(time_zone::utc(), at("2026-10-24T12:00:00Z"))) == "2026-10-26T09:00:00Z");

  // 2026-03-29 has no 02:30: it fires when the clocks jump, or not at all.
  CHECK(shown(recurrence::parse("@every 1d from 2026-03-27T02:30:00").next(berlin, at("2026-03-28T01:30:00Z"))) == "2026-03-29T01:00:00Z");
  auto const skipping = recurrence::parse("@every 1d from 2026-03-27T02:30:00", dst_policy{dst_gap::skip, {}});
  CHECK(shown(skipping.next(berlin, at("2026-03-28T01:30:00Z"))) == "2026-03-30T00:30:00Z");
  CHECK(shown(skipping.previous(berlin, at("2026-03-30T00:30:00Z"))) == "2026-03-28T01:30:00Z");
  // 2026-10-25 has 02:30 twice.
  auto const daily = recurrence::parse("@every 1d from 2026-10-20T02:30:00");
  CHECK(shown(daily.next(berlin, at("2026-10-24T00:30:00Z"))) == "2026-10-25T00:30:00Z");
  CHECK(shown(daily.next(berlin, at("2026-10-25T00:30:00Z"))) == "2026-10-26T01:30:00Z");
  CHECK(shown(daily.previous(berlin, at("2026-10-26T01:30:00Z"))) == "2026-10-25T00:30:00Z");
  // Samoa left out 2011-12-30.
  auto const samoa = recurrence::parse("@every 1d from 2011-12-01T12:00:00");
  CHECK(shown(samoa.next(zone("Pacific/Apia"), at("2011-12-29T22:00:00Z"))) == "2011-12-30T22:00:00Z");
}

TEST_CASE("going forwards and backwards over an interval of days meets the same instants") {
  auto const name = GENERATE(as<std::string>{}, "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca");
  auto const local = zone(name);
  auto const step = GENERATE(as<std::string>{}, "1d", "3d", "14d");
  auto const time = GENERATE(as<std::string>{}, "00:00:00", "00:30:00", "02:15:00", "23:59:59");
  auto const days = recurrence::parse("@every " + step + " from 2025-12-01T" + time);
  std::vector<instant> forwards;
  for (instant now = at("2025-11-01T12:00:00Z"); now < at("2027-02-01T00:00:00Z"); forwards.push_back(now)) now = *days.next(local, now);
  CHECK(std::adjacent_find(forwards.begin(), forwards.end(), std::greater_equal<>()) == forwards.end());
  for (std::size_t i = forwards.size() - 1; i > 0; --i) REQUIRE(days.previous(local, forwards[i]) == forwards[i - 1]);
}

TEST_CASE("intervals at the ends of time do not overflow") {
  auto const utc = time_zone::utc();
  auto const century = recurrence::parse("@every 36500d");
  CHECK(century.next(utc, instant::max()) == std::nullopt);
  CHECK(century.previous(utc, instant::min() + duration{1}) == std::nullopt);
  CHECK(century.next(utc, instant::min()) > instant::min());
  CHECK(century.previous(utc, instant::min()) == std::nullopt);
  CHECK(century.previous(utc, instant::max()) < instant::max());
  recurrence const far{cron_expression::parse("@every 1s"), {{}, instant::min(), {}}};
  CHECK(far.next(utc, at("2026-01-01T00:00:00Z")) <= at("2026-01-01T00:00:01Z"));
  CHECK(far.previous(utc, at("2026-01-01T00:00:00Z")) >= at("2025-12-31T23:59:59Z"));
  recurrence const late{cron_expression::parse("@every 1s"), {{}, instant::max(), {}}};
  CHECK(late.next(utc, at("2026-01-01T00:00:00Z")) <= at("2026-01-01T00:00:01Z"));
  CHECK(late.previous(utc, instant::max()) < instant::max());
  auto const local = recurrence::parse("@every 36500d from 9999-12-31T23:59:59");
  CHECK(local.next(utc, instant::max()) == std::nullopt);
  CHECK(local.previous(utc, instant::min()) == std::nullopt);
  CHECK(local.next(utc, instant::min()) > instant::min());
  CHECK(local.previous(utc, instant::max()) < instant::max());
}

TEST_CASE("text of a recurrence") {
  auto const [text, canonical] = GENERATE(table<std::string, std::string>({
      {"0 2 * * MON", "0 2 * * 1"},
      {"@every 90s", "@every 1m30s"},
      {"@every 90s from 1970-01-01T00:00:00Z", "@every 1m30s"},
      {"@EVERY 2d from 2026-06-04T09:00:00+02:00", "@every 2d from 2026-06-04T07:00:00Z"},
      {" @every 2d  from 2026-06-04T07:00:00Z ", "@every 2d from 2026-06-04T07:00:00Z"},
      {"@every 2d from 2026-06-04 09:00:00", "@every 2d from 2026-06-04T09:00:00"},
      {"@every 1w from 1969-06-04T09:00:00", "@every 7d from 1969-06-04T09:00:00"},
  }));
  auto const parsed = recurrence::parse(text);
  CHECK(parsed.to_string() == canonical);
  CHECK(recurrence::parse(canonical) == parsed);
}

TEST_CASE("wrong texts of a recurrence") {
  struct wrong {
    std::string text;
    std::size_t position;
    std::string part;
  };
  auto const each = GENERATE(values<wrong>({{"@every 90s from", 7, "length of time"},
                                            {"@every 90s from ", 16, "'from' needs an instant"},
                                            {"@every 90s from now", 16, "'from' needs an instant"},
                                            {"@every 90s from 2026-02-30T00:00:00Z", 16, "'from' needs an instant"},
                                            {"@every 90s from 2026-06-04T09:00:00", 16, "or for whole days a local time"},
                                            {"@every 36h from 2026-06-04T09:00:00", 16, "or for whole days a local time"},
                                            {"@every 90", 7, "with its unit"},
                                            {"@daily from 2026-01-01T00:00:00Z", 7, "unexpected 'f'"},
                                            {"0 2 * * * from 2026-01-01T00:00:00Z", 10, "unknown"},
                                            {"@every x from 2026-01-01T00:00:00Z", 7, "length of time"}}));
  CAPTURE(each.text);
  try {
    auto const parsed = recurrence::parse(each.text);
    FAIL("accepted as " << parsed.to_string());
  } catch (cron_error const& refused) {
    CAPTURE(refused.what());
    if (each.part != "unknown") {
      CHECK(refused.position() == each.position);
      CHECK_THAT(refused.what(), Contains(each.part));
    }
  }
}

TEST_CASE("why there is no next") {
  auto const berlin = zone("Europe/Berlin");
  instant const now = at("2026-06-03T00:00:00Z");
  CHECK(recurrence::parse("0 2 * * *").why_never(berlin, now).empty());
  CHECK(recurrence::parse("0 0 0 1 1 * 2005").why_never(berlin, now) == "its last year, 2005, is over");
  CHECK(recurrence::parse("0 0 0 1 1 * 2026").why_never(berlin, now) == "the last date that it names, in 2026, is over");
  CHECK_THAT(recurrence::parse("0 30 2 ? 3 SUNL", dst_policy{dst_gap::skip, {}}).why_never(berlin, now),
             Contains("the clocks skip every time"));
  CHECK_THAT(recurrence::parse("0 30 2 29 3 * 2026", dst_policy{dst_gap::skip, {}}).why_never(berlin, at("2026-01-01T00:00:00Z")),
             Contains("the clocks skip"));
  CHECK_THAT(recurrence::parse("0 0 * * *").why_never(berlin, at("9999-12-31T23:00:00Z")), Contains("calendar ends"));
}

TEST_CASE("a recurrence carries its policy") {
  auto const berlin = zone("Europe/Berlin");
  instant const before = at("2026-03-28T12:00:00Z");
  CHECK(shown(recurrence::parse("30 2 * * *").next(berlin, before)) == "2026-03-29T01:00:00Z");
  CHECK(shown(recurrence::parse("30 2 * * *", dst_policy{dst_gap::skip, {}}).next(berlin, before)) == "2026-03-30T00:30:00Z");
  CHECK_FALSE(recurrence::parse("30 2 * * *") == recurrence::parse("30 2 * * *", dst_policy{dst_gap::skip, {}}));
  CHECK(recurrence{"30 2 * * *"_cron} == recurrence::parse("30 2 * * *"));
}
