#ifndef VISOR_CONFIG_READER_HPP
#define VISOR_CONFIG_READER_HPP

#include "visor/base/nearest_name.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/config/document.hpp"
#include "visor/config/json.hpp"
#include "visor/config/rules.hpp"

#include <boost/describe/enum_from_string.hpp>
#include <boost/describe/enumerators.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace visor::detail {

template <class>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class E>
std::vector<std::string_view> enumerator_names() {
  std::vector<std::string_view> names;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto each) { names.push_back(each.name); });
  return names;
}

/// Fills described structs from documents, each overriding the ones before. It never stops at an error: every wrong value is
/// reported, and left as it was.
class reader {
 public:
  std::vector<config_error> errors;
  std::map<std::string, source, std::less<>> sources;  ///< of each value that was read
  found_nodes nodes;                                   ///< every part by its path; the documents must outlive the reader

  void fail(source_position at, std::string path, std::string message) {
    if (is_full()) return;
    errors.push_back({std::string{file_}, at.line, at.column, std::move(path), std::move(message)});
  }

  /// Whether there are so many errors that looking for more only takes time.
  bool is_full() const noexcept { return errors.size() >= document_limits::errors; }

  /// Reads a whole document. An empty one is a group without keys.
  /// \param origin its name in messages; must outlive the reader
  void read_root(std::string_view origin, node const& root, settings& out) {
    file_ = origin;
    if (root.what != node::kind::mapping && root.what != node::kind::null)
      return fail(root.at, {}, "the file must hold keys such as \"scheduler:\", not " + std::string{name_of(root.what)});
    std::vector<std::string_view> known;
    for_each_root(out, [&](std::string_view key, auto& part) {
      known.push_back(key);
      if (auto const* const child = root.find(key)) read(*child, std::string{key}, part, {});
    });
    refuse_unknown(root, {}, known);
  }

 private:
  template <class T>
  void read(node const& from, std::string const& path, T& out, key_rule const& rule) {
    nodes[path] = {&from, file_};
    if (from.refused) return;
    if constexpr (is_optional<T>) {
      if (from.what == node::kind::null && key_group<typename T::value_type>) return;
      typename T::value_type value{};
      if constexpr (key_group<typename T::value_type>)
        if (out) value = *out;
      std::size_t const before = errors.size();
      read(from, path, value, rule);
      if (errors.size() == before || key_group<typename T::value_type>) out = std::move(value);
    } else if constexpr (std::is_same_v<T, json_text>) {
      read_json(from, path, out);
    } else if constexpr (key_group<T>) {
      read_group(from, path, out);
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      read_list(from, path, out, rule);
    } else if constexpr (std::is_same_v<T, std::map<std::string, secret>>) {
      read_secrets(from, path, out);
    } else if constexpr (requires(typename T::value_type each) { requires named_group<decltype(each)>; }) {
      read_named(from, path, out);
    } else {
      read_scalar(from, path, out, rule);
    }
  }

  template <key_group T>
  void read_group(node const& from, std::string const& path, T& out) {
    if (from.what == node::kind::null) return missing(from, path, out);  // `storage:` and nothing below it: the defaults
    if constexpr (!single_value<T>.empty())
      if (from.what == node::kind::scalar)
        return for_each_key<T>(out, [&](key_rule const& rule, auto& member) {
          if (rule.member == single_value<T>) read(from, join_path(path, rule.member), member, rule);
        });
    if (from.what != node::kind::mapping) {
      std::vector<std::string_view> known;
      for_each_key<T>(out, [&](key_rule const& rule, auto&) { known.push_back(rule.member); });
      return fail(from.at, path, "must be a group of keys, not " + std::string{name_of(from.what)} + " (" + listed(known) + ")");
    }
    std::vector<std::string_view> known;
    for_each_key<T>(out, [&](key_rule const& rule, auto& member) {
      known.push_back(rule.member);
      auto const* const child = from.find(rule.member);
      if (child != nullptr) read(*child, join_path(path, rule.member), member, rule);
      if constexpr (!aliases<T>.empty()) read_aliases<T>(from, child, path, member, rule);
    });
    refuse_unknown(from, path, known, aliases<T>);
    missing(from, path, out);
  }

  /// \param first the key under its own name; null where it is absent
  template <class T, class Member>
  void read_aliases(node const& from, node const* first, std::string const& path, Member& out, key_rule const& rule) {
    for (auto const& child : from.children) {
      auto const* const alias = alias_of<T>(child.key);
      if (alias == nullptr || alias->means.member != rule.member) continue;
      if (first != nullptr) {
        fail(child.key_at, join_path(path, child.key), "is given already, as " + in_quotes(first->key));
      } else {
        first = &child;
        read(child, join_path(path, rule.member), out, alias->means);
      }
    }
  }

  template <key_group T>
  void missing(node const& from, std::string const& path, T& out) {
    for_each_key<T>(out, [&](key_rule const& rule, auto&) {
      if (rule.required && from.find(rule.member) == nullptr)
        fail(from.key.empty() ? from.at : from.key_at, join_path(path, rule.member), "is missing");
    });
  }

