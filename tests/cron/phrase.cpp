#include "visor/cron/phrase.hpp"

#include "support.hpp"

#include "visor/zone.hpp"

using namespace visor;
using cron_test::at;
using visor_test::Contains;

namespace {

// A Wednesday, 12:20:30 in Berlin.
instant now() { return at("2026-06-03T10:20:30Z"); }

std::string meaning(std::string const& text) {
  auto const parsed = parse_phrase(text, now(), zone("Europe/Berlin"));
  if (auto const* once = std::get_if<instant>(&parsed.when)) return to_string(*once);
  return std::get<recurrence>(parsed.when).to_string();
}

}  // namespace

TEST_CASE("phrases that mean one instant") {
  auto const [text, expected] = GENERATE(table<std::string, std::string>({
      {"in 20 minutes", "2026-06-03T10:40:30Z"},
      {"in 2 hours", "2026-06-03T12:20:30Z"},
      {"in an hour", "2026-06-03T11:20:30Z"},
      {"In One Hour", "2026-06-03T11:20:30Z"},
      {"in 1 hour and 30 minutes", "2026-06-03T11:50:30Z"},
      {"in 2 hours 30 minutes", "2026-06-03T12:50:30Z"},
      {"in 1h30m", "2026-06-03T11:50:30Z"},
      {"in 2 days", "2026-06-05T10:20:30Z"},
      {"in 2 days at 9am", "2026-06-05T07:00:00Z"},
      {"in 3 weeks", "2026-06-24T10:20:30Z"},
      {"tomorrow", "2026-06-04T07:00:00Z"},
      {"tomorrow at noon", "2026-06-04T10:00:00Z"},
      {"noon tomorrow", "2026-06-04T10:00:00Z"},
      {"tomorrow evening", "2026-06-04T16:00:00Z"},
      {"tomorrow at 14:30", "2026-06-04T12:30:00Z"},
      {"tomorrow at midnight", "2026-06-03T22:00:00Z"},
      {"today at 9:30 pm", "2026-06-03T19:30:00Z"},
      {"this evening", "2026-06-03T16:00:00Z"},
      {"next Monday", "2026-06-08T07:00:00Z"},
      {"next Monday at 14:30", "2026-06-08T12:30:00Z"},
      {"next Wednesday at 23:00", "2026-06-10T21:00:00Z"},
      {"Wednesday at 23:00", "2026-06-03T21:00:00Z"},
      {"Wednesday at 9am", "2026-06-10T07:00:00Z"},
      {"Friday at noon", "2026-06-05T10:00:00Z"},
      {"on Friday at noon", "2026-06-05T10:00:00Z"},
      {"this fri at 12pm", "2026-06-05T10:00:00Z"},
      {"at noon on friday", "2026-06-05T10:00:00Z"},
      {"at 9am", "2026-06-04T07:00:00Z"},
      {"9pm", "2026-06-03T19:00:00Z"},
      {"12am", "2026-06-03T22:00:00Z"},
      {"2026-11-21T14:00:00Z", "2026-11-21T14:00:00Z"},
      {"2026-11-21T14:00:00+02:00", "2026-11-21T12:00:00Z"},
      {"2026-11-21T14:00", "2026-11-21T13:00:00Z"},
      {"2026-11-21 14:00:30", "2026-11-21T13:00:30Z"},
      {"2026-11-21 at 9am", "2026-11-21T08:00:00Z"},
      {"at 9am on 2026-11-21", "2026-11-21T08:00:00Z"},
      {"2026-11-21", "2026-11-21T08:00:00Z"},
      // The clocks skip it, and repeat it.
      {"2027-03-28 02:30", "2027-03-28T01:00:00Z"},
      {"2026-10-25 02:30", "2026-10-25T00:30:00Z"},
  }));
  CAPTURE(text);
  CHECK(meaning(text) == expected);
}

