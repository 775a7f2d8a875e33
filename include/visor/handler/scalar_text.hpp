#ifndef VISOR_HANDLER_SCALAR_TEXT_HPP
#define VISOR_HANDLER_SCALAR_TEXT_HPP

#include <boost/json/value.hpp>

#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace visor::detail {

/// A text, number or boolean as plain text, without quotation marks; nothing for `null`, arrays and objects.
inline std::optional<std::string> scalar_text(boost::json::value const& value) {
  if (auto const* text = value.if_string()) return std::string(text->data(), text->size());
  if (auto const* truth = value.if_bool()) return *truth ? "true" : "false";
  if (!value.is_number()) return std::nullopt;
  std::array<char, 64> digits{};
  auto const write = [&](auto number) {
    return std::string(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
  };
  return value.is_double() ? write(value.get_double()) : value.is_int64() ? write(value.get_int64()) : write(value.get_uint64());
}

}  // namespace visor::detail

#endif
