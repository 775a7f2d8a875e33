#ifndef VISOR_CRON_TIME_ZONE_HPP
#define VISOR_CRON_TIME_ZONE_HPP

#include "visor/base/error.hpp"
#include "visor/base/nearest_name.hpp"
#include "visor/base/time.hpp"
#include "visor/cron/parser.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor {

/// A stretch of time with one offset from UTC. Ends that are further away than any instant mean "always".
struct zone_span {
  std::chrono::sys_seconds begin;  ///< the first second
  std::chrono::sys_seconds end;    ///< the second after the last
  std::chrono::seconds offset;     ///< added to UTC to get the wall clock

  static constexpr std::chrono::sys_seconds first{std::chrono::seconds{-(std::int64_t{1} << 60)}};
  static constexpr std::chrono::sys_seconds last{std::chrono::seconds{std::int64_t{1} << 60}};

  /// The wall clock when the span begins and when it ends.
  constexpr std::chrono::local_seconds local_begin() const noexcept {
    return std::chrono::local_seconds{begin.time_since_epoch() + offset};
  }
  constexpr std::chrono::local_seconds local_end() const noexcept { return std::chrono::local_seconds{end.time_since_epoch() + offset}; }
};

/// A change of the offset.
struct zone_transition {
  std::chrono::sys_seconds at;
  std::chrono::seconds offset;
};

/// The meaning of a wall clock time in a zone.
struct local_lookup {
  enum class kind {
    unique,    ///< it occurs once: `earlier` and `later` are equal
    skipped,   ///< the clocks jump over it at `transition`; read with the offset after it: `earlier`, before it: `later`
    repeated,  ///< it occurs twice, before and after `transition`
  };
  kind what;
  std::chrono::sys_seconds earlier;
  std::chrono::sys_seconds later;
  std::chrono::sys_seconds transition;  ///< for `unique`: the same instant as the others
};

/// The offsets of one zone through time, immutable. Lookups are thread-safe, do not allocate, and take a few nanoseconds.
class zone_table {
 public:
  /// \param name the name of the zone
  /// \param initial the offset before the first transition
  /// \param transitions in order of time; those that change nothing are dropped
  /// \param cycle_end if given, everything repeats from there on with the period of the calendar, 400 years. The transitions
  ///   must then reach a year beyond it, and follow the yearly rule from 401 years before it.
  zone_table(std::string name, std::chrono::seconds initial, std::vector<zone_transition> const& transitions,
             std::optional<std::chrono::sys_seconds> cycle_end = std::nullopt)
      : name_(std::move(name)), cycle_end_(cycle_end.value_or(zone_span::last)) {
    spans_.push_back({zone_span::first, zone_span::last, initial});
    for (auto const& change : transitions) {
      if (change.offset == spans_.back().offset) continue;
      spans_.back().end = change.at;
      spans_.push_back({change.at, zone_span::last, change.offset});
    }
    if (spans_.size() > 1) make_index();
  }

  std::string const& name() const noexcept { return name_; }

  /// The span that contains a second.
  zone_span at(std::chrono::sys_seconds when) const noexcept {
    if (when < cycle_end_) return find(when);
    auto const shift = ((when - cycle_end_) / cycle + 1) * cycle;
    zone_span span = find(when - shift);
    span.begin += shift;
    span.end += shift;
    return span;
  }

 private:
  static constexpr std::chrono::seconds cycle = std::chrono::days{146'097};
  static constexpr int bucket_bits = 23;  // 97 days: seldom more than one transition
  static constexpr std::int64_t longest_index = 3'000;

  void make_index() {
    std::int64_t const buckets = std::min(longest_index, (spans_.back().begin.time_since_epoch().count() >> bucket_bits) + 1);
    std::size_t span = 0;
    for (std::int64_t bucket = 0; bucket < buckets; ++bucket) {
      while (spans_[span].end.time_since_epoch().count() <= bucket << bucket_bits) ++span;
      index_.push_back(static_cast<std::uint32_t>(span));
    }
  }

  zone_span const& find(std::chrono::sys_seconds when) const noexcept {
    if (spans_.size() == 1 || when >= spans_.back().begin) return spans_.back();
    auto const bucket = static_cast<std::uint64_t>(when.time_since_epoch().count() >> bucket_bits);
    if (bucket < index_.size()) {
      std::size_t span = index_[bucket];
      while (spans_[span].end <= when) ++span;
      return spans_[span];
    }
    return *std::upper_bound(spans_.begin(), spans_.end(), when, [](auto time, zone_span const& span) { return time < span.end; });
  }

  std::string name_;
  std::chrono::sys_seconds cycle_end_;
  std::vector<zone_span> spans_;
  std::vector<std::uint32_t> index_;  // per bucket from 1970 on: the span that contains its first second
};

/// A time zone: a pointer to a table that lives as long as the program. Cheap to copy, thread-safe. Default: UTC.
class time_zone {
 public:
  time_zone() noexcept : table_(&utc_table()) {}
  /// \param table must outlive every copy of the zone
  explicit time_zone(zone_table const& table) noexcept : table_(&table) {}
  explicit time_zone(zone_table const&&) = delete;

  static time_zone utc() noexcept { return {}; }

  std::string_view name() const noexcept { return table_->name(); }

  /// The span of one offset that contains an instant. Does not allocate.
  zone_span at(instant when) const noexcept { return table_->at(std::chrono::floor<std::chrono::seconds>(when)); }

