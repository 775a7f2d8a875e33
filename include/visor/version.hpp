#ifndef VISOR_VERSION_HPP
#define VISOR_VERSION_HPP

/// The version of visor, as `major * 10000 + minor * 100 + patch`. CMake reads it from here: there is no second place.
#define VISOR_VERSION 100

namespace visor {

/// The same as text.
inline constexpr char const* version_text = "0.1.0";

}  // namespace visor

#endif
