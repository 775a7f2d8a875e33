#ifndef VISOR_STORE_CHECK_TEXT_HPP
#define VISOR_STORE_CHECK_TEXT_HPP

#include "visor/base/error.hpp"
#include "visor/base/text.hpp"
#include "visor/store/store.hpp"

#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

#include <optional>
#include <string>
#include <type_traits>

namespace visor {

namespace detail {

inline void check_text(std::string const& what, char const* field, std::string const& text) {
  if (!is_storable_text(text))
    throw error(condition::invalid_argument,
                what + ", field " + field + ": only UTF-8 text without NUL can be kept; encode other data, for example as base64");
}

/// Looks at every described member that is text. `name` makes what the message calls the value, only if it is needed.
template <class T, class Name>
void check_members(T const& value, Name const& name) {
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>([&](auto member) {
    auto const& field = value.*member.pointer;
    using type = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_same_v<type, std::string>) {
      if (!is_storable_text(field)) check_text(name(), member.name, field);
    } else if constexpr (std::is_same_v<type, std::optional<std::string>>) {
      if (field && !is_storable_text(*field)) check_text(name(), member.name, *field);
    }
  });
}

}  // namespace detail

/// Refuses text that no database would give back as it was. Every store calls these before it does anything. O(bytes).
/// \throws visor::error `invalid_argument` that names the value and the field, and repeats neither
inline void check_text(new_job const& job) {
  detail::check_members(job, [&] { return "job " + std::to_string(job.id); });
}
inline void check_text(completion const& done) {
  detail::check_members(done, [&] { return "result of job " + std::to_string(done.job); });
  for (auto const& child : done.children) check_text(child);
}
inline void check_text(join_request const& request) {
  auto const name = [&] { return is_storable_text(request.node) ? "node " + request.node : std::string("node"); };
  detail::check_members(request, name);
  for (auto const& limits : request.limits) detail::check_text(name(), "limits", limits.type);
}
inline void check_text(schedule_record const& schedule) {
  detail::check_members(schedule, [&] { return is_storable_text(schedule.id) ? "schedule " + schedule.id : std::string("schedule"); });
}

}  // namespace visor

#endif
