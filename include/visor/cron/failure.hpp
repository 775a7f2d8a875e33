#ifndef VISOR_CRON_FAILURE_HPP
#define VISOR_CRON_FAILURE_HPP

#include "visor/base/error.hpp"
#include "visor/base/text.hpp"
#include "visor/cron/fields.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace visor {

/// Why a text is not a cron expression.
enum class cron_fault : std::uint8_t {
  none,                  ///< it is one
  empty,                 ///< there is no text
  field_count,           ///< not 5, 6 or 7 fields
  unexpected_character,  ///< a character that cannot stand there
  value_missing,         ///< a number is expected before the comma, the hyphen, the slash or the end
  value_above,           ///< above the maximum of the field
  value_below,           ///< below the minimum of the field
  unknown_name,          ///< letters that are no month and no weekday
  step_zero,             ///< `/0`
  step_above,            ///< a step longer than the field
  reversed_years,        ///< the first year of a range is after the last
  bare_last,             ///< `L` alone as a day of week, which could mean two things
  bad_occurrence,        ///< `#` without a number from 1 to 5
  before_month,          ///< `L-n` with more than 30
  never,                 ///< no such day in any calendar year, or in any that is named
  unknown_nickname,      ///< `@` and no known word
  bad_period,            ///< `@every` without a length of time from one second up
  bad_anchor,            ///< `@every … from` without an instant, or a local time for less than days
};

/// Where and why a text is not a cron expression. A small value, usable in constant expressions.
struct parse_failure {
  cron_fault why = cron_fault::none;
  cron_field where = cron_field::second;  ///< the field's meaning, where `field` is not 0
  std::uint8_t field = 0;                 ///< counted from 1 as written; 0: the whole expression
  std::uint32_t position = 0;             ///< bytes before the place
  std::uint32_t length = 0;               ///< bytes of the wrong part
  std::int32_t value = 0;                 ///< the number that is wrong, where it is one
};

namespace detail {

/// Bytes that no terminal should get are written as `\x00`; a long text is cut.
inline std::string shown(std::string_view text, std::size_t longest = 60) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  for (char const c : text.substr(0, longest)) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      result += c;
    } else {
      result += "\\x";
      result += digits[byte >> 4];
      result += digits[byte & 15];
    }
  }
  if (text.size() > longest) result += "...";
  return result;
}

inline constexpr std::array<std::string_view, 8> cron_nicknames{"@yearly", "@annually", "@monthly", "@weekly",
                                                                "@daily",  "@midnight", "@hourly",  "@every"};

template <std::size_t N>
std::string listed(std::array<std::string_view, N> const& words) {
  std::string result;
  for (auto const word : words) (result += result.empty() ? "" : " ") += word;
  return result;
}

inline std::string describe_names(cron_field field) {
  if (field == cron_field::month) return "no month (" + listed(month_names) + ")";
  if (field == cron_field::day_of_week) return "no day of the week (" + listed(weekday_names) + ")";
  if (field == cron_field::day_of_month) return "no day of the month (a number, L, L-3, LW or 15W)";
  return "no number";
}

inline std::string describe(std::string_view text, parse_failure const& failure) {
  auto const& rule = rule_of(failure.where);
  std::string_view const part = text.substr(failure.position < text.size() ? failure.position : text.size(), failure.length);
  // Numbers may be longer than any integer; what was written is what is shown.
  std::string const written = shown(part, 20);
  switch (failure.why) {
    case cron_fault::none: return {};
    case cron_fault::empty: return "it is empty; write five fields: minute, hour, day of month, month, day of week";
    case cron_fault::field_count:
      return std::to_string(failure.value) + (failure.value == 1 ? " field" : " fields") +
             ", but there must be 5, or 6 with seconds first, or 7 with the year last";
    case cron_fault::unexpected_character: return "unexpected '" + written + "'";
    case cron_fault::value_missing: return "a value is missing" + (written.empty() ? std::string{} : " before '" + written + "'");
    case cron_fault::value_above: return written + " is above " + std::to_string(rule.written_high);
    case cron_fault::value_below: return written + " is below " + std::to_string(rule.low);
    case cron_fault::unknown_name: return "\"" + written + "\" is " + describe_names(failure.where);
    case cron_fault::step_zero: return "a step must be at least 1";
    case cron_fault::step_above: return "step " + written + " is above " + std::to_string(rule.high);
    case cron_fault::reversed_years: return "the years " + written + " run backwards";
    case cron_fault::bare_last: return "L needs its day: 5L or FRIL is the last Friday of the month";
    case cron_fault::bad_occurrence: return "'#' needs a number from 1 to 5, or L, after it";
    case cron_fault::before_month: return "no month has a day " + written + " days before its last: at most 30";
    case cron_fault::never: return "it never fires: no year has such a day";
    case cron_fault::unknown_nickname: {
      auto const near = nearest(part, cron_nicknames);
      return "\"" + written + "\" is unknown; " +
             (near.empty() ? "known are " + listed(cron_nicknames) : "did you mean " + std::string{near} + "?");
    }
    case cron_fault::bad_period: return "@every needs a length of time from 1s to 36600d, with its unit, such as 90s or 1h30m";
    case cron_fault::bad_anchor:
      return "'from' needs an instant, such as 2026-11-21T14:00:00Z, or for whole days a local time, such as 2026-11-21T09:00:00";
  }
  return {};
}

}  // namespace detail

/// A text is not a cron expression. `what()` is such as
/// `cron expression "0 24 * * *", field 2 (hour), column 3: 24 is above 23`.
class cron_error : public error {
 public:
  /// \param text what was to be parsed
  /// \param failure where and why it failed
  cron_error(std::string_view text, parse_failure const& failure)
      : error(condition::invalid_argument, message(text, failure)), failure_(failure) {}

  /// Bytes before the wrong place, from 0.
  std::size_t position() const noexcept { return failure_.position; }
  /// The field as written, counted from 1; 0 when the whole expression is meant.
  int field() const noexcept { return failure_.field; }
  parse_failure const& failure() const noexcept { return failure_; }

 private:
  static std::string message(std::string_view text, parse_failure const& failure) {
    std::string result = "cron expression \"" + detail::shown(text) + "\"";
    if (failure.field != 0)
      result += ", field " + std::to_string(failure.field) + " (" + std::string{detail::rule_of(failure.where).name} + ")";
    result += ", column " + std::to_string(failure.position + 1) + ": ";
    return result + detail::describe(text, failure);
  }

  parse_failure failure_;
};

}  // namespace visor

#endif
