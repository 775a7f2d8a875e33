#ifndef VISOR_STORE_SCHEDULE_RULES_HPP
#define VISOR_STORE_SCHEDULE_RULES_HPP

#include "visor/store/records.hpp"

#include <optional>
#include <string>
#include <tuple>
#include <utility>

/// The decisions about schedules that every store must make alike, as functions over values.
namespace visor {

namespace detail {

inline auto definition(schedule_record const& s) {
  return std::tie(s.expression, s.zone, s.type, s.payload, s.queue, s.priority, s.max_attempts, s.misfire, s.misfire_limit,
                  s.misfire_window, s.overlap, s.max_failures, s.owner, s.description, s.phrase, s.output);
}

}  // namespace detail

/// Whether two records say the same about what is to run and when, whatever their state, counters and next instant.
inline bool same_definition(schedule_record const& a, schedule_record const& b) { return detail::definition(a) == detail::definition(b); }

/// What is stored for a schedule that is new.
inline schedule_record as_added(schedule_record given, instant now) {
  given.version = 1;
  given.updated_at = now;
  if (given.created_at == instant{}) given.created_at = now;
  return given;
}

/// What is stored after a user's change: `given` with the identity, history and counters of `stored`. The error is given: whoever
/// pauses a schedule says why there.
inline schedule_record as_updated(schedule_record const& stored, schedule_record given, instant now) {
  bool const revived = stored.state == schedule_state::failed && given.state == schedule_state::active;
  given.id = stored.id;
  given.origin = stored.origin;
  given.created_at = stored.created_at;
  given.last_at = stored.last_at;
  given.last_job = stored.last_job;
  given.run_count = stored.run_count;
  given.failure_count = revived ? 0 : stored.failure_count;
  given.version = stored.version + 1;
  given.updated_at = now;
  return given;
}

/// What is stored when a configuration brings another definition of a schedule: its state stays, unless it had come to its end.
inline schedule_record as_replaced(schedule_record const& stored, schedule_record given, instant now) {
  if (stored.state != schedule_state::completed) given.state = stored.state;
  given.last_error = stored.last_error;
  return as_updated(stored, std::move(given), now);
}

/// How a schedule follows the end of one of its jobs. False when nothing changed.
/// \param how the final state of the job
inline bool follow_job(schedule_record& schedule, job_state how, std::optional<std::string> const& error) {
  if (how == job_state::completed) return std::exchange(schedule.failure_count, 0) != 0;
  if (how != job_state::failed && how != job_state::dead) return false;
  ++schedule.failure_count;
  schedule.last_error = error;
  if (schedule.state == schedule_state::active && schedule.max_failures > 0 && schedule.failure_count >= schedule.max_failures)
    schedule.state = schedule_state::failed;
  return true;
}

/// What a fire does, given the last job of its schedule.
enum class fire_action {
  add,               ///< add the job
  skip,              ///< add none
  wait,              ///< let it wait behind the last job
  stop_and_wait,     ///< ask for the last job, which runs, to be stopped, and wait behind it
  replace_and_add,   ///< end the last job as cancelled and add the new one
  replace_and_wait,  ///< end the last job, which waits, as cancelled and wait for what it waited for
};

/// \param policy what the schedule says
/// \param last the state of its last job; none if there is no such job
constexpr fire_action decide_fire(overlap policy, std::optional<job_state> last) noexcept {
  bool const open = last == job_state::waiting || last == job_state::scheduled || last == job_state::ready || last == job_state::running;
  if (!open) return fire_action::add;
  switch (policy) {
    case overlap::allow: return fire_action::add;
    case overlap::skip: return fire_action::skip;
    case overlap::queue: return last == job_state::waiting ? fire_action::skip : fire_action::wait;
    case overlap::cancel:
      if (last == job_state::running) return fire_action::stop_and_wait;
      return last == job_state::waiting ? fire_action::replace_and_wait : fire_action::replace_and_add;
  }
  return fire_action::add;
}

}  // namespace visor

#endif
