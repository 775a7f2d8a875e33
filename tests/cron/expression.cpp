#include "visor/cron/expression.hpp"

#include "support.hpp"

#include <bit>
#include <map>
#include <random>
#include <string>
#include <type_traits>

using namespace visor;
using visor_test::Contains;

static_assert(std::is_trivially_copyable_v<cron_expression>);
static_assert(std::regular<cron_expression> || !std::default_initializable<cron_expression>);
static_assert("0 2 * * *"_cron == "0 0 2 * * *"_cron);
static_assert("@daily"_cron == "@midnight"_cron && "@daily"_cron == "0 0 * * *"_cron);
static_assert("@yearly"_cron == "@annually"_cron && "@yearly"_cron == "0 0 1 1 *"_cron);
static_assert("@monthly"_cron == "0 0 1 * *"_cron && "@weekly"_cron == "0 0 * * 0"_cron && "@hourly"_cron == "0 * * * *"_cron);
static_assert("@every 1h30m"_cron.period() == std::chrono::minutes{90});
static_assert(!cron_expression::try_parse("0 24 * * *"));
static_assert(cron_expression::try_parse("0 24 * * *").failure().why == cron_fault::value_above);

TEST_CASE("texts that mean the same are equal") {
  auto const [one, other] = GENERATE(table<std::string, std::string>({
      {"0 2 * * *", "  0\t2  *   * *  "},
      {"0 2 * * *", "0 0 2 * * * *"},
      {"0 0 * * 0", "0 0 * * 7"},
      {"0 0 * * sun", "0 0 * * 7"},
      {"0 0 * jan,MAR MON-fri", "0 0 * 1,3 1-5"},
      {"0 0 * * 5-7", "0 0 * * 5,6,0"},
      {"0 0 * * 0-7", "0 0 * * 0-6"},
      {"0 0 * * 6-2", "0 0 * * 6,0,1,2"},
      {"0 0 * * 7-2", "0 0 * * 0-2"},
      {"0 0 * * FRI-SUN", "0 0 * * 0,5,6"},
      {"0 22-2 * * *", "0 22,23,0,1,2 * * *"},
      {"0 22-2/2 * * *", "0 22,0,2 * * *"},
      {"55-5/5 * * * *", "55,0,5 * * * *"},
      {"0 0 28-3 * *", "0 0 28,29,30,31,1,2,3 * *"},
      {"0 0 * 11-2 *", "0 0 * 11,12,1,2 *"},
      {"0/7 * * * *", "0,7,14,21,28,35,42,49,56 * * * *"},
      {"1-10/2 * * * *", "1,3,5,7,9 * * * *"},
      {"1-5/2,30,40-42 * * * *", "1,3,5,30,40,41,42 * * * *"},
      {"0 0 ? * ?", "0 0 * * *"},
      {"0 0 1 * ?", "0 0 1 * *"},
      {"0 0 l * *", "0 0 L * *"},
      {"0 0 lw,15w * *", "0 0 15W,LW * *"},
      {"0 0 L-0 * *", "0 0 L * *"},
      {"0 0 * * friL", "0 0 * * 5L"},
      {"0 0 * * 5#L", "0 0 * * 5L"},
      {"0 0 * * 7#2", "0 0 * * sun#2"},
      {"0 0 0 1 1 * 1970-2199", "0 0 1 1 *"},
      {"@DAILY", "@daily"},
      {"@every 90s", "@every 1m30s"},
      {"* * * * *", "0-59 * * * *"},
      {"@every_minute", "* * * * *"},
      {"@EVERY_SECOND", "* * * * * *"},
      {"0 2 * * *\n", "0 2 * * *"},
      {"0 2 * * * \r\n", "0 2 * * *"},
      {"@daily\n", "@daily"},
      {"@every 90s\n", "@every 90s"},
      {"0 0 L-0W * *", "0 0 LW * *"},
      {"0 0 l-3w * *", "0 0 L-3W * *"},
      {"h * * * *", "H(0-59) * * * *"},
      {"0 0 H * *", "0 0 H(1-28) * *"},
      {"0 0 * H(jan-jun) H(MON-fri)", "0 0 * H(1-6) H(1-5)"},
      {"0 0 * * H(5-7)", "0 0 * * H(FRI-SUN)"},
      {"0 0 * * H(0-7)", "0 0 * * H"},
      {"05 008 * * *", "5 8 * * *"},
      {"0 0 * * 1-5,0", "0 0 * * 0-5"},
  }));
  CAPTURE(one, other);
  CHECK(cron_expression::parse(one) == cron_expression::parse(other));
}

