#include "test_database.hpp"

#include "visor/store/sql/sql_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

// Which transactions keep each other waiting, on every server with a pool.
namespace visor_test {
namespace {

using visor::lock_mode;

/// With the tables of visor, where those that write meet.
struct two_databases {
  explicit two_databases(visor::duration timeout, visor::duration lock_timeout = 15s) {
    auto settings = where.settings();
    settings.transaction_timeout = timeout;
    settings.lock_timeout = lock_timeout;
    visor::sql_store<server_traits::driver> store(settings);
    run(io, store.open());
    run(io, store.close());
    first.emplace(settings, visor::log_sink(), visor::detail::lock_of_tables);
    second.emplace(settings, visor::log_sink(), visor::detail::lock_of_tables);
    run(io, first->open());
    run(io, second->open());
  }
  ~two_databases() {
    run(io, first->close());
    run(io, second->close());
  }

  test_database where;
  boost::asio::io_context io{1};
  std::optional<database> first, second;
};

/// The error of a transaction that does nothing; none if it succeeds.
visor::task<std::optional<errc>> try_in(database& in, lock_mode how) {
  std::optional<errc> refused;
  auto nothing = [](session& on) -> visor::task<> { co_await on.run("SELECT 1"); };
  try {
    co_await in.transact(nothing, how);
  } catch (visor::error const& thrown) {
    refused = thrown.portable_code();
  }
  co_return refused;
}

/// The error of a transaction while another one is open; none if it succeeds.
std::optional<errc> meet(two_databases& two, lock_mode open, lock_mode comes) {
  std::optional<errc> refused;
  auto hold = [&](session& on) -> visor::task<> {
    co_await on.run("SELECT 1");
    refused = co_await try_in(*two.second, comes);
  };
  run(two.io, two.first->transact(hold, open));
  return refused;
}

}  // namespace

TEST_CASE("writers share the lock, unless one takes it exclusively", "[servers]") {
  // Less than the server waits for an idle one, and no more than an exclusive one waits for the lock.
  two_databases two(700ms, 200ms);
  CHECK(meet(two, lock_mode::shared, lock_mode::shared) == std::nullopt);
  for (auto const& [open, comes] :
       {std::pair(lock_mode::shared, lock_mode::exclusive), std::pair(lock_mode::exclusive, lock_mode::shared),
        std::pair(lock_mode::exclusive, lock_mode::exclusive), std::pair(lock_mode::schema, lock_mode::schema)}) {
    auto const refused = meet(two, open, comes);
    REQUIRE(refused);
    CHECK((*refused == errc::busy || *refused == errc::timeout));
    CHECK(meet(two, lock_mode::shared, lock_mode::shared) == std::nullopt);  // nothing is left locked
  }
}

TEST_CASE("the time of a transaction is not of before its wait for others", "[servers]") {
  two_databases two(5s);
  visor::instant last_of_first, of_second;
  auto ask = [&](session& on) -> visor::task<> { of_second = co_await on.now(); };
  auto hold = [&](session& on) -> visor::task<> {
    last_of_first = co_await on.now();
    visor::instant const end = last_of_first + 500ms;
    boost::asio::co_spawn(two.io, two.second->transact(ask, lock_mode::shared), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
    while (last_of_first < end) last_of_first = co_await on.now();
  };
  run(two.io, two.first->transact(hold, lock_mode::exclusive));
  two.io.run();
  CHECK(of_second >= last_of_first);
}

TEST_CASE("a transaction that falls silent keeps the others waiting no longer than a second", "[servers]") {
  two_databases two(20s);
  int tries = 0;
  std::optional<errc> refused;
  bool others_were_in = false;
  auto fall_silent = [&](session& on) -> visor::task<> {
    co_await on.run("SELECT 1");
    if (++tries == 1) {
      refused = co_await try_in(*two.second, lock_mode::exclusive);
      others_were_in = true;
    }
    co_await on.run("SELECT 1");
  };
  run(two.io, two.first->transact(fall_silent, lock_mode::exclusive));
  CHECK(others_were_in);
  CHECK(refused == std::nullopt);
  CHECK(tries == 2);  // the first time it had lost its connection
}

TEST_CASE("no statement waits longer for a lock than lock_timeout", "[servers][locks]") {
  test_database where;
  auto settings = where.settings();
  settings.lock_timeout = 1s;
  boost::asio::io_context io{1};
  database base(settings);
  run(io, base.open());
  std::optional<errc> refused;
  visor::duration waited{0};
  auto insert = [](session& on) -> visor::task<> { co_await on.run("INSERT INTO numbers VALUES (1)"); };
  auto wait = [&]() -> visor::task<> {
    auto const begin = std::chrono::steady_clock::now();
    try {
      co_await base.transact(insert, lock_mode::shared);
    } catch (visor::error const& thrown) {
      refused = thrown.portable_code();
    }
    waited = std::chrono::duration_cast<visor::duration>(std::chrono::steady_clock::now() - begin);
  };
  auto hold = [&](session& on) -> visor::task<> {
    co_await on.run("INSERT INTO numbers VALUES (1)");
    boost::asio::co_spawn(io, wait(), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
    co_await on.run(server_traits::sleep("4"));
  };
  run(io, base.transact(hold, lock_mode::shared));
  io.run();
  CHECK(refused == std::optional(errc::busy));
  CHECK(waited >= 900ms);
  CHECK(waited < 3s);
  run(io, base.close());
}

TEST_CASE("a waiter for the exclusive lock lets shared ones pass, and gets it though there is always one", "[servers][locks]") {
  two_databases two(20s);
  auto const begin = std::chrono::steady_clock::now();
  auto const gone = [&] { return std::chrono::steady_clock::now() - begin; };
  visor::duration const held = 2500ms;
  std::optional<visor::duration> in_after;
  auto nothing = [](session& on) -> visor::task<> { co_await on.run("SELECT 1"); };
  auto exclusive = [&](session& on) -> visor::task<> {
    co_await on.run("SELECT 1");
    in_after = std::chrono::duration_cast<visor::duration>(gone());
  };
  visor::duration longest_beside{0};
  auto const rethrow = [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  };
  auto take_exclusive = [&]() -> visor::task<> { co_await two.second->transact(exclusive, lock_mode::exclusive); };
  auto load = [&]() -> visor::task<> {
    while (!in_after && gone() < 15s) {
      auto const since = gone();
      co_await two.second->transact(nothing, lock_mode::shared);
      if (gone() < held) longest_beside = std::max(longest_beside, std::chrono::duration_cast<visor::duration>(gone() - since));
    }
  };
  bool is_begun = false;
  auto slow = [&](session& on) -> visor::task<> {
    co_await on.run("SELECT 1");
    if (!std::exchange(is_begun, true)) {
      boost::asio::co_spawn(two.io, take_exclusive(), rethrow);
      for (int i = 0; i < 3; ++i) boost::asio::co_spawn(two.io, load(), rethrow);
    }
    while (gone() < held) co_await on.run("SELECT 1");
  };
  auto keep = [&]() -> visor::task<> { co_await two.first->transact(slow, lock_mode::shared); };
  boost::asio::co_spawn(two.io, keep(), rethrow);
  two.io.restart();
  two.io.run();
  REQUIRE(in_after);
  CHECK(*in_after >= held);
  CHECK(*in_after < held + slowness() * 3s);
  // MariaDB and MySQL count whole seconds.
  CHECK(longest_beside < 1800ms);
}

}  // namespace visor_test
