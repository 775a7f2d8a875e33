#ifndef VISOR_HANDLER_HTTP_HEADER_HPP
#define VISOR_HANDLER_HTTP_HEADER_HPP

#include "visor/base/time.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

/// Parsing of answers that are not quite HTTP/1.1, and of the values of headers. Text only, no I/O.
namespace visor::detail {

/// Returns the size of the header of an answer, including its empty line; 0 while it is incomplete. Lines may end in LF alone. Empty lines
/// before the first one count as part of it.
inline std::size_t header_size(std::string_view bytes) noexcept {
  std::size_t const begin = std::min(bytes.find_first_not_of("\r\n"), bytes.size());
  for (auto at = bytes.find('\n', begin); at != bytes.npos; at = bytes.find('\n', at + 1)) {
    std::size_t next = at + 1;
    if (next < bytes.size() && bytes[next] == '\r') ++next;
    if (next < bytes.size() && bytes[next] == '\n') return next + 1;
  }
  return 0;
}

/// True when an answer with this beginning cannot be one of HTTP/1.
inline bool is_not_http(std::string_view bytes) noexcept {
  constexpr std::string_view version = "HTTP/1.";
  bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
  std::size_t const size = std::min(bytes.size(), version.size());
  return bytes.substr(0, size) != version.substr(0, size);
}

/// Rewrites a header for a strict parser: each line ends in CRLF, and a blank follows the status even where there is no reason.
/// \param header as `header_size` found it
inline std::string strict_header(std::string_view header) {
  header.remove_prefix(std::min(header.find_first_not_of("\r\n"), header.size()));
  std::string result;
  result.reserve(header.size() + 32);
  while (!header.empty()) {
    auto const end = std::min(header.find('\n'), header.size());
    std::string_view line = header.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    bool const is_status = result.empty();
    result += line;
    constexpr std::size_t shortest = std::string_view("HTTP/1.1 200").size();
    if (is_status && line.size() == shortest) result += ' ';
    result += "\r\n";
    header.remove_prefix(std::min(end + 1, header.size()));
  }
  return result;
}

/// Returns the instant of a `Date`, in the current form or one of the two obsolete ones (RFC 9110, 5.6.7).
inline std::optional<instant> http_date(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    auto const begin = std::min(text.find_first_not_of(" ,-"), text.size());
    auto const end = std::min(text.find_first_of(" ,-", begin), text.size());
    if (begin < end) words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
  // `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`
  bool const is_asctime = words.size() == 5;
  if (!is_asctime && words.size() != 6) return std::nullopt;
  auto const number = [](std::string_view word) -> int {
    int value = -1;
    auto const [end, failed] = std::from_chars(word.data(), word.data() + word.size(), value);
    return failed == std::errc() && end == word.data() + word.size() ? value : -1;
  };
  static constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  auto const month = std::ranges::find(months, is_asctime ? words[1] : words[2]) - std::begin(months) + 1;
  int const day = number(is_asctime ? words[2] : words[1]);
  int year = number(is_asctime ? words[4] : words[3]);
  std::string_view const time = is_asctime ? words[3] : words[4];
  if (year >= 0 && year < 100) year += year < 70 ? 2000 : 1900;
  if (time.size() != 8 || time[2] != ':' || time[5] != ':') return std::nullopt;
  int const hour = number(time.substr(0, 2)), minute = number(time.substr(3, 2)), second = number(time.substr(6, 2));
  std::chrono::year_month_day const date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(std::max(day, 0))}};
  if (year < 1970 || year > 9999 || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
    return std::nullopt;
  return instant{std::chrono::sys_days{date}} + std::chrono::hours{hour} + std::chrono::minutes{minute} + std::chrono::seconds{second};
}

/// Returns the delay that a `Retry-After` requests: a number of seconds, or an instant. Nothing where it is neither, or has passed.
/// \param date of the answer, by the clock of the server; empty: `now` counts
inline std::optional<duration> retry_after(std::string_view text, std::string_view date, instant now) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  text = text.substr(0, text.find_last_not_of(" \t") + 1);
  if (text.empty()) return std::nullopt;
  constexpr std::int64_t longest = 366LL * 24 * 3600;
  if (text.find_first_not_of("0123456789") == text.npos) {
    std::int64_t seconds = longest;
    std::from_chars(text.data(), text.data() + text.size(), seconds);  // a number out of range leaves `seconds` unchanged
    return std::chrono::seconds{std::min(seconds, longest)};
  }
  auto const until = http_date(text);
  if (!until) return std::nullopt;
  duration const wait = *until - http_date(date).value_or(now);
  return wait > duration{0} ? std::optional(std::min<duration>(wait, std::chrono::seconds{longest})) : std::nullopt;
}

}  // namespace visor::detail

#endif
