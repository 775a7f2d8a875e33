#include "test_database.hpp"

#include "support/mute_server.hpp"

#include "visor/driver/probe.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <filesystem>
#include <iterator>
#include <random>

// Guarantees of a pool, on the real servers.
namespace visor_test {
namespace {

struct look_row {
  std::int64_t hidden = 0, changed = 0, locked = 0, ours = 0;
  friend bool operator==(look_row const&, look_row const&) = default;
};
BOOST_DESCRIBE_STRUCT(look_row, (), (hidden, changed, locked, ours))

struct look : visor::sql::statement_defaults {
  static constexpr std::string_view name = "look";
  using row = look_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw(server_traits::look); }
};

/// Text that is no statement of ours, and yet changes the session, as only others' do.
template <char const* const& Text>
struct raw : visor::sql::statement_defaults {
  static constexpr std::string_view name = "raw";
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw(Text); }
};
template <char const* const& Text>
struct number_of : raw<Text> {
  using row = number_row;
};

struct word_row {
  std::string word;
};
BOOST_DESCRIBE_STRUCT(word_row, (), (word))

struct words : visor::sql::statement_defaults {
  static constexpr std::string_view name = "words";
  using row = word_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw("SELECT word FROM words"); }
};

/// Does something on so many connections at the same time, each of which is used once.
template <class Op>
void on_each(database& in, int count, Op op) {
  std::atomic<int> here{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&] {
      boost::asio::io_context io{1};
      auto once = [&](session& on) -> visor::task<> {
        co_await op(on);
        ++here;
        boost::asio::steady_timer timer(io);
        while (here < count) {
          timer.expires_after(1ms);
          auto sleep = timer.async_wait(boost::asio::use_awaitable);
          co_await std::move(sleep);
        }
      };
      run(io, in.read(once));
    });
  for (auto& each : threads) each.join();
}

/// A pool by itself.
struct pool_fixture {
  explicit pool_fixture(visor::pool_settings how) : pool(io.get_executor(), how, source) {}
  ~pool_fixture() { run(io, pool.close(10s)); }

  test_database where;
  boost::asio::io_context io{1};
  connector source{settings()};
  visor::pool<connector> pool;

  server_traits::driver::settings settings() const {
    auto result = where.settings();
    result.transaction_timeout = 5s;
    return result;
  }
};

visor::pool_settings at_most(int max) {
  visor::pool_settings result;
  result.max = max;
  return result;
}

template <class Op>
visor::task<> borrow(visor::pool<connector>& from, Op op) {
  auto const held = co_await from.acquire();
  boost::asio::any_io_executor const here = co_await boost::asio::this_coro::executor;
  connection::attachment const attached(*held, here);
  session on(*held);
  co_await op(*held, on);
}

}  // namespace

TEST_CASE("what somebody leaves in a session, nobody else finds", "[servers]") {
  test_database where;
  auto settings = where.settings();
  settings.transaction_timeout = 5s;
  settings.pool.max = 1;
  database base(settings);
  boost::asio::io_context io{1};
  run(io, base.open());
  auto const failing = GENERATE(false, true);
  std::optional<look_row> before, after;
  auto leave = [&](session& on) -> visor::task<> {
    for (std::string const text : server_traits::leftovers) co_await on.run(text);
    before = co_await on.find(look());
    if (failing) throw visor::error(errc::conflict, "no");
  };
  if (failing)
    CHECK_THROWS_AS(run(io, base.transact(leave)), visor::error);
  else
    run(io, base.transact(leave));
  CHECK(before == look_row{1, 1, 1, server_traits::all_of_ours});
  auto find = [&](session& on) -> visor::task<> { after = co_await on.find(look()); };
  run(io, base.read(find));
  CHECK(after == look_row{0, 0, 0, server_traits::all_of_ours});
  CHECK(base.statistics()->connected == 1);
  run(io, base.close());
}

