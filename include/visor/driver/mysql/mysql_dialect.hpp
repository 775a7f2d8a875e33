#ifndef VISOR_DRIVER_MYSQL_MYSQL_DIALECT_HPP
#define VISOR_DRIVER_MYSQL_MYSQL_DIALECT_HPP

#include "visor/sql/dialect.hpp"

namespace visor {

/// The dialect of MariaDB (10.6 or newer) and MySQL (8.0.17 or newer).
///
/// - Instants are microseconds since 1970 as an integer: DATETIME begins with the year 1000, and its meaning would depend on settings of
///   the session (`time_zone`, `sql_mode`).
/// - Texts are compared byte by byte, including spaces at their ends. The two servers share no collation for that, so each gets its own in
///   a comment that only it reads: https://mariadb.com/kb/en/comment-syntax/
/// - A key of 255 characters needs the row format DYNAMIC, which is named: upgraded servers may keep an older default.
/// - The name of a queue consists of up to three names of 200 bytes and a key of 100, with marks between; InnoDB allows 768 characters in a
///   key.
/// - InnoDB allows no LONGTEXT in a key. The `sql_mode` of our sessions refuses text that is longer than the VARCHAR.
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
  static constexpr std::string_view long_key_text = "VARCHAR(703)";
  static constexpr std::string_view table_end =
      " ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = "
      "utf8mb4_0900_bin */";
  static constexpr std::string_view clustered_end = table_end;  // every InnoDB table is clustered
  static constexpr std::string_view limit = "LIMIT :limit";
  // Not INSERT IGNORE, which also accepts values that it had to cut.
  static constexpr std::string_view new_row = "VALUES ({values}) ON DUPLICATE KEY UPDATE {some_column} = {some_column}";
  static constexpr std::string_view lock = " FOR UPDATE";
  static constexpr std::string_view skip_locked = " FOR UPDATE SKIP LOCKED";
  // A range would wait for locked rows in it. By keys, which are read and removed in one order, there is no deadlock.
  static constexpr sql::front_removal removal = sql::front_removal::by_key;
  static constexpr std::string_view before_front = "";
  static constexpr std::string_view front = "{ready}";
  // For a comparison of rows the server would search the whole queue.
  static constexpr std::string_view front_where =
      " WHERE r.[queue] = :queue AND (r.[priority] > :priority OR (r.[priority] = :priority AND "
      "(r.[run_at] > :run_at OR (r.[run_at] = :run_at AND r.[job] > :job))))";
  static constexpr std::string_view front_end = skip_locked;
  static constexpr bool keeps_removed = true;
  static constexpr std::string_view bytes_of = "octet_length";
  static constexpr std::string_view empty_text = "''";
  static constexpr std::string_view add_column = "ADD COLUMN";
  static constexpr std::string_view rename_column = "ALTER TABLE `{table}` RENAME COLUMN `{from}` TO `{to}`";
  static constexpr bool partial_indexes = false;
  static constexpr bool drops_index_of_table = true;
  static constexpr std::string_view each_job = ", JSON_TABLE(l.[jobs], '$[[*]' COLUMNS (value BIGINT PATH '$')) e";
  static constexpr std::string_view each_job_value = "e.value";
  // An inserted row waits for no other, and its number is never reused, whatever becomes of its transaction.
  static constexpr sql::number_source numbers = sql::number_source::rows;
  static constexpr std::string_view generated = " AUTO_INCREMENT";
  static constexpr std::string_view before_number = "INSERT INTO {job_number} () VALUES ()";
  static constexpr std::string_view next_numbers =
      "SELECT CAST(LAST_INSERT_ID() AS SIGNED) AS [number], (SELECT MAX([id]) FROM {job}) AS [highest]";
  static constexpr std::string_view raise_numbers = "INSERT INTO {job_number} ([number]) VALUES (";
  static constexpr std::string_view raise_numbers_end = ")";
  // Not UTC_TIMESTAMP, which is the time when the statement began, before it waited for a lock. Sessions have the time zone UTC.
  static constexpr std::string_view clock = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', SYSDATE(6))";
  static constexpr std::string_view clock_after = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', SYSDATE(6)) + :ttl";
  static constexpr std::string_view catalog =
      "SELECT c.table_name AS table_name, 'column' AS kind, c.column_name AS part FROM information_schema.columns c "
      "WHERE c.table_schema = DATABASE() AND c.table_name LIKE 'visor!_%' ESCAPE '!' UNION "
      "SELECT c.table_name, 'longer column', c.column_name FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND "
      "c.table_name LIKE 'visor!_%' ESCAPE '!' AND c.data_type = 'varchar' AND c.character_maximum_length > 255 UNION "
      "SELECT c.table_name, 'numbered column', c.column_name FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND "
      "c.table_name LIKE 'visor!_%' ESCAPE '!' AND c.extra LIKE '%auto_increment%' UNION "
      "SELECT s.table_name, 'primary key', CONCAT(s.seq_in_index, ' ', s.column_name) FROM information_schema.statistics s "
      "WHERE s.table_schema = DATABASE() AND s.table_name LIKE 'visor!_%' ESCAPE '!' AND s.index_name = 'PRIMARY' UNION "
      "SELECT s.table_name, 'index', s.index_name FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND "
      "s.table_name LIKE 'visor!_%' ESCAPE '!' AND s.index_name <> 'PRIMARY' ORDER BY 1, 2, 3";
  static constexpr bool catalog_hides = true;
  static constexpr std::size_t longest_identifier = 64;
};

static_assert(sql::dialect<mysql_dialect>);

}  // namespace visor

#endif
