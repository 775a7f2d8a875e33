#ifndef VISOR_CRON_PHRASE_PARSER_HPP
#define VISOR_CRON_PHRASE_PARSER_HPP

#include "visor/base/nearest_name.hpp"
#include "visor/base/time.hpp"
#include "visor/cron/fields.hpp"
#include "visor/cron/parse_failure.hpp"
#include "visor/cron/parser.hpp"
#include "visor/cron/phrase_words.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor {
namespace detail {

/// Splits the words of a phrase into its parts. It knows words, but not their meaning together.
class phrase_parser {
 public:
  explicit phrase_parser(std::string_view text) : text_(text) { split(); }

  phrase_parts parse() {
    if (words_.empty()) throw phrase_error{text_, 0, "it is empty; write such as \"every weekday at 9am\" or \"in 2 hours\""};
    parts_.subject = words_.front().position;
    while (!done()) parse_part();
    check();
    return std::move(parts_);
  }

 private:
  struct token {
    std::string text;
    std::size_t position;
  };

  void split() {
    auto const separates = [](char c) { return is_blank(c) || is_line_break(c); };
    for (std::size_t at = 0; at < text_.size();) {
      if (separates(text_[at])) {
        ++at;
        continue;
      }
      refuse_lookalike(at);
      token next{{}, at};
      if (text_[at] == ',') {
        next.text = text_[at++];
      } else {
        for (; at < text_.size() && !separates(text_[at]) && text_[at] != ','; ++at) {
          refuse_lookalike(at);
          next.text += text_[at] >= 'A' && text_[at] <= 'Z' ? static_cast<char>(text_[at] - 'A' + 'a') : text_[at];
        }
      }
      words_.push_back(std::move(next));
    }
  }

  void refuse_lookalike(std::size_t at) const {
    if (lookalike_at(text_, at) != nullptr) throw phrase_error{text_, at, unexpected_words(text_.substr(at, character_length(text_, at)))};
  }

  bool done() const { return at_ == words_.size(); }
  std::string_view here(std::size_t ahead = 0) const {
    return at_ + ahead < words_.size() ? std::string_view{words_[at_ + ahead].text} : "";
  }
  std::size_t position() const { return done() ? text_.size() : words_[at_].position; }
  bool take(std::string_view wanted) {
    if (here() != wanted) return false;
    ++at_;
    return true;
  }

  [[noreturn]] void fail(std::string const& why) const { throw phrase_error{text_, position(), why}; }

  [[noreturn]] void refuse() const {
    if (done()) fail("the phrase ends too early");
    auto const near = nearest(here(), phrase_words);
    std::string why = "\"" + shown(here(), 20) + "\" is not understood";
    if (near == here()) why += " in this place";
    if (!near.empty() && near != here()) why += "; did you mean " + std::string{near} + "?";
    if (near.empty()) why += "; write such as \"every weekday at 9am\", \"every 45 minutes\", \"tomorrow at noon\" or \"in 2 hours\"";
    fail(why);
  }

  // Dates and instants.

  bool parse_date() {
    std::string_view const word = here();
    if (word.size() < 10 || word[4] != '-' || word[7] != '-') return false;
    if (parts_.date || parts_.exact) refuse();
    int year = 0, month = 0, day = 0;
    std::string_view rest = word;
    if (!take_digits(rest, 4, year) || !take_char(rest, '-') || !take_digits(rest, 2, month) || !take_char(rest, '-') ||
        !take_digits(rest, 2, day))
      return false;
    std::chrono::year_month_day const date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    if (!date.ok()) fail("there is no such day");
    if (rest.empty()) {
      parts_.date = std::chrono::local_days{date};
      ++at_;
      return true;
    }
    if (auto const whole = parse_instant(word)) {
      parts_.exact = *whole;
      ++at_;
      return true;
    }
    // Without an offset the time is on the wall clock of the zone.
    std::optional<std::chrono::seconds> const time = take_char(rest, 't') ? clock_time(rest) : std::nullopt;
    if (!time) fail("that is no instant; write such as 2026-11-21T14:00:00Z or 2026-11-21 14:00");
    if (!parts_.times.empty()) fail("a second time of the day");
    parts_.date = std::chrono::local_days{date};
    parts_.times.push_back(*time);
    ++at_;
    return true;
  }

