#include "bench_room.hpp"
#include "bench_scene.hpp"
#include "drivers.hpp"
#include "node_run.hpp"
#include "schema_of.hpp"

#include "visor/sqlite.hpp"

#include <sqlite3.h>

#include <filesystem>

namespace visor_program {
namespace {

using store = visor::sqlite_store<>;

visor::sqlite_settings settings_of(visor::settings const& from) { return driver_settings(visor::sqlite(), from.storage); }

struct bench_ways {
  static visor::sqlite_settings inside(visor::sqlite_settings around) {
    around.filename += std::string(".") + bench_place;
    return around;
  }
  static constexpr char const* settle = "ANALYZE";
  static std::string library() { return std::string("SQLite ") + ::sqlite3_libversion(); }
};

}  // namespace

driver_entry const& sqlite_driver() {
  static driver_entry const entry{
      .name = visor::sqlite::name,
      .library = [] { return std::string("SQLite ") + ::sqlite3_libversion(); },
      .facts = {{"lasts", "yes"}, {"nodes", "1"}, {"tls", "not needed"}},
      .place =
          [](visor::settings const& from) {
            auto const settings = settings_of(from);
            settings.check();
            return "sqlite " + settings.filename;
          },
      .probe =
          [](visor::settings const& from) {
            // Whether it can be opened as the daemon would: nothing is made that was not there.
            if (std::filesystem::exists(from.storage.connection.filename)) {
              schema_of<store> looked_at(settings_of(from));
              looked_at.status();
            }
            visor::database_report report;
            report.server = std::string("SQLite ") + ::sqlite3_libversion();
            return report;
          },
      .open = [](visor::settings const& from) -> std::unique_ptr<storage> {
        return std::make_unique<storage_of<store>>(settings_of(from));
      },
      .is_missing =
          [](visor::settings const& from) {
            std::error_code problem;
            auto const status = std::filesystem::symlink_status(from.storage.connection.filename, problem);
            return status.type() == std::filesystem::file_type::not_found;
          },
      .tables = [](visor::settings const& from) -> std::unique_ptr<schema> {
        auto settings = settings_of(from);
        settings.auto_init = true;  // asked for by name: the file may be made
        return std::make_unique<schema_of<store>>(std::move(settings));
      },
      .run =
          [](node_plan plan) {
            store kept{settings_of(plan.settings), visor::wall_clock(), plan.log};
            run_node(kept, std::move(plan));
          },
      .bench = &bench_in<bench_file_room<visor::sqlite, bench_ways>>,
  };
  return entry;
}

}  // namespace visor_program
