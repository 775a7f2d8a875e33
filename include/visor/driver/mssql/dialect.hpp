#ifndef VISOR_DRIVER_MSSQL_DIALECT_HPP
#define VISOR_DRIVER_MSSQL_DIALECT_HPP

#include "visor/sql/dialect.hpp"

namespace visor {

/// How SQL Server (2017 or newer) spells what databases spell differently. Texts in keys are compared by their code units.
///
/// What Babelfish does not understand either is not used: no MERGE, no CTE that is written through, no index within CREATE TABLE.
struct mssql_dialect : sql::one_writer {
  static constexpr std::string_view name = "mssql";
  static constexpr char quote_open = '[';
  static constexpr char quote_close = ']';
  static constexpr sql::placeholder_style placeholder = sql::placeholder_style::question;
  static constexpr std::string_view integer = "int";
  static constexpr std::string_view bigint = "bigint";
  static constexpr std::string_view boolean = "bit";
  static constexpr std::string_view instant = "datetime2(6)";
  static constexpr std::string_view text = "nvarchar(max) COLLATE Latin1_General_100_BIN2";
  static constexpr std::string_view key_text = "nvarchar(255) COLLATE Latin1_General_100_BIN2";
  static constexpr std::string_view table_end = "";
  static constexpr std::string_view clustered_end = "";
  static constexpr std::string_view limit = "OFFSET 0 ROWS FETCH NEXT :limit ROWS ONLY";
  static constexpr std::string_view new_row = "SELECT {values} WHERE NOT EXISTS (SELECT 1 FROM {this} WHERE {same_key})";
  // There are no ranges of several columns, and written as alternatives they are looked for in the whole queue.
  static constexpr std::string_view in_front =
      "EXISTS (SELECT 1 FROM (SELECT [queue], [priority], [run_at], [job] FROM {ready} WHERE [queue] = :queue "
      "ORDER BY [priority], [run_at], [job] OFFSET 0 ROWS FETCH NEXT :count ROWS ONLY) f WHERE f.[queue] = {ready}.[queue] "
      "AND f.[priority] = {ready}.[priority] AND f.[run_at] = {ready}.[run_at] AND f.[job] = {ready}.[job])";
  static constexpr std::string_view add_column = "ADD";
  static constexpr bool partial_indexes = true;
  static constexpr bool drops_index_of_table = true;
  static constexpr std::string_view each_job = " CROSS APPLY OPENJSON(l.[jobs]) WITH ([[value] bigint '$') e";
  static constexpr std::string_view each_job_value = "e.[[value]";
  // Babelfish calls an index by its name, that of its table, or the beginning, and 32 digits.
  static constexpr std::string_view catalog =
      "SELECT c.table_name, 'column' AS kind, c.column_name AS part FROM information_schema.columns c "
      "WHERE c.table_schema = schema_name() AND c.table_name LIKE 'visor!_%' ESCAPE '!' UNION ALL "
      "SELECT t.name, 'index', CASE WHEN i.name LIKE 'visor[_]%visor[_]%' + REPLICATE('[0-9a-f]', 32) "
      "THEN LEFT(i.name, LEN(i.name) - 37 - CHARINDEX('_rosiv', REVERSE(LEFT(i.name, LEN(i.name) - 32)))) ELSE i.name END "
      "FROM sys.indexes i JOIN sys.tables t ON t.object_id = i.object_id "
      "WHERE t.schema_id = schema_id() AND t.name LIKE 'visor!_%' ESCAPE '!' AND i.is_primary_key = 0 AND i.name IS NOT NULL "
      "ORDER BY 1, 2, 3";
  static constexpr std::size_t longest_identifier = 128;
};

static_assert(sql::dialect<mssql_dialect>);

}  // namespace visor

#endif
