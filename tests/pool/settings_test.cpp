#include "visor/settings/pool_settings.hpp"

#include "support/catch.hpp"

#include <functional>
#include <string>

using namespace std::chrono_literals;
using visor::pool_settings;

TEST_CASE("the settings of a pool are refused by name, with what is allowed") {
  struct wrong {
    std::function<void(pool_settings&)> change;
    std::string message;
  };
  auto const each = GENERATE(values<wrong>({
      {[](auto& s) { s.max = 0; }, "pool.max is 0: allowed is 1 to 10000"},
      {[](auto& s) { s.min = 11; }, "pool.min is 11: allowed is 0 to 10"},
      {[](auto& s) { s.min = -1; }, "pool.min is -1: allowed is 0 to 10"},
      {[](auto& s) { s.max_idle = -1; }, "pool.max_idle is -1: allowed is 0 to 10000"},
      {[](auto& s) { s.min = 4, s.max_idle = 3; }, "pool.max_idle is 3: allowed is 4 to 10000"},
      {[](auto& s) { s.max_waiting = 0; }, "pool.max_waiting is 0: allowed is 1 to 1000000"},
      {[](auto& s) { s.max_uses = -1; }, "pool.max_uses is -1: allowed is 0 (no limit) or more"},
      {[](auto& s) { s.acquire_timeout = 0s; }, "pool.acquire_timeout is 0s: allowed is 1ms to 1h"},
      {[](auto& s) { s.idle_timeout = 10ms; }, "pool.idle_timeout is 10ms: allowed is 0s (never) or 1s to 1d"},
      {[](auto& s) { s.max_lifetime = 9s; }, "pool.max_lifetime is 9s: allowed is 0s (never) or 10s to 30d"},
      {[](auto& s) { s.keepalive = 21min; }, "pool.keepalive is 21m: allowed is 0s (never) or 1s to 20m"},
      {[](auto& s) { s.validation_timeout = 6s; }, "pool.validation_timeout is 6s: allowed is 10ms to 5s"},
      {[](auto& s) { s.connect_backoff = 3s; }, "pool.connect_backoff_cap is 2s: allowed is 3s to 10m"},
      {[](auto& s) { s.leak_threshold = 1ms; }, "pool.leak_threshold is 1ms: allowed is 0s (never) or 1s to 30d"},
  }));
  pool_settings settings;
  settings.check();
  each.change(settings);
  try {
    settings.check();
    FAIL("accepted: " << each.message);
  } catch (visor::error const& refused) {
    CHECK(refused.code() == visor::errc::invalid_argument);
    CHECK(refused.message() == each.message);
  }
}
