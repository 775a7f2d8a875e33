#ifndef VISOR_STORE_SCHEDULE_RULES_HPP
#define VISOR_STORE_SCHEDULE_RULES_HPP

#include "visor/base/error.hpp"
#include "visor/store/records.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

/// The decisions about schedules that every store must make alike, as functions over values.
namespace visor {

namespace detail {

/// The definition of a schedule: its work and its times. The digest identifies each member by its position: a new one goes to the end.
inline auto definition(schedule_record const& s) {
  return std::tie(s.expression, s.zone, s.type, s.payload, s.queue, s.priority, s.max_attempts, s.misfire, s.misfire_limit,
                  s.misfire_window, s.overlap, s.max_failures, s.owner, s.description, s.phrase, s.output, s.max_lost, s.dst_gap,
                  s.dst_overlap);
}

/// The members that determine the instants of a schedule, except the anchor.
inline auto timing(schedule_record const& s) { return std::tie(s.expression, s.zone, s.phrase, s.dst_gap, s.dst_overlap); }

/// FNV-1a with 64 bits, and a last step that spreads the effect of the last bytes. It distinguishes values that differ by accident; it is
/// no signature.
class value_hash {
 public:
  explicit value_hash(std::uint64_t seed = 0xCBF29CE484222325) : hash_(seed) {}

  template <class T>
  void mix(T const& value) {
    if constexpr (std::is_convertible_v<T const&, std::string_view>) {
      std::string_view const text(value);
      mix_number(text.size());
      for (char const c : text) mix_byte(static_cast<unsigned char>(c));
    } else if constexpr (requires { value.has_value(); }) {
      mix_number(value.has_value() ? 1 : 0);
      if (value) mix(*value);
    } else if constexpr (std::is_same_v<T, duration>) {
      mix_number(static_cast<std::uint64_t>(value.count()));
    } else if constexpr (std::is_same_v<T, instant>) {
      mix(value.time_since_epoch());
    } else {
      mix_number(static_cast<std::uint64_t>(value));
    }
  }

  std::uint64_t number() const noexcept { return hash_; }

  /// 16 hexadecimal digits.
  std::string text() const {
    std::uint64_t mixed = hash_ ^ (hash_ >> 32);
    mixed *= 0x9E3779B97F4A7C15;
    mixed ^= mixed >> 29;
    std::string result(16, '0');
    for (std::size_t i = 16; i-- > 0; mixed >>= 4) result[i] = "0123456789abcdef"[mixed & 0xF];
    return result;
  }

 private:
  void mix_number(std::uint64_t number) {
    for (int i = 0; i < 8; ++i, number >>= 8) mix_byte(static_cast<unsigned char>(number));
  }
  void mix_byte(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001B3; }

  std::uint64_t hash_;
};

}  // namespace detail

/// Whether two records define the same work at the same times, whatever their state, counters and next instant.
inline bool same_definition(schedule_record const& a, schedule_record const& b) { return detail::definition(a) == detail::definition(b); }

/// A digest that is equal for equal definitions, in every version of this library. Only members that differ from the defaults count. So a
/// member that a later version adds changes the digest only of schedules that use it.
inline std::string definition_digest(schedule_record const& schedule) {
  static schedule_record const plain;
  auto const parts = detail::definition(schedule);
  auto const defaults = detail::definition(plain);
  detail::value_hash hash;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto const mix = [&](std::size_t number, auto const& value, auto const& default_value) {
      if (value == default_value) return;
      hash.mix(number);
      hash.mix(value);
    };
    (mix(I, std::get<I>(parts), std::get<I>(defaults)), ...);
  }(std::make_index_sequence<std::tuple_size_v<decltype(parts)>>());
  return hash.text();
}

/// Whether two schedules belong to the same set. A schedule that another node of the set has just added does.
inline bool is_of_set_of(schedule_record const& stored, schedule_record const& given) {
  return stored.origin == given.origin && stored.set_name.value_or(default_set) == given.set_name.value_or(default_set);
}

/// The record to store for a new schedule.
inline schedule_record as_added(schedule_record given, instant now) {
  given.digest = definition_digest(given);
  given.retired_at.reset();
  given.version = 1;
  given.updated_at = now;
  if (given.created_at == instant{}) given.created_at = now;
  return given;
}

/// The record to store after a user's change: `given` with the identity, history and counters of `stored`. The error is taken from `given`:
/// a user who pauses a schedule states the reason there.
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
  given.set_name = stored.set_name;
  given.digest = definition_digest(given);
  given.retired_at.reset();
  return given;
}

/// The record to store when a configuration brings another definition of a schedule. The state stays, unless the schedule was completed. An
/// unchanged interval continues from its anchor. Otherwise a program that is deployed more often than its period would never let it fire.
inline schedule_record as_replaced(schedule_record const& stored, schedule_record given, instant now) {
  if (stored.state != schedule_state::completed) given.state = stored.state;
  given.last_error = stored.last_error;
  if (stored.anchor && given.anchor && stored.next_at && !stored.retired_at && detail::timing(stored) == detail::timing(given)) {
    given.anchor = stored.anchor;
    given.next_at = stored.next_at;
  }
  return as_updated(stored, std::move(given), now);
}

/// The record to store when a node declares a retired schedule again: a pause and the counters survive the retirement.
/// \param given with the set that it belongs to from now on
inline schedule_record as_returned(schedule_record const& stored, schedule_record given, instant now) {
  bool const is_over = stored.state == schedule_state::completed && same_definition(stored, given);
  auto const from = given.origin;
  auto const set = given.set_name;
  if (is_over) {
    given.next_at.reset();
    given.state = schedule_state::completed;
  }
  given = as_replaced(stored, std::move(given), now);
  given.origin = from;
  given.set_name = set;
  return given;
}

/// Updates a schedule after the end of one of its jobs. False when nothing changed.
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

/// The failure of a fire whose job would take the id of another job: ids were given out twice.
inline error id_is_taken(job_id id) {
  return error(errc::conflict, "there is a job with the id " + std::to_string(id) + " already, which a fire was to use");
}

/// The action of a fire, given the last job of its schedule.
enum class fire_action {
  add,               ///< add the job
  skip,              ///< add none
  wait,              ///< add it, to wait behind the last job
  stop_and_wait,     ///< ask for the last job, which runs, to be stopped, and wait behind it
  replace_and_add,   ///< end the last job as cancelled and add the new one
  replace_and_wait,  ///< end the last job, which waits, as cancelled and wait for its blocker
};

/// \param policy of the schedule
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
