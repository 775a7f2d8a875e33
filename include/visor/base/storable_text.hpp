#ifndef VISOR_BASE_STORABLE_TEXT_HPP
#define VISOR_BASE_STORABLE_TEXT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace visor {

namespace detail {

/// The length of the well-formed UTF-8 sequence at the front, or 0 if there is none or it is NUL.
inline std::size_t storable_sequence(std::string_view text) noexcept {
  auto const lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return lead != 0 ? 1 : 0;
  std::size_t const length = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t k = 1; k < length; ++k)
    if ((static_cast<unsigned char>(text[k]) & 0xC0) != 0x80) return 0;
  auto const second = static_cast<unsigned char>(text[1]);
  // Overlong forms, surrogates and code points above U+10FFFF.
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
      (lead == 0xF4 && second > 0x8F))
    return 0;
  return length;
}

/// Measures the front of ASCII without NUL, in steps of eight bytes. Most texts are nothing else, and every job has texts to check.
inline std::size_t plain_front(std::string_view text) noexcept {
  constexpr std::uint64_t each = 0x0101010101010101;
  constexpr std::uint64_t highest = each << 7;
  std::size_t plain = 0;
  for (std::uint64_t bytes; text.size() - plain >= sizeof bytes; plain += sizeof bytes) {
    std::memcpy(&bytes, text.data() + plain, sizeof bytes);
    // The subtraction borrows at a NUL, and possibly at its neighbour too; such a neighbour is then checked by itself.
    if (((bytes | (bytes - each)) & highest) != 0) break;
  }
  return plain;
}

}  // namespace detail

/// True when the text is well-formed UTF-8 without NUL, which every supported database stores unchanged. O(n).
inline bool is_storable_text(std::string_view text) noexcept {
  for (;;) {
    text.remove_prefix(detail::plain_front(text));
    if (text.empty()) return true;
    std::size_t const length = detail::storable_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
}

/// True when a name ends with a blank. Some databases ignore that blank and others do not, so no name may have one.
constexpr bool ends_with_blank(std::string_view name) noexcept { return name.ends_with(' '); }

/// The text of the message about a name that ends with a blank.
inline constexpr char const* blank_at_end =
    "a name cannot end with a blank, which not every database tells from the name without it: leave it out";

/// Cuts a text that is longer than `limit` bytes between characters and appends the number of missing bytes. The text must be UTF-8.
inline std::string shortened(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t const before = text.size();
  std::size_t size = limit;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  text.resize(size);
  return text += "... [" + std::to_string(before - size) + " bytes more]";
}

/// Replaces each byte that cannot be stored with U+FFFD; for texts that others wrote and visor only stores. O(n).
inline std::string to_storable_text(std::string text) {
  if (is_storable_text(text)) return text;
  std::string result;
  for (std::string_view rest = text; !rest.empty();) {
    std::size_t const length = detail::storable_sequence(rest);
    result += length != 0 ? rest.substr(0, length) : std::string_view("\xEF\xBF\xBD");
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

}  // namespace visor

#endif
