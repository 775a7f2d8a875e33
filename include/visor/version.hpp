#ifndef VISOR_VERSION_HPP
#define VISOR_VERSION_HPP

/// The version of visor, as `major * 10000 + minor * 100 + patch`.
#define VISOR_VERSION 100

namespace visor {

/// The same version as text. CMake reads it from here.
inline constexpr char const* version_text = "0.1.0";

}  // namespace visor

#endif
