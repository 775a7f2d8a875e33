#ifndef VISOR_CRON_EXPLAIN_HPP
#define VISOR_CRON_EXPLAIN_HPP

#include "visor/base/time.hpp"
#include "visor/cron/expression.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/cron/words.hpp"
#include "visor/cron/write.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace visor {
namespace detail {

inline std::string clock_text(int hour, int minute, int second = 0) {
  std::array<char, 40> text{};
  int const length = second == 0 ? std::snprintf(text.data(), text.size(), "%02d:%02d", hour, minute)
                                 : std::snprintf(text.data(), text.size(), "%02d:%02d:%02d", hour, minute, second);
  return {text.data(), static_cast<std::size_t>(length)};
}

/// The values of a set in words, runs of three or more as `a to b`.
template <class Word>
std::vector<std::string> runs(std::uint64_t set, Word const& word) {
  std::vector<std::string> parts;
  while (set != 0) {
    int const first = first_bit(set);
    int end = first;
    while (end < 63 && has_bit(set, end + 1)) ++end;
    if (end >= first + 2) {
      parts.push_back(word(first) + " to " + word(end));
      set &= bits_from(end + 1);
    } else {
      parts.push_back(word(first));
      set &= set - 1;
    }
  }
  return parts;
}

/// The step of a set that is every n-th value of its field, also from its last to its first, or 0. A `*/7` of minutes has no
/// step: its values are 4 minutes apart around the full hour. Days of the month are counted anew with each month.
constexpr int step_of(cron_field_rule const& rule, std::uint64_t set) noexcept {
  bool const anew = &rule == &rule_of(cron_field::day_of_month);
  for (int step = 1; step <= rule.high / 2; ++step)
    if (set == stepped(rule, step) && (anew || (rule.high - rule.low + 1) % step == 0)) return step;
  return 0;
}

inline std::string every_words(int step, std::string_view unit) {
  return step == 1 ? "every " + std::string{unit} : "every " + counted(step, unit);
}

inline std::string number_words(std::uint64_t set) {
  return joined(runs(set, [](int value) { return std::to_string(value); }));
}

/// The greatest number of times of a day that are listed.
inline constexpr int most_times = 6;

inline std::vector<std::string> clock_words(std::uint64_t hours, std::uint64_t minutes, std::uint64_t seconds) {
  std::vector<std::string> times;
  for (std::uint64_t h = hours; h != 0; h &= h - 1)
    for (std::uint64_t m = minutes; m != 0; m &= m - 1)
      for (std::uint64_t s = seconds; s != 0; s &= s - 1) times.push_back(clock_text(first_bit(h), first_bit(m), first_bit(s)));
  return times;
}

/// ` from 09:00 to 17:59`; empty for every hour. `last_minute` is the last that fires in an hour.
inline std::string hours_words(std::uint32_t hours, int last_minute) {
  int const step = step_of(rule_of(cron_field::hour), hours);
  if (step == 1) return {};
  if (step == 2 || step == 3) return " in every " + ordinal(step) + " hour from 00:00";
  std::vector<std::string> parts;
  for (std::uint64_t rest = hours; rest != 0;) {
    int const first = first_bit(rest);
    int end = first;
    while (end < 23 && has_bit(rest, end + 1)) ++end;
    parts.push_back("from " + clock_text(first, 0) + " to " + clock_text(end, last_minute));
    rest &= bits_from(end + 1);
  }
  return " " + joined(parts);
}

inline std::string minute_words(cron_fields const& fields, bool after_seconds) {
  int const step = step_of(rule_of(cron_field::minute), fields.minutes);
  if (after_seconds && std::popcount(fields.hours) * std::popcount(fields.minutes) <= most_times)
    return " in the minute" + std::string{std::popcount(fields.hours) * std::popcount(fields.minutes) == 1 ? " " : "s "} +
           joined(clock_words(fields.hours, fields.minutes, 1));
  if (step == 1) return (after_seconds ? " of every minute" : "every minute") + hours_words(fields.hours, 59);
  if (step > 1)
    return (after_seconds ? " in every " + ordinal(step) + " minute" : every_words(step, "minute")) + hours_words(fields.hours, 59);
  int const hour_step = step_of(rule_of(cron_field::hour), fields.hours);
  if (fields.minutes == 1 && !after_seconds) {
    if (hour_step == 1) return "at the start of every hour";
    if (hour_step > 1) return "every " + counted(hour_step, "hour") + " from 00:00";
    bool const one_run = std::has_single_bit((fields.hours >> first_bit(fields.hours)) + 1);
    if (one_run) return "every hour" + hours_words(fields.hours, 0);
  }
  std::string const text = std::string{after_seconds ? " of minute " : "at minute "} + number_words(fields.minutes);
  return text + (hour_step == 1 ? " of every hour" : " of the hours " + number_words(fields.hours));
}

inline std::string time_words(cron_fields const& fields) {
  if (std::popcount(fields.hours) * std::popcount(fields.minutes) * std::popcount(fields.seconds) <= most_times)
    return "at " + joined(clock_words(fields.hours, fields.minutes, fields.seconds));
  if (fields.seconds == 1) return minute_words(fields, false);
  int const step = step_of(rule_of(cron_field::second), fields.seconds);
  bool const all_day = fields.hours == bits_between(0, 23) && fields.minutes == bits_between(0, 59);
  if (step != 0) return every_words(step, "second") + (all_day ? "" : minute_words(fields, true));
  return "at second " + number_words(fields.seconds) + minute_words(fields, true);
}

/// \param article `every` where the weekdays choose the days, `a` where they are a condition
inline std::string weekday_words(cron_fields const& fields, std::string const& article = "every ") {
  constexpr std::array<std::string_view, 5> nth{"first", "second", "third", "fourth", "fifth"};
  auto const name = [](int weekday) { return std::string{long_weekdays[static_cast<std::size_t>(weekday)]}; };
  std::vector<std::string> parts;
  if (fields.weekdays == 0x3E)
    parts.push_back(article + "weekday");
  else if (fields.weekdays == 0x41)
    parts.push_back(article + "Saturday and Sunday");
  else if (fields.weekdays != 0)
    for (auto const& run : runs(fields.weekdays, name)) parts.push_back((parts.empty() ? article : "") + run);
  for (std::uint64_t rest = fields.nth_weekdays; rest != 0; rest &= rest - 1)
    parts.push_back("the " + std::string{nth[static_cast<std::size_t>(first_bit(rest) / 7)]} + " " + name(first_bit(rest) % 7) +
                    " of the month");
  for (std::uint32_t rest = fields.last_weekdays; rest != 0; rest &= rest - 1)
    parts.push_back("the last " + name(first_bit(rest)) + " of the month");
  return joined(parts);
}

inline std::string month_day_words(cron_fields const& fields) {
  std::vector<std::string> parts;
  if (int const step = step_of(rule_of(cron_field::day_of_month), fields.days); step > 1)
    parts.push_back("every " + ordinal(step) + " day from the 1st");
  else
    for (auto const& run : runs(fields.days, [](int day) { return "the " + ordinal(day); })) parts.push_back(run);
  for (std::uint32_t rest = fields.days_from_end; rest != 0; rest &= rest - 1)
    parts.push_back(first_bit(rest) == 0 ? "the last day" : "the day " + counted(first_bit(rest), "day") + " before the last");
  for (std::uint32_t rest = fields.near_days; rest != 0; rest &= rest - 1)
    parts.push_back("the weekday nearest to the " + ordinal(first_bit(rest)));
  for (std::uint32_t rest = fields.near_days_from_end; rest != 0; rest &= rest - 1)
    parts.push_back(first_bit(rest) == 0 ? "the last weekday"
                                         : "the weekday nearest to the day " + counted(first_bit(rest), "day") + " before the last");
  return joined(parts) + " of the month";
}

inline std::string day_words(cron_fields const& fields) {
  bool const any_day = fields.days == bits_between(1, 31) && fields.day_star;
  bool const any_weekday = fields.weekdays == 0x7F && fields.weekday_star;
  if (any_day && any_weekday) return {};
  if (any_day) return "on " + weekday_words(fields);
  if (any_weekday) return "on " + month_day_words(fields);
  bool const both = fields.day_star || fields.weekday_star || fields.both_days;
  return "on " + month_day_words(fields) + (both ? ", when that is also " : ", and also on ") +
         weekday_words(fields, both ? "a " : "every ");
}

inline std::string period_words(duration period) {
  struct unit {
    std::string_view name;
    std::int64_t microseconds;
  };
  constexpr std::array<unit, 6> units{{{"day", 86'400'000'000},
                                       {"hour", 3'600'000'000},
                                       {"minute", 60'000'000},
                                       {"second", 1'000'000},
                                       {"millisecond", 1'000},
                                       {"microsecond", 1}}};
  if (period == std::chrono::days{1}) return "every 24 hours";  // nobody calls this every day: the clocks may change
  std::vector<std::string> parts;
  std::int64_t rest = period.count();
  for (auto const& unit : units) {
    if (rest == unit.microseconds && parts.empty()) return "every " + std::string{unit.name};
    if (rest >= unit.microseconds) parts.push_back(counted(rest / unit.microseconds, unit.name));
    rest %= unit.microseconds;
  }
  return "every " + joined(parts);
}

}  // namespace detail

namespace detail {

inline std::string value_word(cron_field field, int value) {
  if (field == cron_field::month) return std::string{long_months[static_cast<std::size_t>(value - 1)]};
  if (field == cron_field::day_of_week) return std::string{long_weekdays[static_cast<std::size_t>(value)]};
  return std::to_string(value);
}

/// The values that an `H` may choose: `minute 0 to 59`, or with a step `every 15th minute from 0 to 59`.
inline std::string hash_range_words(cron_fields const& fields, cron_field field) {
  auto const& rule = rule_of(field);
  auto const& hash = fields.hashes[static_cast<std::size_t>(field)];
  int const last = (hash.low - rule.low + hash.count - 1) % (rule.high - rule.low + 1) + rule.low;
  std::string const range = value_word(field, hash.low) + " to " + value_word(field, last);
  std::string const name{rule.name};
  return hash.step == 0 ? name + " " + range : "every " + ordinal(hash.step) + " " + name + " from " + range;
}

inline std::string month_words(cron_fields const& fields) {
  return joined(runs(fields.months, [](int month) { return value_word(cron_field::month, month); }));
}

/// Explains an expression whose `H` no id has filled in.
inline std::string open_words(cron_fields const& fields) {
  using enum cron_field;
  std::vector<std::string> chosen;
  std::vector<std::string> fixed;
  for (auto const field : {second, minute, hour, day_of_month, month, day_of_week})
    if (fields.hashes[static_cast<std::size_t>(field)])
      chosen.push_back(hash_range_words(fields, field));
    else if (std::string const text = write_field(fields, field); text != "*" && (field != second || fields.seconds != 1))
      fixed.push_back(std::string{rule_of(field).name} + " " + text);
  std::string const text = "chosen by the id of the schedule: " + joined(chosen);
  return fixed.empty() ? text : text + "; fixed: " + joined(fixed);
}

}  // namespace detail

/// Explains an expression as part of an English sentence: `at 02:00 on every weekday in January`. For an expression with `H` it
/// uses the values that an id has chosen, or else names the ranges to choose from.
inline std::string explain(cron_expression const& expression) {
  using namespace detail;
  if (expression.is_interval()) return period_words(expression.period());
  auto const& fields = expression.fields();
  if (expression.has_hash() && !fields.is_chosen) return open_words(fields);
  std::string text = time_words(fields);
  std::string const days = day_words(fields);
  if (!days.empty())
    text += " " + days;
  else if (text.starts_with("at ") && !text.ends_with("every hour") && !text.ends_with("every minute"))
    text += " every day";
  if (fields.months != bits_between(1, 12)) text += " in " + month_words(fields);
  if (!fields.any_year())
    text += days.empty() && fields.months == bits_between(1, 12) ? " in " + write_years(fields) : " of " + write_years(fields);
  return text;
}

/// Lists the values that an id has chosen for each `H`: `minute 17 (of 0 to 59), hour 3 (of 0 to 23)`. Empty without an `H` or
/// an id.
inline std::string explain_hashes(cron_expression const& expression) {
  using namespace detail;
  auto const& fields = expression.fields();
  std::string text;
  if (!fields.is_chosen) return text;
  auto const values = [&fields](cron_field field) {
    std::uint64_t set = 0;
    switch (field) {
      case cron_field::second: set = fields.seconds; break;
      case cron_field::minute: set = fields.minutes; break;
      case cron_field::hour: set = fields.hours; break;
      case cron_field::day_of_month: set = fields.days; break;
      case cron_field::month: set = fields.months; break;
      case cron_field::day_of_week: set = fields.weekdays; break;
      case cron_field::year: break;
    }
    return joined(runs(set, [field](int value) { return value_word(field, value); }));
  };
  for (std::size_t i = 0; i < fields.hashes.size(); ++i) {
    auto const field = static_cast<cron_field>(i);
    auto const& hash = fields.hashes[i];
    if (!hash) continue;
    std::string const range = hash_range_words(fields, field);
    text += (text.empty() ? "" : ", ") + std::string{rule_of(field).name} + " " + values(field) + " (" +
            (hash.step == 0 ? "of" + range.substr(rule_of(field).name.size()) : range) + ")";
  }
  return text;
}

/// Explains a recurrence, with the instant that an interval counts from.
inline std::string explain(recurrence const& when) {
  std::string text = explain(when.expression());
  if (!when.expression().is_interval()) return text;
  if (auto const from = when.options().local_anchor) {
    std::chrono::local_days const day = std::chrono::floor<std::chrono::days>(*from);
    std::chrono::hh_mm_ss const time{*from - day};
    std::chrono::weekday const weekday{day};
    text = when.expression().period() == std::chrono::days{1} ? "every day" : text;
    text += " at " +
            detail::clock_text(static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                               static_cast<int>(time.seconds().count())) +
            ", counted from " + std::string{detail::long_weekdays[weekday.c_encoding()]} + ", " +
            to_string(instant{from->time_since_epoch()}).substr(0, 10);
  } else if (when.options().anchor != instant{}) {
    text += ", counted from " + to_string(when.options().anchor);
  }
  return text;
}

}  // namespace visor

#endif
