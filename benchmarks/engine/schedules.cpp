// A hundred thousand schedules on SQLite. Measures how long a node takes to start with them, the cost of an idle node, and how
// long it takes to fire ten thousand that are due at once. One run, printed as it goes; nothing is asserted.

#include "visor/engine/engine.hpp"
#include "visor/sqlite.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <unistd.h>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

double seconds_since(steady::time_point start) { return std::chrono::duration<double>(steady::now() - start).count(); }

double cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

visor::schedule_record schedule(int number, visor::instant due) {
  visor::schedule_record record;
  record.id = "schedule-" + std::to_string(number);
  record.origin = visor::origin::code;
  record.type = "nothing";
  record.expression = "0 0 1 1 *";
  if (due != visor::instant{}) {
    record.expression.clear();
    record.next_at = due;
  }
  return record;
}

/// Starts a node with `idle` schedules far away and `storm` due at the same instant some seconds ahead.
void run(std::filesystem::path const& file, int idle, int storm) {
  boost::asio::io_context io{1};
  visor::sqlite_store<> store{visor::sqlite_settings(file.string())};
  visor::node_settings settings;
  settings.queues[0].slots = 1000;
  visor::engine<visor::sqlite_store<>> node{io.get_executor(), store, settings};
  int runs = 0;
  steady::time_point last_run;
  node.add(visor::job_type("nothing", [&](visor::job_context&) -> visor::task<> {
    ++runs;
    last_run = steady::now();
    co_return;
  }));
  auto const due = visor::wall_clock().now() + 8s;
  auto const due_steady = steady::now() + 8s;
  for (int i = 0; i < idle; ++i) node.add(schedule(i, {}));
  for (int i = 0; i < storm; ++i) node.add(schedule(idle + i, due));

  auto const start = steady::now();
  boost::asio::co_spawn(io, node.run(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  // The start is over when the node is in the store and scans for due schedules: the first tick follows the installation.
  bool started = false;
  auto watch = [&]() -> visor::task<> {
    boost::asio::steady_timer timer{io};
    co_await store.open();
    while (!started) {
      timer.expires_after(5ms);
      co_await timer.async_wait(boost::asio::use_awaitable);
      auto const last = co_await store.find_schedule("schedule-" + std::to_string(idle + storm - 1));
      started = last.has_value();
    }
    std::printf("start with %d schedules: %.2f s\n", idle + storm, seconds_since(start));
    auto const idle_from = steady::now();
    auto const cpu_from = cpu_seconds();
    timer.expires_after(3s);
    co_await timer.async_wait(boost::asio::use_awaitable);
    std::printf("idle: %.2f %% of a core\n", 100 * (cpu_seconds() - cpu_from) / seconds_since(idle_from));
    while (runs < storm) {
      timer.expires_after(20ms);
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    if (storm != 0) {
      auto const fires = co_await store.fires("schedule-" + std::to_string(idle + storm - 1), 1);
      std::printf("%d due at once: the last fired %.2f s after its instant, and ran %.2f s after it\n", storm,
                  std::chrono::duration<double>(fires.at(0).fired_at - fires.at(0).planned_at).count(),
                  std::chrono::duration<double>(last_run - due_steady).count());
    }
    node.stop();
  };
  boost::asio::co_spawn(io, watch(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  io.run();
}

}  // namespace

int main() {
  std::string name = (std::filesystem::temp_directory_path() / "visor-benchmark-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) return 1;
  std::puts("first start:");
  run(std::filesystem::path(name) / "schedules.db", 100'000, 0);
  std::puts("second start, ten thousand more that are due at once:");
  run(std::filesystem::path(name) / "schedules.db", 100'000, 10'000);
  std::filesystem::remove_all(name);
}
