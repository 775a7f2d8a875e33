#ifndef VISOR_SETTINGS_SCHEDULE_POLICIES_HPP
#define VISOR_SETTINGS_SCHEDULE_POLICIES_HPP

#include <boost/describe/enum.hpp>

namespace visor {

/// The treatment of planned instants that passed while no node could fire them: drop them, run the latest one, run all (at most
/// `misfire_limit`), or run those not older than `misfire_window`.
BOOST_DEFINE_ENUM_CLASS(misfire, skip, latest, all, window)

/// The treatment of a fire while the schedule's last job is not finished: run beside it, drop the new one, let one wait behind it, or
/// cancel the old one and run after it.
BOOST_DEFINE_ENUM_CLASS(overlap, allow, skip, queue, cancel)

/// The name of a set of schedules that was given none.
inline constexpr char const* default_set = "default";

}  // namespace visor

#endif
