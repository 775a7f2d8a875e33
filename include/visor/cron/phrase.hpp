#ifndef VISOR_CRON_PHRASE_HPP
#define VISOR_CRON_PHRASE_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"
#include "visor/cron/explain.hpp"
#include "visor/cron/phrase_parser.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/cron/time_zone.hpp"

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace visor {

/// The meaning of a phrase.
struct parsed_phrase {
  std::variant<instant, recurrence> when;  ///< one instant, or a recurrence
  std::string canonical;                   ///< the same in the program's own words, to be shown to the author
  bool is_phrase = true;                   ///< false: a cron expression, or `@every`
  std::string note;                        ///< for an instant that the clocks skip or repeat: the choice that was made; empty otherwise
};

namespace detail {

/// Turns the parts of a phrase into an instant or a recurrence.
class phrase_meaning {
 public:
  phrase_meaning(phrase_parts const& parts, std::string_view text, instant now, time_zone const& zone,
                 std::optional<std::string_view> anchor)
      : parts_(parts), text_(text), now_(now), zone_(zone), anchor_(anchor), today_(std::chrono::floor<std::chrono::days>(local(now))) {}

  parsed_phrase resolve() {
    if (parts_.recurs) {
      recurrence const when = parts_.count == 1 ? calendar(parts_.every, 1) : interval();
      if (anchor_ && !when.expression().is_interval()) refuse_anchor("goes with an interval that is no part of an hour or a day");
      return {when, explain(when), true, {}};
    }
    if (anchor_) refuse_anchor("goes with an interval, such as \"every 45 minutes\"");
    instant const when = once();
    if (when <= now_) fail("that is in the past: it is " + to_string(now_) + " now");
    std::string const on_the_clock = to_string(instant{local(when).time_since_epoch()});
    return {when,
            "once at " + on_the_clock.substr(0, 10) + " " + on_the_clock.substr(11, 8) + " " + std::string{zone_.name()} + ", " +
                to_string(when),
            true, note()};
  }

 private:
  using unit = phrase_unit;

  [[noreturn]] void fail(std::string const& why) const { throw phrase_error{text_, parts_.subject, why}; }

  std::chrono::local_seconds local(instant when) const {
    auto const seconds = std::chrono::floor<std::chrono::seconds>(when);
    return std::chrono::local_seconds{seconds.time_since_epoch() + zone_.at(when).offset};
  }

  [[noreturn]] static void refuse_anchor(std::string const& why) { throw error{errc::invalid_argument, "the anchor " + why}; }

  /// Explains the choice for a time that the clocks skip or repeat.
  std::string note() const {
    if (!named_) return {};
    local_lookup const found = zone_.at(*named_);
    auto const clock = [](std::chrono::local_seconds time) {
      std::string const text = to_string(instant{time.time_since_epoch()}).substr(11, 8);
      return text.ends_with(":00") ? text.substr(0, 5) : text;
    };
    std::string const name = clock(*named_);
    std::string const where = " on " + to_string(instant{named_->time_since_epoch()}).substr(0, 10) + " in " + std::string{zone_.name()};
    if (found.what == local_lookup::kind::repeated)
      return name + " comes twice" + where + ": the first one is taken, " + to_string(found.earlier) + "; the second is " +
             to_string(found.later);
    if (found.what == local_lookup::kind::unique) return {};
    std::chrono::local_seconds const before{found.transition.time_since_epoch() +
                                            (named_->time_since_epoch() - found.later.time_since_epoch())};
    std::chrono::local_seconds const after{found.transition.time_since_epoch() +
                                           (named_->time_since_epoch() - found.earlier.time_since_epoch())};
    return "there is no " + name + where + ", where the clocks go from " + clock(before) + " to " + clock(after) + ": " + clock(after) +
           " is taken, the first instant after the gap";
  }

  /// A skipped time is the instant of the clock change; a repeated one is its first occurrence.
  instant at(std::chrono::local_days day, std::chrono::seconds time) {
    named_ = day + time;
    local_lookup const found = zone_.at(std::chrono::local_seconds{day + time});
    return found.what == local_lookup::kind::skipped ? found.transition : found.earlier;
  }

  std::chrono::seconds default_time() const { return std::chrono::hours{parts_.weekend ? 10 : 9}; }
  std::chrono::seconds time() const { return parts_.times.empty() ? default_time() : parts_.times.front(); }

  std::chrono::local_days next_weekday(std::chrono::local_days from, std::uint32_t weekdays) const {
    while (!has_bit(weekdays, static_cast<int>(std::chrono::weekday{from}.c_encoding()))) from += std::chrono::days{1};
    return from;
  }

  instant once() {
    using namespace std::chrono;
    if (parts_.exact) return *parts_.exact;
    if (parts_.times.size() > 1) fail("one instant has one time");
    if (parts_.ahead) {
      if (parts_.times.empty()) return now_ + *parts_.ahead;
      if (*parts_.ahead % days{1} != duration{0}) fail("a time of the day goes with whole days: \"in 2 days at 9am\"");
      return at(today_ + floor<days>(*parts_.ahead), time());
    }
    if (parts_.date) return at(*parts_.date, time());
    if (parts_.days_from_today) return at(today_ + days{*parts_.days_from_today}, time());
    if (parts_.weekdays != 0) {
      local_days const day = next_weekday(parts_.after_today ? today_ + days{1} : today_, parts_.weekdays);
      instant const when = at(day, time());
      return when > now_ ? when : at(next_weekday(day + days{1}, parts_.weekdays), time());
    }
    if (parts_.times.empty()) fail("it names no time");
    instant const when = at(today_, time());
    return when > now_ ? when : at(today_ + days{1}, time());
  }

  bool has_days() const { return parts_.weekdays != 0 || has_month_days(); }
  bool has_month_days() const { return parts_.month_days != 0 || parts_.last_day || parts_.nth_weekdays != 0 || parts_.last_weekdays != 0; }

  recurrence interval() {
    using namespace std::chrono;
    if (parts_.period) {
      duration const period = *parts_.period;
      if (period % hours{1} == duration{0}) return short_interval(unit::hour, period / hours{1});
      if (period % minutes{1} == duration{0}) return short_interval(unit::minute, period / minutes{1});
      if (period % seconds{1} == duration{0}) return short_interval(unit::second, period / seconds{1});
      return from_creation(period);
    }
    switch (parts_.every) {
      case unit::second:
      case unit::minute:
      case unit::hour: return short_interval(parts_.every, parts_.count);
      case unit::day: {
        if (has_days()) fail("\"every " + std::to_string(parts_.count) + " days\" does not go with a day");
        return from_first(days{parts_.count}, today_, every_day);
      }
      case unit::week: {
        if (has_month_days() || std::popcount(parts_.weekdays) > 1) fail("an interval of weeks goes with one day of the week");
        return from_first(days{7 * parts_.count}, today_, parts_.weekdays == 0 ? monday : parts_.weekdays);
      }
      case unit::month: {
        if (12 % parts_.count != 0) fail("the months of a year are counted by 2, 3, 4, 6 or 12");
        return calendar(unit::month, parts_.count);
      }
      case unit::year: break;
    }
    fail("several years are no interval; write the years in a cron expression");
  }

  recurrence from_creation(duration period) const {
    if (!parts_.times.empty() || has_days()) fail("an interval goes with neither a time nor a day");
    if (period < std::chrono::seconds{1}) fail("an interval is at least a second");
    auto const expression = cron_expression::parse("@every " + to_string(period));
    if (!anchor_) return {expression, {{}, std::chrono::floor<std::chrono::seconds>(now_), {}}};
    auto const from = parse_instant(*anchor_);
    if (!from) refuse_anchor("must be an instant, such as 2026-11-21T14:00:00Z");
    return {expression, {{}, *from, {}}};
  }

  /// Follows the wall clock from the beginning of the next larger unit, where the count divides that unit.
  recurrence short_interval(unit every, std::int64_t count) const {
    constexpr std::array<std::int64_t, 3> lengths{1, 60, 3'600};
    constexpr std::array<std::int64_t, 3> in_larger{60, 60, 24};
    auto const index = static_cast<std::size_t>(every);
    if (parts_.times.empty() && in_larger[index] % count == 0) return calendar(every, count);
    return from_creation(std::chrono::seconds{lengths[index] * count});
  }

  recurrence from_first(duration period, std::chrono::local_days from, std::uint32_t weekdays) {
    if (parts_.times.size() > 1) fail("an interval has one time of the day");
    auto const expression = cron_expression::parse("@every " + to_string(period));
    if (anchor_) return {expression, {{}, {}, first_day(weekdays) + time()}};
    std::chrono::local_days const day = next_weekday(from, weekdays);
    std::chrono::local_days const first = at(day, time()) > now_ ? day : next_weekday(day + std::chrono::days{1}, weekdays);
    return {expression, {{}, {}, first + time()}};
  }

  /// The day that the anchor names. If the anchor also names a time, it must be the time of the phrase.
  std::chrono::local_days first_day(std::uint32_t weekdays) const {
    using namespace std::chrono;
    std::string text{*anchor_};
    std::optional<local_seconds> first;
    if (auto const exact = parse_instant(text))
      first = local(*exact);
    else if (auto const written = parse_instant(text + "Z"))
      first = local_seconds{floor<seconds>(written->time_since_epoch())};
    else if (auto const day = parse_instant(text + "T00:00:00Z"))
      first = local_seconds{floor<seconds>(day->time_since_epoch())} + time();
    if (!first) refuse_anchor("must be a day, such as 2026-11-21");
    local_days const day = floor<days>(*first);
    if (*first != day + time()) refuse_anchor("names another time of the day than the phrase; write the day alone, such as 2026-11-21");
    if (!has_bit(weekdays, static_cast<int>(weekday{day}.c_encoding()))) refuse_anchor("is on another day of the week than the phrase");
    return day;
  }

  recurrence calendar(unit every, std::int64_t count) const {
    bool const by_time = every != unit::second && every != unit::minute && every != unit::hour;
    if (!by_time && !parts_.times.empty()) fail("a time of the day does not go with seconds, minutes or hours");
    // 60 minutes are an hour, and 24 hours a day.
    bool const whole = !by_time && count == (every == unit::hour ? 24 : 60);
    std::string const step = whole ? "0" : count == 1 ? "*" : "*/" + std::to_string(count);
    std::string text = every == unit::second ? step + " * *" : every == unit::minute ? step + " *" : "0 " + step;
    if (by_time) text = time_fields();
    switch (every) {
      case unit::year:
        if (has_days()) fail("a day of a year needs its month; write a cron expression");
        return recurrence::parse(text + " 1 1 *");
      case unit::month:
        if (parts_.weekdays != 0) fail("which one of the month? Write \"the first monday\" or \"the last friday\"");
        return recurrence::parse(text + month_fields(step));
      case unit::week:
        if (has_month_days()) fail("a week has no such day; write \"every month\"");
        return recurrence::parse(text + " * * " + weekday_field(parts_.weekdays == 0 ? monday : parts_.weekdays));
      default:
        if (has_month_days() && parts_.weekdays != 0) fail("days of the month and days of the week do not go together");
        if (has_month_days()) return recurrence::parse(text + month_fields("*"));
        return recurrence::parse(text + " * * " + weekday_field(parts_.weekdays));
    }
  }

  /// Second, minute and hour. Several times fit one expression where they differ in the hour alone.
  std::string time_fields() const {
    auto const minute_of = [](std::chrono::seconds time) { return time % std::chrono::hours{1}; };
    std::chrono::seconds const within = minute_of(time());
    std::string hours;
    for (auto const each : parts_.times) {
      if (minute_of(each) != within) fail("several times must have the same minute; make two schedules");
      hours += (hours.empty() ? "" : ",") + std::to_string(each / std::chrono::hours{1});
    }
    if (hours.empty()) hours = std::to_string(time() / std::chrono::hours{1});
    auto const seconds = within.count();
    return (seconds % 60 == 0 ? "" : std::to_string(seconds % 60) + " ") + std::to_string(seconds / 60) + " " + hours;
  }

  static std::string weekday_field(std::uint32_t weekdays) {
    if (weekdays == 0 || weekdays == every_day) return "*";
    cron_list list;
    list.add_values(rule_of(cron_field::day_of_week), weekdays);
    return list.text;
  }

  std::string month_fields(std::string const& months) const {
    cron_fields fields;
    fields.days = parts_.month_days;
    fields.days_from_end = parts_.last_day ? 1 : 0;
    fields.nth_weekdays = parts_.nth_weekdays;
    fields.last_weekdays = static_cast<std::uint8_t>(parts_.last_weekdays);
    if (!has_month_days()) fields.days = 2;
    std::string const days = write_days(fields);
    std::string const weekdays = write_weekdays(fields);
    return " " + (days.empty() ? "*" : days) + " " + months + " " + (weekdays.empty() ? "*" : weekdays);
  }

  static constexpr std::uint32_t monday = 1 << 1;
  static constexpr std::uint32_t every_day = 0x7F;

  phrase_parts const& parts_;
  std::string_view text_;
  instant now_;
  time_zone zone_;
  std::optional<std::string_view> anchor_;
  std::chrono::local_days today_;
  std::optional<std::chrono::local_seconds> named_;  // the time on the wall clock that was placed last
};

}  // namespace detail

/// Parses a phrase that says when something is to happen:
///  - once: `in 20 minutes`, `in 2 days at 9am`, `tomorrow at noon`, `next Monday at 14:30`, `Friday at noon`, `at 9am`,
///    `2026-11-21T14:00:00Z`, `2026-11-21 14:00` (in the zone);
///  - again and again: `every day`, `every weekday at 9am`, `Monday through Friday`, `Mon-Fri`, `every weekend`, `every Monday
///    and Friday at 8:30`, `every hour`, `every 45 minutes`, `every 2 days`, `every month on the 15th`, `monthly at 9am on the
///    last Friday`;
///  - a cron expression, or `@every 90s`, as `recurrence::parse` reads it.
///
/// Noon is 12:00, midnight 0:00, morning 9:00, evening 18:00. Without a time: 9:00, at a weekend 10:00. Every week without a
/// day: Monday. Every month without a day: the 1st. `next Monday` is the first Monday after today, `Monday` may be today.
///
/// `every 15 minutes` and `every 6 hours` follow the wall clock of the zone from midnight on, as 15 divides 60 and 6 divides
/// 24. Other intervals of less than days are counted in real time from `now`: `every 45 minutes` is `@every 45m from` then.
/// Days and weeks are counted on the calendar of the zone, from the first such time of the day after `now`: 9am stays 9am when
/// the clocks change.
/// \param text the phrase, of any length; letters of either case
/// \param now the start of `in 2 hours` and `tomorrow`; an instant must be after it
/// \param zone the zone of times such as 9am
/// \param anchor the start of an interval's count in place of `now`: an instant; for days and weeks a day such as 2026-11-21;
///   for `@every` as after its `from`
/// \throws phrase_error with the position, and the nearest word that is understood, for everything else; nothing is guessed
/// \throws cron_error where the text is a cron expression with a mistake
/// \throws error `invalid_argument`, and of neither of these types, where the anchor is wrong, or goes with no interval
inline parsed_phrase parse_phrase(std::string_view text, instant now, time_zone const& zone,
                                  std::optional<std::string_view> anchor = std::nullopt) {
  // A phrase may begin like a cron expression, as dates and times do. Only a text that is neither is judged by its looks.
  std::exception_ptr not_cron;
  try {
    recurrence const found = recurrence::parse(text);
    recurrence const when = anchor ? found.anchored(*anchor) : found;
    return {when, explain(when), false, {}};
  } catch (cron_error const&) {
    not_cron = std::current_exception();
  }
  try {
    detail::phrase_parts const parts = detail::phrase_parser{text}.parse();
    return detail::phrase_meaning{parts, text, now, zone, anchor}.resolve();
  } catch (phrase_error const&) {
    if (!detail::is_meant_as_cron(text)) throw;
  }
  std::rethrow_exception(not_cron);
}

}  // namespace visor

#endif
