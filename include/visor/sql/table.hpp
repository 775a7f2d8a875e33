#ifndef VISOR_SQL_TABLE_HPP
#define VISOR_SQL_TABLE_HPP

#include "visor/sql/described.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace visor::sql {

/// The prefix of every table name, which distinguishes the tables of visor from the user's in the same database.
inline constexpr std::string_view table_prefix = "visor_";

/// An index in addition to the key. `columns` and `where` are patterns (`[column], [column]`); an empty `where` indexes every row. `since`
/// is the version of the schema that brought the index, 0 for that of its table.
struct index {
  std::string_view name;
  std::string_view columns;
  std::string_view where = {};
  int since = 0;
};

/// A column that was added after its table: the version of the schema, and the value for older rows (SQL; empty: NULL).
struct added_column {
  std::string_view column;
  int since;
  std::string_view value = {};
};

/// A column that got another name in some version of the schema. It is in no key and no index.
struct renamed_column {
  std::string_view from;
  std::string_view column;  ///< its name from then on, which is that of the member
  int since;
};

/// A column of text in a key that holds several names since some version of the schema: `long_key_text` of the dialect.
struct widened_column {
  std::string_view column;
  int since;
};

/// The table of a record. The columns are its described members; a specialisation defines the rest.
///
/// - `name`: of the table, without the prefix.
/// - `key`: the columns of the primary key, as a pattern: `[job], [number]`.
/// - `clustered`: the rows lie in the order of the key. False for a table with an integer key that is only appended to.
/// - `since`: the version of the schema that brought the table.
/// - `indexes`: an array of `index`.
/// - `added`: an array of `added_column`.
/// - `renamed`: an array of `renamed_column`, the oldest first.
/// - `widened`: an array of `widened_column`.
/// - `key_values`: columns of text that are in no key and no index here, but whose values are in one elsewhere, or will be in a later
///   version, as a pattern. They have the same type as there, so a value that is too long for it is refused here already.
/// - `generated`: the column of the key that the database numbers by itself, as a pattern, where it can do that.
/// - `may_be_null`: columns that may be NULL though their members are not optional, as a pattern: their value then follows from others.
template <class Record>
struct table;

/// The defaults of the specialisations.
struct table_defaults {
  static constexpr bool clustered = true;
  static constexpr int since = 1;
  static constexpr std::array<index, 0> indexes{};
  static constexpr std::array<added_column, 0> added{};
  static constexpr std::array<renamed_column, 0> renamed{};
  static constexpr std::array<widened_column, 0> widened{};
  static constexpr std::string_view key_values = {};
  static constexpr std::string_view generated = {};
  static constexpr std::string_view may_be_null = {};
};

/// A table that a statement may name, with its columns.
struct known_table {
  std::string_view name;
  std::string_view key;
  std::span<std::string_view const> columns;
};

/// The tables that a statement may name. A column that none of them has does not compile.
template <class... Records>
struct tables {
  static constexpr std::array<known_table, sizeof...(Records)> all{
      known_table{table<Records>::name, table<Records>::key, member_names<Records>}...};
};

/// Returns the version of the schema that brought a column.
template <class Record>
constexpr int column_since(std::string_view name) {
  for (added_column const& column : table<Record>::added)
    if (column.column == name) return column.since;
  return table<Record>::since;
}

/// Returns the name that a column had in a version of the schema.
template <class Record>
constexpr std::string_view column_name_in(int version, std::string_view column) {
  auto const& all = table<Record>::renamed;
  for (std::size_t i = all.size(); i-- > 0;)
    if (all[i].column == column && all[i].since > version) column = all[i].from;
  return column;
}

}  // namespace visor::sql

#endif