  void refuse_unknown(node const& from, std::string const& path, std::vector<std::string_view> const& known,
                      std::span<key_alias const> others = {}) {
    for (auto const& child : from.children) {
      if (is_full()) return;
      if (std::find(known.begin(), known.end(), child.key) != known.end()) continue;
      if (std::any_of(others.begin(), others.end(), [&](key_alias const& each) { return each.spelling == child.key; })) continue;
      fail(child.key_at, join_path(path, child.key), "unknown key" + suggestion(child.key, known));
    }
  }

  static std::string suggestion(std::string_view text, std::vector<std::string_view> const& known) {
    auto const near = nearest(text.substr(0, 64), known);
    return (near.empty() ? "" : "; did you mean \"" + std::string{near} + "\"?") + (" (" + listed(known) + ")");
  }

  template <class T>
  void read_named(node const& from, std::string const& path, std::vector<T>& out) {
    if (from.what == node::kind::null) return;
    if (from.what != node::kind::mapping)
      return fail(from.at, path, "must be a group of names with their settings, not " + std::string{name_of(from.what)});
    if (from.children.empty()) record(from, path);  // an empty group is recorded, too
    out.clear();
    out.reserve(from.children.size());
    for (auto const& child : from.children) {
      std::string const below = join_path(path, child.key);
      check_name(child, below);
      if (child.key.find('/') != std::string::npos || child.key.starts_with('-'))
        fail(child.key_at, below, "a name cannot hold \"/\" nor begin with \"-\"");
      T value;
      value.name = child.key;
      if constexpr (requires { value.where; }) value.where = {std::string{file_}, child.key_at.line, child.key_at.column, {}, {}};
      read(child, below, value, {});
      out.push_back(std::move(value));
    }
  }

