#ifndef VISOR_HANDLER_ONE_LINE_HPP
#define VISOR_HANDLER_ONE_LINE_HPP

#include "visor/base/secret.hpp"
#include "visor/base/storable_text.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace visor::detail {

/// Makes foreign text fit for an error message: at most `limit` bytes of it, control characters as spaces, bytes that are not UTF-8 as
/// U+FFFD, no space at either end. O(limit).
inline std::string one_line(std::string_view text, std::size_t limit = 200) {
  auto const first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  bool const cut = text.size() > limit;
  std::string line;
  for (std::size_t at = 0; at < text.size() && line.size() < limit;) {
    if (auto const byte = static_cast<unsigned char>(text[at]); byte < 0x80) {
      line += byte < 0x20 || byte == 0x7F ? ' ' : text[at];
      ++at;
      continue;
    }
    std::size_t length = 2;
    while (length <= 4 && !is_storable_text(text.substr(at, length))) ++length;
    bool const whole = length <= 4 && at + length <= text.size();
    line += whole ? text.substr(at, length) : std::string_view("\xEF\xBF\xBD");
    at += whole ? length : 1;
  }
  if (cut) line += "...";
  return line;
}

/// Replaces every occurrence of a secret in a text.
inline void hide(std::string& text, std::string_view value) {
  if (value.empty()) return;
  for (auto at = text.find(value); at != text.npos; at = text.find(value, at + masked.size())) text.replace(at, value.size(), masked);
}

/// Keeps the last line that is not blank of a text that comes in pieces, and no other.
class last_line {
 public:
  void add(std::string_view piece) {
    for (;;) {
      auto const end = piece.find_first_of("\r\n");
      current_.append(piece.substr(0, std::min(end, longest - std::min(longest, current_.size()))));
      if (end == piece.npos) return;
      piece.remove_prefix(end + 1);
      if (current_.find_first_not_of(" \t") != current_.npos) last_.swap(current_);
      current_.clear();
    }
  }

  /// \param hidden texts that are masked, the longest first
  std::string text(std::vector<secret> const& hidden = {}) const {
    std::string line = current_.find_first_not_of(" \t\r\n") == current_.npos ? last_ : current_;
    bool const is_cut = line.size() == longest;
    for (auto const& each : hidden) hide(line, each.reveal());
    if (is_cut)
      for (auto const& each : hidden) hide_beginning(line, each.reveal());
    return one_line(line);
  }

 private:
  /// Hides the part of a secret at the point where the line was cut.
  static void hide_beginning(std::string& line, std::string_view value) {
    for (std::size_t size = std::min(value.size(), line.size()); size >= 4; --size) {
      if (!line.ends_with(value.substr(0, size))) continue;
      line.replace(line.size() - size, size, masked);
      return;
    }
  }

  static constexpr std::size_t longest = 1024;
  std::string current_;
  std::string last_;
};

}  // namespace visor::detail

#endif
