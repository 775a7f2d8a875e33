#ifndef VISOR_CONFIG_CONFIG_ERROR_HPP
#define VISOR_CONFIG_CONFIG_ERROR_HPP

#include "visor/base/error.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace visor {

/// One error in the configuration. Its texts contain no value of an environment variable and no secret.
struct config_error {
  std::string file;  ///< or another source, such as `environment DB_PORT`; empty: not known
  int line = 0;      ///< from 1; 0: the file as a whole
  int column = 0;    ///< from 1, in characters
  std::string path;  ///< of the key, such as `scheduler.ha.lock_ttl`; may be empty
  std::string message;
  friend bool operator==(config_error const&, config_error const&) = default;
};

/// One line: `visor.yaml:12:7: scheduler.ha.lock_ttl: 0s is too short: allowed is 1s to 1h`.
inline std::string to_string(config_error const& wrong) {
  std::string text = wrong.file;
  if (!text.empty() && wrong.line > 0) text += ":" + std::to_string(wrong.line) + ":" + std::to_string(wrong.column);
  for (auto const& part : {wrong.path, wrong.message})
    if (!part.empty()) text += (text.empty() ? "" : ": ") + part;
  return text;
}

/// Thrown when a configuration is refused. `what()` has one line for each error, in the order of the file.
class config_failure : public error {
 public:
  /// \param errors at least one
  explicit config_failure(std::vector<config_error> errors) : error(errc::invalid_argument, join(errors)), errors_(std::move(errors)) {}

  std::vector<config_error> const& errors() const noexcept { return errors_; }

 private:
  static std::string join(std::vector<config_error> const& errors) {
    constexpr std::size_t most = 50;  // more do not help, and the last ones often follow from the first
    std::string text;
    for (std::size_t i = 0; i < std::min(errors.size(), most); ++i) text += (i == 0 ? "" : "\n") + to_string(errors[i]);
    if (errors.size() > most) text += "\nand " + std::to_string(errors.size() - most) + " more";
    return text;
  }

  std::vector<config_error> errors_;
};

namespace detail {

/// Sorts errors by position, so that a reader goes through the file once.
inline void sort_errors(std::vector<config_error>& errors) {
  std::sort(errors.begin(), errors.end(), [](auto const& a, auto const& b) {
    return std::tie(a.line, a.column, a.path, a.message) < std::tie(b.line, b.column, b.path, b.message);
  });
}

/// The text for a message or a path: control characters as `\x00`, not longer than `longest` bytes, cut between characters.
inline std::string printable(std::string_view text, std::size_t longest) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::size_t end = std::min(text.size(), longest);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  std::string result;
  for (char const c : text.substr(0, end)) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    } else {
      result += c == '\n' ? "\\n" : c == '\t' ? "\\t" : std::string{"\\x"} + digits[byte >> 4] + digits[byte & 15];
    }
  }
  return end < text.size() ? result + "..." : result;
}

/// A value for a message, in quotation marks.
inline std::string in_quotes(std::string_view text) { return '"' + printable(text, 60) + '"'; }

/// `parent.key`; a key that is not made of letters, digits, `_` and `-` stands in quotation marks, so that paths are unambiguous.
inline std::string join_path(std::string_view parent, std::string_view key) {
  bool const plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  std::string path{parent};
  if (!path.empty()) path += '.';
  return path += plain && key.size() <= 250 ? std::string{key} : '"' + printable(key, 250) + '"';
}

/// `a, b, c`.
template <class Words>
std::string listed(Words const& words) {
  std::string text;
  for (std::string_view const word : words) (text += text.empty() ? "" : ", ") += word;
  return text;
}

}  // namespace detail

}  // namespace visor

#endif
