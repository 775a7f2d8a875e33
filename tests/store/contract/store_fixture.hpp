#ifndef VISOR_TESTS_STORE_CONTRACT_STORE_FIXTURE_HPP
#define VISOR_TESTS_STORE_CONTRACT_STORE_FIXTURE_HPP

#include "contract/tested_store.hpp"
#include "support/catch.hpp"

#include "visor/base/error.hpp"
#include "visor/store/manifest.hpp"

#include <boost/describe/enum_to_string.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/// Short forms for the tests of the contract.
namespace visor_test {

using namespace std::chrono_literals;
using ids = std::vector<visor::job_id>;

/// The name of an enumerator.
template <class E>
std::string text(E value) {
  return boost::describe::enum_to_string(value, "?");
}

/// The error of a call, in the words of its code; empty if it succeeds.
template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (visor::error const& failure) {
    return failure.code().message();
  }
  return {};
}

/// The message of a refusal.
template <class Call>
std::string message(Call&& call) {
  try {
    call();
  } catch (visor::error const& failure) {
    return failure.what();
  }
  return {};
}

/// The changes of `bring`, and the ids of those that were refused.
struct set_changes {
  std::size_t added = 0;
  std::size_t changed = 0;
  std::size_t removed = 0;
  std::size_t unchanged = 0;
  std::vector<std::string> taken;
  friend bool operator==(set_changes const&, set_changes const&) = default;
};

/// Makes the schedules of a set these, as a node does that is the only one of the set.
inline set_changes bring(tested_store& store, visor::schedule_set const& set, std::vector<visor::schedule_record> all) {
  for (auto& each : all) each.digest = visor::definition_digest(each);
  auto const plan = visor::plan_set(set, all, visor::manifest_of(all, store.now()), {}, store.schedule_digests(set.origin));
  std::vector<visor::schedule_change> steps;
  for (auto const& gone : plan.retire) {
    visor::schedule_record record;
    record.id = gone.id;
    steps.emplace_back(visor::schedule_step::retire, record, gone.version);
  }
  for (auto const& each : plan.bring_back) steps.emplace_back(visor::schedule_step::bring_back, all[each.which], each.version);
  for (auto const& each : plan.change) steps.emplace_back(visor::schedule_step::change, all[each.which], each.version);
  for (auto const which : plan.add) steps.emplace_back(visor::schedule_step::add, all[which]);
  auto const results = store.change_schedules(set, store.declared(set), steps);
  set_changes done;
  done.unchanged = plan.unchanged;
  for (std::size_t i = 0; results && i < results->size(); ++i) {
    auto const what = steps[i].what;
    if ((*results)[i] == visor::change_result::taken)
      done.taken.push_back(steps[i].given.id);
    else if ((*results)[i] != visor::change_result::done)
      ++done.unchanged;
    else
      ++(what == visor::schedule_step::retire ? done.removed : what == visor::schedule_step::change ? done.changed : done.added);
  }
  return done;
}

/// A store, and shorthand for talking to it.
class store_fixture {
 public:
  tested_store& store() { return *store_; }
  tested_store* operator->() { return store_.get(); }

  static visor::join_request request(std::string name, visor::duration ttl = 60s, bool exclusive = false) {
    visor::join_request request;
    request.node = std::move(name);
    request.address = "host " + request.node;
    request.slots = 3;
    request.version = "1.2.3";
    request.ttl = ttl;
    request.exclusive = exclusive;
    request.queues = "default:3";
    request.capabilities = "gpu,tape";
    request.resources = "processors:4,memory:1024";
    return request;
  }

  visor::node_lease join(std::string name, visor::duration ttl = 60s, bool exclusive = false) {
    return store_->join(request(std::move(name), ttl, exclusive));
  }

  /// A heartbeat with the token that `request` gives each node.
  visor::node_lease renew(visor::node_lease const& lease, visor::duration ttl, visor::node_state state = visor::node_state::online) {
    visor::renewal how;
    how.ttl = ttl;
    how.state = state;
    return store_->renew(lease, how);
  }

  static visor::new_job job(visor::job_id id, int priority = 100, std::string queue = "default") {
    visor::new_job made;
    made.id = id;
    made.type = "report";
    made.priority = priority;
    made.queue = std::move(queue);
    made.payload = "{\"id\":" + std::to_string(id) + "}";
    made.max_attempts = 3;
    return made;
  }

  /// Adds one job that may run now, or after `delay`.
  void add(visor::job_id id, visor::duration delay = 0s, int max_attempts = 3) {
    auto made = job(id);
    made.max_attempts = max_attempts;
    if (delay != 0s) made.run_at = store_->now() + delay;
    add(made);
  }
  std::size_t add(visor::new_job const& made) { return store_->enqueue(std::span(&made, 1)); }

  visor::exchange_result exchange(visor::node_lease const& lease, std::vector<visor::job_result> const& done,
                                  std::vector<visor::release> const& back = {}, std::vector<visor::claim_request> const& wanted = {}) {
    return store_->exchange(lease, done, back, wanted);
  }

