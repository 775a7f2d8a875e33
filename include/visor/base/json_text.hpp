#ifndef VISOR_BASE_JSON_TEXT_HPP
#define VISOR_BASE_JSON_TEXT_HPP

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

/// JSON in its written form. All code that reads or passes on a payload uses this scanner, so that all of it has the same limits and a
/// number keeps the digits of its author. The scanner builds no tree: a text of any size costs O(bytes) time and O(depth) space.
namespace visor {

/// The bounds of every payload, from any source. A number must be one that a `double` can hold, neither overflowing nor becoming zero; its
/// count of digits does not matter.
struct json_limits {
  static constexpr std::size_t depth = 200;               ///< nesting of arrays and objects
  static constexpr std::size_t bytes = 16 * 1024 * 1024;  ///< of a payload; a database may accept less
};

namespace detail {

/// The reason why a text is refused, and where.
struct json_fault {
  std::size_t offset = 0;  ///< in bytes, from 0
  std::string path;        ///< of the value: `items[2].pages`; empty for the whole text
  std::string reason;      ///< continues a sentence that began with the name of the text

  /// Returns the reason together with its field or its byte.
  std::string message() const {
    return path.empty() ? reason + " (at byte " + std::to_string(offset + 1) + ")" : "has a field \"" + path + "\" that " + reason;
  }
};

/// Whether the text is a number as JSON writes one.
inline bool is_json_number(std::string_view text) noexcept {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  auto const digits = [&] {
    std::size_t const begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - begin;
  };
  bool const zero = at < text.size() && text[at] == '0';
  std::size_t const whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] | 0x20) == 'e') {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

/// True when every digit of the mantissa of a JSON number is zero.
inline bool is_zero(std::string_view number) noexcept {
  return number.substr(0, number.find_first_of("eE")).find_first_of("123456789") == number.npos;
}

/// Decimal digits without zeros at either end, and the power of ten of the last digit.
struct decimal_number {
  std::string digits;
  std::int64_t exponent = 0;
  friend bool operator==(decimal_number const&, decimal_number const&) = default;
};

inline decimal_number as_decimal(std::string_view number) {
  decimal_number result;
  auto const e = std::min(number.find_first_of("eE"), number.size());
  bool fraction = false;
  for (char const c : number.substr(0, e)) {
    if (c == '.') fraction = true;
    if (c < '0' || c > '9') continue;
    if (!(result.digits.empty() && c == '0')) result.digits += c;
    if (fraction) --result.exponent;
  }
  while (result.digits.ends_with('0')) {
    result.digits.pop_back();
    ++result.exponent;
  }
  if (e < number.size()) {
    std::string_view power = number.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    constexpr std::int64_t beyond = 1'000'000'000'000;  // more than any text has digits
    std::int64_t value = 0;
    bool const fits = std::from_chars(power.data(), power.data() + power.size(), value).ec == std::errc();
    result.exponent += fits ? std::clamp(value, -beyond, beyond) : power.starts_with('-') ? -beyond : beyond;
  }
  if (result.digits.empty()) result.exponent = 0;
  return result;
}

/// A number without an exponent and with fewer characters is not too large for a `double`: the largest has 309 digits.
inline constexpr std::size_t safe_digits = 300;

/// The reason why other programs cannot read a JSON number; it continues a sentence about the field. Empty: there is none.
inline std::string_view number_fault(std::string_view number) {
  double value = 0;
  auto const failed = std::from_chars(number.data(), number.data() + number.size(), value).ec;
  if (is_zero(number) || (failed == std::errc() && std::isfinite(value) && value != 0)) return {};
  auto const [digits, exponent] = as_decimal(number);
  bool const small = static_cast<std::int64_t>(digits.size()) + exponent <= 0;
  return small ? "is so small that programs read it as 0" : "is larger than any program can read";
}

/// True when a C++ program that reads a JSON number, as an integer of 64 bits or a `double`, can write all of its digits again.
inline bool keeps_digits(std::string_view number) {
  if (number.size() <= 15) return true;  // a double keeps 15 digits, also with a power of ten
  char const* const end = number.data() + number.size();
  std::int64_t whole = 0;
  std::uint64_t natural = 0;
  if (auto const [at, failed] = std::from_chars(number.data(), end, whole); failed == std::errc() && at == end) return true;
  if (auto const [at, failed] = std::from_chars(number.data(), end, natural); failed == std::errc() && at == end) return true;
  double value = 0;
  if (std::from_chars(number.data(), end, value).ec != std::errc() && !is_zero(number)) return false;
  std::array<char, 64> shortest{};
  auto const written = std::to_chars(shortest.data(), shortest.data() + shortest.size(), value);
  return as_decimal(number) == as_decimal(std::string_view(shortest.data(), written.ptr));
}

/// A single pass over a JSON text.
class json_scanner {
 public:
  /// \param text must outlive this
  explicit json_scanner(std::string_view text) noexcept : text_(text) {}

  /// Reads the whole text.
  /// \param field called as `field(key, value)`, both as they are written, for each field at the top of an object
  /// \param number called for each number; a result that is not empty is the reason to refuse the number
  /// \return the first fault, or nothing
  template <class Field, class Number>
  std::optional<json_fault> scan(Field&& field, Number&& number) {
    for (;;) {
      skip_space();
      if (depth_ == 1) top_ = at_;
      bool closed = false;
      switch (peek()) {
        case '{':
        case '[':
          if (depth_ == json_limits::depth)
            return fault("is nested more than " + std::to_string(json_limits::depth) + " levels deep", true);
          frames_[depth_++] = {peek() == '{', 0, nullptr, 0};
          ++at_;
          skip_space();
          if (peek() == (frame().is_object ? '}' : ']')) {
            closed = true;
          } else if (frame().is_object) {
            if (auto wrong = key()) return wrong;
            continue;
          } else {
            continue;
          }
          break;
        case '"':
          if (!skip_string()) return broken();
          break;
        case 't':
        case 'f':
        case 'n':
          if (!skip_word()) return broken();
          break;
        default: {
          bool has_exponent = false;
          std::string_view const found = take_number(has_exponent);
          if (!is_json_number(found)) {
            at_ -= found.size();
            return broken();
          }
          std::string_view reason;
          if (has_exponent || found.size() >= safe_digits) reason = number_fault(found);
          if (reason.empty()) reason = number(found);
          if (!reason.empty()) {
            at_ -= found.size();
            return fault(std::string(reason), false);
          }
        }
      }
      // Here `at_` is behind a value, or at the bracket that closes an empty group.
      for (bool more = false; !more;) {
        if (closed) {
          ++at_;
          --depth_;
          closed = false;
        }
        if (depth_ == 1 && frame().is_object) field(frame().key(), text_.substr(top_, at_ - top_));
        skip_space();
        if (depth_ == 0) {
          if (at_ == text_.size()) return std::nullopt;
          return broken();
        }
        if (peek() == ',') {
          ++at_;
          ++frame().index;
          skip_space();
          if (frame().is_object)
            if (auto wrong = key()) return wrong;
          more = true;
        } else if (peek() == (frame().is_object ? '}' : ']')) {
          closed = true;
        } else {
          return broken();
        }
      }
    }
  }

 private:
  /// An open array or object. It has no initial values: to write those of all levels costs more than to scan a short text.
  struct group {
    bool is_object;
    std::size_t index;
    char const* key_begin;
    std::size_t key_size;
    std::string_view key() const noexcept { return {key_begin, key_size}; }
  };

  group& frame() noexcept { return frames_[depth_ - 1]; }
  char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() noexcept {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  }

  std::optional<json_fault> key() {
    std::size_t const begin = at_ + 1;
    if (peek() != '"' || !skip_string()) return broken();
    frame().key_begin = text_.data() + begin;
    frame().key_size = at_ - begin - 1;
    skip_space();
    if (peek() != ':') return broken();
    ++at_;
    return std::nullopt;
  }

  bool skip_word() noexcept {
    for (std::string_view const word : {"true", "false", "null"})
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return true;
      }
    return false;
  }

  std::string_view take_number(bool& has_exponent) noexcept {
    std::size_t const begin = at_;
    for (; at_ < text_.size(); ++at_) {
      char const c = text_[at_];
      if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.') continue;
      if ((c | 0x20) != 'e') break;
      has_exponent = true;
    }
    return text_.substr(begin, at_ - begin);
  }

  /// Takes the code unit of `\uXXXX`; `at_` is at its first digit. -1 when it is malformed.
  int take_unit() noexcept {
    unsigned unit = 0;
    if (text_.size() - at_ < 4) return -1;
    auto const [end, failed] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, unit, 16);
    if (failed != std::errc() || end != text_.data() + at_ + 4) return -1;
    at_ += 4;
    return static_cast<int>(unit);
  }

  /// Skips characters of a string that mean themselves, eight at a time: most are, and a payload is mostly strings.
  void skip_plain() noexcept {
    constexpr std::uint64_t each = 0x0101010101010101;
    constexpr std::uint64_t high = 0x8080808080808080;
    auto const has_zero = [](std::uint64_t bytes) { return (bytes - each) & ~bytes & high; };
    for (; text_.size() - at_ >= 8; at_ += 8) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, text_.data() + at_, 8);
      std::uint64_t const controls = (eight - each * 0x20) & ~eight & high;
      if ((controls | has_zero(eight ^ each * '"') | has_zero(eight ^ each * '\\')) != 0) break;
    }
  }

  /// Skips a string from its opening quotation mark to behind the closing one. False when it is malformed; `at_` is then at the fault.
  bool skip_string() noexcept {
    ++at_;
    while (at_ < text_.size()) {
      skip_plain();
      if (at_ == text_.size()) return false;
      auto const c = static_cast<unsigned char>(text_[at_]);
      if (c < 0x20) return false;
      ++at_;
      if (c == '"') return true;
      if (c != '\\') continue;
      char const escape = peek();
      if (escape != 'u') {
        if (std::string_view("\"\\/bfnrt").find(escape) == std::string_view::npos || at_ == text_.size()) return false;
        ++at_;
        continue;
      }
      ++at_;
      int const unit = take_unit();
      if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) return false;
      if (unit < 0xD800 || unit > 0xDBFF) continue;
      if (text_.substr(at_, 2) != "\\u") return false;  // a surrogate without its pair
      at_ += 2;
      if (int const low = take_unit(); low < 0xDC00 || low > 0xDFFF) return false;
    }
    return false;
  }

  std::optional<json_fault> broken() const {
    return json_fault{at_, {}, at_ >= text_.size() ? "is not JSON: it ends too early" : "is not JSON"};
  }

  std::optional<json_fault> fault(std::string reason, bool whole) const {
    return json_fault{at_, whole ? std::string() : path(), std::move(reason)};
  }

  /// The path of the value at `at_`, short enough for a message.
  std::string path() const {
    constexpr std::size_t longest = 60;
    std::string result;
    for (std::size_t i = 0; i < depth_; ++i) {
      if (result.size() > longest) return result + "...";
      if (!frames_[i].is_object) {
        result += "[" + std::to_string(frames_[i].index) + "]";
        continue;
      }
      std::string_view const key = frames_[i].key();
      std::size_t size = std::min(key.size(), longest);
      while (size > 0 && size < key.size() && (static_cast<unsigned char>(key[size]) & 0xC0) == 0x80) --size;
      if (!result.empty()) result += '.';
      result += key.substr(0, size);
      if (size < key.size()) result += "...";
    }
    return result;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t top_ = 0;  ///< where the value of a field at the top begins
  std::size_t depth_ = 0;
  std::array<group, json_limits::depth> frames_;  ///< those below `depth_` are set
};