TEST_CASE("phrases that recur") {
  auto const [text, expected] = GENERATE(table<std::string, std::string>({
      {"every day", "0 9 * * *"},
      {"every day at 6:30 pm", "30 18 * * *"},
      {"at 9am every weekday", "0 9 * * 1-5"},
      {"every weekday at 9am", "0 9 * * 1-5"},
      {"weekdays at 7:45", "45 7 * * 1-5"},
      {"on weekdays at 9am", "0 9 * * 1-5"},
      {"Monday through Friday", "0 9 * * 1-5"},
      {"every Monday through Friday at 9am", "0 9 * * 1-5"},
      {"every monday to friday at 9am", "0 9 * * 1-5"},
      {"Mondays through Fridays at 9am", "0 9 * * 1-5"},
      {"Mon-Fri", "0 9 * * 1-5"},
      {"Mon-Fri at 9am", "0 9 * * 1-5"},
      {"every Mon - Fri at 9am", "0 9 * * 1-5"},
      {"at 9am monday thru friday", "0 9 * * 1-5"},
      {"monday-friday at noon", "0 12 * * 1-5"},
      {"every sat and mon-wed at noon", "0 12 * * 1-3,6"},
      {"fri-mon at noon", "0 12 * * 0,1,5,6"},
      {"every hour Mon-Fri", "0 * * * 1-5"},
      {"every weekday at 9am\n", "0 9 * * 1-5"},
      {"every 15 minutes", "*/15 * * * *"},
      {"every 30 minutes", "*/30 * * * *"},
      {"every 30m", "*/30 * * * *"},
      {"every 60 minutes", "0 * * * *"},
      {"every 30 seconds", "*/30 * * * * *"},
      {"every 60 seconds", "* * * * *"},
      {"every 2 hours", "0 */2 * * *"},
      {"every 2h", "0 */2 * * *"},
      {"every 6 hours", "0 */6 * * *"},
      {"every other hour", "0 */2 * * *"},
      {"every 24 hours", "0 0 * * *"},
      {"every 6 hours on weekdays", "0 */6 * * 1-5"},
      {"H H * * *", "H H * * *"},
      {"every weekend", "0 10 * * 0,6"},
      {"every weekend at noon", "0 12 * * 0,6"},
      {"every saturday", "0 9 * * 6"},
      {"every Monday", "0 9 * * 1"},
      {"every mon, wed and fri at noon", "0 12 * * 1,3,5"},
      {"mondays and fridays at 8:30", "30 8 * * 1,5"},
      {"every monday morning", "0 9 * * 1"},
      {"every morning", "0 9 * * *"},
      {"every evening", "0 18 * * *"},
      {"every noon", "0 12 * * *"},
      {"every midnight", "0 0 * * *"},
      {"every hour", "0 * * * *"},
      {"hourly", "0 * * * *"},
      {"every minute", "* * * * *"},
      {"every second", "* * * * * *"},
      {"every hour on weekdays", "0 * * * 1-5"},
      {"every 15 minutes on weekdays", "*/15 * * * 1-5"},
      {"every week", "0 9 * * 1"},
      {"weekly on tuesday at 7am", "0 7 * * 2"},
      {"daily at 9am, 1pm and 5pm", "0 9,13,17 * * *"},
      {"daily at 12:30:15", "15 30 12 * * *"},
      {"every month", "0 9 1 * *"},
      {"every month on the 15th", "0 9 15 * *"},
      {"every month on the 1st and the 15th at noon", "0 12 1,15 * *"},
      {"monthly at 9am on the 15th", "0 9 15 * *"},
      {"every 15th", "0 9 15 * *"},
      {"on the last day of every month", "0 9 L * *"},
      {"every month on the last friday at 6pm", "0 18 * * 5L"},
      {"on the first monday of every month", "0 9 * * 1#1"},
      {"every second monday of the month", "0 9 * * 1#2"},
      {"every 3 months", "0 9 1 */3 *"},
      {"every 3 months on the 15th", "0 9 15 */3 *"},
      {"every year", "0 9 1 1 *"},
      {"annually at noon", "0 12 1 1 *"},
      {"30 9 * * 1-5", "30 9 * * 1-5"},
      {"0 9 * * MON", "0 9 * * 1"},
      {"@hourly", "0 * * * *"},
      {"@every 90s", "@every 1m30s"},
  }));
  CAPTURE(text);
  CHECK(meaning(text) == expected);
}

