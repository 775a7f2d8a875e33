#include "contract/store_fixture.hpp"

#include <set>

/// Ready and scheduled jobs, and the order in which they are claimed.
namespace visor_test {

TEST_CASE("a claimed job carries all that it was enqueued with", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto given = s.job(7, 42, "mail");
  given.owner = "ann";
  given.max_attempts = 5;
  given.run_at = s->now() - 3s;
  auto const enqueued_at = s->now();
  CHECK(s.add(given) == 1);
  s->advance(1s);

  auto const claimed = s.claim(lease, 10, "mail");
  REQUIRE(claimed.jobs.size() == 1);
  auto const& job = claimed.jobs[0];
  CHECK(claimed.taken_at == s->now());
  CHECK(job.id == 7);
  CHECK(job.attempt == 1);
  CHECK(job.type == "report");
  CHECK(job.queue == "mail");
  CHECK(job.priority == 42);
  CHECK(job.payload == "{\"id\":7}");
  CHECK(job.max_attempts == 5);
  CHECK_FALSE(job.schedule);
  CHECK_FALSE(job.planned_at);
  CHECK(job.run_at == *given.run_at);
  CHECK(job.created_at == enqueued_at);
  CHECK(s->find_job(7)->job.owner == "ann");
}

TEST_CASE("jobs are claimed by priority, then run_at, then id", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto const now = s->now();
  std::vector<visor::new_job> jobs;
  auto const add = [&](visor::job_id id, int priority, visor::duration before) {
    jobs.push_back(s.job(id, priority));
    jobs.back().run_at = now - before;
  };
  add(1, 100, 0s);
  add(2, 100, 1us);
  add(9, 100, 1us);
  add(3, 5, 0s);
  add(4, -5, 0s);
  add(8, -5, 1h);
  add(6, 32'767, 24h);
  add(5, -32'768, 0s);
  CHECK(s->enqueue(jobs) == 8);
  CHECK(ids_of(s.claim(lease, 3)) == ids{5, 8, 4});
  CHECK(ids_of(s.claim(lease, 100)) == ids{3, 2, 9, 1, 6});
  CHECK(s.claim(lease, 100).jobs.empty());
}

TEST_CASE("a job that comes later goes before those of worse priority", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(s.job(1, 50));
  s.add(s.job(2, 50));
  CHECK(ids_of(s.claim(lease)) == ids{1});
  s->advance(1s);
  s.add(s.job(3, 49));
  CHECK(ids_of(s.claim(lease)) == ids{3});
  CHECK(ids_of(s.claim(lease)) == ids{2});
}

TEST_CASE("queues are apart, and each request has a lease of its own", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  s.add(s.job(1, 100, "mail"));
  s.add(s.job(2, 1, "reports"));
  s.add(s.job(3, 100, "mail"));
  s.add(s.job(4, 100, "Mail"));
  CHECK(s.claim(lease, 10).jobs.empty());

  auto const result = s.exchange(lease, {}, {}, {{"mail", 1}, {"nothing", 5}, {"reports", 5}, {"mail", 5}, {"mail", 5}});
  CHECK(result.lease_current);
  REQUIRE(result.claims.size() == 3);
  CHECK(ids_of(result.claims[0]) == ids{1});
  CHECK(ids_of(result.claims[1]) == ids{2});
  CHECK(ids_of(result.claims[2]) == ids{3});
  CHECK(result.claims[0].lease != result.claims[1].lease);
  CHECK(result.claims[0].lease != result.claims[2].lease);
  CHECK(ids_of(s.claim(lease, 10, "Mail")) == ids{4});
}

TEST_CASE("a claim takes no more than its limit, and nothing for a limit of 0", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  for (visor::job_id id = 1; id <= 5; ++id) s.add(id);
  CHECK(s.claim(lease, 0).jobs.empty());
  CHECK(s.claim(lease, 2).jobs.size() == 2);
  CHECK(s.claim(lease, 5).jobs.size() == 3);
}

TEST_CASE("who claims many at a time gets all there is, whatever came before what was claimed last", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  std::vector<visor::new_job> jobs;
  for (visor::job_id id = 1; id <= 350; ++id) jobs.push_back(s.job(id));
  CHECK(s->enqueue(jobs) == 350);
  auto const first = s.claim(lease, 150);
  CHECK(first.jobs.size() == 150);
  s.add(s.job(1000, 5));
  s.exchange(lease, {}, {visor::release(first.lease, 1), visor::release(first.lease, 2)});

  std::set<visor::job_id> found;
  for (std::size_t const count : {150U, 53U}) {
    auto const claimed = s.exchange(lease, {}, {}, {{"default", 150}});
    REQUIRE(claimed.claims.size() == 1);
    CHECK(claimed.claims[0].jobs.size() == count);
    for (auto const& job : claimed.claims[0].jobs) CHECK(found.insert(job.id).second);
  }
  CHECK(found.contains(1));
  CHECK(found.contains(2));
  CHECK(found.contains(1000));
}

TEST_CASE("a claimed job is nobody else's", "[contract]") {
  store_fixture s;
  auto const a = s.join("a");
  auto const b = s.join("b");
  s.add(1);
  s.add(2);
  CHECK(ids_of(s.claim(a)) == ids{1});
  CHECK(ids_of(s.claim(b, 10)) == ids{2});
  CHECK(s.claim(a, 10).jobs.empty());
}

TEST_CASE("a node whose lease is not current claims nothing", "[contract]") {
  store_fixture s;
  auto const old = s.join("a", 10s);
  s.add(1);
  auto const refused = [&](visor::node_lease const& lease) {
    auto const result = s.exchange(lease, {}, {}, {{"default", 1}});
    return !result.lease_current && result.claims.empty();
  };
  SECTION("its time is up") {
    s->advance(10s - 1us);
    CHECK(s.exchange(old, {}).lease_current);
    s->advance(1us);
    CHECK(refused(old));
  }
  SECTION("it joined again") {
    s.join("a", 10s);
    CHECK(refused(old));
  }
  SECTION("it left") {
    s->leave(old);
    CHECK(refused(old));
    s->advance(-5s);
    CHECK(refused(old));
  }
  SECTION("it was evicted") {
    s->recover(old);
    CHECK(refused(old));
  }
  SECTION("it never joined") { CHECK(refused(visor::node_lease("b", 1, s->now() + 1h))); }
  SECTION("its epoch is to come") { CHECK(refused(visor::node_lease("a", old.epoch + 1, old.until))); }
  CHECK(s.state(1) == "ready");
}

TEST_CASE("work for later is out of the way until it is due and promoted", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  CHECK(s->promote(10).moved == 0);
  CHECK_FALSE(s->promote(10).next_at);
  auto const start = s->now();
  s.add(1, 20s);
  s.add(2, 10s);
  s.add(3, 1us);
  s.add(4, -1s);
  CHECK(s.state(1) == "scheduled");
  CHECK(s.state(3) == "scheduled");
  CHECK(s.state(4) == "ready");
  CHECK(ids_of(s.claim(lease, 10)) == ids{4});

  auto promoted = s->promote(10);
  CHECK(promoted.moved == 0);
  CHECK(promoted.next_at == start + 1us);
  s->advance(10s - 1us);
  promoted = s->promote(10);
  CHECK(promoted.moved == 1);
  CHECK(promoted.next_at == start + 10s);
  s->advance(1us);
  CHECK(s.state(2) == "scheduled");
  CHECK(s.claim(lease, 10).jobs.size() == 1);
  promoted = s->promote(10);
  CHECK(promoted.moved == 1);
  CHECK(promoted.next_at == start + 20s);
  CHECK(s.state(2) == "ready");
  auto const claimed = s.claim(lease, 10);
  REQUIRE(ids_of(claimed) == ids{2});
  CHECK(claimed.jobs[0].run_at == start + 10s);
}

TEST_CASE("promotion takes the oldest first, up to its limit", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  auto const start = s->now();
  for (visor::job_id id = 1; id <= 5; ++id) s.add(id, 10s - std::chrono::seconds(id));
  s.add(s.job(6));
  s->advance(1min);
  auto const promoted = s->promote(2);
  CHECK(promoted.moved == 2);
  CHECK(promoted.next_at == start + 7s);
  CHECK(s.state(5) == "ready");
  CHECK(s.state(4) == "ready");
  CHECK(s.state(3) == "scheduled");
  CHECK(s->promote(0).moved == 0);
  CHECK(s->promote(100).moved == 3);
  CHECK_FALSE(s->promote(100).next_at);
  CHECK(ids_of(s.claim(lease, 10)) == ids{6, 5, 4, 3, 2, 1});
}

TEST_CASE("enqueueing again what is there changes nothing", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  auto first = s.job(1);
  auto again = s.job(1, 5, "other");
  again.type = "something else";
  CHECK(s.add(first) == 1);
  CHECK(s.add(again) == 0);
  CHECK(s->find_job(1)->job.type == "report");

  std::vector<visor::new_job> const both{again, s.job(2), s.job(2, 7), s.job(3)};
  CHECK(s->enqueue(both) == 2);
  CHECK(s->find_job(2)->job.priority == 100);
  CHECK(s->enqueue(both) == 0);
  CHECK(s->enqueue({}) == 0);
  CHECK(s.claim(lease, 10, "other").jobs.empty());

  auto const claimed = s.claim(lease, 10);
  CHECK(ids_of(claimed) == ids{1, 2, 3});
  CHECK(s.add(first) == 0);
  CHECK(s.exchange(lease, {s.done(claimed)}).refused.empty());
  CHECK(s.add(first) == 0);
  CHECK(s.state(1) == "completed");
  CHECK(s.claim(lease, 10).jobs.empty());
}

TEST_CASE("what is enqueued again in part adds the rest, now and for later", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  std::size_t const half = GENERATE(as<std::size_t>(), 2, 600);  // many may go another way than few
  std::vector<visor::new_job> jobs;
  ids now, later;
  while (jobs.size() < 2 * half) {
    auto const id = static_cast<visor::job_id>(jobs.size()) + 1;
    jobs.push_back(s.job(id));
    if (id % 2 == 0) jobs.back().run_at = s->now() + 1min;
    (id % 2 == 0 ? later : now).push_back(id);
  }
  CHECK(s->enqueue(std::span(jobs).first(half)) == half);
  CHECK(s->enqueue(jobs) == half);
  CHECK(s->enqueue(jobs) == 0);
  CHECK(ids_of(s.claim(lease, 2 * half)) == now);
  s->advance(1min);
  CHECK(s->promote(2 * half).moved == half);
  CHECK(ids_of(s.claim(lease, 2 * half)) == later);
}

TEST_CASE("a job that is due at this very instant is ready", "[contract]") {
  store_fixture s;
  auto exact = s.job(1);
  exact.run_at = s->now();
  s.add(exact);
  CHECK(s.state(1) == "ready");
  auto plain = s.job(2);
  s.add(plain);
  CHECK(s->find_job(2)->job.run_at == s->now());
  CHECK(s->find_job(2)->job.created_at == s->now());
}

TEST_CASE("100,000 jobs are each claimed once, in order", "[contract][slow]") {
  store_fixture s;
  auto const lease = s.join("a", 1h);
  constexpr visor::job_id total = 100'000;
  std::vector<visor::new_job> jobs;
  for (visor::job_id id = 1; id <= total; ++id) {
    jobs.push_back(s.job(id, static_cast<int>(id % 3)));
    if (jobs.size() < 10'000) continue;
    CHECK(s->enqueue(jobs) == jobs.size());
    jobs.clear();
  }
  visor::job_id expected = 3;
  std::size_t count = 0;
  std::vector<visor::job_result> done;
  while (count < total) {
    auto const result = s.exchange(lease, done, {}, {{"default", 5'000}});
    REQUIRE(result.refused.empty());
    REQUIRE(result.claims.size() == 1);
    done.clear();
    bool in_order = true;
    for (std::size_t i = 0; i < result.claims[0].jobs.size(); ++i) {
      in_order = in_order && result.claims[0].jobs[i].id == expected;
      expected += 3;
      if (expected > total) expected = expected % 3 + 1;
      done.push_back(s.success(result.claims[0], i));
    }
    CHECK(in_order);
    count += done.size();
  }
  CHECK(s.exchange(lease, done, {}, {{"default", 5'000}}).claims.empty());
  CHECK(s.state(1) == "completed");
  CHECK(s.state(total) == "completed");
  visor::job_filter not_completed;
  not_completed.state = visor::job_state::running;
  CHECK(s->jobs(not_completed).empty());
}

}  // namespace visor_test
