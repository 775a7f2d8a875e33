#ifndef VISOR_ENGINE_OCCURRENCE_HPP
#define VISOR_ENGINE_OCCURRENCE_HPP

#include "visor/base/time.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/store/records.hpp"

#include <optional>

namespace visor::detail {

/// The instants of a schedule with an expression.
struct occurrence {
  recurrence when;
  time_zone zone;
  std::optional<instant> next(instant after) const { return when.next(zone, after); }
  std::optional<instant> previous(instant before) const { return when.previous(zone, before); }
};

/// \throws visor::error for an expression or a zone that this process cannot compute
inline occurrence occurrences(schedule_record const& schedule) {
  dst_policy const dst{schedule.dst_gap, schedule.dst_overlap};
  auto const when = recurrence::parse(schedule.anchor ? schedule.expression + " from " + *schedule.anchor : schedule.expression, dst);
  return occurrence{when.for_schedule(schedule.id), find_zone(schedule.zone)};
}

}  // namespace visor::detail

#endif
