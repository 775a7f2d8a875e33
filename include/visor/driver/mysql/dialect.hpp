#ifndef VISOR_DRIVER_MYSQL_DIALECT_HPP
#define VISOR_DRIVER_MYSQL_DIALECT_HPP

#include "visor/sql/dialect.hpp"

namespace visor {

/// How MariaDB (10.6 or newer) and MySQL (8.0.17 or newer) spell what databases spell differently.
///
/// - Instants are microseconds since 1970 as an integer: DATETIME begins with the year 1000, and what it means would hang on settings of
///   the session (`time_zone`, `sql_mode`).
/// - Texts are compared byte by byte, also spaces at their ends. The two servers have no collation for that in common, so each is told its
///   own in a comment that only it reads: https://mariadb.com/kb/en/comment-syntax/
/// - InnoDB takes no LONGTEXT into a key. What is longer than a VARCHAR is refused, by the `sql_mode` of our sessions.
struct mysql_dialect {
  static constexpr std::string_view name = "mysql";
  static constexpr char quote_open = '`';
  static constexpr char quote_close = '`';
  static constexpr sql::placeholder_style placeholder = sql::placeholder_style::question;
  static constexpr std::string_view integer = "INT";
  static constexpr std::string_view bigint = "BIGINT";
  static constexpr std::string_view boolean = "BOOLEAN";
  static constexpr std::string_view instant = "BIGINT";
  static constexpr std::string_view text = "LONGTEXT";
  static constexpr std::string_view key_text = "VARCHAR(255)";
  static constexpr std::string_view table_end =
      " ENGINE = InnoDB, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */";
  static constexpr std::string_view clustered_end = table_end;  // every table of InnoDB is
  static constexpr std::string_view limit = "LIMIT :limit";
  // Not INSERT IGNORE, which also lets through what it had to cut.
  static constexpr std::string_view new_row = "VALUES ({values}) ON DUPLICATE KEY UPDATE {some_column} = {some_column}";
  static constexpr std::string_view lock = " FOR UPDATE";
  static constexpr std::string_view skip_locked = " FOR UPDATE SKIP LOCKED";
  // A range would wait for rows in it that others keep. By keys, which are read and removed in one order, there is no deadlock.
  static constexpr sql::front_removal removal = sql::front_removal::by_key;
  static constexpr std::string_view before_front = "";
  static constexpr std::string_view front = "{ready}";
  // A comparison of rows is looked for in the whole queue.
  static constexpr std::string_view front_where =
      " WHERE r.[queue] = :queue AND (r.[priority] > :priority OR (r.[priority] = :priority AND "
      "(r.[run_at] > :run_at OR (r.[run_at] = :run_at AND r.[job] > :job))))";
  static constexpr std::string_view front_end = skip_locked;
  static constexpr bool keeps_removed = true;
  static constexpr std::string_view in_front = "1 = 0";
  static constexpr std::string_view add_column = "ADD COLUMN";
  static constexpr bool partial_indexes = false;
  static constexpr bool drops_index_of_table = true;
  static constexpr std::string_view each_job = ", JSON_TABLE(l.[jobs], '$[[*]' COLUMNS (value BIGINT PATH '$')) e";
  static constexpr std::string_view each_job_value = "e.value";
  static constexpr std::string_view catalog =
      "SELECT c.table_name AS table_name, 'column' AS kind, c.column_name AS part FROM information_schema.columns c "
      "WHERE c.table_schema = DATABASE() AND c.table_name LIKE 'visor!_%' ESCAPE '!' UNION "
      "SELECT s.table_name, 'index', s.index_name FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND "
      "s.table_name LIKE 'visor!_%' ESCAPE '!' AND s.index_name <> 'PRIMARY' ORDER BY 1, 2, 3";
  static constexpr std::size_t longest_identifier = 64;
};

static_assert(sql::dialect<mysql_dialect>);

}  // namespace visor

#endif
