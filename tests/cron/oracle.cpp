// next and previous against a scan of every minute, second or day. The oracle shares nothing with the library: it has its own
// matcher, and takes its offsets from the date library.
#include "support.hpp"

#include "visor/zone.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

using namespace visor;
using namespace std::chrono;
using cron_test::at;

namespace {

using random_source = std::mt19937;

struct civil {
  year_month_day date;
  int hour, minute, second;
};

civil civil_of(seconds local) {
  auto const day = floor<days>(sys_seconds{local});
  hh_mm_ss const time{sys_seconds{local} - day};
  return {day, static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count())};
}

int number(day d) { return static_cast<int>(static_cast<unsigned>(d)); }
int number(month m) { return static_cast<int>(static_cast<unsigned>(m)); }
int length_of(year_month_day const& date) { return number(year_month_day_last{date.year() / date.month() / last}.day()); }
int weekday_of(year_month_day const& date) { return static_cast<int>(weekday{sys_days{date}}.c_encoding()); }

/// One item of a field: its text, and the values that it matches.
struct item {
  std::string text;
  std::function<bool(civil const&)> matches;
  bool star = false;
  bool open = false;  // runs to the end of its field
};

int pick(random_source& random, int low, int high) { return std::uniform_int_distribution{low, high}(random); }

template <class Value>
item plain_item(random_source& random, int low, int high, Value const value) {
  int const a = pick(random, low, high);
  int const b = pick(random, low, high);
  int const step = pick(random, 1, std::max(1, high / 2));
  auto const in_range = [low, high](int v, int from, int to, int by) {
    for (int at = from, n = 0; n <= high - low; n += by) {
      if (at == v) return true;
      for (int i = 0; i < by; ++i) {
        if (at == to) return false;
        at = at == high ? low : at + 1;
      }
    }
    return false;
  };
  switch (pick(random, 0, 6)) {
    case 0: return {"*", [](civil const&) { return true; }, true, true};
    case 1: return {"*/" + std::to_string(step), [=](civil const& c) { return (value(c) - low) % step == 0; }, true, true};
    case 2: return {std::to_string(a) + "-" + std::to_string(b), [=](civil const& c) { return in_range(value(c), a, b, 1); }};
    case 3:
      return {std::to_string(a) + "-" + std::to_string(b) + "/" + std::to_string(step),
              [=](civil const& c) { return in_range(value(c), a, b, step); }};
    case 4:
      return {std::to_string(a) + "/" + std::to_string(step), [=](civil const& c) { return value(c) >= a && (value(c) - a) % step == 0; },
              false, true};
    default: return {std::to_string(a), [=](civil const& c) { return value(c) == a; }};
  }
}

item day_item(random_source& random) {
  int const n = pick(random, 1, 31);
  auto const nearest = [](civil const& c, int wanted) {
    int const length = length_of(c.date);
    if (wanted < 1 || wanted > length) return false;
    for (int distance = 0; distance < 3; ++distance)
      for (int const day : {wanted - distance, wanted + distance}) {
        if (day < 1 || day > length) continue;
        int const weekday = weekday_of(c.date.year() / c.date.month() / std::chrono::day{static_cast<unsigned>(day)});
        if (weekday != 0 && weekday != 6) return number(c.date.day()) == day;
      }
    return false;
  };
  switch (pick(random, 0, 10)) {
    case 0: return {"L", [](civil const& c) { return number(c.date.day()) == length_of(c.date); }};
    case 1: return {"L-" + std::to_string(n - 1), [=](civil const& c) { return number(c.date.day()) == length_of(c.date) - (n - 1); }};
    case 2: return {"LW", [=](civil const& c) { return nearest(c, length_of(c.date)); }};
    case 4: return {"L-" + std::to_string(n - 1) + "W", [=](civil const& c) { return nearest(c, length_of(c.date) - (n - 1)); }};
    case 3: return {std::to_string(n) + "W", [=](civil const& c) { return nearest(c, n); }};
    default: return plain_item(random, 1, 31, [](civil const& c) { return number(c.date.day()); });
  }
}

