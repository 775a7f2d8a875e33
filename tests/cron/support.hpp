#ifndef VISOR_TESTS_CRON_SUPPORT_HPP
#define VISOR_TESTS_CRON_SUPPORT_HPP

#include "support/catch.hpp"
#include "visor/base/time.hpp"
#include "visor/cron/expression.hpp"
#include "visor/cron/schedule.hpp"
#include "visor/cron/time_zone.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cron_test {

inline visor::instant at(std::string_view text) {
  auto const parsed = visor::parse_instant(text);
  INFO("instant " << text);
  REQUIRE(parsed);
  return *parsed;
}

inline std::string shown(std::optional<visor::instant> when) { return when ? visor::to_string(*when) : "none"; }

/// The next `count` instants, as text, in one line.
inline std::string fires(std::string_view expression, visor::time_zone const& zone, std::string_view after, int count = 1,
                         visor::cron_options const& options = {}) {
  auto const parsed = visor::cron_expression::parse(expression);
  std::string result;
  visor::instant from = at(after);
  for (int i = 0; i < count; ++i) {
    auto const when = visor::next(parsed, zone, from, options);
    result += (i == 0 ? "" : " ") + shown(when);
    if (!when) break;
    from = *when;
  }
  return result;
}

/// The dates of the next `count` instants.
inline std::string dates(std::string_view expression, std::string_view after, int count) {
  auto const parsed = visor::cron_expression::parse(expression);
  std::string result;
  visor::instant from = at(after);
  for (int i = 0; i < count; ++i) {
    auto const when = visor::next(parsed, visor::time_zone::utc(), from);
    if (!when) return result + " none";
    result += (i == 0 ? "" : " ") + visor::to_string(*when).substr(0, 10);
    from = *when;
  }
  return result;
}

}  // namespace cron_test

#endif