TEST_CASE("other intervals count from now, days on the wall clock, less in real time") {
  auto const [text, expected] = GENERATE(table<std::string, std::string>({
      {"every 45 minutes", "@every 45m from 2026-06-03T10:20:30Z"},
      {"every 90 minutes", "@every 1h30m from 2026-06-03T10:20:30Z"},
      {"every 120 minutes", "@every 2h from 2026-06-03T10:20:30Z"},
      {"every 5 hours", "@every 5h from 2026-06-03T10:20:30Z"},
      {"every 36 hours", "@every 1d12h from 2026-06-03T10:20:30Z"},
      {"every 1h30m", "@every 1h30m from 2026-06-03T10:20:30Z"},
      {"every 90s", "@every 1m30s from 2026-06-03T10:20:30Z"},
      {"every 7 seconds", "@every 7s from 2026-06-03T10:20:30Z"},
      {"every 2 days", "@every 2d from 2026-06-04T09:00:00"},
      {"every 2d", "@every 2d from 2026-06-04T09:00:00"},
      {"every other day", "@every 2d from 2026-06-04T09:00:00"},
      {"every two days at 10pm", "@every 2d from 2026-06-03T22:00:00"},
      {"every 2 weeks", "@every 14d from 2026-06-08T09:00:00"},
      {"every 2 weeks on friday at 5pm", "@every 14d from 2026-06-05T17:00:00"},
      {"every other monday at 8am", "@every 14d from 2026-06-08T08:00:00"},
  }));
  CAPTURE(text);
  CHECK(meaning(text) == expected);
}

TEST_CASE("what is not understood is refused at its position, with what may have been meant") {
  struct wrong {
    std::string text;
    std::size_t position;
    std::string part;
  };
  auto const each = GENERATE(values<wrong>({
      {"", 0, "it is empty"},
      {"every", 5, "ends too early"},
      {"in", 2, "ends too early"},
      {"every day at", 12, "ends too early"},
      {"every fryday", 6, "time phrase \"every fryday\", column 7: \"fryday\" is not understood; did you mean friday?"},
      {"evry day", 0, "did you mean every?"},
      {"every day at 25:00", 13, "25 is above 23"},
      {"every day at 24:00", 13, "24 is above 23"},
      {"every day at 9:60", 13, "60 is above 59"},
      {"every day at 9", 13, "Write 9am, 9pm or 09:00"},
      {"every day at 13pm", 13, "1 to 12"},
      {"every day at 0am", 13, "1 to 12"},
      {"2030", 0, "\"2030\" is not understood"},
      {"2026-02-30", 0, "no such day"},
      {"2026-13-01", 0, "no such day"},
      {"2025-11-21", 0, "in the past"},
      {"2026-06-03 12:20:30", 0, "in the past"},
      {"today at 9am", 0, "in the past"},
      {"2026-11-21T14:00:00Z at 9am", 0, "has its time already"},
      {"2026-11-21T25:00", 0, "25 is above 23"},
      {"in 0 minutes", 3, "at least 1"},
      {"in 99999999999999999999 minutes", 3, "too large"},
      {"in 999999999 weeks", 13, "more than 100 years"},
      {"in 2 months", 5, "differ in length"},
      {"in 2 hours at 9am", 3, "whole days"},
      {"every 0 minutes", 6, "at least 1"},
      {"every 0s", 6, "at least a second"},
      {"every 0d", 6, "at least a second"},
      {"each 500ms", 5, "at least a second"},
      {"every 5 months", 0, "2, 3, 4, 6 or 12"},
      {"every 45 minutes on weekdays", 0, "neither a time nor a day"},
      {"every 2 hours at 9am", 0, "neither a time nor a day"},
      {"every hour at 9am", 0, "does not go with"},
      {"every minutes", 6, "\"minutes\" is not understood"},
      {"every day on monday", 0, "every day and a certain day"},
      {"every monday on friday", 16, "not understood in this place"},
      {"every friday the 13th", 13, "not understood"},
      {"every mon-mon", 6, "not understood"},
      {"monday through", 7, "not understood"},
      {"every weekday\xC2\xA0"
       "at 9am",
       13, "a no-break space (U+00A0) stands here"},
      {"\xE2\x80\x9C"
       "every day",
       0, "a curly quotation mark (U+201C) stands here"},
      {"every second monday", 6, "that could mean two things; write \"every other monday\""},
      {"every 2nd day", 6, "could mean two things"},
      {"every evening at 9pm", 14, "a second time"},
      {"daily at 9am and 5:30pm", 0, "the same minute"},
      {"daily at 9am and 9am", 17, "the same time twice"},
      {"every month on monday", 0, "the first monday"},
      {"on the 15th", 0, "which month?"},
      {"on the 32nd of every month", 7, "31 days"},
      {"on the 6th friday of every month", 7, "at most five"},
      {"monday and friday", 0, "two days"},
      {"monday tomorrow", 0, "two days"},
      {"every day tomorrow", 0, "do not go together"},
      {"every day in 2 hours", 14, "do not go together"},
      {"next week", 5, "\"week\" is not understood in this place"},
      {"weekday", 0, "not understood"},
      {"every day day", 10, "not understood in this place"},
      {"every day every hour", 10, "not understood in this place"},
  }));
  CAPTURE(each.text);
  try {
    std::string const understood = meaning(each.text);
    FAIL("understood as " << understood);
  } catch (phrase_error const& refused) {
    CAPTURE(refused.what());
    CHECK(refused.code() == errc::invalid_argument);
    CHECK_THAT(refused.what(), Contains(each.part));
    if (each.part != "do not go together") CHECK(refused.position() == each.position);
  }
}

