#ifndef VISOR_STORE_SQL_SETS_HPP
#define VISOR_STORE_SQL_SETS_HPP

#include "visor/store/manifest.hpp"
#include "visor/store/sql/schedules.hpp"
#include "visor/store/sql/set_statements.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// The declarations of nodes, and the schedules of a set.
namespace visor::detail {

template <class Session>
async<Session, std::vector<std::string>> declared(transaction<Session>& t, schedule_set const& set) {
  statements::of_set const which{set.origin, set.name};
  auto rows = co_await t.session.query(statements::declared_digests(), which);
  std::vector<std::string> result;
  for (auto& row : rows) result.push_back(std::move(row.digest));
  co_return result;
}

template <class Session>
async<Session, std::vector<declaration_record>> list_declarations(transaction<Session>& t) {
  co_return co_await t.session.query(statements::all_declarations());
}

template <class Session>
async<Session, std::vector<std::string>> manifests(transaction<Session>& t, schedule_set const& set) {
  statements::of_set const which{set.origin, set.name};
  auto rows = co_await t.session.query(statements::manifests_of_set(), which);
  std::vector<std::string> result;
  for (auto& row : rows) result.push_back(std::move(row.digest));
  co_return result;
}

template <class Session>
async<Session, std::vector<std::string>> manifest_parts(transaction<Session>& t, std::string const& digest) {
  statements::of_manifest const which{digest};
  auto rows = co_await t.session.query(statements::manifest_parts_of(), which);
  std::vector<std::string> result;
  if (rows.empty() || static_cast<std::size_t>(rows.front().parts) != rows.size()) co_return result;
  for (auto& row : rows) result.push_back(std::move(row.entries));
  co_return result;
}

template <class Session>
async<Session> put_manifest(transaction<Session>& t, std::string const& digest, int first, std::span<std::string const> parts) {
  std::vector<statements::part_row> rows;
  for (auto const& each : parts) rows.push_back({digest, first++, t.now, each});
  co_await t.session.post_many(statements::insert_new_manifest_part(), rows);
}

/// Ends the declarations of a node that is gone. Every operation that ends the lease of a node calls this in the same transaction.
template <class Session>
async<Session> end_declarations(transaction<Session>& t, std::string const& node) {
  statements::declaring_node const which{node};
  std::size_t const ended = co_await t.session.execute(statements::remove_declarations(), which);
  t.new_work = t.new_work || ended != 0;
}

/// Removes the manifests that were declared long ago.
template <class Session>
async<Session> forget_manifests(transaction<Session>& t, schedule_set const& set) {
  auto const kept = co_await manifests(t, set);
  auto const living = co_await declared(t, set);
  for (std::size_t i = kept_manifests; i < kept.size(); ++i) {
    if (std::ranges::binary_search(living, kept[i])) continue;
    statements::of_manifest const which{kept[i]};
    co_await t.session.post(statements::remove_manifest(), which);
    co_await t.session.post(statements::remove_manifest_parts(), which);
  }
  statements::written_before const long_ago{t.now - std::chrono::days(1)};
  co_await t.session.post(statements::remove_stray_parts(), long_ago);
}

template <class Session>
async<Session, bool> declare(transaction<Session>& t, node_lease const& lease, std::span<set_declaration const> sets) {
  bool const current = co_await is_current(t, lease);
  if (!current) throw_lease_lost(lease.node, lease.epoch);
  for (auto const& each : sets) {
    statements::of_manifest const which{each.digest};
    auto const found = co_await t.session.find(statements::count_manifest_parts(), which);
    if (found->parts != each.parts) co_return false;
  }
  statements::declaring_node const node{lease.node};
  co_await t.session.post(statements::remove_declarations(), node);
  for (auto const& each : sets) {
    declaration_record record;
    record.node = lease.node;
    record.origin = each.set.origin;
    record.set_name = each.set.name;
    record.declared_at = t.now;
    record.digest = each.digest;
    co_await t.session.post(statements::insert_declaration(), record);
    manifest_record kept;
    kept.digest = each.digest;
    kept.origin = each.set.origin;
    kept.set_name = each.set.name;
    kept.declared_at = t.now;
    kept.parts = each.parts;
    std::size_t const is_new = co_await t.session.execute(statements::insert_new_manifest(), kept);
    statements::declared_again const again{each.digest, t.now};
    if (is_new == 0)
      co_await t.session.post(statements::touch_manifest(), again);
    else
      co_await forget_manifests(t, each.set);
  }
  t.new_work = true;
  co_return true;
}

template <class Session>
async<Session, std::vector<schedule_digest>> schedule_digests(transaction<Session>& t, origin of) {
  statements::of_origin const which{of};
  co_return co_await t.session.query(statements::schedule_digests_of(), which);
}

/// Steps of one kind, and the indices of their results.
struct steps_of_kind {
  std::vector<schedule_record> given;
  std::vector<std::int64_t> versions;
  std::vector<std::size_t> indexes;
};

/// Reads the stored schedules of steps, the retired ones too.
template <class Session>
async<Session, std::vector<std::optional<schedule_record>>> find_all(transaction<Session>& t, std::span<schedule_record const> given) {
  std::vector<statements::of_schedule> which;
  for (auto const& each : given) which.push_back({each.id});
  std::vector<decltype(t.session.find(statements::find_any_schedule(), which.front()))> asked;
  for (auto const& each : which) asked.push_back(t.session.find(statements::find_any_schedule(), each));
  std::vector<std::optional<schedule_record>> found;
  for (auto& each : asked) found.push_back(co_await std::move(each));
  co_return found;
}

template <class Session>
async<Session> add_to_set(transaction<Session>& t, steps_of_kind& steps, std::span<change_result> results) {
  for (auto& each : steps.given) each = as_added(std::move(each), t.now);
  std::vector<std::size_t> affected(steps.given.size());
  co_await t.session.execute_many(statements::insert_new_schedule(), steps.given, affected);
  steps_of_kind rest;
  for (std::size_t i = 0; i < affected.size(); ++i) {
    if (affected[i] != 0) continue;
    rest.given.push_back(std::move(steps.given[i]));
    rest.indexes.push_back(steps.indexes[i]);
  }
  auto const found = co_await find_all<Session>(t, rest.given);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i] || !found[i]->retired_at) {
      bool const is_of_set = found[i] && is_of_set_of(*found[i], rest.given[i]);
      results[rest.indexes[i]] = is_of_set ? change_result::passed_over : change_result::taken;
      continue;
    }
    schedule_record const returned = as_returned(*found[i], std::move(rest.given[i]), t.now);
    co_await t.session.execute(statements::update_schedule(), returned);
  }
}

