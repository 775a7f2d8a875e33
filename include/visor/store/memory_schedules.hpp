#ifndef VISOR_STORE_MEMORY_SCHEDULES_HPP
#define VISOR_STORE_MEMORY_SCHEDULES_HPP

#include "visor/base/error.hpp"
#include "visor/store/schedule_rules.hpp"
#include "visor/store/store.hpp"

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor::detail {

/// The schedules and fires of a `memory_store`. Not thread-safe: the store locks.
class memory_schedules {
 public:
  schedule_record const* find(std::string const& id) const {
    auto const at = records_.find(id);
    return at == records_.end() ? nullptr : &at->second;
  }

  /// O(log n + result).
  due_schedules due(instant now, std::size_t limit) const {
    due_schedules result;
    result.now = now;
    for (auto at = timeline_.begin(); at != timeline_.end() && at->first <= now && result.schedules.size() < limit; ++at)
      result.schedules.push_back(records_.at(at->second));
    auto const later = timeline_.lower_bound(std::pair(now + duration{1}, std::string()));
    if (later != timeline_.end()) result.next_at = later->first;
    return result;
  }

  /// When the first active schedule is due.
  std::optional<instant> first_due() const { return timeline_.empty() ? std::nullopt : std::optional(timeline_.begin()->first); }

  void add(schedule_record record, instant now) {
    if (records_.contains(record.id))
      throw error(condition::already_exists, "schedule " + record.id + " exists already: choose another id");
    put(as_added(std::move(record), now));
  }

  schedule_record update(schedule_record record, instant now) {
    auto const* stored = find(record.id);
    if (stored == nullptr) throw error(condition::not_found, "there is no schedule " + record.id);
    if (stored->version != record.version)
      throw error(condition::conflict, "schedule " + record.id + " was changed meanwhile: read it again and repeat the change");
    auto changed = as_updated(*stored, std::move(record), now);
    put(changed);
    return changed;
  }

  bool remove(std::string const& id) {
    auto const at = records_.find(id);
    if (at == records_.end()) return false;
    unlist(at->second);
    records_.erase(at);
    return true;
  }

  schedule_changes replace(origin whose, std::span<schedule_record const> all, instant now) {
    auto const wanted = ids_to_replace(whose, all);
    schedule_changes changes;
    for (auto const& id : ids_of(whose))
      if (!wanted.contains(id)) changes.removed += remove(id) ? 1 : 0;
    for (schedule_record given : all) {
      given.origin = whose;
      auto const* stored = find(given.id);
      if (stored == nullptr) {
        put(as_added(std::move(given), now));
        ++changes.added;
      } else if (same_definition(*stored, given)) {
        ++changes.unchanged;
      } else {
        put(as_replaced(*stored, std::move(given), now));
        ++changes.changed;
      }
    }
    return changes;
  }

  /// O(schedules).
  std::vector<schedule_record> list(schedule_filter const& filter) const {
    std::vector<schedule_record> result;
    for (auto at = filter.id_prefix ? records_.lower_bound(*filter.id_prefix) : records_.begin(); at != records_.end(); ++at) {
      auto const& [id, record] = *at;
      if (result.size() >= filter.limit || (filter.id_prefix && !id.starts_with(*filter.id_prefix))) break;
      if (filter.state && record.state != *filter.state) continue;
      if (filter.owner && record.owner != *filter.owner) continue;
      if (filter.hide_completed && record.state == schedule_state::completed) continue;
      result.push_back(record);
    }
    return result;
  }

  std::vector<fire_record> fires(std::string const& schedule, std::size_t limit) const {
    std::vector<fire_record> result;
    auto const of = fires_.find(schedule);
    if (of == fires_.end()) return result;
    for (auto at = of->second.rbegin(); at != of->second.rend() && result.size() < limit; ++at) result.push_back(at->second);
    return result;
  }

  bool has_fired(std::string const& schedule, instant planned) const {
    auto const of = fires_.find(schedule);
    return of != fires_.end() && of->second.contains(planned);
  }

  void add_fire(fire_record fire) {
    auto const when = fire.planned_at;
    auto& of = fires_[fire.schedule];
    of.emplace_hint(of.end(), when, std::move(fire));
  }

  void put(schedule_record record) {
    auto& stored = records_[record.id];
    unlist(stored);
    stored = std::move(record);
    list_up(stored);
  }

  void job_ended(job_record const& job, job_state how, std::optional<std::string> const& failure) {
    if (!job.schedule) return;
    auto const at = records_.find(*job.schedule);
    if (at == records_.end()) return;
    unlist(at->second);
    follow_job(at->second, how, failure);
    list_up(at->second);
  }

 private:
  std::vector<std::string> ids_of(origin whose) const {
    std::vector<std::string> result;
    for (auto const& [id, record] : records_)
      if (record.origin == whose) result.push_back(id);
    return result;
  }

  std::set<std::string> ids_to_replace(origin whose, std::span<schedule_record const> all) const {
    std::set<std::string> result;
    for (auto const& given : all) {
      if (!result.insert(given.id).second) throw error(condition::invalid_argument, "schedule " + given.id + " is given twice");
      auto const* stored = find(given.id);
      if (stored != nullptr && stored->origin != whose)
        throw error(condition::already_exists, "schedule " + given.id + " exists already, made elsewhere: choose another id");
    }
    return result;
  }

  static bool is_listed(schedule_record const& record) { return record.state == schedule_state::active && record.next_at.has_value(); }
  void list_up(schedule_record const& record) {
    if (is_listed(record)) timeline_.emplace(*record.next_at, record.id);
  }
  void unlist(schedule_record const& record) {
    if (is_listed(record)) timeline_.erase(std::pair(*record.next_at, record.id));
  }

  std::map<std::string, schedule_record> records_;
  std::set<std::pair<instant, std::string>> timeline_;  // the active ones that have a next instant
  std::map<std::string, std::map<instant, fire_record>> fires_;
};

}  // namespace visor::detail

#endif
