#ifndef VISOR_ZONE_HPP
#define VISOR_ZONE_HPP

#include "visor/base/no_descriptor.hpp"
#include "visor/cron/time_zone.hpp"
#include "visor/cron/zone_file.hpp"

// The layout of the library's types depends on this definition. Distributions build the library to read the system's files. The
// CMake package passes the definition to the compiler; for a plain compiler command it is made here. A program that includes
// <date/tz.h> itself makes the same definition in all of its files, or includes this header first.
#ifndef USE_OS_TZDB
#define USE_OS_TZDB 1
#endif
#include <date/tz.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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
#include <system_error>
#include <utility>
#include <vector>

// Time zones of the system's tz database, read by Howard Hinnant's date library. Link it: -ldate-tz. Including this header makes
// every zone known to `find_zone` in the whole program.

namespace visor {
namespace detail {

/// A cache of the zone tables in use. A table lives until the program ends, so that a `time_zone` is a pointer. When the file
/// of a zone changes, the next lookup after a call of `version` returns a new table.
class iana_zones {
 public:
  static iana_zones& instance() {
    static iana_zones zones;
    return zones;
  }

  std::optional<time_zone> find(std::string_view name) {
    std::scoped_lock const lock{mutex_};
    if (auto const known = tables_.find(name); known != tables_.end()) return time_zone{*known->second.table};
    if (!has_name(name)) return std::nullopt;
    known_zone made;
    made.stamp = stamp(folder + std::string{name});
    made.table = std::make_unique<zone_table const>(load(std::string{name}));
    return time_zone{*tables_.emplace(std::string{name}, std::move(made)).first->second.table};
  }

  std::vector<std::string> names() {
    std::vector<std::string> result;
    for (auto const& zone : database().zones) result.push_back(zone.name());
    return result;
  }

  /// Returns a text that changes with the zone files. Drops the tables of changed files, so that these are read again.
  std::string version() {
    std::scoped_lock const lock{mutex_};
    std::string all = stamp(folder) + stamp(std::string{folder} + "tzdata.zi");
    for (auto at = tables_.begin(); at != tables_.end();) {
      auto const here = at++;
      auto const now = stamp(folder + here->first);
      if (now == here->second.stamp) continue;
      all += here->first + now;
      replaced_.push_back(std::move(here->second.table));
      tables_.erase(here);
    }
    return all;
  }

 private:
  static constexpr char folder[] = "/usr/share/zoneinfo/";

  struct known_zone {
    std::string stamp;
    std::unique_ptr<zone_table const> table;
  };

  /// Returns a text that identifies one state of a file: inode, size and time of change. Empty where there is no file.
  static std::string stamp(std::string const& path) {
    struct stat found{};
    if (!USE_OS_TZDB || ::stat(path.c_str(), &found) != 0) return {};
    return std::to_string(found.st_ino) + " " + std::to_string(found.st_size) + " " + std::to_string(found.st_mtim.tv_sec) + "." +
           std::to_string(found.st_mtim.tv_nsec) + "\n";
  }

  /// Explains why this process cannot open a file or folder that exists. Empty where it can, or where nothing exists.
  static std::string why_unreadable(std::string const& path) {
    int const opened = USE_OS_TZDB ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1;
    int const reason = errno;
    if (opened >= 0) ::close(opened);
    if (!USE_OS_TZDB || opened >= 0 || reason == ENOENT || reason == ENOTDIR) return {};
    std::string const why = why_no_descriptor(reason);
    return why.empty() ? std::generic_category().message(reason) : why;
  }

  static date::tzdb const& database() {
    try {
      auto const& known = date::get_tzdb();
      if (!known.zones.empty()) return known;
    } catch (std::runtime_error const&) {
    }
    if (std::string const why = why_unreadable(folder); !why.empty())
      throw error{errc::invalid_argument, std::string{"the time zone data in "} + folder + " cannot be read: " + why};
    throw error{errc::invalid_argument, std::string{"no time zone data in "} + folder + "; install the package tzdata"};
  }

  /// The date library lists the names once; zones that are installed later are found as files.
  static bool has_name(std::string_view name) {
    if (USE_OS_TZDB && name.find('/') != std::string_view::npos && name.find("..") == std::string_view::npos && !name.starts_with('/') &&
        !name.starts_with("posix/") && !name.starts_with("right/") && !bytes_of(folder + std::string{name}).empty())
      return true;
    for (auto const& zone : database().zones)
      if (zone.name() == name) return true;
    return false;
  }

  static std::string bytes_of(std::string const& path) {
    std::ifstream file{path, std::ios::binary};
    return std::string{std::istreambuf_iterator<char>{file}, {}};
  }

  static std::chrono::seconds offset_of(date::sys_info const& info) { return std::chrono::seconds{info.offset.count()}; }

  static zone_table load(std::string name) {
    if constexpr (USE_OS_TZDB) {
      std::string const path = folder + name;
      std::string const bytes = bytes_of(path);
      auto table = zone_file_reader{bytes}.read(name);
      if (!table) {
        std::string const why = why_unreadable(path);
        throw error{errc::invalid_argument, "the data of time zone " + quoted_zone(name) +
                                                " cannot be read: " + (why.empty() ? path + " is no time zone file" : why)};
      }
      return std::move(*table);
    } else {
      return load_from_library(std::move(name));
    }
  }

  static zone_table load_from_library(std::string name) {
    using namespace std::chrono;
    try {
      date::time_zone const& zone = *date::locate_zone(name);
      auto info = zone.get_info(sys_seconds{sys_days{year{1800} / 1 / 1}});
      seconds const initial = offset_of(info);
      std::vector<zone_transition> transitions;
      for (auto const end = sys_seconds{sys_days{year{2200} / 1 / 1}}; info.end < end;) {
        info = zone.get_info(info.end);
        transitions.push_back({info.begin, offset_of(info)});
      }
      return {std::move(name), initial, transitions};
    } catch (std::runtime_error const& failure) {
      throw error{errc::invalid_argument, "the data of time zone " + quoted_zone(name) + " cannot be read: " + failure.what()};
    }
  }

  std::mutex mutex_;
  std::map<std::string, known_zone, std::less<>> tables_;
  std::vector<std::unique_ptr<zone_table const>> replaced_;
};

inline bool const iana_zones_are_known = [] {
  set_zone_database({[](std::string_view name) { return iana_zones::instance().find(name); }, [] { return iana_zones::instance().names(); },
                     [] { return iana_zones::instance().version(); }});
  return true;
}();

}  // namespace detail

/// Returns a zone by its IANA name, such as `zone("Europe/Berlin")`. Does the same as `find_zone`, and is also usable before
/// `main`.
/// \throws error `invalid_argument` that suggests the nearest name when there is no such zone
inline time_zone zone(std::string_view name) {
  static_cast<void>(detail::iana_zones_are_known);
  return find_zone(name);
}

}  // namespace visor

#endif
