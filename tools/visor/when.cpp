#include "when.hpp"

#include "visor/cron/phrase.hpp"
#include "visor/zone.hpp"

#include <algorithm>
#include <exception>
#include <string_view>

namespace visor_program {
namespace {

/// Whether a text that is not understood was meant as a cron expression and not as a phrase: it begins like one.
bool looks_like_cron(std::string_view text) {
  auto const start = text.find_first_not_of(" \t");
  return start == std::string_view::npos || std::string_view("@*?-+0123456789").find(text[start]) != std::string_view::npos;
}

}  // namespace

std::optional<visor::instant> moment::next(visor::instant after) const {
  if (auto const* const recurs = recurring()) return recurs->next(zone, after);
  auto const once = std::get<visor::instant>(when);
  return once > after ? std::optional(once) : std::nullopt;
}

std::vector<visor::instant> moment::next(visor::instant after, std::size_t count) const {
  std::vector<visor::instant> found;
  for (auto at = next(after); at && found.size() < count; at = next(*at)) found.push_back(*at);
  return found;
}

std::string moment::why_never(visor::instant after) const {
  if (auto const* const recurs = recurring())
    return "'" + recurs->to_string() + "' never fires after " + visor::to_string(after) + ": " + recurs->why_never(zone, after);
  return visor::to_string(std::get<visor::instant>(when)) + " is not after " + visor::to_string(after);
}

moment read_moment(std::string const& text, std::string const& zone, visor::instant now) {
  auto const place = visor::find_zone(zone);
  if (auto const once = visor::parse_instant(text)) return {*once, place, "once, at " + visor::to_string(*once), false};
  try {
    auto const recurs = visor::recurrence::parse(text);
    return {recurs, place, recurs.to_string(), false};
  } catch (visor::cron_error const&) {
    // A phrase may begin like a cron expression, as dates and times do: only what is neither is judged by its looks.
    auto const not_cron = std::current_exception();
    try {
      auto phrase = visor::parse_phrase(text, now, place);
      return {std::move(phrase.when), place, std::move(phrase.canonical), true};
    } catch (visor::error const&) {
      if (!looks_like_cron(text)) throw;
    }
    std::rethrow_exception(not_cron);
  }
}

}  // namespace visor_program
