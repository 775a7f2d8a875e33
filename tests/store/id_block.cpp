#include "visor/store/id_block.hpp"

#include "support/catch.hpp"

#include <set>
#include <vector>

using namespace std::chrono_literals;
using visor::detail::id_block;

namespace {

/// The user of a block, and the database that the block comes from.
struct user {
  id_block block;
  visor::duration now{0};
  visor::job_id next = 1;
  std::vector<std::size_t> sizes;  ///< of what was reserved

  visor::job_id id() {
    if (auto const kept = block.take(now)) return *kept;
    sizes.push_back(block.wanted(now));
    visor::reserved_ids reserved;
    reserved.add(next, static_cast<std::int64_t>(sizes.back()));
    next += static_cast<visor::job_id>(sizes.back());
    return block.put(reserved, now);
  }
};

}  // namespace

TEST_CASE("ids come from blocks that double while they are used up within a second", "[store]") {
  user u;
  std::set<visor::job_id> seen;
  for (int i = 0; i < 3000; ++i) {
    CHECK(seen.insert(u.id()).second);
    u.now += 10us;
  }
  CHECK(u.sizes == std::vector<std::size_t>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024});
}

TEST_CASE("where jobs are rare, ids are reserved one by one, and none is old", "[store]") {
  user u;
  for (int i = 0; i < 5; ++i) {
    u.id();
    u.now += 1s;
  }
  CHECK(u.sizes == std::vector<std::size_t>{1, 1, 1, 1, 1});
  u.sizes.clear();
  for (int i = 0; i < 100; ++i) u.id();
  u.sizes.clear();
  u.now += 1s;
  auto const behind = u.next;
  CHECK(u.id() == behind);
  CHECK(u.sizes == std::vector<std::size_t>{37});  // of the last 64 so many were used
  u.now += 1h;
  u.id();
  CHECK(u.sizes.back() == 1);
}

TEST_CASE("what is used steadily is reserved about once in a second", "[store]") {
  user u;
  for (int i = 0; i < 60 * 600; ++i) {
    u.id();
    u.now += 1s / 600;
  }
  CHECK(u.sizes.size() < 150);
  CHECK(u.next < 60 * 600 * 2);
}