item weekday_item(random_source& random) {
  int const n = pick(random, 0, 6);
  int const k = pick(random, 1, 5);
  switch (pick(random, 0, 7)) {
    case 0:
      return {std::to_string(n) + "L",
              [=](civil const& c) { return weekday_of(c.date) == n && number(c.date.day()) + 7 > length_of(c.date); }};
    case 1:
      return {std::to_string(n) + "#" + std::to_string(k),
              [=](civil const& c) { return weekday_of(c.date) == n && (number(c.date.day()) + 6) / 7 == k; }};
    default: return plain_item(random, 0, 6, [](civil const& c) { return weekday_of(c.date); });
  }
}

template <class Make>
item field(random_source& random, int longest, Make const& make) {
  item all = make(random);
  for (int more = pick(random, 0, longest - 1); more > 0; --more) {
    item const other = make(random);
    all.text += "," + other.text;
    all.open = all.open || other.open;
    all.matches = [one = all.matches, two = other.matches](civil const& c) { return one(c) || two(c); };
  }
  return all;
}

struct expression {
  std::string text;
  std::function<bool(civil const&)> matches;
  bool real_time = false;
};

cron_options how(dst_policy const& policy) { return {policy, {}, {}}; }

std::vector<dst_policy> const policies = [] {
  std::vector<dst_policy> all{{}};
  for (auto const gap : {dst_gap::run, dst_gap::skip})
    for (auto const overlap : {dst_overlap::first, dst_overlap::both, dst_overlap::last}) all.push_back({gap, overlap});
  return all;
}();

item constant(std::string text) {
  return {std::move(text), [](civil const&) { return true; }, true};
}

expression random_expression(random_source& random, bool with_seconds, bool with_days) {
  auto const hour_of = [](civil const& c) { return c.hour; };
  auto const minute_of = [](civil const& c) { return c.minute; };
  auto const second_of = [](civil const& c) { return c.second; };
  item second = with_seconds ? field(random, 2, [&](auto& r) { return plain_item(r, 0, 59, second_of); })
                             : item{"0", [](civil const& c) { return c.second == 0; }};
  item const minute = field(random, 2, [&](auto& r) { return plain_item(r, 0, 59, minute_of); });
  item const hour = field(random, 2, [&](auto& r) { return plain_item(r, 0, 23, hour_of); });
  item const day = with_days ? field(random, 2, day_item) : constant("*");
  item const month =
      with_days ? field(random, 2, [](auto& r) { return plain_item(r, 1, 12, [](civil const& c) { return number(c.date.month()); }); })
                : constant("*");
  item const weekday = with_days ? field(random, 2, weekday_item) : constant("*");
  bool const both = day.star || weekday.star;
  return {second.text + " " + minute.text + " " + hour.text + " " + day.text + " " + month.text + " " + weekday.text,
          [=](civil const& c) {
            return second.matches(c) && minute.matches(c) && hour.matches(c) && month.matches(c) &&
                   (both ? day.matches(c) && weekday.matches(c) : day.matches(c) || weekday.matches(c));
          },
          hour.open};
}

