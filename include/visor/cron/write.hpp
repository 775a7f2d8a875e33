#ifndef VISOR_CRON_WRITE_HPP
#define VISOR_CRON_WRITE_HPP

#include "visor/cron/fields.hpp"

#include <cstdint>
#include <string>

namespace visor::detail {

/// Every `step`-th value of a field, from its lowest: what `*/step` means.
constexpr std::uint64_t stepped(cron_field_rule const& rule, int step) noexcept {
  std::uint64_t set = 0;
  for (int value = rule.low; value <= rule.high; value += step) set |= std::uint64_t{1} << value;
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

  /// A set that was written with a star first, which means more than the same set without: the shortest step whose values are all
  /// in the set, then the rest. The step that was written has this property, so that there always is one.
  void add_starred(cron_field_rule const& rule, std::uint64_t set) {
    int step = 1;
    while (step < rule.high && (stepped(rule, step) & ~set) != 0) ++step;
    add(step == 1 ? "*" : "*/" + std::to_string(step));
    add_values(rule, set & ~stepped(rule, step));
  }

  /// A set where a star means no more than the values: the star is used where it is shorter.
  void add_plain(cron_field_rule const& rule, std::uint64_t set) {
    for (int step = 1; step <= rule.high / 2; ++step) {
      if (set != stepped(rule, step)) continue;
      add(step == 1 ? "*" : "*/" + std::to_string(step));
      return;
    }
    add_values(rule, set);
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
  list.add_either(fields.minute_star, rule_of(cron_field::minute), fields.minutes);
  return list.text;
}

inline std::string write_hours(cron_fields const& fields) {
  cron_list list;
  list.add_either(fields.hour_star, rule_of(cron_field::hour), fields.hours);
  return list.text;
}

inline std::string write_days(cron_fields const& fields) {
  cron_list list;
  list.add_either(fields.day_star, rule_of(cron_field::day_of_month), fields.days);
  for (std::uint32_t rest = fields.days_from_end; rest != 0; rest &= rest - 1)
    list.add(first_bit(rest) == 0 ? "L" : "L-" + std::to_string(first_bit(rest)));
  for (std::uint32_t rest = fields.near_days; rest != 0; rest &= rest - 1)
    list.add(first_bit(rest) == 0 ? "LW" : std::to_string(first_bit(rest)) + "W");
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

/// The shortest form that parses to the same fields: seconds only where they are not 0, years only where they are named.
inline std::string write_fields(cron_fields const& fields) {
  std::string text;
  bool const years = !fields.any_year();
  if (years || fields.seconds != 1) text += write_seconds(fields) + ' ';
  text += write_minutes(fields) + ' ' + write_hours(fields) + ' ' + write_days(fields) + ' ' + write_months(fields) + ' ' +
          write_weekdays(fields);
  if (years) text += ' ' + write_years(fields);
  return text;
}

}  // namespace visor::detail

#endif
