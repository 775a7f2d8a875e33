#include "bench_room.hpp"
#include "bench_scene.hpp"
#include "drivers.hpp"
#include "node_run.hpp"

#include "visor/memory.hpp"

namespace visor_program {

driver_entry const& memory_driver() {
  static driver_entry const entry{
      .name = visor::memory::name,
      .library = [] { return std::string("built in"); },
      .facts = {{"lasts", "no"}, {"nodes", "1"}, {"tls", "not needed"}},
      .place = [](visor::settings const&) { return std::string("memory"); },
      .probe = nullptr,
      .open = nullptr,
      .is_missing = nullptr,
      .tables = nullptr,
      .run =
          [](node_plan plan) {
            visor::memory_store<> store;
            run_node(store, std::move(plan));
          },
      .bench = &bench_in<bench_memory_room>,
  };
  return entry;
}

}  // namespace visor_program
