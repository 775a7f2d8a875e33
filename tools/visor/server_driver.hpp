#ifndef VISOR_TOOLS_SERVER_DRIVER_HPP
#define VISOR_TOOLS_SERVER_DRIVER_HPP

#include "bench_sandbox_of.hpp"
#include "drivers.hpp"
#include "run_sync.hpp"
#include "schema_of.hpp"
#include "storage.hpp"

#include "visor/driver/probe.hpp"
#include "visor/store/sql/sql_store.hpp"

#include <memory>

namespace visor_program {

/// The program's functions for the driver of a database server.
/// \tparam Sandbox the sandbox of benchmarks
template <class Driver, class Sandbox>
struct server_driver {
  using kind = visor::sql_store<Driver>;

  static auto settings_of(visor::settings const& from) { return driver_settings(Driver(), from.storage); }

  static std::string display_name(visor::settings const& from) {
    auto const settings = settings_of(from);
    settings.check();
    return settings.url();
  }
  static visor::database_report probe(visor::settings const& from) { return run_sync(visor::probe<Driver>(settings_of(from))); }
  static std::unique_ptr<storage> store(visor::settings const& from, visor::log_sink log) {
    return std::make_unique<storage_of<kind>>(settings_of(from), visor::wall_clock(), std::move(log));
  }
  static std::unique_ptr<schema> tables(visor::settings const& from) { return std::make_unique<schema_of<kind>>(settings_of(from)); }
  static std::unique_ptr<bench_sandbox> sandbox(bench_plan const& plan) { return std::make_unique<Sandbox>(plan); }

  /// \param library that it is built on, with its version
  static driver_entry entry(std::string (*library)()) {
    return {.name = Driver::name,
            .library = library,
            .lasts = true,
            .several_nodes = true,
            .has_tls = true,
            .display_name = &display_name,
            .probe = &probe,
            .store = &store,
            .is_missing = nullptr,
            .tables = &tables,
            .sandbox = &sandbox};
  }
};

}  // namespace visor_program

#endif
