#ifndef VISOR_TESTS_SQL_DIALECTS_HPP
#define VISOR_TESTS_SQL_DIALECTS_HPP

#include "visor/sql/dialect.hpp"

/// Dialects that differ in every point that a dialect may, to see that each is looked at.
namespace visor_test {

struct plain_dialect : visor::sql::one_writer {
  static constexpr std::string_view name = "plain";
  static constexpr char quote_open = '"';
  static constexpr char quote_close = '"';
  static constexpr visor::sql::placeholder_style placeholder = visor::sql::placeholder_style::question;
  static constexpr std::string_view integer = "INTEGER";
  static constexpr std::string_view bigint = "BIGINT";
  static constexpr std::string_view boolean = "BOOLEAN";
  static constexpr std::string_view instant = "TIMESTAMP";
  static constexpr std::string_view text = "TEXT";
  static constexpr std::string_view key_text = text;
  static constexpr std::string_view long_key_text = text;
  static constexpr std::string_view table_end = "";
  static constexpr std::string_view clustered_end = " CLUSTERED";
  static constexpr std::string_view limit = "LIMIT :limit";
  static constexpr std::string_view new_row = "VALUES ({values}) IGNORE";
  static constexpr std::string_view bytes_of = "length";
  static constexpr std::string_view empty_text = "''";
  static constexpr std::string_view add_column = "ADD COLUMN";
  static constexpr std::string_view rename_column = "RENAME {from} OF {table} TO {to}";
  static constexpr bool partial_indexes = true;
  static constexpr bool drops_index_of_table = false;
  static constexpr std::string_view each_job = ", each(l.[jobs]) e";
  static constexpr std::string_view each_job_value = "e.v";
  static constexpr std::string_view catalog = "SELECT 'c:d', '[x]', '{y}'";
  static constexpr bool catalog_hides = false;
  static constexpr std::size_t longest_identifier = 63;
};

/// Of a database whose keys have a limit, and whose indexes can less.
struct narrow_dialect : plain_dialect {
  static constexpr std::string_view key_text = "SHORT";
  static constexpr std::string_view long_key_text = "LONGER";
  static constexpr std::string_view generated = " COUNTED";
  static constexpr std::string_view new_row = "VALUES ({values}) UNLESS {some_column} '$[[*]' IN {this} WHERE {same_key}";
  static constexpr bool partial_indexes = false;
  static constexpr bool drops_index_of_table = true;
};

struct dollar_dialect : plain_dialect {
  static constexpr visor::sql::placeholder_style placeholder = visor::sql::placeholder_style::dollar;
};

struct bracket_dialect : plain_dialect {
  static constexpr char quote_open = '[';
  static constexpr char quote_close = ']';
  static constexpr visor::sql::placeholder_style placeholder = visor::sql::placeholder_style::at;
  static constexpr std::string_view limit = "OFFSET 0 ROWS FETCH NEXT :limit ROWS ONLY";
};

}  // namespace visor_test

#endif
