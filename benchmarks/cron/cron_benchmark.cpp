// Measures finding the next instant, parsing, and looking up a zone.
//
// Aims: 150 ns for common expressions, in any zone; 2 us for the rarest day. The floor, `calendar`, turns an instant into a
// date and a time and back, which every search must do.
#include "visor/cron/phrase.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/zone.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace {

using namespace visor;

instant const start = *parse_instant("2026-06-01T12:34:56Z");

struct named_expression {
  char const* name;
  cron_expression expression;
};

std::vector<named_expression> const expressions{
    {"every_5_minutes", "*/5 * * * *"_cron},        {"daily_at_2", "0 2 * * *"_cron},     {"weekdays_at_9", "0 9 * * 1-5"_cron},
    {"first_of_month", "0 0 1 * *"_cron},           {"every_second", "* * * * * *"_cron}, {"last_weekday", "0 0 LW * *"_cron},
    {"13th_or_friday", "0 0 13 * 5"_cron},          {"friday_13th", "0 0 13 * +5"_cron},  {"29_february_on_monday", "0 0 29 2 +1"_cron},
    {"5th_monday_of_february", "0 0 ? 2 1#5"_cron}, {"interval_90s", "@every 90s"_cron}};

/// Searches again and again, each time from the last result, so that all days of a year are met.
void measure_next(benchmark::State& state, cron_expression const& expression, time_zone const& where) {
  instant from = start;
  for (auto _ : state) {
    auto const found = next(expression, where, from);
    from = found.value_or(start);
    benchmark::DoNotOptimize(from);
  }
}

void measure_previous(benchmark::State& state, cron_expression const& expression, time_zone const& where) {
  instant from = start;
  for (auto _ : state) {
    auto const found = previous(expression, where, from);
    from = found.value_or(start);
    benchmark::DoNotOptimize(from);
  }
}

/// Searches for the rarest day from the worst start, which takes the longest.
void measure_longest(benchmark::State& state, time_zone const& where) {
  auto const expression = "0 0 29 2 +1"_cron;
  instant const from = *parse_instant("2072-03-01T00:00:00Z");  // the next is 2112: 2100 is no leap year
  for (auto _ : state) benchmark::DoNotOptimize(next(expression, where, from));
}

void calendar(benchmark::State& state) {
  instant from = start;
  for (auto _ : state) {
    auto const day = std::chrono::floor<std::chrono::days>(from);
    std::chrono::year_month_day const date{day};
    from = std::chrono::sys_days{date} + (from - day) + std::chrono::hours{1};
    benchmark::DoNotOptimize(from);
  }
}
BENCHMARK(calendar);

void zone_at_instant(benchmark::State& state) {
  auto const berlin = zone("Europe/Berlin");
  instant from = start;
  for (auto _ : state) {
    benchmark::DoNotOptimize(berlin.at(from));
    from += std::chrono::hours{777};
    if (from > start + std::chrono::days{36'500}) from = start;
  }
}
BENCHMARK(zone_at_instant);

void zone_at_local_time(benchmark::State& state) {
  auto const berlin = zone("Europe/Berlin");
  std::chrono::local_seconds const from{std::chrono::floor<std::chrono::seconds>(start).time_since_epoch()};
  for (auto _ : state) benchmark::DoNotOptimize(berlin.at(from));
}
BENCHMARK(zone_at_local_time);

void zone_by_name(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(zone("Europe/Berlin"));
}
BENCHMARK(zone_by_name);

void parse_expression(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(cron_expression::try_parse("*/5 9-17 * JAN-NOV MON-FRI"));
}
BENCHMARK(parse_expression);

void parse_words(benchmark::State& state) {
  auto const berlin = zone("Europe/Berlin");
  for (auto _ : state) benchmark::DoNotOptimize(parse_phrase("every weekday at 9am", start, berlin));
}
BENCHMARK(parse_words);

bool const registered = [] {
  for (auto const& where : {time_zone::utc(), zone("Europe/Berlin")}) {
    std::string const name{where.name()};
    for (auto const& each : expressions) {
      auto const expression = each.expression;
      benchmark::RegisterBenchmark(("next/" + name + "/" + each.name).c_str(),
                                   [expression, where](benchmark::State& state) { measure_next(state, expression, where); });
    }
    benchmark::RegisterBenchmark(("next/" + name + "/longest_search").c_str(),
                                 [where](benchmark::State& state) { measure_longest(state, where); });
    auto const daily = "0 2 * * *"_cron;
    benchmark::RegisterBenchmark(("previous/" + name + "/daily_at_2").c_str(),
                                 [daily, where](benchmark::State& state) { measure_previous(state, daily, where); });
  }
  return true;
}();

}  // namespace
