#ifndef VISOR_CONFIG_RULES_HPP
#define VISOR_CONFIG_RULES_HPP

#include "visor/config/settings.hpp"

#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>

/// Rules for keys that the structs cannot express: ranges, units, and required keys. A member without a rule is a key of its
/// own name, optional, without a range.
namespace visor::detail {

/// The meaning of a number without a unit, as a duration.
enum class bare_number : std::uint8_t { refused, seconds, milliseconds };

struct key_rule {
  std::string_view member;
  bool hidden = false;    ///< not a key: the value follows from other keys
  bool required = false;  ///< there is no default
  bool one_text = false;  ///< a list that may also be written as a single text
  bool is_name = false;   ///< the name of something in the database
  bare_number bare = bare_number::refused;
  /// The range of a number, of the microseconds of a duration, or of the bytes of a text.
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::int64_t for_minus_one = 0;  ///< the microseconds that -1 stands for; 0: -1 is no duration
};

/// The spelling of a key in other software. A number without a unit may then have a meaning, too.
struct key_alias {
  std::string_view spelling;
  key_rule means;
};

inline constexpr std::int64_t us_per_ms = 1'000;
inline constexpr std::int64_t us_per_s = 1'000'000;
inline constexpr std::int64_t us_per_hour = 3'600 * us_per_s;
inline constexpr std::int64_t us_per_day = 24 * us_per_hour;

template <class T>
inline constexpr std::array<key_rule, 0> rules{};

template <>
inline constexpr auto rules<connection_settings> = std::to_array<key_rule>({
    {.member = "filename", .least = 1},
    {.member = "host", .least = 1},
    {.member = "port", .least = 1, .most = 65'535},
    {.member = "database", .least = 1},
    {.member = "user", .least = 1},
});

template <>
inline constexpr auto rules<storage_settings> = std::to_array<key_rule>({
    {.member = "path", .least = 1},
});

template <>
inline constexpr auto rules<ha_settings> = std::to_array<key_rule>({
    {.member = "node_id", .is_name = true, .least = 1, .most = 200},
    {.member = "lock_ttl", .bare = bare_number::seconds, .least = us_per_s, .most = us_per_hour},
    {.member = "heartbeat_interval", .bare = bare_number::seconds, .least = 10 * us_per_ms, .most = us_per_hour},
});

// The ranges are those of `node_settings::check`.
template <>
inline constexpr auto rules<node_settings> = std::to_array<key_rule>({
    {.member = "name", .hidden = true},
    {.member = "exclusive", .hidden = true},
    {.member = "lease_ttl", .hidden = true},
    {.member = "heartbeat_interval", .hidden = true},
    {.member = "poll_interval", .hidden = true},
    {.member = "completion_delay", .least = 0, .most = us_per_s},
    {.member = "drain_timeout", .least = 0, .most = us_per_day},
    {.member = "stop_grace", .least = 0, .most = us_per_hour},
    {.member = "capabilities", .is_name = true},
    {.member = "output_limit", .least = 0, .most = 16 * 1024 * 1024},
    {.member = "payload_limit", .least = 1'024, .most = static_cast<std::int64_t>(json_limits::bytes)},
    {.member = "threads", .least = 0, .most = 1'024},
});

template <>
inline constexpr auto rules<queue_settings> = std::to_array<key_rule>({
    {.member = "slots", .least = 1, .most = 100'000},
});

template <>
inline constexpr auto rules<scheduler_settings> = std::to_array<key_rule>({
    {.member = "check_interval_ms", .bare = bare_number::milliseconds, .least = 10 * us_per_ms, .most = us_per_hour},
    {.member = "set", .is_name = true, .least = 1, .most = 200},
});

template <>
inline constexpr auto rules<statement_log_settings> = std::to_array<key_rule>({
    {.member = "slow", .least = 0, .most = us_per_hour},
});

template <>
inline constexpr auto rules<misfire_settings> = std::to_array<key_rule>({
    {.member = "limit", .least = 1, .most = 100'000},
    {.member = "within", .least = us_per_s},
});

template <>
inline constexpr auto rules<cron_entry> = std::to_array<key_rule>({
    {.member = "schedule", .required = true},
    {.member = "priority", .least = -32'768, .most = 32'767},
    {.member = "queue", .is_name = true, .least = 1, .most = 200},
    {.member = "timezone", .least = 1},
});

template <>
inline constexpr auto rules<backoff> = std::to_array<key_rule>({
    {.member = "base", .least = 0},
    {.member = "cap", .least = 0},
    {.member = "factor", .least = 1, .most = 100},
});

template <>
inline constexpr auto rules<job_limits> = std::to_array<key_rule>({
    {.member = "concurrency", .least = 0, .most = 1'000'000},
    {.member = "key_concurrency", .least = 0, .most = 1'000'000},
    {.member = "rate", .least = 0, .most = 1'000'000},
    {.member = "key_rate", .least = 0, .most = 1'000'000},
    {.member = "per", .least = us_per_ms, .most = us_per_day},
});

template <>
inline constexpr auto rules<webhook_settings> = std::to_array<key_rule>({
    {.member = "url", .required = true},
});

template <>
inline constexpr auto rules<workflow> = std::to_array<key_rule>({
    {.member = "command", .one_text = true},
    {.member = "inherit_env", .one_text = true},
    {.member = "output_limit", .least = 0, .most = 16 * 1024 * 1024},
    {.member = "queue", .is_name = true, .least = 1, .most = 200},
    {.member = "priority", .least = -32'768, .most = 32'767},
    {.member = "max_attempts", .least = 1, .most = 1'000'000},
    {.member = "max_lost", .least = 0, .most = 1'000'000},
    {.member = "timeout", .least = 0},
    {.member = "unknown_fields", .hidden = true},  // commands and webhooks take any
});

template <class T>
inline constexpr std::array<key_alias, 0> aliases{};

// HikariCP's keys, and those of Commons Pool with the same meaning. An unlimited wait there is the longest wait allowed here.
template <>
inline constexpr auto aliases<pool_settings> = std::to_array<key_alias>({
    {"maximum-pool-size", {.member = "max"}},
    {"minimum-idle", {.member = "min"}},
    {"idle-timeout", {.member = "idle_timeout", .bare = bare_number::milliseconds}},
    {"max-lifetime", {.member = "max_lifetime", .bare = bare_number::milliseconds}},
    {"connection-timeout", {.member = "acquire_timeout", .bare = bare_number::milliseconds}},
    {"leak-detection-threshold", {.member = "leak_threshold", .bare = bare_number::milliseconds}},
    {"max-active", {.member = "max"}},
    {"max-idle", {.member = "max_idle"}},
    {"min-idle", {.member = "min"}},
    {"max-wait", {.member = "acquire_timeout", .bare = bare_number::milliseconds, .for_minus_one = us_per_hour}},
});

/// The member that a single value sets where a group of keys could stand: `ssl: true`, `misfire: latest`. Empty: none.
template <class T>
inline constexpr std::string_view single_value = {};
template <>
inline constexpr std::string_view single_value<ssl_settings> = "enabled";
template <>
inline constexpr std::string_view single_value<statement_log_settings> = "all";
template <>
inline constexpr std::string_view single_value<misfire_settings> = "policy";
template <>
inline constexpr std::string_view single_value<queue_settings> = "slots";

template <class T>
using described_members = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;

/// A group of keys: a described struct.
template <class T>
concept key_group = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;

/// A group of keys that is one of many, named by its key in the group above.
template <class T>
concept named_group = key_group<T> && requires(T& value) { value.name = std::string{}; };

template <class T>
consteval bool rules_name_members() {
  auto const is_member = [](std::string_view name) {
    bool found = false;
    boost::mp11::mp_for_each<described_members<T>>([&](auto member) { found = found || name == member.name; });
    return found;
  };
  for (auto const& rule : rules<T>)
    if (!is_member(rule.member)) return false;
  for (auto const& alias : aliases<T>)
    if (!is_member(alias.means.member)) return false;
  return true;
}

/// The rule of a member.
template <class T>
constexpr key_rule rule_of_key(std::string_view member) {
  for (auto const& rule : rules<T>)
    if (rule.member == member) return rule;
  return {.member = member};
}

/// The alias of that spelling, or null.
template <class T>
constexpr key_alias const* alias_of(std::string_view spelling) noexcept {
  for (auto const& alias : aliases<T>)
    if (alias.spelling == spelling) return &alias;
  return nullptr;
}

/// Calls `f(rule, member)` for each key of a group, in the order of their description.
template <key_group T, class Object, class F>
void for_each_key(Object& object, F&& f) {
  static_assert(rules_name_members<T>(), "a rule names a member that does not exist");
  boost::mp11::mp_for_each<described_members<T>>([&](auto member) {
    constexpr std::string_view name = decltype(member)::name;
    if constexpr (named_group<T>)
      if (name == "name") return;  // the key of the whole group
    key_rule const rule = rule_of_key<T>(name);
    if (!rule.hidden) f(rule, object.*member.pointer);
  });
}

/// Calls `f(path, group)` for each part of the settings that is a key at the top of the file.
template <class Settings, class F>
void for_each_root(Settings& all, F&& f) {
  using base = std::conditional_t<std::is_const_v<Settings>, scheduler_settings const, scheduler_settings>;
  f(std::string_view{"scheduler"}, static_cast<base&>(all));
  f(std::string_view{"workflows"}, all.workflows);
}

}  // namespace visor::detail

#endif
