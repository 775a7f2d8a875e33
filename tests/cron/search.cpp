// Which days and times an expression matches, in UTC.
#include "support.hpp"

using namespace visor;
using cron_test::at;
using cron_test::dates;
using cron_test::fires;
using cron_test::shown;

namespace {
time_zone const utc;
}

TEST_CASE("rare days are found, however far") {
  CHECK(dates("0 0 0 29 2 *", "2096-03-01T00:00:00Z", 1) == "2104-02-29");
  CHECK(dates("0 0 29 2 +MON", "2026-01-01T00:00:00Z", 3) == "2044-02-29 2072-02-29 2112-02-29");
  CHECK(dates("0 0 ? 2 MON#5", "2026-01-01T00:00:00Z", 3) == "2044-02-29 2072-02-29 2112-02-29");
  CHECK(dates("0 0 13 2 +FRI", "2026-03-01T00:00:00Z", 1) == "2032-02-13");
  CHECK(dates("0 0 13 * +5", "2026-01-01T00:00:00Z", 3) == "2026-02-13 2026-03-13 2026-11-13");
}

TEST_CASE("two day fields that restrict: either matches") {
  CHECK(dates("0 0 0 13 * 5", "2026-11-01T00:00:00Z", 3) == "2026-11-06 2026-11-13 2026-11-20");
  CHECK(dates("0 0 0 1-31 * 1", "2026-06-01T00:00:00Z", 3) == "2026-06-02 2026-06-03 2026-06-04");
  CHECK(dates("0 0 0 * * 1", "2026-06-01T00:00:00Z", 3) == "2026-06-08 2026-06-15 2026-06-22");
}

TEST_CASE("a day field that starts with a star does not restrict: both match") {
  CHECK(dates("0 0 0 */5 * 1", "2026-06-01T00:00:00Z", 3) == "2026-07-06 2026-08-31 2026-09-21");
  CHECK(dates("0 0 0 13 * */2", "2026-06-01T00:00:00Z", 3) == "2026-06-13 2026-08-13 2026-09-13");
}

TEST_CASE("the nearest weekday stays in its month") {
  CHECK(dates("0 0 0 1W * *", "2026-07-31T00:00:00Z", 1) == "2026-08-03");
  CHECK(dates("0 0 0 31W * *", "2026-05-01T00:00:00Z", 2) == "2026-05-29 2026-07-31");
  CHECK(dates("0 0 0 LW * *", "2026-05-01T00:00:00Z", 1) == "2026-05-29");
  CHECK(dates("0 0 0 15W * *", "2026-11-01T00:00:00Z", 1) == "2026-11-16");
  CHECK(dates("0 0 0 15W 8 *", "2026-08-01T00:00:00Z", 1) == "2026-08-14");
  CHECK(dates("0 0 0 30W * *", "2027-01-31T00:00:00Z", 1) == "2027-03-30");
}

TEST_CASE("the n-th and the last weekday of a month") {
  CHECK(dates("0 0 0 * * WED#5", "2025-12-31T00:00:00Z", 4) == "2026-04-29 2026-07-29 2026-09-30 2026-12-30");
  CHECK(dates("0 0 0 ? * FRIL", "2025-12-31T00:00:00Z", 5) == "2026-01-30 2026-02-27 2026-03-27 2026-04-24 2026-05-29");
  CHECK(dates("0 0 0 ? * 7#1,TUE#2", "2026-05-31T00:00:00Z", 3) == "2026-06-07 2026-06-09 2026-07-05");
  CHECK(dates("0 0 0 ? 2 5#5", "2026-01-01T00:00:00Z", 1) == "2036-02-29");
}

TEST_CASE("days counted from the end of the month") {
  CHECK(dates("0 0 0 L-3 2 *", "2026-01-01T00:00:00Z", 3) == "2026-02-25 2027-02-25 2028-02-26");
  CHECK(dates("0 0 0 L * *", "2026-01-31T00:00:00Z", 3) == "2026-02-28 2026-03-31 2026-04-30");
  CHECK(dates("0 0 0 L-30 * *", "2026-01-31T00:00:00Z", 3) == "2026-03-01 2026-05-01 2026-07-01");
}