inline constexpr auto no_json_field = [](std::string_view, std::string_view) {};
inline constexpr auto any_json_number = [](std::string_view) { return std::string_view(); };

/// Returns the first fault that keeps a text from being a payload, except for its size and characters; see `json_limits`.
inline std::optional<json_fault> find_json_fault(std::string_view text) { return json_scanner(text).scan(no_json_field, any_json_number); }

/// False when each number of a JSON text is certain to survive in a `double` or an integer of 64 bits: none has an exponent, and none has
/// more than 15 characters. True may be a false alarm. Much cheaper than `find_lost_digits`, which then decides.
inline bool could_lose_digits(std::string_view text) noexcept {
  auto const is_digit = [](char c) { return static_cast<unsigned char>(c - '0') < 10; };
  // One loop without a branch, so that the compiler can use vector instructions.
  int exponents = 0;
  for (std::size_t i = 1; i < text.size(); ++i) exponents |= int{is_digit(text[i - 1])} & int{(text[i] | 0x20) == 'e'};
  if (exponents != 0) return true;
  // A run of 16 characters covers a multiple of 16, less one.
  constexpr std::size_t step = 16;
  auto const is_part = [&](char c) { return is_digit(c) || c == '.' || c == '-' || c == '+'; };
  for (std::size_t at = step - 1; at < text.size(); at += step) {
    if (!is_part(text[at])) continue;
    std::size_t begin = at, end = at;
    while (begin > 0 && end - begin < step && is_part(text[begin - 1])) --begin;
    while (end < text.size() && end - begin < step && is_part(text[end])) ++end;
    if (end - begin >= step) return true;
  }
  return false;
}

