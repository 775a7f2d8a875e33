// next and previous must not allocate: every operator new of this program is counted.
#include "support.hpp"
#include "support/allocations.hpp"

#include "visor/cron/recurrence.hpp"
#include "visor/zone.hpp"

using namespace visor;
using visor_test::allocations;

TEST_CASE("the counter counts") {
  long const before = allocations;
  ::operator delete(::operator new(1));  // a new expression may be left out by the optimiser, this call may not
  CHECK(allocations > before);
}

TEST_CASE("next and previous do not allocate") {
  auto const berlin = zone("Europe/Berlin");
  instant const start = cron_test::at("2026-03-01T00:00:00Z");
  for (auto const* text : {"*/5 * * * *", "0 2 * * *", "30 2 * * *", "0 9 * * 1-5", "0 0 1 * *", "0 0 29 2 +1", "0 0 LW,15W,L-3 * 5L,1#2",
                           "0 0 0 1 1 * 2005", "@every 90s"}) {
    auto const when = recurrence::parse(text);
    for (auto const& where : {berlin, time_zone::utc()}) {
      bool found = false;
      long const before = allocations;
      instant from = start;
      for (int i = 0; i < 300; ++i) {
        auto const following = when.next(where, from);
        found = found || following || when.previous(where, from);
        from = following.value_or(start);
      }
      long const after = allocations;
      CAPTURE(text);
      CHECK(found);
      CHECK(after == before);
    }
  }
}

TEST_CASE("a zone that was asked for before is found without allocating") {
  auto const first = zone("Europe/Berlin");
  auto const copy = first;
  CHECK(copy == first);
  instant const when = cron_test::at("2026-06-01T00:00:00Z");
  long const before = allocations;
  auto const span = copy.at(when);
  auto const local = copy.at(std::chrono::local_seconds{std::chrono::seconds{1'780'000'000}});
  long const after = allocations;
  CHECK(span.offset == std::chrono::hours{2});
  CHECK(local.what == local_lookup::kind::unique);
  CHECK(after == before);
}
