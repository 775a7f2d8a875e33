#ifndef VISOR_CONFIG_TEXT_MAP_HPP
#define VISOR_CONFIG_TEXT_MAP_HPP

#include "visor/base/storable_text.hpp"
#include "visor/config/document.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor::detail {

/// The text of a file, with lookups of its positions.
class text_map {
 public:
  /// \param text must outlive the map
  explicit text_map(std::string_view text) : text_(text) {
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') lines_.push_back(i + 1);
  }

  std::string_view text() const noexcept { return text_; }

  /// The line and the column, in characters, of a byte. Fast near the byte of the last call, however long the line is.
  source_position at(std::size_t offset) {
    offset = std::min(offset, text_.size());
    std::size_t const line = line_of(offset);
    if (line != last_line_) {
      last_line_ = line;
      last_offset_ = lines_[line];
      last_column_ = 0;
    }
    auto const characters = [&](std::size_t from, std::size_t to) {
      std::string_view const part = text_.substr(from, to - from);
      return std::count_if(part.begin(), part.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    };
    if (offset >= last_offset_)
      last_column_ += characters(last_offset_, offset);
    else
      last_column_ -= characters(offset, last_offset_);
    last_offset_ = offset;
    return {static_cast<int>(line) + 1, static_cast<int>(last_column_) + 1};
  }

  /// The first tab in the indentation of the line of a byte, if the indentation ends at that byte.
  std::optional<std::size_t> tab_before(std::size_t offset) {
    offset = std::min(offset, text_.size());
    auto const tab = tab_in_line(offset);
    return tab && indent_end_ >= offset && *tab < offset ? tab : std::nullopt;
  }

  /// The first tab in the indentation of the line of a byte.
  std::optional<std::size_t> tab_in_line(std::size_t offset) {
    if (std::size_t const line = line_of(std::min(offset, text_.size())); line != indent_line_) {
      indent_line_ = line;
      indent_end_ = std::min(text_.find_first_not_of(" \t", lines_[line]), text_.size());
      std::string_view const indentation = text_.substr(lines_[line], indent_end_ - lines_[line]);
      indent_tab_.reset();
      if (auto const tab = indentation.find('\t'); tab != std::string_view::npos) indent_tab_ = lines_[line] + tab;
    }
    return indent_tab_;
  }

 private:
  std::size_t line_of(std::size_t offset) const {
    return static_cast<std::size_t>(std::upper_bound(lines_.begin(), lines_.end(), offset) - lines_.begin()) - 1;
  }

  static constexpr std::size_t no_line = static_cast<std::size_t>(-1);

  std::string_view text_;
  std::vector<std::size_t> lines_{0};
  std::size_t last_line_ = no_line;
  std::size_t last_offset_ = 0;
  std::ptrdiff_t last_column_ = 0;
  std::size_t indent_line_ = no_line;
  std::size_t indent_end_ = 0;
  std::optional<std::size_t> indent_tab_;
};

/// The first byte that no configuration file may hold, and its description.
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