  /// Returns the meaning of a wall clock time. Does not allocate.
  local_lookup at(std::chrono::local_seconds local) const noexcept {
    std::chrono::sys_seconds const as_utc{local.time_since_epoch()};
    zone_span span = table_->at(as_utc - widest_offset);
    zone_span before = span;
    while (local >= span.local_end()) {
      before = span;
      span = table_->at(span.end);
    }
    if (local < span.local_begin()) return {local_lookup::kind::skipped, as_utc - span.offset, as_utc - before.offset, span.begin};
    if (span.end < zone_span::last)
      if (zone_span const after = table_->at(span.end); local >= after.local_begin())
        return {local_lookup::kind::repeated, as_utc - span.offset, as_utc - after.offset, span.end};
    return {local_lookup::kind::unique, as_utc - span.offset, as_utc - span.offset, as_utc - span.offset};
  }

  /// Zones are equal when their names are.
  friend bool operator==(time_zone const& a, time_zone const& b) noexcept { return a.table_ == b.table_ || a.name() == b.name(); }

 private:
  static constexpr std::chrono::hours widest_offset{26};

  static zone_table const& utc_table() noexcept {
    static zone_table const table{"UTC", std::chrono::seconds{0}, {}};
    return table;
  }

  zone_table const* table_;
};

/// The source of zones besides UTC for `find_zone`. Its functions are called under a lock.
struct zone_database {
  /// The zone of that exact name, or nothing. May throw `visor::error` when there is no data at all.
  std::function<std::optional<time_zone>(std::string_view name)> find;
  /// Every name, to suggest one when a name is unknown.
  std::function<std::vector<std::string>()> names;
  /// A text that changes with the data on this machine; `find` then returns the new data. Empty: the data never change.
  std::function<std::string()> version;
};

namespace detail {

struct zone_resolver {
  std::mutex mutex;
  zone_database database;

  static zone_resolver& instance() {
    static zone_resolver resolver;
    return resolver;
  }
};

/// The name that was probably meant: the nearest spelling, or the zone whose last part it is (`berlin`). Empty if there is
/// none.
inline std::string nearest_zone(std::string_view name, std::vector<std::string> const& names) {
  auto const lower = [](std::string_view text) {
    std::string result{text};
    for (char& c : result)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
  };
  std::string const wanted = lower(name);
  for (auto const& candidate : names) {
    std::string const known = lower(candidate);
    if (known == wanted) return candidate;
    if (known.size() > wanted.size() && !wanted.empty() && known.ends_with(wanted) && known[known.size() - wanted.size() - 1] == '/')
      return candidate;
  }
  return std::string{nearest(name, names)};
}

/// Explains why a name is refused: it stands for the setting of one machine, or for data of no real zone. Empty for all others.
inline std::string_view why_no_zone(std::string_view name) noexcept {
  constexpr std::string_view of_machine =
      "it is what one machine is set to, and another machine may be set otherwise; write the name of the zone, such as Europe/Berlin or "
      "UTC";
  for (std::string_view const known : {"localtime", "local", "system", "posixrules"})
    if (same_word(name, known)) return of_machine;
  if (same_word(name, "Factory")) return "it says that no zone was set; write the name of one, such as Europe/Berlin or UTC";
  if (name.starts_with("right/"))
    return "its clock counts leap seconds, which no clock of a computer does; write the name without \"right/\"";
  return {};
}

inline std::string quoted_zone(std::string_view name) {
  std::string result;
  for (char const c : name.substr(0, 60)) result += c >= 0x20 && c < 0x7F ? c : '?';
  return "\"" + result + (name.size() > 60 ? "...\"" : "\"");
}

}  // namespace detail

/// Sets the source of zones for the whole process. Including `visor/zone.hpp` does this with the system's tz database.
/// Thread-safe.
inline void set_zone_database(zone_database database) {
  auto& resolver = detail::zone_resolver::instance();
  std::scoped_lock const lock{resolver.mutex};
  resolver.database = std::move(database);
}

/// Returns a text that changes with the data of time zones. Checks the state of a few files. Thread-safe.
inline std::string zone_data_version() {
  auto& resolver = detail::zone_resolver::instance();
  std::scoped_lock const lock{resolver.mutex};
  return resolver.database.version ? resolver.database.version() : std::string();
}

/// Returns a zone by its IANA name, such as `Europe/Berlin`. `UTC` and `Etc/UTC` are always known; the others need a zone
/// database (`visor/zone.hpp`). Thread-safe; a name that was found before is found again quickly.
/// \throws error `invalid_argument` that suggests the nearest name when there is no such zone, or a replacement for a name such
///   as `localtime`, which differs between machines
inline time_zone find_zone(std::string_view name) {
  if (name == "UTC" || name == "Etc/UTC") return time_zone::utc();
  if (auto const why = detail::why_no_zone(name); !why.empty())
    throw error{errc::invalid_argument, "time zone " + detail::quoted_zone(name) + " is not taken: " + std::string{why}};
  auto& resolver = detail::zone_resolver::instance();
  std::scoped_lock const lock{resolver.mutex};
  std::string message = "unknown time zone " + detail::quoted_zone(name);
  if (!resolver.database.find)
    throw error{errc::invalid_argument, message + ": only UTC is known here; a C++ program gets the others from visor/zone.hpp"};
  if (auto const zone = resolver.database.find(name)) return *zone;
  std::string const near = resolver.database.names ? detail::nearest_zone(name, resolver.database.names()) : std::string{};
  for (std::size_t at = 0; at < name.size(); ++at)
    if (auto const* const known = detail::lookalike_at(name, at)) message += "; " + std::string{known->name} + " stands here";
  message += near.empty() ? "; names are such as Europe/Berlin or UTC" : "; did you mean " + near + "?";
  throw error{errc::invalid_argument, message};
}

}  // namespace visor

#endif
