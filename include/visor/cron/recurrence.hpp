#ifndef VISOR_CRON_RECURRENCE_HPP
#define VISOR_CRON_RECURRENCE_HPP

#include "visor/base/time.hpp"
#include "visor/cron/expression.hpp"
#include "visor/cron/schedule.hpp"
#include "visor/cron/time_zone.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace visor {

/// The recurrence of a schedule as it is stored: a cron expression or an interval, with all that decides its instants except
/// the zone. A regular value.
class recurrence {
 public:
  /// \param expression the instants at which it fires
  /// \param options the policy for clock changes, and the start of an interval's count
  recurrence(cron_expression const& expression, cron_options const& options = {}) noexcept : expression_(expression), options_(options) {}

  /// \param text a cron expression or a nickname as `cron_expression::parse` takes it; `@every 90s`, counted from
  ///   1970-01-01T00:00:00Z; `@every 90s from 2026-11-21T14:00:00Z`; or, for whole days, with a time on the wall clock of the
  ///   schedule's zone: `@every 2d from 2026-11-21T09:00:00`
  /// \param dst the policy for clock changes
  /// \throws cron_error with the position and the reason
  static recurrence parse(std::string_view text, dst_policy const& dst = {}) {
    constexpr std::string_view separator = " from ";
    std::size_t const at = text.find(separator);
    parsed_cron const before{text.substr(0, at)};
    if (at == std::string_view::npos || !before || !(*before).is_interval()) return {cron_expression::parse(text), {dst, {}, {}}};
    std::string_view const rest = text.substr(at + separator.size());
    if (auto const found = recurrence{*before, {dst, {}, {}}}.counted_from(rest.substr(0, rest.find_last_not_of(" \t\r\n") + 1)))
      return *found;
    parse_failure failure;
    failure.why = cron_fault::bad_anchor;
    failure.position = static_cast<std::uint32_t>(at + separator.size());
    failure.length = static_cast<std::uint32_t>(rest.size());
    throw cron_error{text, failure};
  }

  /// The text that `parse` reads back. It does not contain the policy for clock changes.
  std::string to_string() const {
    std::string const anchor = anchor_text();
    return expression_.to_string() + (anchor.empty() ? "" : " from " + anchor);
  }

  /// The start of an interval's count, as `parse` takes it after `from`. Empty for 1970-01-01T00:00:00Z, and without an
  /// interval.
  std::string anchor_text() const {
    if (!expression_.is_interval()) return {};
    if (options_.local_anchor) {
      std::string const anchor = visor::to_string(instant{options_.local_anchor->time_since_epoch()});
      return anchor.substr(0, anchor.size() - 1);
    }
    return options_.anchor == instant{} ? std::string{} : visor::to_string(options_.anchor);
  }

  /// The same interval, counted from another start.
  /// \param anchor as after `from`
  /// \throws error `invalid_argument` with the reason
  recurrence anchored(std::string_view anchor) const {
    if (!expression_.is_interval())
      throw error{errc::invalid_argument, "an anchor goes with an interval, such as \"@every 45m\" or \"every 2 days\""};
    if (!anchor_text().empty()) throw error{errc::invalid_argument, "the interval says itself from where it counts: from " + anchor_text()};
    if (auto const found = counted_from(anchor)) return *found;
    throw error{errc::invalid_argument,
                "the anchor must be an instant, such as 2026-11-21T14:00:00Z, or for whole days a local time, such as 2026-11-21T09:00:00"};
  }

  /// The recurrence with the values that a schedule of this id has for each `H` of the expression.
  recurrence for_schedule(std::string_view id) const noexcept { return {expression_.for_schedule(id), options_}; }

  /// Whether clock changes matter; they do not to an interval in real time.
  bool follows_clocks() const noexcept { return !expression_.is_interval() || options_.local_anchor.has_value(); }

  cron_expression const& expression() const noexcept { return expression_; }
  cron_options const& options() const noexcept { return options_; }

  /// The first instant after `after`, exclusive; nothing when there is none. Does not allocate.
  std::optional<instant> next(time_zone const& zone, instant after) const noexcept {
    return visor::next(expression_, zone, after, options_);
  }
  /// The last instant before `before`, exclusive; nothing when there is none. Does not allocate.
  std::optional<instant> previous(time_zone const& zone, instant before) const noexcept {
    return visor::previous(expression_, zone, before, options_);
  }

  /// Explains in one sentence, without a full stop, why `next` returns nothing; empty when it returns something.
  std::string why_never(time_zone const& zone, instant after) const {
    if (next(zone, after)) return {};
    if (after >= detail::search_end_instant - std::chrono::days{366})
      return "the calendar ends with the year " + std::to_string(detail::highest_year);
    auto const& fields = expression_.fields();
    if (!expression_.is_interval() && !fields.any_year()) {
      int const last = detail::previous_year(fields, detail::rule_of(cron_field::year).high, detail::rule_of(cron_field::year).low);
      if (last < static_cast<int>(std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(after)}.year()))
        return "its last year, " + std::to_string(last) + ", is over";
      if (!detail::next_match(fields, std::chrono::floor<std::chrono::seconds>(after).time_since_epoch().count()))
        return "the last date that it names, in " + std::to_string(last) + ", is over";
    }
    return "in the zone " + std::string{zone.name()} + " the clocks skip every time that it names in the next " +
           std::to_string(detail::calendar_cycle) + " years";
  }

  friend bool operator==(recurrence const&, recurrence const&) = default;

 private:
  std::optional<recurrence> counted_from(std::string_view anchor) const {
    using namespace std::chrono;
    if (auto const when = parse_instant(anchor)) return recurrence{expression_, {options_.dst, *when, {}}};
    if (auto const when = parse_instant(std::string{anchor} + "Z"); when && expression_.period() % days{1} == duration{0})
      return recurrence{expression_, {options_.dst, {}, local_seconds{floor<seconds>(when->time_since_epoch())}}};
    return std::nullopt;
  }

  cron_expression expression_;
  cron_options options_;
};

inline std::string to_string(recurrence const& when) { return when.to_string(); }

}  // namespace visor

#endif
