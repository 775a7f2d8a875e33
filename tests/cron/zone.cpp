#include "visor/zone.hpp"

#include "support.hpp"
#include "support/no_descriptors.hpp"

#include "visor/cron/zone_file.hpp"
#include "visor/cron/zone_rule.hpp"

#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

using namespace visor;
using namespace std::chrono;
using cron_test::at;
using visor_test::Contains;

TEST_CASE("spans of one offset") {
  auto const berlin = zone("Europe/Berlin");
  auto const summer = berlin.at(at("2026-07-01T00:00:00Z"));
  CHECK(instant{summer.begin} == at("2026-03-29T01:00:00Z"));
  CHECK(instant{summer.end} == at("2026-10-25T01:00:00Z"));
  CHECK(summer.offset == hours{2});
  CHECK(berlin.at(instant{summer.begin}).offset == hours{2});
  CHECK(berlin.at(instant{summer.begin} - visor::duration{1}).offset == hours{1});
  CHECK(berlin.at(at("1850-01-01T00:00:00Z")).offset == seconds{3208});
  CHECK(berlin.at(instant::max()).offset >= hours{1});
  CHECK(berlin.at(instant::min()).begin == zone_span::first);
  auto const utc = visor::time_zone::utc().at(at("2026-07-01T00:00:00Z"));
  CHECK(utc.begin == zone_span::first);
  CHECK(utc.end == zone_span::last);
}

TEST_CASE("what a local time means") {
  auto const berlin = zone("Europe/Berlin");
  auto const look = [&](year_month_day date, hours hour, minutes minute) {
    return berlin.at(local_seconds{local_days{date} + hour + minute});
  };
  using kind = local_lookup::kind;

  auto const plain = look(2026y / 7 / 1, 12h, 0min);
  CHECK(plain.what == kind::unique);
  CHECK(instant{plain.earlier} == at("2026-07-01T10:00:00Z"));
  CHECK(plain.earlier == plain.later);

  auto const gap = look(2026y / 3 / 29, 2h, 30min);
  CHECK(gap.what == kind::skipped);
  CHECK(instant{gap.transition} == at("2026-03-29T01:00:00Z"));
  CHECK(instant{gap.earlier} == at("2026-03-29T00:30:00Z"));
  CHECK(instant{gap.later} == at("2026-03-29T01:30:00Z"));
  CHECK(look(2026y / 3 / 29, 1h, 59min).what == kind::unique);
  CHECK(look(2026y / 3 / 29, 2h, 0min).what == kind::skipped);
  CHECK(look(2026y / 3 / 29, 3h, 0min).what == kind::unique);

  auto const twice = look(2026y / 10 / 25, 2h, 30min);
  CHECK(twice.what == kind::repeated);
  CHECK(instant{twice.earlier} == at("2026-10-25T00:30:00Z"));
  CHECK(instant{twice.later} == at("2026-10-25T01:30:00Z"));
  CHECK(look(2026y / 10 / 25, 2h, 0min).what == kind::repeated);
  CHECK(look(2026y / 10 / 25, 3h, 0min).what == kind::unique);
}

