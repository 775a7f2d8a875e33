#ifndef VISOR_CONFIG_ENVIRONMENT_HPP
#define VISOR_CONFIG_ENVIRONMENT_HPP

#include "visor/base/nearest_name.hpp"
#include "visor/base/process_environment.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/config/layer.hpp"
#include "visor/config/rules.hpp"
#include "visor/config/scheme.hpp"

#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

/// Maps variables of the environment to keys.
///
/// Every key below `scheduler:` that is a single value, except those of `cron`, has a variable by rule. Its name is `VISOR_`
/// and the path below `scheduler` in capitals with `_` for dots, such as `VISOR_STORAGE_CONNECTION_POOL_MAX`. These variables
/// override those of the table.
namespace visor::detail {

/// The drivers with which a variable takes effect.
enum class variable_use : std::uint8_t { always, sqlite, server };

struct named_variable {
  std::string_view name;
  std::string_view path;
  variable_use use = variable_use::server;
};

/// Of variables with the same path, the first that is set takes effect. Other programs use most of these names too, so with a
/// database that is no server they are ignored instead of refused.
inline constexpr auto named_variables = std::to_array<named_variable>({
    {"VISOR_DB", "scheduler.storage.connection.filename", variable_use::sqlite},
    {"VISOR_NODE_NAME", "scheduler.ha.node_id", variable_use::always},
    {"STORE_TYPE", "scheduler.storage.driver", variable_use::always},
    {"DATABASE_URL", "scheduler.storage.connection.connection_string"},
    {"DB_HOST", "scheduler.storage.connection.host"},
    {"DB_PORT", "scheduler.storage.connection.port"},
    {"DB_NAME", "scheduler.storage.connection.database"},
    {"DB_DATABASE", "scheduler.storage.connection.database"},
    {"DB_USER", "scheduler.storage.connection.user"},
    {"DB_USERNAME", "scheduler.storage.connection.user"},
    {"DB_PASS", "scheduler.storage.connection.password"},
    {"DB_PASSWORD", "scheduler.storage.connection.password"},
    {"DB_SSL", "scheduler.storage.connection.ssl.enabled"},
    {"DB_SSL_REJECT_UNAUTHORIZED", "scheduler.storage.connection.ssl.reject_unauthorized"},
    {"DB_SSL_CA", "scheduler.storage.connection.ssl.ca"},
    {"DB_SSL_CERT", "scheduler.storage.connection.ssl.cert"},
    {"DB_SSL_KEY", "scheduler.storage.connection.ssl.key"},
    {"DB_POOL_MAX", "scheduler.storage.connection.pool.max"},
    {"DB_POOL_MIN", "scheduler.storage.connection.pool.min"},
    // Mapped to the keys by which a number without a unit is milliseconds.
    {"DB_IDLE_TIMEOUT_MS", "scheduler.storage.connection.pool.idle-timeout"},
    {"DB_CONNECTION_TIMEOUT_MS", "scheduler.storage.connection.pool.connection-timeout"},
    {"DB_MAX_USES", "scheduler.storage.connection.pool.max_uses"},
    {"DB_LOG_CONNECTIONS", "scheduler.storage.connection.pool.log_connections"},
    {"DB_LOG_QUERIES", "scheduler.storage.log_statements.all", variable_use::always},
    {"AUTO_INIT_DB", "scheduler.storage.auto_init"},
});

/// One optional group of keys, or a list of named ones.
template <class T>
concept holds_key_groups = key_group<typename T::value_type>;

/// Calls `f(path)` for each key that is a single value.
template <key_group T, class F>
void for_each_single(std::string const& path, F&& f) {
  T object;
  for_each_key<T>(object, [&]<class Member>(key_rule const& rule, Member const&) {
    std::string const below = join_path(path, rule.member);
    if constexpr (key_group<Member>) {
      for_each_single<Member>(below, f);
    } else if constexpr (holds_key_groups<Member>) {
      if constexpr (!named_group<typename Member::value_type>) for_each_single<typename Member::value_type>(below, f);
    } else {
      f(below);
    }
  });
}

/// The variable of a key.
inline std::string variable_of(std::string_view path) {
  static constexpr std::string_view root = "scheduler.";
  std::string name = "VISOR_";
  for (char const c : path.substr(root.size())) name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

/// The variable of ours that a misspelled `VISOR_` name probably means: the nearest, or an empty text. Nothing for a known
/// name, or one of another program.
inline std::optional<std::string> misspelled_variable(std::string_view name) {
  if (!name.starts_with("VISOR_")) return std::nullopt;
  std::vector<std::string> known{"VISOR_CONFIG", "VISOR_ENV"};
  for_each_single<scheduler_settings>("scheduler", [&](std::string const& path) { known.push_back(variable_of(path)); });
  for (auto const& each : named_variables)
    if (each.name.starts_with("VISOR_")) known.emplace_back(each.name);
  if (std::ranges::find(known, name) != known.end()) return std::nullopt;
  return std::string(nearest(name.substr(0, 100), known));
}

/// A value from the environment, and the drivers with which it takes effect.
struct variable_layer : layer {
  variable_use use;
  variable_layer(layer made, variable_use when) : layer(std::move(made)), use(when) {}
};

/// Reads the environment as layers. A variable that is empty counts as not set.
inline std::vector<variable_layer> layers_of_environment(environment const& lookup, std::vector<config_error>& errors) {
  std::vector<variable_layer> layers;
  auto const take = [&](std::string const& name, std::string const& path, variable_use use) {
    auto text = lookup(name);
    if (!text || text->empty()) return;
    if (std::any_of(layers.begin(), layers.end(), [&](auto const& each) { return each.path == path; })) return;
    std::string origin = "environment " + name;
    // The schemes of connection strings are accepted as names of databases too.
    if (name == "STORE_TYPE")
      for (auto const& each : url_schemes)
        if (each.name() == *text) text = boost::describe::enum_to_string(each.driver, "");
    node value = make_value(std::move(*text), name);
    if (!is_storable_text(value.text)) {
      errors.push_back({origin, 0, 0, path, "the value is not valid UTF-8"});
      value.refused = true;
    }
    layers.emplace_back(layer{std::move(origin), path, std::move(value)}, use);
  };
  for_each_single<scheduler_settings>("scheduler", [&](std::string const& path) { take(variable_of(path), path, variable_use::always); });
  for (auto const& each : named_variables) take(std::string{each.name}, std::string{each.path}, each.use);
  return layers;
}

}  // namespace visor::detail

#endif
