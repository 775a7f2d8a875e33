#include "report.hpp"

#include "visor/base/json_text.hpp"

#include <boost/json/serialize.hpp>

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ostream>

namespace visor_program {
namespace {

struct code_point {
  char32_t value = 0;
  std::size_t length = 0;  ///< bytes; 0: not UTF-8
};

/// The code point at the front of a text that is not empty.
code_point front(std::string_view text) {
  auto const lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  std::size_t const length = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
  if (length == 0 || length > text.size()) return {};
  char32_t value = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    auto const next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0U) != 0x80) return {};
    value = (value << 6) | (next & 0x3FU);
  }
  constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, length};
}

struct range {
  char32_t first, last;
};

template <std::size_t N>
bool is_in(std::array<range, N> const& ranges, char32_t value) {
  return std::ranges::any_of(ranges, [value](range each) { return value >= each.first && value <= each.last; });
}

// The bulk of East Asian Width "W" and "F" and of the combining marks (Unicode Standard Annex 11); an odd script may still be off
// by a column, which only costs alignment.
constexpr std::array<range, 11> wide{{{0x1100, 0x115F},
                                      {0x2E80, 0x303E},
                                      {0x3041, 0xA4CF},
                                      {0xAC00, 0xD7A3},
                                      {0xF900, 0xFAFF},
                                      {0xFE30, 0xFE6F},
                                      {0xFF00, 0xFF60},
                                      {0xFFE0, 0xFFE6},
                                      {0x1F300, 0x1F64F},
                                      {0x1F900, 0x1F9FF},
                                      {0x20000, 0x3FFFD}}};
constexpr std::array<range, 6> without_width{
    {{0x300, 0x36F}, {0x483, 0x489}, {0x591, 0x5BD}, {0x200B, 0x200D}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}}};
constexpr std::array<range, 5> unseen{{{0x00, 0x1F}, {0x7F, 0x9F}, {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}}};

void append_unseen(std::string& to, char32_t value) {
  std::array<char, 16> text{};
  switch (value) {
    case '\n': to += "\\n"; return;
    case '\t': to += "\\t"; return;
    case '\r': to += "\\r"; return;
    default: break;
  }
  int const length = std::snprintf(text.data(), text.size(), value < 0x100 ? "\\x%02x" : "\\u%04x", static_cast<unsigned>(value));
  to.append(text.data(), static_cast<std::size_t>(length));
}

}  // namespace

bool shows_colour(int descriptor) {
  char const* const refused = std::getenv("NO_COLOR");
  char const* const terminal = std::getenv("TERM");
  if (refused != nullptr && *refused != '\0') return false;
  if (terminal == nullptr || std::string_view(terminal) == "dumb") return false;
  return ::isatty(descriptor) == 1;
}

std::string painted(std::string_view text, colour with, int descriptor) {
  if (with == colour::none || text.empty() || !shows_colour(descriptor)) return std::string(text);
  constexpr std::array<char const*, 6> codes{"", "32", "33", "31", "2", "1"};
  return std::string("\033[") + codes.at(static_cast<std::size_t>(with)) + 'm' + std::string(text) + "\033[0m";
}

std::string escaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    auto const [value, length] = front(text);
    if (length == 0) {
      append_unseen(result, static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (is_in(unseen, value))
      append_unseen(result, value);
    else
      result += text.substr(0, length);
    text.remove_prefix(length);
  }
  return result;
}

std::string in_quotes(std::string_view text) { return "'" + shortened(escaped(text), 80) + "'"; }

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    auto const [value, length] = front(text);
    columns += length == 0 ? 1U : is_in(wide, value) ? 2U : is_in(without_width, value) ? 0U : 1U;
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return columns;
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  std::size_t used = 0, bytes = 0;
  while (bytes < text.size()) {
    auto const length = std::max<std::size_t>(front(text.substr(bytes)).length, 1);
    auto const width = columns_of(text.substr(bytes, length));
    if (used + width + 1 > columns) break;
    used += width;
    bytes += length;
  }
  return std::string(text.substr(0, bytes)) + "…";
}

