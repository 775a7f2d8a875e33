#ifndef VISOR_CRON_SCHEDULE_HPP
#define VISOR_CRON_SCHEDULE_HPP

#include "visor/base/dst.hpp"
#include "visor/base/time.hpp"
#include "visor/cron/expression.hpp"
#include "visor/cron/search.hpp"
#include "visor/cron/time_zone.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace visor {

/// Options that place an expression on the time line.
struct cron_options {
  /// The policy for clock changes. An interval of `@every` that counts from `anchor` does not depend on clocks.
  dst_policy dst;
  /// The start of the count of `@every`. The same value on every node gives the same instants on every node.
  instant anchor{};
  /// Where it is set, an interval of whole days counts days of the zone's calendar from here, on its wall clock, instead of
  /// stretches of 24 hours from `anchor`: 9am stays 9am when the clocks change. A time that the clocks skip or repeat is
  /// treated as with an expression.
  std::optional<std::chrono::local_seconds> local_anchor{};

  friend bool operator==(cron_options const&, cron_options const&) = default;
};

/// A longer gap is a correction of the calendar, such as a day that an island skips when it moves across the date line. No
/// fires are made up for it. Debian's cron draws the line in the same place.
inline constexpr std::chrono::hours longest_dst_gap{3};

namespace detail {

/// The distance from `from` to the nearest multiple of `step` away from `anchor`, not counting `from`: forwards, and backwards
/// with `from` and `anchor` exchanged. Unsigned, since the distance of two instants may not fit a duration.
inline std::uint64_t to_multiple(duration step, std::int64_t from, std::int64_t anchor) noexcept {
  auto const period = static_cast<std::uint64_t>(step.count());
  auto const distance = [](std::int64_t high, std::int64_t low) {
    return static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  };
  if (from >= anchor) return period - distance(from, anchor) % period;
  auto const rest = distance(anchor, from) % period;
  return rest == 0 ? period : rest;
}

inline std::optional<instant> next_period(duration period, instant anchor, instant after) noexcept {
  std::int64_t const from = after.time_since_epoch().count();
  std::uint64_t const ahead = to_multiple(period, from, anchor.time_since_epoch().count());
  if (ahead > static_cast<std::uint64_t>(INT64_MAX) - static_cast<std::uint64_t>(from)) return std::nullopt;
  return instant{duration{static_cast<std::int64_t>(static_cast<std::uint64_t>(from) + ahead)}};
}

inline std::optional<instant> previous_period(duration period, instant anchor, instant before) noexcept {
  std::int64_t const from = before.time_since_epoch().count();
  std::uint64_t const behind = to_multiple(period, anchor.time_since_epoch().count(), from);
  if (behind > static_cast<std::uint64_t>(from) - static_cast<std::uint64_t>(INT64_MIN)) return std::nullopt;
  return instant{duration{static_cast<std::int64_t>(static_cast<std::uint64_t>(from) - behind)}};
}

using local_seconds = std::chrono::local_seconds;

inline std::optional<local_seconds> next_local(cron_fields const& fields, local_seconds from) noexcept {
  auto const match = next_match(fields, from.time_since_epoch().count());
  if (!match) return std::nullopt;
  return local_seconds{std::chrono::seconds{*match}};
}

inline std::optional<local_seconds> previous_local(cron_fields const& fields, local_seconds from) noexcept {
  auto const match = previous_match(fields, from.time_since_epoch().count());
  if (!match) return std::nullopt;
  return local_seconds{std::chrono::seconds{*match}};
}

/// The wall clock of the zone just before the span began; nothing before a first span.
inline std::optional<zone_span> span_before(time_zone const& zone, zone_span const& span) noexcept {
  if (span.begin <= zone_span::first) return std::nullopt;
  return zone.at(span.begin - std::chrono::seconds{1});
}

/// A policy with every choice made.
struct dst_rule {
  dst_gap gap;
  dst_overlap overlap;
};

constexpr dst_rule rule_of(dst_policy const& policy, bool follows_real_time) noexcept {
  return {policy.gap.value_or(follows_real_time ? dst_gap::skip : dst_gap::run),
          policy.overlap.value_or(follows_real_time ? dst_overlap::both : dst_overlap::first)};
}

/// The first and the last instant at which a time of the wall clock fires. There are none where the clocks skip the time and it
/// is not made up for.
struct local_fires {
  std::chrono::sys_seconds first;
  std::chrono::sys_seconds last;
};

inline std::optional<local_fires> fires_of(local_lookup const& found, dst_rule rule) noexcept {
  if (found.what == local_lookup::kind::skipped) {
    if (rule.gap == dst_gap::skip || found.later - found.earlier > longest_dst_gap) return std::nullopt;
    return local_fires{found.transition, found.transition};
  }
  return local_fires{rule.overlap == dst_overlap::last ? found.later : found.earlier,
                     rule.overlap == dst_overlap::first ? found.earlier : found.later};
}

constexpr std::chrono::sys_seconds to_sys(local_seconds local, zone_span const& span) noexcept {
  return std::chrono::sys_seconds{local.time_since_epoch() - span.offset};
}

/// The bounds of the instants whose years the calendar reaches.
inline constexpr instant search_begin_instant{std::chrono::seconds{search_begin}};
inline constexpr instant search_end_instant{std::chrono::seconds{search_end}};

/// The last day of an interval, counted from its anchor, whose time of the day on the wall clock is at `when` or before.
inline local_seconds day_of_interval(std::chrono::seconds step, local_seconds anchor, time_zone const& zone, instant when) noexcept {
  local_seconds const now{std::chrono::floor<std::chrono::seconds>(when).time_since_epoch() + zone.at(when).offset};
  auto rest = (now - anchor) % step;
  if (rest < std::chrono::seconds{0}) rest += step;
  return now - rest;
}

/// Finds the next day of an interval that fires. Clocks change by less than a day, so that the nearest days on either side hold
/// the answer, except for days that a zone leaves out.
inline std::optional<instant> next_day(std::chrono::seconds step, cron_options const& options, time_zone const& zone,
                                       instant after) noexcept {
  if (after >= search_end_instant) return std::nullopt;
  dst_rule const rule = rule_of(options.dst, false);
  local_seconds day = day_of_interval(step, *options.local_anchor, zone, std::max(after, search_begin_instant)) - step;
  for (;; day += step) {
    auto const fires = fires_of(zone.at(day), rule);
    if (fires && fires->first > after) return fires->first;
    if (fires && fires->last > after) return fires->last;
  }
}

inline std::optional<instant> previous_day(std::chrono::seconds step, cron_options const& options, time_zone const& zone,
                                           instant before) noexcept {
  if (before <= search_begin_instant) return std::nullopt;
  dst_rule const rule = rule_of(options.dst, false);
  local_seconds day = day_of_interval(step, *options.local_anchor, zone, std::min(before, search_end_instant)) + step;
  for (;; day -= step) {
    auto const fires = fires_of(zone.at(day), rule);
    if (fires && fires->last < before) return fires->last;
    if (fires && fires->first < before) return fires->first;
  }
}

}  // namespace detail