  /// Claims from one queue.
  visor::claim claim(visor::node_lease const& lease, std::size_t limit = 1, std::string queue = "default") {
    std::vector const wanted{visor::claim_request(std::move(queue), limit)};
    auto result = exchange(lease, {}, {}, wanted);
    // Where claims take long, as on a machine with much else to do, one may not have looked at all.
    for (int again = 0; again < 2 && result.claims.empty() && result.next_in && *result.next_in <= 1s; ++again) {
      std::this_thread::sleep_for(*result.next_in);
      result = exchange(lease, {}, {}, wanted);
    }
    if (result.claims.empty()) return {};
    REQUIRE(result.claims.size() == 1);
    return std::move(result.claims.front());
  }

  /// Success of the `index`-th job of a claim, at the instant of the claim.
  static visor::job_result success(visor::claim const& claimed, std::size_t index) {
    visor::job_result result;
    result.lease = claimed.lease;
    result.job = claimed.jobs.at(index).id;
    result.attempt = claimed.jobs.at(index).attempt;
    result.started_at = claimed.taken_at;
    result.finished_at = claimed.taken_at;
    result.schedule = claimed.jobs.at(index).schedule;
    return result;
  }

  /// The result of the `index`-th job of a claim, now.
  visor::job_result done(visor::claim const& claimed, std::size_t index = 0, visor::job_state state = visor::job_state::completed) {
    auto result = success(claimed, index);
    result.finished_at = store_->now();
    result.state = state;
    result.outcome = state == visor::job_state::completed   ? visor::outcome::completed
                     : state == visor::job_state::cancelled ? visor::outcome::cancelled
                                                            : visor::outcome::failed;
    if (state == visor::job_state::failed || state == visor::job_state::dead) result.error = "it broke";
    return result;
  }

  visor::job_result retried(visor::claim const& claimed, visor::duration after, std::size_t index = 0) {
    auto result = done(claimed, index, visor::job_state::failed);
    result.retry_after = after;
    return result;
  }

  /// Claims the next job and ends it at once. Its id.
  visor::job_id work_off(visor::node_lease const& lease, visor::job_state state = visor::job_state::completed) {
    auto const claimed = claim(lease);
    REQUIRE(claimed.jobs.size() == 1);
    REQUIRE(exchange(lease, {done(claimed, 0, state)}).refused.empty());
    return claimed.jobs[0].id;
  }

  std::string state(visor::job_id id) {
    auto const view = store_->find_job(id);
    return view ? text(view->state) : "none";
  }

  /// Outcomes of a job's attempts, with the final state where there is one: `failed completed:completed`.
  std::string history(visor::job_id id) {
    std::string result;
    int number = 0;
    for (auto const& attempt : store_->attempts(id)) {
      CHECK(attempt.job == id);
      CHECK(attempt.number == ++number);
      result += (result.empty() ? "" : " ") + text(attempt.outcome);
      if (attempt.final_state) result += ":" + text(*attempt.final_state);
    }
    return result;
  }

  /// An active schedule that is due now.
  visor::schedule_record schedule(std::string id, visor::overlap overlap = visor::overlap::allow) {
    visor::schedule_record made;
    made.id = std::move(id);
    made.expression = "* * * * *";
    made.type = "tick";
    made.payload = "{\"team\":\"platform\"}";
    made.max_attempts = 2;
    made.overlap = overlap;
    made.owner = "ann";
    made.next_at = store_->now();
    return made;
  }

  /// An order for what a schedule has due, as read, and the instant after it.
  visor::fire_order order(std::string const& id, visor::job_id job) {
    auto const read = store_->find_schedule(id);
    REQUIRE(read);
    visor::fire_order made;
    made.schedule = id;
    made.version = read->version;
    made.expected_next = read->next_at;
    made.planned = {read->next_at.value()};
    made.ids = {job};
    made.next_at = *read->next_at + 1min;
    return made;
  }

  visor::fired fire(visor::node_lease const& lease, visor::fire_order const& order) {
    auto results = store_->fire(lease, std::span(&order, 1));
    REQUIRE(results.size() == 1);
    CHECK(results[0].schedule == order.schedule);
    return results[0];
  }

  /// Fires what is due of a schedule, and moves the time to the next instant. True if a job was made of it.
  bool fire(visor::node_lease const& lease, std::string const& id, visor::job_id job) {
    auto const result = fire(lease, order(id, job));
    REQUIRE(result.accepted);
    REQUIRE(result.fires.size() == 1);
    store_->advance(1min);
    return result.fires[0].result == visor::fire_result::fired;
  }

 private:
  std::unique_ptr<tested_store> store_ = make_tested_store();
};

inline ids ids_of(visor::claim const& claimed) {
  ids result;
  for (auto const& job : claimed.jobs) result.push_back(job.id);
  return result;
}

template <class Views>
ids ids_of_views(Views const& views) {
  ids result;
  for (auto const& view : views) result.push_back(view.job.id);
  return result;
}

}  // namespace visor_test

#endif
