#ifndef VISOR_CRON_ZONE_FILE_HPP
#define VISOR_CRON_ZONE_FILE_HPP

#include "visor/cron/time_zone.hpp"
#include "visor/cron/zone_rule.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A file of the tz database: TZif, RFC 8536. The date library reads these files once in the life of the process, so it misses
// an upgrade of the data.
namespace visor::detail {

class zone_file_reader {
 public:
  /// \param bytes all of the file
  explicit zone_file_reader(std::string_view bytes) : bytes_(bytes) {}

  /// Returns nothing when the bytes are no such file.
  std::optional<zone_table> read(std::string name) {
    auto head = read_header();
    if (!head) return std::nullopt;
    bool const is_wide = head->version >= '2';
    if (is_wide) {  // the first block is for old readers
      at_ += head->size(4);
      head = read_header();
      if (!head) return std::nullopt;
    }
    std::size_t const width = is_wide ? 8 : 4;
    if (head->types == 0 || bytes_.size() - at_ < head->size(width)) return std::nullopt;
    std::string_view const times = bytes_.substr(at_, head->times * width);
    std::string_view const kinds = bytes_.substr(at_ + times.size(), head->times);
    std::string_view const types = bytes_.substr(at_ + times.size() + kinds.size(), head->types * 6);
    at_ += head->size(width);
    std::vector<zone_transition> transitions;
    for (std::size_t i = 0; i < head->times; ++i) {
      std::size_t const type = static_cast<unsigned char>(kinds[i]);
      if (type >= head->types) return std::nullopt;
      std::chrono::sys_seconds const at{std::chrono::seconds{number(times.substr(i * width, width))}};
      if (at < zone_span::first) continue;
      transitions.push_back({at, offset(types, type)});
    }
    constexpr std::chrono::sys_seconds furthest = std::chrono::sys_days{std::chrono::year{2500} / 1 / 1};
    if (!transitions.empty() && transitions.back().at > furthest) return std::nullopt;
    if (!std::ranges::is_sorted(transitions, {}, &zone_transition::at)) return std::nullopt;
    return finish(std::move(name), offset(types, 0), std::move(transitions));
  }

 private:
  struct header {
    char version = 0;
    std::size_t is_utc = 0;
    std::size_t is_standard = 0;
    std::size_t leaps = 0;
    std::size_t times = 0;
    std::size_t types = 0;
    std::size_t letters = 0;

    std::size_t size(std::size_t width) const {
      return times * (width + 1) + types * 6 + letters + leaps * (width + 4) + is_standard + is_utc;
    }
  };

  std::optional<header> read_header() {
    constexpr std::size_t length = 44;
    if (at_ > bytes_.size() || bytes_.size() - at_ < length || !bytes_.substr(at_).starts_with("TZif")) return std::nullopt;
    header head;
    head.version = bytes_[at_ + 4];
    std::size_t* const counts[] = {&head.is_utc, &head.is_standard, &head.leaps, &head.times, &head.types, &head.letters};
    for (std::size_t i = 0; i < 6; ++i) *counts[i] = static_cast<std::size_t>(number(bytes_.substr(at_ + 20 + i * 4, 4)) & 0xFFFFFFF);
    at_ += length;
    return head;
  }

  /// Reads a number in two's complement, the highest byte first.
  static std::int64_t number(std::string_view bytes) {
    std::uint64_t value = (static_cast<unsigned char>(bytes.front()) & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
    for (char const c : bytes) value = (value << 8U) | static_cast<unsigned char>(c);
    return static_cast<std::int64_t>(value);
  }

  static std::chrono::seconds offset(std::string_view types, std::size_t type) {
    return std::chrono::seconds{number(types.substr(type * 6, 4))};
  }

  /// Adds the years after the last transition, which follow the rule in the last line.
  zone_table finish(std::string name, std::chrono::seconds initial, std::vector<zone_transition> transitions) const {
    std::string_view text = bytes_.substr(std::min(at_, bytes_.size()));
    if (text.starts_with('\n')) text.remove_prefix(1);
    text = text.substr(0, text.find('\n'));
    auto const rule = zone_rule_parser{text}.parse();
    if (!rule || !rule->changes) return {std::move(name), initial, transitions};
    using namespace std::chrono;
    year const listed = transitions.empty() ? year{1970} : year_month_day{floor<days>(transitions.back().at)}.year();
    year const cycle_end = std::max(listed, year{2037}) + years{402};
    append_transitions(transitions, *rule, listed, cycle_end + years{1});
    return {std::move(name), initial, transitions, sys_days{cycle_end / 1 / 1}};
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

}  // namespace visor::detail

#endif
