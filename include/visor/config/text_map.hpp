#ifndef VISOR_CONFIG_TEXT_MAP_HPP
#define VISOR_CONFIG_TEXT_MAP_HPP

#include "visor/base/text.hpp"
#include "visor/config/document.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::detail {

/// The text of a file, for questions about places in it.
class text_map {
 public:
  /// \param text must outlive the map
  explicit text_map(std::string_view text) : text_(text) {
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') lines_.push_back(i + 1);
  }

  std::string_view text() const noexcept { return text_; }

  /// The line and the column, in characters, of a byte. O(log lines + length of the line).
  place at(std::size_t offset) const {
    offset = std::min(offset, text_.size());
    auto const line = std::upper_bound(lines_.begin(), lines_.end(), offset) - 1;
    std::string_view const before = text_.substr(*line, offset - *line);
    auto const characters =
        std::count_if(before.begin(), before.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    return {static_cast<int>(line - lines_.begin()) + 1, static_cast<int>(characters) + 1};
  }

  /// The tab among the blanks that a line begins with, when there is nothing but blanks between the beginning and `offset`.
  std::optional<std::size_t> tab_before(std::size_t offset) const {
    offset = std::min(offset, text_.size());
    std::size_t const begin = *(std::upper_bound(lines_.begin(), lines_.end(), offset) - 1);
    std::optional<std::size_t> tab;
    for (std::size_t i = begin; i < offset; ++i) {
      if (text_[i] != ' ' && text_[i] != '\t') return std::nullopt;
      if (text_[i] == '\t' && !tab) tab = i;
    }
    return tab;
  }

  /// The tab in the indentation of the line of a byte.
  std::optional<std::size_t> tab_in_line(std::size_t offset) const {
    offset = std::min(offset, text_.size());
    std::size_t const begin = *(std::upper_bound(lines_.begin(), lines_.end(), offset) - 1);
    return tab_before(std::min(text_.find_first_not_of(" \t", begin), text_.size()));
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> lines_{0};
};

/// The first byte that no configuration file holds, and what it is.
inline std::optional<std::pair<std::size_t, std::string>> wrong_byte(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t i = 0; i < text.size();) {
    auto const byte = static_cast<unsigned char>(text[i]);
    if (byte == 0) return std::pair{i, std::string{"a NUL byte"}};
    if (byte == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'))
      return std::pair{i, std::string{"a carriage return without line feed"}};
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F)
      return std::pair{i, std::string{"the control character 0x"} + digits[byte >> 4] + digits[byte & 15]};
    std::size_t const length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    if (!is_storable_text(text.substr(i, length))) return std::pair{i, std::string{"bytes that are not valid UTF-8"}};
    i += length;
  }
  return std::nullopt;
}

}  // namespace visor::detail

#endif
