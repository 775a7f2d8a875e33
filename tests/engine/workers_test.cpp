#include "support/catch.hpp"
#include "support/time.hpp"

#include "visor/async/manual_clock.hpp"
#include "visor/engine/workers.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using visor::job_context;

namespace {

/// Workers on a context, and what became of their jobs.
template <class Clock>
struct crew {
  using job_ptr = typename visor::detail::workers<Clock>::job_ptr;

  explicit crew(boost::asio::any_io_executor on, Clock clock = Clock())
      : all(std::make_shared<visor::detail::workers<Clock>>(std::move(on), clock, [this] { ++told; })) {}

  job_ptr add(visor::handler code) {
    visor::claimed_job job;
    job.id = ++last;
    auto type = std::make_shared<visor::job_type const>("test", std::move(code));
    auto made = std::make_shared<visor::detail::running_job<Clock>>(std::move(job), std::make_shared<std::string const>("node"),
                                                                    visor::node_lease("node", 1, {}), 1, std::move(type),
                                                                    job_context::default_output_limit);
    all->run(made);
    return made;
  }

  /// The ids of those that ended since the last call.
  std::vector<visor::job_id> ended() {
    std::vector<visor::job_id> ids;
    for (auto const& job : all->take_ended()) ids.push_back(job->context.id());
    return ids;
  }

  std::atomic<int> told{0};
  std::shared_ptr<visor::detail::workers<Clock>> all;
  visor::job_id last = 0;
};

std::string message_of(std::exception_ptr const& thrown) {
  if (!thrown) return {};
  try {
    std::rethrow_exception(thrown);
  } catch (std::exception const& failure) {
    return failure.what();
  }
}

visor::task<> return_at_once(job_context&) { co_return; }

visor::task<> wait_a_day(job_context& job) {
  boost::asio::steady_timer timer(job.executor(), 24h);
  auto waiting = timer.async_wait(boost::asio::use_awaitable);
  co_await std::move(waiting);
}

}  // namespace

TEST_CASE("workers run jobs in the order of their claim, and tell of their ends once") {
  boost::asio::io_context io;
  crew<visor::manual_clock> crew(io.get_executor());
  std::vector<visor::job_id> ran;
  for (int i = 0; i < 5; ++i)
    crew.add([&](job_context& job) -> visor::task<> {
      ran.push_back(job.id());
      co_return;
    });
  CHECK(crew.told == 0);
  visor_test::settle(io);
  CHECK(ran == std::vector<visor::job_id>{1, 2, 3, 4, 5});
  CHECK(crew.told == 1);
  CHECK(crew.ended() == std::vector<visor::job_id>{1, 2, 3, 4, 5});
  crew.add(&return_at_once);
  visor_test::settle(io);
  CHECK(crew.told == 2);
  CHECK(crew.ended() == std::vector<visor::job_id>{6});
}

TEST_CASE("a handler that waits keeps none back") {
  boost::asio::io_context io;
  crew<visor::wall_clock> crew(io.get_executor());
  auto const slow = crew.add(&wait_a_day);
  for (int i = 0; i < 3; ++i) crew.add(&return_at_once);
  visor_test::settle(io);
  CHECK(crew.ended() == std::vector<visor::job_id>{2, 3, 4});
  crew.all->interrupt(slow);
  visor_test::settle(io);
  CHECK(crew.ended() == std::vector<visor::job_id>{1});
}

TEST_CASE("a handler that keeps its thread does not keep those of others") {
  boost::asio::thread_pool threads(2);
  crew<visor::wall_clock> crew(threads.get_executor());
  std::latch second{1};
  crew.add([&](job_context&) -> visor::task<> {
    second.wait();  // by another thread, or for ever
    co_return;
  });
  crew.add([&](job_context&) -> visor::task<> {
    second.count_down();
    co_return;
  });
  threads.join();
  CHECK(crew.ended().size() == 2);
}

TEST_CASE("many jobs on many threads run once each") {
  constexpr int count = 20'000;
  boost::asio::thread_pool threads(4);
  crew<visor::wall_clock> crew(threads.get_executor());
  std::vector<std::atomic<int>> runs(count + 1);
  for (int i = 0; i < count; ++i)
    crew.add([&](job_context& job) -> visor::task<> {
      ++runs[static_cast<std::size_t>(job.id())];
      if (job.id() % 7 == 0) {
        auto elsewhere = boost::asio::post(job.executor(), boost::asio::use_awaitable);
        co_await std::move(elsewhere);
      }
    });
  threads.join();
  CHECK(crew.ended().size() == count);
  for (int i = 1; i <= count; ++i) REQUIRE(runs[static_cast<std::size_t>(i)] == 1);
}

