// Any text is either refused at a position inside it, or means an instant in the future or a recurrence that is written and read back.
#include "visor/cron/phrase.hpp"
#include "visor/zone.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace visor;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static time_zone const berlin = zone("Europe/Berlin");
  static instant const now = *parse_instant("2026-03-28T12:20:30Z");
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  try {
    auto const parsed = parse_phrase(text, now, berlin);
    require(!parsed.canonical.empty());
    if (auto const* once = std::get_if<instant>(&parsed.when)) {
      require(*once > now);
    } else {
      auto const& when = std::get<recurrence>(parsed.when);
      require(recurrence::parse(when.to_string()) == when);
    }
  } catch (phrase_error const& refused) {
    require(refused.position() <= size);
  } catch (cron_error const& refused) {
    require(refused.position() <= size);
  }
  return 0;
}
