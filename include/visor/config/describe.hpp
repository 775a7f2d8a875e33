#ifndef VISOR_CONFIG_DESCRIBE_HPP
#define VISOR_CONFIG_DESCRIBE_HPP

#include "visor/config/config_error.hpp"
#include "visor/config/json.hpp"
#include "visor/config/rules.hpp"
#include "visor/config/settings.hpp"

#include <boost/describe/enum_to_string.hpp>

#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor {

/// One value in force.
struct described_setting {
  std::string path;   ///< such as `scheduler.ha.lock_ttl`
  std::string value;  ///< as the file could write it; a secret as `********`, empty where it is not set
  source from;        ///< `to_string` formats it
  friend bool operator==(described_setting const&, described_setting const&) = default;
};

namespace detail {

class describer {
 public:
  explicit describer(settings const& all) : all_(all) {
    for_each_root(all, [&](std::string_view key, auto const& part) { describe(std::string{key}, part); });
  }
  std::vector<described_setting> result;

 private:
  void add(std::string const& path, std::string value) {
    auto const found = all_.sources.find(path);
    source const from = found == all_.sources.end() ? source() : found->second;
    result.push_back({path, std::move(value), from});
  }

  /// Adds a text. One that is made of variables may be a secret, so it is shown as the file writes it.
  void add_text(std::string const& path, std::string const& value) {
    auto const found = all_.sources.find(path);
    bool const written = found != all_.sources.end() && !found->second.written.empty();
    add(path, written ? found->second.written : value);
  }

  template <class T>
  void describe(std::string const& path, T const& value) {
    if constexpr (requires { value.has_value(); }) {
      if (value) return describe(path, *value);
      add(path, {});
    } else if constexpr (key_group<T>) {
      for_each_key<T>(value, [&](key_rule const& rule, auto const& member) { describe(join_path(path, rule.member), member); });
    } else if constexpr (std::is_same_v<T, secret>) {
      add(path, value.empty() ? std::string{} : std::string{masked});
    } else if constexpr (std::is_same_v<T, pem>) {
      value.empty() || value.is_path() ? add_text(path, value.content()) : add(path, std::string{masked});
    } else if constexpr (std::is_same_v<T, std::string>) {
      add_text(path, value);
    } else if constexpr (std::is_same_v<T, json_text>) {
      add_text(path, value.text);
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      std::string list;
      for (auto const& each : value) list += (list.empty() ? "" : ", ") + json_string(each);
      add_text(path, list.empty() ? list : "[" + list + "]");
    } else if constexpr (std::is_same_v<T, std::map<std::string, secret>>) {
      for (auto const& [name, each] : value) describe(join_path(path, name), each);
    } else if constexpr (std::is_same_v<T, bool>) {
      add(path, value ? "true" : "false");
    } else if constexpr (std::is_same_v<T, duration>) {
      add(path, to_string(value));
    } else if constexpr (std::is_enum_v<T>) {
      add(path, boost::describe::enum_to_string(value, ""));
    } else if constexpr (std::is_arithmetic_v<T>) {
      add(path, std::to_string(value));
    } else {
      for (auto const& each : value) describe(join_path(path, each.name), each);
    }
  }

  settings const& all_;
};

}  // namespace detail

/// Lists every value in force, in the order of the structs. It contains no secret, and no text that came from a variable of the
/// environment by way of `${NAME}`: such a text is given as the file writes it. O(n log n).
inline std::vector<described_setting> describe(settings const& all) { return std::move(detail::describer{all}.result); }

}  // namespace visor

#endif
