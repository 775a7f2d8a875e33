#ifndef VISOR_STORE_MANIFEST_HPP
#define VISOR_STORE_MANIFEST_HPP

#include "visor/base/error.hpp"
#include "visor/store/schedule_rules.hpp"
#include "visor/store/store.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

/// The schedules that the nodes of a set want, and the changes that follow from them. All functions are pure: no store, no clock.
namespace visor {

/// How many manifests of a set are kept beside those that nodes declare now: the last declared ones. An old node that restarts while newer
/// ones live is recognized as older as long as its manifest is kept.
inline constexpr std::size_t kept_manifests = 4;

/// One schedule of a manifest: its definition, and since when it is known that some file or program wants it.
struct manifest_entry {
  std::string id;
  std::string definition;  ///< its digest
  instant first_seen{};
  manifest_entry() = default;
  manifest_entry(std::string name, std::string digest, instant since)
      : id(std::move(name)), definition(std::move(digest)), first_seen(since) {}
  friend bool operator==(manifest_entry const&, manifest_entry const&) = default;
};

/// The schedules that a file or a program wants in one set, by id.
class manifest {
 public:
  /// The number of entries in one stored part.
  static constexpr std::size_t part_size = 1000;

  manifest() = default;
  /// \param entries each id once
  explicit manifest(std::vector<manifest_entry> entries) : entries_(std::move(entries)) {
    std::ranges::sort(entries_, {}, &manifest_entry::id);
  }

  /// \param parts as `parts` wrote them
  /// \throws visor::error `corrupt` for other text
  static manifest parse(std::span<std::string const> parts) {
    std::vector<manifest_entry> entries;
    for (std::string_view rest : parts)
      while (!rest.empty()) {
        std::size_t const end = std::min(rest.find('\n'), rest.size());
        entries.push_back(parse_line(rest.substr(0, end)));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    return manifest(std::move(entries));
  }

  std::vector<std::string> parts() const {
    std::vector<std::string> result((entries_.size() + part_size - 1) / part_size);
    for (std::size_t i = 0; i < entries_.size(); ++i) append_line(result[i / part_size], entries_[i]);
    return result;
  }

  /// A digest of the ids, the definitions, and the set that they are for. O(n).
  std::string digest(schedule_set const& of) const {
    detail::value_hash low;
    detail::value_hash high(0x6C62272E07BB0142);
    for (auto* const hash : {&low, &high}) {
      hash->mix(of.origin);
      hash->mix(of.name);
      for (auto const& each : entries_) {
        hash->mix(each.id);
        hash->mix(each.definition);
      }
    }
    return high.text() + low.text();
  }

  /// Null when it has no schedule of this id. O(log n).
  manifest_entry const* find(std::string_view id) const {
    auto const at = std::ranges::lower_bound(entries_, id, {}, [](manifest_entry const& each) -> std::string_view { return each.id; });
    return at == entries_.end() || at->id != id ? nullptr : &*at;
  }

  /// Takes the earlier `first_seen` of each definition that another manifest has too.
  void inherit(manifest const& other) {
    for (auto& each : entries_)
      if (auto const* const known = other.find(each.id); known != nullptr && known->definition == each.definition)
        each.first_seen = std::min(each.first_seen, known->first_seen);
  }

  std::span<manifest_entry const> entries() const { return entries_; }
  friend bool operator==(manifest const&, manifest const&) = default;

 private:
  static void append_line(std::string& to, manifest_entry const& entry) {
    to += entry.definition;
    to += ' ';
    to += std::to_string(entry.first_seen.time_since_epoch().count());
    to += ' ';
    for (char const c : entry.id) {
      // In ASCII: a database whose encoding lacks a character of one id would refuse them all.
      auto const byte = static_cast<unsigned char>(c);
      if (byte >= 0x80) {
        to += "\\x";
        to += "0123456789abcdef"[byte >> 4];
        to += "0123456789abcdef"[byte & 0xF];
        continue;
      }
      if (c == '\n' || c == '\\') to += '\\';
      to += c == '\n' ? 'n' : c;
    }
    to += '\n';
  }

  static manifest_entry parse_line(std::string_view line) {
    manifest_entry entry;
    std::size_t const first = line.find(' ');
    std::size_t const second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second == std::string_view::npos) throw_corrupt();
    entry.definition = line.substr(0, first);
    std::int64_t microseconds = 0;
    auto const [end, failed] = std::from_chars(line.data() + first + 1, line.data() + second, microseconds);
    if (failed != std::errc() || end != line.data() + second) throw_corrupt();
    entry.first_seen = instant(duration(microseconds));
    for (std::size_t i = second + 1; i < line.size(); ++i) {
      if (line[i] == '\\' && i + 1 < line.size()) {
        ++i;
        unsigned byte = 0;
        if (line[i] == 'x') {
          if (i + 2 >= line.size() || std::from_chars(line.data() + i + 1, line.data() + i + 3, byte, 16).ptr != line.data() + i + 3)
            throw_corrupt();
          i += 2;
          entry.id += static_cast<char>(byte);
          continue;
        }
        entry.id += line[i] == 'n' ? '\n' : line[i];
      } else {
        entry.id += line[i];
      }
    }
    return entry;
  }

