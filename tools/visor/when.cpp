#include "when.hpp"

#include "visor/cron/phrase.hpp"
#include "visor/engine/occurrence.hpp"
#include "visor/zone.hpp"

namespace visor_program {

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

moment read_moment(std::string const& text, std::string const& zone, visor::instant now, std::optional<std::string> const& anchor) {
  auto const in_zone = visor::find_zone(zone);
  if (auto const once = visor::parse_instant(text); once && !anchor)
    return {*once, in_zone, "once, at " + visor::to_string(*once), false, {}};
  auto phrase = visor::parse_phrase(text, now, in_zone, anchor);
  if (!phrase.is_phrase) phrase.canonical = std::get<visor::recurrence>(phrase.when).to_string();
  return {std::move(phrase.when), in_zone, std::move(phrase.canonical), phrase.is_phrase, std::move(phrase.note)};
}

moment moment_of(visor::schedule_record const& schedule) {
  auto const occurrences = visor::detail::occurrences(schedule);
  return {occurrences.when, occurrences.zone, occurrences.when.to_string(), false, {}};
}

std::string clocks_text(visor::recurrence const& when) {
  if (!when.follows_clocks()) return "an interval in real time knows no clocks";
  auto const rule = visor::detail::rule_of(when.options().dst, when.expression().is_hour_interval());
  using visor::dst_gap;
  using visor::dst_overlap;
  if (rule.gap == dst_gap::skip && rule.overlap == dst_overlap::both) return "follows real time when the clocks change";
  std::string const gap = rule.gap == dst_gap::run ? "once, right after a gap" : "not within a gap";
  std::string const overlap = rule.overlap == dst_overlap::first  ? "once, the first time"
                              : rule.overlap == dst_overlap::last ? "once, the last time"
                                                                  : "both times";
  return "when the clocks change: " + gap + "; " + overlap + ", where an hour repeats";
}

}  // namespace visor_program
