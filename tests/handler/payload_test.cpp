#include "visor/handler/payload.hpp"

#include "support/catch.hpp"

#include <limits>

using namespace std::chrono_literals;
using visor::from_payload;
using visor::to_payload;

namespace payload_test {

enum class format { pdf, html };
BOOST_DESCRIBE_ENUM(format, pdf, html)

struct line {
  std::string text;
  std::optional<double> price;
  friend bool operator==(line const&, line const&) = default;
};
BOOST_DESCRIBE_STRUCT(line, (), (text, price))

struct base {
  int priority = 5;
  friend bool operator==(base const&, base const&) = default;
};
BOOST_DESCRIBE_STRUCT(base, (), (priority))

struct report : base {
  std::string to = "nobody";
  int pages = 1;
  std::int8_t tiny = 0;
  std::uint64_t big = 0;
  double ratio = 0.5;
  float small = 0;
  bool draft = false;
  format as = format::pdf;
  std::vector<line> lines;
  std::vector<bool> flags;
  std::map<std::string, int> counts;
  std::optional<std::string> note = "default";
  visor::duration wait{};
  std::chrono::hours keep{24};
  visor::instant at{};
  std::chrono::sys_days day{};
  boost::json::value extra;
  std::pair<int, std::string> pair;
  friend bool operator==(report const&, report const&) = default;
};
BOOST_DESCRIBE_STRUCT(report, (base),
                      (to, pages, tiny, big, ratio, small, draft, as, lines, flags, counts, note, wait, keep, at, day, extra, pair))

struct tree {
  int value = 0;
  std::vector<tree> children;
};
BOOST_DESCRIBE_STRUCT(tree, (), (value, children))

struct nothing {};
BOOST_DESCRIBE_STRUCT(nothing, (), ())

template <class T>
std::string refusal(std::string const& text) {
  try {
    from_payload<T>(text);
  } catch (visor::error const& failure) {
    CHECK(failure.code() == visor::errc::invalid_argument);
    return failure.what();
  }
  return "accepted";
}

template <class Change>
std::string refusal_to_write(Change change) {
  report value;
  change(value);
  try {
    to_payload(value);
  } catch (visor::error const& failure) {
    CHECK(failure.code() == visor::errc::invalid_argument);
    return failure.what();
  }
  return "accepted";
}

report full() {
  report value;
  value.priority = 9;
  value.to = "ops \"x\"\n\xC3\xA4";
  value.pages = -3;
  value.tiny = -128;
  value.big = std::numeric_limits<std::uint64_t>::max();
  value.ratio = 0.1;
  value.small = 1.5F;
  value.draft = true;
  value.as = format::html;
  value.lines.resize(2);
  value.lines[0].text = "a";
  value.lines[1].price = 2;
  value.flags = {true, false};
  value.counts["x"] = 1;
  value.note = std::nullopt;
  value.wait = 90min;
  value.keep = -48h;
  value.at = visor::instant{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21}} + 14h + 5us;
  value.day = std::chrono::sys_days{std::chrono::year{1969} / 12 / 31};
  value.extra = {1, "two", nullptr};
  value.pair = {7, "p"};
  return value;
}

struct numbers {
  double exact = 0;
  float small = 0;
  int whole = 0;
};
BOOST_DESCRIBE_STRUCT(numbers, (), (exact, small, whole))

}  // namespace payload_test

using namespace payload_test;

TEST_CASE("A payload is written as JSON with chrono as text") {
  CHECK(to_payload(full()) ==
        R"({"priority":9,"to":"ops \"x\"\n)"
        "\xC3\xA4"
        R"(","pages":-3,"tiny":-128,"big":18446744073709551615,"ratio":0.1,"small":1.5,"draft":true,"as":"html",)"
        R"("lines":[{"text":"a","price":null},{"text":"","price":2}],"flags":[true,false],"counts":{"x":1},"note":null,)"
        R"("wait":"1h30m","keep":"-2d","at":"2026-11-21T14:00:00.000005Z","day":"1969-12-31T00:00:00Z","extra":[1,"two",null],)"
        R"("pair":[7,"p"]})");
  CHECK(to_payload(nothing()) == "{}");
}

TEST_CASE("A payload reads back as it was written") {
  CHECK(from_payload<report>(to_payload(full())) == full());
  CHECK(from_payload<report>(to_payload(report())) == report());
  report extremes;
  extremes.ratio = std::numeric_limits<double>::denorm_min();
  extremes.small = std::numeric_limits<float>::max();
  extremes.big = 9'007'199'254'740'993;
  extremes.pages = std::numeric_limits<int>::min();
  extremes.wait = 1us;
  CHECK(from_payload<report>(to_payload(extremes)) == extremes);
}

