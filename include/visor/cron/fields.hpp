#ifndef VISOR_CRON_FIELDS_HPP
#define VISOR_CRON_FIELDS_HPP

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace visor {

/// The fields of a cron expression, in the order in which they are written.
enum class cron_field : std::uint8_t { second, minute, hour, day_of_month, month, day_of_week, year };

namespace detail {

/// What may be written in a field. `high` is the end of `*`; `written_high` is the greatest number that may be written, which
/// differs for the day of week alone: 7 is Sunday, as 0 is.
struct cron_field_rule {
  std::string_view name;
  int low;
  int high;
  int written_high;
};

/// Years end with 2199, so that they fit a fixed set.
inline constexpr std::array<cron_field_rule, 7> cron_field_rules{{{"second", 0, 59, 59},
                                                                  {"minute", 0, 59, 59},
                                                                  {"hour", 0, 23, 23},
                                                                  {"day of month", 1, 31, 31},
                                                                  {"month", 1, 12, 12},
                                                                  {"day of week", 0, 6, 7},
                                                                  {"year", 1970, 2199, 2199}}};

constexpr cron_field_rule const& rule_of(cron_field field) noexcept { return cron_field_rules[static_cast<std::size_t>(field)]; }

inline constexpr std::array<std::string_view, 12> month_names{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                              "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
inline constexpr std::array<std::string_view, 7> weekday_names{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

/// The sets that a cron expression names, one bit per value.
struct cron_fields {
  std::uint64_t seconds = 1;
  std::uint64_t minutes = 0;
  std::uint32_t hours = 0;
  std::uint32_t days = 0;                ///< bits 1 to 31
  std::uint32_t days_from_end = 0;       ///< bit n: `L-n`, bit 0: `L`
  std::uint32_t near_days = 0;           ///< bit n: `nW`, bit 0: `LW`
  std::uint64_t nth_weekdays = 0;        ///< bit 7(k-1)+n: `n#k`
  std::array<std::uint64_t, 4> years{};  ///< from 1970; all zero: every year
  std::uint16_t months = 0;              ///< bits 1 to 12
  std::uint8_t weekdays = 0;             ///< bits 0 (Sunday) to 6
  std::uint8_t last_weekdays = 0;        ///< bit n: `nL`
  bool minute_star = false;
  bool hour_star = false;
  bool day_star = false;
  bool weekday_star = false;
  bool both_days = false;  ///< `+` before the day of week: both day fields must match

  friend bool operator==(cron_fields const&, cron_fields const&) = default;

  constexpr bool any_year() const noexcept { return (years[0] | years[1] | years[2] | years[3]) == 0; }
};

constexpr int first_bit(std::uint64_t set) noexcept { return std::countr_zero(set); }
constexpr int last_bit(std::uint64_t set) noexcept { return 63 - std::countl_zero(set); }

/// Bits `from` and above. `from` is 0 to 64.
constexpr std::uint64_t bits_from(int from) noexcept { return from >= 64 ? 0 : ~std::uint64_t{0} << from; }
/// Bits `to` and below. `to` is -1 to 63.
constexpr std::uint64_t bits_to(int to) noexcept { return ~bits_from(to + 1); }
constexpr std::uint64_t bits_between(int low, int high) noexcept { return bits_from(low) & bits_to(high); }

constexpr bool has_bit(std::uint64_t set, int bit) noexcept { return (set >> bit & 1) != 0; }

/// The days of a month that an expression matches: bits 1 to 31.
/// \param fields the expression
/// \param first_weekday the weekday of the first of the month, 0 = Sunday
/// \param length the number of days in the month
constexpr std::uint32_t matching_days(cron_fields const& fields, int first_weekday, int length) noexcept {
  auto const all = static_cast<std::uint32_t>(bits_between(1, length));
  std::uint32_t by_day = fields.days;
  for (std::uint32_t rest = fields.days_from_end; rest != 0; rest &= rest - 1)
    if (int const day = length - first_bit(rest); day >= 1) by_day |= std::uint32_t{1} << day;
  for (std::uint32_t rest = fields.near_days; rest != 0; rest &= rest - 1) {
    int day = first_bit(rest) == 0 ? length : first_bit(rest);
    if (day > length) continue;
    int const weekday = (first_weekday + day - 1) % 7;
    // The nearest Monday to Friday of the same month.
    if (weekday == 6) day += day == 1 ? 2 : -1;
    if (weekday == 0) day += day == length ? -2 : 1;
    by_day |= std::uint32_t{1} << day;
  }

  // Bit i is the weekday of day i + 1; five copies cover the month.
  constexpr std::uint64_t every_week = 1 | 1ull << 7 | 1ull << 14 | 1ull << 21 | 1ull << 28;
  auto const week_of = [first_weekday](std::uint32_t weekdays) {
    return std::uint64_t{(weekdays >> first_weekday | weekdays << (7 - first_weekday)) & 0x7F};
  };
  std::uint64_t by_weekday = week_of(fields.weekdays) * every_week << 1;
  if (fields.last_weekdays != 0) by_weekday |= (week_of(fields.last_weekdays) * every_week << 1) & bits_between(length - 6, length);
  if (fields.nth_weekdays != 0)
    for (int week = 0; week < 5; ++week)
      by_weekday |= week_of(static_cast<std::uint32_t>(fields.nth_weekdays >> 7 * week & 0x7F)) << (7 * week + 1);

  bool const both = fields.day_star || fields.weekday_star || fields.both_days;
  auto const weekday_set = static_cast<std::uint32_t>(by_weekday);
  return (both ? by_day & weekday_set : by_day | weekday_set) & all;
}

constexpr bool year_matches(cron_fields const& fields, int year) noexcept {
  if (fields.any_year()) return true;
  int const bit = year - rule_of(cron_field::year).low;
  return bit >= 0 && bit < 256 && has_bit(fields.years[static_cast<std::size_t>(bit / 64)], bit % 64);
}

/// Whether some month of the calendar has a matching day. A year is one of 14: the weekday of its first day, and leap or not;
/// each of the 14 occurs in the 400 years after which the calendar repeats, so that the answer is a proof. Without a year field
/// all 14 are tried; otherwise only the years that are named.
constexpr bool ever_matches(cron_fields const& fields) noexcept {
  constexpr std::array<int, 12> lengths{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  auto const matches = [&](int new_year, bool leap) {
    int first = new_year;
    for (int month = 1; month <= 12; ++month) {
      int const length = lengths[static_cast<std::size_t>(month - 1)] + (leap && month == 2 ? 1 : 0);
      if (has_bit(fields.months, month) && matching_days(fields, first, length) != 0) return true;
      first = (first + length) % 7;
    }
    return false;
  };
  if (fields.any_year()) {
    for (int new_year = 0; new_year < 7; ++new_year)
      if (matches(new_year, false) || matches(new_year, true)) return true;
    return false;
  }
  for (int year = rule_of(cron_field::year).low; year <= rule_of(cron_field::year).high; ++year) {
    if (!year_matches(fields, year)) continue;
    std::chrono::year const y{year};
    std::chrono::weekday const first{std::chrono::sys_days{y / std::chrono::January / 1}};
    if (matches(static_cast<int>(first.c_encoding()), y.is_leap())) return true;
  }
  return false;
}

}  // namespace detail
}  // namespace visor

#endif
