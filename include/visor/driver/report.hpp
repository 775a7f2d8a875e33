#ifndef VISOR_DRIVER_REPORT_HPP
#define VISOR_DRIVER_REPORT_HPP

#include "visor/base/time.hpp"

#include <optional>
#include <string>

namespace visor {

/// What is found at the other end of a connection, for whoever sets one up.
struct database_report {
  std::string server;                        ///< product and version
  std::string tls;                           ///< protocol and cipher; empty: none
  std::optional<duration> latency;           ///< of a round trip, the median of some
  std::optional<duration> clock_difference;  ///< how far the server's clock is ahead of this machine's
};

}  // namespace visor

#endif
