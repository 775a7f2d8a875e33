#include "visor/store/sql/fast_path.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <vector>

// Knowledge of its leases that a process needs before it takes the fast path of writing results.
namespace {

using visor::detail::lease_cache;
using visor::detail::open_lease;

constexpr visor::lease_id lease = 7;

visor::job_result result(visor::job_id job, int attempt = 1) {
  visor::job_result done;
  done.lease = lease;
  done.job = job;
  done.attempt = attempt;
  return done;
}

open_lease const both(4, {{1, 1, true}, {2, 3, true}});

bool is_on_fast_path(lease_cache const& cache, std::vector<visor::job_result> const& done) {
  visor::node_lease const me("a", 5, visor::instant{});  // it kept the lease when it went on under another epoch
  auto const found = visor::detail::plan(cache, me, done);
  if (found) CHECK(std::ranges::count(found->attempts, 4, &visor::statements::attempt_row::epoch) == std::ssize(done));
  return found.has_value();
}

}  // namespace

TEST_CASE("a result takes the fast path if its job is known to be open in its lease with that attempt", "[store]") {
  lease_cache cache;
  CHECK(is_on_fast_path(cache, {}));
  CHECK_FALSE(is_on_fast_path(cache, {result(1)}));
  cache.put(lease, both);
  CHECK(is_on_fast_path(cache, {result(1)}));
  CHECK(is_on_fast_path(cache, {result(2, 3), result(1)}));
  CHECK_FALSE(is_on_fast_path(cache, {result(2)}));
  CHECK_FALSE(is_on_fast_path(cache, {result(3)}));
  CHECK_FALSE(is_on_fast_path(cache, {result(1), result(1)}));
  auto retried = result(1);
  retried.retry_after = visor::duration{0};
  CHECK_FALSE(is_on_fast_path(cache, {retried}));
  auto parent = result(1);
  parent.children.emplace_back();
  CHECK_FALSE(is_on_fast_path(cache, {parent}));
}

TEST_CASE("whether the last result ends a lease is certain only if all of them come together", "[store]") {
  lease_cache cache;
  auto rest = both;
  rest.end(*rest.find(1));
  cache.put(lease, rest);
  CHECK_FALSE(is_on_fast_path(cache, {result(2, 3)}));
  cache.put(lease, both);
  CHECK(is_on_fast_path(cache, {result(1), result(2, 3)}));
}

TEST_CASE("what was looked up is taken only if it is what is known still", "[store]") {
  lease_cache cache;
  cache.put(lease, both);
  auto const seen = cache.look(lease);
  REQUIRE(seen);
  SECTION("nobody was there") { CHECK(cache.take(lease, seen->number)); }
  SECTION("somebody has taken it") {
    REQUIRE(cache.take(lease));
    CHECK_FALSE(cache.take(lease, seen->number));
  }
  SECTION("somebody has taken it, and put it back") {
    cache.put(lease, *cache.take(lease));
    CHECK_FALSE(cache.take(lease, seen->number));
    CHECK(cache.look(lease));
  }
  SECTION("all was forgotten") {
    cache.clear();
    CHECK_FALSE(cache.take(lease, seen->number));
  }
}
