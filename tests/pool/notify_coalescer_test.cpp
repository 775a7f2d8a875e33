#include "visor/pool/notify_coalescer.hpp"

#include "support/catch.hpp"

#include <chrono>

using namespace std::chrono_literals;
using visor::detail::notify_coalescer;

namespace {

/// An instant, from its distance to the first.
constexpr notify_coalescer::instant at(std::chrono::microseconds since) { return notify_coalescer::instant{since}; }

}  // namespace

TEST_CASE("the first of some commits notifies at once, those in the moment behind it leave a notification pending") {
  notify_coalescer coalescer;
  int calls = 0;
  coalescer.on_pending([&] { ++calls; });
  CHECK(coalescer.sends_now(at(0us)));
  CHECK_FALSE(coalescer.sends_now(at(1us)));
  CHECK_FALSE(coalescer.sends_now(at(notify_coalescer::interval - 1us)));
  CHECK(calls == 0);
  coalescer.mark_pending();
  coalescer.mark_pending();
  CHECK(calls == 1);
  CHECK(coalescer.take_pending(at(notify_coalescer::interval)));
  CHECK_FALSE(coalescer.take_pending(at(notify_coalescer::interval)));
  coalescer.mark_pending();
  CHECK(calls == 2);
}

TEST_CASE("a later commit notifies at once again") {
  notify_coalescer coalescer;
  CHECK(coalescer.sends_now(at(7s)));
  CHECK(coalescer.sends_now(at(7s + notify_coalescer::interval)));
  CHECK_FALSE(coalescer.sends_now(at(7s + notify_coalescer::interval + 1us)));
}

TEST_CASE("a pending notification that was sent counts as the last one") {
  notify_coalescer coalescer;
  CHECK(coalescer.sends_now(at(0s)));
  coalescer.mark_pending();
  CHECK(coalescer.take_pending(at(1s)));
  CHECK_FALSE(coalescer.sends_now(at(1s + 1us)));
  CHECK(coalescer.sends_now(at(1s + notify_coalescer::interval)));
}

TEST_CASE("without a pending notification nothing is sent") {
  notify_coalescer coalescer;
  CHECK_FALSE(coalescer.take_pending(at(1s)));
  CHECK(coalescer.sends_now(at(1s)));
}