  // Times of the day.

  /// Reads `9:30` or `14:00:15`. Nothing for any other text; an impossible time is refused.
  std::optional<std::chrono::seconds> clock_time(std::string_view text) const {
    std::array<int, 3> parts{};
    std::size_t count = 0;
    while (count < 3) {
      std::size_t digits = 0;
      while (digits < text.size() && is_digit(text[digits])) ++digits;
      if (digits == 0 || digits > 2 || (count > 0 && digits != 2)) return std::nullopt;
      if (!take_digits(text, static_cast<int>(digits), parts[count])) return std::nullopt;
      ++count;
      if (!take_char(text, ':')) break;
    }
    if (!text.empty() || count < 2) return std::nullopt;
    if (parts[0] > 23) fail(std::to_string(parts[0]) + " is above 23, the last hour of a day");
    if (parts[1] > 59 || parts[2] > 59) fail(std::to_string(parts[1] > 59 ? parts[1] : parts[2]) + " is above 59");
    return std::chrono::hours{parts[0]} + std::chrono::minutes{parts[1]} + std::chrono::seconds{parts[2]};
  }

  /// Takes the time at the current word, if there is one: `noon`, `9am`, `9:30 pm`, `14:00`.
  std::optional<std::chrono::seconds> time_here() {
    if (auto const hour = named_hour(here())) {
      ++at_;
      return std::chrono::hours{*hour};
    }
    std::string_view digits = here();
    if (digits.empty() || !is_digit(digits.front())) return std::nullopt;
    std::size_t used = 1;
    std::string_view half;
    if (digits.ends_with("am") || digits.ends_with("pm")) {
      half = digits.substr(digits.size() - 2);
      digits.remove_suffix(2);
    } else if (here(1) == "am" || here(1) == "pm") {
      half = here(1);
      used = 2;
    }
    int bare = 0;
    std::string_view rest = digits;
    bool const is_bare = digits.size() <= 2 && take_digits(rest, static_cast<int>(digits.size()), bare);
    std::optional<std::chrono::seconds> time;
    if (is_bare && !half.empty())
      time = std::chrono::hours{bare};
    else
      time = clock_time(digits);
    if (!time) return std::nullopt;
    if (!half.empty()) {
      auto const hour = *time / std::chrono::hours{1};
      if (hour < 1 || hour > 12) fail("am and pm go with 1 to 12");
      *time += std::chrono::hours{(half == "pm" ? 12 : 0) - (hour == 12 ? 12 : 0)};
    }
    at_ += used;
    return time;
  }

  void parse_times() {
    if (!parts_.times.empty()) fail("a second time of the day; join times by \"and\"");
    bool const announced = take("at");
    do {
      std::size_t const before = at_;
      auto const time = time_here();
      if (!time) {
        if (announced && !here().empty() && here().find_first_not_of("0123456789") == std::string_view::npos)
          fail("is \"" + shown(here(), 20) + "\" a time? Write 9am, 9pm or 09:00");
        refuse();
      }
      for (auto const known : parts_.times)
        if (known == *time) {
          at_ = before;
          fail("the same time twice");
        }
      parts_.times.push_back(*time);
    } while (take_and([this] { return time_follows(); }));
  }

  bool time_follows() const {
    std::string_view const next = here();
    return named_hour(next) || (!next.empty() && is_digit(next.front()) && !ordinal_number(next));
  }

  /// Takes `and`, a comma or both, if the next word belongs to the same list.
  template <class Follows>
  bool take_and(Follows const& follows) {
    std::size_t const before = at_;
    bool const comma = take(",");
    bool const conjunction = take("and");
    if ((comma || conjunction) && !done() && (take("at"), follows())) return true;
    at_ = before;
    return false;
  }

