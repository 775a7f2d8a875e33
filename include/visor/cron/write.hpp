#ifndef VISOR_CRON_WRITE_HPP
#define VISOR_CRON_WRITE_HPP

#include "visor/cron/fields.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace visor::detail {

/// Every `step`-th value of a field, from `first` or its lowest, as in `*/step`.
constexpr std::uint64_t stepped(cron_field_rule const& rule, int step, std::optional<int> first = std::nullopt) noexcept {
  std::uint64_t set = 0;
  for (int value = first.value_or(rule.low); value <= rule.high; value += step) set |= std::uint64_t{1} << value;
  return set;
}

/// A list under construction.
struct cron_list {
  std::string text;

  void add(std::string const& item) { (text += text.empty() ? "" : ",") += item; }

  /// Adds the values of a set: runs of three or more as ranges.
  template <class Has>
  void add_values(int low, int high, Has const& has) {
    for (int value = low; value <= high; ++value) {
      if (!has(value)) continue;
      int end = value;
      while (end < high && has(end + 1)) ++end;
      if (end >= value + 2) {
        add(std::to_string(value) + "-" + std::to_string(end));
        value = end;
      } else {
        add(std::to_string(value));
      }
    }
  }

  void add_values(cron_field_rule const& rule, std::uint64_t set) {
    add_values(rule.low, rule.high, [set](int value) { return has_bit(set, value); });
  }

  /// Adds a set that was written with a star first, which means more than the same set without. Writes the shortest step whose
  /// values are all in the set, then the rest. The step that was written has this property, so that there always is one.
  void add_starred(cron_field_rule const& rule, std::uint64_t set) {
    int step = 1;
    while (step < rule.high && (stepped(rule, step) & ~set) != 0) ++step;
    add(step == 1 ? "*" : "*/" + std::to_string(step));
    add_values(rule, set & ~stepped(rule, step));
  }

  /// Adds a set whose star means no more than the values: the star is used where it is shorter.
  void add_plain(cron_field_rule const& rule, std::uint64_t set) {
    for (int step = 1; step <= (rule.high - rule.low + 1) / 2; ++step) {
      if (set != stepped(rule, step)) continue;
      add(step == 1 ? "*" : "*/" + std::to_string(step));
      return;
    }
    add_values(rule, set);
  }

  /// Adds the hours of an interval: the `*`, `*/n` or `a/n` that covers most of them, then the rest.
  void add_interval(cron_field_rule const& rule, std::uint64_t set) {
    int best_first = rule.low;
    int best_step = 1;
    std::uint64_t best = 0;
    for (int first = rule.low; first <= rule.high; ++first)
      for (int step = 1; step <= rule.high; ++step) {
        std::uint64_t const covered = stepped(rule, step, first);
        if ((covered & ~set) != 0 || std::popcount(covered) <= std::popcount(best)) continue;
        best = covered;
        best_first = first;
        best_step = step;
      }
    std::string const first = best_first == rule.low ? "*" : std::to_string(best_first);
    add(best_step == 1 && best_first == rule.low ? first : first + "/" + std::to_string(best_step));
    add_values(rule, set & ~best);
  }

  void add_either(bool starred, cron_field_rule const& rule, std::uint64_t set) {
    starred ? add_starred(rule, set) : add_values(rule, set);
  }
};

inline std::string write_seconds(cron_fields const& fields) {
  cron_list list;
  list.add_plain(rule_of(cron_field::second), fields.seconds);
  return list.text;
}

inline std::string write_minutes(cron_fields const& fields) {
  cron_list list;
  list.add_plain(rule_of(cron_field::minute), fields.minutes);
  return list.text;
}

inline std::string write_hours(cron_fields const& fields) {
  cron_list list;
  if (fields.hour_interval)
    list.add_interval(rule_of(cron_field::hour), fields.hours);
  else
    list.add_values(rule_of(cron_field::hour), fields.hours);
  return list.text;
}

