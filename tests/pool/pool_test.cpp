#include "mock.hpp"
#include "support/catch.hpp"
#include "support/time.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <functional>
#include <future>
#include <list>
#include <random>
#include <source_location>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using namespace pool_test;
using visor::connection_state;
using visor::errc;
using visor::pool_settings;
namespace asio = boost::asio;

namespace {

using clock_type = visor::manual_clock;
using pool_type = visor::pool<mock_connector<clock_type>, clock_type>;

// A handle cannot be copied, so no connection can be given back twice.
static_assert(!std::is_copy_constructible_v<pool_type::handle> && !std::is_copy_assignable_v<pool_type::handle>);
static_assert(std::is_nothrow_move_constructible_v<pool_type::handle> && std::is_nothrow_move_assignable_v<pool_type::handle>);

errc code_of(std::exception_ptr const& failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (visor::error const& thrown) {
    return thrown.portable_code();
  } catch (std::exception const&) {
  }
  return errc::internal;
}

/// A caller that acquires a connection, and the result.
struct caller {
  pool_type::handle held;
  std::exception_ptr failure;
  bool answered = false;
  asio::cancellation_signal cancel;

  std::string message() const {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (std::exception const& thrown) {
      return thrown.what();
    }
    return {};
  }
  errc code() const { return code_of(failure); }
};

/// A pool of a mock server with a clock that the test moves.
struct pool_fixture {
  explicit pool_fixture(pool_settings settings = {}) {
    pool.emplace(
        io.get_executor(), settings, mock_connector<clock_type>{server}, clock,
        [this](visor::log_level, std::string_view line) {
          lines.emplace_back(line);
          if (when_told) when_told();
        },
        1);
    settle();
  }
  ~pool_fixture() {
    pool.reset();
    settle();
    for (auto& each : callers) each.held.release();
    pass(1min);
    CHECK(server->overlaps == 0);
  }

  std::list<caller> callers;  // outlives what runs for them
  asio::io_context io{1};
  clock_type clock;
  std::shared_ptr<mock_server<clock_type>> server = std::make_shared<mock_server<clock_type>>(io.get_executor(), clock);
  std::vector<std::string> lines;
  std::function<void()> when_told;  // a line
  std::optional<pool_type> pool;

  void settle() { visor_test::settle(io); }
  void pass(duration length) { visor_test::pass(io, clock, length); }

  caller& acquire(bool fail_fast = false, std::source_location where = std::source_location::current()) {
    auto& one = callers.emplace_back();
    auto const get = [](pool_type& from, caller& into, bool in_a_hurry, std::source_location at) -> visor::task<> {
      if (in_a_hurry)
        into.held = co_await from.acquire_or_fail(at);
      else
        into.held = co_await from.acquire(at);
    };
    asio::co_spawn(io, get(*pool, one, fail_fast, where),
                   asio::bind_cancellation_slot(one.cancel.slot(), [&one](std::exception_ptr thrown) {
                     one.failure = std::move(thrown);
                     one.answered = true;
                   }));
    settle();
    return one;
  }

  bool logged(std::string const& text) const {
    return std::any_of(lines.begin(), lines.end(), [&](auto const& line) { return line.find(text) != std::string::npos; });
  }
};

pool_settings with(int max, int min = 0) {
  pool_settings settings;
  settings.max = max;
  settings.min = min;
  return settings;
}

}  // namespace

TEST_CASE("a pool makes a connection for whoever asks, and gives it to the next") {
  pool_fixture s;
  CHECK(s.server->connects == 0);
  CHECK_FALSE(s.pool->try_acquire());
  auto& first = s.acquire();
  REQUIRE(first.held);
  CHECK(first.held->number == 1);
  first.held.release();
  auto at_once = s.pool->try_acquire();
  REQUIRE(at_once);
  CHECK(at_once->number == 1);
  CHECK(s.server->connects == 1);
}

TEST_CASE("min connections are made ahead") {
  pool_fixture s(with(5, 3));
  CHECK(s.server->open == 3);
  CHECK(s.pool->statistics().idle == 3);
}

TEST_CASE("a handle gives back once, whatever is done with it") {
  pool_fixture s;
  auto& one = s.acquire();
  auto moved = std::move(one.held);
  CHECK_FALSE(one.held);
  one.held.release();
  CHECK(s.pool->statistics().in_use == 1);
  moved.release();
  moved.release();
  CHECK(s.pool->statistics().in_use == 0);
  CHECK(s.pool->statistics().idle == 1);
  auto again = s.pool->try_acquire();
  auto& other = s.acquire();
  again = std::move(other.held);  // gives the first one back
  CHECK(s.pool->statistics().in_use == 1);
}

