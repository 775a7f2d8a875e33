#ifndef VISOR_CRON_PARSE_FAILURE_HPP
#define VISOR_CRON_PARSE_FAILURE_HPP

#include "visor/base/error.hpp"
#include "visor/base/nearest_name.hpp"
#include "visor/cron/fields.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace visor {

/// The reason why a text is not a cron expression.
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
  bad_hash,              ///< `H` with something beside it, or written in another way than `H`, `H(0-29)`, `H/15`, `H(0-29)/10`
  hash_step,             ///< a step of `H` that is longer than the range of `H`
  never,                 ///< no calendar year has such a day, or none of those that are named
  unknown_nickname,      ///< `@` and no known word
  bad_period,            ///< `@every` without a length of time from one second up
  bad_anchor,            ///< `@every … from` without an instant, or a local time for less than days
};

/// The position and the reason of a failure to parse a cron expression. A small value, usable in constant expressions.
struct parse_failure {
  cron_fault why = cron_fault::none;
  cron_field where = cron_field::second;  ///< the field's meaning, where `field` is not 0
  std::uint8_t field = 0;                 ///< counted from 1 as written; 0: the whole expression
  std::uint32_t position = 0;             ///< bytes before the wrong character
  std::uint32_t length = 0;               ///< bytes of the wrong part
  std::int32_t value = 0;                 ///< the number that is wrong, where it is one
};