TEST_CASE("Missing fields keep their defaults") {
  for (auto const* text : {"{}", "", "null", " {} "}) CHECK(from_payload<report>(text) == report());
  auto const some = from_payload<report>(R"({"pages":3,"lines":[{}],"priority":1})");
  CHECK(some.pages == 3);
  CHECK(some.priority == 1);
  CHECK(some.to == "nobody");
  CHECK(some.note == "default");
  CHECK(some.lines == std::vector<line>(1));
  CHECK(from_payload<report>(R"({"note":null})").note == std::nullopt);
  CHECK(from_payload<report>(R"({"pages":3.0,"ratio":2})").pages == 3);
  CHECK(from_payload<boost::json::value>("").is_null());
}

TEST_CASE("A payload that does not fit is refused with the field, what was expected and what was found") {
  CHECK(refusal<report>(R"({"pages":"x"})") == R"(field "pages": expected a number, found "x")");
  CHECK(refusal<report>(R"({"pages":1.5})") == R"(field "pages": expected a whole number from -2147483648 to 2147483647, found 1.5E0)");
  CHECK(refusal<report>(R"({"pages":2147483648})") ==
        R"(field "pages": expected a whole number from -2147483648 to 2147483647, found 2147483648)");
  CHECK(refusal<report>(R"({"tiny":128})") == R"(field "tiny": expected a whole number from -128 to 127, found 128)");
  CHECK(refusal<report>(R"({"big":-1})") == R"(field "big": expected a whole number from 0 to 18446744073709551615, found -1)");
  CHECK(refusal<report>(R"({"small":1e39})") == R"(field "small": expected a smaller number, found 1E39)");
  CHECK(refusal<report>(R"({"draft":1})") == R"(field "draft": expected true or false, found 1)");
  CHECK(refusal<report>(R"({"to":7})") == R"(field "to": expected text, found 7)");
  CHECK(refusal<report>(R"({"to":null})") == R"(field "to": expected text, found null)");
  CHECK(refusal<report>(R"({"as":"doc"})") == R"(field "as": expected one of pdf, html, found "doc")");
  CHECK(refusal<report>(R"({"as":"pdf\u0000"})") == R"(field "as": expected one of pdf, html, found "pdf ")");
  CHECK(refusal<report>(R"({"as":[]})") == R"(field "as": expected one of pdf, html, found an array)");
  CHECK(refusal<report>(R"({"lines":{}})") == R"(field "lines": expected an array, found an object)");
  CHECK(refusal<report>(R"({"lines":[{},{"price":"2"}]})") == R"(field "lines[1].price": expected a number, found "2")");
  CHECK(refusal<report>(R"({"lines":[1]})") == R"(field "lines[0]": expected an object, found 1)");
  CHECK(refusal<report>(R"({"flags":[true,0]})") == R"(field "flags[1]": expected true or false, found 0)");
  CHECK(refusal<report>(R"({"counts":{"a":1,"b":"c"}})") == R"(field "counts.b": expected a number, found "c")");
  CHECK(refusal<report>(R"({"wait":90})") == R"(field "wait": expected a length of time such as "1h30m", found 90)");
  CHECK(refusal<report>(R"({"wait":"90"})") == R"(field "wait": expected a length of time such as "1h30m", found "90")");
  CHECK(refusal<report>(R"({"keep":"90m"})") == R"(field "keep": expected a length of time in coarser units, found "90m")");
  CHECK(refusal<report>(R"({"at":"2026-02-30T00:00:00Z"})") ==
        R"(field "at": expected an instant such as "2026-11-21T14:00:00Z", found "2026-02-30T00:00:00Z")");
  CHECK(refusal<report>(R"({"day":"2026-02-03T00:00:01Z"})") ==
        R"(field "day": expected an instant in coarser units, found "2026-02-03T00:00:01Z")");
  CHECK(refusal<report>(R"({"pair":[1]})").starts_with(R"(field "pair": found an array: )"));
  CHECK(refusal<report>("[]") == "expected an object, found an array");
  CHECK(refusal<report>("7") == "expected an object, found 7");
  CHECK(refusal<report>("{\"to\":") == "the payload is not JSON: it ends too early (at byte 7)");
  CHECK(refusal<report>("{\"to\":\"\xFF\"}").starts_with("the payload is not JSON: "));
  CHECK(refusal<report>(R"({"pages":")" + std::string(5000, 'x') + "\"}") ==
        "field \"pages\": expected a number, found \"" + std::string(60, 'x') + "...\"");
}

