#include "support/catch.hpp"

#include "visor/base/json_text.hpp"
#include "visor/base/storable_text.hpp"

#include <map>
#include <string>
#include <vector>

using namespace visor;
using namespace visor::detail;

namespace {

std::string fault(std::string_view text) {
  auto const found = find_json_fault(text);
  return found ? found->message() : std::string();
}

std::map<std::string, std::string> fields(std::string_view text) {
  std::map<std::string, std::string> all;
  CHECK(for_each_json_field(text, [&](std::string_view key, std::string_view value) { all[std::string(key)] = value; }));
  return all;
}

}  // namespace

TEST_CASE("a string ends, escapes and is refused at every distance from its beginning") {
  for (std::size_t length = 0; length < 40; ++length) {
    for (char const* const plain : {"x", "\xC3\xA9", "\x7F", " "}) {
      std::string inside;
      for (std::size_t i = 0; i < length; ++i) inside += plain;
      INFO(inside);
      CHECK_FALSE(find_json_fault("\"" + inside + "\""));
      CHECK_FALSE(find_json_fault("[\"" + inside + "\\\"" + inside + "\",1]"));
      CHECK(find_json_fault("\"" + inside));
      for (char const control : {'\0', '\n', '\x1F'}) {
        auto const fault = find_json_fault("\"" + inside + control + "0123456789\"");
        REQUIRE(fault);
        CHECK(fault->offset == inside.size() + 1);
      }
    }
  }
}