TEST_CASE("what is done to a handler is not done to the next one of its worker") {
  boost::asio::io_context io;
  crew<visor::wall_clock> crew(io.get_executor());
  std::shared_ptr<visor::detail::running_job<visor::wall_clock>> first;
  bool waited = false;
  auto const second = [&](job_context& job) -> visor::task<> {
    crew.all->interrupt(first);  // too late
    auto elsewhere = boost::asio::post(job.executor(), boost::asio::use_awaitable);
    co_await std::move(elsewhere);
    waited = true;
  };
  first = crew.add([&](job_context& job) -> visor::task<> {
    auto waiting = wait_a_day(job);
    try {
      co_await std::move(waiting);
    } catch (...) {
      crew.add(second);  // which its own worker takes, since no other one is there yet
      throw;
    }
  });
  visor_test::settle(io);
  crew.all->interrupt(first);
  visor_test::settle(io);
  CHECK(waited);
  CHECK(first->failure);
  CHECK(crew.ended() == std::vector<visor::job_id>{1, 2});
}

TEST_CASE("what a handler does to its coroutine ends with it") {
  boost::asio::io_context io;
  crew<visor::wall_clock> crew(io.get_executor());
  crew.add([](job_context&) -> visor::task<> {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
  });
  bool went_on = false;
  auto const second = crew.add([&](job_context& job) -> visor::task<> {
    auto waiting = wait_a_day(job);
    co_await std::move(waiting);
    went_on = true;
  });
  visor_test::settle(io);
  crew.all->interrupt(second);
  visor_test::settle(io);
  CHECK(crew.ended() == std::vector<visor::job_id>{1, 2});
  CHECK(second->failure);
  CHECK_FALSE(went_on);
}

TEST_CASE("a job that is told to stop before its turn is not begun") {
  boost::asio::io_context io;
  crew<visor::wall_clock> crew(io.get_executor());
  bool called = false;
  auto const job = crew.add([&](job_context&) -> visor::task<> {
    called = true;
    co_return;
  });
  CHECK_FALSE(crew.all->started(job));
  CHECK(job->context.request_stop(visor::stop_reason::cancelled));
  crew.all->interrupt(job);
  visor_test::settle(io);
  CHECK_FALSE(called);
  CHECK(job->failure);
  CHECK(crew.ended() == std::vector<visor::job_id>{1});
}

TEST_CASE("what throws has failed, and the worker goes on") {
  boost::asio::io_context io;
  crew<visor::manual_clock> crew(io.get_executor());
  auto const bad = crew.add([](job_context&) -> visor::task<> {
    throw std::runtime_error("no");
    co_return;
  });
  auto const worse = crew.add([](job_context&) -> visor::task<> { throw std::runtime_error("not even a coroutine"); });
  auto const good = crew.add(&return_at_once);
  visor_test::settle(io);
  CHECK(message_of(bad->failure) == "no");
  CHECK(message_of(worse->failure) == "not even a coroutine");
  CHECK_FALSE(good->failure);
}

TEST_CASE("a worker does not keep a thread for long") {
  boost::asio::io_context io;
  visor::manual_clock clock;
  crew<visor::manual_clock> crew(io.get_executor(), clock);
  std::string order;
  for (int i = 0; i < 12; ++i)
    crew.add([&](job_context&) -> visor::task<> {
      order += 'j';
      clock.advance(600us);
      if (order == "j") boost::asio::post(io, [&] { order += 'o'; });
      co_return;
    });
  visor_test::settle(io);
  CHECK(order.size() == 13);
  CHECK(order.find('o') < 6);
}

TEST_CASE("the times of a job are those of its handler") {
  boost::asio::io_context io;
  visor::manual_clock clock;
  crew<visor::manual_clock> crew(io.get_executor(), clock);
  auto const begin = clock.now();
  auto const first = crew.add([&](job_context&) -> visor::task<> {
    clock.advance(3ms);
    co_return;
  });
  auto const second = crew.add([&](job_context&) -> visor::task<> {
    clock.advance(5ms);
    clock.step_to(begin);
    co_return;
  });
  visor_test::settle(io);
  CHECK(first->started_at == begin);
  CHECK(first->finished_at == begin + 3ms);
  CHECK(second->started_at == begin + 3ms);
  CHECK(second->took == 5ms);  // whatever was done to the clock
}

TEST_CASE("closed workers begin with nothing, and what runs ends by itself") {
  boost::asio::io_context io;
  crew<visor::wall_clock> crew(io.get_executor());
  auto const slow = crew.add(&wait_a_day);
  visor_test::settle(io);
  bool called = false;
  crew.add([&](job_context&) -> visor::task<> {
    called = true;
    co_return;
  });
  crew.all->close();
  crew.all->interrupt(slow);
  auto const gone = std::weak_ptr(crew.all);
  crew.all.reset();
  visor_test::settle(io);
  CHECK_FALSE(called);
  CHECK(gone.expired());
  CHECK(crew.told == 0);
}