  void check_name(node const& named, std::string const& path) {
    if (named.key.empty() || named.key.size() > 200) fail(named.key_at, path, "a name has 1 to 200 characters");
    if (std::any_of(named.key.begin(), named.key.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }))
      fail(named.key_at, path, "a name cannot hold control characters");
    if (ends_with_blank(named.key)) fail(named.key_at, path, blank_at_end);
  }

  void read_list(node const& from, std::string const& path, std::vector<std::string>& out, key_rule const& rule) {
    if (from.what == node::kind::scalar && rule.one_text) {
      out.assign(1, from.text);
      return record(from, path);
    }
    if (from.what != node::kind::sequence)
      return fail(from.at, path,
                  std::string{rule.one_text ? "must be a list or a text, not " : "must be a list, not "} + std::string{name_of(from.what)});
    out.clear();
    std::string written;
    source where{std::string{file_}, from.at.line, from.at.column, variables_of(from), {}};
    for (std::size_t i = 0; i < from.children.size(); ++i) {
      auto const& child = from.children[i];
      std::string const item = path + "[" + std::to_string(i) + "]";
      nodes[item] = {&child, file_};
      if (child.refused) continue;
      if (child.what == node::kind::null) {
        fail(child.at, item,
             child.text.empty() ? "is empty: write \"\" for an empty text" : in_quotes(child.text) + " is nothing in YAML: quote it");
      } else if (child.what != node::kind::scalar) {
        fail(child.at, item, "must be a text, not " + std::string{name_of(child.what)});
      } else if (rule.is_name && ends_with_blank(child.text)) {
        fail(child.at, item, blank_at_end);
      } else {
        out.push_back(child.text);
        written += (written.empty() ? "" : ", ") + json_string(child.from_environment() ? child.written : child.text);
      }
    }
    if (!where.variables.empty()) where.written = "[" + written + "]";
    sources[path] = std::move(where);
  }

  void read_secrets(node const& from, std::string const& path, std::map<std::string, secret>& out) {
    if (from.what == node::kind::null) return;
    if (from.what != node::kind::mapping)
      return fail(from.at, path, "must be a group of names with their values, not " + std::string{name_of(from.what)});
    for (auto const& child : from.children) {
      std::string const below = join_path(path, child.key);
      check_name(child, below);
      secret value;
      read(child, below, value, {});
      out.insert_or_assign(child.key, std::move(value));
    }
  }

  void read_json(node const& from, std::string const& path, json_text& out) {
    if (from.what == node::kind::null) return;
    if (from.what != node::kind::mapping) return fail(from.at, path, "must be a group of keys, not " + std::string{name_of(from.what)});
    out.text = to_json(from, json_view::value);
    source where{std::string{file_}, from.at.line, from.at.column, variables_of(from), {}};
    if (!where.variables.empty()) where.written = to_json(from, json_view::written);
    sources[path] = std::move(where);
  }

  template <class T>
  void read_scalar(node const& from, std::string const& path, T& out, key_rule const& rule) {
    if (from.what == node::kind::null)
      return fail(
          from.at, path,
          (from.text.empty() ? "is empty" : in_quotes(from.text) + " is nothing in YAML") + ": give " + wanted<T>() + " or remove the key");
    if (from.what != node::kind::scalar) return fail(from.at, path, "must be " + wanted<T>() + ", not " + std::string{name_of(from.what)});
    if (auto const wrong = parse(from, out, rule); !wrong.empty()) return fail(from.at, path, wrong);
    record(from, path);
  }

  void record(node const& from, std::string const& path) {
    sources[path] = {from.is_variable() ? std::string{} : std::string{file_}, from.at.line, from.at.column, from.variables,
                     from.from_environment() ? from.written : std::string{}};
  }

  template <class T>
  static std::string wanted() {
    if constexpr (std::is_same_v<T, bool>) return "true or false";
    if constexpr (std::is_same_v<T, duration>) return "a length of time such as 90s or 1h30m";
    if constexpr (std::is_integral_v<T>) return "a whole number";
    if constexpr (std::is_enum_v<T>) return "one of " + listed(enumerator_names<T>());
    return "a text";
  }

  // Each `parse` sets `out` and returns an empty text, or returns a description of the fault.

  static std::string parse(node const& from, std::string& out, key_rule const& rule) {
    auto const size = static_cast<std::int64_t>(from.text.size());
    if (size < rule.least) return rule.required ? "cannot be empty" : "cannot be empty: give a text or remove the key";
    if (size > rule.most) return "is longer than " + std::to_string(rule.most) + " bytes";
    if (rule.is_name && ends_with_blank(from.text)) return blank_at_end;
    out = from.text;
    return {};
  }

  static std::string parse(node const& from, secret& out, key_rule const&) {
    out = secret{from.text};
    return {};
  }

  static std::string parse(node const& from, pem& out, key_rule const&) {
    pem value{from.text};
    auto const wrong = value.fault();
    if (wrong.empty()) out = std::move(value);
    return wrong;
  }

  static std::string parse(node const& from, bool& out, key_rule const&) {
    static constexpr std::string_view yes[] = {"true", "True", "TRUE"};
    static constexpr std::string_view no[] = {"false", "False", "FALSE"};
    out = std::find(std::begin(yes), std::end(yes), from.text) != std::end(yes);
    if (out || std::find(std::begin(no), std::end(no), from.text) != std::end(no)) return {};
    return from.shown() + " is not allowed: write true or false";
  }

  template <class Integer>
    requires(std::is_integral_v<Integer> && !std::is_same_v<Integer, bool>)
  static std::string parse(node const& from, Integer& out, key_rule const& rule) {
    std::int64_t value = 0;
    auto const [end, failure] = std::from_chars(from.text.data(), from.text.data() + from.text.size(), value);
    bool const whole = end == from.text.data() + from.text.size();
    if (!whole || failure == std::errc::invalid_argument) return from.shown() + " is not a whole number";
    auto const least = std::max<std::int64_t>(rule.least, std::is_signed_v<Integer> ? std::numeric_limits<int>::min() : 0);
    auto const most = std::min<std::int64_t>(rule.most, std::numeric_limits<int>::max());
    if (failure == std::errc::result_out_of_range || value < least || value > most)
      return from.shown() + " is out of range: allowed is " + std::to_string(least) + " to " + std::to_string(most);
    out = static_cast<Integer>(value);
    return {};
  }

  static std::string parse(node const& from, duration& out, key_rule const& rule) {
    std::int64_t number = 0;
    auto const [end, failure] = std::from_chars(from.text.data(), from.text.data() + from.text.size(), number);
    bool const bare = failure == std::errc{} && end == from.text.data() + from.text.size();
    if (rule.for_minus_one != 0 && (from.text == "-1" || from.text == "-1ms")) {
      out = duration{rule.for_minus_one};
      return {};
    }
    std::optional<duration> length = parse_duration(from.text);
    if (bare && rule.bare != bare_number::refused) length = parse_duration(from.text + (rule.bare == bare_number::seconds ? "s" : "ms"));
    if (!length && bare && number >= 0 && rule.bare == bare_number::refused && !from.from_environment())
      return in_quotes(from.text) + " has no unit: write " + from.text + "s, " + from.text + "m or " + from.text + "h";
    if (!length) return from.shown() + " is not a length of time: write one such as 250ms, 90s or 1h30m";
    if (length->count() < rule.least || length->count() > rule.most) {
      std::string const lowest = to_string(duration{std::max<std::int64_t>(rule.least, 0)});
      return from.shown() + " is out of range: allowed is " +
             (rule.most == std::numeric_limits<std::int64_t>::max() ? lowest + " or more"
                                                                    : lowest + " to " + to_string(duration{rule.most}));
    }
    out = *length;
    return {};
  }

  template <class Enum>
    requires std::is_enum_v<Enum>
  static std::string parse(node const& from, Enum& out, key_rule const&) {
    if (boost::describe::enum_from_string(from.text.c_str(), out)) return {};
    auto const names = enumerator_names<Enum>();
    // A suggestion would tell how the value is spelled.
    if (from.from_environment()) return from.shown() + " is not allowed (" + listed(names) + ")";
    return from.shown() + " is not allowed" + suggestion(from.text, names);
  }

  std::string_view file_;
};

}  // namespace visor::detail

#endif