TEST_CASE("A field that the struct does not have is refused") {
  CHECK(refusal<report>(R"({"pagez":3})") == R"(field "pagez": there is no such field; did you mean "pages"?)");
  CHECK(refusal<line>(R"({"text":"a","unrelated":3})") == R"(field "unrelated": there is no such field; there are: text, price)");
  CHECK(refusal<report>(R"({"lines":[{"txt":"a"}]})") == R"(field "lines[0].txt": there is no such field; did you mean "text"?)");
  CHECK(refusal<report>("{\"a\\nb\":1}").starts_with(R"(field "a b": there is no such field)"));
}

TEST_CASE("A value that JSON or a database cannot keep is refused when it is written") {
  CHECK(refusal_to_write([](report& r) { r.ratio = std::numeric_limits<double>::quiet_NaN(); }) ==
        "field \"ratio\": JSON has no number for infinity and not-a-number");
  CHECK(refusal_to_write([](report& r) { r.to = "\xFF"; }) ==
        "field \"to\": the text is not UTF-8 or holds a NUL byte: no database keeps it as it is");
  CHECK(refusal_to_write([](report& r) { r.note = std::string("a\0b", 3); }) ==
        "field \"note\": the text is not UTF-8 or holds a NUL byte: no database keeps it as it is");
  CHECK(refusal_to_write([](report& r) { r.as = static_cast<format>(7); }) == "field \"as\": the value 7 has no name");
  CHECK(refusal_to_write([](report& r) { r.keep = std::chrono::hours::max(); }) == "field \"keep\": a length of time is at most 100 years");
  CHECK(refusal_to_write([](report& r) { r.wait = visor::duration::min(); }) == "field \"wait\": a length of time is at most 100 years");
  CHECK(refusal_to_write([](report& r) { r.day = std::chrono::sys_days::max(); }) == "field \"day\": an instant is in the years 0 to 9999");
  CHECK(refusal_to_write([](report& r) { r.lines.resize(3), r.lines[2].text = "\xC0"; }).starts_with("field \"lines[2].text\": "));
  CHECK(refusal_to_write([](report& r) { r.counts["\xFF"] = 1; }).starts_with("field \"counts."));
}

TEST_CASE("The first and the last instant of the calendar are written and read") {
  for (auto const* text : {"0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"}) {
    report value;
    value.at = *visor::parse_instant(text);
    CHECK(from_payload<report>(to_payload(value)).at == value.at);
  }
}

TEST_CASE("A payload may hold itself") {
  tree root;
  root.children.resize(2);
  root.children[1].children.resize(1);
  root.children[1].children[0].value = 3;
  CHECK(from_payload<tree>(to_payload(root)).children[1].children[0].value == 3);
  CHECK(refusal<tree>(R"({"children":[{"children":[{"value":true}]}]})") ==
        R"(field "children[0].children[0].value": expected a number, found true)");
  CHECK(refusal<tree>(std::string(1000, '[') + std::string(1000, ']')) == "the payload is nested more than 200 levels deep (at byte 201)");
}

TEST_CASE("Digits that a member would lose are refused as those of another version") {
  auto const lost = [](std::string const& text) {
    try {
      visor::from_payload<payload_test::numbers>(text);
    } catch (visor::payload_mismatch const& failure) {
      return std::string(failure.what());
    }
    return std::string();
  };
  CHECK(lost(R"({"exact":9007199254740993})") == "field \"exact\": has more digits than its type keeps, found 9007199254740993");
  CHECK(lost(R"({"small":16777217})") == "field \"small\": has more digits than its type keeps, found 16777217");
  CHECK(lost(R"({"small":0.30000000000000004})").starts_with("field \"small\": has more digits"));
  CHECK(lost(R"({"exact":0.1234567890123456789})") ==
        "the payload has a field \"exact\" that has more digits than a number of 64 bits can hold");
  for (char const* kept : {R"({"exact":0.1})", R"({"exact":9007199254740992})", R"({"small":0.1})", R"({"small":3.10})",
                           R"({"small":3.4028235e38})", R"({"exact":0.30000000000000004})", R"({"whole":1e2})"})
    CHECK(lost(kept).empty());
}