TEST_CASE("a transaction that is left open is taken back before the next", "[servers]") {
  pool_fixture s(at_most(1));
  bool const is_answered = GENERATE(true, false);
  auto leave = [is_answered](connection& held, session& on) -> visor::task<> {
    co_await held.begin(visor::lock_mode::schema);
    if (is_answered) co_await add_number(on, 1);
  };
  run(s.io, borrow(s.pool, leave));
  auto whole = [](connection& held, session& on) -> visor::task<> {
    co_await held.begin(visor::lock_mode::schema);
    co_await add_number(on, 2);
    co_await held.commit();
  };
  run(s.io, borrow(s.pool, whole));
  CHECK(s.where.found() == numbers{2});
  if (is_answered) CHECK(s.pool.statistics().connected == 1);
}

TEST_CASE("a query that is given up at any moment is never answered to somebody else", "[servers]") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::minstd_rand random(seed);
  pool_fixture s(at_most(2));
  int wrong = 0, answered = 0, given_up = 0;
  std::int64_t last = 0;
  auto ask = [&](connection& held, session& on) -> visor::task<> {
    co_await held.begin(visor::lock_mode::snapshot);
    for (int i = 0; i < 3; ++i) {
      number_row const question{++last};
      auto const answer = co_await on.find(echo(), question);
      if (answer->value != question.value) ++wrong;
    }
    co_await held.commit();
    ++answered;
  };
  run(s.io, borrow(s.pool, ask));
  auto const begin = std::chrono::steady_clock::now();
  run(s.io, borrow(s.pool, ask));
  auto const undisturbed = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  for (int i = 0; i < 100; ++i) {
    boost::asio::cancellation_signal cancel;
    bool ended = false;
    boost::asio::co_spawn(s.io, borrow(s.pool, ask), boost::asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr thrown) {
                            ended = true;
                            if (thrown) ++given_up;
                          }));
    boost::asio::steady_timer timer(s.io,
                                    std::chrono::microseconds{std::uniform_int_distribution<std::int64_t>(0, undisturbed.count())(random)});
    timer.async_wait([&](boost::system::error_code failed) {
      if (!failed && !ended) cancel.emit(boost::asio::cancellation_type::terminal);
    });
    s.io.restart();
    while (!ended && s.io.run_one() != 0) {
    }
    timer.cancel();
    run(s.io, borrow(s.pool, ask));  // by somebody else
  }
  CHECK(wrong == 0);
  CHECK(given_up > 0);
  CHECK(answered + given_up == 202);
  CHECK(s.pool.statistics().total <= 2);
}