TEST_CASE("texts that do not mean the same are not equal") {
  auto const [one, other] = GENERATE(table<std::string, std::string>({
      {"0 2 * * *", "0 3 * * *"},
      {"0 * * * *", "0 0-23 * * *"},  // the star follows real time
      {"0 */2 * * *", "0 0-23/2 * * *"},
      {"H * * * *", "* * * * *"},
      {"H * * * *", "H(0-30) * * * *"},
      {"0 H/6 * * *", "0 H(0-23)/6 * * *"},
      {"0 0 LW * *", "0 0 L-1W * *"},
      {"0 0 1-31 * 1", "0 0 * * 1"},  // a restriction, and none
      {"0 0 13 * 5", "0 0 13 * +5"},
      {"0 0 L * *", "0 0 31 * *"},
      {"@every 60s", "* * * * *"},
  }));
  CAPTURE(one, other);
  CHECK_FALSE(cron_expression::parse(one) == cron_expression::parse(other));
}

TEST_CASE("the canonical text is short and parses back") {
  auto const [text, canonical] = GENERATE(table<std::string, std::string>({
      {"0 0 2 * * *", "0 2 * * *"},
      {"*/5 * * * *", "*/5 * * * *"},
      {"0,5,10,15,20,25,30,35,40,45,50,55 * * * *", "*/5 * * * *"},
      {"0 0,2,4,6,8,10,12,14,16,18,20,22 * * *", "0 0,2,4,6,8,10,12,14,16,18,20,22 * * *"},
      {"0 4/5,1 * * *", "0 4/5,1 * * *"},
      {"0 0/6 * * *", "0 */6 * * *"},
      {"0 20/7 * * *", "0 20/4 * * *"},
      {"H h(2-5) h/7 * h(mon-fri)/2", "H H(2-5) H/7 * H(1-5)/2"},
      {"0 H/6 * * *", "0 H/6 * * *"},
      {"0 H(0-23)/6 * * *", "0 H(0-23)/6 * * *"},
      {"H H * * * +H 2027", "H H * * * +H 2027"},
      {"0 0 L-3W,LW * *", "0 0 LW,L-3W * *"},
      {"0,20,40 * * * * *", "*/20 * * * * *"},
      {"*/5,7 * * * *", "0,5,7,10,15,20,25,30,35,40,45,50,55 * * * *"},
      {"*/5,* * * * *", "* * * * *"},
      {"0 0 L-3,LW,15W,1 * MON-FRI,5#2,3L", "0 0 1,L-3,15W,LW * 1-5,5#2,3L"},
      {"0 0 0 1 JAN ? 2027,2028,2029,2040", "0 0 0 1 1 * 2027-2029,2040"},
      {"0 0 13 * +FRI", "0 0 13 * +5"},
      {"0 0 * JAN,APR,JUL,OCT *", "0 0 * */3 *"},
      {"@weekly", "0 0 * * 0"},
      {"@every 5400s", "@every 1h30m"},
  }));
  auto const parsed = cron_expression::parse(text);
  CHECK(parsed.to_string() == canonical);
  CHECK(cron_expression::parse(canonical) == parsed);
}

