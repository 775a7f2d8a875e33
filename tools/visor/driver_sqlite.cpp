#include "bench_sandbox_of.hpp"
#include "drivers.hpp"
#include "schema_of.hpp"
#include "storage.hpp"

#include "visor/sqlite.hpp"

#include <sqlite3.h>

#include <filesystem>

namespace visor_program {
namespace {

using kind = visor::sqlite_store<>;

std::string library() { return std::string("SQLite ") + ::sqlite3_libversion(); }

visor::sqlite_settings settings_of(visor::settings const& from) { return driver_settings(visor::sqlite(), from.storage); }

struct bench_ways {
  static visor::sqlite_settings inside(visor::sqlite_settings around) {
    around.filename += std::string(".") + bench_sandbox_name;
    return around;
  }
  static constexpr char const* settle = "ANALYZE";
};

using sandbox = bench_file_sandbox<visor::sqlite, bench_ways>;

}  // namespace

driver_entry const& sqlite_driver() {
  static driver_entry const entry{
      .name = visor::sqlite::name,
      .library = &library,
      .lasts = true,
      .several_nodes = false,
      .has_tls = false,
      .display_name =
          [](visor::settings const& from) {
            auto const settings = settings_of(from);
            settings.check();
            return "sqlite " + settings.filename;
          },
      .probe =
          [](visor::settings const& from) {
            // Checks whether the daemon could open the file; creates nothing that did not exist.
            if (std::filesystem::exists(from.storage.connection.filename)) {
              schema_of<kind> looked_at(settings_of(from));
              looked_at.status();
            }
            visor::database_report report;
            report.server = library();
            return report;
          },
      .store = [](visor::settings const& from, visor::log_sink log) -> std::unique_ptr<storage> {
        return std::make_unique<storage_of<kind>>(settings_of(from), visor::wall_clock(), std::move(log));
      },
      .is_missing =
          [](visor::settings const& from) {
            std::error_code problem;
            auto const status = std::filesystem::symlink_status(from.storage.connection.filename, problem);
            return status.type() == std::filesystem::file_type::not_found;
          },
      .tables = [](visor::settings const& from) -> std::unique_ptr<schema> {
        auto settings = settings_of(from);
        settings.auto_init = true;  // the command asks for the tables by name, so the file may be created
        return std::make_unique<schema_of<kind>>(std::move(settings));
      },
      .sandbox = [](bench_plan const& plan) -> std::unique_ptr<bench_sandbox> { return std::make_unique<sandbox>(plan); },
  };
  return entry;
}

}  // namespace visor_program
