#ifndef VISOR_STORE_SQL_SCHEMA_HPP
#define VISOR_STORE_SQL_SCHEMA_HPP

#include "visor/base/time.hpp"
#include "visor/store/sql/tables.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace visor {

/// The names of the versions of the schema. A change of the tables adds one here, and says `since`, `added` or `renamed` in `tables.hpp`.
/// From the first release on, existing names never change.
inline constexpr std::array<std::string_view, 6> schema_versions{"jobs, schedules and nodes",
                                                                 "what nodes offer",
                                                                 "limits of job types",
                                                                 "declarations, losses and fences",
                                                                 "numbers of jobs, long names of queues",
                                                                 "names of columns"};

/// Whether nodes of the version before may go on while a version is applied, and afterwards until they notice it. The version then only
/// adds objects that those nodes do not need, and newer nodes understand their writes.
inline constexpr std::array<bool, schema_versions.size()> lets_older_nodes_run{false, true, false, false, false, false};

/// One version of the schema, and whether the database has it.
struct schema_version {
  int version = 0;
  std::string name;
  std::optional<instant> applied_at;  ///< none if it was not applied
  bool is_known = true;               ///< false: a newer program applied it
  bool is_altered = false;            ///< it was applied with other statements than this program's
};

/// A node that works on the tables, with the columns that every version of the schema has.
struct working_node {
  std::string name;
  std::string address;
  std::string version;  ///< of its program
  instant lease_until{};
};
BOOST_DESCRIBE_STRUCT(working_node, (), (name, address, version, lease_until))

/// The state of the schema in a database.
struct schema_status {
  bool has_tables = false;  ///< any table of visor exists
  /// The first creation of the tables was interrupted, and no transaction covered it: nothing is in them.
  bool is_half_made = false;
  int current = 0;  ///< the highest version that was applied; 0 for none
  int begun = 0;    ///< the highest of which a part exists; above `current` after an interrupted change
  int latest = static_cast<int>(schema_versions.size());
  std::vector<schema_version> versions;

  /// The versions that are not recorded, though a later one is: it is unknown whether they are complete.
  std::vector<int> missing() const {
    std::vector<int> found;
    for (schema_version const& each : versions)
      if (!each.applied_at && each.version < current) found.push_back(each.version);
    return found;
  }

  /// Returns a version that running older nodes keep from being applied; none if nothing does.
  std::optional<schema_version> unfit_for_older_nodes() const {
    for (schema_version const& each : versions)
      if (!each.applied_at && each.is_known && each.version > current && !lets_older_nodes_run[static_cast<std::size_t>(each.version - 1)])
        return each;
    return std::nullopt;
  }

  bool is_altered() const {
    return std::ranges::any_of(versions, [](schema_version const& version) { return version.is_altered; });
  }
};

}  // namespace visor

#endif
