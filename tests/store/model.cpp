#include "contract/store_fixture.hpp"

#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <sstream>
#include <type_traits>

/// Random operations on a store and on the reference: all that can be seen of both must be the same, after every step.
namespace visor_test {

namespace {

/// Anything as text, for comparing and for reading when it differs.
class writer {
 public:
  /// Lease ids as the reference has them: which numbers a store takes is its own affair.
  std::map<visor::lease_id, visor::lease_id> const* leases = nullptr;

  template <class T>
  std::string write(T const& value) const {
    if constexpr (std::is_same_v<T, std::string>) {
      return "'" + value + "'";
    } else if constexpr (std::is_same_v<T, visor::instant> || std::is_same_v<T, visor::duration>) {
      return visor::to_string(value);
    } else if constexpr (std::is_same_v<T, bool>) {
      return value ? "true" : "false";
    } else if constexpr (std::is_enum_v<T>) {
      return text(value);
    } else if constexpr (std::is_arithmetic_v<T>) {
      return std::to_string(value);
    } else {
      return write_more(value);
    }
  }

 private:
  template <class T>
  std::string write_more(std::optional<T> const& value) const {
    return value ? write(*value) : "-";
  }
  template <class T>
  std::string write_more(std::vector<T> const& values) const {
    std::string result = "[";
    for (auto const& value : values) result += write(value) + ";\n";
    return result + "]";
  }
  std::string write_more(visor::attempt_record value) const {
    if (value.lease && leases != nullptr) value.lease = leases->contains(*value.lease) ? leases->at(*value.lease) : -1;
    return members(value);
  }
  std::string write_more(visor::claim const& value) const { return write(value.taken_at) + write(value.jobs); }
  std::string write_more(visor::exchange_result const& value) const {
    return write(value.lease_current) + " refused " + write(value.refused) + " claims " + write(value.claims);
  }
  std::string write_more(visor::promotion const& value) const { return write(value.moved) + " " + write(value.next_at); }
  std::string write_more(visor::due_schedules const& value) const {
    return write(value.now) + " " + write(value.next_at) + write(value.schedules);
  }
  std::string write_more(visor::fired const& value) const { return value.schedule + " " + write(value.accepted) + write(value.fires); }
  std::string write_more(visor::recovery const& value) const {
    return value.node + " " + write(value.epoch) + write(value.requeued) + write(value.dead) + write(value.cancelled);
  }
  std::string write_more(set_changes const& value) const {
    return write(value.added) + " " + write(value.changed) + " " + write(value.removed) + " " + write(value.unchanged) + write(value.taken);
  }
  std::string write_more(visor::node_lease const& value) const { return value.node + " " + write(value.epoch) + " " + write(value.until); }
  std::string write_more(visor::job_view const& value) const {
    return write(value.job) + text(value.state) + " " + write(value.attempts) + " " + write(value.started_at) + " " +
           write(value.finished_at) + " " + write(value.node) + " " + write(value.error) + " " + write(value.output);
  }
  template <class T>
    requires boost::describe::has_describe_members<T>::value
  std::string write_more(T const& value) const {
    return members(value);
  }
  template <class T>
  std::string members(T const& value) const {
    std::string result = "{";
    boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
        [&](auto member) { result += std::string(member.name) + " " + write(value.*member.pointer) + ", "; });
    return result + "}";
  }
};

/// One run: both stores, the leases that the nodes believe to hold, and the operations so far.
class run_of_both {
 public:
  explicit run_of_both(unsigned seed) : random_(seed) { tested_words_.leases = &leases_; }

  /// Does something at random to both. Empty if all is the same, else what differs.
  std::string step(int number) {
    static constexpr std::pair<int, void (run_of_both::*)()> moves[] = {
        {12, &run_of_both::enqueue},     {4, &run_of_both::join},      {3, &run_of_both::renew},   {1, &run_of_both::leave},
        {5, &run_of_both::recover},      {30, &run_of_both::exchange}, {6, &run_of_both::promote}, {14, &run_of_both::fire},
        {3, &run_of_both::add_schedule}, {3, &run_of_both::update},    {1, &run_of_both::remove},  {2, &run_of_both::replace},
        {2, &run_of_both::declare},      {2, &run_of_both::miss},      {4, &run_of_both::cancel},  {3, &run_of_both::retry},
        {12, &run_of_both::advance},     {2, &run_of_both::list},
    };
    int total = 0;
    for (auto const& [weight, _] : moves) total += weight;
    int choice = below(total);
    for (auto const& [weight, move] : moves)
      if ((choice -= weight) < 0) {
        (this->*move)();
        break;
      }
    if (number % 10 == 0) compare_all();
    if (number % 400 == 399)
      both("reopen", [](tested_store& s) {
        s.reopen();
        return 0;
      });
    return difference_;
  }

