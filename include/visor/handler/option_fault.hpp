#ifndef VISOR_HANDLER_OPTION_FAULT_HPP
#define VISOR_HANDLER_OPTION_FAULT_HPP

#include "visor/base/error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace visor {

/// A fault in the options of a handler. It names the option, so that a caller that read the options from a file can name the position.
struct option_fault {
  std::string option;   ///< the member, such as `headers`
  std::string entry;    ///< of a map; empty: the member as a whole
  std::string subject;  ///< the subject of a message that names no position, such as `header "Host"`
  std::string reason;   ///< the predicate of the message, with either subject
  std::string general;  ///< the same for a secret value; empty: `reason` repeats nothing of the value
};

namespace detail {

/// \throws visor::error `invalid_argument` for the first of the faults, if there is one
inline void refuse_faults(std::string_view handler, std::vector<option_fault> const& faults) {
  if (faults.empty()) return;
  throw error(errc::invalid_argument, std::string(handler) + ": " + faults.front().subject + " " + faults.front().reason);
}

}  // namespace detail
}  // namespace visor

#endif
