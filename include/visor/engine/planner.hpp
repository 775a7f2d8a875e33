#ifndef VISOR_ENGINE_PLANNER_HPP
#define VISOR_ENGINE_PLANNER_HPP

#include "visor/base/time.hpp"
#include "visor/store/records.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

namespace visor {

/// The instants that a due schedule fires now, and its next one.
struct fire_plan {
  std::vector<instant> planned;  ///< oldest first
  std::optional<instant> next_at;
  schedule_state state = schedule_state::active;
};

/// The longest delay after which an instant still counts as on time under the policies `skip` and `window`: half the time to the next
/// instant, at most this. So a nightly job is not lost to a restart or a busy minute, and every node decides alike.
inline constexpr std::chrono::minutes longest_lateness{1};

/// The largest number of missed instants of one schedule that are fired, whatever its policy; older ones are dropped.
inline constexpr int most_fires_at_once = 1000;

/// Decides which instants of a schedule up to `now` to fire. A pure function of its arguments, so every node comes to the same result. It
/// walks back from `now`, so that its time depends on the number of fires and not on the length of the outage.
template <class Next, class Previous>
fire_plan plan_fires(schedule_record const& schedule, instant now, Next const& next, Previous const& previous) {
  fire_plan plan;
  instant const first = *schedule.next_at;
  bool const once = schedule.expression.empty();
  if (!once) plan.next_at = next(now);
  if (!plan.next_at) plan.state = schedule_state::completed;

  std::optional<instant> latest = first;
  if (!once)
    if (auto const found = previous(now + duration{1}); found && *found > first) latest = found;

  auto const lateness_allowed = [&](instant planned) -> duration {
    auto const following = once ? std::optional<instant>() : next(planned);
    return following ? std::min<duration>(longest_lateness, (*following - planned) / 2) : longest_lateness;
  };
  auto const oldest_kept = [&]() -> instant {
    switch (schedule.misfire) {
      case misfire::skip: return std::max(*latest, now - lateness_allowed(*latest));
      case misfire::latest: return *latest;
      case misfire::all: return first;
      case misfire::window: return now - std::max(schedule.misfire_window, lateness_allowed(*latest));
    }
    return first;
  }();
  int const most = schedule.misfire == misfire::all ? std::clamp(schedule.misfire_limit, 1, most_fires_at_once) : most_fires_at_once;

  for (auto at = latest; at && *at >= first && *at >= oldest_kept && static_cast<int>(plan.planned.size()) < most;) {
    plan.planned.push_back(*at);
    at = once ? std::optional<instant>() : previous(*at);
  }
  std::reverse(plan.planned.begin(), plan.planned.end());
  return plan;
}

/// Returns the next instant that a schedule should have: the first one after `now` that was not acted on yet. A clock that was ahead, or
/// other time zone data, may have moved the stored one. A pure function of its arguments.
/// \param stored the next instant that the schedule has
/// \param next the first planned instant after another, if there is one
/// \param was_acted_on whether a planned instant has a fire; called for few, and only where the stored instant looks wrong
/// \return none where the stored one is right
template <class Next, class ActedOn>
std::optional<instant> corrected_next(instant stored, instant now, Next const& next, ActedOn const& was_acted_on) {
  auto const is_planned = [&] { return next(stored - duration{1}) == stored; };
  if (stored <= now) return is_planned() ? std::nullopt : next(stored - duration{1});  // it is due
  auto first = next(now);
  if (first == stored) return std::nullopt;
  while (first && was_acted_on(*first)) first = next(*first);
  if (!first || (stored <= *first && is_planned())) return std::nullopt;
  return first == stored ? std::nullopt : first;
}

/// Detects that a clock was put back, by comparing it with a monotonic clock. The first clock is read at an unknown moment during a call,
/// and the two need not run at the same speed. So a step back by less than `tolerance` in all goes unnoticed.
class step_watch {
 public:
  static constexpr std::chrono::seconds tolerance{1};

  /// \param now the reading of the clock, at some time between `before` and `after`
  /// \return whether it went back since the last time that this was true
  bool saw(instant now, duration before, duration after) {
    auto const time = now.time_since_epoch();
    bool const went_back = ahead_ && time - before < *ahead_ - tolerance;
    if (went_back || !ahead_)
      ahead_ = time - after;
    else
      ahead_ = std::max(*ahead_, time - after);
    return went_back;
  }

 private:
  std::optional<duration> ahead_;  // the least by which the clock was ahead of the monotonic one
};

}  // namespace visor

#endif