template <class Session>
async<Session> redefine(transaction<Session>& t, steps_of_kind& steps, std::span<change_result> results) {
  for (std::size_t i = 0; i < steps.given.size(); ++i) {
    auto& given = steps.given[i];
    given.version = steps.versions[i];
    given.digest = definition_digest(given);
    given.updated_at = t.now;
  }
  steps_of_kind rest;
  steps_of_kind blind;
  for (std::size_t i = 0; i < steps.given.size(); ++i) {
    // An interval with an anchor may have to continue from the stored anchor, so that row is read first.
    auto& to = steps.given[i].anchor ? rest : blind;
    to.given.push_back(std::move(steps.given[i]));
    to.indexes.push_back(steps.indexes[i]);
  }
  std::vector<std::size_t> affected(blind.given.size());
  co_await t.session.execute_many(statements::redefine_schedule(), blind.given, affected);
  for (std::size_t i = 0; i < affected.size(); ++i) {
    if (affected[i] != 0) continue;
    rest.given.push_back(std::move(blind.given[i]));
    rest.indexes.push_back(blind.indexes[i]);
  }
  auto const found = co_await find_all<Session>(t, rest.given);
  for (std::size_t i = 0; i < found.size(); ++i) {
    auto& result = results[rest.indexes[i]];
    result = change_result::passed_over;
    if (!found[i] || found[i]->retired_at || found[i]->version != rest.given[i].version) continue;
    // It has an anchor, is older than the column of digests, or has this definition already.
    schedule_record stored = *found[i];
    bool const is_same = same_definition(stored, rest.given[i]);
    result = is_same ? change_result::unchanged : change_result::done;
    if (is_same)
      stored.digest = definition_digest(stored);
    else
      stored = as_replaced(stored, std::move(rest.given[i]), t.now);
    co_await t.session.execute(statements::update_schedule(), stored);
  }
}

template <class Session>
async<Session> bring_back(transaction<Session>& t, steps_of_kind& steps, std::span<change_result> results) {
  auto const found = co_await find_all<Session>(t, steps.given);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i] || !found[i]->retired_at || found[i]->version != steps.versions[i]) {
      results[steps.indexes[i]] = change_result::passed_over;
      continue;
    }
    schedule_record const returned = as_returned(*found[i], std::move(steps.given[i]), t.now);
    co_await t.session.post(statements::update_schedule(), returned);
  }
}

template <class Session>
async<Session> retire(transaction<Session>& t, steps_of_kind const& steps, std::span<change_result> results) {
  std::vector<statements::retire_params> rows;
  for (std::size_t i = 0; i < steps.given.size(); ++i) rows.push_back({steps.given[i].id, steps.versions[i], t.now});
  std::vector<std::size_t> affected(rows.size());
  co_await t.session.execute_many(statements::retire_schedule(), rows, affected);
  for (std::size_t i = 0; i < affected.size(); ++i)
    if (affected[i] == 0) results[steps.indexes[i]] = change_result::passed_over;
}

template <class Session>
async<Session, std::optional<std::vector<change_result>>> change_schedules(transaction<Session>& t, schedule_set const& set,
                                                                           std::span<std::string const> basis,
                                                                           std::span<schedule_change const> changes) {
  auto const living = co_await declared(t, set);
  if (!std::ranges::equal(living, basis)) co_return std::nullopt;
  std::vector<change_result> results(changes.size(), change_result::done);
  steps_of_kind adds;
  steps_of_kind redefinitions;
  steps_of_kind returns;
  steps_of_kind ends;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto const kind = changes[i].what;
    auto& to = kind == schedule_step::add          ? adds
               : kind == schedule_step::change     ? redefinitions
               : kind == schedule_step::bring_back ? returns
                                                   : ends;
    to.given.push_back(changes[i].given);
    to.given.back().origin = set.origin;
    to.given.back().set_name = set.name;
    to.versions.push_back(changes[i].version);
    to.indexes.push_back(i);
  }
  if (!adds.given.empty()) co_await add_to_set<Session>(t, adds, results);
  if (!redefinitions.given.empty()) co_await redefine<Session>(t, redefinitions, results);
  if (!returns.given.empty()) co_await bring_back<Session>(t, returns, results);
  if (!ends.given.empty()) co_await retire<Session>(t, ends, results);
  t.new_work = std::ranges::count(results, change_result::done) != 0;
  co_return results;
}

}  // namespace visor::detail

#endif
