#ifndef VISOR_BASE_TEXT_HPP
#define VISOR_BASE_TEXT_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

namespace visor {

/// The number of single-character insertions, deletions, replacements and swaps of neighbours that turn one text into the other, no
/// place being touched twice (optimal string alignment). O(a·b) time, O(b) space.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

/// The candidate closest to `text`, or an empty view when none is near enough to be what was meant: more than a third of the
/// longer of the two would have to change.
template <std::ranges::input_range Candidates>
std::string_view nearest(std::string_view text, Candidates const& candidates) {
  std::string_view best;
  std::size_t best_distance = 0;
  for (std::string_view const candidate : candidates) {
    std::size_t const distance = edit_distance(text, candidate);
    if (distance * 3 > std::max(text.size(), candidate.size())) continue;
    if (best.empty() || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

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

/// Text in which `%40` and the like stand for the bytes that they name; a lone `%` stands for itself.
inline std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    bool const escape = text[i] == '%' && i + 2 < text.size() &&
                        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3;
    result += escape ? static_cast<char>(byte) : text[i];
    if (escape) i += 2;
  }
  return result;
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
