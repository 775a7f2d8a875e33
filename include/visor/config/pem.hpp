#ifndef VISOR_CONFIG_PEM_HPP
#define VISOR_CONFIG_PEM_HPP

#include "visor/base/home.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace visor {

namespace detail {

/// Decodes base64, skipping blanks and line ends. Nothing for a text that is not base64, or holds no bytes. O(n).
inline std::optional<std::string> from_base64(std::string_view text) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  std::size_t count = 0, padding = 0;
  for (char const c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    auto const value = digits.find(c);
    if (c == '=') {
      ++padding;
    } else if (value == std::string_view::npos || padding > 0) {
      return std::nullopt;
    } else {
      bits = bits << 6 | static_cast<std::uint32_t>(value);
      // The first of four digits completes no byte, each other one does.
      if (count++ % 4 != 0) bytes += static_cast<char>(bits >> (6 - 2 * ((count - 1) % 4)) & 0xFF);
    }
  }
  if (bytes.empty() || count % 4 == 1 || padding > 2 || (padding > 0 && (count + padding) % 4 != 0)) return std::nullopt;
  return bytes;
}

/// Whether a text has a PEM block, and no broken one (RFC 7468; the headers of older formats are skipped). O(n).
inline bool is_pem(std::string_view text) {
  static constexpr std::string_view begin = "-----BEGIN ", end = "-----END ", dashes = "-----";
  bool found = false;
  for (auto at = text.find(begin); at != std::string_view::npos; at = text.find(begin)) {
    text.remove_prefix(at + begin.size());
    auto const label_end = text.find(dashes);
    if (label_end == std::string_view::npos) return false;
    std::string const last = std::string{end} + std::string{text.substr(0, label_end)} + std::string{dashes};
    text.remove_prefix(label_end + dashes.size());
    auto const body_end = text.find(last);
    if (body_end == std::string_view::npos) return false;
    std::string_view body = text.substr(0, body_end);
    if (auto const colon = body.rfind(':'); colon != std::string_view::npos)
      body.remove_prefix(std::min(body.find('\n', colon), body.size()));
    if (!from_base64(body)) return false;
    text.remove_prefix(body_end + last.size());
    found = true;
  }
  return found;
}

}  // namespace detail

/// A certificate or a private key as users give it: the path of a PEM file, or the content of such a file, plain or in base64.
///
/// The forms are told apart by their shape: PEM holds `-----BEGIN `; a path begins with `/` or `~/` or has a `.` in it, which
/// base64 of text never does; all else is base64.
class pem {
 public:
  pem() = default;
  pem(std::string text) : text_(std::move(text)) {}
  pem(char const* text) : text_(text) {}

  bool empty() const noexcept { return text_.empty(); }

  bool is_path() const noexcept {
    if (text_.find("-----BEGIN ") != std::string::npos || text_.starts_with("LS0t")) return false;  // the second is --- in base64
    return text_.starts_with('/') || text_.starts_with("~/") || text_.find('.') != std::string::npos;
  }

  /// The path, with `~/` replaced, or the PEM text. Empty where `fault` finds wrong base64.
  std::string content() const {
    if (is_path()) return with_home(text_);
    if (text_.find("-----BEGIN ") != std::string::npos) return text_;
    return detail::from_base64(text_).value_or(std::string{});
  }

  /// Describes the fault for a message, without any of the text; empty: none. Whether a file exists is not checked.
  std::string fault() const {
    if (empty() || is_path() || detail::is_pem(content())) return {};
    return "is neither PEM (whole blocks from -----BEGIN to -----END), nor base64 of it, nor a path, which begins with / or ~/ or has a . "
           "in it";
  }

  friend bool operator==(pem const&, pem const&) = default;

 private:
  std::string text_;
};

}  // namespace visor

#endif
