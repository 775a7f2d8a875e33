#include "scene.hpp"

#include "visor/store/sql_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <optional>

// Which transactions keep each other waiting, on every server with a pool.
namespace visor_test {
namespace {

using visor::access;

/// With the tables of visor, where those that write meet.
struct two_databases {
  explicit two_databases(visor::duration patience) {
    auto settings = where.settings();
    settings.transaction_timeout = patience;
    visor::sql_store<kit::driver> store(settings);
    run(io, store.open());
    run(io, store.close());
    first.emplace(settings);
    second.emplace(settings);
    run(io, first->open());
    run(io, second->open());
  }
  ~two_databases() {
    run(io, first->close());
    run(io, second->close());
  }

  place where;
  boost::asio::io_context io{1};
  std::optional<database> first, second;
};

/// What a transaction that does nothing is refused with.
visor::task<std::optional<condition>> try_in(database& in, access how) {
  std::optional<condition> refused;
  auto nothing = [](session& on) -> visor::task<> { co_await on.run("SELECT 1"); };
  try {
    co_await in.transact(nothing, how);
  } catch (visor::error const& thrown) {
    refused = thrown.kind();
  }
  co_return refused;
}

/// What a transaction is refused with while another one is open.
std::optional<condition> meet(two_databases& two, access open, access comes) {
  std::optional<condition> refused;
  auto hold = [&](session& on) -> visor::task<> {
    co_await on.run("SELECT 1");
    refused = co_await try_in(*two.second, comes);
  };
  run(two.io, two.first->transact(hold, open));
  return refused;
}

}  // namespace

TEST_CASE("those that write go beside each other, unless one must be alone", "[servers]") {
  // Less than the server waits for a silent one.
  two_databases two(700ms);
  CHECK(meet(two, access::beside, access::beside) == std::nullopt);
  for (auto const& [open, comes] : {std::pair(access::beside, access::alone), std::pair(access::alone, access::beside),
                                    std::pair(access::alone, access::alone), std::pair(access::schema, access::schema)}) {
    auto const refused = meet(two, open, comes);
    REQUIRE(refused);
    CHECK((*refused == condition::busy || *refused == condition::timeout));
    CHECK(meet(two, access::beside, access::beside) == std::nullopt);  // nothing is left locked
  }
}

TEST_CASE("the time of a transaction is not of before its wait for others", "[servers]") {
  two_databases two(5s);
  visor::instant last_of_first, of_second;
  auto ask = [&](session& on) -> visor::task<> { of_second = co_await on.now(); };
  auto hold = [&](session& on) -> visor::task<> {
    last_of_first = co_await on.now();
    visor::instant const end = last_of_first + 500ms;
    boost::asio::co_spawn(two.io, two.second->transact(ask, access::beside), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
    while (last_of_first < end) last_of_first = co_await on.now();
  };
  run(two.io, two.first->transact(hold, access::alone));
  two.io.run();
  CHECK(of_second >= last_of_first);
}

TEST_CASE("a transaction that falls silent keeps the others waiting no longer than a second", "[servers]") {
  two_databases two(20s);
  int tries = 0;
  std::optional<condition> refused;
  bool others_were_in = false;
  auto fall_silent = [&](session& on) -> visor::task<> {
    co_await on.run("SELECT 1");
    if (++tries == 1) {
      refused = co_await try_in(*two.second, access::alone);
      others_were_in = true;
    }
    co_await on.run("SELECT 1");
  };
  run(two.io, two.first->transact(fall_silent, access::alone));
  CHECK(others_were_in);
  CHECK(refused == std::nullopt);
  CHECK(tries == 2);  // the first time it had lost its connection
}

}  // namespace visor_test
