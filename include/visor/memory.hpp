#ifndef VISOR_MEMORY_HPP
#define VISOR_MEMORY_HPP

/// \file
/// A store in memory: `visor::memory_store`. Its content ends with the process.

#include "visor/base/log.hpp"
#include "visor/config/settings.hpp"
#include "visor/config/sources.hpp"
#include "visor/store/memory_store.hpp"

#include <memory>
#include <string_view>
#include <utility>

namespace visor {

/// The driver tag of the store in memory.
struct memory {
  static constexpr std::string_view name = "memory";
};

/// Creates the store of a configuration, of the kind that the tag names.
template <timekeeper Clock>
std::unique_ptr<memory_store<Clock>> make_store(memory, storage_settings const&, Clock clock, log_sink const&) {
  return std::make_unique<memory_store<Clock>>(std::move(clock));
}

/// Returns the settings of the environment, as `load_environment` reads them for this driver.
/// \throws config_failure with every mistake in the variables
inline settings environment_settings(memory) { return load_environment(storage_driver::memory); }

}  // namespace visor

#endif
