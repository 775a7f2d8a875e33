#ifndef VISOR_TOOLS_WHEN_HPP
#define VISOR_TOOLS_WHEN_HPP

#include "visor/base/time.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/store/records.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace visor_program {

/// The time of a schedule as a user wrote it.
struct moment {
  std::variant<visor::instant, visor::recurrence> when;
  visor::time_zone zone;
  std::string understood;  ///< the same in visor's own words
  bool is_phrase = false;  ///< neither an instant nor a cron expression
  std::string note;        ///< the choice between two instants, or in place of none, when the clocks change; mostly empty

  visor::recurrence const* recurring() const { return std::get_if<visor::recurrence>(&when); }

  /// The first instant after another one, exclusive.
  std::optional<visor::instant> next(visor::instant after) const;

  /// Up to `count` instants after another one.
  std::vector<visor::instant> next(visor::instant after, std::size_t count) const;

  /// The reason why there is none: one sentence.
  std::string why_never(visor::instant after) const;
};

/// Parses a time that a user wrote, or refuses it.
/// \param text an RFC 3339 instant, a cron expression, or a phrase such as "every weekday at 9am"
/// \param zone an IANA name
/// \param now the start of phrases such as "in 2 hours"
/// \param anchor the start of an interval's count; none: `now` for a phrase, 1970 for `@every`
/// \throws visor::error with the fault, and with what is allowed
moment read_moment(std::string const& text, std::string const& zone, visor::instant now,
                   std::optional<std::string> const& anchor = std::nullopt);

/// The time of a schedule with an expression. \throws visor::error where this program does not understand it
moment moment_of(visor::schedule_record const& schedule);

/// The effect of clock changes, in words.
std::string clocks_text(visor::recurrence const& when);

}  // namespace visor_program

#endif
