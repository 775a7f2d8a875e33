#include "when.hpp"

#include "visor/cron/phrase.hpp"
#include "visor/zone.hpp"

#include <algorithm>
#include <exception>
#include <string_view>

namespace visor_program {
namespace {

/// Whether a text that is not understood was meant as a cron expression and not as a phrase: minute and hour are numbers in every
/// cron expression, while a date or a time is one word or has letters or a colon.
bool looks_like_cron(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  auto const first = text.find_first_not_of(blanks);
  if (first == text.npos || text[first] == '@' || text[first] == '*') return true;
  auto const second = text.find_first_not_of(blanks, text.find_first_of(blanks, first));
  if (second == text.npos) return false;
  auto const both = text.substr(0, text.find_first_of(blanks, second));
  return both.find_first_not_of("0123456789,-*/? \t") == text.npos;
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
