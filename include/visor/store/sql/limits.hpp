#ifndef VISOR_STORE_SQL_LIMITS_HPP
#define VISOR_STORE_SQL_LIMITS_HPP

#include "visor/settings/queue_name.hpp"
#include "visor/store/limit_budget.hpp"
#include "visor/store/sql/jobs.hpp"
#include "visor/store/sql/limit_statements.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Limits of job types, over all nodes.
namespace visor::detail {

template <class Session>
async<Session, std::vector<type_limit_record>> list_limits(transaction<Session>& t) {
  co_return co_await t.session.query(statements::all_limits());
}

/// Announces that the next statements are about these texts, so that a refusal names them. Only where a refusal is looked for.
template <class Session>
async<Session> begin_named(transaction<Session>& t, std::vector<named_text> texts) {
  if (t.refusals == nullptr) co_return;
  co_await await_posted(t);
  t.refusals->begin_named(std::move(texts));
}

/// Ends what `begin_named` began.
template <class Session>
async<Session> end_named(transaction<Session>& t) {
  if (t.refusals == nullptr) co_return;
  co_await await_posted(t);
  t.refusals->restart();
}

template <class Session>
async<Session> begin_type(transaction<Session>& t, std::string_view type) {
  if (t.refusals == nullptr) co_return;
  std::vector<named_text> name(1, named_text{"the job type", std::string(type)});
  co_await begin_named(t, std::move(name));
}

/// Sets the limits of job types from now on. A type that has none, and had none, is not stored.
template <class Session>
async<Session> set_limits(transaction<Session>& t, std::span<type_limit_record const> types) {
  auto const stored = co_await t.session.query(statements::all_limits());
  for (auto const& type : types) {
    co_await begin_type(t, type.type);
    auto const at = std::ranges::find(stored, type.type, &type_limit_record::type);
    if (at != stored.end() && *at != type) co_await t.session.post(statements::update_limit(), type);
    if (at == stored.end() && type.any()) co_await t.session.post(statements::insert_limit(), type);
  }
}

template <class Session>
async<Session, std::vector<node_type_record>> list_node_types(transaction<Session>& t) {
  co_return co_await t.session.query(statements::all_node_types());
}

/// Sets the types that a node runs from now on. Nothing is written where they are as before.
/// \param types in any order, each once
template <class Session>
async<Session> set_types(transaction<Session>& t, std::string_view node, std::int64_t epoch, std::span<type_limit_record const> types) {
  statements::of_node const which{node};
  auto const stored = co_await t.session.query(statements::types_of_node(), which);
  std::set<std::string_view> known, wanted;
  for (auto const& each : stored) known.insert(each.type);
  for (auto const& each : types) wanted.insert(each.type);
  for (auto const type : wanted) {
    if (known.contains(type)) continue;
    co_await begin_type(t, type);
    node_type_record const row{std::string(node), std::string(type), epoch};
    co_await t.session.post(statements::insert_node_type(), row);
  }
  for (auto const type : known) {
    if (wanted.contains(type)) continue;
    statements::node_type_params const gone{node, type};
    co_await t.session.post(statements::remove_node_type(), gone);
  }
}

/// Makes nodes that run a type serve its own lane, in which a job is about to wait.
template <class Session>
async<Session> open_lane(transaction<Session>& t, std::string_view queue) {
  std::string_view const type = queue_name(queue).type;
  if (type.empty()) co_return;
  std::string name(type);
  type_limit_record const row(std::move(name), job_limits());
  co_await t.session.post(statements::insert_new_limit(), row);
}

/// Returns the budget of a type: how many of its jobs may start now. From here to its end, only this transaction claims jobs of the type.
template <class Session>
async<Session, limit_budget> hold_limits(transaction<Session>& t, std::string_view type) {
  statements::of_type const which{type};
  auto asked_limits = t.session.find(statements::find_limit(), which);
  auto asked_running = t.session.query(statements::running_of_type(), which);
  auto const limits = co_await std::move(asked_limits);
  auto const running = co_await std::move(asked_running);
  if (limits && limits->any_rate()) co_await renew_time(t);
  limit_budget limit_left(limits ? job_limits(*limits) : job_limits(), t.now);
  for (auto const& each : running) limit_left.add_running(each.queue, static_cast<std::size_t>(each.jobs));
  if (!limit_left.limits().any_rate()) co_return limit_left;
  // A transaction that began earlier may come later, and for it these claims still count.
  statements::claims_since const old{type, limit_left.window_begin() - std::chrono::minutes{1}};
  co_await post_optional(t, "old claims of the job type ", type, statements::forget_claims(), old);
  statements::claims_since const window{type, limit_left.window_begin()};
  auto const claimed = co_await t.session.query(statements::claims_of_type(), window);
  for (auto const& each : claimed) limit_left.add_claimed(each.queue, each.taken_at, static_cast<std::size_t>(each.jobs));
  co_return limit_left;
}

}  // namespace visor::detail

#endif