/// The same as `find_json_fault` for a program that must read every number: it also refuses a number with more digits than the program can
/// keep.
inline std::optional<json_fault> find_lost_digits(std::string_view text) {
  auto const number = [](std::string_view digits) {
    return keeps_digits(digits) ? std::string_view() : std::string_view("has more digits than a number of 64 bits can hold");
  };
  return json_scanner(text).scan(no_json_field, number);
}

/// Calls `field(key, value)`, both as they are written, for each field at the top of an object.
/// \return false for a text that is not JSON; some calls may have been made by then
template <class Field>
bool for_each_json_field(std::string_view text, Field&& field) {
  return !json_scanner(text).scan(field, any_json_number);
}

inline void append_utf8(std::string& out, std::uint32_t code) {
  auto const put = [&](std::uint32_t bits) { out += static_cast<char>(bits); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

/// Decodes the inside of a JSON string. `json_scanner` must have accepted the text.
inline std::string unescaped_json(std::string_view inside) {
  std::string result;
  result.reserve(inside.size());
  auto const unit = [&](std::size_t at) {
    std::uint32_t value = 0;
    std::from_chars(inside.data() + at, inside.data() + std::min(at + 4, inside.size()), value, 16);
    return value;
  };
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\' || i + 1 == inside.size()) {
      result += inside[i];
      continue;
    }
    constexpr std::string_view letters = "bfnrt";
    constexpr std::string_view meanings = "\b\f\n\r\t";
    char const escape = inside[++i];
    if (auto const known = letters.find(escape); known != letters.npos) {
      result += meanings[known];
    } else if (escape != 'u') {
      result += escape;
    } else {
      std::uint32_t code = unit(i + 1);
      i += 4;
      if (code >= 0xD800 && code <= 0xDBFF) {
        code = 0x10000 + ((code - 0xD800) << 10) + (unit(i + 3) - 0xDC00);
        i += 6;
      }
      append_utf8(result, code);
    }
  }
  return result;
}

/// Returns a string, number or boolean as plain text: a string decoded, a number as it is written. Nothing for `null`, arrays and objects.
/// \param value a JSON value that `json_scanner` has accepted
inline std::optional<std::string> json_scalar_text(std::string_view value) {
  if (value.empty() || value.front() == '{' || value.front() == '[' || value == "null") return std::nullopt;
  if (value.front() == '"') return unescaped_json(value.substr(1, value.size() - 2));
  return std::string(value);
}

/// Returns the value of a field at the top of an object, as it is written. Of several fields with one name the last counts, as nearly
/// everywhere.
inline std::optional<std::string_view> find_json_field(std::string_view text, std::string_view name) {
  std::optional<std::string_view> result;
  auto const look = [&](std::string_view key, std::string_view value) {
    if (key == name || (key.find('\\') != key.npos && unescaped_json(key) == name)) result = value;
  };
  if (!for_each_json_field(text, look)) return std::nullopt;
  return result;
}

/// Returns the same JSON without blanks and line breaks between its parts.
inline std::string compact_json(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    if (!in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    result += c;
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\' && i + 1 < text.size()) result += text[++i];
  }
  return result;
}

}  // namespace detail
}  // namespace visor

#endif
