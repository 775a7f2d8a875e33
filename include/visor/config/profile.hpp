#ifndef VISOR_CONFIG_PROFILE_HPP
#define VISOR_CONFIG_PROFILE_HPP

#include "visor/base/process_environment.hpp"
#include "visor/config/config_error.hpp"
#include "visor/config/layer.hpp"
#include "visor/config/source.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Defaults for a kind of deployment. They are for servers: no profile changes anything about SQLite.
namespace visor::detail {

struct profile_value {
  std::string_view profile;
  std::string_view path;
  std::string_view value;
};

inline constexpr std::string_view profile_names[] = {"production", "development", "serverless"};

inline constexpr auto profile_values = std::to_array<profile_value>({
    {"production", "scheduler.storage.connection.ssl.enabled", "true"},
    {"production", "scheduler.storage.connection.pool.min", "5"},
    {"production", "scheduler.storage.connection.pool.max", "20"},
    {"production", "scheduler.storage.connection.pool.idle_timeout", "30s"},
    {"production", "scheduler.storage.connection.pool.max_uses", "7500"},
    {"development", "scheduler.storage.connection.pool.min", "2"},
    {"development", "scheduler.storage.connection.pool.max", "10"},
    {"development", "scheduler.storage.connection.pool.idle_timeout", "10s"},
    {"development", "scheduler.storage.connection.pool.max_uses", "0"},
    {"development", "scheduler.storage.log_statements.all", "true"},
    {"serverless", "scheduler.storage.connection.pool.min", "0"},
    {"serverless", "scheduler.storage.connection.pool.max", "2"},
    {"serverless", "scheduler.storage.auto_init", "false"},
});

/// Whether a value came from a profile.
inline bool is_of_profile(source const& where) noexcept { return where.line == 0 && where.file.starts_with("profile "); }

inline std::vector<layer> layers_of_profile(std::string_view name) {
  std::vector<layer> layers;
  for (auto const& each : profile_values)
    if (each.profile == name) layers.emplace_back("profile " + std::string{name}, each.path, make_value(std::string{each.value}));
  return layers;
}

/// The profile that `VISOR_ENV` names, else `NODE_ENV`. Other programs use `NODE_ENV` too, so an unknown value there is
/// ignored.
inline std::optional<std::string_view> find_profile(environment const& lookup, std::vector<config_error>& errors) {
  auto const named = [&](char const* variable) -> std::optional<std::string_view> {
    auto const found = std::find(std::begin(profile_names), std::end(profile_names), lookup(variable).value_or(""));
    return found == std::end(profile_names) ? std::nullopt : std::optional{*found};
  };
  if (lookup("VISOR_ENV").value_or("").empty()) return named("NODE_ENV");
  auto const found = named("VISOR_ENV");
  if (!found) errors.push_back({"environment VISOR_ENV", 0, 0, {}, "the value is no profile (" + listed(profile_names) + ")"});
  return found;
}

}  // namespace visor::detail

#endif
