#ifndef VISOR_STORE_SQL_LIMITS_HPP
#define VISOR_STORE_SQL_LIMITS_HPP

#include "visor/store/allowance.hpp"
#include "visor/store/sql/jobs.hpp"
#include "visor/store/sql/limit_statements.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// Limits of job types, over all nodes.
namespace visor::detail {

template <class Session>
async<Session, std::vector<type_limit_record>> list_limits(transaction<Session>& t) {
  co_return co_await t.session.query(statements::all_limits());
}

/// The limits of job types from now on. What has none, and had none, is not kept.
template <class Session>
async<Session> set_limits(transaction<Session>& t, std::span<type_limit_record const> types) {
  auto const stored = co_await t.session.query(statements::all_limits());
  for (auto const& type : types) {
    auto const at = std::ranges::find(stored, type.type, &type_limit_record::type);
    if (at != stored.end() && *at != type) co_await t.session.post(statements::update_limit(), type);
    if (at == stored.end() && type.any()) co_await t.session.post(statements::insert_limit(), type);
  }
}

/// What of a type may start now. From here on to its end nobody but this transaction claims jobs of it.
template <class Session>
async<Session, allowance> hold_limits(transaction<Session>& t, std::string_view type) {
  statements::of_type const which{type};
  auto asked_limits = t.session.find(statements::find_limit(), which);
  auto asked_running = t.session.query(statements::running_of_type(), which);
  auto const limits = co_await std::move(asked_limits);
  auto const running = co_await std::move(asked_running);
  if (limits && limits->any_rate()) co_await renew_time(t);
  allowance allowed(limits ? job_limits(*limits) : job_limits(), t.now);
  for (auto const& each : running) allowed.add_running(each.queue, static_cast<std::size_t>(each.jobs));
  if (!allowed.limits().any_rate()) co_return allowed;
  // One that began earlier may come later, and for it they still count.
  statements::claims_since const old{type, allowed.window_begin() - std::chrono::minutes{1}};
  co_await t.session.post(statements::forget_claims(), old);
  statements::claims_since const window{type, allowed.window_begin()};
  auto const claimed = co_await t.session.query(statements::claims_of_type(), window);
  for (auto const& each : claimed) allowed.add_claimed(each.queue, each.taken_at, static_cast<std::size_t>(each.jobs));
  co_return allowed;
}

}  // namespace visor::detail

#endif
