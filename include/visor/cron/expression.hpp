#ifndef VISOR_CRON_EXPRESSION_HPP
#define VISOR_CRON_EXPRESSION_HPP

#include "visor/base/time.hpp"
#include "visor/cron/fields.hpp"
#include "visor/cron/parse_failure.hpp"
#include "visor/cron/parser.hpp"
#include "visor/cron/write.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace visor {

class parsed_cron;

/// A recurrence as a cron expression: a small regular value, trivially copyable, about 130 bytes.
///
/// Five fields are minute, hour, day of month, month and day of week; six have seconds first; seven have the year last.
///  - Any field: `*`, a value, `a-b` (also backwards, around the end: `22-2`; not in years), each with `/step`. `a/step` runs
///    to the end of the field. Lists use commas. Months and days of the week may be English names of three letters.
///  - Day of month: `L` the last day, `L-3` three days before it, `15W` the Monday to Friday nearest to the 15th in the same
///    month, `LW` the last Monday to Friday, `L-3W` the one nearest to `L-3`. A month without that day is left out.
///  - Day of week: 0 and 7 are Sunday; `5L` (or `5#L`) the last Friday of the month, `5#2` the second.
///  - `?`, alone in one of the two day fields, is `*`.
///  - `H` is a value that the id of the schedule chooses, so that many schedules do not all fire at the full hour. It is any
///    value of its field; of the days of a month, the 1st to the 28th. With a range, as in `H(0-29)`, it is one value of that.
///    With a step, as in `H/15`, it is every 15th value from one of the first 15 on; in `H(0-29)/10` both are combined. An `H`
///    stands alone in its field and is not for years. See `for_schedule`.
///  - Both day fields: a day matches when either does, as in Unix cron. A field that starts with `*` does not restrict, so then
///    both must match: `0 0 */5 * 1` is a Monday among the days 1, 6, 11, 16, 21, 26 and 31. A `+` before the day of week
///    requires that both match: `0 0 13 * +5` is a Friday the 13th.
///  - Years are 1970 to 2199.
///  - `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`, `@every_minute`, `@every_second`.
///  - `@every 90s`, an interval from one second to 100 years (see `parse_duration`) that is counted in real time from an
///    anchor.
///
/// Letters may be of either case; fields are separated by blanks or tabs; line breaks at the end are ignored.
class cron_expression {
 public:
  /// \param text an expression as above, of any length; linear time
  /// \throws cron_error with the position and the reason; also where no calendar year has a day that matches (`0 0 31 2 *`)
  static cron_expression parse(std::string_view text);

  /// Parses without an exception; usable in constant expressions.
  static constexpr parsed_cron try_parse(std::string_view text) noexcept;

  /// The shortest text that parses to an equal value. Names and nicknames become numbers; `@every` stays.
  std::string to_string() const { return period_ == duration{0} ? detail::write_fields(fields_) : "@every " + visor::to_string(period_); }

  /// Whether this is `@every`: an interval in real time, without relation to a calendar.
  constexpr bool is_interval() const noexcept { return period_ != duration{0}; }
  /// The length of the interval; zero if it is none.
  constexpr duration period() const noexcept { return period_; }

  /// Whether the hour is a frequency, not a time: it is `*`, `*/n`, `a/n` or `H/n`, or has one of these in its list. Such an
  /// expression follows real time when the clocks change; any other names fixed times of the day. See `dst_policy`.
  constexpr bool is_hour_interval() const noexcept { return fields_.hour_interval; }

  /// Whether a field has an `H`.
  constexpr bool has_hash() const noexcept { return fields_.any_hash(); }
  /// The expression with the values that a schedule of this id has for each `H`: the same on every machine and in every
  /// version. Until an id has chosen, the values are those of the empty id. `to_string` writes `H` in either case.
  constexpr cron_expression for_schedule(std::string_view id) const noexcept {
    cron_expression chosen = *this;
    detail::choose_hashes(chosen.fields_, id);
    chosen.fields_.is_chosen = has_hash();
    return chosen;
  }

  /// Whether any calendar year has a day that matches: false only where an id has chosen days for `H` that none has.
  constexpr bool can_fire() const noexcept { return is_interval() || detail::ever_matches(fields_); }

  /// The sets of values, for code that searches or explains.
  constexpr detail::cron_fields const& fields() const noexcept { return fields_; }

