#include "support/catch.hpp"

#include "visor/async/clock.hpp"
#include "visor/async/manual_clock.hpp"

#include <boost/asio/io_context.hpp>

#include <string>

using namespace std::chrono_literals;
using visor::duration;
using visor::instant;
using visor::manual_clock;

namespace {

struct waiting {
  explicit waiting(manual_clock with) : clock(with) {}

  /// Every wait adds its letter, in upper case when it was cancelled.
  auto note(char letter) {
    return [this, letter](boost::system::error_code failure) { log += failure ? static_cast<char>(letter - 'a' + 'A') : letter; };
  }

  void pass(duration by) {
    clock.advance(by);
    settle();
  }

  void settle() {
    io.restart();
    io.poll();
  }

  manual_clock clock;
  boost::asio::io_context io{1};
  std::string log;
  manual_clock::timer one{io.get_executor(), clock};
  manual_clock::timer two{io.get_executor(), clock};
};

}  // namespace

TEST_CASE("a manual clock stands still until it is moved") {
  manual_clock const clock;
  CHECK(visor::to_string(clock.now()) == "2026-01-01T00:00:00Z");
  manual_clock copy = clock;
  copy.advance(90s);
  CHECK(visor::to_string(clock.now()) == "2026-01-01T00:01:30Z");
  CHECK(clock.elapsed() == 90s);
  CHECK(clock.until_next_wait() == std::nullopt);
}

TEST_CASE("waits end in the order of their instants, when those are reached") {
  waiting w{manual_clock{}};
  w.one.async_wait_for(2s, w.note('b'));
  w.two.async_wait_until(w.clock.now() + 1s, w.note('a'));
  w.settle();
  CHECK(w.log.empty());
  CHECK(w.clock.until_next_wait() == 1s);
  w.pass(999ms);
  CHECK(w.log.empty());
  w.pass(1ms);
  CHECK(w.log == "a");
  w.pass(1h);
  CHECK(w.log == "ab");
  w.one.async_wait_for(2s, w.note('d'));
  w.two.async_wait_for(1s, w.note('c'));
  w.pass(1h);
  CHECK(w.log == "abcd");
}

TEST_CASE("a wait for what has passed ends at once, but not before it has begun") {
  waiting w{manual_clock{}};
  w.one.async_wait_for(0s, w.note('a'));
  w.two.async_wait_until(instant::min(), w.note('b'));
  CHECK(w.log.empty());
  w.settle();
  CHECK(w.log == "ab");
}

TEST_CASE("a wait is cancelled by its timer, by a new wait, and by the end of its timer") {
  waiting w{manual_clock{}};
  w.one.async_wait_for(1s, w.note('a'));
  w.one.cancel();
  w.settle();
  CHECK(w.log == "A");
  w.one.async_wait_for(1s, w.note('b'));
  w.one.async_wait_for(2s, w.note('c'));
  w.settle();
  CHECK(w.log == "AB");
  {
    manual_clock::timer gone{w.io.get_executor(), w.clock};
    gone.async_wait_for(1s, w.note('d'));
  }
  w.settle();
  CHECK(w.log == "ABD");
  w.pass(2s);
  CHECK(w.log == "ABDc");
}

TEST_CASE("a step of the clock ends waits for an instant, and no others") {
  waiting w{manual_clock{}};
  auto const start = w.clock.now();
  w.one.async_wait_for(1h, w.note('a'));
  w.two.async_wait_until(start + 1h, w.note('b'));
  w.clock.step_to(start + 2h);
  w.settle();
  CHECK(w.log == "b");
  CHECK(w.clock.elapsed() == 0s);
  w.clock.step_to(start - 24h);
  w.pass(1h);
  CHECK(w.log == "ba");
}

TEST_CASE("the clock of the machine waits for instants of any distance without an overflow") {
  boost::asio::io_context io{1};
  visor::wall_clock const clock;
  visor::wall_clock::timer past{io.get_executor(), clock};
  visor::wall_clock::timer future{io.get_executor(), clock};
  bool ended = false;
  past.async_wait_until(instant::min(), [&](boost::system::error_code failure) {
    ended = !failure;
    future.cancel();
  });
  future.async_wait_until(instant::max(),
                          [](boost::system::error_code failure) { CHECK(failure == boost::asio::error::operation_aborted); });
  io.run();
  CHECK(ended);
}
