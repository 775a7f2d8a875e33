// Fires around clock changes: each case of the documentation, and the edges of each.
#include "support.hpp"

#include "visor/zone.hpp"

using namespace visor;
using cron_test::at;
using cron_test::fires;
using cron_test::shown;

namespace {
cron_options const skip{{dst_gap::skip, {}}, {}, {}};
cron_options const both{{{}, dst_overlap::both}, {}, {}};
cron_options const last{{{}, dst_overlap::last}, {}, {}};
cron_options const run_first{{dst_gap::run, dst_overlap::first}, {}, {}};
}  // namespace

TEST_CASE("Europe/Berlin: a fixed time in the gap") {
  auto const berlin = zone("Europe/Berlin");
  CHECK(fires("0 30 2 * * *", berlin, "2026-03-28T12:00:00Z", 2) == "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z");
  CHECK(fires("0 30 2 * * *", berlin, "2026-03-28T12:00:00Z", 1, skip) == "2026-03-30T00:30:00Z");
  CHECK(fires("0 30 2 * * *", berlin, "2026-03-28T12:00:00Z", 1, both) == "2026-03-29T01:00:00Z");
  // Several in one gap, and one at its very end, are one.
  CHECK(fires("0 0,15,30 2,3 * * *", berlin, "2026-03-29T00:59:59Z", 3) ==
        "2026-03-29T01:00:00Z 2026-03-29T01:15:00Z 2026-03-29T01:30:00Z");
  CHECK(fires("30 2 29 3 *", berlin, "2026-01-01T00:00:00Z", 2) == "2026-03-29T01:00:00Z 2027-03-29T00:30:00Z");
}

TEST_CASE("Europe/Berlin: a fixed time that is repeated") {
  auto const berlin = zone("Europe/Berlin");
  CHECK(fires("0 30 2 * * *", berlin, "2026-10-24T12:00:00Z", 2) == "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z");
  CHECK(fires("0 30 2 * * *", berlin, "2026-10-24T12:00:00Z", 2, skip) == "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z");
  CHECK(fires("0 30 2 * * *", berlin, "2026-10-24T12:00:00Z", 3, both) == "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-26T01:30:00Z");
  CHECK(fires("0 30 2 * * *", berlin, "2026-10-24T12:00:00Z", 2, last) == "2026-10-25T01:30:00Z 2026-10-26T01:30:00Z");
  CHECK(fires("0 30 2 * * *", berlin, "2026-10-25T00:45:00Z", 1, last) == "2026-10-25T01:30:00Z");
  CHECK(fires("0 0,30 1,2 * * *", berlin, "2026-10-24T22:59:00Z", 5, last) ==
        "2026-10-24T23:00:00Z 2026-10-24T23:30:00Z 2026-10-25T01:00:00Z 2026-10-25T01:30:00Z 2026-10-26T00:00:00Z");
  // Asked from within the repetition.
  CHECK(fires("0 30 2 * * *", berlin, "2026-10-25T01:10:00Z") == "2026-10-26T01:30:00Z");
  CHECK(fires("0 0,30 2,3 * * *", berlin, "2026-10-25T00:30:00Z", 2) == "2026-10-25T02:00:00Z 2026-10-25T02:30:00Z");
}

TEST_CASE("Europe/Berlin: an interval follows real time") {
  auto const berlin = zone("Europe/Berlin");
  CHECK(fires("0 */30 * * * *", berlin, "2026-10-24T23:59:00Z", 5) ==
        "2026-10-25T00:00:00Z 2026-10-25T00:30:00Z 2026-10-25T01:00:00Z 2026-10-25T01:30:00Z 2026-10-25T02:00:00Z");
  CHECK(fires("0 */30 * * * *", berlin, "2026-03-29T00:29:00Z", 3) == "2026-03-29T00:30:00Z 2026-03-29T01:00:00Z 2026-03-29T01:30:00Z");
}

