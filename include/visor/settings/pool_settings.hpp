#ifndef VISOR_SETTINGS_POOL_SETTINGS_HPP
#define VISOR_SETTINGS_POOL_SETTINGS_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"

#include <boost/describe/class.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace visor {

/// The settings of a connection pool. `check()` names the field that is out of range; nothing is repaired silently.
///
/// A steady clock measures durations. Zero means "never" or "no limit" only where that is written.
struct pool_settings {
  /// Connections kept open even when idle; 0 to `max`. With 0, `idle_timeout` closes every idle connection, including the one that listens.
  /// Unset: the same, but the listening connection stays.
  std::optional<int> min;
  /// Maximum number of connections of all kinds, including those being opened or closed; 1 to 10000. Below 3, no connection listens. From 2
  /// on, one is reserved for heartbeats once the first heartbeat has asked for one.
  int max = 10;
  int max_idle = 10'000;                                    ///< idle ones kept; one that is returned beyond this is closed; `min` to 10000
  duration acquire_timeout{std::chrono::seconds{5}};        ///< how long to wait for a connection; 1 ms to 1 h
  int max_waiting = 10'000;                                 ///< callers that may wait; further ones fail at once; 1 to 1000000
  duration idle_timeout{std::chrono::seconds{30}};          ///< idle time that closes those above `min`; 0: never; else 1 s to 1 d
  duration max_lifetime{std::chrono::minutes{20}};          ///< shortened at random by up to a tenth; 0: no limit; else 10 s to 30 d
  std::int64_t max_uses = 0;                                ///< a connection is closed after so many uses; 0: no limit
  duration keepalive{std::chrono::minutes{2}};              ///< interval of pings while idle; 0: never; else 1 s to `max_lifetime`
  duration validation_window{std::chrono::seconds{30}};     ///< one that was idle longer is pinged before use; 0 to 1 h
  duration validation_timeout{std::chrono::seconds{2}};     ///< for the reply to a ping; 10 ms to `acquire_timeout`
  duration connect_timeout{std::chrono::seconds{10}};       ///< 10 ms to 10 min
  int max_connecting = 4;                                   ///< connections being opened at the same time; 1 to 100
  duration connect_backoff{std::chrono::milliseconds{50}};  ///< longest pause after a first failure, then doubled; 1 ms to 1 min
  /// The longest pause between attempts to connect; `connect_backoff` to 10 min. After a refusal such as a wrong password, the first pause
  /// has this length, and each further one is twice as long, up to 5 min.
  duration connect_backoff_cap{std::chrono::seconds{2}};
  duration reset_timeout{std::chrono::seconds{2}};  ///< to restore a connection's initial state; 10 ms to 1 min
  duration leak_threshold{0};                       ///< one held longer has its holder logged; 0: never; else 1 s to 30 d
  bool log_connections = false;                     ///< logs each one that is opened, closed or refused, with their number

  pool_settings() = default;
  friend bool operator==(pool_settings const&, pool_settings const&) = default;

  int least() const { return min.value_or(0); }

  /// A field that is out of its range.
  struct fault {
    char const* field;
    std::string value;
    std::string allowed;
    fault(char const* name, std::string given, std::string range) : field(name), value(std::move(given)), allowed(std::move(range)) {}
  };

  /// All fields that are out of range; this is the only list of the ranges.
  std::vector<fault> faults() const {
    using namespace std::chrono_literals;
    std::vector<fault> found;
    within(found, "max", max, 1, 10'000);
    within(found, "min", least(), 0, max);
    within(found, "max_idle", max_idle, least(), 10'000);
    within(found, "max_waiting", max_waiting, 1, 1'000'000);
    within(found, "max_connecting", max_connecting, 1, 100);
    if (max_uses < 0) found.emplace_back("max_uses", std::to_string(max_uses), "0 (no limit) or more");
    within(found, "acquire_timeout", acquire_timeout, 1ms, 1h);
    zero_or_within(found, "idle_timeout", idle_timeout, 1s, 24h);
    zero_or_within(found, "max_lifetime", max_lifetime, 10s, 720h);
    zero_or_within(found, "keepalive", keepalive, 1s, max_lifetime == duration{0} ? duration{720h} : max_lifetime);
    within(found, "validation_window", validation_window, 0s, 1h);
    within(found, "validation_timeout", validation_timeout, 10ms, acquire_timeout < 10ms ? duration{10ms} : acquire_timeout);
    within(found, "connect_timeout", connect_timeout, 10ms, 10min);
    within(found, "connect_backoff", connect_backoff, 1ms, 1min);
    within(found, "connect_backoff_cap", connect_backoff_cap, connect_backoff, 10min);
    within(found, "reset_timeout", reset_timeout, 10ms, 1min);
    zero_or_within(found, "leak_threshold", leak_threshold, 1s, 720h);
    return found;
  }

  /// \throws visor::error `invalid_argument` that names the first field out of its range, and the allowed range
  void check() const {
    if (auto const found = faults(); !found.empty())
      throw error(errc::invalid_argument,
                  std::string("pool.") + found.front().field + " is " + found.front().value + ": allowed is " + found.front().allowed);
  }

 private:
  static void within(std::vector<fault>& found, char const* field, int value, int least, int most) {
    if (value < least || value > most)
      found.emplace_back(field, std::to_string(value), std::to_string(least) + " to " + std::to_string(most));
  }
  static void within(std::vector<fault>& found, char const* field, duration value, duration least, duration most) {
    if (value < least || value > most) found.emplace_back(field, to_string(value), to_string(least) + " to " + to_string(most));
  }
  static void zero_or_within(std::vector<fault>& found, char const* field, duration value, duration least, duration most) {
    if (value != duration{0} && (value < least || value > most))
      found.emplace_back(field, to_string(value), "0s (never) or " + to_string(least) + " to " + to_string(most));
  }
};
BOOST_DESCRIBE_STRUCT(pool_settings, (),
                      (min, max, max_idle, acquire_timeout, max_waiting, idle_timeout, max_lifetime, max_uses, keepalive, validation_window,
                       validation_timeout, connect_timeout, max_connecting, connect_backoff, connect_backoff_cap, reset_timeout,
                       leak_threshold, log_connections))

}  // namespace visor

#endif
