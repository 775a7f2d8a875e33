#ifndef VISOR_STORE_SQL_SET_STATEMENTS_HPP
#define VISOR_STORE_SQL_SET_STATEMENTS_HPP

#include "visor/store/sql/schedule_statements.hpp"

#include <string>

/// Every statement about the declarations of nodes, and about the schedules of a set.
namespace visor::statements {

struct of_set {
  visor::origin origin = visor::origin::config;
  std::string_view set_name;
};
BOOST_DESCRIBE_STRUCT(of_set, (), (origin, set_name))

struct digest_row {
  std::string digest;
};
BOOST_DESCRIBE_STRUCT(digest_row, (), (digest))

struct declared_digests : sql::statement_defaults {
  static constexpr std::string_view name = "declared_digests";
  using params = of_set;
  using row = digest_row;
  using used = sql::tables<declaration_record>;
  static constexpr void write(auto& out) {
    out("SELECT DISTINCT [digest] FROM {declaration} WHERE [origin] = :origin AND [set_name] = :set_name ORDER BY [digest]");
  }
};

struct all_declarations : sql::statement_defaults {
  static constexpr std::string_view name = "all_declarations";
  using row = declaration_record;
  using used = sql::tables<declaration_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {declaration} ORDER BY [node], [origin], [set_name]"); }
};

struct declaring_node {
  std::string_view node;
};
BOOST_DESCRIBE_STRUCT(declaring_node, (), (node))

struct remove_declarations : sql::statement_defaults {
  static constexpr std::string_view name = "remove_declarations";
  using params = declaring_node;
  using used = sql::tables<declaration_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {declaration} WHERE [node] = :node"); }
};

using insert_declaration = sql::insert<declaration_record>;
using insert_new_manifest = sql::insert<manifest_record, manifest_record, true>;

struct of_manifest {
  std::string_view digest;
};
BOOST_DESCRIBE_STRUCT(of_manifest, (), (digest))

struct declared_again {
  std::string_view digest;
  instant declared_at{};
};
BOOST_DESCRIBE_STRUCT(declared_again, (), (digest, declared_at))

struct touch_manifest : sql::statement_defaults {
  static constexpr std::string_view name = "touch_manifest";
  using params = declared_again;
  using used = sql::tables<manifest_record>;
  static constexpr void write(auto& out) { out("UPDATE {manifest} SET [declared_at] = :declared_at WHERE [digest] = :digest"); }
};

struct manifests_of_set : sql::statement_defaults {
  static constexpr std::string_view name = "manifests_of_set";
  using params = of_set;
  using row = digest_row;
  using used = sql::tables<manifest_record>;
  static constexpr void write(auto& out) {
    out("SELECT [digest] FROM {manifest} WHERE [origin] = :origin AND [set_name] = :set_name ORDER BY [declared_at] DESC, [digest]");
  }
};

struct remove_manifest : sql::statement_defaults {
  static constexpr std::string_view name = "remove_manifest";
  using params = of_manifest;
  using used = sql::tables<manifest_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {manifest} WHERE [digest] = :digest"); }
};

struct part_row {
  std::string_view digest;
  int part = 0;
  instant written_at{};
  std::string_view entries;
};
BOOST_DESCRIBE_STRUCT(part_row, (), (digest, part, written_at, entries))

using insert_new_manifest_part = sql::insert<manifest_part_record, part_row, true>;

struct part_count {
  std::int64_t parts = 0;
};
BOOST_DESCRIBE_STRUCT(part_count, (), (parts))

struct count_manifest_parts : sql::statement_defaults {
  static constexpr std::string_view name = "count_manifest_parts";
  using params = of_manifest;
  using row = part_count;
  using used = sql::tables<manifest_part_record>;
  static constexpr void write(auto& out) { out("SELECT count(*) AS [parts] FROM {manifest_part} WHERE [digest] = :digest"); }
};

struct part_of_manifest {
  int parts = 0;
  std::string entries;
};
BOOST_DESCRIBE_STRUCT(part_of_manifest, (), (parts, entries))

struct manifest_parts_of : sql::statement_defaults {
  static constexpr std::string_view name = "manifest_parts";
  using params = of_manifest;
  using row = part_of_manifest;
  using used = sql::tables<manifest_record, manifest_part_record>;
  static constexpr void write(auto& out) {
    out("SELECT m.[parts], p.[entries] FROM {manifest} m JOIN {manifest_part} p ON p.[digest] = m.[digest] WHERE m.[digest] = :digest "
        "ORDER BY p.[part]");
  }
};

struct remove_manifest_parts : sql::statement_defaults {
  static constexpr std::string_view name = "remove_manifest_parts";
  using params = of_manifest;
  using used = sql::tables<manifest_part_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {manifest_part} WHERE [digest] = :digest"); }
};

struct written_before {
  instant before{};
};
BOOST_DESCRIBE_STRUCT(written_before, (), (before))

/// Removes the parts of nodes that ended before they had written all of them.
struct remove_stray_parts : sql::statement_defaults {
  static constexpr std::string_view name = "remove_stray_parts";
  using params = written_before;
  using used = sql::tables<manifest_part_record, manifest_record>;
  static constexpr void write(auto& out) {
    out("DELETE FROM {manifest_part} WHERE [written_at] < :before AND NOT EXISTS (SELECT 1 FROM {manifest} m WHERE m.[digest] = "
        "{manifest_part}.[digest])");
  }
};

struct of_origin {
  visor::origin origin = visor::origin::config;
};
BOOST_DESCRIBE_STRUCT(of_origin, (), (origin))

struct schedule_digests_of : sql::statement_defaults {
  static constexpr std::string_view name = "schedule_digests";
  using params = of_origin;
  using row = schedule_digest;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {schedule} WHERE [origin] = :origin ORDER BY [id]"); }
};

/// Writes the definition: every column except the history of the schedule.
struct redefine_schedule : sql::statement_defaults {
  static constexpr std::string_view name = "redefine_schedule";
  using params = schedule_record;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) {
    // The state comes first: MySQL evaluates each assignment with the new values of those before it.
    out("UPDATE {schedule} SET [state] = CASE WHEN [state] = ")(schedule_state::completed)(
        " THEN :state ELSE [state] END, [version] = [version] + 1");
    for (std::string_view const column : sql::member_names<schedule_record>) {
      bool kept = false;
      for (std::string_view const each : history) kept = kept || each == column;
      if (kept) continue;
      out(", ").column(column);
      out(" = ").parameter(column);
    }
    out(" WHERE [id] = :id AND [version] = :version AND [retired_at] IS NULL AND [digest] <> :digest");
  }