TEST_CASE("Europe/Berlin: the hour alone decides what is an interval") {
  auto const berlin = zone("Europe/Berlin");
  // Fixed: the day is not lost, and of the repeated hour only the first pass counts.
  for (std::string const minute : {"*/30", "0,30", "0-30/30", "0/30"}) {
    CAPTURE(minute);
    CHECK(fires(minute + " 2 * * *", berlin, "2026-03-28T12:00:00Z", 2) == "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z");
    CHECK(fires(minute + " 2 * * *", berlin, "2026-10-24T12:00:00Z", 3) ==
          "2026-10-25T00:00:00Z 2026-10-25T00:30:00Z 2026-10-26T01:00:00Z");
  }
  for (std::string const hour : {"1,2", "1-2", "1-2/1"}) {
    CAPTURE(hour);
    CHECK(fires("30 " + hour + " * * *", berlin, "2026-10-24T12:00:00Z", 3) ==
          "2026-10-24T23:30:00Z 2026-10-25T00:30:00Z 2026-10-26T00:30:00Z");
  }
  // Intervals.
  for (std::string const hour : {"*", "*/1", "0/1", "2/1,0,1"}) {
    CAPTURE(hour);
    CHECK(fires("30 " + hour + " * * *", berlin, "2026-10-24T23:30:00Z", 3) ==
          "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z");
    CHECK(fires("30 " + hour + " * * *", berlin, "2026-03-29T00:30:00Z") == "2026-03-29T01:30:00Z");
  }
  CHECK(fires("0 */2 * * *", berlin, "2026-03-28T23:00:00Z", 2) == "2026-03-29T02:00:00Z 2026-03-29T04:00:00Z");
}

TEST_CASE("a policy that is given counts for an interval, too") {
  auto const berlin = zone("Europe/Berlin");
  CHECK(fires("30 * * * *", berlin, "2026-10-24T23:30:00Z", 3, run_first) ==
        "2026-10-25T00:30:00Z 2026-10-25T02:30:00Z 2026-10-25T03:30:00Z");
  CHECK(fires("30 * * * *", berlin, "2026-10-24T23:30:00Z", 2, last) == "2026-10-25T01:30:00Z 2026-10-25T02:30:00Z");
  CHECK(fires("30 * * * *", berlin, "2026-03-29T00:30:00Z", 2, run_first) == "2026-03-29T01:00:00Z 2026-03-29T01:30:00Z");
}

TEST_CASE("America/New_York") {
  auto const new_york = zone("America/New_York");
  CHECK(fires("0 0 * * * *", new_york, "2026-03-08T05:00:00Z", 2) == "2026-03-08T06:00:00Z 2026-03-08T07:00:00Z");
  CHECK(fires("0 30 1 * * *", new_york, "2026-10-31T12:00:00Z", 2) == "2026-11-01T05:30:00Z 2026-11-02T06:30:00Z");
  CHECK(fires("0 9 * * *", new_york, "2026-11-20T15:00:00Z") == "2026-11-21T14:00:00Z");
}

TEST_CASE("Australia/Lord_Howe: half an hour") {
  auto const lord_howe = zone("Australia/Lord_Howe");
  CHECK(fires("0 15 2 * * *", lord_howe, "2026-10-03T00:00:00Z", 2) == "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z");
  CHECK(fires("0 15 2 * * *", lord_howe, "2026-10-03T00:00:00Z", 1, skip) == "2026-10-04T15:15:00Z");
  CHECK(fires("0 45 1 * * *", lord_howe, "2026-04-04T00:00:00Z", 2) == "2026-04-04T14:45:00Z 2026-04-05T15:15:00Z");
  CHECK(fires("0 45 1 * * *", lord_howe, "2026-04-04T00:00:00Z", 2, both) == "2026-04-04T14:45:00Z 2026-04-04T15:15:00Z");
}

TEST_CASE("Africa/Cairo and America/Santiago: days without a midnight") {
  auto const cairo = zone("Africa/Cairo");
  CHECK(fires("0 0 0 * * *", cairo, "2026-04-23T12:00:00Z", 2) == "2026-04-23T22:00:00Z 2026-04-24T21:00:00Z");
  CHECK(fires("0 0 0 * * *", cairo, "2026-04-23T12:00:00Z", 1, skip) == "2026-04-24T21:00:00Z");
  auto const santiago = zone("America/Santiago");
  CHECK(fires("0 0 0 6 9 *", santiago, "2026-01-01T00:00:00Z", 2) == "2026-09-06T04:00:00Z 2027-09-06T03:00:00Z");
  CHECK(fires("0 0 0 6 9 *", santiago, "2026-01-01T00:00:00Z", 1, skip) == "2027-09-06T03:00:00Z");
}