TEST_CASE("our offsets are those of the date library, and of its rule for the years after", "[slow]") {
  for (auto const* name :
       {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Gaza", "Europe/Dublin", "Pacific/Apia"}) {
    auto const ours = zone(name);
    auto const* const theirs = date::locate_zone(name);
    for (sys_days day = 1900y / 1 / 1; day < sys_days{2037y / 1 / 1}; day += days{11}) {
      CAPTURE(name, to_string(instant{day}));
      REQUIRE(ours.at(instant{day}).offset == seconds{theirs->get_info(day).offset.count()});
    }
  }
  // A calendar cycle later everything repeats.
  auto const new_york = zone("America/New_York");
  for (sys_days day = 2040y / 1 / 1; day < sys_days{2440y / 1 / 1}; day += days{17}) {
    auto const now = new_york.at(instant{day});
    auto const later = new_york.at(instant{day + days{146'097}});
    REQUIRE(now.offset == later.offset);
    REQUIRE(now.end + days{146'097} == later.end);
    REQUIRE(now.begin + days{146'097} == later.begin);
  }
  CHECK(instant{new_york.at(at("2600-07-01T00:00:00Z")).begin} == at("2600-03-09T07:00:00Z"));
}

TEST_CASE("rules of the years after the tables") {
  struct expectation {
    std::string rule;
    std::vector<std::string> transitions;  // in 2038
  };
  auto const each = GENERATE(values<expectation>({
      {"CET-1CEST,M3.5.0,M10.5.0/3", {"2038-03-28T01:00:00Z", "2038-10-31T01:00:00Z"}},
      {"EST5EDT,M3.2.0,M11.1.0", {"2038-03-14T07:00:00Z", "2038-11-07T06:00:00Z"}},
      {"IST-1GMT0,M10.5.0,M3.5.0/1", {"2038-03-28T01:00:00Z", "2038-10-31T01:00:00Z"}},
      {"<-04>4<-03>,M9.1.6/24,M4.1.6/24", {"2038-04-04T03:00:00Z", "2038-09-05T04:00:00Z"}},
      {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", {"2038-03-28T01:00:00Z", "2038-10-31T01:00:00Z"}},
      {"EET-2EEST,M3.4.4/50,M10.4.4/50", {"2038-03-27T00:00:00Z", "2038-10-29T23:00:00Z"}},
      {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", {"2038-04-03T15:00:00Z", "2038-10-02T15:30:00Z"}},
      {"AAA3BBB,J60,J300/0", {"2038-03-01T05:00:00Z", "2038-10-27T02:00:00Z"}},
      {"AAA3BBB,59,299/0:30:15", {"2038-03-01T05:00:00Z", "2038-10-27T02:30:15Z"}},
  }));
  CAPTURE(each.rule);
  auto const rule = detail::zone_rule_parser{each.rule}.parse();
  REQUIRE(rule);
  std::vector<zone_transition> transitions;
  detail::append_transitions(transitions, *rule, 2038y, 2038y);
  std::vector<std::string> found;
  for (auto const& change : transitions) found.push_back(to_string(instant{change.at}));
  CHECK(found == each.transitions);
}

TEST_CASE("rules that are none") {
  for (auto const* text :
       {"", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0",
        "<CET-1", "CET-1CEST,M3.5.0,M10.5.0/3x", "CET-1CEST,J0,J300", "CET-1CEST,M3.5.0/168,M10.5.0", "12"}) {
    CAPTURE(text);
    CHECK_FALSE(detail::zone_rule_parser{text}.parse());
  }
  auto const fixed = detail::zone_rule_parser{"<+0545>-5:45"}.parse();
  REQUIRE(fixed);
  CHECK_FALSE(fixed->changes);
  CHECK(fixed->standard == hours{5} + minutes{45});
}

TEST_CASE("a zone that does not exist is refused with the nearest name") {
  struct wrong {
    std::string name;
    std::string part;
  };
  auto const each = GENERATE(values<wrong>({{"Europe/Berln", "unknown time zone \"Europe/Berln\"; did you mean Europe/Berlin?"},
                                            {"europe/berlin", "did you mean Europe/Berlin?"},
                                            {"Berlin", "did you mean Europe/Berlin?"},
                                            {"", "names are such as Europe/Berlin"},
                                            {"xyzzy", "names are such as Europe/Berlin"},
                                            {std::string(10'000, 'x'), "..."},
                                            {std::string("a\0b", 3), "\"a?b\""},
                                            {"../../etc/passwd", "unknown time zone"},
                                            {"localtime", "time zone \"localtime\" is not taken: it is what one machine is set to"},
                                            {"Local", "write the name of the zone, such as Europe/Berlin or UTC"},
                                            {"posixrules", "what one machine is set to"},
                                            {"Factory", "no zone was set"},
                                            {"right/Europe/Berlin", "without \"right/\""},
                                            {"Europe/Berlin\xC2\xA0", "a no-break space (U+00A0) stands here"},
                                            {"Europe/Berlin ", "did you mean Europe/Berlin?"}}));
  try {
    zone(each.name);
    FAIL("accepted");
  } catch (error const& refused) {
    CHECK(refused.code() == errc::invalid_argument);
    CHECK_THAT(refused.what(), Contains(each.part));
  }
}

TEST_CASE("zones are values") {
  CHECK(zone("UTC") == visor::time_zone::utc());
  CHECK(zone("Etc/UTC") == visor::time_zone{});
  CHECK(zone("Europe/Berlin") == find_zone("Europe/Berlin"));
  CHECK_FALSE(zone("Europe/Berlin") == zone("Europe/Paris"));
  CHECK(zone("Europe/Berlin").name() == "Europe/Berlin");
  CHECK(visor::time_zone{}.name() == "UTC");
}

TEST_CASE("a program may bring its own zones") {
  static zone_table const shifted{"Test/Shifted", hours{1}, {{sys_days{2026y / 1 / 1}, hours{3}}, {sys_days{2026y / 2 / 1}, hours{3}}}};
  visor::time_zone const mine{shifted};
  CHECK(mine.at(at("2025-12-31T23:59:59Z")).offset == hours{1});
  CHECK(mine.at(at("2026-01-01T00:00:00Z")).offset == hours{3});
  CHECK(mine.at(at("2026-01-01T00:00:00Z")).end == zone_span::last);  // the second change changes nothing
}

TEST_CASE("threads may look up zones at once") {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&wrong] {
      for (auto const* name : {"Asia/Tokyo", "Asia/Kolkata", "America/Chicago", "Europe/Madrid", "Africa/Lagos"}) {
        auto const first = zone(name);
        if (first.name() != name || !(first == zone(name)) || first.at(instant{}).offset == hours{99}) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a time zone file that is cut short or damaged is read without harm", "[zone]") {
  std::ifstream file{"/usr/share/zoneinfo/Europe/Berlin", std::ios::binary};
  std::string const bytes{std::istreambuf_iterator<char>{file}, {}};
  REQUIRE(bytes.starts_with("TZif"));
  auto const whole = visor::detail::zone_file_reader{bytes}.read("Europe/Berlin");
  REQUIRE(whole);
  CHECK(whole->name() == "Europe/Berlin");
  CHECK_FALSE(visor::detail::zone_file_reader{""}.read("x"));
  CHECK_FALSE(visor::detail::zone_file_reader{"# version 2026a"}.read("x"));
  for (std::size_t length = 0; length < 100; ++length) CHECK_FALSE(visor::detail::zone_file_reader{bytes.substr(0, length)}.read("x"));
  for (std::size_t at = 4; at < bytes.size(); ++at) {
    static_cast<void>(visor::detail::zone_file_reader{bytes.substr(0, at)}.read("x"));
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ '\xff');
    static_cast<void>(visor::detail::zone_file_reader{damaged}.read("x"));
  }
}

TEST_CASE("the data of time zones have a version while nothing changes", "[zone]") {
  zone("Europe/Berlin");
  auto const version = visor::zone_data_version();
  CHECK_FALSE(version.empty());
  CHECK(visor::zone_data_version() == version);
}

TEST_CASE("the lack of descriptors is not taken for a lack of data") {
  std::string said;
  try {
    visor_test::no_descriptors const left;
    find_zone("Antarctica/Vostok");
  } catch (error const& refused) {
    said = refused.what();
  }
  CHECK_THAT(said, Contains("this process has no file descriptor left: raise its limit (ulimit -n"));
  CHECK(find_zone("Antarctica/Vostok").name() == "Antarctica/Vostok");
}