  [[noreturn]] static void throw_corrupt() {
    throw error(errc::corrupt, "a manifest of schedules in the database is not one: start the nodes that declare it again");
  }

  std::vector<manifest_entry> entries_;
};

/// Returns the manifest of schedules that no node has declared before.
inline manifest manifest_of(std::span<schedule_record const> schedules, instant now) {
  std::vector<manifest_entry> entries;
  entries.reserve(schedules.size());
  for (auto const& each : schedules) entries.emplace_back(each.id, each.digest ? *each.digest : definition_digest(each), now);
  return manifest(std::move(entries));
}

/// The steps that bring the store to the schedules that living nodes want in a set. Numbers are indices into the wanted schedules.
struct set_plan {
  struct known {
    std::size_t which = 0;
    std::int64_t version = 0;
  };
  struct gone {
    std::string id;
    std::int64_t version = 0;
  };
  std::vector<std::size_t> add;   ///< those that the store does not have, or has in another set
  std::vector<known> change;      ///< another definition is stored
  std::vector<known> bring_back;  ///< was retired
  std::vector<gone> retire;       ///< no living node wants it any more
  std::vector<std::size_t> left;  ///< a living node wants another definition, which was first seen later
  std::size_t unchanged = 0;
};

/// Decides for a node, or for a user with a file, how to change one set.
/// \param wanted with their digests
/// \param mine the manifest of `wanted`
/// \param others of the living nodes that want something else
/// \param stored of the same origin
inline set_plan plan_set(schedule_set const& set, std::span<schedule_record const> wanted, manifest const& mine,
                         std::span<manifest const> others, std::span<schedule_digest const> stored) {
  std::unordered_map<std::string_view, schedule_digest const*> known;
  known.reserve(stored.size());
  for (auto const& each : stored)
    if (each.set_name.value_or(default_set) == set.name) known.emplace(each.id, &each);
  auto const is_outdated = [&](manifest_entry const& entry) {
    return std::ranges::any_of(others, [&](manifest const& other) {
      auto const* const theirs = other.find(entry.id);
      return theirs != nullptr && theirs->definition != entry.definition &&
             std::pair(theirs->first_seen, std::string_view(theirs->definition)) >
                 std::pair(entry.first_seen, std::string_view(entry.definition));
    });
  };
  set_plan plan;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto const at = known.find(wanted[i].id);
    if (at == known.end()) {
      plan.add.push_back(i);
      continue;
    }
    schedule_digest const& row = *at->second;
    known.erase(at);
    if (!row.retired_at && row.digest == wanted[i].digest) {
      ++plan.unchanged;
      continue;
    }
    auto const* const entry = mine.find(wanted[i].id);
    if (entry != nullptr && is_outdated(*entry))
      plan.left.push_back(i);
    else
      (row.retired_at ? plan.bring_back : plan.change).push_back({i, row.version});
  }
  for (auto const& [id, row] : known) {
    bool const is_wanted = std::ranges::any_of(others, [&](manifest const& other) { return other.find(id) != nullptr; });
    if (!row->retired_at && !is_wanted) plan.retire.push_back({row->id, row->version});
  }
  std::ranges::sort(plan.retire, {}, &set_plan::gone::id);
  return plan;
}

}  // namespace visor

#endif