table::cell::cell(std::optional<visor::instant> const& when) : text(when ? to_seconds(*when) : "-") {}

void table::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  for (auto const& title : header_) widths.push_back(columns_of(title));
  std::vector<std::vector<std::string>> shown;
  for (auto const& row : rows_) {
    auto& line = shown.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      line.push_back(shortened(escaped(row[i].text), 60));
      widths.at(i) = std::max(widths[i], columns_of(line.back()));
    }
  }
  // Spaces are written before a cell that has text, so that no line ends with them.
  auto const write = [&](auto const& cell_text, auto const& cell_colour) {
    std::size_t owed = 0;
    for (std::size_t i = 0; i < header_.size(); ++i) {
      std::string const& text = cell_text(i);
      if (!text.empty()) out << std::string(std::exchange(owed, 0), ' ') << painted(text, cell_colour(i));
      owed += widths[i] + 2 - columns_of(text);
    }
    out << '\n';
  };
  write([&](std::size_t i) -> std::string const& { return header_[i]; }, [](std::size_t) { return colour::strong; });
  for (std::size_t r = 0; r < shown.size(); ++r)
    write([&](std::size_t i) -> std::string const& { return shown[r][i]; }, [&](std::size_t i) { return rows_[r][i].with; });
}

void fields::print(std::ostream& out) const {
  std::size_t width = 0;
  for (auto const& [label, _] : rows_) width = std::max(width, columns_of(label));
  for (auto const& [label, value] : rows_)
    out << painted(label, colour::strong) << std::string(width + 2 - columns_of(label), ' ') << painted(escaped(value.text), value.with)
        << '\n';
}

void print_text(std::ostream& out, std::string_view title, std::string_view text) {
  out << painted(title, colour::strong) << '\n';
  while (!text.empty()) {
    auto const end = std::min(text.find('\n'), text.size());
    out << "  " << escaped(text.substr(0, end)) << '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void print_json(std::ostream& out, boost::json::array const& all) {
  std::vector<std::string> texts;
  for (auto const& each : all) texts.push_back(boost::json::serialize(each));
  print_json(out, texts);
}

void print_json(std::ostream& out, std::vector<std::string> const& all) {
  out << '[';
  for (std::size_t i = 0; i < all.size(); ++i) out << (i == 0 ? "\n" : ",\n") << all[i];
  out << (all.empty() ? "]\n" : "\n]\n");
}

std::string with_json(boost::json::object const& all, std::string_view key, std::string const& json) {
  std::string text = boost::json::serialize(all);
  text.pop_back();
  if (!all.empty()) text += ',';
  text += '"' + std::string(key) + "\":";
  text += visor::detail::find_json_fault(json) ? boost::json::serialize(boost::json::string(json)) : visor::detail::compact_json(json);
  return text += '}';
}

boost::json::value json_of(std::optional<visor::instant> const& when) {
  if (!when) return nullptr;
  return boost::json::value(visor::to_string(*when));
}

boost::json::value json_of(std::optional<std::string> const& text) {
  if (!text) return nullptr;
  return boost::json::value(*text);
}

std::string to_seconds(visor::instant when) { return visor::to_string(std::chrono::floor<std::chrono::seconds>(when)); }

std::string to_seconds_text(visor::duration length) {
  if (length < std::chrono::seconds(1)) return std::to_string(std::chrono::round<std::chrono::milliseconds>(length).count()) + "ms";
  std::array<char, 32> text{};
  auto const seconds = static_cast<double>(length.count()) / 1e6;
  if (seconds >= 100) return visor::to_string(visor::duration(std::chrono::round<std::chrono::seconds>(length)));
  std::snprintf(text.data(), text.size(), "%.2fs", seconds);
  return text.data();
}

std::string user_name() {
  auto const id = ::geteuid();
  // Not from the environment: `su` and `sudo` leave names there that differ from the user of the process.
  if (auto const* const entry = ::getpwuid(id); entry != nullptr && entry->pw_name != nullptr) return entry->pw_name;
  return "uid-" + std::to_string(id);
}

}  // namespace visor_program
