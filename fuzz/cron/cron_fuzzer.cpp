// Any text is either refused at a position inside it, or is an expression whose text parses back and whose instants are in order.
#include "visor/cron/explain.hpp"
#include "visor/cron/recurrence.hpp"
#include "visor/zone.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace visor;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(recurrence const& when, time_zone const& where, instant from) {
  auto const following = when.next(where, from);
  auto const before = when.previous(where, from);
  if (before) require(*before < from);
  if (!following) {
    require(!when.why_never(where, from).empty());
    return;
  }
  require(*following > from);
  // Nothing lies between.
  auto const back = when.previous(where, *following);
  require(!back || *back <= from);
  require(when.next(where, *following - duration{1}) == following);
  if (before) require(when.next(where, *before) >= from);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static std::array<time_zone, 6> const zones{time_zone::utc(),     zone("Europe/Berlin"),    zone("Australia/Lord_Howe"),
                                              zone("Pacific/Apia"), zone("Antarctica/Troll"), zone("Africa/Casablanca")};
  static std::array<instant, 5> const starts{*parse_instant("2026-03-28T12:00:00Z"), *parse_instant("2026-10-24T23:59:59.999999Z"),
                                             *parse_instant("2011-12-29T00:00:00Z"), *parse_instant("1969-12-31T23:59:59Z"),
                                             *parse_instant("2099-07-01T00:00:00Z")};
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  try {
    // The length chooses the policy and two of the zones, so that one input stays fast.
    static std::array<dst_policy, 4> const policies{
        dst_policy{}, {dst_gap::skip, dst_overlap::last}, {dst_gap::run, dst_overlap::both}, {dst_gap::skip, dst_overlap::first}};
    auto const& dst = policies[size % policies.size()];
    auto const when = recurrence::parse(text, dst);
    auto const canonical = when.to_string();
    auto const again = recurrence::parse(canonical, dst);
    require(again == when);
    require(again.to_string() == canonical);
    require(!explain(when).empty());
    auto const chosen = when.for_schedule(text.substr(0, 8));
    require(chosen.to_string() == canonical);
    for (auto const from : starts) {
      check(chosen, zones[size % zones.size()], from);
      check(when, zones[(size + 1) / 3 % zones.size()], from);
    }
  } catch (cron_error const& refused) {
    require(refused.position() <= size);
    require(refused.field() >= 0 && refused.field() <= 7);
  }
  return 0;
}