  friend bool operator==(cron_expression const&, cron_expression const&) = default;

 private:
  constexpr cron_expression(detail::cron_fields const& fields, duration period) noexcept : fields_(fields), period_(period) {}
  friend class parsed_cron;

  detail::cron_fields fields_;
  duration period_;
};

/// The result of `cron_expression::try_parse`: an expression, or the position and the reason of the failure.
class parsed_cron {
 public:
  constexpr explicit parsed_cron(std::string_view text) noexcept : parsed_(detail::cron_parser{text}.parse()) {}

  constexpr explicit operator bool() const noexcept { return parsed_.failure.why == cron_fault::none; }
  /// The expression. Only when the parse succeeded.
  constexpr cron_expression operator*() const noexcept { return {parsed_.fields, parsed_.period}; }
  /// The position and the reason. `why` is `cron_fault::none` when the parse succeeded.
  constexpr parse_failure const& failure() const noexcept { return parsed_.failure; }

 private:
  detail::parsed_cron_text parsed_;
};

constexpr parsed_cron cron_expression::try_parse(std::string_view text) noexcept { return parsed_cron{text}; }

inline cron_expression cron_expression::parse(std::string_view text) {
  parsed_cron const parsed{text};
  if (!parsed) throw cron_error{text, parsed.failure()};
  return *parsed;
}

inline std::string to_string(cron_expression const& expression) { return expression.to_string(); }

namespace detail {

/// The text of a literal as a template argument.
template <std::size_t N>
struct cron_literal {
  std::array<char, N> text{};
  consteval cron_literal(char const (&literal)[N]) noexcept { std::copy_n(literal, N, text.begin()); }
  constexpr std::string_view view() const noexcept { return {text.data(), N - 1}; }
};

/// Ends the compilation with a sentence about a wrong literal; the compiler names the field and the column beside it.
template <cron_fault Why, int Field, int Column>
consteval void refuse_cron_literal() noexcept {
  static_assert(Why != cron_fault::empty, "cron literal: it is empty");
  static_assert(Why != cron_fault::field_count, "cron literal: there must be 5 fields, or 6 with seconds first, or 7 with the year last");
  static_assert(Why != cron_fault::unexpected_character, "cron literal: unexpected character");
  static_assert(Why != cron_fault::value_missing, "cron literal: a value is missing");
  static_assert(Why != cron_fault::value_above, "cron literal: a value is above the maximum of its field");
  static_assert(Why != cron_fault::value_below, "cron literal: a value is below the minimum of its field");
  static_assert(Why != cron_fault::unknown_name, "cron literal: unknown name");
  static_assert(Why != cron_fault::step_zero, "cron literal: a step must be at least 1");
  static_assert(Why != cron_fault::step_above, "cron literal: a step is longer than its field");
  static_assert(Why != cron_fault::reversed_years, "cron literal: the years run backwards");
  static_assert(Why != cron_fault::bare_last, "cron literal: L needs its day of the week, such as 5L");
  static_assert(Why != cron_fault::bad_occurrence, "cron literal: '#' needs a number from 1 to 5, or L, after it");
  static_assert(Why != cron_fault::before_month, "cron literal: L-n reaches back before the month, at most 30 days");
  static_assert(Why != cron_fault::bad_hash, "cron literal: H stands alone in its field, as H, H(0-29), H/15 or H(0-29)/10");
  static_assert(Why != cron_fault::hash_step, "cron literal: the step of H is longer than what H chooses from");
  static_assert(Why != cron_fault::never, "cron literal: it never fires, no year has such a day");
  static_assert(Why != cron_fault::unknown_nickname, "cron literal: unknown nickname");
  static_assert(Why != cron_fault::bad_period, "cron literal: @every needs a length of time of at least a second, such as 90s");
}

}  // namespace detail

inline namespace literals {

/// A cron expression that is checked by the compiler: `"0 2 * * *"_cron`. A wrong one does not compile.
template <detail::cron_literal Text>
consteval cron_expression operator""_cron() noexcept {
  constexpr parsed_cron parsed{Text.view()};
  if constexpr (!parsed) {
    constexpr parse_failure failure = parsed.failure();
    detail::refuse_cron_literal<failure.why, failure.field, static_cast<int>(failure.position) + 1>();
  }
  return *parsed;
}

}  // namespace literals

}  // namespace visor

#endif
