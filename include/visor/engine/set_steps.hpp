#ifndef VISOR_ENGINE_SET_STEPS_HPP
#define VISOR_ENGINE_SET_STEPS_HPP

#include "visor/engine/occurrence.hpp"
#include "visor/store/manifest.hpp"
#include "visor/store/store.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// The steps that bring the schedules of a set to the declarations of living nodes: for nodes, and for a user who does it by hand.
namespace visor::detail {

/// A message for an operator about a schedule.
struct remark_of_schedule {
  std::string id;
  std::string text;
};

/// The changes that were made to a set; the ids in the order of the changes.
struct set_outcome {
  std::size_t added = 0;
  std::vector<std::string> changed;
  std::vector<std::string> removed;
  std::vector<std::string> taken;           ///< not added: the id belongs to a schedule of another origin or set
  std::vector<remark_of_schedule> refused;  ///< the database refuses them permanently
  std::size_t unchanged = 0;
  std::size_t left = 0;         ///< not changed: a living node declares a definition that was first seen later
  std::size_t passed_over = 0;  ///< changed by another session meanwhile: to be looked at again
};

/// Reads the manifest that the store has under a digest; empty where it has none.
template <store Store>
task<manifest> read_manifest(Store& store, std::string const& digest) {
  auto const parts = co_await store.manifest_parts(digest);
  co_return manifest::parse(parts);
}

/// Returns the manifest of a file or program, with the times at which its definitions were first seen, as far as the store knows them.
/// \param fresh the manifest; its own times hold for definitions that the store does not know
template <store Store>
task<manifest> known_manifest(Store& store, schedule_set const& set, manifest fresh) {
  auto const known = co_await store.manifests(set);
  for (auto const& digest : known) {
    auto const other = co_await read_manifest(store, digest);
    fresh.inherit(other);
  }
  co_return fresh;
}

/// Works as `change_schedules`, but a change that the database refuses permanently does not keep the others from being made.
template <store Store>
task<std::optional<std::vector<change_result>>> change_bisected(Store& store, schedule_set const& set,
                                                                std::vector<std::string> const& basis,
                                                                std::span<schedule_change const> changes,
                                                                std::vector<remark_of_schedule>& refused) {
  std::string refusal;
  try {
    co_return co_await store.change_schedules(set, basis, changes);
  } catch (error const& failure) {
    if (!is_refusal(failure.portable_code())) throw;
    refusal = failure.what();
  }
  if (changes.size() == 1) {
    refused.push_back({changes.front().given.id, std::move(refusal)});
    co_return std::vector(1, change_result::refused);
  }
  std::vector<change_result> all;
  for (auto const part : {changes.first(changes.size() / 2), changes.subspan(changes.size() / 2)}) {
    auto const results = co_await change_bisected(store, set, basis, part, refused);
    if (!results) co_return std::nullopt;
    all.insert(all.end(), results->begin(), results->end());
  }
  co_return all;
}

/// The number of steps in one transaction. Such a transaction excludes other writers, so it is short: jobs and fires go on in between.
inline constexpr std::size_t steps_at_once = 500;

/// Takes the steps of a plan, some hundred at a time.
/// \param basis the declarations of living nodes when the plan was made
/// \param wanted the schedules to which the numbers of the plan refer
/// \param may_go_on called before each transaction; when it returns false, the remaining steps are passed over
/// \return none when living nodes declare something else meanwhile: then only some steps were taken, and there has to be another plan
template <store Store>
task<std::optional<set_outcome>> take_steps(Store& store, schedule_set const& set, std::vector<std::string> const& basis,
                                            std::span<schedule_record const> wanted, set_plan const& plan,
                                            std::function<bool()> const& may_go_on) {
  set_outcome outcome;
  outcome.unchanged = plan.unchanged;
  outcome.left = plan.left.size();
  auto const now = co_await store.now();
  auto const given = [&](std::size_t which) {
    schedule_record record = wanted[which];
    record.created_at = now;
    if (!record.expression.empty()) record.next_at = occurrences(record).next(now);
    return record;
  };
  std::size_t const total = plan.retire.size() + plan.bring_back.size() + plan.change.size() + plan.add.size();
  auto const step = [&](std::size_t number) -> schedule_change {
    if (number < plan.retire.size()) {
      schedule_record gone;
      gone.id = plan.retire[number].id;
      return {schedule_step::retire, std::move(gone), plan.retire[number].version};
    }
    number -= plan.retire.size();
    if (number < plan.bring_back.size())
      return {schedule_step::bring_back, given(plan.bring_back[number].which), plan.bring_back[number].version};
    number -= plan.bring_back.size();
    if (number < plan.change.size()) return {schedule_step::change, given(plan.change[number].which), plan.change[number].version};
    return {schedule_step::add, given(plan.add[number - plan.change.size()])};
  };
  std::vector<schedule_change> changes;
  for (std::size_t first = 0; first < total; first += steps_at_once) {
    if (!may_go_on()) {
      outcome.passed_over += total - first;
      break;
    }
    changes.clear();
    for (std::size_t i = first; i < std::min(total, first + steps_at_once); ++i) changes.push_back(step(i));
    auto const results = co_await change_bisected<Store>(store, set, basis, changes, outcome.refused);
    if (!results) co_return std::nullopt;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      auto& id = changes[i].given.id;
      bool const is_done = (*results)[i] == change_result::done;
      if ((*results)[i] == change_result::passed_over) {
        ++outcome.passed_over;
        continue;
      }
      if ((*results)[i] == change_result::refused) continue;
      switch (changes[i].what) {
        case schedule_step::retire:
          if (is_done) outcome.removed.push_back(std::move(id));
          break;
        case schedule_step::change:
          if (is_done)
            outcome.changed.push_back(std::move(id));
          else
            ++outcome.unchanged;
          break;
        case schedule_step::bring_back:
        case schedule_step::add:
          if (is_done)
            ++outcome.added;
          else if ((*results)[i] == change_result::taken)
            outcome.taken.push_back(std::move(id));
          else
            ++outcome.unchanged;
          break;
      }
    }
  }
  co_return outcome;
}

}  // namespace visor::detail

#endif
