#ifndef VISOR_BASE_PROCESS_ENVIRONMENT_HPP
#define VISOR_BASE_PROCESS_ENVIRONMENT_HPP

#include <cstdlib>
#include <functional>
#include <optional>
#include <string>

namespace visor {

/// Looks up an environment variable: its value, or nothing when it is not set.
using environment = std::function<std::optional<std::string>(std::string const& name)>;

/// The environment of this process. Not safe against a `setenv` in another thread, as `getenv` itself.
inline environment process_environment() {
  return [](std::string const& name) -> std::optional<std::string> {
    char const* const value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

}  // namespace visor

#endif
