#ifndef VISOR_SQL_STATEMENT_HPP
#define VISOR_SQL_STATEMENT_HPP

#include "visor/sql/codec.hpp"
#include "visor/sql/constexpr_text.hpp"
#include "visor/sql/dialect.hpp"
#include "visor/sql/table.hpp"

#include <boost/describe/class.hpp>
#include <boost/mp11/list.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace visor::sql {

/// The parameters of a statement without parameters, and the row of a statement that returns none.
struct none {};
BOOST_DESCRIBE_STRUCT(none, (), ())

/// The defaults of a statement definition.
struct statement_defaults {
  using params = none;
  using row = none;
};

/// A statement, written once for every database: a type with
///
/// - `name`: for golden files and messages.
/// - `params`: a described struct: the parameters.
/// - `row`: a described struct: the result; its members are the columns, in their order.
/// - `used`: `tables<...>`: the records whose tables and columns it names.
/// - `write(out)`: static, constexpr: writes the text, see `writer`.
/// - `bulk_form`, optional: the statement that does for many rows what this one does for one, see `bulk_insert`.
template <class S>
concept statement = std::is_empty_v<S> && requires {
  { S::name } -> std::convertible_to<std::string_view>;
  typename S::params;
  typename S::row;
  typename S::used;
};

namespace detail {

constexpr bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

/// The constants of a dialect that a writer needs; see there.
struct spelling {
  template <dialect Dialect>
  static constexpr spelling of() {
    spelling result;
    result.quote_open = Dialect::quote_open;
    result.quote_close = Dialect::quote_close;
    result.placeholder = Dialect::placeholder;
    result.longest_identifier = Dialect::longest_identifier;
    result.catalog = Dialect::catalog;
    result.patterns = {{{"limit", Dialect::limit},
                        {"new_row", Dialect::new_row},
                        {"lock", Dialect::lock},
                        {"skip_locked", Dialect::skip_locked},
                        {"before_front", Dialect::before_front},
                        {"front", Dialect::front},
                        {"front_where", Dialect::front_where},
                        {"front_end", Dialect::front_end},
                        {"bytes_of", Dialect::bytes_of},
                        {"empty_text", Dialect::empty_text},
                        {"each_job", Dialect::each_job},
                        {"each_job_value", Dialect::each_job_value},
                        {"before_number", Dialect::before_number},
                        {"next_numbers", Dialect::next_numbers},
                        {"raise_numbers", Dialect::raise_numbers},
                        {"raise_numbers_end", Dialect::raise_numbers_end},
                        {"clock", Dialect::clock},
                        {"clock_after", Dialect::clock_after}}};
    return result;
  }

  struct named_pattern {
    std::string_view name;
    std::string_view pattern;
  };

  char quote_open = 0;
  char quote_close = 0;
  placeholder_style placeholder = placeholder_style::question;
  std::size_t longest_identifier = 0;
  std::string_view catalog;
  std::array<named_pattern, 18> patterns{};
};

template <dialect Dialect>
inline constexpr spelling spelling_of = spelling::of<Dialect>();

}  // namespace detail

/// The output of a statement definition. `out("...")` copies a pattern in which
///
/// - `{job}` becomes the quoted name of that table,
/// - `[type]` the quoted name of that column, or of a member of the row,
/// - `:limit` a placeholder for that member of the parameters; it may occur more than once,
/// - `{*}` the members of the row, quoted, with commas between,
/// - `{values}` a placeholder for each member of the parameters, with commas between, `{this}` the first table of `used`, `{same_key}` the
///   condition that its key is that of the parameters,
/// - `{limit}`, `{new_row}`, `{lock}`, `{skip_locked}`, `{before_front}`, `{front}`, `{front_where}`, `{front_end}`, `{bytes_of}`,
///   `{empty_text}`, `{each_job}`, `{each_job_value}`, `{before_number}`, `{next_numbers}`, `{raise_numbers}`, `{raise_numbers_end}`,
///   `{clock}`, `{clock_after}`, `{catalog}` the dialect's spelling,
/// - `{some_column}` a column of the first table of `used`,
/// - `[[` an opening bracket.
///
/// `out(value)` writes an enumerator as it is stored. A name that does not exist is a compile error.
///
/// The writer knows names and no types: a separate type for each statement would take several times as long to compile.
class writer {
 public:
  using names = std::span<std::string_view const>;

  constexpr writer(detail::spelling const& how, std::span<known_table const> used, names parameters, names columns, text_sink& sink)
      : how_(how), used_(used), parameters_(parameters), columns_(columns), sink_(sink) {}