/// Every instant of a window at which an expression fires, by looking at each step.
std::vector<instant> scan(expression const& what, std::string const& zone_name, sys_seconds begin, sys_seconds end, seconds step,
                          dst_policy const& policy) {
  auto const* const zone = date::locate_zone(zone_name);
  auto const gap = policy.gap.value_or(what.real_time ? dst_gap::skip : dst_gap::run);
  auto const overlap = policy.overlap.value_or(what.real_time ? dst_overlap::both : dst_overlap::first);
  struct moment {
    sys_seconds when;
    seconds local;
    seconds reached{};  // the latest that the clocks showed before
    seconds ahead{};    // the earliest that they will show
  };
  // Begin earlier and end later, to know what the clocks showed before the window, and will show after it.
  std::vector<moment> moments;
  date::sys_info info = zone->get_info(begin - days{2});
  for (sys_seconds t = begin - days{2}; t < end + days{2}; t += step) {
    if (t >= info.end) info = zone->get_info(t);
    moments.push_back({t, t.time_since_epoch() + seconds{info.offset.count()}});
  }
  seconds reached = moments.front().local - step;
  for (auto& each : moments) {
    each.reached = reached;
    reached = std::max(reached, each.local);
  }
  seconds ahead = moments.back().local + step;
  for (auto each = moments.rbegin(); each != moments.rend(); ++each) {
    each->ahead = ahead;
    ahead = std::min(ahead, each->local);
  }
  std::vector<instant> result;
  for (auto const& [t, local, before, after] : moments) {
    if (t < begin || t >= end) continue;
    bool fires =
        what.matches(civil_of(local)) && (overlap == dst_overlap::both || (overlap == dst_overlap::first ? local > before : local < after));
    if (gap == dst_gap::run && local > before + step && local - before - step <= hours{3})
      for (seconds skipped = before + step; skipped < local; skipped += step) fires = fires || what.matches(civil_of(skipped));
    if (fires) result.push_back(t);
  }
  return result;
}

void compare(random_source& random, expression const& what, std::string const& zone_name, sys_seconds begin, sys_seconds end,
             seconds step) {
  auto const parsed = cron_expression::try_parse(what.text);
  CAPTURE(what.text, zone_name, to_string(instant{begin}), to_string(instant{end}));
  if (!parsed) {
    REQUIRE(parsed.failure().why == cron_fault::never);
    return;
  }
  auto const where = zone(zone_name);
  for (auto const& policy : policies) {
    cron_options const options = how(policy);
    CAPTURE(&policy - policies.data());
    auto const expected = scan(what, zone_name, begin, end, step, policy);
    instant from = instant{begin} - visor::duration{1};
    for (auto const each : expected) {
      auto const found = next(*parsed, where, from, options);
      REQUIRE(cron_test::shown(found) == to_string(each));
      from = each;
    }
    auto const beyond = next(*parsed, where, from, options);
    REQUIRE((!beyond || *beyond >= end));
    from = end;
    for (auto each = expected.rbegin(); each != expected.rend(); ++each) {
      auto const found = previous(*parsed, where, from, options);
      REQUIRE(cron_test::shown(found) == to_string(*each));
      from = *each;
    }
    auto const before = previous(*parsed, where, from, options);
    REQUIRE((!before || *before < begin));
    // Searches from anywhere, most of all from times that a clock change repeats.
    for (int i = 0; i < 100; ++i) {
      instant const anywhere = begin + (end - begin) / 2 + step * pick(random, -150, 150) + visor::duration{pick(random, -1, 1)};
      CAPTURE(to_string(anywhere));
      auto const following = std::upper_bound(expected.begin(), expected.end(), anywhere);
      if (following != expected.end()) REQUIRE(cron_test::shown(next(*parsed, where, anywhere, options)) == to_string(*following));
      auto const preceding = std::lower_bound(expected.begin(), expected.end(), anywhere);
      if (preceding != expected.begin())
        REQUIRE(cron_test::shown(previous(*parsed, where, anywhere, options)) == to_string(*std::prev(preceding)));
    }
  }
}

std::vector<std::string> const zones{"Europe/Berlin",     "America/New_York",  "Australia/Lord_Howe", "Africa/Cairo",
                                     "America/Santiago",  "Antarctica/Troll",  "Pacific/Apia",        "UTC",
                                     "Asia/Kathmandu",    "Africa/Casablanca", "Asia/Gaza",           "Europe/Dublin",
                                     "Pacific/Kwajalein", "America/St_Johns",  "America/Scoresbysund"};

