#ifndef VISOR_SQL_CODEC_HPP
#define VISOR_SQL_CODEC_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"
#include "visor/sql/constexpr_text.hpp"
#include "visor/sql/described.hpp"

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// Values between C++ and a database. Every member of a described struct is of one of a closed set of kinds; a driver reads and writes only
/// those.
namespace visor::sql {

/// The kind of a column or parameter: an integer of 32 or of 64 bits, true or false, an instant, or text. Each may be NULL, which C++
/// expresses with `std::optional`.
enum class kind { integer, bigint, boolean, instant, text };

namespace detail {

template <class T>
constexpr kind find_kind() {
  static_assert(!std::is_floating_point_v<T> && (std::is_integral_v<T> || std::is_enum_v<T> || std::is_same_v<T, instant> ||
                                                 std::is_same_v<T, duration> || std::is_convertible_v<T, std::string_view>),
                "a member of this type has no column type: use an integer, bool, enum, instant, duration or text");
  if constexpr (std::is_same_v<T, bool>)
    return kind::boolean;
  else if constexpr (std::is_same_v<T, instant>)
    return kind::instant;
  else if constexpr (std::is_same_v<T, int>)
    return kind::integer;
  else if constexpr (std::is_integral_v<T> || std::is_same_v<T, duration>)
    return kind::bigint;
  else
    return kind::text;
}

}  // namespace detail

/// The kind of a C++ type; `std::optional<T>` has the kind of `T`. Durations are stored as microseconds, enums as the names of their
/// enumerators.
template <class T>
inline constexpr kind kind_of = detail::find_kind<typename without_optional<T>::type>();

/// Passes parameters to a statement of a driver: `bind(index, value)` for each kind, `bind_null(index)`; indexes count from 0 in the order
/// of the placeholders. Text is only valid until the statement has run.
template <class B>
concept binder = requires(B& b, int index, std::int32_t integer, std::int64_t bigint, bool truth, instant when, std::string_view text) {
  b.bind(index, integer);
  b.bind(index, bigint);
  b.bind(index, truth);
  b.bind(index, when);
  b.bind(index, text);
  b.bind_null(index);
};

/// Reads the current row of a driver's result; columns count from 0.
template <class C>
concept cursor = requires(C const& c, int column) {
  { c.is_null(column) } -> std::same_as<bool>;
  { c.integer(column) } -> std::same_as<std::int64_t>;
  { c.boolean(column) } -> std::same_as<bool>;
  { c.when(column) } -> std::same_as<instant>;
  { c.text(column) } -> std::same_as<std::string_view>;
};

/// Binds one value to a placeholder.
template <binder Binder, class T>
void bind_value(Binder& to, int index, T const& value) {
  if constexpr (is_optional<T>::value) {
    if (value)
      bind_value(to, index, *value);
    else
      to.bind_null(index);
  } else if constexpr (std::is_enum_v<T>) {
    to.bind(index, enum_name(value));
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, int> || std::is_same_v<T, instant>) {
    to.bind(index, value);
  } else if constexpr (std::is_same_v<T, duration>) {
    to.bind(index, static_cast<std::int64_t>(value.count()));
  } else if constexpr (std::is_integral_v<T>) {
    to.bind(index, static_cast<std::int64_t>(value));
  } else {
    to.bind(index, std::string_view(value));
  }
}

/// Reads one value.
/// \throws visor::error `corrupt` for a value that the member cannot hold; the message names member and value
template <class T, cursor Cursor>
void read_value(Cursor const& from, int column, char const* name, T& value) {
  if constexpr (is_optional<T>::value) {
    if (from.is_null(column))
      value.reset();
    else
      read_value(from, column, name, value.emplace());
  } else if constexpr (std::is_enum_v<T>) {
    auto const text = from.text(column);
    auto const known = enum_value<T>(text);
    if (!known)
      throw error(errc::corrupt, std::string("column ") + name + " holds '" + std::string(text) + "', which is none of its values");
    value = *known;
  } else if constexpr (std::is_same_v<T, bool>) {
    value = from.boolean(column);
  } else if constexpr (std::is_same_v<T, instant>) {
    value = from.when(column);
  } else if constexpr (std::is_same_v<T, duration>) {
    value = duration{from.integer(column)};
  } else if constexpr (std::is_integral_v<T>) {
    auto const integer = from.integer(column);
    if (!std::in_range<T>(integer))
      throw error(errc::corrupt, std::string("column ") + name + " holds " + std::to_string(integer) + ", which is out of its range");
    value = static_cast<T>(integer);
  } else {
    auto const text = from.text(column);
    value.assign(text.data(), text.size());
  }
}

namespace detail {

template <class Source, class Params, std::size_t... Placeholder, class Binder>
void bind_in_order(Binder& to, Params const& params, std::index_sequence<Placeholder...>) {
  using list = members_of<Params>;
  (bind_value(to, static_cast<int>(Placeholder), params.*(boost::mp11::mp_at_c<list, text_of<Source>.parameters[Placeholder]>::pointer)),
   ...);
}

template <class Row, std::size_t... Column, class Cursor>
void read_columns(Cursor const& from, Row& row, std::index_sequence<Column...>) {
  using list = members_of<Row>;
  (read_value(from, static_cast<int>(Column), boost::mp11::mp_at_c<list, Column>::name, row.*(boost::mp11::mp_at_c<list, Column>::pointer)),
   ...);
}

}  // namespace detail

/// Binds the parameters of a statement, each as often as it occurs in the text.
template <class Source, class Params, binder Binder>
void bind_all(Binder& to, [[maybe_unused]] Params const& params) {
  detail::bind_in_order<Source>(to, params, std::make_index_sequence<text_of<Source>.parameters.size()>{});
}

/// Fills a described row from the current one of a cursor: the columns are its members, in their order.
template <class Row, cursor Cursor>
void read_row(Cursor const& from, Row& row) {
  detail::read_columns(from, row, std::make_index_sequence<member_count<Row>>{});
}

}  // namespace visor::sql

#endif