  // Days.

  struct days_in_words {
    day_set days;
    std::size_t words;
  };

  /// The days at the current word: `monday`, `weekdays`, `mon-fri`, `monday through friday`. A range is plural.
  std::optional<days_in_words> days_here() const {
    std::string_view const word = here();
    if (std::size_t const hyphen = word.find('-'); hyphen != std::string_view::npos)
      if (auto const range = day_range(word.substr(0, hyphen), word.substr(hyphen + 1))) return days_in_words{*range, 1};
    auto const days = day_set_of(word);
    if (!days) return std::nullopt;
    constexpr std::array<std::string_view, 4> joints{"through", "thru", "to", "-"};
    if (std::find(joints.begin(), joints.end(), here(1)) != joints.end())
      if (auto const range = day_range(word, here(2))) return days_in_words{*range, 3};
    return days_in_words{*days, 1};
  }

  /// Takes days, `weekday` or `weekend` at the current word.
  bool parse_weekday(bool recurs) {
    auto const found = days_here();
    if (!found) return false;
    auto const* const days = &found->days;
    if (!recurs && std::popcount(days->weekdays) > 1 && !days->plural) refuse();
    if ((parts_.weekdays & days->weekdays) != 0) fail("the same day twice");
    parts_.weekdays |= days->weekdays;
    parts_.weekend = parts_.weekend || days->weekend;
    if (days->plural || recurs) set_recurs(phrase_unit::day);
    at_ += found->words;
    if (take_and([this] { return days_here().has_value(); })) return parse_weekday(recurs);
    return true;
  }

  /// Takes `the 15th`, `the 1st and the 15th`, `the last day`, `the first monday`; then perhaps `of the month`, `of every
  /// month`.
  bool parse_ordinal() {
    std::size_t const before = at_;
    bool const article = take("the");
    auto const nth = ordinal_of(here());
    if (!nth) {
      at_ = before;
      return false;
    }
    auto const days = day_set_of(here(1));
    if (days && !days->plural && std::popcount(days->weekdays) == 1) {
      int const weekday = first_bit(days->weekdays);
      if (*nth > 5) fail("a month has at most five of each weekday");
      if (*nth == 0)
        parts_.last_weekdays |= days->weekdays;
      else
        parts_.nth_weekdays |= std::uint64_t{1} << (7 * (*nth - 1) + weekday);
      at_ += 2;
    } else if (*nth == 0) {
      ++at_;
      if (!take("day")) refuse();
      parts_.last_day = true;
    } else if (!is_digit(here().front()) && here(1) != "day") {
      // `second` is a unit as well.
      if (article) {
        ++at_;
        refuse();
      }
      at_ = before;
      return false;
    } else {
      if (*nth < 1 || *nth > 31) fail("a month has 31 days at most");
      parts_.month_days |= std::uint32_t{1} << *nth;
      ++at_;
      take("day");
    }
    if (take("of")) {
      if (!take("the") && !take("every") && !take("each")) refuse();
      if (!take("month")) refuse();
      set_recurs(phrase_unit::month);
    }
    if (take_and([this] { return here() == "the" || ordinal_of(here()).has_value(); })) {
      if (!parse_ordinal()) refuse();
    }
    return true;
  }

  // Parts.

  void set_recurs(phrase_unit unit) {
    if (!parts_.recurs || unit == phrase_unit::month) parts_.every = unit;
    parts_.recurs = true;
  }

