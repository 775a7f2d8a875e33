#ifndef VISOR_STORE_SCHEMA_HPP
#define VISOR_STORE_SCHEMA_HPP

#include "visor/base/time.hpp"
#include "visor/store/tables.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace visor {

/// What each version of the schema is called. A change of the tables adds one here, and says `since` or `added` in `tables.hpp`;
/// what is here already never changes, from the first release on.
inline constexpr std::array<std::string_view, 3> schema_versions{"jobs, schedules and nodes", "what nodes offer", "limits of job types"};

/// One version of the schema, and whether the database has it.
struct schema_version {
  int version = 0;
  std::string name;
  std::optional<instant> applied_at;  ///< none if it was not applied
  bool is_known = true;               ///< false: a newer program applied it
  bool is_altered = false;            ///< it was applied with another text than this program's
};

/// What a database has of the schema.
struct schema_status {
  bool has_tables = false;  ///< any table of ours is there
  /// Whoever began to make the first tables did not come to the end, which can be where a transaction cannot hold them: nothing is in them.
  bool is_half_made = false;
  int current = 0;  ///< the highest version that was applied; 0 for none
  int begun = 0;    ///< the highest of which anything is there: above `current` where somebody was stopped on the way up or down
  int latest = static_cast<int>(schema_versions.size());
  std::vector<schema_version> versions;

  bool is_altered() const {
    return std::ranges::any_of(versions, [](schema_version const& version) { return version.is_altered; });
  }
};

}  // namespace visor

#endif
