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
#include <string_view>
#include <utility>
#include <vector>

namespace visor::detail {

/// The schedules and fires of a `memory_store`. Not thread-safe: the store locks.
class memory_schedules {
 public:
  /// Null also for a retired schedule.
  schedule_record const* find(std::string const& id) const {
    auto const at = records_.find(id);
    return at == records_.end() || at->second.retired_at ? nullptr : &at->second;
  }

  /// O(log n + result).
  due_schedules due(instant now, std::size_t limit, std::optional<due_position> const& after) const {
    due_schedules result;
    result.now = now;
    auto at = after ? timeline_.upper_bound(std::pair(after->next_at, after->id)) : timeline_.begin();
    for (; at != timeline_.end() && at->first <= now && result.schedules.size() < limit; ++at)
      result.schedules.push_back(records_.at(at->second));
    auto const later = timeline_.lower_bound(std::pair(now + duration{1}, std::string()));
    if (later != timeline_.end()) result.next_at = later->first;
    return result;
  }

  /// The time when the first active schedule is due.
  std::optional<instant> first_due() const { return timeline_.empty() ? std::nullopt : std::optional(timeline_.begin()->first); }

  void add(std::span<schedule_record const> records, instant now) {
    std::set<std::string_view> ids;
    for (auto const& each : records)
      if (find(each.id) != nullptr || !ids.insert(each.id).second)
        throw error(errc::already_exists, "schedule " + each.id + " exists already: choose another id");
    for (auto const& each : records) put(as_added(each, now));
  }

  schedule_record update(schedule_record record, instant now) {
    auto const* stored = find(record.id);
    if (stored == nullptr) throw error(errc::not_found, "there is no schedule " + record.id);
    if (stored->version != record.version)
      throw error(errc::conflict, "schedule " + record.id + " was changed meanwhile: read it again and repeat the change");
    auto changed = as_updated(*stored, std::move(record), now);
    put(changed);
    return changed;
  }

  bool remove(std::string const& id) {
    auto const at = records_.find(id);
    if (at == records_.end() || at->second.retired_at) return false;
    unlist(at->second);
    records_.erase(at);
    return true;
  }

  std::vector<bool> correct(std::span<next_correction const> corrections) {
    std::vector<bool> results;
    for (auto const& each : corrections) {
      auto const* const stored = find(each.schedule);
      bool const as_read =
          stored != nullptr && stored->state == schedule_state::active && stored->version == each.version && stored->next_at == each.from;
      results.push_back(as_read);
      if (!as_read) continue;
      auto corrected = *stored;
      corrected.next_at = each.to;
      put(std::move(corrected));
    }
    return results;
  }

  /// O(schedules).
  std::vector<schedule_digest> digests(origin of) const {
    std::vector<schedule_digest> result;
    for (auto const& [id, record] : records_) {
      if (record.origin != of) continue;
      schedule_digest brief;
      brief.id = id;
      brief.set_name = record.set_name;
      brief.digest = record.digest;
      brief.version = record.version;
      brief.retired_at = record.retired_at;
      result.push_back(std::move(brief));
    }
    return result;
  }

  change_result change(schedule_set const& set, schedule_change const& step, instant now) {
    auto const at = records_.find(step.given.id);
    auto given = step.given;
    given.origin = set.origin;
    given.set_name = set.name;
    if (step.what == schedule_step::add) {
      if (at == records_.end())
        put(as_added(std::move(given), now));
      else if (at->second.retired_at)
        put(as_returned(at->second, std::move(given), now));
      else
        return is_of_set_of(at->second, given) ? change_result::passed_over : change_result::taken;
      return change_result::done;
    }
    bool const returns = step.what == schedule_step::bring_back;
    if (at == records_.end() || at->second.version != step.version || at->second.retired_at.has_value() != returns)
      return change_result::passed_over;
    if (returns) {
      put(as_returned(at->second, std::move(given), now));
    } else if (step.what == schedule_step::retire) {
      auto retired = at->second;
      retired.retired_at = now;
      retired.next_at.reset();
      ++retired.version;
      put(std::move(retired));
    } else if (same_definition(at->second, given)) {
      return change_result::unchanged;
    } else {
      put(as_replaced(at->second, std::move(given), now));
    }
    return change_result::done;
  }

  /// O(schedules).
  std::vector<schedule_record> list(schedule_filter const& filter) const {
    std::vector<schedule_record> result;
    for (auto at = filter.id_prefix ? records_.lower_bound(*filter.id_prefix) : records_.begin(); at != records_.end(); ++at) {
      auto const& [id, record] = *at;
      if (record.retired_at || (filter.after && id <= *filter.after)) continue;
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

  /// Whether the instant has a fire other than a missed one.
  bool was_acted_on(std::string const& schedule, instant planned) const {
    auto const of = fires_.find(schedule);
    if (of == fires_.end()) return false;
    auto const at = of->second.find(planned);
    return at != of->second.end() && at->second.result != fire_result::missed;
  }

  std::vector<instant> acted_on(std::string const& schedule, instant after, std::size_t limit) const {
    std::vector<instant> result;
    auto const of = fires_.find(schedule);
    if (of == fires_.end()) return result;
    for (auto at = of->second.upper_bound(after); at != of->second.end() && result.size() < limit; ++at)
      if (at->second.result != fire_result::missed) result.push_back(at->first);
    return result;
  }

  void add_fire(fire_record fire) {
    auto const when = fire.planned_at;
    fires_[fire.schedule].insert_or_assign(when, std::move(fire));
  }

  /// \return whether the instant had no record
  bool note_missed(missed_instant const& missed, std::string const& node, instant now) {
    fire_record record;
    record.schedule = missed.schedule;
    record.planned_at = missed.planned_at;
    record.fired_at = now;
    record.node = node;
    record.result = fire_result::missed;
    record.reason = missed.reason;
    return fires_[missed.schedule].try_emplace(missed.planned_at, std::move(record)).second;
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