TEST_CASE("every wrong text is refused at its position") {
  struct wrong {
    std::string text;
    cron_fault why;
    int field;
    std::size_t position;
    std::string part_of_message;
  };
  auto const each = GENERATE(values<wrong>({
      {"0 24 * * *", cron_fault::value_above, 2, 2, "cron expression \"0 24 * * *\", field 2 (hour), column 3: 24 is above 23"},
      {"60 * * * *", cron_fault::value_above, 1, 0, "60 is above 59"},
      {"60 * * * * *", cron_fault::value_above, 1, 0, "field 1 (second)"},
      {"0 0 32 * *", cron_fault::value_above, 3, 4, "32 is above 31"},
      {"0 0 0 * *", cron_fault::value_below, 3, 4, "0 is below 1"},
      {"0 0 * 13 *", cron_fault::value_above, 4, 6, "field 4 (month)"},
      {"0 0 * 0 *", cron_fault::value_below, 4, 6, "0 is below 1"},
      {"0 0 * * 8", cron_fault::value_above, 5, 8, "8 is above 7"},
      {"0 0 0 1 1 * 1969", cron_fault::value_below, 7, 12, "field 7 (year), column 13: 1969 is below 1970"},
      {"0 0 0 1 1 * 2200", cron_fault::value_above, 7, 12, "2200 is above 2199"},
      {"0 0 0 1 1 * 2030-2020", cron_fault::reversed_years, 7, 12, "run backwards"},
      {"1-60 * * * *", cron_fault::value_above, 1, 2, "60 is above 59"},
      {"*/0 * * * *", cron_fault::step_zero, 1, 2, "at least 1"},
      {"*/90 * * * *", cron_fault::step_above, 1, 2,
       "step 90 is above 59, and the minutes of each hour begin anew; for an interval write \"@every 90m\""},
      {"*/60 * * * *", cron_fault::step_above, 1, 2, "step 60 is above 59; for once an hour write 0 in this field"},
      {"*/60 * * * * *", cron_fault::step_above, 1, 2, "for once a minute write 0 in this field"},
      {"*/90 * * * * *", cron_fault::step_above, 1, 2, "\"@every 90s\""},
      {"0 */36 * * *", cron_fault::step_above, 2, 4, "\"@every 36h\""},
      {"0 0 */45 * *", cron_fault::step_above, 3, 6, "\"@every 45d\""},
      {"0 0 * */13 *", cron_fault::step_above, 4, 8, "step 13 is above 12"},
      {"0 0 * * */7", cron_fault::step_above, 5, 10, "for every day write *, for once a week write its day"},
      {"* */24 * * *", cron_fault::step_above, 2, 4, "step 24 is above 23; for once a day write 0 in this field"},
      {"5-1-3 * * * *", cron_fault::unexpected_character, 1, 3, "unexpected '-'"},
      {"5--1 * * * *", cron_fault::value_missing, 1, 2, "before '-'"},
      {"1,,2 * * * *", cron_fault::value_missing, 1, 2, "a value is missing before ','"},
      {",1 * * * *", cron_fault::value_missing, 1, 0, "before ','"},
      {"1, * * * *", cron_fault::value_missing, 1, 2, "a value is missing"},
      {"-1 * * * *", cron_fault::value_missing, 1, 0, "before '-'"},
      {"*/ * * * *", cron_fault::value_missing, 1, 2, "a value is missing"},
      {"5/ * * * *", cron_fault::value_missing, 1, 2, "a value is missing"},
      {"1abc * * * *", cron_fault::unexpected_character, 1, 1, "unexpected 'a'"},
      {"99999999999 * * * *", cron_fault::value_above, 1, 0, "99999999999 is above 59"},
      {"*/99999999999 * * * *", cron_fault::step_above, 1, 2,
       "step 99999999999 is above 59, and the minutes of each hour begin anew; for an interval write \"@every 90m\""},
      {"** * * * *", cron_fault::unexpected_character, 1, 1, "unexpected '*'"},
      {"? * * * *", cron_fault::unexpected_character, 1, 0,
       "unexpected '?'; it stands alone in the day of the month or of the week, everywhere else write *"},
      {"0 0 1,? * *", cron_fault::unexpected_character, 3, 6, "unexpected '?'"},
      {"0 0 ?,1 * *", cron_fault::unexpected_character, 3, 5, "unexpected ','"},
      {"H,30 * * * *", cron_fault::bad_hash, 1, 0, "H stands alone in its field, as H, H(0-29), H/15 or H(0-29)/10"},
      {"30,H * * * *", cron_fault::bad_hash, 1, 3, "H stands alone"},
      {"H-5 * * * *", cron_fault::bad_hash, 1, 0, "H stands alone"},
      {"H(5) * * * *", cron_fault::bad_hash, 1, 0, "H stands alone"},
      {"H(5-9 * * * *", cron_fault::bad_hash, 1, 0, "H stands alone"},
      {"H( * * * *", cron_fault::value_missing, 1, 2, "a value is missing"},
      {"H(0-60) * * * *", cron_fault::value_above, 1, 4, "60 is above 59"},
      {"H(0-9)/11 * * * *", cron_fault::hash_step, 1, 7, "step 11 is above 10, the number of values that H chooses from"},
      {"0 0 H/29 * *", cron_fault::hash_step, 3, 6,
       "step 29 is above 28, the number of values that H chooses from; the days 29 to 31 are "},
      {"H/0 * * * *", cron_fault::step_zero, 1, 2, "at least 1"},
      {"H/60 * * * *", cron_fault::step_above, 1, 2, "step 60 is above 59"},
      {"0 0 0 1 1 * H", cron_fault::unknown_name, 7, 12, "\"H\" is no number"},
      {"HH * * * *", cron_fault::unknown_name, 1, 0, "\"HH\" is no number"},
      {"0 0 0 H(29-31) 2 * 2027", cron_fault::never, 4, 6, "never fires"},
      {"0\xC2\xA0"
       "2 * * *",
       cron_fault::unexpected_character, 0, 1, "column 2: a no-break space (U+00A0) stands here; write an ordinary space in its place"},
      {"\xE2\x80\x9C"
       "0 2 * * *\xE2\x80\x9D",
       cron_fault::unexpected_character, 0, 0, "a curly quotation mark (U+201C) stands here; leave it out"},
      {"0 2 * * 1\xE2\x80\x93"
       "5",
       cron_fault::unexpected_character, 0, 9, "an en dash (U+2013) stands here; write - in its place"},
      {"@daily\xC2\xA0", cron_fault::unexpected_character, 0, 6, "a no-break space (U+00A0)"},
      {"'0 2 * * *'", cron_fault::unexpected_character, 1, 0, "the quotation marks are no part of it"},
      {"0 2\n* * *", cron_fault::unexpected_character, 0, 3, "a line break stands here; write all of it in one line"},
      {"+5 * * * *", cron_fault::unexpected_character, 1, 0, "unexpected '+'"},
      {"0 0 * * +", cron_fault::value_missing, 5, 9, "a value is missing"},
      {"0 0 ?/2 * *", cron_fault::unexpected_character, 3, 5, "unexpected '/'"},
      {"0 0 * FOO *", cron_fault::unknown_name, 4, 6, "\"FOO\" is no month (JAN FEB"},
      {"0 0 * * MONN", cron_fault::unknown_name, 5, 8, "no day of the week"},
      {"0 0 * MON *", cron_fault::unknown_name, 4, 6, "no month"},
      {"JAN * * * *", cron_fault::unknown_name, 1, 0, "\"JAN\" is no number"},
      {"0 0 W * *", cron_fault::unknown_name, 3, 4, "no day of the month"},
      {"0 0 * * L", cron_fault::bare_last, 5, 8, "5L"},
      {"0 0 1-5W * *", cron_fault::unexpected_character, 3, 7, "unexpected 'W'"},
      {"0 0 32W * *", cron_fault::value_above, 3, 4, "32 is above 31"},
      {"0 0 L-31W * *", cron_fault::before_month, 3, 6, "at most 30"},
      {"0 0 L-3X * *", cron_fault::unexpected_character, 3, 7, "unexpected 'X'"},
      {"0 0 L-31 * *", cron_fault::before_month, 3, 6, "no month has a day 31 days before its last"},
      {"0 0 L- * *", cron_fault::value_missing, 3, 6, "a value is missing"},
      {"0 0 LX * *", cron_fault::unexpected_character, 3, 5, "unexpected 'X'"},
      {"0 0 * * 1#6", cron_fault::bad_occurrence, 5, 10, "from 1 to 5"},
      {"0 0 * * 1#0", cron_fault::bad_occurrence, 5, 10, "from 1 to 5"},
      {"0 0 * * 1#", cron_fault::bad_occurrence, 5, 10, "from 1 to 5"},
      {"0 0 * * 1-5L", cron_fault::unexpected_character, 5, 11, "unexpected 'L'"},
      {"", cron_fault::empty, 0, 0, "it is empty"},
      {" \t ", cron_fault::empty, 0, 0, "it is empty"},
      {"0 2 * *", cron_fault::field_count, 0, 0, "4 fields, but there must be 5, or 6"},
      {"0 2 * * * * * *", cron_fault::field_count, 0, 0, "8 fields"},
      {"tomorrow", cron_fault::field_count, 0, 0, "1 field, but"},
      {"@dayly", cron_fault::unknown_nickname, 0, 0, "\"@dayly\" is unknown; did you mean @daily?"},
      {"@reboot", cron_fault::unknown_nickname, 0, 0, "known are @yearly"},
      {"@daily 5", cron_fault::unexpected_character, 0, 7, "unexpected '5'"},
      {"@every", cron_fault::bad_period, 0, 6, "90s or 1h30m"},
      {"@every 5", cron_fault::bad_period, 0, 7, "90s or 1h30m"},
      {"@every 0s", cron_fault::bad_period, 0, 7, "from 1s to 36600d"},
      {"@every 500ms", cron_fault::bad_period, 0, 7, "from 1s to 36600d"},
      {"@every -5m", cron_fault::bad_period, 0, 7, "90s or 1h30m"},
      {"@every 99999999999999999999s", cron_fault::bad_period, 0, 7, "90s or 1h30m"},
  }));
  CAPTURE(each.text);
  try {
    auto const parsed = cron_expression::parse(each.text);
    FAIL("accepted as " << parsed.to_string());
  } catch (cron_error const& refused) {
    CHECK(refused.code() == errc::invalid_argument);
    CHECK(refused.failure().why == each.why);
    CHECK(refused.field() == each.field);
    CHECK(refused.position() == each.position);
    CHECK_THAT(refused.what(), Contains(each.part_of_message));
    CHECK_THAT(refused.what(), !Contains("\n"));
  }
}

