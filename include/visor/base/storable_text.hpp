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

/// How much of the front is ASCII without NUL, in steps of eight bytes: most texts are nothing else, and each job has some to be looked at.
inline std::size_t plain_front(std::string_view text) noexcept {
  constexpr std::uint64_t each = 0x0101010101010101;
  constexpr std::uint64_t highest = each << 7;
  std::size_t plain = 0;
  for (std::uint64_t bytes; text.size() - plain >= sizeof bytes; plain += sizeof bytes) {
    std::memcpy(&bytes, text.data() + plain, sizeof bytes);
    // A NUL borrows when one is taken from each byte, and so may its neighbour, which is then looked at by itself.
    if (((bytes | (bytes - each)) & highest) != 0) break;
  }
  return plain;
}

}  // namespace detail

/// Whether the text is well-formed UTF-8 without NUL: what every supported database stores unchanged. O(n).
inline bool is_storable_text(std::string_view text) noexcept {
  for (;;) {
    text.remove_prefix(detail::plain_front(text));
    if (text.empty()) return true;
    std::size_t const length = detail::storable_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
}

/// Whether a name has a blank at its end: to some databases it is then the name without it, to others another one. So no name may.
constexpr bool ends_with_blank(std::string_view name) noexcept { return name.ends_with(' '); }

/// The words of a message about a name that ends with a blank.
inline constexpr char const* blank_at_end =
    "a name cannot end with a blank, which not every database tells from the name without it: leave it out";

/// The front of a text that is longer than `limit` bytes, cut between characters, and how much is missing. The text must be UTF-8.
inline std::string shortened(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t const before = text.size();
  std::size_t size = limit;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  text.resize(size);
  return text += "... [" + std::to_string(before - size) + " bytes more]";
}

/// The text with U+FFFD in the place of each byte that cannot be stored: for what others wrote and we only keep. O(n).
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
