#ifndef VISOR_STORE_CHECK_TEXT_HPP
#define VISOR_STORE_CHECK_TEXT_HPP

#include "visor/base/error.hpp"
#include "visor/base/json_text.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/store/store.hpp"

#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace visor {

namespace detail {

inline void check_text(std::string const& what, char const* field, std::string const& text) {
  if (!is_storable_text(text))
    throw error(errc::invalid_argument,
                what + ", field " + field + ": only UTF-8 text without NUL can be kept; encode other data, for example as base64");
}

/// \param what the name of the value in the message
/// \throws visor::error `invalid_argument` for a name that no store can have
inline void check_name(std::string const& what, char const* field, std::string_view name) {
  if (ends_with_blank(name)) throw error(errc::invalid_argument, what + ", field " + field + ": " + blank_at_end);
}

/// Checks names that one text lists with commas, each perhaps followed by a colon and a value.
inline void check_names(std::string const& what, char const* field, std::string_view names) {
  while (!names.empty()) {
    std::string_view one = names.substr(0, names.find(','));
    names.remove_prefix(std::min(one.size() + 1, names.size()));
    check_name(what, field, one.substr(0, one.rfind(':')));
  }
}

/// Whether a member holds a name that lookups use.
constexpr bool is_name(std::string_view member) noexcept {
  constexpr std::array<std::string_view, 8> names{"id", "node", "name", "type", "queue", "schedule", "owner", "set_name"};
  return std::ranges::find(names, member) != names.end();
}

/// Checks every described member that is text. `name` makes the name of the value for the message, only if it is needed.
template <class T, class Name>
void check_members(T const& value, Name const& name) {
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>([&](auto member) {
    auto const& field = value.*member.pointer;
    using type = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_same_v<type, std::string>) {
      if (!is_storable_text(field)) check_text(name(), member.name, field);
      if (is_name(member.name) && ends_with_blank(field)) check_name(name(), member.name, field);
    } else if constexpr (std::is_same_v<type, std::optional<std::string>>) {
      if (field && !is_storable_text(*field)) check_text(name(), member.name, *field);
      if (field && is_name(member.name) && ends_with_blank(*field)) check_name(name(), member.name, *field);
    }
  });
}

/// \param limit in bytes
/// \param of the name of the limit in messages
/// \throws visor::error `invalid_argument` for a payload that is too long
template <class Name>
void check_payload_size(std::string const& payload, std::size_t limit, std::string_view of, Name const& name) {
  if (payload.size() > limit)
    throw error(errc::invalid_argument, name() + ": the payload has " + std::to_string(payload.size()) + " bytes; " + std::string(of) +
                                            " allows " + std::to_string(limit) + ": keep the data elsewhere and pass on where it is");
}

/// \throws visor::error `invalid_argument` for a payload that is not JSON, or beyond `json_limits`
template <class Name>
void check_payload(std::string const& payload, Name const& name) {
  check_payload_size(payload, json_limits::bytes, "visor", name);
  if (auto const fault = find_json_fault(payload)) throw error(errc::invalid_argument, name() + ": the payload " + fault->message());
}

}  // namespace detail

/// Refuses text that a database would not return unchanged, and payloads beyond `json_limits`. Every store calls these before it does
/// anything. O(bytes).
/// \throws visor::error `invalid_argument` that names the value and the field, and repeats neither
inline void check_text(new_job const& job) {
  auto const name = [&] {
    if (job.id != 0) return "job " + std::to_string(job.id);
    return is_storable_text(job.type) ? "a job of type " + job.type : std::string("a job");  // it has no id yet
  };
  detail::check_members(job, name);
  detail::check_payload(job.payload, name);
}
inline void check_text(job_result const& done) {
  detail::check_members(done, [&] { return "result of job " + std::to_string(done.job); });
  for (auto const& child : done.children) check_text(child);
}
inline void check_text(join_request const& request) {
  auto const name = [&] { return is_storable_text(request.node) ? "node " + request.node : std::string("node"); };
  detail::check_members(request, name);
  for (auto const& limits : request.limits) {
    detail::check_text(name(), "limits", limits.type);
    detail::check_name(name(), "limits", limits.type);
  }
  detail::check_names(name(), "queues", request.queues);
  detail::check_names(name(), "capabilities", request.capabilities);
}
inline void check_text(schedule_record const& schedule) {
  auto const name = [&] { return is_storable_text(schedule.id) ? "schedule " + schedule.id : std::string("schedule"); };
  detail::check_members(schedule, name);
  detail::check_payload(schedule.payload, name);
}

/// Checks names in a search: a name that ends with a blank would find objects of another name.
inline void check_text(job_filter const& filter) {
  for (auto const* each : {&filter.type, &filter.schedule})
    if (*each) detail::check_name("jobs", each == &filter.type ? "type" : "schedule", **each);
}
inline void check_text(schedule_filter const& filter) {
  if (filter.owner) detail::check_name("schedules", "owner", *filter.owner);
}

}  // namespace visor

#endif
