#ifndef VISOR_TOOLS_WORDS_HPP
#define VISOR_TOOLS_WORDS_HPP

#include <boost/describe/enum_from_string.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace visor_program {

/// The names of a described enumeration, as choices of an option.
template <class Enum>
inline constexpr auto words_of = [] {
  using all = boost::describe::describe_enumerators<Enum>;
  std::array<std::string_view, boost::mp11::mp_size<all>::value> names{};
  std::size_t at = 0;
  boost::mp11::mp_for_each<all>([&](auto each) { names[at++] = each.name; });
  return names;
}();

template <class Enum>
std::string_view word(Enum value) {
  return boost::describe::enum_to_string(value, "");
}

/// The enumerator of a word. The choices of the option refuse all other words before.
template <class Enum>
Enum value_of(std::string const& text) {
  Enum value{};
  boost::describe::enum_from_string(text.c_str(), value);
  return value;
}

}  // namespace visor_program

#endif
