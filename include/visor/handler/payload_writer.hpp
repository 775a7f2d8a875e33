#ifndef VISOR_HANDLER_PAYLOAD_WRITER_HPP
#define VISOR_HANDLER_PAYLOAD_WRITER_HPP

#include "visor/base/storable_text.hpp"
#include "visor/base/time.hpp"
#include "visor/handler/payload_types.hpp"

#include <boost/describe/enum_to_string.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_from.hpp>
#include <boost/mp11/algorithm.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>

namespace visor::detail {

inline void write_text(std::string& out, std::string_view text, field_path const& path) {
  if (!is_storable_text(text)) path.refuse("the text is not UTF-8 or holds a NUL byte: no database keeps it as it is");
  out += boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

template <class T>
void write_value(std::string& out, T const& value, field_path& path) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (payload_integer<T> || payload_real<T>) {
    if constexpr (payload_real<T>)
      if (!std::isfinite(value)) path.refuse("JSON has no number for infinity and not-a-number");
    std::array<char, 64> digits{};
    out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
  } else if constexpr (std::is_same_v<T, std::string>) {
    write_text(out, value, path);
  } else if constexpr (payload_enum<T>) {
    char const* const name = boost::describe::enum_to_string(value, nullptr);
    if (name == nullptr) path.refuse("the value " + std::to_string(static_cast<long long>(value)) + " has no name");
    write_text(out, name, path);
  } else if constexpr (is_duration<T>) {
    double const microseconds = std::chrono::duration<double, std::micro>(value).count();
    if (!(std::abs(microseconds) <= longest_duration_us)) path.refuse("a length of time is at most 100 years");
    write_text(out, to_string(std::chrono::duration_cast<duration>(value)), path);
  } else if constexpr (is_instant<T>) {
    // A rough check first, so that the conversion cannot overflow.
    double const days = std::chrono::duration<double, std::ratio<86'400>>(value.time_since_epoch()).count();
    instant const exact = std::abs(days) < 4e6 ? std::chrono::time_point_cast<duration>(value) : instant::max();
    int const year = static_cast<int>(std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(exact)).year());
    if (year < 0 || year > 9999) path.refuse("an instant is in the years 0 to 9999");
    write_text(out, to_string(exact), path);
  } else if constexpr (is_instance<T, std::optional>) {
    if (value)
      write_value(out, *value, path);
    else
      out += "null";
  } else if constexpr (is_instance<T, std::vector>) {
    out += '[';
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i != 0) out += ',';
      field_path::step const here(path, i);
      write_value<typename T::value_type>(out, value[i], path);
    }
    out += ']';
  } else if constexpr (is_text_map<T>) {
    out += '{';
    for (auto const& [key, element] : value) {
      if (out.back() != '{') out += ',';
      field_path::step const here(path, key);
      write_text(out, key, path);
      out += ':';
      write_value(out, element, path);
    }
    out += '}';
  } else if constexpr (std::is_same_v<T, boost::json::value>) {
    out += boost::json::serialize(value);
  } else if constexpr (payload_struct<T>) {
    bool first = true;
    out += '{';
    boost::mp11::mp_for_each<members_of<T>>([&](auto member) {
      if (!first) out += ',';
      first = false;
      field_path::step const here(path, std::string_view(member.name));
      write_text(out, member.name, path);
      out += ':';
      write_value(out, value.*member.pointer, path);
    });
    out += '}';
  } else if constexpr (!std::is_arithmetic_v<T> && boost::json::has_value_from<T>::value) {
    out += boost::json::serialize(boost::json::value_from(value));
  } else {
    static_assert(sizeof(T) == 0,
                  "visor: this type cannot be in a payload: describe it with BOOST_DESCRIBE_STRUCT or BOOST_DESCRIBE_ENUM, or use one of "
                  "those that visor/handler/payload.hpp lists");
  }
}

}  // namespace visor::detail

#endif
