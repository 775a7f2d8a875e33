#ifndef VISOR_HANDLER_PAYLOAD_READER_HPP
#define VISOR_HANDLER_PAYLOAD_READER_HPP

#include "visor/base/json_text.hpp"
#include "visor/base/nearest_name.hpp"
#include "visor/base/time.hpp"
#include "visor/handler/one_line.hpp"
#include "visor/handler/payload_types.hpp"

#include <boost/describe/enum_from_string.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_to.hpp>
#include <boost/mp11/algorithm.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor::detail {

/// Formats a value for an error message.
inline std::string show(boost::json::value const& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  if (!value.is_string()) return boost::json::serialize(value);
  auto const& text = value.get_string();
  return "\"" + one_line(std::string_view(text.data(), text.size()), 60) + "\"";
}

[[noreturn]] inline void refuse(field_path const& path, std::string const& expected, boost::json::value const& found) {
  path.refuse("expected " + expected + ", found " + show(found));
}

inline std::string_view text_of(boost::json::value const& value, std::string const& expected, field_path const& path) {
  auto const* const text = value.if_string();
  if (text == nullptr) refuse(path, expected, value);
  return {text->data(), text->size()};
}

inline std::string list_of(std::vector<std::string_view> const& names) {
  std::string result;
  for (auto const name : names) (result += result.empty() ? "" : ", ") += name;
  return result;
}

/// True when the number stored in a member equals the number of the payload, digit by digit.
template <class T>
bool is_same_number(T value, boost::json::value const& from) {
  if (auto const* const whole = from.if_int64()) return static_cast<long double>(value) == static_cast<long double>(*whole);
  if (auto const* const natural = from.if_uint64()) return static_cast<long double>(value) == static_cast<long double>(*natural);
  if constexpr (std::is_same_v<T, double>) return true;  // `find_lost_digits` has checked
  std::array<char, 64> given{}, kept{};
  auto const write = [](std::array<char, 64>& to, auto number) {
    return std::string_view(to.data(), std::to_chars(to.data(), to.data() + to.size(), number).ptr);
  };
  return as_decimal(write(given, from.get_double())) == as_decimal(write(kept, value));
}

/// Reads the members of a struct from the fields of an object.
template <class T>
void read_members(boost::json::object const& from, T& into, field_path& path);

template <class T>
void read_value(boost::json::value const& from, T& into, field_path& path) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!from.is_bool()) refuse(path, "true or false", from);
    into = from.get_bool();
  } else if constexpr (payload_integer<T>) {
    if (!from.is_number()) refuse(path, "a number", from);
    boost::system::error_code failed;
    into = from.to_number<T>(failed);
    if (failed)
      refuse(
          path,
          "a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " + std::to_string(std::numeric_limits<T>::max()),
          from);
  } else if constexpr (payload_real<T>) {
    if (!from.is_number()) refuse(path, "a number", from);
    double const number = from.to_number<double>();
    // The shortest text of the largest float is slightly larger than that float, so a number that rounds to it is accepted.
    double const largest = static_cast<double>(std::numeric_limits<T>::max());
    if (!(std::abs(number) / largest <= 1 + static_cast<double>(std::numeric_limits<T>::epsilon()) / 4))
      refuse(path, "a smaller number", from);
    into = static_cast<T>(std::clamp(number, -largest, largest));
    if (!is_same_number(into, from)) path.refuse_version("has more digits than its type keeps, found " + show(from));
  } else if constexpr (std::is_same_v<T, std::string>) {
    into = text_of(from, "text", path);
  } else if constexpr (payload_enum<T>) {
    std::vector<std::string_view> names;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto enumerator) { names.emplace_back(enumerator.name); });
    std::string const expected = "one of " + list_of(names);
    std::string const name(text_of(from, expected, path));
    if (!boost::describe::enum_from_string(name.c_str(), into) || name.find('\0') != name.npos)
      path.refuse_version("expected " + expected + ", found " + show(from));
  } else if constexpr (is_duration<T>) {
    char const* const expected = "a length of time such as \"1h30m\"";
    std::string_view text = text_of(from, expected, path);
    bool const negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    auto const length = parse_duration(text);
    if (!length) refuse(path, expected, from);
    auto const exact = negative ? -*length : *length;
    into = std::chrono::duration_cast<T>(exact);
    if (into != exact) refuse(path, "a length of time in coarser units", from);
  } else if constexpr (is_instant<T>) {
    char const* const expected = "an instant such as \"2026-11-21T14:00:00Z\"";
    auto const when = parse_instant(text_of(from, expected, path));
    if (!when) refuse(path, expected, from);
    into = std::chrono::floor<typename T::duration>(*when);
    if (into != *when) refuse(path, "an instant in coarser units", from);
  } else if constexpr (is_instance<T, std::optional>) {
    if (from.is_null())
      into.reset();
    else
      read_value(from, into.emplace(), path);
  } else if constexpr (is_instance<T, std::vector>) {
    if (!from.is_array()) refuse(path, "an array", from);
    into.clear();
    for (auto const& element : from.get_array()) {
      field_path::step const here(path, into.size());
      typename T::value_type value{};
      read_value(element, value, path);
      into.push_back(std::move(value));
    }
  } else if constexpr (is_text_map<T>) {
    if (!from.is_object()) refuse(path, "an object", from);
    into.clear();
    for (auto const& [key, element] : from.get_object()) {
      std::string_view const name(key.data(), key.size());
      field_path::step const here(path, name);
      read_value(element, into[std::string(name)], path);
    }
  } else if constexpr (std::is_same_v<T, boost::json::value>) {
    into = from;
  } else if constexpr (payload_struct<T>) {
    if (!from.is_object()) refuse(path, "an object", from);
    read_members(from.get_object(), into, path);
  } else if constexpr (!std::is_arithmetic_v<T> && boost::json::has_value_to<T>::value) {
    auto value = boost::json::try_value_to<T>(from);
    if (!value) path.refuse("found " + show(from) + ": " + value.error().message());
    into = std::move(*value);
  } else {
    static_assert(sizeof(T) == 0,
                  "visor: this type cannot be in a payload: describe it with BOOST_DESCRIBE_STRUCT or BOOST_DESCRIBE_ENUM, or use one of "
                  "those that visor/handler/payload.hpp lists");
  }
}

template <class T>
void read_members(boost::json::object const& from, T& into, field_path& path) {
  std::vector<std::string_view> names;
  boost::mp11::mp_for_each<members_of<T>>([&](auto member) {
    names.emplace_back(member.name);
    auto const* const field = from.if_contains(member.name);
    if (field == nullptr) return;
    field_path::step const here(path, std::string_view(member.name));
    read_value(*field, into.*member.pointer, path);
  });
  if (path.ignores_unknown_fields()) return;
  for (auto const& [key, value] : from) {
    std::string_view const name(key.data(), key.size());
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    field_path::step const here(path, one_line(name, 60));
    auto const meant = nearest(name, names);
    path.refuse_version("there is no such field; " +
                        (meant.empty() ? "there are: " + list_of(names) : "did you mean \"" + std::string(meant) + "\"?"));
  }
}

}  // namespace visor::detail

#endif
