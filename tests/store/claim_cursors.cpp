#include "visor/store/sql/claim_cursors.hpp"

#include "support/catch.hpp"

#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;
using visor::detail::claim_cursors;
using visor::detail::front_seen;
using visor::detail::queue_position;

namespace {

using key_type = std::tuple<std::int64_t, visor::instant, visor::job_id>;

key_type key(queue_position const& at) { return {at.priority, at.run_at, at.job}; }

queue_position at(std::int64_t priority, visor::job_id job) { return {priority, visor::instant(1h), job}; }

/// A database with one queue whose dead rows are never removed, so that claims take a while to pass them.
struct queue {
  std::set<key_type> jobs;
  std::set<key_type> gone;
  claim_cursors cursors;
  visor::duration now{0};
  visor::duration pass = 40us;  ///< for each that is gone
  visor::duration base = 1ms;   ///< for each claim
  std::optional<visor::duration> next_in;

  void add(std::int64_t priority, visor::job_id first, visor::job_id count) {
    for (auto job = first; job < first + count; ++job) jobs.insert(key(at(priority, job)));
  }

  /// The ids of what is claimed.
  std::vector<visor::job_id> claim(std::size_t limit) {
    front_seen seen;
    seen.from = cursors.start("q", now);
    seen.took = base;
    for (auto const& each : gone)
      if (each > key(seen.from)) seen.took += pass;
    now += seen.took;
    std::vector<visor::job_id> ids;
    for (auto each = jobs.upper_bound(key(seen.from)); each != jobs.end() && ids.size() < limit;) {
      auto const& [priority, run_at, job] = *each;
      ids.push_back(job);
      seen.last = queue_position{priority, run_at, job};
      gone.insert(*each);
      each = jobs.erase(each);
    }
    seen.count = ids.size();
    seen.is_full = ids.size() == limit;
    next_in = cursors.saw("q", seen, now);
    last_took = seen.took;
    return ids;
  }
  visor::duration last_took{0};
};

using ids = std::vector<visor::job_id>;

}  // namespace

TEST_CASE("claims begin at the front while that is quick", "[store]") {
  queue q;
  q.add(100, 1, 50);
  CHECK(q.claim(10).front() == 1);
  q.add(50, 100, 1);
  CHECK(q.claim(10) == ids{100, 11, 12, 13, 14, 15, 16, 17, 18, 19});
  CHECK_FALSE(q.next_in);
  CHECK(q.cursors.start("q", q.now) == queue_position());
}

TEST_CASE("a few claims that took long, as where they waited for a lock, change nothing", "[store]") {
  queue q;
  q.add(100, 1, 500);
  for (int round = 0; round < 3; ++round) {
    q.base = 5s;
    for (int i = 1; i < claim_cursors::enough; ++i) q.claim(10);
    CHECK(q.cursors.start("q", q.now) == queue_position());
    q.base = 1ms;
    q.add(50, 1000 + round, 1);
    CHECK(q.claim(10).front() == 1000 + round);
  }
}

TEST_CASE("where many are taken of a queue that has more, the next claims begin where that one ended, for a moment", "[store]") {
  queue q;
  q.pass = 0us;
  q.add(100, 1, 1000);
  CHECK(q.claim(100).front() == 1);
  CHECK_FALSE(q.next_in);  // it has seen all
  q.add(50, 5000, 1);
  q.add(100, 0, 1);
  CHECK(q.claim(100).front() == 101);
  CHECK_FALSE(q.next_in);  // another one follows anyway

  SECTION("then at the front again") {
    q.now += claim_cursors::between_looks;
    CHECK(q.claim(3) == ids{5000, 0, 201});
    CHECK(q.cursors.start("q", q.now) == queue_position());
  }
  SECTION("and at once where there are too few") {
    CHECK(q.claim(900).size() == 800);
    CHECK(q.next_in == std::optional<visor::duration>(0));
    CHECK(q.claim(100) == ids{5000, 0});
  }
  SECTION("not after a few") {
    CHECK(q.claim(99).front() == 201);
    CHECK(q.claim(99).front() == 5000);
  }
}

TEST_CASE("many at a time from behind many that are gone: one in 50 ms begins at the front, until that has taken long four times",
          "[store]") {
  queue q;
  q.add(100, 1, 20000);
  while (q.gone.size() < 5000) q.claim(100);
  std::vector<visor::duration> rescans;
  for (int i = 0; i < 4000 && rescans.size() < 6; ++i) {  // long after there is no job left
    q.claim(100);
    if (q.last_took > 100ms) rescans.push_back(q.now - q.last_took);
    q.now += 10ms;
  }
  REQUIRE(rescans.size() == 6);
  CHECK(rescans[1] - rescans[0] < 1s);
  CHECK(rescans[5] - rescans[4] >= 20 * q.last_took);
}

TEST_CASE("behind many that are gone a claim begins where the last one ended", "[store]") {
  queue q;
  q.add(100, 1, 2000);
  for (int i = 0; i < 20; ++i) q.claim(50);
  CHECK(q.last_took < 20ms);  // 20 claims in this many milliseconds: none has rescanned
  CHECK(q.gone.size() == 1000);
  CHECK(q.claim(50).front() == 1001);
}

