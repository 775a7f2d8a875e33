#ifndef VISOR_CONFIG_VARIABLES_HPP
#define VISOR_CONFIG_VARIABLES_HPP

#include "visor/base/process_environment.hpp"
#include "visor/base/storable_text.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace visor::detail {

/// A text with its variables replaced.
struct expansion {
  struct fault {
    std::size_t offset;  ///< of the `$` in the text as written
    std::string message;
  };
  std::string text;
  std::vector<std::string> variables;  ///< whose values are in the text, in order, each once
  bool changed = false;                ///< whether `text` differs from the written text
  std::vector<fault> faults;
};

inline bool is_variable_name(std::string_view name) noexcept {
  auto const letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

/// Replaces `${NAME}` by the variable's value and `${NAME:-default}` by the value or, when it is unset or empty, the default.
/// `$${` stands for `${`. A plain `$` stays, and a value is not expanded again. O(n).
/// \param longest the greatest size of the result; a longer one is cut, with a fault
inline expansion expand(std::string_view written, environment const& lookup, std::size_t longest) {
  static constexpr std::string_view remedy = "; write $${ for a literal ${";
  static constexpr std::size_t most_faults = 20;
  expansion result;
  std::size_t i = 0;
  auto const fault = [&](std::string message) { result.faults.push_back({i, std::move(message)}); };
  while (i < written.size()) {
    if (result.faults.size() >= most_faults) break;
    if (written.compare(i, 3, "$${") == 0) {
      result.text += "${";
      result.changed = true;
      i += 3;
      continue;
    }
    if (written.compare(i, 2, "${") != 0) {
      result.text += written[i++];
      continue;
    }
    result.changed = true;
    std::size_t const end = written.find('}', i);
    if (end == std::string_view::npos) {
      fault("\"${\" has no \"}\"" + std::string{remedy});
      return result;
    }
    std::string_view const inside = written.substr(i + 2, end - i - 2);
    std::size_t const colon = inside.find(":-");
    std::string_view const name = inside.substr(0, colon);
    std::optional<std::string_view> fallback;
    if (colon != std::string_view::npos) fallback = inside.substr(colon + 2);
    if (!is_variable_name(name)) {
      fault("\"${...}\" holds no name of a variable: letters, digits and _" + std::string{remedy});
    } else if (fallback && fallback->find("${") != std::string_view::npos) {
      fault("a default cannot hold another variable");
    } else {
      std::string const called{name};
      std::optional<std::string> value = lookup(called);
      if (value && value->empty() && fallback) value.reset();
      if (value && !is_storable_text(*value)) {
        fault("the variable " + called + " is not valid UTF-8");
      } else if (value && result.text.size() + value->size() > longest) {
        fault("the variable " + called + " is too long");
      } else if (value) {
        result.text += *value;
        if (std::find(result.variables.begin(), result.variables.end(), called) == result.variables.end())
          result.variables.push_back(called);
      } else if (fallback) {
        result.text += *fallback;
      } else {
        fault("the variable " + called + " is not set; set it, or write ${" + called + ":-default}");
      }
    }
    i = end + 1;
  }
  return result;
}

}  // namespace visor::detail

#endif