/// A transition of the zone between 1975 and 2036, or any instant where it has none.
sys_seconds interesting_instant(random_source& random, std::string const& name) {
  auto const any = sys_seconds{sys_days{year{1975} / 1 / 1}} + hours{pick(random, 0, 61 * 365 * 24)};
  auto const info = date::locate_zone(name)->get_info(any);
  return info.end < sys_seconds{sys_days{year{2037} / 1 / 1}} ? sys_seconds{info.end} : any;
}

}  // namespace

TEST_CASE("next and previous agree with a scan of every minute", "[slow]") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  random_source random{seed};
  for (int round = 0; round < 150; ++round) {
    auto const& name = zones[static_cast<std::size_t>(round) % zones.size()];
    auto const middle = interesting_instant(random, name);
    compare(random, random_expression(random, false, round % 3 == 0), name, floor<minutes>(middle) - hours{30},
            floor<minutes>(middle) + hours{30}, minutes{1});
  }
}

TEST_CASE("next and previous agree with a scan of every second", "[slow]") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  random_source random{seed};
  for (int round = 0; round < 15; ++round) {
    auto const& name = zones[static_cast<std::size_t>(round) % zones.size()];
    auto const middle = interesting_instant(random, name);
    compare(random, random_expression(random, true, false), name, middle - minutes{45}, middle + minutes{45}, seconds{1});
  }
}

TEST_CASE("next and previous agree with a scan of every day") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  random_source random{seed};
  for (int round = 0; round < 400; ++round) {
    expression const what = random_expression(random, false, true);
    // Keep the days, at midnight.
    auto const rest = what.text.find(' ', what.text.find(' ', what.text.find(' ') + 1) + 1);
    std::string const days_text = what.text.substr(rest);
    auto const parsed = cron_expression::try_parse("0 0 0" + days_text);
    if (!parsed) continue;
    CAPTURE(days_text);
    // The matcher asks for the time as well: the first of the day is one that it accepts.
    auto const first = detail::first_time(cron_expression::parse(what.text).fields());
    int const hour = static_cast<int>(first / 3600);
    int const minute = static_cast<int>(first / 60 % 60);
    sys_days const begin = year{pick(random, 1970, 2300)} / month{static_cast<unsigned>(pick(random, 1, 12))} / 1;
    instant from = begin - visor::duration{1};
    for (sys_days day = begin; day < begin + days{3 * 366}; day += days{1}) {
      if (!what.matches({year_month_day{day}, hour, minute, 0})) continue;
      auto const found = next(*parsed, visor::time_zone::utc(), from);
      REQUIRE(cron_test::shown(found) == to_string(instant{day}));
      if (from >= begin) REQUIRE(cron_test::shown(previous(*parsed, visor::time_zone::utc(), day)) == to_string(from));
      from = day;
    }
  }
}

TEST_CASE("next and previous undo each other") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  random_source random{seed};
  for (int round = 0; round < 3'000; ++round) {
    auto const what = random_expression(random, round % 2 == 0, true);
    auto const parsed = cron_expression::try_parse(what.text);
    if (!parsed) continue;
    auto const where = zone(zones[static_cast<std::size_t>(round) % zones.size()]);
    cron_options const options = how(policies[static_cast<std::size_t>(round) % policies.size()]);
    instant const from = sys_days{year{1975} / 1 / 1} + seconds{pick(random, 0, 2'000'000'000)} + visor::duration{pick(random, 0, 999'999)};
    CAPTURE(what.text, where.name(), to_string(from), round % 7);
    auto const first = next(*parsed, where, from, options);
    if (!first) continue;
    REQUIRE(*first > from);
    auto const second = next(*parsed, where, *first, options);
    auto const before = previous(*parsed, where, *first, options);
    REQUIRE((!before || *before <= from));
    if (!second) continue;
    REQUIRE(previous(*parsed, where, *second, options) == first);
    // Nothing lies between: from anywhere between the two, the same neighbours.
    instant const between = *first + (*second - *first) / 2;
    REQUIRE(next(*parsed, where, between, options) == second);
    if (between > *first) REQUIRE(previous(*parsed, where, between, options) == first);
  }
}
