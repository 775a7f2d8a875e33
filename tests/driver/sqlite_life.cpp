#include "sqlite_fixture.hpp"

#include <boost/asio/co_spawn.hpp>

#include <atomic>
#include <future>
#include <latch>
#include <thread>
#include <vector>

// A database that several threads open and close.
namespace visor_test {
namespace {

visor::sqlite_settings patient(temporary_folder const& folder) {
  auto settings = quick(folder.file());
  settings.busy_timeout = std::chrono::minutes(1);
  return settings;
}

visor::immediate<> look(session& on) { co_await on.run("SELECT count(*) FROM sqlite_schema"); }

}  // namespace

TEST_CASE("threads may open and close a database at once, and each operation is done or told that it is closed", "[driver][sqlite][life]") {
  constexpr int threads = 4;
  constexpr int rounds = 25;
  temporary_folder const folder;
  on_file db(patient(folder));
  db.open();
  db.transact([](session& on) -> visor::immediate<> { co_await on.run("CREATE TABLE visor_x (a)"); });
  std::atomic<int> done{0};
  std::atomic<int> wrong{0};
  std::latch line(threads);
  auto const use = [&] {
    boost::asio::io_context io;
    auto insert = [](session& on) -> visor::immediate<> { co_await on.run("INSERT INTO visor_x VALUES (1)"); };
    line.arrive_and_wait();
    for (int i = 0; i < rounds; ++i) {
      auto const no = refusal_of([&] {
        run(io, db.database.open());
        run(io, db.database.transact(insert));
        ++done;
      });
      if (no.was && no.code != visor::errc::closed) ++wrong;
      run(io, db.database.close());
    }
  };
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) all.emplace_back(use);
  for (auto& each : all) each.join();
  CHECK(wrong == 0);
  db.close();
  CHECK(refusal_of([&] { db.read(look); }).code == visor::errc::closed);
  db.open();
  CHECK(other_connection(folder.file()).value("SELECT count(*) FROM visor_x") == std::to_string(done));
}

TEST_CASE("a database that is closed is one file", "[driver][sqlite][life]") {
  temporary_folder const folder;
  on_file db(patient(folder));
  db.open();
  db.transact([](session& on) -> visor::immediate<> { co_await on.run("CREATE TABLE visor_x (a)"); });
  int left = 0;
  for (int i = 0; i < 300; ++i) {
    db.open();
    db.transact([](session& on) -> visor::immediate<> { co_await on.run("INSERT INTO visor_x VALUES (1)"); });
    db.read(look);
    db.close();
    left += std::filesystem::exists(folder.file() + "-wal") ? 1 : 0;
  }
  CHECK(left == 0);
}

TEST_CASE("while a database closes, whoever closes or opens it is not kept waiting", "[driver][sqlite][life]") {
  temporary_folder const folder;
  on_file db(patient(folder));
  db.open();
  std::latch entered(1);
  std::latch leave(1);
  auto hold = [&](session&) -> visor::immediate<> {
    entered.count_down();
    leave.wait();
    co_return;
  };
  int ended = 0;
  auto const count = [&](std::exception_ptr thrown) { ended += thrown == nullptr; };
  boost::asio::co_spawn(db.io, db.database.read(hold), count);
  db.io.restart();
  while (!entered.try_wait()) db.io.poll();
  boost::asio::co_spawn(db.io, db.database.close(), count);
  db.io.poll();
  boost::asio::io_context another;
  auto const reading = [&] {
    auto op = look;
    run(another, db.database.read(op));
  };
  while (!refusal_of(reading).was) std::this_thread::yield();  // the close has begun
  auto const others = std::async(std::launch::async, [&] {
    run(another, db.database.close());
    return refusal_of([&] { run(another, db.database.open()); }).code;
  });
  bool const waited = others.wait_for(10s) != std::future_status::ready;
  leave.count_down();
  CHECK_FALSE(waited);
  others.wait();
  db.io.run();
  CHECK(ended == 2);
}

}  // namespace visor_test