TEST_CASE("what no calendar has is refused, and nothing else") {
  for (auto const* text : {"0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31W 2 *", "0 0 L-30 2 *", "0 0 L-29W 2 *",
                           "0 0 0 29 2 * 2027", "0 0 31 6 +MON", "0 0 0 ? 2 5#5 2027", "0 0 30 2 ?"}) {
    CAPTURE(text);
    CHECK(cron_expression::try_parse(text).failure().why == cron_fault::never);
    CHECK_THROWS_AS(cron_expression::parse(text), cron_error);
  }
  for (auto const* text : {"0 0 29 2 *", "0 0 29 2 +MON", "0 0 ? 2 5#5", "0 0 31 2-3 *", "0 0 31 2 MON", "0 0 L-28 2 *",
                           "0 0 0 29 2 * 2028", "0 0 0 1 1 * 2005"}) {
    CAPTURE(text);
    CHECK_NOTHROW(cron_expression::parse(text));
  }
}

TEST_CASE("long and dirty texts are refused quickly, with a short message") {
  std::string const commas = std::string(10'000, ',') + " * * * *";
  std::string const digits = std::string(100'000, '9') + " * * * *";
  std::string const fields = [] {
    std::string text;
    for (int i = 0; i < 50'000; ++i) text += "* ";
    return text;
  }();
  std::string const nul("0 0 \0 * *", 9);
  for (auto const& text : {commas, digits, fields, nul, std::string("\xff\xfe * * * *"), std::string(1'000'000, ' ')}) {
    try {
      cron_expression::parse(text);
      FAIL("accepted");
    } catch (cron_error const& refused) {
      CHECK(std::string_view{refused.what()}.size() < 400);
    }
  }
  CHECK_THROWS_WITH(cron_expression::parse(nul), Contains("unexpected '\\x00'"));
}

TEST_CASE("random fields are written and read back") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  auto const one_of = [&](auto const& list) -> std::string { return list[random() % std::size(list)]; };
  auto const list_of = [&](auto const& items) {
    std::string text = one_of(items);
    for (auto more = random() % 4; more > 0; --more) text += "," + one_of(items);
    return text;
  };
  std::vector<std::string> const sixty{"*", "*/7", "*/30", "0", "59", "17", "5-9", "50-4/3", "3/11", "*/59"};
  std::vector<std::string> const hours{"*", "*/5", "0", "23", "9-17", "22-2", "1/6", "*/12"};
  std::vector<std::string> const days{"*", "*/9", "1", "31", "28-3", "L", "L-2", "LW", "15W", "1W", "L-3W", "L-0W"};
  std::vector<std::string> const months{"*", "*/5", "JAN", "3-5", "11-2", "7/2"};
  std::vector<std::string> const weekdays{"*", "?", "1-5", "SAT", "5L", "2#3", "7#1", "*/2", "FRI-MON", "+WED", "+1#2"};
  std::vector<std::string> const years{"*", "2027", "2030-2040", "2000/4", "*/7"};
  std::vector<std::string> const hashes{"H", "H/5", "H(3-6)", "H(2-6)/2", "h(5-2)"};
  auto const list_or_hash = [&](auto const& items) { return random() % 6 == 0 ? one_of(hashes) : list_of(items); };
  for (int i = 0; i < 5'000; ++i) {
    std::string text = list_or_hash(sixty) + " " + list_or_hash(sixty) + " " + list_or_hash(hours) + " " + list_or_hash(days) + " " +
                       list_or_hash(months) + " " + (random() % 6 == 0 ? one_of(hashes) : one_of(weekdays)) + " " + list_of(years);
    auto const parsed = cron_expression::try_parse(text);
    if (!parsed) {
      CAPTURE(text);
      REQUIRE(parsed.failure().why == cron_fault::never);
      continue;
    }
    auto const canonical = (*parsed).to_string();
    CAPTURE(text, canonical);
    REQUIRE(cron_expression::parse(canonical) == *parsed);
    REQUIRE(cron_expression::parse(canonical).to_string() == canonical);
  }
}

TEST_CASE("the nearest weekday stays within its month") {
  // A month that ends with a Sunday, with a Saturday, that begins with a Saturday, and with a Sunday.
  CHECK(cron_test::dates("0 0 30W * *", "2017-04-01T00:00:00Z", 3) == "2017-04-28 2017-05-30 2017-06-30");
  CHECK(cron_test::dates("0 0 31W * *", "2018-03-01T00:00:00Z", 3) == "2018-03-30 2018-05-31 2018-07-31");
  CHECK(cron_test::dates("0 0 1W * *", "2017-03-31T00:00:00Z", 2) == "2017-04-03 2017-05-01");
  CHECK(cron_test::dates("0 0 1W * *", "2017-09-30T00:00:00Z", 1) == "2017-10-02");
  CHECK(cron_test::dates("0 0 28W 2 *", "2015-01-01T00:00:00Z", 3) == "2015-02-27 2016-02-29 2017-02-28");
  CHECK(cron_test::dates("0 0 29W 2 *", "2015-01-01T00:00:00Z", 2) == "2016-02-29 2020-02-28");
  CHECK(cron_test::dates("0 0 L-3W * *", "2016-01-31T00:00:00Z", 2) == "2016-02-26 2016-03-28");
  CHECK(cron_test::dates("0 0 L-27W 2 *", "2015-01-01T00:00:00Z", 3) == "2015-02-02 2016-02-02 2017-02-01");
}

TEST_CASE("the id of a schedule chooses H, the same everywhere and for ever") {
  auto const chosen = [](std::string const& text, std::string const& id) {
    auto fields = cron_expression::parse(text).for_schedule(id).fields();
    fields.hashes = {};
    return detail::write_fields(fields);
  };
  // Stored schedules depend on these: they must never change.
  CHECK(chosen("H H H H H", "nightly-report") == "26 9 12 12 4");
  CHECK(chosen("H H H * *", "") == "0 17 2 * *");
  CHECK(chosen("H/15 H(0-7) * * *",
               "n\xC3\xA4"
               "chtlich") == "8,23,38,53 1 * * *");
  CHECK(chosen("H H * * *", "a") != chosen("H H * * *", "b"));
  CHECK(cron_expression::parse("H H * * *").for_schedule("a").to_string() == "H H * * *");
  CHECK(cron_expression::parse("H H * * *").for_schedule("a").for_schedule("b") == cron_expression::parse("H H * * *").for_schedule("b"));
  CHECK(cron_expression::parse("0 2 * * *").for_schedule("a") == cron_expression::parse("0 2 * * *"));
}

TEST_CASE("the values of H lie in its range, and ids spread over it") {
  auto const allowed = GENERATE(table<std::string, std::uint64_t, int>({
      {"H * * * *", detail::bits_between(0, 59), 60},
      {"H(10-19) * * * *", detail::bits_between(10, 19), 10},
      {"H(55-4) * * * *", detail::bits_between(55, 59) | detail::bits_between(0, 4), 10},
      {"H/15 * * * *", detail::bits_between(0, 59), 15},
      {"H(0-29)/10 * * * *", detail::bits_between(0, 29), 10},
  }));
  auto const& [text, range, ways] = allowed;
  CAPTURE(text);
  std::map<std::uint64_t, int> seen;
  for (int i = 0; i < 6'000; ++i) {
    auto const minutes = cron_expression::parse(text).for_schedule("job-" + std::to_string(i)).fields().minutes;
    REQUIRE(minutes != 0);
    REQUIRE((minutes & ~range) == 0);
    ++seen[minutes];
  }
  CHECK(seen.size() == static_cast<std::size_t>(ways));
  for (auto const& [minutes, count] : seen) CHECK(count > 6'000 / ways / 2);
}

TEST_CASE("every month has the day that H chooses") {
  for (int i = 0; i < 500; ++i) {
    auto const days = cron_expression::parse("0 0 H * *").for_schedule(std::to_string(i)).fields().days;
    REQUIRE(std::has_single_bit(days));
    REQUIRE((days & ~static_cast<std::uint32_t>(detail::bits_between(1, 28))) == 0);
  }
}
