#ifndef VISOR_ZONE_HPP
#define VISOR_ZONE_HPP

#include "visor/cron/zone.hpp"
#include "visor/cron/zone_rule.hpp"

// The layout of the library's types depends on this definition. Distributions build the library to read the system's files; the
// CMake package says so to the compiler, and for a plain compiler command it is said here. A program that includes <date/tz.h>
// itself defines the same for all of it, or includes this header first.
#ifndef USE_OS_TZDB
#define USE_OS_TZDB 1
#endif
#include <date/tz.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Time zones of the system's tz database, read by Howard Hinnant's date library. Link it: -ldate-tz. Including this header makes
// every zone known to `find_zone` in the whole program.

namespace visor {
namespace detail {

/// The tables of the zones that were asked for. They stay until the program ends, so that a `time_zone` is a pointer.
class iana_zones {
 public:
  static iana_zones& instance() {
    static iana_zones zones;
    return zones;
  }

  std::optional<time_zone> find(std::string_view name) {
    std::scoped_lock const lock{mutex_};
    if (auto const known = tables_.find(name); known != tables_.end()) return time_zone{*known->second};
    if (!has_name(name)) return std::nullopt;
    auto table = std::make_unique<zone_table const>(load(std::string{name}));
    return time_zone{*tables_.emplace(std::string{name}, std::move(table)).first->second};
  }

  std::vector<std::string> names() {
    std::vector<std::string> result;
    for (auto const& zone : database().zones) result.push_back(zone.name());
    return result;
  }

 private:
  static constexpr char folder[] = "/usr/share/zoneinfo/";

  static date::tzdb const& database() {
    try {
      auto const& known = date::get_tzdb();
      if (!known.zones.empty()) return known;
    } catch (std::runtime_error const&) {
    }
    throw error{condition::invalid_argument, std::string{"no time zone data in "} + folder + "; install the package tzdata"};
  }

  static bool has_name(std::string_view name) {
    for (auto const& zone : database().zones)
      if (zone.name() == name) return true;
    return false;
  }

  static std::chrono::seconds offset_of(date::sys_info const& info) { return std::chrono::seconds{info.offset.count()}; }

  static zone_table load(std::string name) {
    using namespace std::chrono;
    try {
      // The library ends the program over a file that is none.
      std::string const rule_text = USE_OS_TZDB ? rule_of_file(folder + name) : std::string{};
      date::time_zone const& zone = *date::locate_zone(name);
      auto info = zone.get_info(sys_seconds{sys_days{year{1800} / 1 / 1}});
      seconds const initial = offset_of(info);
      std::vector<zone_transition> transitions;
      for (auto const end = sys_seconds{sys_days{year{2200} / 1 / 1}}; info.end < end;) {
        info = zone.get_info(info.end);
        transitions.push_back({info.begin, offset_of(info)});
      }
      auto const rule = zone_rule_parser{rule_text}.parse();
      if (!rule || !rule->changes) return {std::move(name), initial, transitions};
      // The library knows the transitions that the file lists, mostly up to 2037, and not the rule for the years after them.
      year const listed = transitions.empty() ? year{1970} : year_month_day{floor<days>(transitions.back().at)}.year();
      year const cycle_end = std::max(listed, year{2037}) + years{402};
      append_transitions(transitions, *rule, listed, cycle_end + years{1});
      return {std::move(name), initial, transitions, sys_days{cycle_end / 1 / 1}};
    } catch (std::runtime_error const& failure) {
      throw error{condition::invalid_argument, "the data of time zone " + quoted_zone(name) + " cannot be read: " + failure.what()};
    }
  }

  /// The last line of a time zone file.
  static std::string rule_of_file(std::string const& path) {
    std::ifstream file{path, std::ios::binary};
    std::string const bytes{std::istreambuf_iterator<char>{file}, {}};
    if (!bytes.starts_with("TZif")) throw std::runtime_error{path + " is no time zone file"};
    std::size_t const begin = bytes.back() == '\n' ? bytes.rfind('\n', bytes.size() - 2) : std::string::npos;
    return begin == std::string::npos ? std::string{} : bytes.substr(begin + 1, bytes.size() - begin - 2);
  }

  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<zone_table const>, std::less<>> tables_;
};

inline bool const iana_zones_are_known = [] {
  set_zone_database(
      {[](std::string_view name) { return iana_zones::instance().find(name); }, [] { return iana_zones::instance().names(); }});
  return true;
}();

}  // namespace detail

/// A zone by its IANA name, such as `zone("Europe/Berlin")`. As `find_zone`, and also usable before `main`.
/// \throws error `invalid_argument` that suggests the nearest name when there is no such zone
inline time_zone zone(std::string_view name) {
  static_cast<void>(detail::iana_zones_are_known);
  return find_zone(name);
}

}  // namespace visor

#endif