  constexpr writer& operator()(std::string_view pattern) {
    char const* const text = pattern.data();  // compilers evaluate subscripts far faster than calls
    std::size_t const size = pattern.size();
    std::size_t i = 0;
    while (i < size) {
      char const c = text[i];
      if (c == '[' && i + 1 < size && text[i + 1] == '[') {
        sink_.text(pattern.substr(i, 1));
        i += 2;
      } else if (c == '[') {
        column(take(pattern, i, ']'));
      } else if (c == '{') {
        expand(take(pattern, i, '}'));
      } else if (c == ':' && i + 1 < size && detail::is_word(text[i + 1])) {
        std::size_t end = i + 1;
        while (end < size && detail::is_word(text[end])) ++end;
        parameter(pattern.substr(i + 1, end - i - 1));
        i = end;
      } else {
        std::size_t end = i + 1;
        while (end < size && text[end] != '[' && text[end] != '{' && text[end] != ':') ++end;
        sink_.text(pattern.substr(i, end - i));
        i = end;
      }
    }
    return *this;
  }

  template <class Enum>
    requires std::is_enum_v<Enum>
  constexpr writer& operator()(Enum value) {
    sink_.text("'");
    sink_.text(enum_name(value));
    sink_.text("'");
    return *this;
  }

  /// Copies text unchanged.
  constexpr writer& raw(std::string_view text) {
    sink_.text(text);
    return *this;
  }

  constexpr void quoted(std::string_view prefix, std::string_view name) {
    if (prefix.size() + name.size() > how_.longest_identifier) throw "the database allows no identifier of this length";
    sink_.text({&how_.quote_open, 1});
    sink_.text(prefix);
    sink_.text(name);
    sink_.text({&how_.quote_close, 1});
  }

  constexpr void column(std::string_view name) {
    bool is_known = has(columns_, name);
    for (known_table const& each : used_) is_known = is_known || has(each.columns, name);
    if (!is_known) throw "no table of this statement has this column";
    quoted({}, name);
  }

  constexpr void parameter(std::string_view name) {
    std::size_t member = 0;
    while (member < parameters_.size() && parameters_[member] != name) ++member;
    if (member == parameters_.size()) throw "the parameters of this statement have no member of this name";
    sink_.parameter(member);
    if (how_.placeholder == placeholder_style::question) {
      sink_.text("?");
    } else {
      sink_.text(how_.placeholder == placeholder_style::dollar ? "$" : "@P");
      number(sink_.parameters);
    }
  }

 private:
  static constexpr std::string_view take(std::string_view pattern, std::size_t& at, char close) {
    std::size_t const end = pattern.find(close, at);
    if (end == std::string_view::npos) throw "a bracket of the pattern is not closed";
    std::string_view const inside = pattern.substr(at + 1, end - at - 1);
    at = end + 1;
    return inside;
  }

  static constexpr bool has(names all, std::string_view name) {
    for (std::string_view const each : all)
      if (each == name) return true;
    return false;
  }

  constexpr void expand(std::string_view name) {
    for (detail::spelling::named_pattern const& each : how_.patterns) {
      if (each.name != name) continue;
      (*this)(each.pattern);
      return;
    }
    if (name == "*")
      row_columns();
    else if (name == "values")
      values();
    else if (name == "this")
      quoted(table_prefix, first().name);
    else if (name == "same_key")
      same_key();
    else if (name == "some_column")
      column(first().columns[0]);
    else if (name == "catalog")
      sink_.text(how_.catalog);
    else
      table_of(name);
  }

  constexpr void table_of(std::string_view name) {
    for (known_table const& each : used_) {
      if (each.name != name) continue;
      quoted(table_prefix, name);
      return;
    }
    throw "this statement uses no table of this name";
  }

  constexpr known_table const& first() const {
    if (used_.empty()) throw "this statement uses no table";
    return used_[0];
  }

  constexpr void values() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (i != 0) sink_.text(", ");
      parameter(parameters_[i]);
    }
  }

  constexpr void same_key() {
    std::string_view rest = first().key;
    for (std::size_t begin = rest.find('['); begin != std::string_view::npos; begin = rest.find('[')) {
      std::size_t const end = rest.find(']');
      std::string_view const name = rest.substr(begin + 1, end - begin - 1);
      column(name);
      sink_.text(" = ");
      parameter(name);
      rest.remove_prefix(end + 1);
      if (!rest.empty()) sink_.text(" AND ");
    }
  }

  constexpr void row_columns() {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i != 0) sink_.text(", ");
      column(columns_[i]);
    }
  }

  constexpr void number(std::size_t value) {
    if (value >= 10) number(value / 10);
    char const digit[]{static_cast<char>('0' + value % 10)};
    sink_.text({digit, 1});
  }

  detail::spelling const& how_;
  std::span<known_table const> used_;
  names parameters_;
  names columns_;
  text_sink& sink_;
};