TEST_CASE("who gets none in time learns what all connections are doing and why the last connect failed") {
  auto settings = with(1);
  pool_fixture s(settings);
  auto& holder = s.acquire();
  s.pass(2s);
  auto& one = s.acquire();
  s.pass(4s);
  CHECK_FALSE(one.answered);
  s.pass(1s);
  REQUIRE(one.answered);
  CHECK(one.code() == errc::timeout);
  CHECK_THAT(one.message(),
             visor_test::Contains("no connection to the mock at localhost:1 within 5s (pool.acquire_timeout, DB_CONNECTION_TIMEOUT_MS): "
                                  "1 of 1 connections are in use, 0 idle, 0 being made, 0 callers wait"));
  CHECK_THAT(one.message(), visor_test::Contains("the oldest is held for 7s by "));
  CHECK_THAT(one.message(), visor_test::Contains("pool_test.cpp:"));
  CHECK_THAT(one.message(), visor_test::Contains("raise pool.max (DB_POOL_MAX)"));
  holder.held.release();

  s.server->is_dead = true;
  s.pool->evict_all();
  s.server->refuses = visor::error(errc::connection_failed, "connection refused by localhost:1: does the server run?");
  auto& other = s.acquire();
  s.pass(6s);
  CHECK(other.code() == errc::timeout);
  CHECK_THAT(other.message(), visor_test::Contains("the last connect failed: connection refused by localhost:1"));
}

TEST_CASE("more than max_waiting callers are turned away at once") {
  auto settings = with(1);
  settings.max_waiting = 2;
  pool_fixture s(settings);
  auto& holder = s.acquire();
  s.acquire();
  s.acquire();
  auto& one = s.acquire();
  REQUIRE(one.answered);
  CHECK(one.code() == errc::busy);
  CHECK_THAT(one.message(), visor_test::Contains("2 callers wait for one already (pool.max_waiting)"));
  CHECK(s.pool->statistics().rejected == 1);
  holder.held.release();
}

TEST_CASE("a caller who gives up while a connection is made leaves it to the next") {
  pool_fixture s;
  s.server->connecting_takes = 1s;
  auto& one = s.acquire();
  one.cancel.emit(asio::cancellation_type::terminal);
  s.settle();
  CHECK(one.answered);
  CHECK_FALSE(one.held);
  s.pass(1s);
  CHECK(s.pool->statistics().idle == 1);
  CHECK(s.pool->statistics().in_use == 0);
}

TEST_CASE("giving up while the connection is on its way loses nothing") {
  pool_fixture s(with(1));
  auto& holder = s.acquire();
  auto& one = s.acquire();
  holder.held.release();  // it is on its way
  CHECK(s.pool->statistics().in_use == 1);
  one.cancel.emit(asio::cancellation_type::terminal);
  s.settle();
  CHECK(one.answered);
  one.held.release();
  CHECK(s.pool->statistics().in_use == 0);
  CHECK(s.pool->statistics().idle == 1);
}

TEST_CASE("a time that is over when a connection comes back has one end, whichever is first") {
  pool_fixture s(with(1));
  auto& holder = s.acquire();
  auto& one = s.acquire();
  s.clock.advance(5s);  // the pool has not looked yet
  SECTION("the connection") {
    holder.held.release();
    s.settle();
    REQUIRE(one.held);
    CHECK(s.pool->statistics().timed_out == 0);
    CHECK(s.pool->statistics().in_use == 1);
    one.held.release();
  }
  SECTION("the end of the time") {
    s.settle();
    CHECK(one.code() == errc::timeout);
    CHECK_FALSE(one.held);
    holder.held.release();
  }
  CHECK(s.pool->statistics().idle == 1);
  CHECK(s.pool->statistics().in_use == 0);
}

TEST_CASE("what is given back in the middle of a query is never given to another") {
  pool_fixture s(with(1));
  auto const use = [](pool_type& from) -> visor::task<> {
    auto const held = co_await from.acquire();
    co_await held->work(1h);
  };
  asio::cancellation_signal cancel;
  bool ended = false;
  asio::co_spawn(s.io, use(*s.pool), asio::bind_cancellation_slot(cancel.slot(), [&ended](std::exception_ptr) { ended = true; }));
  s.pass(1s);
  auto& next = s.acquire();
  CHECK_FALSE(next.answered);
  cancel.emit(asio::cancellation_type::terminal);
  s.settle();
  REQUIRE(ended);
  REQUIRE(next.held);
  CHECK(next.held->number == 2);
  CHECK(s.server->goodbyes == 0);
  CHECK(s.server->most_open == 1);
}