/// Returns the first instant after `after` (exclusive) at which an expression fires. Does not allocate; thread-safe. A search
/// takes at most one step per named month of 400 years, and for `*/5 * * * *` one.
/// \return nothing when there is none within 400 years, so never, or before the year 10000
inline std::optional<instant> next(cron_expression const& expression, time_zone const& zone, instant after,
                                   cron_options const& options = {}) noexcept {
  using namespace std::chrono;
  if (expression.is_interval() && options.local_anchor) return detail::next_day(floor<seconds>(expression.period()), options, zone, after);
  if (expression.is_interval()) return detail::next_period(expression.period(), options.anchor, after);
  if (after >= detail::search_end_instant) return std::nullopt;
  if (after < detail::search_begin_instant) after = detail::search_begin_instant;

  auto const& fields = expression.fields();
  detail::dst_rule const rule = detail::rule_of(options.dst, expression.is_hour_interval());
  zone_span const span = zone.at(after);
  local_seconds from{floor<seconds>(after).time_since_epoch() + seconds{1} + span.offset};
  local_seconds const give_up = from + days{146'097};
  // Repeated times have fired the first time.
  if (rule.overlap == dst_overlap::first && from < span.local_begin() + days{2})
    if (auto const before = detail::span_before(zone, span); before && from < before->local_end()) from = before->local_end();

  auto match = detail::next_local(fields, from);
  bool const in_span = match && *match < span.local_end();
  if (in_span && (rule.overlap != dst_overlap::last || *match < span.local_end() - days{2})) return detail::to_sys(*match, span);
  if (rule.overlap != dst_overlap::first && span.end < zone_span::last) {
    // The clocks may go back before the match: then the repeated times are searched again.
    zone_span const following = zone.at(span.end);
    if (in_span && *match < following.local_begin()) return detail::to_sys(*match, span);
    if (following.local_begin() < span.local_end())
      if (auto const again = detail::next_local(fields, following.local_begin()); again && *again < span.local_end())
        return detail::to_sys(*again, following);
  }
  if (in_span) return detail::to_sys(*match, span);
  while (match && *match < give_up) {
    local_lookup const found = zone.at(*match);
    if (auto const fires = detail::fires_of(found, rule)) return fires->first;
    zone_span const behind = zone.at(found.transition);
    match = detail::next_local(fields, behind.local_begin());
  }
  return std::nullopt;
}

/// Returns the last instant before `before` (exclusive) at which an expression fires; otherwise as `next`.
inline std::optional<instant> previous(cron_expression const& expression, time_zone const& zone, instant before,
                                       cron_options const& options = {}) noexcept {
  using namespace std::chrono;
  if (expression.is_interval() && options.local_anchor)
    return detail::previous_day(floor<seconds>(expression.period()), options, zone, before);
  if (expression.is_interval()) return detail::previous_period(expression.period(), options.anchor, before);
  if (before <= detail::search_begin_instant) return std::nullopt;
  if (before > detail::search_end_instant) before = detail::search_end_instant;

  auto const& fields = expression.fields();
  detail::dst_rule const rule = detail::rule_of(options.dst, expression.is_hour_interval());
  sys_seconds const latest = ceil<seconds>(before) - seconds{1};
  zone_span const span = zone.at(latest);
  local_seconds from{latest.time_since_epoch() + span.offset};
  local_seconds const give_up = from - days{146'097};
  auto const earlier_span = detail::span_before(zone, span);
  bool const goes_back = earlier_span && span.local_begin() < earlier_span->local_end();
  // Repeated times have fired the first time, or will fire the last time.
  if (rule.overlap == dst_overlap::first && goes_back && from < earlier_span->local_end()) from = earlier_span->local_end() - seconds{1};
  if (rule.overlap == dst_overlap::last && span.end < zone_span::last && from >= span.local_end() - days{2})
    if (auto const repeat = zone.at(span.end).local_begin(); repeat <= from) from = repeat - seconds{1};

  auto match = detail::previous_local(fields, from);
  if (rule.overlap != dst_overlap::first && match && *match >= span.local_begin()) return detail::to_sys(*match, span);
  if (rule.overlap == dst_overlap::both && goes_back)
    if (auto const again = detail::previous_local(fields, earlier_span->local_end() - seconds{1}); again && *again >= span.local_begin())
      return detail::to_sys(*again, *earlier_span);
  while (match && *match > give_up) {
    local_lookup const found = zone.at(*match);
    if (auto const fires = detail::fires_of(found, rule)) return fires->last;
    zone_span const ahead = zone.at(found.transition - seconds{1});
    match = detail::previous_local(fields, ahead.local_end() - seconds{1});
  }
  return std::nullopt;
}

}  // namespace visor

#endif
