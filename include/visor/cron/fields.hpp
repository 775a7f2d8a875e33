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

/// The values that a field allows. `high` is the end of `*`; `written_high` is the greatest number that may be written. They
/// differ for the day of week alone: 7 is Sunday, as 0 is.
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

/// `H` in a field: values that the id of the schedule chooses.
struct cron_hash {
  std::uint8_t low = 0;
  std::uint8_t count = 0;  ///< how many values there are to choose from; they may go around the end of the field; 0: the field has no `H`
  std::uint8_t step = 0;   ///< 0: one value; otherwise one of the first `step`, and every `step`-th after it

  constexpr explicit operator bool() const noexcept { return count != 0; }
  friend bool operator==(cron_hash const&, cron_hash const&) = default;
};

/// The sets that a cron expression names, one bit per value.
struct cron_fields {
  std::uint64_t seconds = 1;
  std::uint64_t minutes = 0;
  std::uint32_t hours = 0;
  std::uint32_t days = 0;                ///< bits 1 to 31
  std::uint32_t days_from_end = 0;       ///< bit n: `L-n`, bit 0: `L`
  std::uint32_t near_days = 0;           ///< bit n: `nW`
  std::uint32_t near_days_from_end = 0;  ///< bit n: `L-nW`, bit 0: `LW`
  std::uint64_t nth_weekdays = 0;        ///< bit 7(k-1)+n: `n#k`
  std::array<std::uint64_t, 4> years{};  ///< from 1970; all zero: every year
  std::uint16_t months = 0;              ///< bits 1 to 12
  std::uint8_t weekdays = 0;             ///< bits 0 (Sunday) to 6
  std::uint8_t last_weekdays = 0;        ///< bit n: `nL`
  bool hour_interval = false;            ///< the hour has `*`, `a/n` or `H/n`
  bool day_star = false;
  bool weekday_star = false;
  bool both_days = false;           ///< `+` before the day of week: both day fields must match
  bool is_chosen = false;           ///< an id has chosen the values of each `H`
  std::array<cron_hash, 6> hashes;  ///< of all fields but the year; the sets hold the chosen values, at first those of the empty id

  friend bool operator==(cron_fields const&, cron_fields const&) = default;

  constexpr bool any_year() const noexcept { return (years[0] | years[1] | years[2] | years[3]) == 0; }
  constexpr bool any_hash() const noexcept {
    for (auto const& hash : hashes)
      if (hash) return true;
    return false;
  }
};

/// Sets the values of a field. `set` counts from the field's lowest value; the year is not one of these fields.
constexpr void set_values(cron_fields& fields, cron_field field, std::uint64_t set) noexcept {
  switch (field) {
    case cron_field::second: fields.seconds = set; break;
    case cron_field::minute: fields.minutes = set; break;
    case cron_field::hour: fields.hours = static_cast<std::uint32_t>(set); break;
    case cron_field::day_of_month: fields.days = static_cast<std::uint32_t>(set << 1); break;
    case cron_field::month: fields.months = static_cast<std::uint16_t>(set << 1); break;
    case cron_field::day_of_week: fields.weekdays = static_cast<std::uint8_t>(set); break;
    case cron_field::year: break;
  }
}

/// A number that depends on the id and the field alone. It is the 64-bit FNV-1a hash of the field's number and the bytes of the
/// id, with the final mixing of MurmurHash3. It never changes, since every stored schedule with `H` depends on it.
constexpr std::uint64_t schedule_hash(std::string_view id, cron_field field) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  auto const add = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  add(static_cast<unsigned char>(field));
  for (char const c : id) add(static_cast<unsigned char>(c));
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
  return hash ^ hash >> 33;
}

/// Every `by`-th value of the range of an `H`, beginning with the one at `first`.
constexpr std::uint64_t hash_values(cron_hash const& hash, cron_field field, int first, int by) noexcept {
  auto const& rule = cron_field_rules[static_cast<std::size_t>(field)];
  std::uint64_t set = 0;
  for (int i = first; i < hash.count; i += by) set |= std::uint64_t{1} << (hash.low - rule.low + i) % (rule.high - rule.low + 1);
  return set;
}

/// Lets an id choose the values of each `H`.
constexpr void choose_hashes(cron_fields& fields, std::string_view id) noexcept {
  for (std::size_t i = 0; i < fields.hashes.size(); ++i) {
    auto const field = static_cast<cron_field>(i);
    auto const& hash = fields.hashes[i];
    if (!hash) continue;
    int const first = static_cast<int>(schedule_hash(id, field) % (hash.step == 0 ? hash.count : hash.step));
    set_values(fields, field, hash_values(hash, field, first, hash.step == 0 ? hash.count : hash.step));
  }
}

/// The fields with every value that some id chooses.
constexpr cron_fields with_all_hashes(cron_fields fields) noexcept {
  for (std::size_t i = 0; i < fields.hashes.size(); ++i)
    if (auto const field = static_cast<cron_field>(i); fields.hashes[i])
      set_values(fields, field, hash_values(fields.hashes[i], field, 0, 1));
  return fields;
}

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
  auto const add_near = [&](int day) {
    if (day < 1 || day > length) return;
    int const weekday = (first_weekday + day - 1) % 7;
    // The nearest Monday to Friday of the same month.
    if (weekday == 6) day += day == 1 ? 2 : -1;
    if (weekday == 0) day += day == length ? -2 : 1;
    by_day |= std::uint32_t{1} << day;
  };
  for (std::uint32_t rest = fields.near_days; rest != 0; rest &= rest - 1) add_near(first_bit(rest));
  for (std::uint32_t rest = fields.near_days_from_end; rest != 0; rest &= rest - 1) add_near(length - first_bit(rest));

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

/// Whether some month of the calendar has a matching day. A year is one of 14: the weekday of its first day, and leap or not.
/// Each of the 14 occurs in the 400 years after which the calendar repeats, so that the answer is a proof. Without a year field
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
