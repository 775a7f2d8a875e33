#ifndef VISOR_STORE_SQL_SCHEMA_OPERATIONS_HPP
#define VISOR_STORE_SQL_SCHEMA_OPERATIONS_HPP

#include "visor/sql/migration.hpp"
#include "visor/store/sql/jobs.hpp"
#include "visor/store/sql/row_locks.hpp"
#include "visor/store/sql/schema.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

/// The schema of a database: its current state, its deviations, and the changes that bring it to a version.
namespace visor::statements {

using insert_migration = sql::insert<migration_record>;

struct all_migrations : sql::statement_defaults {
  static constexpr std::string_view name = "all_migrations";
  using row = migration_record;
  using used = sql::tables<migration_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {migration} ORDER BY [version]"); }
};

struct version_row {
  std::optional<int> schema;
};
BOOST_DESCRIBE_STRUCT(version_row, (), (schema))

/// The latest applied version. Uses a table that no version changes.
struct latest_version : sql::statement_defaults {
  static constexpr std::string_view name = "latest_version";
  using row = version_row;
  using used = sql::tables<migration_record>;
  static constexpr void write(auto& out) { out("SELECT max([version]) AS [schema] FROM {migration}"); }
};

struct of_version {
  int version = 0;
};
BOOST_DESCRIBE_STRUCT(of_version, (), (version))

struct remove_migration : sql::statement_defaults {
  static constexpr std::string_view name = "remove_migration";
  using params = of_version;
  using used = sql::tables<migration_record>;
  static constexpr void write(auto& out) { out("DELETE FROM {migration} WHERE [version] = :version"); }
};

struct catalog_row {
  std::string table_name;
  std::string kind;  // as the dialect's `catalog` says
  std::string part;
};
BOOST_DESCRIBE_STRUCT(catalog_row, (), (table_name, kind, part))

struct catalog : sql::statement_defaults {
  static constexpr std::string_view name = "catalog";
  using row = catalog_row;
  using used = sql::tables<>;
  static constexpr void write(auto& out) { out("{catalog}"); }
};

struct some_job {
  job_id id = 0;
};
BOOST_DESCRIBE_STRUCT(some_job, (), (id))

/// Finds any job. Uses only the columns of the first version.
struct any_job : sql::statement_defaults {
  static constexpr std::string_view name = "any_job";
  using params = at_most;
  using row = some_job;
  using used = sql::tables<job_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {job} ORDER BY [id] {limit}"); }
};

/// Nodes that are not offline, with the columns that every version of the schema has.
struct working_nodes : sql::statement_defaults {
  static constexpr std::string_view name = "working_nodes";
  using row = working_node;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {node} WHERE [state] <> ")(node_state::offline)(" ORDER BY [name]"); }
};

struct raise_params {
  std::int64_t epoch = 0;
};
BOOST_DESCRIBE_STRUCT(raise_params, (), (epoch))

/// Ends the leases of all nodes.
/// \param epoch greater than all; the next ones were never given out
struct raise_epochs : sql::statement_defaults {
  static constexpr std::string_view name = "raise_epochs";
  using params = raise_params;
  using used = sql::tables<node_record>;
  static constexpr void write(auto& out) { out("UPDATE {node} SET [epoch] = :epoch"); }
};

using all_of_schema = boost::mp11::mp_append<
    boost::mp11::mp_list<insert_migration, all_migrations, latest_version, remove_migration, catalog, any_job, working_nodes, raise_epochs>,
    all_of_row_locks>;

}  // namespace visor::statements