inline std::string write_days(cron_fields const& fields) {
  cron_list list;
  list.add_either(fields.day_star, rule_of(cron_field::day_of_month), fields.days);
  for (std::uint32_t rest = fields.days_from_end; rest != 0; rest &= rest - 1)
    list.add(first_bit(rest) == 0 ? "L" : "L-" + std::to_string(first_bit(rest)));
  for (std::uint32_t rest = fields.near_days; rest != 0; rest &= rest - 1) list.add(std::to_string(first_bit(rest)) + "W");
  for (std::uint32_t rest = fields.near_days_from_end; rest != 0; rest &= rest - 1)
    list.add(first_bit(rest) == 0 ? "LW" : "L-" + std::to_string(first_bit(rest)) + "W");
  return list.text;
}

inline std::string write_months(cron_fields const& fields) {
  cron_list list;
  list.add_plain(rule_of(cron_field::month), fields.months);
  return list.text;
}

inline std::string write_weekdays(cron_fields const& fields) {
  cron_list list;
  list.add_either(fields.weekday_star, rule_of(cron_field::day_of_week), fields.weekdays);
  for (std::uint64_t rest = fields.nth_weekdays; rest != 0; rest &= rest - 1)
    list.add(std::to_string(first_bit(rest) % 7) + "#" + std::to_string(first_bit(rest) / 7 + 1));
  for (std::uint32_t rest = fields.last_weekdays; rest != 0; rest &= rest - 1) list.add(std::to_string(first_bit(rest)) + "L");
  return (fields.both_days ? "+" : "") + list.text;
}

inline std::string write_years(cron_fields const& fields) {
  cron_list list;
  auto const& rule = rule_of(cron_field::year);
  list.add_values(rule.low, rule.high, [&fields](int year) { return year_matches(fields, year); });
  return list.text;
}

/// `H`, `H(0-29)`, `H/15` or `H(0-29)/10`.
inline std::string write_hash(cron_fields const& fields, cron_field field) {
  auto const& rule = rule_of(field);
  auto const& hash = fields.hashes[static_cast<std::size_t>(field)];
  int const size = rule.high - rule.low + 1;
  bool const whole = hash.low == rule.low && hash.count == (field == cron_field::day_of_month ? 28 : size);
  std::string text = "H";
  // The same range is an interval of hours without parentheses, and fixed hours with them.
  if (!whole || (field == cron_field::hour && hash.step != 0 && !fields.hour_interval))
    text += "(" + std::to_string(hash.low) + "-" + std::to_string((hash.low - rule.low + hash.count - 1) % size + rule.low) + ")";
  if (hash.step != 0) text += "/" + std::to_string(hash.step);
  return text;
}

inline std::string write_field(cron_fields const& fields, cron_field field) {
  if (field != cron_field::year && fields.hashes[static_cast<std::size_t>(field)]) {
    bool const both = field == cron_field::day_of_week && fields.both_days;
    return (both ? "+" : "") + write_hash(fields, field);
  }
  switch (field) {
    case cron_field::second: return write_seconds(fields);
    case cron_field::minute: return write_minutes(fields);
    case cron_field::hour: return write_hours(fields);
    case cron_field::day_of_month: return write_days(fields);
    case cron_field::month: return write_months(fields);
    case cron_field::day_of_week: return write_weekdays(fields);
    case cron_field::year: return write_years(fields);
  }
  return {};
}

/// The shortest form that parses to the same fields: seconds only where they are not 0, years only where they are named.
inline std::string write_fields(cron_fields const& fields) {
  using enum cron_field;
  bool const years = !fields.any_year();
  std::string text;
  if (years || fields.seconds != 1 || fields.hashes[0]) text = write_field(fields, second) + ' ';
  text += write_field(fields, minute);
  for (auto const field : {hour, day_of_month, month, day_of_week}) text += ' ' + write_field(fields, field);
  if (years) text += ' ' + write_field(fields, year);
  return text;
}

}  // namespace visor::detail

#endif
