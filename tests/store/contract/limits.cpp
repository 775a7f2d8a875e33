#include "contract/store_fixture.hpp"
#include "contract/threads.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <numeric>
#include <random>

/// Limits on how many jobs of a type run at the same time, or in a time, on all nodes together.
namespace visor_test {

TEST_CASE("a job that a node does not know moves to the lane of its type, which others then see", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(1);
  CHECK(s->limits().empty());
  auto const claimed = s.claim(lease);
  CHECK(s.exchange(lease, {}, {visor::release(claimed.lease, 1, 0s, "default*report")}).refused.empty());
  CHECK(s.state(1) == "ready");
  CHECK(s->find_job(1)->job.queue == "default*report");
  REQUIRE(s->limits().size() == 1);
  CHECK(s->limits()[0] == visor::type_limit_record("report", visor::job_limits()));
  CHECK(s->pending_work().lanes == 1);
  CHECK(s.claim(lease).jobs.empty());
  auto const again = s.claim(lease, 10, "default*report");
  REQUIRE(ids_of(again) == ids{1});
  CHECK(s.exchange(lease, {s.done(again)}).refused.empty());
  CHECK(s.state(1) == "completed");
}

TEST_CASE("what types a node runs is known until the node is forgotten", "[contract]") {
  store_fixture s;
  auto request = s.request("a");
  auto const types = [&] {
    std::string all;
    for (auto const& each : s->node_types()) all += each.node + ":" + each.type + "@" + std::to_string(each.epoch) + " ";
    return all;
  };
  request.limits = {visor::type_limit_record("mail", {}), visor::type_limit_record("report", {})};
  s->join(request);
  CHECK(types() == "a:mail@1 a:report@1 ");
  request.limits[0].type = "backup";
  auto const lease = s->join(request);
  CHECK(types() == "a:backup@2 a:report@1 ");
  request.node = "b";
  s->join(request);
  CHECK(types() == "a:backup@2 a:report@1 b:backup@1 b:report@1 ");
  s->leave(lease);
  CHECK(s->remove_node("a"));
  CHECK(types() == "b:backup@1 b:report@1 ");
}

namespace {

constexpr char const* mail = "default*mail";

visor::type_limit_record limit_of(std::string type, int concurrency, int key_concurrency = 0, int rate = 0, int key_rate = 0,
                                  visor::duration per = 10s) {
  visor::job_limits limits;
  limits.concurrency = concurrency;
  limits.key_concurrency = key_concurrency;
  limits.rate = rate;
  limits.key_rate = key_rate;
  limits.per = per;
  return {std::move(type), limits};
}

visor::node_lease join_with(tested_store& store, std::string name, std::vector<visor::type_limit_record> limits) {
  visor::join_request request;
  request.node = std::move(name);
  request.ttl = 1h;
  request.limits = std::move(limits);
  return store.join(std::move(request));
}

/// Adds jobs `first` to `last` of a queue.
void add_jobs(store_fixture& s, visor::job_id first, visor::job_id last, std::string const& queue) {
  std::vector<visor::new_job> jobs;
  for (auto id = first; id <= last; ++id) {
    jobs.push_back(store_fixture::job(id, 100, queue));
    jobs.back().type = "mail";
  }
  REQUIRE(s->enqueue(jobs) == jobs.size());
}

visor::claim claim_after(store_fixture& s, visor::node_lease const& by, std::size_t limit, std::string after) {
  auto result = s.exchange(by, {}, {}, {visor::claim_request(mail, limit, std::move(after))});
  return result.claims.empty() ? visor::claim() : std::move(result.claims.front());
}

}  // namespace

TEST_CASE("the limits of a type are those of the node that came last", "[contract]") {
  store_fixture s;
  CHECK(s->limits().empty());
  join_with(s.store(), "a", {limit_of("mail", 2), limit_of("free", 0)});
  REQUIRE(s->limits().size() == 1);
  CHECK(s->limits()[0] == limit_of("mail", 2));
  join_with(s.store(), "b", {limit_of("mail", 3, 1, 100, 10, 90s), limit_of("copy", 0, 0, 5)});
  REQUIRE(s->limits().size() == 2);
  CHECK(s->limits()[0] == limit_of("copy", 0, 0, 5));
  CHECK(s->limits()[1] == limit_of("mail", 3, 1, 100, 10, 90s));
  join_with(s.store(), "c", {limit_of("mail", 0)});
  CHECK(s->limits()[1] == limit_of("mail", 0));  // lifted; somebody may still have to look into its queue
}

TEST_CASE("no more jobs of a type run than its limit says, on all nodes together", "[contract]") {
  store_fixture s;
  auto const a = join_with(s.store(), "a", {limit_of("mail", 3)});
  auto const b = join_with(s.store(), "b", {limit_of("mail", 3)});
  add_jobs(s, 1, 10, mail);
  auto const first = s.claim(a, 2, mail);
  CHECK(ids_of(first) == ids{1, 2});
  auto const second = s.claim(b, 5, mail);
  CHECK(ids_of(second) == ids{3});
  CHECK(s.claim(a, 5, mail).jobs.empty());
  // An end lets one start in the same exchange, a retry too, and a job that comes back.
  auto result = s.exchange(a, {s.done(first, 0)}, {}, {visor::claim_request(mail, 5)});
  REQUIRE(result.claims.size() == 1);
  CHECK(ids_of(result.claims[0]) == ids{4});
  CHECK_FALSE(result.next_in);
  s.exchange(a, {s.retried(first, 1h, 1)}, {visor::release(second.lease, 3, 1h)});  // job 3 is not a's to release
  CHECK(ids_of(s.claim(b, 5, mail)) == ids{5});
  s.exchange(b, {}, {visor::release(second.lease, 3, 1h)});
  CHECK(ids_of(s.claim(b, 5, mail)) == ids{6});
}

TEST_CASE("what other types and queues have does not count", "[contract]") {
  store_fixture s;
  auto const a = join_with(s.store(), "a", {limit_of("mail", 1), limit_of("copy", 1)});
  add_jobs(s, 1, 2, "default");
  add_jobs(s, 3, 4, mail);
  add_jobs(s, 5, 6, "urgent+gpu*mail");
  add_jobs(s, 7, 8, "default*copy");
  add_jobs(s, 9, 9, "default*copying");
  auto const result = s.exchange(a, {}, {}, {visor::claim_request("default*copy", 5), {"default", 5}, {mail, 5}, {"urgent+gpu*mail", 5}});
  std::map<std::string, ids> got;
  for (auto const& each : result.claims) got[each.queue] = ids_of(each);
  CHECK(got == std::map<std::string, ids>{{"default", {1, 2}}, {mail, {3}}, {"default*copy", {7}}});  // of mail one, in whatever queue
}

TEST_CASE("jobs of one key are limited together, and keys have their turns", "[contract]") {
  store_fixture s;
  auto const a = join_with(s.store(), "a", {limit_of("mail", 4, 1)});
  add_jobs(s, 1, 2, mail);
  add_jobs(s, 11, 13, "default*mail*a");
  add_jobs(s, 21, 23, "default*mail*b");
  add_jobs(s, 31, 33, "default*mail*c");
  add_jobs(s, 91, 91, "default*mail (b)");
  auto const first = claim_after(s, a, 2, "default*mail*a");
  CHECK(ids_of(first) == ids{21, 31});
  CHECK(first.jobs.back().queue == "default*mail*c");
  auto const second = claim_after(s, a, 9, "default*mail*c");
  CHECK(ids_of(second) == ids{1, 2});
  CHECK(claim_after(s, a, 9, "").jobs.empty());
  s.exchange(a, {s.done(first, 0), s.done(second, 1)});
  CHECK(ids_of(claim_after(s, a, 9, "default*mail*c")) == ids{11, 22});
}

TEST_CASE("a job that ran out of its lease makes room", "[contract]") {
  store_fixture s;
  auto const a = join_with(s.store(), "a", {limit_of("mail", 1)});
  auto const b = join_with(s.store(), "b", {limit_of("mail", 1)});
  add_jobs(s, 1, 2, mail);
  CHECK(ids_of(s.claim(a, 5, mail)) == ids{1});
  CHECK(s.claim(b, 5, mail).jobs.empty());
  s->recover(a);
  CHECK(ids_of(s.claim(b, 5, mail)) == ids{1});
  CHECK(s.claim(b, 5, mail).jobs.empty());
}

TEST_CASE("in any window no more jobs start than the rate says", "[contract]") {
  store_fixture s;
  auto const a = join_with(s.store(), "a", {limit_of("mail", 0, 0, 3, 0, 10s)});
  auto const b = join_with(s.store(), "b", {limit_of("mail", 0, 0, 3, 0, 10s)});
  add_jobs(s, 1, 20, mail);
  auto const first = s.claim(a, 2, mail);
  CHECK(first.jobs.size() == 2);
  s->advance(4s);
  auto result = s.exchange(b, {}, {}, {visor::claim_request(mail, 5)});
  REQUIRE(result.claims.size() == 1);
  CHECK(result.claims[0].jobs.size() == 1);
  REQUIRE(result.next_in);
  CHECK(*result.next_in <= 6s);
  CHECK(*result.next_in > 3s);  // servers of tests take their time
  // That they end does not matter.
  s.exchange(a, {s.done(first, 0), s.done(first, 1)});
  CHECK(s.claim(a, 5, mail).jobs.empty());
  s->advance(6s);
  CHECK(s.claim(a, 5, mail).jobs.size() == 2);
  s->advance(4s);
  CHECK(s.claim(a, 5, mail).jobs.size() == 1);
  s->advance(100s);
  CHECK(s.claim(a, 5, mail).jobs.size() == 3);
}

TEST_CASE("the rate of a key is its own", "[contract]") {
  store_fixture s;
  auto const a = join_with(s.store(), "a", {limit_of("mail", 0, 0, 5, 2, 10s)});
  add_jobs(s, 11, 15, "default*mail*a");
  add_jobs(s, 21, 25, "default*mail*b");
  CHECK(ids_of(claim_after(s, a, 3, "")) == ids{11, 12, 21});
  auto const result = s.exchange(a, {}, {}, {visor::claim_request(mail, 9)});
  REQUIRE(result.claims.size() == 1);
  CHECK(ids_of(result.claims[0]) == ids{22});
  CHECK(result.next_in);
  s->advance(11s);
  CHECK(ids_of(claim_after(s, a, 9, "")) == ids{13, 14, 23, 24});
}

TEST_CASE("limits that were lifted keep nothing back", "[contract]") {
  store_fixture s;
  auto const a = join_with(s.store(), "a", {limit_of("mail", 1, 1, 1, 1)});
  add_jobs(s, 1, 5, "default*mail*a");
  CHECK(claim_after(s, a, 9, "").jobs.size() == 1);
  auto const b = join_with(s.store(), "b", {limit_of("mail", 0)});
  CHECK(claim_after(s, b, 9, "").jobs.size() == 4);
}

TEST_CASE("a job that waited in a queue without its limits is moved", "[contract]") {
  store_fixture s;
  auto const a = join_with(s.store(), "a", {limit_of("mail", 1)});
  add_jobs(s, 1, 3, "default");
  auto const claimed = s.claim(a, 5, "default");
  REQUIRE(claimed.jobs.size() == 3);
  s.exchange(a, {}, {visor::release(claimed.lease, 1, 0s, mail), visor::release(claimed.lease, 2, 1min, mail)});
  CHECK(s.claim(a, 5, "default").jobs.empty());
  auto const again = s.claim(a, 5, mail);
  CHECK(ids_of(again) == ids{1});
  CHECK(again.jobs[0].attempt == 1);
  CHECK(s->find_job(2)->job.queue == mail);
  // Wherever it goes from there.
  s.exchange(a, {s.retried(again, 0s)});
  CHECK(ids_of(s.claim(a, 5, mail)) == ids{1});
  s->cancel_job(2);
  CHECK(s.state(2) == "cancelled");
}

TEST_CASE("eight nodes keep the limits of what runs", "[contract]") {
  store_fixture s;
  constexpr int per_key = 12;
  std::vector<std::string> const keys{"", "*a", "*b", "*c", "*d", "*e"};
  std::vector<visor::node_lease> leases;
  for (int i = 0; i < 8; ++i) leases.push_back(join_with(s.store(), "node " + std::to_string(i), {limit_of("mail", 3, 1)}));
  visor::job_id next = 1;
  for (auto const& key : keys) {
    add_jobs(s, next, next + per_key - 1, mail + key);
    next += per_key;
  }
  std::mutex mutex;
  std::map<std::string, int> running;
  int all = 0, most = 0, most_of_key = 0;
  std::atomic<int> left = static_cast<int>(next - 1);
  auto const stores = stores_of(s, 4);
  in_threads(8, [&](int number) {
    auto& store = *stores[static_cast<std::size_t>(number % 4)];
    auto const& lease = leases[static_cast<std::size_t>(number)];
    std::vector<visor::job_result> done;
    std::string after;
    while (left > 0) {
      std::vector<visor::claim_request> const requests{visor::claim_request(mail, 2, after)};
      auto const result = store.exchange(lease, done, {}, requests);
      left -= static_cast<int>(done.size());
      done.clear();
      for (auto const& claimed : result.claims) {
        std::scoped_lock const lock{mutex};
        after = claimed.jobs.back().queue;
        for (std::size_t i = 0; i < claimed.jobs.size(); ++i) {
          int const of_key = ++running[claimed.jobs[i].queue];
          if (claimed.jobs[i].queue != mail) most_of_key = std::max(most_of_key, of_key);
          most = std::max(most, ++all);
          done.push_back(store_fixture::success(claimed, i));
        }
      }
      std::this_thread::yield();
      std::scoped_lock const lock{mutex};
      for (auto const& claimed : result.claims)
        for (auto const& job : claimed.jobs) {
          --running[job.queue];
          --all;
        }
    }
  });
  CHECK(most <= 3);
  CHECK(most > 1);
  CHECK(most_of_key == 1);
  CHECK(left == 0);
  for (visor::job_id id = 1; id < next; ++id) CHECK(s.state(id) == "completed");
}

TEST_CASE("eight nodes keep a rate", "[contract]") {
  store_fixture s;
  constexpr int rate = 5;
  constexpr auto per = 1s;
  std::vector<visor::node_lease> leases;
  for (int i = 0; i < 8; ++i) leases.push_back(join_with(s.store(), "node " + std::to_string(i), {limit_of("mail", 0, 0, rate, 0, per)}));
  add_jobs(s, 1, 400, mail);
  std::mutex mutex;
  std::multimap<visor::instant, int> starts;
  auto const stores = stores_of(s, 4);
  std::atomic<int> rounds = 0;
  in_threads(8, [&](int number) {
    auto& store = *stores[static_cast<std::size_t>(number % 4)];
    std::mt19937 random(static_cast<unsigned>(number));
    while (rounds < 160) {
      if (++rounds % 4 == 0) s->advance(std::chrono::milliseconds{random() % 300});
      std::vector<visor::claim_request> const requests{visor::claim_request(mail, 1 + random() % 3)};
      auto const result = store.exchange(leases[static_cast<std::size_t>(number)], {}, {}, requests);
      std::scoped_lock const lock{mutex};
      for (auto const& claimed : result.claims) starts.emplace(claimed.taken_at, static_cast<int>(claimed.jobs.size()));
    }
  });
  int most = 0;
  for (auto first = starts.begin(); first != starts.end(); ++first) {
    auto const last = starts.lower_bound(first->first + per);
    most = std::max(most, std::accumulate(first, last, 0, [](int sum, auto const& each) { return sum + each.second; }));
  }
  CHECK(most <= rate);
  CHECK(most == rate);  // and there is always somebody who wants more
}

}  // namespace visor_test