namespace visor::detail {

/// The parts of tables: `column priority`, `index visor_job_type`.
using parts_by_table = std::map<std::string, std::set<std::string>>;

/// The parts that the records define.
template <class Dialect>
parts_by_table wanted_parts() {
  parts_by_table result;
  std::string const prefix(sql::table_prefix);
  boost::mp11::mp_for_each<
      boost::mp11::mp_transform<boost::mp11::mp_identity, boost::mp11::mp_push_back<records_of<Dialect>, migration_record>>>(
      [&]<class Record>(boost::mp11::mp_identity<Record>) {
        auto& parts = result[prefix + std::string(sql::table<Record>::name)];
        for (std::string_view const name : sql::member_names<Record>) parts.insert(sql::column_part(name));
        for (sql::index const& one : sql::table<Record>::indexes) parts.insert(sql::index_part(one.name));
        if (Dialect::long_key_text != Dialect::key_text)
          for (sql::widened_column const& one : sql::table<Record>::widened) parts.insert(sql::widened_part(one.column));
        if (Dialect::catalog.find("primary key") != std::string_view::npos) {
          std::string columns(sql::table<Record>::key);
          std::erase_if(columns, [](char c) { return c == '[' || c == ']'; });
          parts.insert(sql::key_part(columns));
        }
        if (Dialect::catalog.find("numbered column") != std::string_view::npos)
          for (std::string_view const name : sql::member_names<Record>)
            if (sql::detail::pattern_has(sql::table<Record>::generated, name)) parts.insert(sql::numbered_part(name));
      });
  return result;
}

template <class Session>
async<Session, parts_by_table> stored_parts(Session& session) {
  parts_by_table result;
  auto const rows = co_await session.query(statements::catalog());
  std::map<std::string, std::string> keys;  // the columns of primary keys, which the catalog lists in their order
  for (auto const& row : rows) {
    if (row.kind != "primary key") {
      result[row.table_name].insert(row.kind + " " + row.part);
      continue;
    }
    auto& columns = keys[row.table_name];
    columns += (columns.empty() ? "" : ", ") + row.part.substr(row.part.find(' ') + 1);
  }
  for (auto const& [table, columns] : keys) result[table].insert(sql::key_part(columns));
  co_return result;
}

inline std::string migration_table() { return std::string(sql::table_prefix) + std::string(sql::table<migration_record>::name); }

template <class Dialect>
std::vector<sql::migration> const& migrations() {
  static auto const chain = sql::migrations_of<Dialect, records_of<Dialect>>(schema_versions);
  return chain;
}

inline bool is_stored(parts_by_table const& stored, sql::change const& what) {
  auto const at = stored.find(what.table);
  if (at == stored.end()) return false;
  auto const has = [&](std::string const& part) { return at->second.contains(part); };
  return what.part.empty() || has(what.part) || std::ranges::any_of(what.later_parts, has);
}

/// Reads the tables that the catalog does not show, since the catalog hides tables without rights. Must run outside of a transaction, which
/// servers end with such an error.
/// \throws visor::error `authentication_failed` where a right is missing
template <class Dialect, class Session>
async<Session> check_rights(Session& session) {
  auto const stored = co_await stored_parts(session);
  for (auto const& [table, _] : wanted_parts<Dialect>()) {
    if (stored.contains(table)) continue;
    try {
      co_await session.run("SELECT 1 FROM " + table + " WHERE 1 = 0");
    } catch (error const& refused) {
      bool const is_missing = refused.code() == errc::schema_mismatch || refused.code() == errc::internal;  // Babelfish reports no more
      if (!is_missing) throw;
    }
  }
}

template <class Dialect, class Session>
async<Session, schema_status> read_status(Session& session) {
  schema_status status;
  auto const stored = co_await stored_parts(session);
  for (auto const& [table, _] : wanted_parts<Dialect>()) status.has_tables = status.has_tables || stored.contains(table);
  std::vector<migration_record> applied;
  if (stored.contains(migration_table())) {
    applied = co_await session.query(statements::all_migrations());
    status.is_half_made = applied.empty();
  }
  for (auto const& known : migrations<Dialect>()) {
    schema_version one;
    one.version = known.version;
    one.name = known.name;
    auto const at = std::ranges::find(applied, known.version, &migration_record::version);
    if (at != applied.end()) {
      one.applied_at = at->applied_at;
      one.is_altered = at->checksum != known.checksum();
      status.current = status.begun = known.version;
    }
    bool const is_begun = std::ranges::any_of(known.up, [&](sql::change const& each) { return !each.stays && is_stored(stored, each); });
    if (is_begun && stored.contains(migration_table())) status.begun = known.version;
    status.versions.push_back(std::move(one));
  }
  for (auto const& row : applied) {
    if (row.version <= status.latest) continue;
    status.current = status.begun = row.version;
    status.versions.push_back({row.version, row.name, row.applied_at, false, false});
  }
  co_return status;
}

/// Brings the schema to a version, up or down. Returns the number of versions.
///
/// Where a transaction cannot hold the tables, the finished changes of a version stay although the others were not reached. So a version is
/// recorded only while it is complete: the record is added last, and removed first. Changes that are already made, or already undone, are
/// passed over.
template <class Dialect, class Session>
async<Session, int> move_schema(Session& session, int target, instant now) {
  auto const stored = co_await stored_parts(session);
  if (!stored.contains(migration_table())) {
    if (target == 0) co_return 0;
    co_await session.run(sql::create_table_text<Dialect, migration_record>);
  }
  auto const status = co_await read_status<Dialect>(session);
  auto const& chain = migrations<Dialect>();
  int steps = 0;
  for (int version = 1; version <= target; ++version) {
    if (status.versions[static_cast<std::size_t>(version - 1)].applied_at) continue;
    ++steps;
    auto const& step = chain[static_cast<std::size_t>(version - 1)];
    for (sql::change const& each : step.up)
      if (!is_stored(stored, each)) co_await session.run(each.text);
    migration_record const record{step.version, std::string(step.name), step.checksum(), now};
    co_await session.execute(statements::insert_migration(), record);
  }
  if (target > 0 && target >= status.begun) co_return steps;
  for (int version = status.begun; version > target; --version, ++steps) {
    auto const& step = chain[static_cast<std::size_t>(version - 1)];
    statements::of_version const which{version};
    co_await session.execute(statements::remove_migration(), which);
    for (sql::change const& each : step.down)
      if (is_stored(stored, each)) co_await session.run(each.text);
  }
  // The table of versions goes last, so that nothing of visor is left in the database.
  if (target == 0) co_await session.run(sql::text_of<sql::detail::drop_table<Dialect, migration_record>>.view());
  co_return steps;
}

/// Explains why this program cannot use these tables; empty if it can.
/// \param display_name names the database
inline std::string mismatch(schema_status const& status, std::string const& display_name) {
  if (status.current > status.latest)
    return "the tables in " + display_name + " are of version " + std::to_string(status.current) +
           ", newer than this program, which knows " + std::to_string(status.latest) +
           ": use a newer program, or the newer one's `visor db rollback`";
  for (auto const& version : status.versions)
    if (version.is_altered)
      return "version " + std::to_string(version.version) + " of the tables in " + display_name +
             " was made with other statements than this program's: `visor db validate` tells what it lacks or has beside that, and "
             "`visor db reset` makes all anew, without data";
  if (auto const missing = status.missing(); !missing.empty())
    return "version " + std::to_string(missing.front()) + " of the tables in " + display_name + " is not recorded, though version " +
           std::to_string(status.current) + " is: `visor db migrate` adds what is not there of it, and records it";
  if (status.is_half_made) return "the tables in " + display_name + " were not made to the end: `visor db init` makes them anew";
  if (status.current == 0)
    return "there are tables named visor_... in " + display_name + " that visor did not make: `visor db validate` tells which";
  if (status.current < status.latest)
    return "the tables in " + display_name + " are of version " + std::to_string(status.current) + ", and this program needs " +
           std::to_string(status.latest) + ": run `visor db migrate`";
  return {};
}

template <class Session>
async<Session, int> read_version(Session& session) {
  auto const found = co_await session.find(statements::latest_version());
  co_return found ? found->schema.value_or(0) : 0;
}

/// \throws visor::error `schema_mismatch` unless the tables have the version of this program
template <class Session>
async<Session> check_version(Session& session, std::string display_name) {
  schema_status status;
  int const version = co_await read_version(session);
  status.current = version;
  status.is_half_made = version == 0;
  if (version != status.latest) throw error(errc::schema_mismatch, mismatch(status, display_name));
}

/// Returns the words about a statement that makes a missing part, or sets one right that is not ours; empty where there is no such
/// statement.
inline std::string remedy_of(std::string const& table, std::string const& part) {
  std::string const limited = "limited sequence ";
  if (part.starts_with("primary key")) return ": add it, as ALTER TABLE " + table + " ADD " + part;
  if (part.starts_with(limited)) return ": lift its limits, as ALTER SEQUENCE " + part.substr(limited.size()) + " NO MAXVALUE NO CYCLE";
  return {};
}

/// Returns the differences between the existing tables and those that this program needs, one line each.
template <class Dialect, class Session>
async<Session, std::vector<std::string>> find_drift(Session& session, std::string display_name) {
  std::vector<std::string> lines;
  auto const status = co_await read_status<Dialect>(session);
  if (!status.has_tables) {
    lines.push_back("there are no tables of visor in " + display_name + ": run `visor db init`");
    co_return lines;
  }
  if (std::string line = mismatch(status, display_name); !line.empty()) lines.push_back(std::move(line));
  auto const stored = co_await stored_parts(session);
  for (auto const& [table, parts] : wanted_parts<Dialect>()) {
    auto const at = stored.find(table);
    if (at == stored.end()) {
      lines.push_back("table " + table + " is missing");
      continue;
    }
    for (auto const& part : parts)
      if (!at->second.contains(part)) lines.push_back("table " + table + " lacks the " + part + remedy_of(table, part));
    for (auto const& part : at->second)
      if (!parts.contains(part))
        lines.push_back("table " + table + " has a " + part + " that is not ours" +
                        (part.starts_with("primary key") ? std::string() : remedy_of(table, part)));
  }
  co_return lines;
}

/// \throws visor::error `schema_mismatch` where no version is recorded and yet there are jobs: these tables were not left half-made
template <class Session>
async<Session> check_half_made(Session& session, std::string display_name) {
  auto const stored = co_await stored_parts(session);
  if (!stored.contains(std::string(sql::table_prefix) + std::string(sql::table<job_record>::name))) co_return;
  statements::at_most const one{1};
  auto const job = co_await session.find(statements::any_job(), one);
  if (job)
    throw error(errc::schema_mismatch, "the tables in " + display_name +
                                           " hold jobs, and none of their versions is recorded in visor_migration: "
                                           "take these rows from a backup, or remove all with `visor db reset`");
}

template <class Dialect, class Session>
async<Session> drop_known(Session& session, std::string table) {
  std::string text = "DROP TABLE ";
  text += Dialect::quote_open;
  text += table;
  text += Dialect::quote_close;
  co_await session.run(text);
}

/// Drops every table that this program knows, and creates them anew. After an interruption, the remaining tables show it.
template <class Dialect, class Session>
async<Session> reset_schema(Session& session, instant now) {
  auto const stored = co_await stored_parts(session);
  if (!stored.contains(migration_table())) co_await session.run(sql::create_table_text<Dialect, migration_record>);
  for (auto const& known : migrations<Dialect>()) {
    statements::of_version const which{known.version};
    co_await session.execute(statements::remove_migration(), which);
  }
  for (auto const& [table, _] : wanted_parts<Dialect>())
    if (stored.contains(table) && table != migration_table()) co_await drop_known<Dialect>(session, table);
  co_await drop_known<Dialect>(session, migration_table());
  co_await move_schema<Dialect>(session, static_cast<int>(schema_versions.size()), now);
}

}  // namespace visor::detail

#endif