TEST_CASE("a handle may outlive its pool") {
  pool_fixture s;
  auto& one = s.acquire();
  auto& other = s.acquire();
  CHECK(s.server->open == 2);
  other.held.release();
  s.pool.reset();
  s.settle();
  CHECK(s.server->open == 1);
  CHECK(one.held->number == 1);
  one.held.release();
  s.settle();
  CHECK(s.server->open == 0);
}

TEST_CASE("who holds a connection for long is named, and again when it comes back") {
  auto settings = with(2);
  settings.leak_threshold = 10s;
  pool_fixture s(settings);
  auto const where = std::source_location::current();
  std::string_view const file = where.file_name();
  std::string const here = std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(where.line());
  auto& one = s.acquire(false, where);
  s.pass(9s);
  CHECK_FALSE(s.logged("leak_threshold"));
  s.pass(2s);
  CHECK(s.logged("a connection to the mock at localhost:1 is held for 10s by " + here + ", longer than pool.leak_threshold"));
  CHECK_FALSE(s.logged("came back"));
  one.held.release();
  CHECK(s.logged("a connection to the mock at localhost:1 came back that " + here + " had for long"));
}

TEST_CASE("what was idle for long is asked first, with a time of its own") {
  auto settings = with(2);
  settings.validation_window = 1s;
  pool_fixture s(settings);
  auto& first = s.acquire();
  first.held.release();
  s.pass(2s);
  SECTION("it answers") {
    auto& one = s.acquire();
    CHECK(one.held->number == 1);
    CHECK(s.server->asks == 1);
  }
  SECTION("it is dead") {
    s.server->is_dead = true;
    auto& one = s.acquire();
    CHECK(one.held->number == 2);
  }
  SECTION("it says nothing") {
    s.server->asking_takes = 1h;
    auto& one = s.acquire();
    s.pass(1s);
    CHECK_FALSE(one.answered);
    s.pass(1s);
    REQUIRE(one.answered);
    CHECK(one.held->number == 2);
  }
  SECTION("it says nothing, and its successor comes too late") {
    s.server->asking_takes = s.server->connecting_takes = 1h;
    auto& one = s.acquire();
    s.pass(4999ms);
    CHECK_FALSE(one.answered);
    CHECK(s.server->connects == 2);
    s.pass(1ms);
    CHECK(one.code() == errc::timeout);
  }
}

TEST_CASE("a changed session is reset, within a time; a broken connection never comes back") {
  pool_fixture s(with(1));
  auto& first = s.acquire();
  first.held->is = connection_state::dirty;
  SECTION("in time") {
    first.held.release();
    auto& one = s.acquire();
    CHECK(s.server->resets == 1);
    CHECK(one.held->number == 1);
    CHECK(one.held->is == connection_state::clean);
  }
  SECTION("too late") {
    s.server->resetting_takes = 1h;
    first.held.release();
    s.pass(2s);
    auto& one = s.acquire();
    CHECK(one.held->number == 2);
    CHECK(s.server->goodbyes == 0);
  }
  SECTION("broken") {
    first.held->is = connection_state::broken;
    first.held.release();
    auto& one = s.acquire();
    CHECK(one.held->number == 2);
    CHECK(s.server->goodbyes == 0);
    CHECK(s.server->most_open == 1);
  }
}

TEST_CASE("a wrong password is told at once and not tried again and again") {
  pool_fixture s;
  s.server->refuses = visor::error(errc::authentication_failed, "wrong password for the user visor");
  auto& one = s.acquire();
  REQUIRE(one.answered);
  CHECK(one.code() == errc::authentication_failed);
  CHECK(one.message() == "wrong password for the user visor");
  for (int i = 0; i < 10; ++i) CHECK(s.acquire().code() == errc::authentication_failed);
  CHECK(s.server->connects == 1);
  s.server->refuses.reset();
  s.pool->evict_all();  // there is a new password
  CHECK(s.acquire().held);
}

TEST_CASE("a start fails at once with what is wrong, while others wait for the server") {
  pool_fixture s;
  s.server->refuses = visor::error(errc::connection_failed, "connection refused");
  auto& patient = s.acquire();
  auto& starting = s.acquire(true);
  s.pass(100ms);
  CHECK(starting.code() == errc::connection_failed);
  CHECK_FALSE(patient.answered);
  s.server->refuses.reset();
  s.pass(2s);
  CHECK(patient.held);
}

