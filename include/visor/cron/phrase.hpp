#ifndef VISOR_CRON_PHRASE_HPP
#define VISOR_CRON_PHRASE_HPP

#include "visor/base/error.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/cron/zone.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace visor {

/// A phrase was not understood. `what()` is such as `time phrase "every fryday", column 7: "fryday" is not understood; did you mean friday?`
class phrase_error : public error {
 public:
  phrase_error(std::size_t position, std::string message) : error(condition::invalid_argument, std::move(message)), position_(position) {}
  /// Bytes before the wrong place, from 0.
  std::size_t position() const noexcept { return position_; }

 private:
  std::size_t position_;
};

/// What a phrase means.
struct parsed_phrase {
  std::variant<instant, recurrence> when;  ///< one instant, or a recurrence
  std::string canonical;                   ///< the same in the program's own words, to be shown to who wrote it
};

/// Reads a phrase such as `every weekday at 9am` or `in 2 hours`.
/// \throws phrase_error with the place, and the nearest word that is understood
parsed_phrase parse_phrase(std::string_view text, instant now, time_zone const& zone);

}  // namespace visor

#endif
