#ifndef VISOR_SQL_DESCRIBED_HPP
#define VISOR_SQL_DESCRIBED_HPP

#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/describe/modifiers.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>

/// The view of Boost.Describe on a struct or an enum, in the form that statements are generated from.
namespace visor::sql {

/// Members of bases come first.
template <class T>
using members_of = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;

template <class T>
inline constexpr std::size_t member_count = boost::mp11::mp_size<members_of<T>>::value;

namespace detail {

template <class T, template <class...> class List, class... Members>
constexpr std::array<std::string_view, sizeof...(Members)> names(List<Members...>) {
  return {std::string_view(Members::name)...};
}

template <class Member>
struct member_type;
template <class Class, class Type>
struct member_type<Type Class::*> {
  using type = Type;
};

}  // namespace detail

/// The names of the members of a described struct, in the order of their description.
template <class T>
inline constexpr auto member_names = detail::names<T>(members_of<T>{});

/// The type of a member, from its descriptor.
template <class Descriptor>
using type_of = typename detail::member_type<std::remove_cv_t<decltype(Descriptor::pointer)>>::type;

/// Returns the index of the member of that name, or `member_count<T>` if there is none. O(members).
template <class T>
constexpr std::size_t member_index(std::string_view name) {
  std::size_t index = 0;
  while (index < member_count<T> && member_names<T>[index] != name) ++index;
  return index;
}

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

template <class T>
struct without_optional {
  using type = T;
};
template <class T>
struct without_optional<std::optional<T>> {
  using type = T;
};

/// Returns the name of an enumerator, as it is stored. Empty for a value that has none.
template <class Enum>
constexpr std::string_view enum_name(Enum value) {
  std::string_view result;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<Enum>>([&](auto descriptor) {
    if (descriptor.value == value) result = descriptor.name;
  });
  return result;
}

/// Returns the enumerator of that name, if there is one.
template <class Enum>
constexpr std::optional<Enum> enum_value(std::string_view name) {
  std::optional<Enum> result;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<Enum>>([&](auto descriptor) {
    if (name == descriptor.name) result = descriptor.value;
  });
  return result;
}

}  // namespace visor::sql

#endif
