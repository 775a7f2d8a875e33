#ifndef VISOR_BASE_TIME_HPP
#define VISOR_BASE_TIME_HPP

#include "visor/base/compiler.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace visor {

/// A length of time in microseconds, the precision that every supported database can keep.
using duration = std::chrono::microseconds;

/// A point in time, UTC. Only `cron/` knows local time, and turns it into instants.
using instant = std::chrono::sys_time<duration>;

namespace detail {

/// Reads exactly `digits` decimal digits at the front of `text` and removes them. False if they are not there.
constexpr bool take_digits(std::string_view& text, int digits, int& value) noexcept {
  if (text.size() < static_cast<std::size_t>(digits)) return false;
  value = 0;
  for (int i = 0; i < digits; ++i) {
    char const c = text[static_cast<std::size_t>(i)];
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(static_cast<std::size_t>(digits));
  return true;
}

constexpr bool take_char(std::string_view& text, char wanted) noexcept {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace detail

/// Writes an instant as RFC 3339 in UTC: `2026-11-21T14:00:00Z`, with six fraction digits only where they are not zero. Years outside 0 to
/// 9999 are written with as many digits as they need, from -32767 to 32767, the range of std::chrono.
inline std::string to_string(instant when) {
  auto const day = std::chrono::floor<std::chrono::days>(when);
  std::chrono::year_month_day const date{day};
  std::chrono::hh_mm_ss const time{when - day};
  std::array<char, 64> text{};
  int length = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                             static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                             static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  if (auto const fraction = time.subseconds().count(); fraction != 0)
    length += std::snprintf(text.data() + length, text.size() - static_cast<std::size_t>(length), ".%06d", static_cast<int>(fraction));
  std::string result(text.data(), static_cast<std::size_t>(length));
  result += 'Z';
  return result;
}

/// Reads an RFC 3339 instant: `2026-11-21T14:00:00Z`, a fraction of one to nine digits (cut to microseconds), `Z` or an offset such as
/// `+02:00`. Nothing for any other text, and for a day or time that does not exist.
constexpr std::optional<instant> parse_instant(std::string_view text) noexcept {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  using detail::take_char;
  using detail::take_digits;
  if (!take_digits(text, 4, year) || !take_char(text, '-') || !take_digits(text, 2, month) || !take_char(text, '-') ||
      !take_digits(text, 2, day))
    return std::nullopt;
  if (!take_char(text, 'T') && !take_char(text, 't') && !take_char(text, ' ')) return std::nullopt;
  if (!take_digits(text, 2, hour) || !take_char(text, ':') || !take_digits(text, 2, minute) || !take_char(text, ':') ||
      !take_digits(text, 2, second))
    return std::nullopt;
  std::chrono::year_month_day const date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  duration fraction{0};
  if (take_char(text, '.')) {
    std::int64_t value = 0;
    int digits = 0;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits)
      if (digits < 6) value = value * 10 + (text.front() - '0');
    if (digits == 0 || digits > 9) return std::nullopt;
    for (; digits < 6; ++digits) value *= 10;
    fraction = duration{value};
  }
  std::chrono::minutes offset{0};
  if (!take_char(text, 'Z') && !take_char(text, 'z')) {
    bool const west = take_char(text, '-');
    int offset_hour = 0, offset_minute = 0;
    if ((!west && !take_char(text, '+')) || !take_digits(text, 2, offset_hour) || !take_char(text, ':') ||
        !take_digits(text, 2, offset_minute) || offset_hour > 23 || offset_minute > 59)
      return std::nullopt;
    offset = std::chrono::minutes{(west ? -1 : 1) * (offset_hour * 60 + offset_minute)};
  }
  if (!text.empty()) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute} + std::chrono::seconds{second} + fraction -
         offset;
}

/// Reads a length of time: one or more of a whole number and a unit, the larger unit first: `90s`, `1h30m`, `250ms`, `2d`. Units: `us`,
/// `ms`, `s`, `m`, `h`, `d` (24 hours), `w`. At most 100 years. Nothing for any other text, and so for a number without a unit, which would
/// leave the reader guessing.
constexpr std::optional<duration> parse_duration(std::string_view text) noexcept {
  struct unit {
    std::string_view name;
    std::int64_t microseconds;
  };
  constexpr std::array<unit, 7> units{
      {{"us", 1}, {"ms", 1'000}, {"s", 1'000'000}, {"m", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000}, {"w", 604'800'000'000}}};
  constexpr std::int64_t longest = 100LL * 366 * 86'400'000'000;
  std::int64_t total = 0;
  std::int64_t previous = INT64_MAX;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    std::int64_t number = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits)
      if (number <= longest) number = number * 10 + (text[digits] - '0');
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
    std::int64_t scale = 0;
    for (auto const& candidate : units)
      if (candidate.name == text.substr(0, letters)) scale = candidate.microseconds;
    if (scale == 0 || scale >= previous || number > longest / scale) return std::nullopt;
    previous = scale;
    total += number * scale;
    if (total > longest) return std::nullopt;
    text.remove_prefix(letters);
  }
  return duration{total};
}

/// Writes a length of time so that `parse_duration` reads it back: `1h30m`, `250ms`, `0s`.
inline std::string to_string(duration length) {
  struct unit {
    char const* name;
    std::uint64_t microseconds;
  };
  static constexpr std::array<unit, 6> units{
      {{"d", 86'400'000'000}, {"h", 3'600'000'000}, {"m", 60'000'000}, {"s", 1'000'000}, {"ms", 1'000}, {"us", 1}}};
  if (length.count() == 0) return "0s";
  std::string text = length.count() < 0 ? "-" : "";
  auto rest = static_cast<std::uint64_t>(length.count());
  if (length.count() < 0) rest = 0 - rest;
  for (auto const& unit : units) {
    if (rest >= unit.microseconds) text += std::to_string(rest / unit.microseconds) + unit.name;
    rest %= unit.microseconds;
  }
  return text;
}

}  // namespace visor

#endif