TEST_CASE("JSON is taken, and nothing else is") {
  for (char const* good : {"0", "-0.5e+3", "\"\"", "null", "true", " [ ] ", "{}", "[[],{}]", "{\"a\":[1,{\"b\":null}],\"c\":\"d\"}",
                           "\"\\u00e9\\ud83d\\ude00\\n\\/\"", "\n\t{\r\"a\" : 1 , \"b\":2}\n", "\"\xc3\xa9\""})
    CHECK(fault(good).empty());
  for (char const* bad : {"",
                          " ",
                          "{",
                          "[",
                          "[1",
                          "[1,",
                          "[1,]",
                          "[,1]",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{\"a\":1,}",
                          "{a:1}",
                          "{'a':1}",
                          "1 2",
                          "{} x",
                          "]",
                          "}",
                          "[}",
                          "{]",
                          "[1}",
                          "tru",
                          "nul",
                          "True",
                          "NaN",
                          "Infinity",
                          "+1",
                          "01",
                          "1.",
                          ".5",
                          "1e",
                          "--1",
                          "0x1F",
                          "1_000",
                          "\"a",
                          "\"\\x\"",
                          "\"\\u12g4\"",
                          "\"\\ud800\"",
                          "\"\\udc00\"",
                          "\"\\ud800\\u0041\"",
                          "\"a\nb\"",
                          "\"\\",
                          "\"\\u12"}) {
    INFO(bad);
    CHECK(fault(bad).starts_with("is not JSON"));
  }
  CHECK(fault("{\"a\":1 2}") == "is not JSON (at byte 8)");
}

TEST_CASE("depth has a limit that a text of any size obeys") {
  auto const nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(fault(nested(json_limits::depth)).empty());
  CHECK(fault(nested(json_limits::depth + 1)) == "is nested more than 200 levels deep (at byte 201)");
  CHECK(fault(std::string(1'000'000, '[')) == "is nested more than 200 levels deep (at byte 201)");
  CHECK(fault("{\"a\":" + nested(json_limits::depth) + "}") == "is nested more than 200 levels deep (at byte 205)");
}

TEST_CASE("numbers beyond a double are refused by the name of their field") {
  CHECK(fault("{\"n\":1e999}") == "has a field \"n\" that is larger than any program can read");
  CHECK(fault("{\"a\":{\"b\":[0,{\"c\":-1e400}]}}") == "has a field \"a.b[1].c\" that is larger than any program can read");
  CHECK(fault("[1e-400]") == "has a field \"[0]\" that is so small that programs read it as 0");
  CHECK(fault("1e999") == "is larger than any program can read (at byte 1)");
  CHECK(fault("[" + std::string(400, '9') + "]").ends_with("larger than any program can read"));
  CHECK(fault("[" + std::string(5000, '9') + "e-4900]").empty());
  CHECK(fault("[0." + std::string(400, '0') + "1]").ends_with("read it as 0"));
  for (char const* good : {"1e308", "1.7976931348623157e308", "5e-324", "0e999", "-0.0e-999", "123456789012345678901234567890.10"})
    CHECK(fault(good).empty());
  CHECK(fault("{\"" + std::string(100, 'x') + "\":1e999}") ==
        "has a field \"" + std::string(60, 'x') + "...\" that is larger than any program can read");
}

TEST_CASE("digits that a program would lose are found") {
  for (char const* kept :
       {"0.1", "3.10", "1e22", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "0.30000000000000004",
        "1.7976931348623157e308", "100000000000000000000000", "0.000000000000000000000000001", "5e-324"}) {
    INFO(kept);
    CHECK(keeps_digits(kept));
  }
  for (char const* lost : {"123456789012345678901", "0.1234567890123456789", "1.00000000000000000001", "3.14159265358979323846"}) {
    INFO(lost);
    CHECK_FALSE(keeps_digits(lost));
  }
  CHECK(find_lost_digits("{\"a\":[123456789012345678901]}")->message() ==
        "has a field \"a[0]\" that has more digits than a number of 64 bits can hold");
}

TEST_CASE("a text whose numbers are short needs no count of digits") {
  for (std::size_t before = 0; before < 40; ++before) {
    std::string const filling(before, ' ');
    for (std::size_t digits = 1; digits < 40; ++digits) {
      INFO(before << " blanks, " << digits << " digits");
      CHECK(could_lose_digits(filling + std::string(digits, '7')) == (digits > 15));
      CHECK(could_lose_digits(filling + std::string(digits, '7') + ",7") == (digits > 15));
      CHECK(could_lose_digits(filling + "-" + std::string(digits, '7') + ".5 ") == (digits > 12));
    }
    CHECK(could_lose_digits(filling + "1e9"));
    CHECK(could_lose_digits(filling + "[1E9]"));
    CHECK_FALSE(could_lose_digits(filling + "[1, true, \"e9\"]"));
  }
  CHECK_FALSE(could_lose_digits(""));
}

TEST_CASE("fields at the top are found as they are written") {
  auto const all = fields(R"( {"a": 3.10 ,"b":{"x":[1, 2]},"c":[ ],"d":"\u00e9\"","e":null,"f":{}} )");
  CHECK(all == std::map<std::string, std::string>{
                   {"a", "3.10"}, {"b", R"({"x":[1, 2]})"}, {"c", "[ ]"}, {"d", R"("\u00e9\"")"}, {"e", "null"}, {"f", "{}"}});
  CHECK(fields("[{\"a\":1}]").empty());
  CHECK(find_json_field(R"({"a":1,"a":2})", "a") == "2");
  CHECK(find_json_field(R"({"\u0061":1})", "a") == "1");
  CHECK_FALSE(find_json_field(R"({"b":{"a":1}})", "a"));
  CHECK_FALSE(find_json_field(R"({"a":1)", "a"));
}

TEST_CASE("values as plain text") {
  CHECK(json_scalar_text(R"("a\u00e9\ud83d\ude00\n\\")") == "a\xc3\xa9\xf0\x9f\x98\x80\n\\");
  CHECK(json_scalar_text("1.50e3") == "1.50e3");
  CHECK(json_scalar_text("true") == "true");
  for (char const* none : {"null", "[1]", "{}"}) CHECK_FALSE(json_scalar_text(none));
}

TEST_CASE("blanks go only from between the parts of JSON") {
  CHECK(compact_json("{ \"a b\" :\n[1 ,\t\"\\\" c \"] }") == R"({"a b":[1,"\" c "]})");
}

TEST_CASE("text is cut between characters") {
  CHECK(shortened("abc", 3) == "abc");
  CHECK(shortened("abcd", 3) == "abc... [1 bytes more]");
  CHECK(shortened("ab\xc3\xa9z", 3) == "ab... [3 bytes more]");
}