TEST_CASE("connecting has a time of its own") {
  auto settings = with(1);
  settings.connect_timeout = 1s;
  pool_fixture s(settings);
  s.server->connecting_takes = 1h;
  auto& one = s.acquire(true);
  s.pass(1s);
  CHECK(one.code() == errc::connection_failed);
  CHECK_THAT(one.message(), visor_test::Contains("did not answer within 1s (pool.connect_timeout)"));
}

TEST_CASE("a step of the system clock changes nothing") {
  auto settings = with(2);
  settings.keepalive = 0s;
  pool_fixture s(settings);
  auto& one = s.acquire();
  one.held.release();
  s.clock.step_to(s.clock.now() + 24h * 365);
  s.settle();
  CHECK(s.pool->statistics().idle == 1);
  s.clock.step_to(s.clock.now() - 24h * 730);
  s.pass(29s);
  CHECK(s.pool->statistics().idle == 1);
  s.pass(1s);
  CHECK(s.pool->statistics().idle == 0);
}

TEST_CASE("a suspended pool keeps callers waiting until it is resumed") {
  pool_fixture s(with(2));
  s.pool->suspend();
  auto& one = s.acquire();
  s.pass(1h);
  CHECK_FALSE(one.answered);
  s.pool->resume();
  s.settle();
  CHECK(one.held);
}

TEST_CASE("the end waits for what is in use, and closes everything") {
  pool_fixture s(with(3));
  auto& held = s.acquire();
  s.acquire().held.release();
  auto const closing = [](pool_type& of, std::optional<bool>& in_time) -> visor::task<> { in_time = co_await of.close(30s); };
  std::optional<bool> in_time;
  std::optional<bool> second_in_time;
  asio::co_spawn(s.io, closing(*s.pool, in_time), asio::detached);
  asio::co_spawn(s.io, closing(*s.pool, second_in_time), asio::detached);
  s.pass(10s);
  CHECK_FALSE(in_time);
  CHECK(s.server->open == 1);
  CHECK(s.acquire().code() == errc::closed);
  SECTION("it comes back") {
    held.held.release();
    s.settle();
    CHECK(in_time == true);
    CHECK(second_in_time == true);
    CHECK(s.server->interrupts == 0);
  }
  SECTION("it does not") {
    s.pass(20s);
    CHECK(s.server->interrupts >= 1);
    CHECK_FALSE(in_time);
    held.held.release();
    s.settle();
    CHECK(in_time == false);
  }
  CHECK(s.server->open == 0);
  CHECK(s.pool->statistics().total == 0);
  CHECK_FALSE(s.clock.until_next_wait());
  CHECK(s.io.stopped());  // nothing is left that could run
  std::optional<bool> third;
  asio::co_spawn(s.io, closing(*s.pool, third), asio::detached);
  s.settle();
  CHECK(third == true);
}

TEST_CASE("the end gives up connecting, or waits no longer than that takes") {
  pool_fixture s(with(2));
  s.server->connecting_takes = 4s;
  s.server->is_stubborn = GENERATE(false, true);
  bool const is_refused = GENERATE(false, true);
  if (is_refused) s.server->refuses = visor::error(errc::connection_failed, "connection refused");
  auto& one = s.acquire();
  s.pass(1s);
  auto const closing = [](pool_type& of, std::optional<bool>& in_time) -> visor::task<> { in_time = co_await of.close(1h); };
  std::optional<bool> in_time;
  asio::co_spawn(s.io, closing(*s.pool, in_time), asio::detached);
  s.settle();
  CHECK(one.code() == errc::closed);
  CHECK(in_time.has_value() != s.server->is_stubborn);
  s.pass(3s);
  CHECK(in_time == true);
  CHECK(s.server->open == 0);
  CHECK(s.lines.empty());
}

TEST_CASE("who waits when the pool ends is told") {
  pool_fixture s(with(1));
  auto& held = s.acquire();
  auto& one = s.acquire();
  s.pool.reset();
  s.settle();
  CHECK(one.code() == errc::closed);
  held.held.release();
}

TEST_CASE("of those who lose their connections, the first has the others replaced, and nobody what came since") {
  pool_fixture s(with(4));
  std::vector<caller*> callers;
  for (int i = 0; i < 3; ++i) callers.push_back(&s.acquire());
  s.acquire().held.release();
  for (auto* each : callers) {
    each->held->is = connection_state::broken;
    each->held.evict_all();
    each->held.release();
    s.settle();
    auto& next = s.acquire();
    CHECK(next.held->number == 5);
    next.held.release();
  }
  CHECK(s.server->connects == 5);
  CHECK(s.server->open == 1);
}