TEST_CASE("ranges around the end, and uneven steps") {
  CHECK(fires("0 0 22-2 * * *", utc, "2026-01-01T21:00:00Z", 6) ==
        "2026-01-01T22:00:00Z 2026-01-01T23:00:00Z 2026-01-02T00:00:00Z 2026-01-02T01:00:00Z 2026-01-02T02:00:00Z 2026-01-02T22:00:00Z");
  CHECK(fires("0 0/7 * * * *", utc, "2026-01-01T00:48:59Z", 4) ==
        "2026-01-01T00:49:00Z 2026-01-01T00:56:00Z 2026-01-01T01:00:00Z 2026-01-01T01:07:00Z");
}

TEST_CASE("what other engines lose") {
  CHECK(dates("0 9 * * 1-5,0", "2026-06-05T10:00:00Z", 2) == "2026-06-07 2026-06-08");
  CHECK(dates("0 0 * * 7", "2026-06-05T10:00:00Z", 2) == "2026-06-07 2026-06-14");
  CHECK(fires("1-10/2 * * * *", utc, "2026-06-05T10:05:00Z", 3) == "2026-06-05T10:07:00Z 2026-06-05T10:09:00Z 2026-06-05T11:01:00Z");
}

TEST_CASE("years bound the search") {
  CHECK(fires("0 0 0 1 1 * 2005", utc, "2026-01-01T00:00:00Z") == "none");
  CHECK(fires("0 0 0 1 1 * 2005", utc, "2004-01-01T00:00:00Z", 2) == "2005-01-01T00:00:00Z none");
  CHECK(fires("0 0 0 1 6 * 2030,2199", utc, "2026-01-01T00:00:00Z", 3) == "2030-06-01T00:00:00Z 2199-06-01T00:00:00Z none");
  CHECK(fires("0 0 0 31 12 * 2026", utc, "2026-12-31T00:00:00Z") == "none");
  auto const old = cron_expression::parse("0 0 0 1 1 * 2005,2100");
  CHECK(shown(previous(old, utc, at("2026-01-01T00:00:00Z"))) == "2005-01-01T00:00:00Z");
  CHECK(shown(previous(old, utc, at("2005-01-01T00:00:00Z"))) == "none");
}

TEST_CASE("the instant asked from is excluded, to the microsecond") {
  auto const minute = cron_expression::parse("* * * * *");
  instant const on = at("2026-01-01T00:01:00Z");
  CHECK(next(minute, utc, on) == on + std::chrono::minutes{1});
  CHECK(next(minute, utc, on - duration{1}) == on);
  CHECK(next(minute, utc, on + duration{1}) == on + std::chrono::minutes{1});
  CHECK(previous(minute, utc, on) == on - std::chrono::minutes{1});
  CHECK(previous(minute, utc, on + duration{1}) == on);
  CHECK(previous(minute, utc, on - duration{1}) == on - std::chrono::minutes{1});
}

TEST_CASE("before 1970 and at the ends of the calendar") {
  CHECK(fires("0 0 * * *", utc, "1969-12-30T12:00:00Z", 2) == "1969-12-31T00:00:00Z 1970-01-01T00:00:00Z");
  CHECK(fires("0 0 29 2 *", utc, "1899-01-01T00:00:00Z", 1) == "1904-02-29T00:00:00Z");
  auto const daily = cron_expression::parse("0 0 * * *");
  CHECK(next(daily, utc, instant::max()) == std::nullopt);
  CHECK(previous(daily, utc, instant::min()) == std::nullopt);
  CHECK(shown(previous(daily, utc, instant::max())) == "9999-12-31T00:00:00Z");
  CHECK(next(daily, utc, instant::min()));
  CHECK(next(daily, utc, at("9999-12-31T00:00:00Z")) == std::nullopt);
}