  std::string last_steps() const {
    std::string result;
    for (auto const& line : log_) result += line + "\n";
    return result;
  }

 private:
  int below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  bool one_in(int n) { return below(n) == 0; }
  std::string name() { return std::string(1, static_cast<char>('a' + below(3))); }
  std::string schedule_name() { return (one_in(2) ? "s" : "S") + std::to_string(below(3)); }
  visor::job_id some_id() { return 1 + below(static_cast<int>(next_id_) + 2); }
  visor::instant now() { return reference_->now(); }

  /// Does the same to both and compares what comes back, results and refusals alike.
  template <class Call>
  void both(std::string const& what, Call&& call) {
    both(what, call, call);
  }
  template <class Call, class Other>
  void both(std::string const& what, Call&& on_reference, Other&& on_tested) {
    log_.push_back(what);
    if (log_.size() > 25) log_.pop_front();
    auto const expected = attempt(reference_words_, *reference_, on_reference);
    auto const actual = attempt(tested_words_, *tested_, on_tested);
    if (expected != actual && difference_.empty()) difference_ = what + first_difference(expected, actual);
  }
  static std::string first_difference(std::string const& expected, std::string const& actual) {
    auto const at = std::mismatch(expected.begin(), expected.end(), actual.begin(), actual.end()).first - expected.begin();
    auto const begin = expected.rfind('\n', static_cast<std::size_t>(at)) + 1;
    auto const line = [&](std::string const& all) { return all.substr(begin, all.find('\n', static_cast<std::size_t>(at)) - begin); };
    return "\nreference: " + line(expected) + "\nthis:      " + line(actual) + "\n";
  }
  template <class Call>
  static std::string attempt(writer const& words, tested_store& store, Call& call) {
    try {
      auto const result = call(store);
      return words.write(result);
    } catch (visor::error const& failure) {
      return "refused: " + failure.code().message();
    }
  }

  void enqueue() {
    std::vector<visor::new_job> jobs;
    for (int i = below(5); i >= 0; --i) {
      auto job = store_fixture::job(one_in(10) ? some_id() : ++next_id_, below(3), one_in(3) ? "other" : "default");
      job.max_attempts = 1 + below(3);
      if (one_in(2)) job.run_at = now() + std::chrono::seconds(below(40) - 20);
      if (one_in(4)) job.owner = name();
      if (one_in(3)) job.max_lost = below(3);
      if (one_in(40)) job.payload = "\xff";
      jobs.push_back(job);
    }
    both("enqueue " + reference_words_.write(jobs), [&](tested_store& s) { return s.enqueue(jobs); });
  }

  void join() {
    visor::join_request request;
    request.node = name();
    request.address = "host " + request.node + (one_in(2) ? " pid 1" : "");
    request.ttl = std::chrono::seconds(5 + below(40));
    request.exclusive = one_in(15);
    if (one_in(3)) {
      request.keeps.emplace();
      for (auto const& held : held_)
        if (one_in(2)) request.keeps->push_back(held.lease);
    }
    both(
        "join " + request.node + (request.keeps ? " keeps " + std::to_string(request.keeps->size()) : ""),
        [&](tested_store& s) {
          auto const lease = s.join(request);
          nodes_[request.node].push_back(lease);
          return lease;
        },
        [&](tested_store& s) {
          if (request.keeps) std::ranges::transform(*request.keeps, request.keeps->begin(), [this](auto id) { return theirs(id); });
          return s.join(request);
        });
  }

  /// The latest lease of a node, sometimes an older one.
  visor::node_lease some_lease() {
    auto const at = nodes_.find(name());
    if (at == nodes_.end()) return visor::node_lease("nobody", 1, now() + 1h);
    auto const& all = at->second;
    return one_in(8) ? all[static_cast<std::size_t>(below(static_cast<int>(all.size())))] : all.back();
  }