TEST_CASE("Antarctica/Troll: two hours, one firing") {
  auto const troll = zone("Antarctica/Troll");
  CHECK(fires("0 30 1,2 * * *", troll, "2026-03-28T12:00:00Z", 2) == "2026-03-29T01:00:00Z 2026-03-29T23:30:00Z");
}

TEST_CASE("Pacific/Apia: a day that is left out is not made up for") {
  auto const apia = zone("Pacific/Apia");
  CHECK(fires("0 0 12 30 12 *", apia, "2011-12-29T00:00:00Z") == "2012-12-29T22:00:00Z");
  // The 29th is there, the 31st follows at once.
  CHECK(fires("0 0 12 * * *", apia, "2011-12-29T12:00:00Z", 2) == "2011-12-29T22:00:00Z 2011-12-30T22:00:00Z");
}

TEST_CASE("previous gives the same instants backwards") {
  auto const berlin = zone("Europe/Berlin");
  auto const fixed = cron_expression::parse("30 2 * * *");
  CHECK(shown(previous(fixed, berlin, at("2026-03-29T12:00:00Z"))) == "2026-03-29T01:00:00Z");
  CHECK(shown(previous(fixed, berlin, at("2026-03-29T01:00:00Z"))) == "2026-03-28T01:30:00Z");
  CHECK(shown(previous(fixed, berlin, at("2026-03-29T12:00:00Z"), skip)) == "2026-03-28T01:30:00Z");
  CHECK(shown(previous(fixed, berlin, at("2026-10-25T12:00:00Z"))) == "2026-10-25T00:30:00Z");
  CHECK(shown(previous(fixed, berlin, at("2026-10-25T12:00:00Z"), both)) == "2026-10-25T01:30:00Z");
  CHECK(shown(previous(fixed, berlin, at("2026-10-25T01:30:00Z"), both)) == "2026-10-25T00:30:00Z");
  CHECK(shown(previous(fixed, berlin, at("2026-10-25T01:15:00Z"))) == "2026-10-25T00:30:00Z");
  CHECK(shown(previous(fixed, berlin, at("2026-10-25T01:15:00Z"), last)) == "2026-10-24T00:30:00Z");
  CHECK(shown(previous(fixed, berlin, at("2026-10-25T01:45:00Z"), last)) == "2026-10-25T01:30:00Z");
  CHECK(shown(previous(fixed, berlin, at("2026-10-25T12:00:00Z"), last)) == "2026-10-25T01:30:00Z");
  // From two changes of the clocks later: the second of the two for an interval, the first for a fixed time.
  CHECK(shown(previous(cron_expression::parse("30 2/22 25 10 *"), berlin, at("2027-06-01T00:00:00Z"))) == "2026-10-25T01:30:00Z");
  CHECK(shown(previous(cron_expression::parse("30 2 25 10 *"), berlin, at("2027-06-01T00:00:00Z"))) == "2026-10-25T00:30:00Z");
  CHECK(shown(previous(cron_expression::parse("30 2 29 3 *"), berlin, at("2026-12-01T00:00:00Z"))) == "2026-03-29T01:00:00Z");
}

TEST_CASE("a fixed time that every year skips: never, and quickly") {
  auto const berlin = zone("Europe/Berlin");
  auto const always_in_gap = cron_expression::parse("0 30 2 ? 3 SUNL");
  instant const from = at("2026-06-01T00:00:00Z");
  CHECK(next(always_in_gap, berlin, from, skip) == std::nullopt);
  CHECK(shown(next(always_in_gap, berlin, from)) == "2027-03-28T01:00:00Z");
}

TEST_CASE("after the tables of the files end, the rule goes on") {
  CHECK(fires("30 2 * * *", zone("Europe/Berlin"), "2100-03-27T12:00:00Z", 2) == "2100-03-28T01:00:00Z 2100-03-29T00:30:00Z");
  CHECK(fires("30 2 * * *", zone("Europe/Berlin"), "2500-03-27T12:00:00Z", 2) == "2500-03-28T01:00:00Z 2500-03-29T00:30:00Z");
  CHECK(fires("0 9 * * *", zone("America/New_York"), "2099-07-01T00:00:00Z") == "2099-07-01T13:00:00Z");
}