TEST_CASE("a server that restarts is met with few connects, and every caller is served") {
  auto settings = with(8, 8);
  settings.validation_window = 0s;
  settings.max_connecting = 2;
  pool_fixture s(settings);
  REQUIRE(s.server->open == 8);
  s.pass(1s);
  s.server->most_connecting = 0;
  s.server->is_dead = true;
  s.server->refuses = visor::error(errc::connection_failed, "connection refused");
  s.server->connects = 0;
  std::vector<caller*> callers;
  for (int i = 0; i < 8; ++i) callers.push_back(&s.acquire());
  s.pass(3s);
  CHECK(s.server->connects < 40);  // few, in three seconds
  CHECK(s.server->most_connecting == 1);
  s.server->is_dead = false;
  s.server->refuses.reset();
  s.server->connecting_takes = 10ms;
  s.pass(2s);
  for (auto* each : callers) CHECK(each->held);
  CHECK(s.server->most_connecting == 2);
}

TEST_CASE("what is told is told outside of the lock") {
  auto settings = with(1);
  settings.log_connections = true;
  settings.leak_threshold = 10s;
  pool_fixture s(settings);
  std::list<std::future<void>> looks;
  int told = 0, locked_out = 0;
  s.when_told = [&] {
    ++told;
    looks.push_back(std::async(std::launch::async, [&s] { s.pool->statistics(); }));
    if (looks.back().wait_for(20s) != std::future_status::ready) ++locked_out;
  };
  auto& one = s.acquire();
  CHECK(s.logged("made a connection"));
  s.pass(10s);
  CHECK(s.logged("is held for 10s"));
  one.held->is = connection_state::broken;
  one.held.release();
  CHECK(s.logged("came back"));
  s.server->refuses = visor::error(errc::connection_failed, "connection refused");
  s.acquire(true);
  CHECK(s.logged("closed a connection (broken)"));
  CHECK(s.logged("cannot connect"));
  CHECK(told == 5);
  CHECK(locked_out == 0);
  s.when_told = nullptr;
}

TEST_CASE("threads that take, keep, break and give up at random leave nothing behind") {
  using real_clock = visor::wall_clock;
  using real_pool = visor::pool<mock_connector<real_clock>, real_clock>;
  bool const closes_early = GENERATE(false, true);
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  asio::io_context own;
  auto work = asio::make_work_guard(own);
  std::thread runner([&] { own.run(); });
  auto const server = std::make_shared<mock_server<real_clock>>(own.get_executor(), real_clock());
  auto settings = with(4);
  settings.validation_window = 0s;
  settings.connect_backoff = 1ms;
  std::atomic<int> served{0}, told_of_the_end{0};
  {
    real_pool pool(own.get_executor(), settings, mock_connector<real_clock>{server});
    auto const busy = [&pool, &served, &told_of_the_end](unsigned which) {
      std::minstd_rand random(which);
      asio::io_context io{1};
      for (int i = 0; i < 300; ++i) {
        asio::cancellation_signal cancel;
        auto const one = [](real_pool& from, std::minstd_rand& dice, std::atomic<int>& count) -> visor::task<> {
          auto held = co_await from.acquire();
          ++count;
          if (dice() % 10 == 0) held->is = connection_state::broken;
          if (dice() % 10 == 1) held->is = connection_state::dirty;
          if (dice() % 3 == 0) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
        };
        bool ended = false;
        io.restart();
        asio::co_spawn(io, one(pool, random, served), asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr thrown) {
                         ended = true;
                         if (code_of(thrown) == errc::closed) ++told_of_the_end;
                       }));
        // On the executor, behind the first step: co_spawn of Boost 1.81 to 1.83 does not bear it otherwise.
        if (random() % 4 == 0)
          asio::post(io, [&] {
            if (!ended) cancel.emit(asio::cancellation_type::terminal);
          });
        while (!ended && io.run_one() != 0) {
        }
        io.run();
      }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; ++i) threads.emplace_back(busy, seed + i);
    auto const close = [&pool] {
      asio::io_context io{1};
      auto ended = asio::co_spawn(io, pool.close(10s), asio::use_future);
      io.run();
      CHECK(ended.get());
    };
    if (closes_early) {
      while (served < 100) std::this_thread::yield();
      close();
      CHECK(pool.statistics().total == 0);
    }
    for (auto& each : threads) each.join();
    CHECK(pool.statistics().in_use == 0);
    CHECK(pool.statistics().waiting == 0);
    close();
  }
  work.reset();
  runner.join();
  CHECK(server->open == 0);
  CHECK(server->most_open <= 4);
  CHECK(server->overlaps == 0);
  CHECK(served > (closes_early ? 99 : 600));
  CHECK((told_of_the_end > 0) == closes_early);
}
