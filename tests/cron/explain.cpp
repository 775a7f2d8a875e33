#include "visor/cron/explain.hpp"

#include "support.hpp"

using namespace visor;

TEST_CASE("expressions in English") {
  auto const [text, meaning] = GENERATE(table<std::string, std::string>({
      {"0 2 * * *", "at 02:00 every day"},
      {"0 2 * * 1-5", "at 02:00 on every weekday"},
      {"0 10 * * SAT,SUN", "at 10:00 on every Saturday and Sunday"},
      {"0 9 * * MON,WED,FRI", "at 09:00 on every Monday, Wednesday and Friday"},
      {"30 0 2 * * *", "at 02:00:30 every day"},
      {"0 9,17 * * *", "at 09:00 and 17:00 every day"},
      {"*/5 * * * *", "every 5 minutes"},
      {"* * * * *", "every minute"},
      {"* * * * * *", "every second"},
      {"*/5 * * * * *", "every 5 seconds"},
      {"*/5 9-17 * * 1-5", "every 5 minutes from 09:00 to 17:59 on every weekday"},
      {"*/10 */2 * * *", "every 10 minutes in every 2nd hour from 00:00"},
      {"0 * * * *", "at the start of every hour"},
      {"0 */2 * * *", "every 2 hours from 00:00"},
      {"0 8-18 * * *", "every hour from 08:00 to 18:00"},
      {"15,45 * * * *", "at minute 15 and 45 of every hour"},
      {"0 1-3,8-12 * * *", "at minute 0 of the hours 1 to 3 and 8 to 12 every day"},
      {"10,40 * * * * *", "at second 10 and 40 of every minute"},
      {"*/5 30 2 * * *", "every 5 seconds in the minute 02:30"},
      {"0 0 1,15 * *", "at 00:00 on the 1st and the 15th of the month"},
      {"0 0 1-3,22 * *", "at 00:00 on the 1st to the 3rd and the 22nd of the month"},
      {"0 0 L * *", "at 00:00 on the last day of the month"},
      {"0 0 L-3 2 *", "at 00:00 on the day 3 days before the last of the month in February"},
      {"0 0 LW,15W * *", "at 00:00 on the weekday nearest to the 15th and the last weekday of the month"},
      {"0 0 L-3W * *", "at 00:00 on the weekday nearest to the day 3 days before the last of the month"},
      {"H H(0-7) * * 1-5", "chosen by the id of the schedule: minute 0 to 59 and hour 0 to 7; fixed: day of week 1-5"},
      {"H/15 * * * *", "chosen by the id of the schedule: every 15th minute from 0 to 59"},
      {"0 9 * * H(MON-FRI)", "chosen by the id of the schedule: day of week Monday to Friday; fixed: minute 0 and hour 9"},
      {"0 8 ? * 1#2", "at 08:00 on the second Monday of the month"},
      {"0 8 ? * FRIL", "at 08:00 on the last Friday of the month"},
      {"0 0 13 * 5", "at 00:00 on the 13th of the month, and also on every Friday"},
      {"0 0 13 * +5", "at 00:00 on the 13th of the month, when that is also a Friday"},
      {"0 0 */5 * 1", "at 00:00 on every 5th day from the 1st of the month, when that is also a Monday"},
      {"0 0 1 1-3,7 *", "at 00:00 on the 1st of the month in January to March and July"},
      {"0 0 0 1 1 * 2027-2029", "at 00:00 on the 1st of the month in January of 2027-2029"},
      {"0 0 2 * * * 2027", "at 02:00 every day in 2027"},
      {"@every 90s", "every 1 minute and 30 seconds"},
      {"@every 1h", "every hour"},
      {"@every 1d", "every 24 hours"},
      {"@every 2d from 2026-06-04T07:00:00Z", "every 2 days, counted from 2026-06-04T07:00:00Z"},
      {"@every 14d from 2026-06-05T17:00:00", "every 14 days at 17:00, counted from Friday, 2026-06-05"},
      {"@every 1d from 2026-06-05T17:00:00", "every day at 17:00, counted from Friday, 2026-06-05"},
      {"*/7 * * * *", "at minute 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"},
  }));
  CAPTURE(text);
  CHECK(explain(recurrence::parse(text)) == meaning);
}

TEST_CASE("what an id has chosen, in English") {
  auto const nightly = [](std::string const& text) { return cron_expression::parse(text).for_schedule("nightly"); };
  CHECK(explain(nightly("H H(0-7) * * 1-5")) == "at 04:45 on every weekday");
  CHECK(explain_hashes(nightly("H H(0-7) * * 1-5")) == "minute 45 (of 0 to 59), hour 4 (of 0 to 7)");
  CHECK(
      explain_hashes(nightly("0 H/6 * H H(MON-FRI)")) ==
      "hour 2, 8, 14 and 20 (every 6th hour from 0 to 23), month July (of January to December), day of week Friday (of Monday to Friday)");
  CHECK(explain_hashes(nightly("0 9 * * *")).empty());
  CHECK(explain_hashes(cron_expression::parse("H * * * *")).empty());
}
