// Measures how long it takes to acquire a connection from a pool and release it, without contention, and with a thousand idle
// ones.
//
// Aim: under 200 ns. The floor is a mutex, two readings of the steady clock and a vector.
#include "visor/pool/pool.hpp"

#include <benchmark/benchmark.h>

#include <boost/asio/io_context.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace {

struct free_connection {
  visor::connection_state state() const noexcept { return visor::connection_state::clean; }
  visor::task<> ping() { co_return; }
  visor::task<> reset() { co_return; }
  visor::task<> close() { co_return; }
  void interrupt() noexcept {}
};

struct free_connector {
  using connection = free_connection;
  std::string display_name() const { return "nowhere"; }
  visor::task<std::unique_ptr<connection>> connect() { co_return std::make_unique<connection>(); }
};

using pool_type = visor::pool<free_connector>;

struct pool_fixture {
  explicit pool_fixture(int idle) {
    visor::pool_settings settings;
    settings.min = idle;
    settings.max = idle;
    settings.max_connecting = 100;
    pool = std::make_unique<pool_type>(io.get_executor(), settings, free_connector());
    while (pool->statistics().idle < idle) io.run_one();
  }
  ~pool_fixture() {
    pool.reset();
    io.run();
  }

  boost::asio::io_context io{1};
  std::unique_ptr<pool_type> pool;
};

void mutex_and_vector(benchmark::State& state) {
  std::mutex mutex;
  std::vector<int> idle{1};
  visor::wall_clock const clock;
  for (auto _ : state) {
    int taken = 0;
    {
      std::scoped_lock const lock(mutex);
      benchmark::DoNotOptimize(clock.elapsed());
      taken = idle.back();
      idle.pop_back();
    }
    benchmark::DoNotOptimize(taken);
    std::scoped_lock const lock(mutex);
    benchmark::DoNotOptimize(clock.elapsed());
    idle.push_back(taken);
  }
}

void acquire_and_release(benchmark::State& state) {
  pool_fixture s(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    auto held = s.pool->try_acquire();
    if (!held) state.SkipWithError("there is none");
    benchmark::DoNotOptimize(held);
  }
}

void await_and_release(benchmark::State& state) {
  pool_fixture s(static_cast<int>(state.range(0)));
  auto const loop = [](pool_type& from, benchmark::State& measured) -> visor::task<> {
    for (auto _ : measured) {
      auto held = co_await from.acquire();
      benchmark::DoNotOptimize(held);
    }
  };
  bool ended = false;
  boost::asio::co_spawn(s.io, loop(*s.pool, state), [&](std::exception_ptr) { ended = true; });
  while (!ended && s.io.run_one() != 0) {
  }
}

BENCHMARK(mutex_and_vector);
BENCHMARK(acquire_and_release)->Arg(1)->Arg(1000);
BENCHMARK(await_and_release)->Arg(1)->Arg(1000);

}  // namespace