  std::optional<std::int64_t> number_here() {
    constexpr std::array<std::string_view, 12> names{"one",   "two",   "three", "four", "five",   "six",
                                                     "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
    std::string_view const word = here();
    if (word == "a" || word == "an") {
      ++at_;
      return 1;
    }
    for (std::size_t i = 0; i < names.size(); ++i)
      if (word == names[i]) {
        ++at_;
        return static_cast<std::int64_t>(i) + 1;
      }
    constexpr std::int64_t enough = 10'000'000'000;
    std::int64_t number = 0;
    for (char const c : word) {
      if (!is_digit(c)) return std::nullopt;
      if (number < enough) number = number * 10 + (c - '0');
    }
    if (word.empty()) return std::nullopt;
    if (number == 0 || number >= enough) fail(number == 0 ? "the number must be at least 1" : "the number is too large");
    ++at_;
    return number;
  }

  void parse_part() {
    if (parse_date()) return;
    if (here() == "at" || time_follows_alone()) return parse_times();
    if (take("in")) return parse_ahead();
    if (here() == "every" || here() == "each") return parse_every();
    if (parse_adverb()) return;
    if (here() == "today" || here() == "tomorrow") {
      if (parts_.days_from_today) refuse();
      parts_.days_from_today = here() == "today" ? 0 : 1;
      ++at_;
      return;
    }
    if (here() == "next" || here() == "this") {
      bool const next = here() == "next";
      parts_.after_today = next;
      ++at_;
      if (!next && named_hour(here())) {  // `this evening`
        parts_.days_from_today = 0;
        return;
      }
      auto const days = day_set_of(here());
      if (!days || days->plural || std::popcount(days->weekdays) != 1 || parts_.weekdays != 0) refuse();
      parts_.weekdays = days->weekdays;
      ++at_;
      return;
    }
    take("on");
    if (parse_date()) return;
    // A second list of days would be ambiguous.
    if (has_days()) refuse();
    if (!parse_ordinal() && !parse_weekday(false)) refuse();
  }

  bool time_follows_alone() const {
    std::string_view const next = here();
    if (named_hour(next)) return true;
    if (next.empty() || !is_digit(next.front()) || ordinal_number(next)) return false;
    return next.find(':') != std::string_view::npos || next.ends_with("am") || next.ends_with("pm") || here(1) == "am" || here(1) == "pm";
  }

  bool parse_adverb() {
    struct adverb {
      std::string_view name;
      phrase_unit unit;
    };
    static constexpr std::array<adverb, 6> adverbs{{{"hourly", phrase_unit::hour},
                                                    {"daily", phrase_unit::day},
                                                    {"weekly", phrase_unit::week},
                                                    {"monthly", phrase_unit::month},
                                                    {"yearly", phrase_unit::year},
                                                    {"annually", phrase_unit::year}}};
    for (auto const& known : adverbs) {
      if (here() != known.name) continue;
      begin_every();
      parts_.every = known.unit;
      every_day_ = known.unit == phrase_unit::day;
      ++at_;
      return true;
    }
    return false;
  }

  void begin_every() {
    if (every_seen_) refuse();
    every_seen_ = true;
    parts_.recurs = true;
    parts_.subject = position();
  }

  /// Reads the words after `in`: numbers and units, the larger first, or `1h30m`.
  void parse_ahead() {
    if (parts_.ahead) refuse();
    parts_.subject = position();
    if (auto const compact = parse_duration(here())) {
      parts_.ahead = *compact;
      ++at_;
      return;
    }
    duration total{0};
    do {
      auto const number = number_here();
      if (!number) refuse();
      total += length_of(*number);
      if (total > std::chrono::seconds{longest_ahead}) fail("that is more than 100 years");
    } while (number_follows() || take_and([this] { return number_follows(); }));
    parts_.ahead = total;
  }

  bool number_follows() const {
    return !here().empty() && (here().find_first_not_of("0123456789") == std::string_view::npos || here() == "a" || here() == "an");
  }

  duration length_of(std::int64_t number) {
    bool plural = false;
    auto const unit = unit_of(here(), plural);
    if (!unit) refuse();
    if (*unit == phrase_unit::month || *unit == phrase_unit::year) fail("months and years differ in length; write days or a date");
    constexpr std::array<std::int64_t, 5> seconds{1, 60, 3'600, 86'400, 604'800};
    std::int64_t const scale = seconds[static_cast<std::size_t>(*unit)];
    if (number > longest_ahead / scale) fail("that is more than 100 years");
    ++at_;
    return std::chrono::seconds{number * scale};
  }

  /// Reads the words after `every`: a number and a unit, a unit, days, a day in the month, or a time of the day.
  void parse_every() {
    begin_every();
    ++at_;
    if (take("other")) {
      parts_.count = 2;
      auto const days = day_set_of(here());
      if (!days || days->plural || std::popcount(days->weekdays) != 1) return parse_unit();
      parts_.every = phrase_unit::week;
      parts_.weekdays = days->weekdays;
      ++at_;
      return;
    }
    if (auto const compact = parse_duration(here())) {
      if (*compact < std::chrono::seconds{1}) fail("an interval is at least a second");
      if (*compact >= std::chrono::days{1} && *compact % std::chrono::days{1} == duration{0}) {
        parts_.count = *compact / std::chrono::days{1};  // `every 2d` is `every 2 days`
      } else {
        parts_.period = *compact;
        parts_.count = 0;
      }
      ++at_;
      return;
    }
    if (here() == "second" && !day_set_of(here(1)) && here(1) != "day") return parse_unit();
    std::size_t const before = at_;
    std::string const name{here(1)};
    if (auto const nth = ordinal_of(here()); parse_ordinal()) {
      if (parts_.every != phrase_unit::month && nth != 0 && nth != 1 && (name == "day" || day_set_of(name))) {
        at_ = before;
        fail("that could mean two things; write \"every other " + name + "\" or \"the " + words_[before].text + " " + name +
             " of every month\"");
      }
      set_recurs(phrase_unit::month);
      return;
    }
    if (auto const number = number_here()) {
      parts_.count = *number;
      return parse_unit();
    }
    if (parse_weekday(true)) return;
    if (named_hour(here())) return;  // `every morning`: the time is the next part
    parse_unit();
  }

  void parse_unit() {
    bool plural = false;
    auto const unit = unit_of(here(), plural);
    if (!unit || (plural && parts_.count == 1)) refuse();
    constexpr std::array<std::int64_t, 7> seconds{1, 60, 3'600, 86'400, 604'800, 0, 0};
    if (auto const scale = seconds[static_cast<std::size_t>(*unit)]; scale != 0 && parts_.count > longest_ahead / scale)
      fail("that is more than 100 years");
    parts_.every = *unit;
    every_day_ = *unit == phrase_unit::day;
    ++at_;
  }

  bool has_month_days() const { return parts_.month_days != 0 || parts_.last_day || parts_.nth_weekdays != 0 || parts_.last_weekdays != 0; }
  bool has_days() const { return parts_.weekdays != 0 || has_month_days(); }

  /// Refuses parts that cannot stand together.
  void check() const {
    auto const together = [this](bool wrong, char const* why) {
      if (wrong) throw phrase_error{text_, parts_.subject, why};
    };
    bool const dated = parts_.date || parts_.exact;
    together(parts_.recurs && (parts_.ahead || parts_.days_from_today || parts_.after_today || dated),
             "once and again and again do not go together");
    together(every_day_ && has_days(), "every day and a certain day do not go together");
    if (parts_.recurs) return;
    together(has_month_days(), "which month? Write \"of every month\", or the whole date as 2026-11-21");
    together(std::popcount(parts_.weekdays) > 1, "it names two days; write \"every\" for a recurrence");
    together((parts_.ahead ? 1 : 0) + (parts_.days_from_today ? 1 : 0) + (parts_.weekdays != 0 ? 1 : 0) + (dated ? 1 : 0) > 1,
             "it names two days");
    together(parts_.exact && !parts_.times.empty(), "an instant has its time already");
  }

  static constexpr std::int64_t longest_ahead = 100LL * 366 * 86'400;

  std::string_view text_;
  std::vector<token> words_;
  std::size_t at_ = 0;
  bool every_seen_ = false;
  bool every_day_ = false;  // in these words, so that no day can be meant as well
  phrase_parts parts_;
};

}  // namespace detail
}  // namespace visor

#endif
