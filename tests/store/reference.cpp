#include "contract/adapt.hpp"

#include "visor/async/manual_clock.hpp"
#include "visor/memory.hpp"

namespace visor_test {

std::unique_ptr<tested_store> make_reference() {
  using store = visor::memory_store<visor::manual_clock>;
  visor::manual_clock const clock;
  auto const made = std::make_shared<store>(clock);
  return std::make_unique<adapted<store, visor::manual_clock>>(clock, [made] { return made; });
}

}  // namespace visor_test
