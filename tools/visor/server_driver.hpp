#ifndef VISOR_TOOLS_SERVER_DRIVER_HPP
#define VISOR_TOOLS_SERVER_DRIVER_HPP

#include "bench_room.hpp"
#include "bench_scene.hpp"
#include "drivers.hpp"
#include "node_run.hpp"
#include "schema_of.hpp"

#include "visor/driver/probe.hpp"
#include "visor/store/sql_store.hpp"

#include <memory>

namespace visor_program {

/// What the program does with the driver of a database server.
/// \tparam Room where benchmarks work
template <class Driver, class Room>
struct server_driver {
  using store = visor::sql_store<Driver>;

  static auto settings_of(visor::settings const& from) { return driver_settings(Driver(), from.storage); }

  static std::string place(visor::settings const& from) {
    auto const settings = settings_of(from);
    settings.check();
    return settings.url();
  }
  static visor::database_report probe(visor::settings const& from) {
    boost::asio::io_context context{1};
    return run_to_end(context, visor::probe<Driver>(settings_of(from)));
  }
  static std::unique_ptr<storage> open(visor::settings const& from) { return std::make_unique<storage_of<store>>(settings_of(from)); }
  static std::unique_ptr<schema> tables(visor::settings const& from) { return std::make_unique<schema_of<store>>(settings_of(from)); }
  static void run(node_plan plan) {
    store kept{settings_of(plan.settings), visor::wall_clock(), plan.log};
    run_node(kept, std::move(plan));
  }

  /// \param library that it is built on, with its version
  static driver_entry entry(std::string (*library)()) {
    return {.name = Driver::name,
            .library = library,
            .facts = {{"lasts", "yes"}, {"nodes", "several"}, {"tls", "yes"}},
            .place = &place,
            .probe = &probe,
            .open = &open,
            .is_missing = nullptr,
            .tables = &tables,
            .run = &run,
            .bench = &bench_in<Room>};
  }
};

}  // namespace visor_program

#endif
