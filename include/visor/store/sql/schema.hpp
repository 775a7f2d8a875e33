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

/// What each version of the schema is called. A change of the tables adds one here, and says `since` or `added` in `tables.hpp`;
/// what is here already never changes, from the first release on.
inline constexpr std::array<std::string_view, 5> schema_versions{"jobs, schedules and nodes", "what nodes offer", "limits of job types",
                                                                 "declarations, losses and fences",
                                                                 "numbers of jobs, long names of queues"};

/// Whether nodes of the version before may go on while a version is applied and afterwards, until they notice it: it only adds what they do
/// not need, and what they write is right for newer ones too.
inline constexpr std::array<bool, schema_versions.size()> lets_older_nodes_run{false, true, false, false, false};

/// One version of the schema, and whether the database has it.
struct schema_version {
  int version = 0;
  std::string name;
  std::optional<instant> applied_at;  ///< none if it was not applied
  bool is_known = true;               ///< false: a newer program applied it
  bool is_altered = false;            ///< it was applied with another text than this program's
};

/// A node that works on the tables, as every version of the schema knows it.
struct working_node {
  std::string name;
  std::string address;
  std::string version;  ///< of its program
  instant lease_until{};
};
BOOST_DESCRIBE_STRUCT(working_node, (), (name, address, version, lease_until))

/// What a database has of the schema.
struct schema_status {
  bool has_tables = false;  ///< any table of ours is there
  /// Whoever began to make the first tables did not come to the end, which can be where a transaction cannot hold them: nothing is in them.
  bool is_half_made = false;
  int current = 0;  ///< the highest version that was applied; 0 for none
  int begun = 0;    ///< the highest of which anything is there: above `current` where somebody was stopped on the way up or down
  int latest = static_cast<int>(schema_versions.size());
  std::vector<schema_version> versions;

  /// The versions that are not recorded, though a later one is: nobody knows whether all of them is there.
  std::vector<int> missing() const {
    std::vector<int> found;
    for (schema_version const& each : versions)
      if (!each.applied_at && each.version < current) found.push_back(each.version);
    return found;
  }

  /// What older nodes that run keep from being applied; none if nothing does.
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