TEST_CASE("after all connections are lost at once, few are made at a time", "[servers]") {
  test_database where;
  tcp_gate gate(where.endpoint());
  auto settings = where.settings(gate);
  settings.pool.max = 8;
  settings.pool.max_connecting = 3;
  settings.pool.acquire_timeout = 60s;
  settings.pool.connect_timeout = 60s;
  database base(settings);
  boost::asio::io_context io{1};
  run(io, base.open());
  crowd all(base, 8);
  REQUIRE(all.is_settled(base));
  REQUIRE(all.goes_on(2));
  int const before = gate.accepted();
  gate.hold();
  gate.cut();
  auto const told = [&] { return base.statistics()->waiting == 8 && gate.accepted() >= before + 3; };
  for (int tries = 0; tries < 10'000 && !told(); ++tries) std::this_thread::sleep_for(1ms);
  auto const now = *base.statistics();
  CHECK(now.waiting == 8);
  CHECK(now.connecting == 3);
  CHECK(gate.accepted() == before + 3);
  gate.let_pass();
  CHECK(all.goes_on(2));
  all.stop();
  all.check(where.found());
  for (auto const& each : all.members) CHECK(each.failures.size() <= 1);
  run(io, base.close());
}

TEST_CASE("the connections of a server that was demoted are left, and nobody notices", "[servers]") {
  test_database where;
  auto settings = where.settings();
  settings.pool.max = 4;
  database base(settings);
  boost::asio::io_context io{1};
  run(io, base.open());
  auto demote = [](session& on) -> visor::task<> { co_await on.execute(raw<server_traits::demote>()); };
  on_each(base, 3, demote);
  auto const before = base.statistics()->connected;
  for (int i = 1; i <= 10; ++i) add_number(io, base, i);
  CHECK(where.found() == numbers{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(base.statistics()->connected == before + 1);
  CHECK(base.statistics()->closed[static_cast<std::size_t>(visor::close_reason::evicted)] == before);  // those that only read, too
  run(io, base.close());
}

TEST_CASE("a server that stays read-only is said to be so, and not connected to again and again", "[servers]") {
  test_database where;
  database base(where.settings());
  boost::asio::io_context io{1};
  run(io, base.open());
  auto write = [](session& on) -> visor::task<> {
    co_await on.execute(raw<server_traits::demote>());
    throw visor::error(errc::read_only, "this one, too");
  };
  auto const begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(run(io, base.transact(write)), Catch::Matchers::Contains("this one, too"));
  CHECK(std::chrono::steady_clock::now() - begin > 3s);
  CHECK(base.statistics()->connected <= 6);
  run(io, base.close());
}

TEST_CASE("statements that were prepared before a table was altered are prepared again, and nobody notices", "[servers]") {
  test_database where;
  auto settings = where.settings();
  settings.pool.max = 8;
  database base(settings);
  boost::asio::io_context io{1};
  run(io, base.open());
  auto make = [](session& on) -> visor::task<> {
    co_await on.run("CREATE TABLE words (word text)");
    co_await on.run("INSERT INTO words VALUES ('grün')");
  };
  run(io, base.transact(make));
  std::atomic<int> wrong{0};
  auto look = [&wrong](session& on) -> visor::task<> {
    auto const found = co_await on.query(words());
    if (found.size() != 1 || found[0].word != "grün") ++wrong;
  };
  on_each(base, 8, look);
  REQUIRE(base.statistics()->idle == 8);
  auto alter = [](session& on) -> visor::task<> { co_await on.run(server_traits::alter); };
  database other(where.settings());
  run(io, other.open());
  run(io, other.transact(alter));
  run(io, other.close());
  for (int i = 0; i < 10; ++i) run(io, base.read(look));
  auto forget = [](session& on) -> visor::task<> { co_await on.execute(raw<server_traits::forget>()); };
  on_each(base, 8, forget);
  for (int i = 0; i < 10; ++i) run(io, base.read(look));
  CHECK(wrong == 0);
  run(io, base.close());
}

TEST_CASE("what servers, databases and users have set changes nothing", "[servers]") {
  test_database where;
  auto settings = where.limited(10);
  server_traits::spoil(where.server, where.name);
  bool const is_pooled = GENERATE(false, true);
  if (is_pooled) server_traits::be_pooled(settings);
  settings.pool.max = 1;
  database base(settings);
  boost::asio::io_context io{1};
  run(io, base.open());
  std::int64_t good = 0;
  auto look = [&good](session& on) -> visor::task<> {
    auto const found = co_await on.find(number_of<server_traits::unspoiled>());
    good = found->value;
  };
  auto reset = [](session& on) -> visor::task<> { co_await on.run("SELECT 1"); };
  for (int i = 1; i <= 3; ++i) {
    good = 0;
    run(io, base.transact(look));
    CHECK(good == server_traits::all_unspoiled);
    add_number(io, base, i);
    std::this_thread::sleep_for(300ms);
    run(io, base.transact(reset));  // the next one has a session that was reset
  }
  auto count = [&good](session& on) -> visor::task<> {
    auto const rows = co_await on.query(all());
    good = static_cast<std::int64_t>(rows.size());
  };
  run(io, base.read(count));
  CHECK(good == 3);
  if (!is_pooled) CHECK(base.statistics()->connected == 1);
  run(io, base.close());
  server_traits::mend(where.server);
}

TEST_CASE("each server has its share of the time to connect, up to the end of the login", "[servers]") {
  test_database where;
  mute_server const mute, hole(true);
  tcp_gate gate(where.endpoint());
  auto settings = where.settings(gate);
  std::string const mute_host = "127.0.0.1:" + std::to_string(mute.port());
  std::string const hole_host = "127.0.0.1:" + std::to_string(hole.port());
  settings.pool.connect_timeout = 6s;
  settings.pool.acquire_timeout = 20s;
  settings.host = mute_host + "," + hole_host + ",127.0.0.1:" + std::to_string(gate.port());
  auto const begin = std::chrono::steady_clock::now();
  auto const took = [&begin] { return std::chrono::steady_clock::now() - begin; };
  SECTION("the last one answers") {
    database base(settings);
    boost::asio::io_context io{1};
    run(io, base.open());
    CHECK(took() < 6s * slowness());
    add_number(io, base, 1);
    run(io, base.close());
    CHECK(where.found() == numbers{1});
  }
  SECTION("none does") {
    settings.host = mute_host + "," + hole_host;
    database base(settings);
    boost::asio::io_context io{1};
    CHECK_THROWS_AS(run(io, base.open()), visor::error);
    CHECK(took() < 8s * slowness());
    run(io, base.close());
  }
  SECTION("a test of the connection ends in time, too") {
    settings.host = mute_host;
    settings.pool.connect_timeout = 2s;
    boost::asio::io_context io{1};
    CHECK_THROWS_AS(run(io, visor::probe<server_traits::driver>(settings)), visor::error);
    CHECK(took() < 4s * slowness());
  }
  SECTION("also where the server falls silent behind the login") {
    settings.host = "127.0.0.1";
    settings.pool.connect_timeout = 2s;
    std::thread silence([&] {
      for (int tries = 0; tries < 3000 && gate.accepted() == 0; ++tries) std::this_thread::sleep_for(1ms);
      std::this_thread::sleep_for(15ms);
      gate.hold();
    });
    boost::asio::io_context io{1};
    try {
      run(io, visor::probe<server_traits::driver>(settings));
    } catch (visor::error const&) {  // if it was not done by then
    }
    CHECK(took() < 6s * slowness());
    silence.join();
    gate.let_pass();
  }
}

TEST_CASE("a database that was closed leaves no thread, no file and no connection behind", "[servers]") {
  test_database where;
  auto const count = [](char const* folder) {
    std::filesystem::directory_iterator const all(folder);
    return std::distance(begin(all), end(all));
  };
  auto const once = [&] {
    auto settings = where.settings();
    settings.pool.max = 4;
    settings.pool.min = 2;
    database base(settings);
    base.watch([] {});
    boost::asio::io_context io{1};
    run(io, base.open());
    crowd all(base, 4);
    CHECK(all.is_settled(base));
    all.stop();
    run(io, base.close());
  };
  once();  // what libraries keep for good they have now
  where.found();
  auto const files = count("/proc/self/fd"), threads = count("/proc/self/task");
  once();
  CHECK(count("/proc/self/fd") == files);
  CHECK(count("/proc/self/task") == threads);
}

TEST_CASE("a store tells of its connections", "[servers]") {
  test_database where;
  visor::sql_store<server_traits::driver> store(where.settings());
  boost::asio::io_context io{1};
  CHECK_FALSE(store.statistics());
  run(io, store.open());
  auto const now = store.statistics();
  REQUIRE(now);
  CHECK(now->total >= 1);
  CHECK(now->total == now->idle + now->in_use + now->connecting + now->resetting + now->closing);
  CHECK(now->waiting == 0);
  CHECK(now->acquired >= 1);
  run(io, store.close());
  CHECK_FALSE(store.statistics());
}

TEST_CASE("ended connections, and a server that crashes, cost each borrower one operation at most", "[servers]") {
  test_database where;
  auto settings = where.settings();
  settings.pool.max = 6;
  settings.pool.acquire_timeout = 60s;
  settings.transaction_timeout = 60s;
  database base(settings);
  boost::asio::io_context io{1};
  run(io, base.open());
  crowd all(base, 6);
  REQUIRE(all.is_settled(base));
  REQUIRE(all.goes_on(2));
  SECTION("ended") {
    auto const before = base.statistics()->connected;
    server_traits::end_connections(where.server, where.name);
    CHECK(all.goes_on(3));
    CHECK(base.statistics()->connected - before <= 6);
  }
  SECTION("crashed") {
    if (!where.server.is_own()) return;
    where.server.stop(server_traits::crash);
    where.server.start();
    CHECK(all.goes_on(3));
  }
  all.stop();
  all.check(where.found());
  for (auto const& each : all.members) {
    CHECK(each.failures.size() <= 1);
    CHECK(each.failures.size() == each.unknown.size());
  }
  run(io, base.close());
}

}  // namespace visor_test
