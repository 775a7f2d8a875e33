#ifndef VISOR_CRON_PHRASE_WORDS_HPP
#define VISOR_CRON_PHRASE_WORDS_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"
#include "visor/cron/parse_failure.hpp"
#include "visor/cron/parser.hpp"
#include "visor/cron/words.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The words that time phrases are made of, each by itself.
namespace visor {

/// Thrown when a phrase is not understood. `what()` is such as `time phrase "every fryday", column 7: "fryday" is not
/// understood; did you mean friday?`.
class phrase_error : public error {
 public:
  /// \param text the phrase
  /// \param position bytes before the wrong character
  /// \param why the reason
  phrase_error(std::string_view text, std::size_t position, std::string const& why)
      : error(errc::invalid_argument, "time phrase \"" + detail::shown(text) + "\", column " + std::to_string(position + 1) + ": " + why),
        position_(position),
        why_(why) {}

  /// Bytes before the wrong character, from 0.
  std::size_t position() const noexcept { return position_; }
  /// The reason, without the phrase and the position.
  std::string const& why() const noexcept { return why_; }

 private:
  std::size_t position_;
  std::string why_;
};

namespace detail {

enum class phrase_unit { second, minute, hour, day, week, month, year };

/// The parts of a phrase, independent of their order.
struct phrase_parts {
  std::size_t subject = 0;  ///< the position of an error when the parts do not go together

  bool recurs = false;
  phrase_unit every = phrase_unit::day;
  std::int64_t count = 1;
  std::optional<duration> period;  ///< `every 1h30m`

  std::optional<duration> ahead;  ///< `in 2 hours`
  std::optional<instant> exact;
  std::optional<std::chrono::local_days> date;
  std::optional<int> days_from_today;
  bool after_today = false;  ///< `next Monday`

  std::vector<std::chrono::seconds> times;
  std::uint32_t weekdays = 0;
  std::uint32_t month_days = 0;
  bool last_day = false;
  std::uint64_t nth_weekdays = 0;  ///< as in `cron_fields`
  std::uint32_t last_weekdays = 0;
  bool weekend = false;
};

/// Whether a text that is neither was meant as a cron expression and not as a phrase. The minute and the hour of every cron
/// expression are numbers or `H`. A date or a time is one word, or has letters or a colon.
inline bool is_meant_as_cron(std::string_view text) noexcept {
  constexpr std::string_view blanks = " \t\r\n";
  std::size_t const first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return false;
  if (text[first] == '@' || text[first] == '*' || text[first] == '?') return true;
  std::size_t const second = text.find_first_not_of(blanks, std::min(text.find_first_of(blanks, first), text.size()));
  if (second == std::string_view::npos) return false;
  std::string_view const both = text.substr(first, text.find_first_of(blanks, second) - first);
  return both.find_first_not_of("0123456789,-*/?Hh() \t") == std::string_view::npos;
}

/// Words to suggest in place of an unknown one.
inline constexpr std::array<std::string_view, 63> phrase_words{
    "in",         "at",        "on",       "every",     "each",      "next",     "this",   "today",    "tomorrow", "and",      "the",
    "of",         "noon",      "midnight", "morning",   "evening",   "second",   "minute", "hour",     "day",      "week",     "month",
    "year",       "seconds",   "minutes",  "hours",     "days",      "weeks",    "months", "years",    "weekday",  "weekdays", "weekend",
    "weekends",   "hourly",    "daily",    "weekly",    "monthly",   "yearly",   "other",  "first",    "third",    "fourth",   "fifth",
    "last",       "sunday",    "monday",   "tuesday",   "wednesday", "thursday", "friday", "saturday", "sundays",  "mondays",  "tuesdays",
    "wednesdays", "thursdays", "fridays",  "saturdays", "one",       "two",      "three",  "through"};

inline std::optional<int> named_hour(std::string_view text) {
  if (text == "midnight") return 0;
  if (text == "morning") return 9;
  if (text == "noon") return 12;
  if (text == "evening") return 18;
  return std::nullopt;
}

inline std::optional<phrase_unit> unit_of(std::string_view word, bool& plural) {
  struct unit_name {
    std::string_view name;
    phrase_unit unit;
  };
  static constexpr std::array<unit_name, 13> names{{{"second", phrase_unit::second},
                                                    {"sec", phrase_unit::second},
                                                    {"s", phrase_unit::second},
                                                    {"minute", phrase_unit::minute},
                                                    {"min", phrase_unit::minute},
                                                    {"m", phrase_unit::minute},
                                                    {"hour", phrase_unit::hour},
                                                    {"h", phrase_unit::hour},
                                                    {"day", phrase_unit::day},
                                                    {"d", phrase_unit::day},
                                                    {"week", phrase_unit::week},
                                                    {"month", phrase_unit::month},
                                                    {"year", phrase_unit::year}}};
  for (auto const& known : names) {
    plural = word.size() == known.name.size() + 1 && word.back() == 's' && word.starts_with(known.name);
    if (word == known.name || (plural && known.name.size() > 1)) return known.unit;
  }
  plural = false;
  return std::nullopt;
}

struct day_set {
  std::uint32_t weekdays;
  bool plural;
  bool weekend;
};

inline std::optional<day_set> day_set_of(std::string_view word) {
  bool const plural = word.size() > 4 && word.back() == 's';
  if (word == "weekday" || word == "weekdays") return day_set{0x3E, plural, false};
  if (word == "weekend" || word == "weekends") return day_set{0x41, plural, true};
  for (std::size_t i = 0; i < long_weekdays.size(); ++i) {
    auto const name = long_weekdays[i];
    if (same_word(word, name) || same_word(word, name.substr(0, 3))) return day_set{1u << i, false, false};
    if (plural && same_word(word.substr(0, word.size() - 1), name)) return day_set{1u << i, true, false};
  }
  return std::nullopt;
}

/// The days from `monday` to `friday`, also around the end of the week.
inline std::optional<day_set> day_range(std::string_view first, std::string_view last) {
  auto const from = day_set_of(first);
  auto const to = day_set_of(last);
  if (!from || !to || !std::has_single_bit(from->weekdays) || !std::has_single_bit(to->weekdays) || from->weekdays == to->weekdays)
    return std::nullopt;
  day_set range{from->weekdays, true, false};
  for (int day = first_bit(from->weekdays); !has_bit(to->weekdays, day);) {
    day = (day + 1) % 7;
    range.weekdays |= 1u << day;
  }
  return range;
}

inline std::optional<int> ordinal_number(std::string_view word) {
  std::size_t digits = 0;
  int number = 0;
  for (; digits < word.size() && digits < 3 && is_digit(word[digits]); ++digits) number = number * 10 + (word[digits] - '0');
  if (digits == 0 || word.substr(digits) != ordinal_ending(number)) return std::nullopt;
  return number;
}

/// `first` to `fifth`, `1st` to `31st`; `last` is 0.
inline std::optional<int> ordinal_of(std::string_view word) {
  constexpr std::array<std::string_view, 6> names{"last", "first", "second", "third", "fourth", "fifth"};
  for (std::size_t i = 0; i < names.size(); ++i)
    if (word == names[i]) return static_cast<int>(i);
  return ordinal_number(word);
}

}  // namespace detail
}  // namespace visor

#endif
