#ifndef VISOR_CRON_SEARCH_HPP
#define VISOR_CRON_SEARCH_HPP

#include "visor/cron/fields.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

// The search on the wall clock, without zones. Times are seconds since 1970-01-01 00:00 of that clock.
namespace visor::detail {

/// A Gregorian cycle: after it, dates and weekdays repeat. An expression that does not match within it never will.
inline constexpr int calendar_cycle = 400;
inline constexpr std::int64_t day_length = 86'400;
inline constexpr int lowest_year = 0;
inline constexpr int highest_year = 9999;

constexpr std::int64_t floor_days(std::int64_t seconds) noexcept {
  return seconds >= 0 ? seconds / day_length : -((-seconds + day_length - 1) / day_length);
}

constexpr std::int64_t days_since_epoch(int year, int month, int day) noexcept {
  using namespace std::chrono;
  return sys_days{std::chrono::year{year} / month / day}.time_since_epoch().count();
}

constexpr int month_length(int year, int month) noexcept {
  if (month == 2) return std::chrono::year{year}.is_leap() ? 29 : 28;
  return 30 + ((month + (month >> 3)) & 1);
}

/// 0 = Sunday. The epoch was a Thursday.
constexpr int weekday_of(std::int64_t days) noexcept {
  auto const weekday = static_cast<int>((days + 4) % 7);
  return weekday < 0 ? weekday + 7 : weekday;
}

inline constexpr std::int64_t search_begin = days_since_epoch(lowest_year, 1, 1) * day_length;
inline constexpr std::int64_t search_end = days_since_epoch(highest_year + 1, 1, 1) * day_length;

constexpr std::int64_t time_of_day(int hour, int minute, int second) noexcept { return (hour * 60 + minute) * 60 + second; }

constexpr std::int64_t first_time(cron_fields const& fields) noexcept {
  return time_of_day(first_bit(fields.hours), first_bit(fields.minutes), first_bit(fields.seconds));
}

constexpr std::int64_t last_time(cron_fields const& fields) noexcept {
  return time_of_day(last_bit(fields.hours), last_bit(fields.minutes), last_bit(fields.seconds));
}

/// The first matching time of a day at or after `from`, in seconds after midnight, or -1.
constexpr std::int64_t next_time(cron_fields const& fields, std::int64_t from) noexcept {
  auto const time = static_cast<int>(from);
  int const hour = time / 3600;
  int const minute = time / 60 % 60;
  int const second = time % 60;
  if (has_bit(fields.hours, hour)) {
    if (has_bit(fields.minutes, minute))
      if (auto const seconds = fields.seconds & bits_from(second); seconds != 0) return time_of_day(hour, minute, first_bit(seconds));
    if (auto const minutes = fields.minutes & bits_from(minute + 1); minutes != 0)
      return time_of_day(hour, first_bit(minutes), first_bit(fields.seconds));
  }
  if (auto const hours = fields.hours & bits_from(hour + 1); hours != 0)
    return time_of_day(first_bit(hours), first_bit(fields.minutes), first_bit(fields.seconds));
  return -1;
}

/// The last matching time of a day at or before `from`, in seconds after midnight, or -1.
constexpr std::int64_t previous_time(cron_fields const& fields, std::int64_t from) noexcept {
  auto const time = static_cast<int>(from);
  int const hour = time / 3600;
  int const minute = time / 60 % 60;
  int const second = time % 60;
  if (has_bit(fields.hours, hour)) {
    if (has_bit(fields.minutes, minute))
      if (auto const seconds = fields.seconds & bits_to(second); seconds != 0) return time_of_day(hour, minute, last_bit(seconds));
    if (auto const minutes = fields.minutes & bits_to(minute - 1); minutes != 0)
      return time_of_day(hour, last_bit(minutes), last_bit(fields.seconds));
  }
  if (auto const hours = fields.hours & bits_to(hour - 1); hours != 0)
    return time_of_day(last_bit(hours), last_bit(fields.minutes), last_bit(fields.seconds));
  return -1;
}

/// The first named year at or after `year`, or one above `limit`.
constexpr int next_year(cron_fields const& fields, int year, int limit) noexcept {
  if (fields.any_year()) return year;
  int const low = rule_of(cron_field::year).low;
  for (int bit = year < low ? 0 : year - low; bit < 256; bit = (bit / 64 + 1) * 64)
    if (auto const set = fields.years[static_cast<std::size_t>(bit / 64)] & bits_from(bit % 64); set != 0)
      return low + bit / 64 * 64 + first_bit(set);
  return limit + 1;
}

/// The last named year at or before `year`, or one below `limit`.
constexpr int previous_year(cron_fields const& fields, int year, int limit) noexcept {
  if (fields.any_year()) return year;
  int const low = rule_of(cron_field::year).low;
  for (int bit = year - low > 255 ? 255 : year - low; bit >= 0; bit = bit / 64 * 64 - 1)
    if (auto const set = fields.years[static_cast<std::size_t>(bit / 64)] & bits_to(bit % 64); set != 0)
      return low + bit / 64 * 64 + last_bit(set);
  return limit - 1;
}

/// The first match at or after `from`, within a calendar cycle. At most one step per named month.
constexpr std::optional<std::int64_t> next_match(cron_fields const& fields, std::int64_t from) noexcept {
  if (from < search_begin) from = search_begin;
  if (from >= search_end) return std::nullopt;
  std::int64_t const today = floor_days(from);
  std::chrono::year_month_day const date{std::chrono::sys_days{std::chrono::days{today}}};
  int year = static_cast<int>(date.year());
  int month = static_cast<int>(static_cast<unsigned>(date.month()));
  int const day = static_cast<int>(static_cast<unsigned>(date.day()));
  int const last_year = year + calendar_cycle < highest_year ? year + calendar_cycle : highest_year;

  if (has_bit(fields.months, month) && year_matches(fields, year)) {
    std::uint32_t const days = matching_days(fields, weekday_of(today - (day - 1)), month_length(year, month));
    if (has_bit(days, day))
      if (auto const time = next_time(fields, from - today * day_length); time >= 0) return today * day_length + time;
    if (auto const later = days & bits_from(day + 1); later != 0)
      return (today + (first_bit(later) - day)) * day_length + first_time(fields);
  }
  if (!year_matches(fields, year)) month = 12;
  while (true) {
    std::uint64_t months = fields.months & bits_from(month + 1);
    if (months == 0) {
      year = next_year(fields, year + 1, last_year);
      if (year > last_year) return std::nullopt;
      months = fields.months;
    }
    month = first_bit(months);
    std::int64_t const first = days_since_epoch(year, month, 1);
    if (std::uint32_t const days = matching_days(fields, weekday_of(first), month_length(year, month)); days != 0)
      return (first + first_bit(days) - 1) * day_length + first_time(fields);
  }
}

/// The last match at or before `from`, within a calendar cycle.
constexpr std::optional<std::int64_t> previous_match(cron_fields const& fields, std::int64_t from) noexcept {
  if (from >= search_end) from = search_end - 1;
  if (from < search_begin) return std::nullopt;
  std::int64_t const today = floor_days(from);
  std::chrono::year_month_day const date{std::chrono::sys_days{std::chrono::days{today}}};
  int year = static_cast<int>(date.year());
  int month = static_cast<int>(static_cast<unsigned>(date.month()));
  int const day = static_cast<int>(static_cast<unsigned>(date.day()));
  int const first_year = year - calendar_cycle > lowest_year ? year - calendar_cycle : lowest_year;

  if (has_bit(fields.months, month) && year_matches(fields, year)) {
    std::uint32_t const days = matching_days(fields, weekday_of(today - (day - 1)), month_length(year, month));
    if (has_bit(days, day))
      if (auto const time = previous_time(fields, from - today * day_length); time >= 0) return today * day_length + time;
    if (auto const earlier = days & bits_to(day - 1); earlier != 0)
      return (today - (day - last_bit(earlier))) * day_length + last_time(fields);
  }
  if (!year_matches(fields, year)) month = 1;
  while (true) {
    std::uint64_t months = fields.months & bits_to(month - 1);
    if (months == 0) {
      year = previous_year(fields, year - 1, first_year);
      if (year < first_year) return std::nullopt;
      months = fields.months;
    }
    month = last_bit(months);
    std::int64_t const first = days_since_epoch(year, month, 1);
    if (std::uint32_t const days = matching_days(fields, weekday_of(first), month_length(year, month)); days != 0)
      return (first + last_bit(days) - 1) * day_length + last_time(fields);
  }
}

}  // namespace visor::detail

#endif
