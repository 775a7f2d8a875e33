#ifndef VISOR_DRIVER_POSTGRESQL_DIALECT_HPP
#define VISOR_DRIVER_POSTGRESQL_DIALECT_HPP

#include "visor/sql/dialect.hpp"

namespace visor {

/// How PostgreSQL (12 or newer) spells what databases spell differently. Texts are compared byte by byte, whatever the language of the
/// database: ids are case-sensitive, and lists are in the same order everywhere.
struct postgresql_dialect {
  static constexpr std::string_view name = "postgresql";
  static constexpr char quote_open = '"';
  static constexpr char quote_close = '"';
  static constexpr sql::placeholder_style placeholder = sql::placeholder_style::dollar;
  static constexpr std::string_view integer = "integer";
  static constexpr std::string_view bigint = "bigint";
  static constexpr std::string_view boolean = "boolean";
  static constexpr std::string_view instant = "timestamptz";
  static constexpr std::string_view text = "text COLLATE \"C\"";
  static constexpr std::string_view key_text = text;
  static constexpr std::string_view table_end = "";
  static constexpr std::string_view clustered_end = "";
  static constexpr std::string_view limit = "LIMIT :limit";
  static constexpr std::string_view new_row = "VALUES ({values}) ON CONFLICT DO NOTHING";
  static constexpr std::string_view lock = " FOR UPDATE";
  static constexpr std::string_view skip_locked = " FOR UPDATE SKIP LOCKED";
  static constexpr sql::front_removal removal = sql::front_removal::by_query;
  // MATERIALIZED: it must be asked once only. A row of `ready` never changes, so its place is as good as its key, and cheaper.
  static constexpr std::string_view before_front =
      "WITH taken AS MATERIALIZED (SELECT ctid AS place, [queue], [priority], [run_at], [job], [attempt] FROM {ready} WHERE [queue] = "
      ":queue AND ([priority], [run_at], [job]) > (:priority, :run_at, :job) "
      "ORDER BY [priority], [run_at], [job] LIMIT :limit FOR UPDATE SKIP LOCKED), "
      "removed AS (DELETE FROM {ready} WHERE ctid = ANY(ARRAY(SELECT place FROM taken))) ";
  static constexpr std::string_view front = "taken";
  static constexpr std::string_view front_where = "";
  static constexpr std::string_view front_end = "";
  static constexpr bool keeps_removed = true;
  static constexpr std::string_view in_front = "1 = 0";
  static constexpr std::string_view add_column = "ADD COLUMN";
  static constexpr bool partial_indexes = true;
  static constexpr bool drops_index_of_table = false;
  static constexpr std::string_view each_job = ", jsonb_array_elements_text(CAST(l.[jobs] AS jsonb)) e";
  static constexpr std::string_view each_job_value = "CAST(e.value AS bigint)";
  static constexpr std::string_view catalog =
      "SELECT table_name::text, 'column' AS kind, column_name::text AS part FROM information_schema.columns "
      "WHERE table_schema = current_schema() AND table_name LIKE 'visor!_%' ESCAPE '!' UNION ALL "
      "SELECT tablename::text, 'index', indexname::text FROM pg_indexes WHERE schemaname = current_schema() AND "
      "tablename LIKE 'visor!_%' ESCAPE '!' AND indexname NOT LIKE '%!_pkey' ESCAPE '!' ORDER BY 1, 2, 3";
  static constexpr std::size_t longest_identifier = 63;
};

static_assert(sql::dialect<postgresql_dialect>);

}  // namespace visor

#endif
