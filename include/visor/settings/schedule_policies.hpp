#ifndef VISOR_SETTINGS_SCHEDULE_POLICIES_HPP
#define VISOR_SETTINGS_SCHEDULE_POLICIES_HPP

#include <boost/describe/enum.hpp>

namespace visor {

/// What to do about planned instants that passed while nobody could fire them: drop them, run the latest one, run all (at most
/// `misfire_limit`), or run those not older than `misfire_window`.
BOOST_DEFINE_ENUM_CLASS(misfire, skip, latest, all, window)

/// What to do when a schedule fires while its last job is not finished: run beside it, drop the new one, let one wait behind it,
/// or cancel the old one and run after it.
BOOST_DEFINE_ENUM_CLASS(overlap, allow, skip, queue, cancel)

/// How a set of schedules is called where nothing else is said.
inline constexpr char const* default_set = "default";

}  // namespace visor

#endif
