#include "support/catch.hpp"

#include "visor/base/time.hpp"

#include <cstdint>
#include <random>
#include <string>

using namespace std::chrono_literals;
using visor::duration;
using visor::instant;
using visor::parse_duration;
using visor::parse_instant;

TEST_CASE("instants are read and written") {
  auto const [text, written] = GENERATE(table<std::string, std::string>({
      {"2026-11-21T14:00:00Z", "2026-11-21T14:00:00Z"},
      {"2026-11-21t14:00:00z", "2026-11-21T14:00:00Z"},
      {"2026-11-21 14:00:00Z", "2026-11-21T14:00:00Z"},
      {"2026-11-21T14:00:00+02:00", "2026-11-21T12:00:00Z"},
      {"2026-11-21T23:30:00-01:30", "2026-11-22T01:00:00Z"},
      {"2026-11-21T14:00:00.5Z", "2026-11-21T14:00:00.500000Z"},
      {"2026-11-21T14:00:00.000001Z", "2026-11-21T14:00:00.000001Z"},
      {"2026-11-21T14:00:00.123456999Z", "2026-11-21T14:00:00.123456Z"},
      {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
      {"0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"},
      {"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
      {"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
  }));
  CAPTURE(text);
  auto const when = parse_instant(text);
  REQUIRE(when);
  CHECK(visor::to_string(*when) == written);
}

TEST_CASE("what is no instant is not read") {
  auto const text =
      GENERATE(as<std::string>(), "", "2026", "2026-11-21", "2026-11-21T14:00Z", "2026-11-21T14:00:00", "2026-11-21T14:00:00 Z",
               "2026-02-29T00:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z",
               "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z",
               "2026-01-01T00:00:00+2:00", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60", "2026-01-01T00:00:00Zx",
               "+2026-01-01T00:00:00Z", "26-01-01T00:00:00Z", "2026-01-01T00:00:00\xC3\xA9");
  CAPTURE(text);
  CHECK_FALSE(parse_instant(text));
}

TEST_CASE("any instant from year 0 to 9999 is written and read back") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  auto const first = parse_instant("0000-01-01T00:00:00Z")->time_since_epoch().count();
  auto const last = parse_instant("9999-12-31T23:59:59Z")->time_since_epoch().count();
  std::uniform_int_distribution<std::int64_t> any{first, last};
  for (int i = 0; i < 2000; ++i) {
    instant const when{duration{any(random)}};
    auto const text = visor::to_string(when);
    CAPTURE(text);
    CHECK(parse_instant(text) == when);
  }
}

TEST_CASE("lengths of time are read and written") {
  auto const [text, length, written] = GENERATE(table<std::string, duration, std::string>({
      {"0s", 0s, "0s"},
      {"90s", 90s, "1m30s"},
      {"1h30m", 90min, "1h30m"},
      {"250ms", 250ms, "250ms"},
      {"7us", 7us, "7us"},
      {"2d", 48h, "2d"},
      {"1w", 168h, "7d"},
      {"1w2d3h4m5s6ms7us", 168h + 48h + 3h + 4min + 5s + 6ms + 7us, "9d3h4m5s6ms7us"},
      {"36600d", 24h * 36600, "36600d"},
  }));
  CAPTURE(text);
  CHECK(parse_duration(text) == length);
  CHECK(visor::to_string(length) == written);
}

TEST_CASE("what is no length of time is not read") {
  auto const text = GENERATE(as<std::string>(), "", "5", "s", "-5s", "5 s", "5S", "1.5h", "5sec", "30m1h", "1s1s", "5s ", " 5s", "36601d",
                             "99999999999999999999s", "9223372036854775807us1", "1h-5m", "\xC2\xB5s");
  CAPTURE(text);
  CHECK_FALSE(parse_duration(text));
}

TEST_CASE("lengths of time below zero and at the ends of the range are written") {
  CHECK(visor::to_string(duration{-1500ms}) == "-1s500ms");
  CHECK(visor::to_string(duration::max()) == "106751991d4h54s775ms807us");
  CHECK(visor::to_string(duration::min()) == "-106751991d4h54s775ms808us");
}
