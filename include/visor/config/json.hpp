#ifndef VISOR_CONFIG_JSON_HPP
#define VISOR_CONFIG_JSON_HPP

#include "visor/base/json_text.hpp"
#include "visor/config/document.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace visor::detail {

/// A JSON string, with its quotation marks.
inline std::string json_string(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result = "\"";
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      (result += '\\') += c;
    } else if (byte < 0x20) {
      result += "\\u00";
      (result += digits[byte >> 4]) += digits[byte & 15];
    } else {
      result += c;
    }
  }
  return result += '"';
}

/// The form in which variables are rendered: as their values, or as the file writes them, which may be shown.
enum class json_view { value, written };

inline void append_json(std::string& out, node const& from, json_view view) {
  switch (from.what) {
    case node::kind::null: out += from.text.empty() ? "null" : json_string(from.text); return;
    case node::kind::scalar: {
      // A value from the environment is text, so that a token of digits keeps its leading zeros.
      bool const typed = !from.quoted && !from.from_environment();
      bool const literal = typed && (from.text == "true" || from.text == "false" || is_json_number(from.text));
      out += literal ? from.text : json_string(view == json_view::written && from.from_environment() ? from.written : from.text);
      return;
    }
    case node::kind::sequence:
    case node::kind::mapping: {
      bool const keys = from.what == node::kind::mapping;
      out += keys ? '{' : '[';
      for (std::size_t i = 0; i < from.children.size(); ++i) {
        if (i != 0) out += ',';
        if (keys) (out += json_string(from.children[i].key)) += ':';
        append_json(out, from.children[i], view);
      }
      out += keys ? '}' : ']';
      return;
    }
  }
}

/// The JSON text of a part of a document. Plain `true`, `false`, `null` and JSON numbers stay as written; an absent value is
/// `null`; all else is a string. Values that YAML reads as number, truth value or null and JSON does not (`00123`, `1_000`,
/// `0x1F`, `.5`, `1:30`, `True`, `Null`, `~`) are strings.
inline std::string to_json(node const& from, json_view view) {
  std::string text;
  append_json(text, from, view);
  return text;
}

/// The variables whose values occur in a node or below it.
inline std::vector<std::string> variables_of(node const& from) {
  std::vector<std::string> names = from.variables;
  for (auto const& child : from.children)
    for (auto& name : variables_of(child))
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  return names;
}

}  // namespace visor::detail

#endif
