#ifndef VISOR_DRIVER_MSSQL_MSSQL_DIALECT_HPP
#define VISOR_DRIVER_MSSQL_MSSQL_DIALECT_HPP

#include "visor/sql/dialect.hpp"

namespace visor {

/// The dialect of SQL Server (2017 or newer). Texts in keys are compared by their code units.
///
/// It avoids features that Babelfish lacks: MERGE, a CTE that is written through, and an index within CREATE TABLE.
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
  static constexpr std::string_view long_key_text = key_text;  // a key has 900 bytes
  static constexpr std::string_view table_end = "";
  static constexpr std::string_view clustered_end = "";
  static constexpr std::string_view limit = "OFFSET 0 ROWS FETCH NEXT :limit ROWS ONLY";
  static constexpr std::string_view new_row = "SELECT {values} WHERE NOT EXISTS (SELECT 1 FROM {this} WHERE {same_key})";
  static constexpr std::string_view bytes_of = "DATALENGTH";
  // Babelfish turns a value that may be a varchar into one with `''`, and characters outside its code page into question marks.
  static constexpr std::string_view empty_text = "N''";
  static constexpr std::string_view add_column = "ADD";
  static constexpr std::string_view rename_column = "EXEC sp_rename N'{table}.{from}', N'{to}', N'COLUMN'";
  static constexpr bool partial_indexes = true;
  static constexpr bool drops_index_of_table = true;
  static constexpr std::string_view each_job = " CROSS APPLY OPENJSON(l.[jobs]) WITH ([[value] bigint '$') e";
  static constexpr std::string_view each_job_value = "e.[[value]";
  static constexpr sql::number_source numbers = sql::number_source::rows;
  static constexpr std::string_view generated = " IDENTITY";
  static constexpr std::string_view before_number = "INSERT INTO {job_number} DEFAULT VALUES";
  // Babelfish has no OUTPUT with DEFAULT VALUES. SCOPE_IDENTITY would be limited to one message.
  static constexpr std::string_view next_numbers =
      "SELECT CAST(@@IDENTITY AS bigint) AS [number], (SELECT MAX([id]) FROM {job}) AS [highest]";
  static constexpr std::string_view raise_numbers = "SET IDENTITY_INSERT {job_number} ON; INSERT INTO {job_number} ([number]) VALUES (";
  static constexpr std::string_view raise_numbers_end = "); SET IDENTITY_INSERT {job_number} OFF";
  static constexpr std::string_view clock = "CAST(SYSUTCDATETIME() AS datetime2(6))";
  // DATEADD takes a number of 32 bits, which an hour of microseconds exceeds.
  static constexpr std::string_view clock_after = "DATEADD(millisecond, :ttl / 1000, CAST(SYSUTCDATETIME() AS datetime2(6)))";
  // A case-sensitive database accepts the names of its catalogue only in this spelling. Babelfish names an index by its name, that of its
  // table, or the beginning, and 32 digits.
  static constexpr std::string_view catalog =
      "SELECT c.TABLE_NAME, 'column' AS kind, c.COLUMN_NAME AS part FROM INFORMATION_SCHEMA.COLUMNS c "
      "WHERE c.TABLE_SCHEMA = SCHEMA_NAME() AND c.TABLE_NAME LIKE 'visor!_%' ESCAPE '!' UNION ALL "
      "SELECT t.name, 'index', CASE WHEN i.name LIKE 'visor[_]%visor[_]%' + REPLICATE('[0-9a-f]', 32) "
      "THEN LEFT(i.name, LEN(i.name) - 37 - CHARINDEX('_rosiv', REVERSE(LEFT(i.name, LEN(i.name) - 32)))) ELSE i.name END "
      "FROM sys.indexes i JOIN sys.tables t ON t.object_id = i.object_id "
      "WHERE t.schema_id = SCHEMA_ID() AND t.name LIKE 'visor!_%' ESCAPE '!' AND i.is_primary_key = 0 AND i.name IS NOT NULL "
      "ORDER BY 1, 2, 3";
  static constexpr bool catalog_hides = true;
  static constexpr std::size_t longest_identifier = 128;
};

static_assert(sql::dialect<mssql_dialect>);

}  // namespace visor

#endif
