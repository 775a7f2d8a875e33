#include "drivers.hpp"
#include "storage.hpp"

#include "visor/memory.hpp"

namespace visor_program {
namespace {

using kind = visor::memory_store<>;

class memory_sandbox final : public bench_sandbox {
 public:
  std::string display_name() const override { return "memory"; }
  std::unique_ptr<storage> store(visor::log_sink) const override { return std::make_unique<storage_of<kind>>(); }
};

}  // namespace

driver_entry const& memory_driver() {
  static driver_entry const entry{
      .name = visor::memory::name,
      .library = [] { return std::string("built in"); },
      .lasts = false,
      .several_nodes = false,
      .has_tls = false,
      .display_name = [](visor::settings const&) { return std::string("memory"); },
      .probe = nullptr,
      .store = [](visor::settings const&, visor::log_sink) -> std::unique_ptr<storage> { return std::make_unique<storage_of<kind>>(); },
      .is_missing = nullptr,
      .tables = nullptr,
      .sandbox = [](bench_plan const&) -> std::unique_ptr<bench_sandbox> { return std::make_unique<memory_sandbox>(); },
  };
  return entry;
}

}  // namespace visor_program
