#ifndef VISOR_BASE_LOG_HPP
#define VISOR_BASE_LOG_HPP

#include <boost/describe/enum.hpp>

#include <functional>
#include <string_view>

namespace visor {

BOOST_DEFINE_ENUM_CLASS(log_level, debug, info, warning, error)

/// The log output of the library: one line for each event, without a line end, never with a secret. Any thread of the library may call it
/// and waits meanwhile (`log_buffer` has a thread for that); it must not throw. An empty sink disables logging.
using log_sink = std::function<void(log_level, std::string_view)>;

}  // namespace visor

#endif
