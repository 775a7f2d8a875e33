#ifndef VISOR_DRIVER_SQLITE_SQLITE_DIALECT_HPP
#define VISOR_DRIVER_SQLITE_SQLITE_DIALECT_HPP

#include "visor/sql/dialect.hpp"

namespace visor {

/// The dialect of SQLite (3.38 or newer). Instants are microseconds since 1970 as an integer.
struct sqlite_dialect : sql::one_writer {
  static constexpr std::string_view name = "sqlite";
  static constexpr char quote_open = '"';
  static constexpr char quote_close = '"';
  static constexpr sql::placeholder_style placeholder = sql::placeholder_style::question;
  static constexpr std::string_view integer = "INTEGER";
  static constexpr std::string_view bigint = "INTEGER";
  static constexpr std::string_view boolean = "INTEGER";
  static constexpr std::string_view instant = "INTEGER";
  static constexpr std::string_view text = "TEXT";
  static constexpr std::string_view key_text = text;
  static constexpr std::string_view long_key_text = text;
  static constexpr std::string_view table_end = " STRICT";
  static constexpr std::string_view clustered_end = " STRICT, WITHOUT ROWID";
  static constexpr std::string_view limit = "LIMIT :limit";
  static constexpr std::string_view new_row = "VALUES ({values}) ON CONFLICT DO NOTHING";
  static constexpr sql::front_removal removal = sql::front_removal::up_to_last;
  static constexpr std::string_view bytes_of = "length";
  static constexpr std::string_view empty_text = "''";
  static constexpr std::string_view add_column = "ADD COLUMN";
  static constexpr std::string_view rename_column = R"(ALTER TABLE "{table}" RENAME COLUMN "{from}" TO "{to}")";
  static constexpr bool partial_indexes = true;
  static constexpr bool drops_index_of_table = false;
  static constexpr std::string_view each_job = ", json_each(l.[jobs]) e";
  static constexpr std::string_view each_job_value = "e.value";
  static constexpr std::string_view catalog =
      "SELECT m.name AS table_name, 'column' AS kind, c.name AS part FROM sqlite_schema m JOIN pragma_table_info(m.name) c "
      "WHERE m.type = 'table' AND m.name LIKE 'visor!_%' ESCAPE '!' UNION ALL "
      "SELECT tbl_name, 'index', name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'visor!_%' ESCAPE '!' ORDER BY 1, 2, 3";
  static constexpr bool catalog_hides = false;
  static constexpr std::size_t longest_identifier = 128;
};

static_assert(sql::dialect<sqlite_dialect>);

}  // namespace visor

#endif
