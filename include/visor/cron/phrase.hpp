#ifndef VISOR_CRON_PHRASE_HPP
#define VISOR_CRON_PHRASE_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"
#include "visor/cron/explain.hpp"
#include "visor/cron/phrase_parser.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/cron/zone.hpp"

#include <bit>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace visor {

/// What a phrase means.
struct parsed_phrase {
  std::variant<instant, recurrence> when;  ///< one instant, or a recurrence
  std::string canonical;                   ///< the same in the program's own words, to be shown to whoever wrote it
};

namespace detail {

/// Turns the parts of a phrase into an instant or a recurrence.
class phrase_meaning {
 public:
  phrase_meaning(phrase_parts const& parts, std::string_view text, instant now, time_zone const& zone)
      : parts_(parts), text_(text), now_(now), zone_(zone), today_(std::chrono::floor<std::chrono::days>(local(now))) {}

  parsed_phrase resolve() const {
    if (parts_.recurs) {
      recurrence const when = parts_.count == 1 ? calendar() : interval();
      return {when, explain(when)};
    }
    instant const when = once();
    if (when <= now_) fail("that is in the past: it is " + to_string(now_) + " now");
    std::string const on_the_clock = to_string(instant{local(when).time_since_epoch()});
    return {when, "once at " + on_the_clock.substr(0, 10) + " " + on_the_clock.substr(11, 8) + " " + std::string{zone_.name()} + ", " +
                      to_string(when)};
  }

 private:
  using unit = phrase_unit;

  [[noreturn]] void fail(std::string const& why) const { throw phrase_error{text_, parts_.subject, why}; }

  std::chrono::local_seconds local(instant when) const {
    auto const seconds = std::chrono::floor<std::chrono::seconds>(when);
    return std::chrono::local_seconds{seconds.time_since_epoch() + zone_.at(when).offset};
  }

  /// A time that the clocks skip is the instant at which they do; one that they repeat is the first.
  instant at(std::chrono::local_days day, std::chrono::seconds time) const {
    local_lookup const found = zone_.at(std::chrono::local_seconds{day + time});
    return found.what == local_lookup::kind::skipped ? found.transition : found.earlier;
  }

  std::chrono::seconds default_time() const { return std::chrono::hours{parts_.weekend ? 10 : 9}; }
  std::chrono::seconds time() const { return parts_.times.empty() ? default_time() : parts_.times.front(); }

  std::chrono::local_days next_weekday(std::chrono::local_days from, std::uint32_t weekdays) const {
    while (!has_bit(weekdays, static_cast<int>(std::chrono::weekday{from}.c_encoding()))) from += std::chrono::days{1};
    return from;
  }

  instant once() const {
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

  recurrence interval() const {
    using namespace std::chrono;
    if (parts_.period) return from_epoch(*parts_.period);
    switch (parts_.every) {
      case unit::second: return short_interval(seconds{parts_.count}, 0);
      case unit::minute: return short_interval(minutes{parts_.count}, 60);
      case unit::hour: return short_interval(hours{parts_.count}, 24);
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
        return calendar();
      }
      case unit::year: break;
    }
    fail("several years are no interval; write the years in a cron expression");
  }

  recurrence from_epoch(duration period) const {
    if (!parts_.times.empty() || has_days()) fail("an interval goes with neither a time nor a day");
    if (period < std::chrono::seconds{1}) fail("an interval is at least a second");
    return recurrence::parse("@every " + to_string(period));
  }

  /// `every 15 minutes on weekdays` is possible where the count divides the next larger unit.
  recurrence short_interval(duration period, int larger) const {
    if (has_days() && parts_.times.empty() && larger != 0 && larger % parts_.count == 0) return calendar();
    return from_epoch(period);
  }

  recurrence from_first(duration period, std::chrono::local_days from, std::uint32_t weekdays) const {
    if (parts_.times.size() > 1) fail("an interval has one time of the day");
    std::chrono::local_days const day = next_weekday(from, weekdays);
    std::chrono::local_days const first = at(day, time()) > now_ ? day : next_weekday(day + std::chrono::days{1}, weekdays);
    return {cron_expression::parse("@every " + to_string(period)), {dst_policy::once, {}, first + time()}};
  }

  recurrence calendar() const {
    bool const by_time = parts_.every != unit::second && parts_.every != unit::minute && parts_.every != unit::hour;
    if (!by_time && !parts_.times.empty()) fail("a time of the day does not go with seconds, minutes or hours");
    std::string const step = parts_.count == 1 ? "*" : "*/" + std::to_string(parts_.count);
    std::string text = parts_.every == unit::second ? step + " * *" : parts_.every == unit::minute ? step + " *" : "0 " + step;
    if (by_time) text = time_fields();
    switch (parts_.every) {
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
  std::chrono::local_days today_;
};

}  // namespace detail

/// Reads when something is to happen, in words:
///  - once: `in 20 minutes`, `in 2 days at 9am`, `tomorrow at noon`, `next Monday at 14:30`, `Friday at noon`, `at 9am`,
///    `2026-11-21T14:00:00Z`, `2026-11-21 14:00` (in the zone);
///  - again and again: `every day`, `every weekday at 9am`, `every weekend`, `every Monday and Friday at 8:30`, `every hour`,
///    `every 45 minutes`, `every 2 days`, `every month on the 15th`, `monthly at 9am on the last Friday`;
///  - a cron expression, or `@every 90s`, as `recurrence::parse` reads it.
///
/// Noon is 12:00, midnight 0:00, morning 9:00, evening 18:00. Without a time: 9:00, at a weekend 10:00. Every week without a day:
/// Monday. Every month without a day: the 1st. `next Monday` is the first Monday after today, `Monday` may be today.
///
/// Two or more seconds, minutes or hours are an interval in real time, not a pattern that starts anew with every hour or day:
/// `every 45 minutes` is `@every 45m`, counted from 1970-01-01T00:00:00Z. Days and weeks are counted on the calendar of the zone, from
/// the first such time of the day after `now`: 9am stays 9am when the clocks change.
/// \param text the phrase, of any length; letters of either case
/// \param now what `in 2 hours` and `tomorrow` count from, and what an instant must be after
/// \param zone where 9am is
/// \throws phrase_error with the place, and the nearest word that is understood, for everything else; nothing is guessed
/// \throws cron_error where the text is a cron expression with a mistake
inline parsed_phrase parse_phrase(std::string_view text, instant now, time_zone const& zone) {
  if (detail::looks_like_cron(text)) {
    recurrence const when = recurrence::parse(text);
    return {when, explain(when)};
  }
  detail::phrase_parts const parts = detail::phrase_parser{text}.parse();
  return detail::phrase_meaning{parts, text, now, zone}.resolve();
}

}  // namespace visor

#endif