namespace detail {

/// Prepares a text for a message: bytes that no terminal should get are written as `\x00`; a long text is cut.
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

/// The length of the UTF-8 character that begins at a byte, or 1 where none does.
constexpr std::size_t character_length(std::string_view text, std::size_t at) noexcept {
  auto const first = static_cast<unsigned char>(text[at]);
  std::size_t const length = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
  for (std::size_t i = 1; i < length; ++i)
    if (at + i >= text.size() || (static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 1;
  return length;
}

/// A character that word processors and web pages use in place of another one.
struct lookalike {
  std::string_view bytes;
  std::string_view name;
  std::string_view remedy;
};

inline constexpr std::string_view instead_of_space = "write an ordinary space in its place";
inline constexpr std::string_view instead_of_quote = "leave it out, or write ' or \" around the whole";
inline constexpr std::string_view instead_of_hyphen = "write - in its place";
inline constexpr std::string_view instead_of_star = "write * in its place";
inline constexpr std::string_view instead_of_slash = "write / in its place";
inline constexpr std::string_view instead_of_comma = "write , in its place";
inline constexpr std::string_view instead_of_nothing = "it cannot be seen: delete it";

inline constexpr std::array<lookalike, 31> lookalikes{{{"\xC2\xA0", "a no-break space (U+00A0)", instead_of_space},
                                                       {"\xE2\x80\x87", "a figure space (U+2007)", instead_of_space},
                                                       {"\xE2\x80\x89", "a thin space (U+2009)", instead_of_space},
                                                       {"\xE2\x80\xAF", "a narrow no-break space (U+202F)", instead_of_space},
                                                       {"\xE3\x80\x80", "an ideographic space (U+3000)", instead_of_space},
                                                       {"\xE2\x80\x8B", "a zero-width space (U+200B)", instead_of_nothing},
                                                       {"\xE2\x81\xA0", "a word joiner (U+2060)", instead_of_nothing},
                                                       {"\xEF\xBB\xBF", "a byte order mark (U+FEFF)", instead_of_nothing},
                                                       {"\xE2\x80\x98", "a curly quotation mark (U+2018)", instead_of_quote},
                                                       {"\xE2\x80\x99", "a curly quotation mark (U+2019)", instead_of_quote},
                                                       {"\xE2\x80\x9A", "a curly quotation mark (U+201A)", instead_of_quote},
                                                       {"\xE2\x80\x9C", "a curly quotation mark (U+201C)", instead_of_quote},
                                                       {"\xE2\x80\x9D", "a curly quotation mark (U+201D)", instead_of_quote},
                                                       {"\xE2\x80\x9E", "a curly quotation mark (U+201E)", instead_of_quote},
                                                       {"\xC2\xAB", "an angle quotation mark (U+00AB)", instead_of_quote},
                                                       {"\xC2\xBB", "an angle quotation mark (U+00BB)", instead_of_quote},
                                                       {"\xC2\xB4", "an acute accent (U+00B4)", instead_of_quote},
                                                       {"\xE2\x80\x90", "a typographic hyphen (U+2010)", instead_of_hyphen},
                                                       {"\xE2\x80\x91", "a no-break hyphen (U+2011)", instead_of_hyphen},
                                                       {"\xE2\x80\x93", "an en dash (U+2013)", instead_of_hyphen},
                                                       {"\xE2\x80\x94", "an em dash (U+2014)", instead_of_hyphen},
                                                       {"\xE2\x88\x92", "a minus sign (U+2212)", instead_of_hyphen},
                                                       {"\xC2\xAD", "a soft hyphen (U+00AD)", instead_of_nothing},
                                                       {"\xE2\x88\x97", "an asterisk operator (U+2217)", instead_of_star},
                                                       {"\xEF\xBC\x8A", "a fullwidth asterisk (U+FF0A)", instead_of_star},
                                                       {"\xC3\x97", "a multiplication sign (U+00D7)", instead_of_star},
                                                       {"\xE2\x88\x95", "a division slash (U+2215)", instead_of_slash},
                                                       {"\xE2\x81\x84", "a fraction slash (U+2044)", instead_of_slash},
                                                       {"\xEF\xBC\x8F", "a fullwidth slash (U+FF0F)", instead_of_slash},
                                                       {"\xEF\xBC\x8C", "a fullwidth comma (U+FF0C)", instead_of_comma},
                                                       {"\xE2\x80\xA2", "a bullet (U+2022)", instead_of_star}}};

/// The lookalike at a position of a text, or null.
inline lookalike const* lookalike_at(std::string_view text, std::size_t at) noexcept {
  for (auto const& known : lookalikes)
    if (text.substr(at).starts_with(known.bytes)) return &known;
  return nullptr;
}

/// Describes an unexpected character: `unexpected 'x'`, or a lookalike by its name, with a remedy.
inline std::string unexpected_words(std::string_view character) {
  if (character.size() > 1)
    if (auto const* const known = lookalike_at(character, 0))
      return std::string{known->name} + " stands here; " + std::string{known->remedy};
  if (character == "\n" || character == "\r") return "a line break stands here; write all of it in one line";
  std::string text = "unexpected '" + shown(character, 20) + "'";
  if (character == "\"" || character == "'" || character == "`") return text + "; the quotation marks are no part of it";
  return text;
}

inline constexpr std::array<std::string_view, 10> cron_nicknames{"@yearly",   "@annually", "@monthly",      "@weekly",       "@daily",
                                                                 "@midnight", "@hourly",   "@every_minute", "@every_second", "@every"};

template <std::size_t N>
std::string listed(std::array<std::string_view, N> const& words) {
  std::string result;
  for (auto const word : words) (result += result.empty() ? "" : " ") += word;
  return result;
}

inline std::string describe_names(cron_field field) {
  if (field == cron_field::month) return "no month (" + listed(month_names) + ")";
  if (field == cron_field::day_of_week) return "no day of the week (" + listed(weekday_names) + ")";
  if (field == cron_field::day_of_month) return "no day of the month (a number, L, L-3, LW, L-3W or 15W)";
  return "no number";
}

/// The remedy for a step longer than its field, which begins anew with each hour, day, month, week or year.
inline std::string step_remedy(parse_failure const& failure, std::string const& step) {
  auto const once = [&](int size, std::string const& unit) {
    return failure.value == size ? "; for once " + unit + " write 0 in this field" : std::string{};
  };
  auto const anew = [&](char const* what, char const* unit, char const* example) {
    std::string const length = failure.value <= 1000 ? step + unit : example;
    return std::string{", and "} + what + " begin anew; for an interval write \"@every " + length + "\"";
  };
  switch (failure.where) {
    case cron_field::second: return failure.value == 60 ? once(60, "a minute") : anew("the seconds of each minute", "s", "90s");
    case cron_field::minute: return failure.value == 60 ? once(60, "an hour") : anew("the minutes of each hour", "m", "90m");
    case cron_field::hour: return failure.value == 24 ? once(24, "a day") : anew("the hours of each day", "h", "36h");
    case cron_field::day_of_month: return anew("the days of each month", "d", "45d");
    case cron_field::day_of_week:
      return failure.value == 7 ? "; for every day write *, for once a week write its day, such as 0 or SUN"
                                : anew("the days of each week", "d", "10d");
    case cron_field::month:
    case cron_field::year: break;
  }
  return {};
}

inline std::string describe(std::string_view text, parse_failure const& failure) {
  auto const& rule = rule_of(failure.where);
  std::string_view const part = text.substr(failure.position < text.size() ? failure.position : text.size(), failure.length);
  // Numbers may be longer than any integer, so the message shows them as written.
  std::string const written = shown(part, 20);
  switch (failure.why) {
    case cron_fault::none: return {};
    case cron_fault::empty: return "it is empty; write five fields: minute, hour, day of month, month, day of week";
    case cron_fault::field_count:
      return std::to_string(failure.value) + (failure.value == 1 ? " field" : " fields") +
             ", but there must be 5, or 6 with seconds first, or 7 with the year last";
    case cron_fault::unexpected_character:
      return unexpected_words(part) +
             (part == "?" ? "; it stands alone in the day of the month or of the week, everywhere else write *" : "");
    case cron_fault::value_missing: return "a value is missing" + (written.empty() ? std::string{} : " before '" + written + "'");
    case cron_fault::value_above: return written + " is above " + std::to_string(rule.written_high);
    case cron_fault::value_below: return written + " is below " + std::to_string(rule.low);
    case cron_fault::unknown_name: return "\"" + written + "\" is " + describe_names(failure.where);
    case cron_fault::step_zero: return "a step must be at least 1";
    case cron_fault::step_above: return "step " + written + " is above " + std::to_string(rule.high) + step_remedy(failure, written);
    case cron_fault::reversed_years: return "the years " + written + " run backwards";
    case cron_fault::bare_last: return "L needs its day: 5L or FRIL is the last Friday of the month";
    case cron_fault::bad_occurrence: return "'#' needs a number from 1 to 5, or L, after it";
    case cron_fault::before_month: return "no month has a day " + written + " days before its last: at most 30";
    case cron_fault::bad_hash: return "H stands alone in its field, as H, H(0-29), H/15 or H(0-29)/10";
    case cron_fault::hash_step:
      return "step " + written + " is above " + std::to_string(failure.value) + ", the number of values that H chooses from" +
             (failure.where == cron_field::day_of_month && failure.value == 28
                  ? "; the days 29 to 31 are not among them, as not every month has them: write H(1-31)/" + written + " to take them in"
                  : "");
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

/// Thrown when a text is not a cron expression. `what()` is such as `cron expression "0 24 * * *", field 2 (hour), column 3: 24
/// is above 23`.
class cron_error : public error {
 public:
  /// \param text the text that was parsed
  /// \param failure the position and the reason
  cron_error(std::string_view text, parse_failure const& failure)
      : error(errc::invalid_argument, message(text, failure)), failure_(failure) {}

  /// Bytes before the wrong character, from 0.
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