TEST_CASE("a cron expression with a mistake is refused as one") {
  for (auto const* text : {"0 0 31 2 *", "* * * *", "@dayly", "0 24 * * *", "H 24 * * *", "1 2 3"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(meaning(text), cron_error);
  }
}

TEST_CASE("dirty phrases are refused with a short message") {
  for (auto const& text : {std::string(100'000, 'x'), std::string("every \0 day", 11), std::string("\xff\xfe"), std::string(10'000, ','),
                           std::string("in ") + std::string(100'000, '9') + " minutes"}) {
    try {
      std::string const understood = meaning(text);
      FAIL("understood as " << understood);
    } catch (phrase_error const& refused) {
      CHECK(std::string_view{refused.what()}.size() < 400);
    }
  }
}

TEST_CASE("the echo says what was understood") {
  auto const berlin = zone("Europe/Berlin");
  CHECK(parse_phrase("every weekday at 9am", now(), berlin).canonical == "at 09:00 on every weekday");
  CHECK(parse_phrase("every 45 minutes", now(), berlin).canonical == "every 45 minutes, counted from 2026-06-03T10:20:30Z");
  CHECK(parse_phrase("every 15 minutes", now(), berlin).canonical == "every 15 minutes");
  CHECK(parse_phrase("every 6 hours", now(), berlin).canonical == "at 00:00, 06:00, 12:00 and 18:00 every day");
  CHECK(parse_phrase("tomorrow at noon", now(), berlin).canonical == "once at 2026-06-04 12:00:00 Europe/Berlin, 2026-06-04T10:00:00Z");
}

TEST_CASE("a phrase of hours follows the zone from midnight, also when the clocks change") {
  auto const berlin = zone("Europe/Berlin");
  auto const six = std::get<recurrence>(parse_phrase("every 6 hours", now(), berlin).when);
  CHECK(six.next(berlin, at("2026-10-24T22:30:00Z")) == at("2026-10-25T05:00:00Z"));
  CHECK(six.next(berlin, at("2026-06-03T10:20:30Z")) == at("2026-06-03T16:00:00Z"));
}

TEST_CASE("an anchor says from where an interval counts") {
  auto const berlin = zone("Europe/Berlin");
  auto const anchored = [&](std::string const& text, std::string const& anchor) {
    try {
      return std::get<recurrence>(parse_phrase(text, now(), berlin, anchor).when).to_string();
    } catch (error const& refused) {
      return std::string{refused.what()};
    }
  };
  CHECK(anchored("every 45 minutes", "2026-01-01T00:00:00Z") == "@every 45m from 2026-01-01T00:00:00Z");
  CHECK(anchored("@every 45m", "2026-01-01T00:00:00+01:00") == "@every 45m from 2025-12-31T23:00:00Z");
  CHECK(anchored("@every 2d", "2026-01-01T10:00:00") == "@every 2d from 2026-01-01T10:00:00");
  CHECK(anchored("every 2 days at 10am", "2026-01-01") == "@every 2d from 2026-01-01T10:00:00");
  CHECK(anchored("every 2 days at 10am", "2026-01-01T10:00:00") == "@every 2d from 2026-01-01T10:00:00");
  CHECK(anchored("every 2 days at 10am", "2026-01-01T09:00:00Z") == "@every 2d from 2026-01-01T10:00:00");
  CHECK(anchored("every other monday at 8am", "2026-01-05") == "@every 14d from 2026-01-05T08:00:00");
  CHECK_THAT(anchored("every other monday at 8am", "2026-01-06"), Contains("another day of the week"));
  CHECK_THAT(anchored("every 2 days at 10am", "2026-01-01T09:00:00"), Contains("another time of the day"));
  CHECK_THAT(anchored("every 2 days at 10am", "soon"), Contains("must be a day, such as 2026-11-21"));
  CHECK_THAT(anchored("every 45 minutes", "2026-01-01"), Contains("must be an instant"));
  CHECK_THAT(anchored("@every 45m", "2026-01-01"), Contains("must be an instant"));
  CHECK_THAT(anchored("@every 45m from 2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), Contains("says itself from where it counts"));
  CHECK_THAT(anchored("every 30 minutes", "2026-01-01T00:00:00Z"), Contains("goes with an interval"));
  CHECK_THAT(anchored("0 9 * * *", "2026-01-01T00:00:00Z"), Contains("goes with an interval"));
  CHECK_THAT(anchored("tomorrow at noon", "2026-01-01T00:00:00Z"), Contains("goes with an interval"));
}

TEST_CASE("what was chosen of a time that the clocks skip or repeat is said") {
  auto const note = [](std::string const& text, std::string const& where = "Europe/Berlin") {
    return parse_phrase(text, now(), zone(where)).note;
  };
  CHECK(
      note("2027-03-28 02:30") ==
      "there is no 02:30 on 2027-03-28 in Europe/Berlin, where the clocks go from 02:00 to 03:00: 03:00 is taken, the first instant after "
      "the gap");
  CHECK(note("2026-10-25 02:30") ==
        "02:30 comes twice on 2026-10-25 in Europe/Berlin: the first one is taken, 2026-10-25T00:30:00Z; the second is "
        "2026-10-25T01:30:00Z");
  CHECK(note("2026-10-25T02:00:30") ==
        "02:00:30 comes twice on 2026-10-25 in Europe/Berlin: the first one is taken, 2026-10-25T00:00:30Z; the second is "
        "2026-10-25T01:00:30Z");
  CHECK_THAT(note("2026-10-04 02:15", "Australia/Lord_Howe"), Contains("where the clocks go from 02:00 to 02:30: 02:30 is taken"));
  CHECK(note("2026-10-25 03:00").empty());
  CHECK(note("2027-03-28 03:00").empty());
  CHECK(note("2026-10-25T02:30:00+01:00").empty());
  CHECK(note("in 2 hours").empty());
  CHECK(note("every day at 02:30").empty());
}