 private:
  static constexpr std::string_view history[] = {"id",         "origin",    "state",         "last_at",
                                                 "last_job",   "run_count", "failure_count", "last_error",
                                                 "created_at", "version",   "set_name",      "retired_at"};
};

struct retire_params {
  std::string_view id;
  std::int64_t version = 1;
  instant now{};
};
BOOST_DESCRIBE_STRUCT(retire_params, (), (id, version, now))

struct retire_schedule : sql::statement_defaults {
  static constexpr std::string_view name = "retire_schedule";
  using params = retire_params;
  using used = sql::tables<schedule_record>;
  static constexpr void write(auto& out) {
    out("UPDATE {schedule} SET [retired_at] = :now, [next_at] = NULL, [version] = [version] + 1 "
        "WHERE [id] = :id AND [version] = :version AND [retired_at] IS NULL");
  }
};

using all_of_sets =
    boost::mp11::mp_list<declared_digests, all_declarations, remove_declarations, insert_declaration, insert_new_manifest, touch_manifest,
                         manifests_of_set, remove_manifest, insert_new_manifest_part, count_manifest_parts, manifest_parts_of,
                         remove_manifest_parts, remove_stray_parts, schedule_digests_of, redefine_schedule, retire_schedule>;

}  // namespace visor::statements

#endif
