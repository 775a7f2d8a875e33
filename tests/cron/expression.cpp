#include "visor/cron/expression.hpp"

#include "support.hpp"

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
      {"05 008 * * *", "5 8 * * *"},
      {"0 0 * * 1-5,0", "0 0 * * 0-5"},
  }));
  CAPTURE(one, other);
  CHECK(cron_expression::parse(one) == cron_expression::parse(other));
}

TEST_CASE("texts that do not mean the same are not equal") {
  auto const [one, other] = GENERATE(table<std::string, std::string>({
      {"0 2 * * *", "0 3 * * *"},
      {"* * * * *", "0-59 * * * *"},  // the star follows real time
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
      {"0,5,10,15,20,25,30,35,40,45,50,55 * * * *", "0,5,10,15,20,25,30,35,40,45,50,55 * * * *"},
      {"0,20,40 * * * * *", "*/20 * * * * *"},
      {"*/5,7 * * * *", "*/5,7 * * * *"},
      {"*/5,* * * * *", "* * * * *"},
      {"0 0 L-3,LW,15W,1 * MON-FRI,5#2,3L", "0 0 1,L-3,LW,15W * 1-5,5#2,3L"},
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

TEST_CASE("every wrong text is refused at its place") {
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
      {"*/90 * * * *", cron_fault::step_above, 1, 2, "step 90 is above 59"},
      {"* */24 * * *", cron_fault::step_above, 2, 4, "step 24 is above 23"},
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
      {"*/99999999999 * * * *", cron_fault::step_above, 1, 2, "step 99999999999 is above 59"},
      {"** * * * *", cron_fault::unexpected_character, 1, 1, "unexpected '*'"},
      {"? * * * *", cron_fault::unexpected_character, 1, 0, "unexpected '?'"},
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
      {"0 2 * * *\n", cron_fault::unexpected_character, 5, 9, "unexpected '\\x0a'"},
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
    CHECK(refused.kind() == condition::invalid_argument);
    CHECK(refused.failure().why == each.why);
    CHECK(refused.field() == each.field);
    CHECK(refused.position() == each.position);
    CHECK_THAT(refused.what(), Contains(each.part_of_message));
    CHECK_THAT(refused.what(), !Contains("\n"));
  }
}

TEST_CASE("what no calendar has is refused, and nothing else") {
  for (auto const* text : {"0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31W 2 *", "0 0 L-30 2 *", "0 0 0 29 2 * 2027",
                           "0 0 31 6 +MON", "0 0 0 ? 2 5#5 2027", "0 0 30 2 ?"}) {
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
  std::vector<std::string> const days{"*", "?", "*/9", "1", "31", "28-3", "L", "L-2", "LW", "15W", "1W"};
  std::vector<std::string> const months{"*", "*/5", "JAN", "3-5", "11-2", "7/2"};
  std::vector<std::string> const weekdays{"*", "?", "1-5", "SAT", "5L", "2#3", "7#1", "*/2", "FRI-MON", "+WED", "+1#2"};
  std::vector<std::string> const years{"*", "2027", "2030-2040", "2000/4", "*/7"};
  for (int i = 0; i < 5'000; ++i) {
    std::string text = list_of(sixty) + " " + list_of(sixty) + " " + list_of(hours) + " " + list_of(days) + " " + list_of(months) + " " +
                       one_of(weekdays) + " " + list_of(years);
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