  void renew() {
    auto const lease = some_lease();
    auto const ttl = std::chrono::seconds(5 + below(40));
    auto const state = one_in(4) ? visor::node_state::draining : visor::node_state::online;
    visor::renewal how;
    how.ttl = ttl;
    how.state = state;
    how.token = one_in(20) ? 1 : 0;  // which no other call knows: the database seems to have been restored
    both("renew " + reference_words_.write(lease), [&](tested_store& s) { return s.renew(lease, how); });
  }

  void leave() {
    auto const lease = some_lease();
    auto const how = one_in(2) ? visor::departure::clean : visor::departure::owing_results;
    both("leave " + reference_words_.write(lease), [&](tested_store& s) {
      s.leave(lease, how);
      return 0;
    });
  }

  void recover() {
    std::optional<visor::node_lease> evict;
    if (one_in(3)) evict = some_lease();
    both("recover " + reference_words_.write(evict), [&](tested_store& s) { return s.recover(evict); });
  }

  void exchange() {
    auto const lease = some_lease();
    std::vector<visor::job_result> done;
    std::vector<visor::release> back;
    for (int i = below(6); i > 0 && !held_.empty(); --i) {
      auto const at = static_cast<std::size_t>(below(static_cast<int>(held_.size())));
      auto const held = held_[at];
      if (one_in(5))
        back.emplace_back(held.lease, held.job.id, std::chrono::seconds(one_in(2) ? 0 : below(20)));
      else
        done.push_back(result_of(held));
      if (!one_in(4)) held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    std::vector<visor::claim_request> wanted;
    for (int i = below(3); i > 0; --i) wanted.emplace_back(one_in(3) ? "other" : "default", static_cast<std::size_t>(below(4)));
    visor::exchange_result mine;
    both(
        "exchange by " + reference_words_.write(lease) + " done " + reference_words_.write(done) + " back " + std::to_string(back.size()),
        [&](tested_store& s) { return mine = s.exchange(lease, done, back, wanted); },
        [&](tested_store& s) {
          for (auto& each : done) each.lease = theirs(each.lease);
          for (auto& each : back) each.lease = theirs(each.lease);
          auto const result = s.exchange(lease, done, back, wanted);
          for (std::size_t i = 0; i < result.claims.size() && i < mine.claims.size(); ++i)
            leases_[result.claims[i].lease] = mine.claims[i].lease;
          return result;
        });
    for (auto const& claimed : mine.claims)
      for (auto const& job : claimed.jobs) held_.push_back({claimed.lease, claimed.taken_at, job});
  }

  struct held_job {
    visor::lease_id lease;
    visor::instant taken_at;
    visor::claimed_job job;
  };

  visor::job_result result_of(held_job const& held) {
    visor::job_result result;
    result.lease = held.lease;
    result.job = held.job.id;
    result.attempt = held.job.attempt;
    result.started_at = held.taken_at;
    result.finished_at = now();
    result.schedule = held.job.schedule;
    switch (below(6)) {
      case 5:
        result.outcome = visor::outcome::released;
        result.retry_after = 0s;
        result.error = "stopped";
        break;
      case 0:
        result.outcome = visor::outcome::timed_out;
        result.retry_after = std::chrono::seconds(one_in(3) ? 0 : below(30));
        result.error = "too slow";
        break;
      case 1:
        result.outcome = visor::outcome::failed;
        result.state = one_in(2) ? visor::job_state::failed : visor::job_state::dead;
        result.error = "broken";
        break;
      case 2:
        result.outcome = visor::outcome::cancelled;
        result.state = visor::job_state::cancelled;
        break;
      default: result.output = "fine";
    }
    return result;
  }

  /// A lease of the reference as the store under test calls it.
  visor::lease_id theirs(visor::lease_id lease) const {
    for (auto const& [other, own] : leases_)
      if (own == lease) return other;
    return -1;
  }

  void promote() {
    auto const limit = static_cast<std::size_t>(below(5));
    both("promote", [&](tested_store& s) { return s.promote(limit); });
  }

  void fire() {
    auto const lease = some_lease();
    auto const limit = static_cast<std::size_t>(1 + below(4));
    visor::due_schedules due;
    both("due", [&](tested_store& s) { return due = s.due(limit); });
    std::vector<visor::fire_order> orders;
    for (auto const& schedule : due.schedules) {
      auto& order = orders.emplace_back();
      order.schedule = schedule.id;
      order.version = schedule.version - (one_in(20) ? 1 : 0);
      order.expected_next = schedule.next_at;
      if (one_in(20)) order.expected_next = now();
      for (int i = below(4); i > 0; --i) {
        order.planned.push_back(*schedule.next_at + std::chrono::seconds(10 * static_cast<int>(order.planned.size())));
        order.ids.push_back(++next_id_);
      }
      if (!one_in(20)) order.next_at = *schedule.next_at + std::chrono::seconds(one_in(4) ? 10 : 40);
      if (one_in(30)) order.state = visor::schedule_state::completed;
      if (one_in(10) && order.planned.empty()) order.missed = "nobody was there";
    }
    std::string words = "fire by " + reference_words_.write(lease);
    for (auto const& order : orders)
      words += " " + order.schedule + reference_words_.write(order.planned) + reference_words_.write(order.ids);
    both(words, [&](tested_store& s) { return s.fire(lease, orders); });
  }

  visor::schedule_record made(std::string id) {
    visor::schedule_record record;
    record.id = std::move(id);
    record.type = "tick";
    record.priority = below(3);
    record.overlap = static_cast<visor::overlap>(below(4));
    record.max_attempts = 1 + below(2);
    record.max_failures = below(4);
    record.next_at = now() + std::chrono::seconds(below(30) - 10);
    if (one_in(5)) record.owner = name();
    if (one_in(40)) record.payload = "\xc3";
    return record;
  }

  void add_schedule() {
    auto const record = made(schedule_name());
    both("add " + record.id + " overlap " + text(record.overlap), [&](tested_store& s) {
      s.add_schedule(record);
      return 0;
    });
  }

  void update() {
    auto const id = schedule_name();
    auto const found = reference_->find_schedule(id);
    auto record = made(id);
    record.version = found ? found->version - (one_in(6) ? 1 : 0) : 1;
    record.state = static_cast<visor::schedule_state>(below(3) == 0 ? below(4) : 0);
    both("update " + id + " to " + text(record.state), [&](tested_store& s) { return s.update_schedule(record); });
  }

  void remove() {
    auto const id = schedule_name();
    both("remove " + id, [&](tested_store& s) { return s.remove_schedule(id); });
  }

  void replace() {
    std::vector<visor::schedule_record> all;
    for (int i = below(4); i > 0; --i) {
      auto const id = one_in(5) ? schedule_name() : "c" + std::to_string(below(4));
      auto const found = reference_->find_schedule(id);
      all.push_back(found && one_in(2) ? *found : made(id));
    }
    std::string words = "replace";
    for (auto const& each : all) words += " " + each.id;
    std::ranges::sort(all, {}, &visor::schedule_record::id);
    all.erase(std::ranges::unique(all, {}, &visor::schedule_record::id).begin(), all.end());
    both(words, [&](tested_store& s) { return bring(s, visor::schedule_set(), all); });
  }

  void declare() {
    auto const lease = some_lease();
    std::string const digest = "m" + std::to_string(below(7));
    std::vector<visor::set_declaration> sets;
    if (!one_in(4)) sets.emplace_back(visor::schedule_set(), digest, 1);
    if (!one_in(4)) both("put " + digest, [&](tested_store& s) { return s.put_manifest(digest, 0, std::vector<std::string>{digest}), 0; });
    both("declare " + digest + " by " + reference_words_.write(lease), [&](tested_store& s) { return s.declare(lease, sets); });
    both("manifests", [&](tested_store& s) { return s.manifests(visor::schedule_set()); });
  }

  void miss() {
    auto const lease = some_lease();
    std::vector<visor::missed_instant> missed;
    std::vector<visor::next_correction> corrections;
    visor::due_schedules due;
    visor::due_position const after(now() - std::chrono::seconds(below(20)), schedule_name());
    auto const limit = static_cast<std::size_t>(1 + below(3));
    both("due", [&](tested_store& s) { return due = s.due(limit, after); });
    for (auto const& schedule : due.schedules) {
      if (one_in(2)) missed.emplace_back(schedule.id, *schedule.next_at, "no node can");
      auto& correction = corrections.emplace_back();
      correction.schedule = schedule.id;
      correction.version = schedule.version - (one_in(5) ? 1 : 0);
      correction.from = *schedule.next_at;
      correction.to = now() + std::chrono::seconds(below(20));
    }
    both("note missed", [&](tested_store& s) { return s.note_missed(lease, missed); });
    if (one_in(2)) both("correct", [&](tested_store& s) { return s.correct_next(corrections); });
  }

  void cancel() {
    auto const id = some_id();
    both("cancel " + std::to_string(id), [&](tested_store& s) { return s.cancel_job(id); });
  }

  void retry() {
    auto const id = some_id();
    both("retry " + std::to_string(id), [&](tested_store& s) {
      s.retry_job(id);
      return 0;
    });
  }

  void advance() {
    visor::duration const by = one_in(20) ? visor::duration(-3s) : visor::duration(std::chrono::milliseconds(below(6'000)));
    both("advance " + visor::to_string(by), [&](tested_store& s) {
      s.advance(by);
      return s.now();
    });
  }

  void list() {
    visor::job_filter jobs;
    if (one_in(2)) jobs.state = static_cast<visor::job_state>(below(8));
    if (one_in(3)) jobs.type = one_in(2) ? "tick" : "report";
    if (one_in(3)) jobs.schedule = schedule_name();
    if (one_in(2)) jobs.before = some_id();
    jobs.limit = static_cast<std::size_t>(below(20));
    both("jobs", [&](tested_store& s) { return s.jobs(jobs); });
    visor::schedule_filter schedules;
    if (one_in(3)) schedules.state = static_cast<visor::schedule_state>(below(4));
    if (one_in(3)) schedules.owner = name();
    if (one_in(3)) schedules.id_prefix = one_in(2) ? "s" : "S";
    schedules.hide_completed = one_in(2);
    both("schedules", [&](tested_store& s) { return s.schedules(schedules); });
  }

  void compare_all() {
    if (!difference_.empty()) return;
    auto const steps = log_;
    both("all nodes", [](tested_store& s) { return s.nodes(); });
    both("all declarations", [](tested_store& s) { return s.declarations(); });
    both("all schedules", [](tested_store& s) { return s.schedules({}); });
    both("all cancel requests", [](tested_store& s) { return s.cancel_requests(); });
    for (auto const& schedule : reference_->schedules({})) both("fires", [&](tested_store& s) { return s.fires(schedule.id, 1000); });
    visor::job_filter every;
    every.limit = 60;
    for (auto const& view : reference_->jobs(every)) both("attempts", [&](tested_store& s) { return s.attempts(view.job.id); });
    every.limit = 1'000'000;
    both("all jobs", [&](tested_store& s) { return s.jobs(every); });
    log_ = steps;
  }

  std::mt19937 random_;
  std::unique_ptr<tested_store> tested_ = make_tested_store();
  std::unique_ptr<tested_store> reference_ = make_reference();
  std::map<visor::lease_id, visor::lease_id> leases_;  // as the store under test calls it, as the reference does
  writer tested_words_;
  writer reference_words_;
  std::map<std::string, std::vector<visor::node_lease>> nodes_;
  std::vector<held_job> held_;
  visor::job_id next_id_ = 0;
  std::deque<std::string> log_;
  std::string difference_;
};

int from_environment(char const* name, int otherwise) {
  char const* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

}  // namespace

// VISOR_SEED repeats a run that failed, VISOR_STEPS makes it longer.
TEST_CASE("random operations do what they do to the reference", "[model]") {
  int const given = from_environment("VISOR_SEED", 0);
  int const steps = from_environment("VISOR_STEPS", 600);
  for (int round = 0; round < (given == 0 ? 4 : 1); ++round) {
    auto const seed = given == 0 ? std::random_device{}() % 1'000'000'000 : static_cast<unsigned>(given);
    INFO("repeat with VISOR_SEED=" << seed << " VISOR_STEPS=" << steps);
    run_of_both both{seed};
    for (int number = 1; number <= steps; ++number) {
      auto const difference = both.step(number);
      INFO("step " << number << ", the last ones:\n" << both.last_steps());
      REQUIRE(difference == "");
    }
  }
}

}  // namespace visor_test
