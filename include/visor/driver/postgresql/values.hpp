#ifndef VISOR_DRIVER_POSTGRESQL_VALUES_HPP
#define VISOR_DRIVER_POSTGRESQL_VALUES_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"
#include "visor/driver/postgresql/postgresql_dialect.hpp"
#include "visor/sql/codec.hpp"
#include "visor/sql/statement.hpp"

#include <libpq-fe.h>
#include <boost/endian/conversion.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

/// Values in PostgreSQL's binary format: https://www.postgresql.org/docs/15/protocol-overview.html#PROTOCOL-FORMAT-CODES, and the send and
/// receive functions of its types.
namespace visor::postgresql_driver {

/// The numbers of types in the catalog, which never change: src/include/catalog/pg_type.dat.
inline constexpr Oid boolean_type = 16;
inline constexpr Oid bigint_type = 20;
inline constexpr Oid integer_type = 23;
inline constexpr Oid text_type = 25;
inline constexpr Oid timestamptz_type = 1184;

constexpr Oid type_of(sql::kind what) {
  switch (what) {
    case sql::kind::integer: return integer_type;
    case sql::kind::bigint: return bigint_type;
    case sql::kind::boolean: return boolean_type;
    case sql::kind::instant: return timestamptz_type;
    case sql::kind::text: return text_type;
  }
  return 0;
}

constexpr Oid array_type_of(sql::kind what) {
  switch (what) {
    case sql::kind::integer: return 1007;
    case sql::kind::bigint: return 1016;
    case sql::kind::boolean: return 1000;
    case sql::kind::instant: return 1185;
    case sql::kind::text: return 1009;
  }
  return 0;
}

/// Returns the number of rows that a statement found or changed.
inline std::size_t row_count(PGresult* answer) {
  std::string_view const text = PQcmdTuples(answer);
  std::size_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

/// The server counts instants from 2000-01-01.
inline constexpr std::chrono::microseconds from_1970_to_2000{946'684'800'000'000};

/// \throws visor::error `invalid_argument` for an instant that the database does not have
inline std::int64_t since_2000(instant when) {
  constexpr std::int64_t first = -210'866'803'200'000'000;  // 4713-11-24 BC
  auto const since_1970 = when.time_since_epoch().count();
  if (since_1970 < first)
    throw error(errc::invalid_argument, "the instant " + to_string(when) + " is before those of PostgreSQL, which begin 4713 BC");
  return since_1970 - from_1970_to_2000.count();
}

/// The parameters of one execution, in the form of libpq.
struct parameter_list {
  int count;
  char const* const* values;
  int const* lengths;
  int const* formats;
};

/// The parameters of one execution. Texts are referenced.
template <std::size_t N>
class parameters {
 public:
  void bind(int index, std::int32_t value) {
    auto& bytes = numbers_[static_cast<std::size_t>(index)];
    boost::endian::store_big_s32(bytes.data(), value);
    set(index, bytes.data(), 4);
  }
  void bind(int index, std::int64_t value) {
    auto& bytes = numbers_[static_cast<std::size_t>(index)];
    boost::endian::store_big_s64(bytes.data(), value);
    set(index, bytes.data(), 8);
  }
  void bind(int index, bool value) {
    auto& bytes = numbers_[static_cast<std::size_t>(index)];
    bytes[0] = value ? 1 : 0;
    set(index, bytes.data(), 1);
  }
  void bind(int index, instant value) { bind(index, since_2000(value)); }
  void bind(int index, std::string_view value) { set(index, value.data() == nullptr ? "" : value.data(), value.size()); }
  void bind_null(int index) { values_[static_cast<std::size_t>(index)] = nullptr; }

  parameter_list all() const { return {static_cast<int>(N), values_.data(), lengths_.data(), formats_.data()}; }

 private:
  void set(int index, void const* bytes, std::size_t length) {
    values_[static_cast<std::size_t>(index)] = static_cast<char const*>(bytes);
    lengths_[static_cast<std::size_t>(index)] = static_cast<int>(length);
    formats_[static_cast<std::size_t>(index)] = 1;
  }

  std::array<std::array<unsigned char, 8>, N + 1> numbers_{};
  std::array<char const*, N + 1> values_{};
  std::array<int, N + 1> lengths_{};
  std::array<int, N + 1> formats_{};
};

template <class Number>
void add_number(std::string& to, Number value) {
  boost::endian::native_to_big_inplace(value);
  to.append(reinterpret_cast<char const*>(&value), sizeof value);
}

// A value behind its length: an element of an array, or a field of a row for COPY.
inline void add_value(std::string& to, std::int32_t value) {
  add_number<std::int32_t>(to, 4);
  add_number(to, value);
}
inline void add_value(std::string& to, std::int64_t value) {
  add_number<std::int32_t>(to, 8);
  add_number(to, value);
}
inline void add_value(std::string& to, bool value) {
  add_number<std::int32_t>(to, 1);
  to += value ? '\1' : '\0';
}
inline void add_value(std::string& to, instant value) { add_value(to, since_2000(value)); }
inline void add_value(std::string& to, std::string_view value) {
  add_number<std::int32_t>(to, static_cast<std::int32_t>(value.size()));
  to += value;
}
inline void add_null(std::string& to) { add_number<std::int32_t>(to, -1); }

/// The parameters of many executions, each as an array of one dimension.
template <std::size_t N>
class array_parameters {
 public:
  /// \param types of the elements
  /// \param count of the elements
  array_parameters(std::array<Oid, N + 1> const& types, std::size_t count) {
    for (std::size_t i = 0; i < N; ++i) {
      add_number<std::int32_t>(arrays_[i], 1);  // dimensions
      add_number<std::int32_t>(arrays_[i], 1);  // there may be NULL
      add_number<std::int32_t>(arrays_[i], static_cast<std::int32_t>(types[i]));
      add_number<std::int32_t>(arrays_[i], static_cast<std::int32_t>(count));
      add_number<std::int32_t>(arrays_[i], 1);  // the first index
    }
  }

  template <class T>
  void bind(int index, T value) {
    add_value(at(index), value);
  }
  void bind_null(int index) { add_null(at(index)); }

  /// Returns the bound arrays. They refer to this object.
  parameters<N> all() const {
    parameters<N> result;
    for (std::size_t i = 0; i < N; ++i) result.bind(static_cast<int>(i), std::string_view(arrays_[i]));
    return result;
  }

 private:
  std::string& at(int index) { return arrays_[static_cast<std::size_t>(index)]; }

  std::array<std::string, N + 1> arrays_;
};

/// Rows in the format of COPY, in parts: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format".
class copied_rows {
 public:
  copied_rows() {
    add_number<std::int32_t>(bytes_, 0);  // flags
    add_number<std::int32_t>(bytes_, 0);  // no header extension
  }

  /// \throws visor::error `invalid_argument` for a value that the database does not have; no row may follow then
  template <class Row>
  void add(Row const& row) {
    add_number<std::int16_t>(bytes_, sql::member_count<Row>);
    int index = 0;
    boost::mp11::mp_for_each<sql::members_of<Row>>([&](auto member) { sql::bind_value(*this, index++, row.*member.pointer); });
  }
  void end() { add_number<std::int16_t>(bytes_, -1); }

  std::size_t size() const { return bytes_.size(); }
  std::string take() { return std::exchange(bytes_, {}); }

  template <class T>
  void bind(int, T value) {
    add_value(bytes_, value);
  }
  void bind_null(int) { add_null(bytes_); }

 private:
  std::string bytes_{"PGCOPY\n\377\r\n\0", 11};
};

/// The placeholders of a statement, each as the index of a parameter.
template <sql::statement Definition>
inline constexpr auto const& placeholders = sql::text_of<sql::spelled<postgresql_dialect, Definition>>.parameters;

template <sql::statement Definition>
constexpr auto parameter_types(Oid (*of)(sql::kind) = type_of) {
  std::array<Oid, placeholders<Definition>.size() + 1> types{};
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    using members = sql::members_of<typename Definition::params>;
    ((types[I] = of(sql::kind_of<sql::type_of<boost::mp11::mp_at_c<members, placeholders<Definition>[I]>>>)), ...);
  }(std::make_index_sequence<placeholders<Definition>.size()>());
  return types;
}

struct result_closer {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using result_ptr = std::unique_ptr<PGresult, result_closer>;

/// A row of a result.
class row_cursor {
 public:
  row_cursor(PGresult const* from, int row) : from_(from), row_(row) {}

  bool is_null(int column) const { return PQgetisnull(from_, row_, column) != 0; }
  bool boolean(int column) const { return *bytes(column) != 0; }
  instant when(int column) const { return instant{duration{boost::endian::load_big_s64(bytes(column))} + from_1970_to_2000}; }
  std::int64_t integer(int column) const {
    switch (PQgetlength(from_, row_, column)) {
      case 2: return boost::endian::load_big_s16(bytes(column));
      case 4: return boost::endian::load_big_s32(bytes(column));
      case 8: return boost::endian::load_big_s64(bytes(column));
    }
    throw error(errc::schema_mismatch, std::string("column ") + PQfname(from_, column) + " is no integer");
  }
  std::string_view text(int column) const {
    return {PQgetvalue(from_, row_, column), static_cast<std::size_t>(PQgetlength(from_, row_, column))};
  }

 private:
  unsigned char const* bytes(int column) const { return reinterpret_cast<unsigned char const*>(PQgetvalue(from_, row_, column)); }

  PGresult const* from_;
  int row_;
};

}  // namespace visor::postgresql_driver

#endif
