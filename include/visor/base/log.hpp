#ifndef VISOR_BASE_LOG_HPP
#define VISOR_BASE_LOG_HPP

#include <boost/describe/enum.hpp>

#include <functional>
#include <string_view>

namespace visor {

BOOST_DEFINE_ENUM_CLASS(log_level, debug, info, warning, error)

/// Where the library says what happens: one line for each event, without a line end, never with a secret. Called from any thread
/// that the library runs on, which waits meanwhile (`log_buffer` has a thread for that); it must not throw. An empty one is silence.
using log_sink = std::function<void(log_level, std::string_view)>;

}  // namespace visor

#endif
