#ifndef VISOR_MEMORY_HPP
#define VISOR_MEMORY_HPP

/// \file
/// A store in memory: `visor::memory_store`. Nothing is left of it when the process ends.

#include "visor/store/memory_store.hpp"

#include <string_view>

namespace visor {

/// Names the store in memory where a driver is asked for.
struct memory {
  static constexpr std::string_view name = "memory";
};

}  // namespace visor

#endif