TEST_CASE("once in a second a claim begins at the front, and finds what is more urgent or came late", "[store]") {
  queue q;
  q.add(100, 1, 3000);
  while (q.gone.size() < 1000) q.claim(50);
  q.add(50, 5000, 1);
  q.add(100, 0, 1);
  CHECK(q.claim(3) == ids{1001, 1002, 1003});
  q.now += 1s;
  CHECK(q.claim(3) == ids{5000, 0, 1004});
  CHECK(q.claim(3) == ids{1005, 1006, 1007});
  CHECK(q.last_took < 5ms);
}

TEST_CASE("rescans take at most a twentieth of the time, and are a minute apart at most", "[store]") {
  queue q;
  q.pass = 100us;
  q.add(100, 1, 9000);
  while (q.gone.size() < 5000) q.claim(50);
  q.now += 1min;
  auto const before = q.gone.size();
  q.claim(50);
  auto const took = q.last_took;
  REQUIRE(took > before * 90us);
  q.now += 19 * took;
  q.claim(1);
  CHECK(q.last_took < 20ms);
  q.now += took;
  q.claim(1);
  CHECK(q.last_took > before * 90us);

  q.pass = 1ms;
  q.now += 1min;
  q.claim(1);
  REQUIRE(q.last_took > 4s);
  q.now += 58s;
  q.claim(1);
  CHECK(q.last_took < 20ms);
  q.now += 2s;
  q.claim(1);
  CHECK(q.last_took > 4s);
}

TEST_CASE("who found too few behind a cursor is told when to look again", "[store]") {
  queue q;
  q.add(100, 1, 1000);
  while (q.gone.size() < 1000) q.claim(50);
  auto const rescan = q.now;
  CHECK(q.claim(10).empty());
  REQUIRE(q.next_in);
  CHECK(*q.next_in <= 1s);
  q.add(50, 5000, 1);
  q.add(100, 2000, 1);
  CHECK(q.claim(10) == ids{2000});
  REQUIRE(q.next_in);
  q.now += *q.next_in;
  CHECK(q.claim(10) == ids{5000});
  CHECK_FALSE(q.next_in);  // it has seen all
  CHECK(q.now - rescan < 1500ms);
}

TEST_CASE("one of several claims rescans", "[store]") {
  queue q;
  q.add(100, 1, 2000);
  while (q.gone.size() < 1000) q.claim(50);
  q.now += 1s;
  CHECK(q.cursors.start("q", q.now) == queue_position());
  CHECK(q.cursors.start("q", q.now) == at(100, 1000));
}

TEST_CASE("a cursor is forgotten when the front is quick again, or it does not help", "[store]") {
  queue q;
  q.add(100, 1, 2000);
  while (q.gone.size() < 1000) q.claim(50);
  REQUIRE(q.cursors.start("q", q.now) == at(100, 1000));

  SECTION("the old transaction has ended") {
    q.gone.clear();
    q.claim(10);
    REQUIRE(q.cursors.start("q", q.now) == at(100, 1010));
    q.now += 1s;
    q.claim(10);
    CHECK(q.cursors.start("q", q.now) == queue_position());
  }
  SECTION("everything takes long") {
    q.base = 200ms;
    q.claim(10);
    CHECK(q.cursors.start("q", q.now) == queue_position());
    CHECK_FALSE(q.next_in);
    q.jobs.clear();
    q.claim(10);  // sets none: it found no job
    CHECK(q.cursors.start("q", q.now) == queue_position());
  }
  SECTION("and who has found too few behind it may look again at once") {
    q.base = 200ms;
    q.jobs.clear();
    q.add(50, 5000, 1);
    CHECK(q.claim(10).empty());
    CHECK(q.next_in == std::optional<visor::duration>(0));
    CHECK(q.claim(10) == ids{5000});
  }
}

TEST_CASE("the way to the server and back is not what claims take long for", "[store]") {
  queue q;
  q.base = 80ms;
  for (int i = 0; i < 3; ++i) {
    q.add(100, 1, 100);
    q.cursors.saw_round_trip(80ms + std::chrono::milliseconds(i));
    q.claim(10);
    CHECK(q.cursors.start("q", q.now) == queue_position());
  }
  // A server further away, and one that is nearer.
  q.base = 200ms;
  q.add(100, 1000, 100);
  for (int i = 0; i < 50; ++i) q.cursors.saw_round_trip(200ms);
  for (int i = 0; i < claim_cursors::enough; ++i) q.claim(10);
  CHECK(q.cursors.start("q", q.now) == queue_position());
  q.cursors.saw_round_trip(1ms);
  for (int i = 0; i < claim_cursors::enough; ++i) q.claim(10);
  CHECK(q.cursors.start("q", q.now) != queue_position());
}

TEST_CASE("queues have cursors of their own, and not more than a thousand have one", "[store]") {
  claim_cursors cursors;
  front_seen slow;
  slow.took = 1s;
  slow.count = 1;
  slow.is_full = true;
  for (int i = 0; i < 1100; ++i) {
    slow.last = at(100, i);
    for (int k = 0; k < claim_cursors::enough; ++k) cursors.saw("q" + std::to_string(i), slow, 0us);
  }
  CHECK(cursors.start("q0", 0us) == at(100, 0));
  CHECK(cursors.start("q999", 0us) == at(100, 999));
  CHECK(cursors.start("q1000", 0us) == queue_position());
}
