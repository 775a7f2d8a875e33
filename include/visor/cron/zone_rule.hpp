#ifndef VISOR_CRON_ZONE_RULE_HPP
#define VISOR_CRON_ZONE_RULE_HPP

#include "visor/cron/time_zone.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

// The rule for the years after the last transition of a time zone file: the TZ text of POSIX with the extensions of RFC 8536,
// section 3.3.1, such as `CET-1CEST,M3.5.0,M10.5.0/3`.
namespace visor::detail {

/// The day of a year, and the time on that day, when the clocks change.
struct zone_rule_date {
  enum class kind { month_week_day, day_without_leap, day_with_leap };
  kind what = kind::month_week_day;
  int month = 1;
  int week = 1;                                       ///< 5: the last
  int weekday = 0;                                    ///< 0 = Sunday
  int day = 0;                                        ///< of the year, for the other two kinds: `Jn` from 1, `n` from 0
  std::chrono::seconds time = std::chrono::hours{2};  ///< on the wall clock before the change; -167 h to 167 h

  std::chrono::local_seconds in(std::chrono::year year) const noexcept {
    using namespace std::chrono;
    local_days date{year / January / 1};
    if (what == kind::day_without_leap) {
      date += days{day - 1 + (year.is_leap() && day >= 60 ? 1 : 0)};
    } else if (what == kind::day_with_leap) {
      date += days{day};
    } else {
      auto const of_month = year / std::chrono::month{static_cast<unsigned>(month)};
      std::chrono::weekday const wanted{static_cast<unsigned>(weekday)};
      date = week == 5 ? local_days{of_month / wanted[last]} : local_days{of_month / wanted[static_cast<unsigned>(week)]};
    }
    return date + time;
  }
};

struct zone_rule {
  std::chrono::seconds standard{0};
  std::chrono::seconds summer{0};
  bool changes = false;  ///< whether there is a summer time at all
  zone_rule_date to_summer;
  zone_rule_date to_standard;
};

/// Reads a rule. Nothing when the text is not one.
class zone_rule_parser {
 public:
  explicit zone_rule_parser(std::string_view text) noexcept : text_(text) {}

  std::optional<zone_rule> parse() noexcept {
    zone_rule rule;
    if (!take_name() || !take_time(rule.standard)) return std::nullopt;
    rule.standard = -rule.standard;  // the file has the offset to add to the wall clock to get UTC
    rule.summer = rule.standard;
    if (text_.empty()) return rule;
    rule.changes = true;
    if (!take_name()) return std::nullopt;
    rule.summer = rule.standard + std::chrono::hours{1};
    if (!text_.empty() && text_.front() != ',') {
      if (!take_time(rule.summer)) return std::nullopt;
      rule.summer = -rule.summer;
    }
    if (!take_date(rule.to_summer) || !take_date(rule.to_standard) || !text_.empty()) return std::nullopt;
    return rule;
  }

 private:
  bool take_name() noexcept {
    std::size_t length = 0;
    if (take_char(text_, '<')) {
      while (length < text_.size() && text_[length] != '>') ++length;
      if (length == text_.size()) return false;
      text_.remove_prefix(length + 1);
      return length > 0;
    }
    auto const letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    while (length < text_.size() && letter(text_[length])) ++length;
    text_.remove_prefix(length);
    return length > 0;
  }

  bool take_number(int& value, int highest) noexcept {
    std::size_t digits = 0;
    value = 0;
    for (; digits < text_.size() && digits < 4 && text_[digits] >= '0' && text_[digits] <= '9'; ++digits)
      value = value * 10 + (text_[digits] - '0');
    text_.remove_prefix(digits);
    return digits > 0 && value <= highest;
  }

  bool take_time(std::chrono::seconds& time) noexcept {
    bool const negative = take_char(text_, '-');
    if (!negative) take_char(text_, '+');
    int hour = 0, minute = 0, second = 0;
    if (!take_number(hour, 167)) return false;
    if (take_char(text_, ':') && !take_number(minute, 59)) return false;
    if (take_char(text_, ':') && !take_number(second, 59)) return false;
    time = std::chrono::hours{hour} + std::chrono::minutes{minute} + std::chrono::seconds{second};
    if (negative) time = -time;
    return true;
  }

  bool take_date(zone_rule_date& date) noexcept {
    using kind = zone_rule_date::kind;
    if (!take_char(text_, ',')) return false;
    if (take_char(text_, 'M')) {
      date.what = kind::month_week_day;
      if (!take_number(date.month, 12) || !take_char(text_, '.') || !take_number(date.week, 5) || !take_char(text_, '.') ||
          !take_number(date.weekday, 6) || date.month == 0 || date.week == 0)
        return false;
    } else if (take_char(text_, 'J')) {
      date.what = kind::day_without_leap;
      if (!take_number(date.day, 365) || date.day == 0) return false;
    } else {
      date.what = kind::day_with_leap;
      if (!take_number(date.day, 365)) return false;
    }
    return !take_char(text_, '/') || take_time(date.time);
  }

  std::string_view text_;
};

/// Appends the transitions of a rule in a range of years, in order of time. Those at or before the last existing one are left
/// out.
inline void append_transitions(std::vector<zone_transition>& transitions, zone_rule const& rule, std::chrono::year first,
                               std::chrono::year last) {
  using namespace std::chrono;
  for (year y = first; y <= last; ++y) {
    std::array<zone_transition, 2> changes{{{sys_seconds{rule.to_summer.in(y).time_since_epoch() - rule.standard}, rule.summer},
                                            {sys_seconds{rule.to_standard.in(y).time_since_epoch() - rule.summer}, rule.standard}}};
    // South of the equator a year begins in summer.
    if (changes[1].at < changes[0].at) std::swap(changes[0], changes[1]);
    for (auto const& change : changes)
      if (transitions.empty() || change.at > transitions.back().at) transitions.push_back(change);
  }
}

}  // namespace visor::detail

#endif