/// A definition in one dialect: the source of its text.
template <dialect Dialect, statement Definition>
struct spelled {
  static constexpr void write(text_sink& sink) {
    writer out(detail::spelling_of<Dialect>, Definition::used::all, member_names<typename Definition::params>,
               member_names<typename Definition::row>, sink);
    Definition::write(out);
  }
};

/// The text of a statement in a dialect.
template <dialect Dialect, statement Definition>
inline constexpr std::string_view text_in = text_of<spelled<Dialect, Definition>>.view();

/// The kinds of the parameters, in the order of their placeholders, and one element more, so that the array is never empty.
template <dialect Dialect, statement Definition>
constexpr auto parameter_kinds() {
  constexpr auto const& placeholders = text_of<spelled<Dialect, Definition>>.parameters;
  std::array<kind, placeholders.size() + 1> kinds{};
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    using members = members_of<typename Definition::params>;
    ((kinds[I] = kind_of<type_of<boost::mp11::mp_at_c<members, text_of<spelled<Dialect, Definition>>.parameters[I]>>>), ...);
  }(std::make_index_sequence<placeholders.size()>());
  return kinds;
}

/// The kinds of a row's columns, and one element more.
template <class Row>
constexpr auto column_kinds() {
  std::array<kind, member_count<Row> + 1> kinds{};
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((kinds[I] = kind_of<type_of<boost::mp11::mp_at_c<members_of<Row>, I>>>), ...);
  }(std::make_index_sequence<member_count<Row>>());
  return kinds;
}

namespace detail {

template <class Record, bool Ignore>
struct insert_name {
  static constexpr void write(auto& sink) {
    sink.text(Ignore ? "insert_new_" : "insert_");
    sink.text(table<Record>::name);
  }
};

/// Writes an INSERT. \param rows a pattern
template <class Record, class Params>
constexpr void insert_into(auto& out, std::string_view rows) {
  out("INSERT INTO ").quoted(table_prefix, table<Record>::name);
  for (std::size_t i = 0; i < member_count<Params>; ++i) {
    out(i == 0 ? " (" : ", ");
    out.column(member_names<Params>[i]);
  }
  out(") ")(rows);
}

template <class Record>
struct update_name {
  static constexpr void write(auto& sink) {
    sink.text("update_");
    sink.text(table<Record>::name);
  }
};

}  // namespace detail

/// INSERT of many rows, for databases with arrays: each placeholder is the array of a column. Databases that insert many rows in another
/// form generate their own text, from the same `params` and `used`.
/// \tparam Ignore as in `insert`
template <class Record, class Params, bool Ignore>
struct bulk_insert : statement_defaults {
  static constexpr std::string_view name = text_of<detail::insert_name<Record, Ignore>>.view();
  using params = Params;
  using used = tables<Record>;
  static constexpr bool ignores = Ignore;
  static constexpr void write(auto& out) {
    detail::insert_into<Record, Params>(out, "SELECT * FROM unnest({values})");
    if constexpr (Ignore) out(" ON CONFLICT DO NOTHING");
  }
};

/// INSERT of one row: the members of `Params` are columns of the record's table.
/// \tparam Ignore a row whose key exists is skipped, and not counted as affected
template <class Record, class Params = Record, bool Ignore = false>
struct insert : statement_defaults {
  static constexpr std::string_view name = text_of<detail::insert_name<Record, Ignore>>.view();
  using params = Params;
  using used = tables<Record>;
  using bulk_form = bulk_insert<Record, Params, Ignore>;
  static constexpr void write(auto& out) { detail::insert_into<Record, Params>(out, Ignore ? "{new_row}" : "VALUES ({values})"); }
};

namespace detail {

/// True when the pattern contains `[name]`.
constexpr bool pattern_has(std::string_view pattern, std::string_view name) {
  for (std::size_t at = pattern.find(name); at != std::string_view::npos; at = pattern.find(name, at + 1))
    if (at > 0 && pattern[at - 1] == '[' && pattern.substr(at + name.size()).starts_with(']')) return true;
  return false;
}

}  // namespace detail

/// UPDATE of one row by its key: writes the other members of `Params`.
template <class Record, class Params = Record>
struct update : statement_defaults {
  static constexpr std::string_view name = text_of<detail::update_name<Record>>.view();
  using params = Params;
  using used = tables<Record>;
  static constexpr void write(auto& out) {
    out("UPDATE ").quoted(table_prefix, table<Record>::name);
    list(out, " SET ", ", ", false);
    list(out, " WHERE ", " AND ", true);
  }

 private:
  static constexpr void list(auto& out, std::string_view before, std::string_view between, bool of_key) {
    for (std::string_view const column : member_names<Params>) {
      if (detail::pattern_has(table<Record>::key, column) != of_key) continue;
      out(before);
      out.column(column);
      out(" = ").parameter(column);
      before = between;
    }
  }
};

}  // namespace visor::sql

#endif
