#ifndef VISOR_TOOLS_DRIVERS_HPP
#define VISOR_TOOLS_DRIVERS_HPP

#include "bench_sandbox.hpp"
#include "storage.hpp"

#include "visor/base/log.hpp"
#include "visor/base/node_claim.hpp"
#include "visor/config/settings.hpp"
#include "visor/driver/probe.hpp"
#include "visor/store/sql/schema.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The databases that this program was built with. Each has one file, `driver_<name>.cpp`, which instantiates all that depends
/// on its types.
namespace visor_program {

/// The tables of a database, for `visor db`. Opening it creates nothing.
class schema {
 public:
  schema() = default;
  schema(schema const&) = delete;
  schema& operator=(schema const&) = delete;
  virtual ~schema() = default;

  virtual visor::schema_status status() = 0;
  /// The names of the tables of a version, sorted.
  virtual std::vector<std::string> tables(int version) = 0;
  /// Creates or updates the tables. \returns how many versions were applied
  virtual int migrate() = 0;
  virtual std::vector<visor::working_node> working_nodes() = 0;
  /// Claims the place of the only node, where the operating system can tell whether there is one.
  virtual visor::node_claim claim_node(std::string const& holder) = 0;
  /// Begins a new generation after a restored backup. \returns its number
  virtual std::int64_t restored() = 0;
  /// Undoes the latest versions. \returns how many that were
  virtual int roll_back(int steps) = 0;
  /// Lists the differences between the tables and their definition; empty when there are none.
  virtual std::vector<std::string> validate() = 0;
  virtual void reset() = 0;
};

struct driver_entry {
  std::string_view name;
  std::string (*library)();  ///< with its version
  bool lasts;                ///< false: the data end with their process
  bool several_nodes;        ///< several nodes may work on one database
  bool has_tls;              ///< it has TLS, or needs none
  /// The location of the data, for display. \throws visor::error for settings that the driver does not allow
  std::string (*display_name)(visor::settings const&);
  /// Connects and reads facts about the server, without the tables. Null: there is nothing to connect to
  visor::database_report (*probe)(visor::settings const&);
  std::unique_ptr<storage> (*store)(visor::settings const&, visor::log_sink);  ///< not opened yet
  bool (*is_missing)(visor::settings const&);                    ///< whether there certainly is no database yet; null: cannot be told
  std::unique_ptr<schema> (*tables)(visor::settings const&);     ///< null: there are none
  std::unique_ptr<bench_sandbox> (*sandbox)(bench_plan const&);  ///< the sandbox of benchmarks. \throws failure when it cannot be created
};

/// All drivers, by name.
std::span<driver_entry const* const> drivers();

/// \throws failure when it was not built in, with the drivers that were, and how to build it
driver_entry const& find_driver(visor::storage_driver which);

/// The names of the drivers that keep data, separated by commas.
std::string lasting_drivers();

}  // namespace visor_program

#endif
