#ifndef VISOR_STORE_MEMORY_SETS_HPP
#define VISOR_STORE_MEMORY_SETS_HPP

#include "visor/store/manifest.hpp"

#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace visor::detail {

/// The schedule sets that the nodes of a `memory_store` declare. Not thread-safe: the store locks.
class memory_sets {
 public:
  void put(std::string const& digest, int first, std::span<std::string const> parts) {
    for (auto const& each : parts) parts_[digest].try_emplace(first++, each);
  }

  /// False when a manifest lacks parts.
  bool declare(std::string const& node, std::span<set_declaration const> sets, instant now) {
    for (auto const& each : sets)
      if (count_parts(each.digest) != each.parts) return false;
    end(node);
    for (auto const& each : sets) {
      declaration_record record;
      record.node = node;
      record.origin = each.set.origin;
      record.set_name = each.set.name;
      record.declared_at = now;
      record.digest = each.digest;
      declarations_.push_back(std::move(record));
      manifest_record kept;
      kept.digest = each.digest;
      kept.origin = each.set.origin;
      kept.set_name = each.set.name;
      kept.declared_at = now;
      kept.parts = each.parts;
      manifests_.insert_or_assign(each.digest, std::move(kept));
      forget_old(each.set);
    }
    std::ranges::sort(declarations_, {}, [](auto const& each) {
      return std::tuple(std::string_view(each.node), std::string_view(boost::describe::enum_to_string(each.origin, "")),
                        std::string_view(each.set_name));
    });
    return true;
  }

  /// Ends the declarations of a node that is gone. False if it had declared nothing.
  bool end(std::string const& node) {
    return std::erase_if(declarations_, [&](declaration_record const& each) { return each.node == node; }) != 0;
  }

  std::vector<std::string> declared(schedule_set const& set) const {
    std::set<std::string> digests;
    for (auto const& each : declarations_)
      if (is_of(each, set)) digests.insert(each.digest);
    return {digests.begin(), digests.end()};
  }

  std::vector<declaration_record> const& declarations() const { return declarations_; }

  std::vector<std::string> manifests(schedule_set const& set) const {
    std::vector<std::pair<instant, std::string>> found;
    for (auto const& [digest, each] : manifests_)
      if (is_of(each, set)) found.emplace_back(each.declared_at, digest);
    std::ranges::sort(found, [](auto const& a, auto const& b) { return std::tie(b.first, a.second) < std::tie(a.first, b.second); });
    std::vector<std::string> digests;
    digests.reserve(found.size());
    for (auto& each : found) digests.push_back(std::move(each.second));
    return digests;
  }

  std::vector<std::string> parts(std::string const& digest) const {
    std::vector<std::string> result;
    auto const known = manifests_.find(digest);
    if (known == manifests_.end() || count_parts(digest) != known->second.parts || known->second.parts == 0) return result;
    for (auto const& [_, text] : parts_.at(digest)) result.push_back(text);
    return result;
  }

 private:
  static bool is_of(auto const& record, schedule_set const& set) { return record.origin == set.origin && record.set_name == set.name; }

  int count_parts(std::string const& digest) const {
    auto const at = parts_.find(digest);
    return at == parts_.end() ? 0 : static_cast<int>(at->second.size());
  }

  void forget_old(schedule_set const& set) {
    auto const all = manifests(set);
    auto const living = declared(set);
    for (std::size_t i = kept_manifests; i < all.size(); ++i) {
      if (std::ranges::binary_search(living, all[i])) continue;
      manifests_.erase(all[i]);
      parts_.erase(all[i]);
    }
  }

  std::vector<declaration_record> declarations_;
  std::map<std::string, manifest_record> manifests_;
  std::map<std::string, std::map<int, std::string>> parts_;
};

}  // namespace visor::detail

#endif
