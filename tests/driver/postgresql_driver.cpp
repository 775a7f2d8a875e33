#include "execute_many.hpp"

#include "support/catch.hpp"
#include "support/postgresql_server.hpp"
#include "support/run.hpp"
#include "support/tcp_gate.hpp"

#include "visor/postgresql.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using visor::errc;
using visor_test::Contains;
using visor_test::postgresql_server;
using session = visor::postgresql::session;
using database = visor::postgresql::database;
namespace asio = boost::asio;

namespace {

struct number_row {
  std::int64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(number_row, (), (value))

struct add : visor::sql::statement_defaults {
  static constexpr std::string_view name = "add";
  using params = number_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw("INSERT INTO numbers VALUES (")(":value)"); }
};

struct all : visor::sql::statement_defaults {
  static constexpr std::string_view name = "all";
  using row = number_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw("SELECT value FROM numbers ORDER BY 1"); }
};

struct wrong : visor::sql::statement_defaults {
  static constexpr std::string_view name = "wrong";
  using row = number_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw("SELECT value FROM nowhere"); }
};

visor::postgresql_settings local() {
  auto settings = postgresql_server::shared().settings();
  settings.schema = "numbers of test";
  return settings;
}

/// Ends every connection of visor's, and waits for that.
void end_connections() {
  CHECK(
      postgresql_server::shared().run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                                      "WHERE application_name = 'visor' AND datname = current_database() AND pid <> pg_backend_pid()"));
}

/// A database with a table of numbers, and a context to work on it.
struct numbers_database {
  explicit numbers_database(visor::postgresql_settings settings = local()) : base(std::move(settings)) {
    CHECK(postgresql_server::shared().run("DROP SCHEMA IF EXISTS \"numbers of test\" CASCADE"));
    CHECK(postgresql_server::shared().run("CREATE SCHEMA \"numbers of test\" CREATE TABLE numbers (value bigint PRIMARY KEY)"));
    visor_test::run(io, base.open());
  }
  ~numbers_database() { visor_test::run(io, base.close()); }

  asio::io_context io{1};
  database base;

  template <class Op>
  void write(Op op) {
    visor_test::run(io, base.transact(op));
  }

  void add_number(std::int64_t value) {
    auto const op = [value](session& on) -> visor::task<> {
      number_row const row{value};
      co_await on.execute(add(), row);
    };
    write(op);
  }

  std::vector<std::int64_t> numbers() {
    std::vector<std::int64_t> values;
    auto op = [&values](session& on) -> visor::task<> {
      auto const rows = co_await on.query(all());
      values.clear();
      for (auto const& row : rows) values.push_back(row.value);
    };
    visor_test::run(io, base.read(op));
    return values;
  }
};

using list = std::vector<std::int64_t>;

template <class What>
errc code_of(What const& what) {
  try {
    what();
  } catch (visor::error const& thrown) {
    return thrown.portable_code();
  }
  return errc{};
}

}  // namespace

TEST_CASE("what a transaction wrote is there, and what a failed one wrote is not", "[postgresql]") {
  numbers_database s;
  s.add_number(1);
  CHECK(code_of([&] {
          s.write([](session& on) -> visor::task<> {
            number_row const two{2};
            co_await on.execute(add(), two);
            throw visor::error(errc::conflict, "no");
          });
        }) == errc::conflict);
  CHECK(code_of([&] { s.add_number(1); }) == errc::unique_violation);
  s.add_number(3);
  CHECK(s.numbers() == list{1, 3});
}

TEST_CASE("a statement that fails takes its transaction with it, and not the connection", "[postgresql]") {
  numbers_database s;
  auto const before = s.base.statistics()->connected;
  CHECK(code_of([&] { s.write([](session& on) -> visor::task<> { auto const rows = co_await on.query(wrong()); }); }) ==
        errc::schema_mismatch);
  CHECK(code_of([&] {
          s.write([](session& on) -> visor::task<> {
            std::vector<number_row> const same{{7}, {7}, {8}};
            co_await on.execute_many(add(), same);
          });
        }) == errc::unique_violation);
  s.add_number(9);
  CHECK(s.numbers() == list{9});
  CHECK(s.base.statistics()->connected == before);
}

TEST_CASE("a fault in the code of a trigger is a refusal of the row, and not a fault of the tables", "[postgresql]") {
  numbers_database s;
  CHECK(postgresql_server::shared().run(
      "SET search_path TO \"numbers of test\"; CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "IF NEW.value = 2 THEN PERFORM nothing; END IF; "
      "IF NEW.value = 3 THEN PERFORM nowhere(); END IF; "
      "IF NEW.value = 4 THEN RAISE EXCEPTION 'no' USING ERRCODE = '42P01'; END IF; RETURN NEW; END $$; "
      "CREATE TRIGGER odd BEFORE INSERT ON numbers FOR EACH ROW EXECUTE FUNCTION odd()"));
  s.add_number(1);
  for (int const odd : {2, 3, 4}) CHECK(code_of([&] { s.add_number(odd); }) == errc::invalid_argument);
  CHECK(s.numbers() == list{1});
}

TEST_CASE("a statement whose failure nobody waited for takes its transaction with it", "[postgresql]") {
  numbers_database s;
  s.add_number(1);
  number_row const first{1}, second{2}, third{3};
  SECTION("at the commit") {
    CHECK(code_of([&] {
            s.write([&](session& on) -> visor::task<> {
              co_await on.post(add(), second);
              co_await on.post(add(), first);
              co_await on.post(add(), third);
            });
          }) == errc::unique_violation);
  }
  SECTION("at the next question, which is not answered") {
    bool answered = false;
    CHECK(code_of([&] {
            s.write([&](session& on) -> visor::task<> {
              co_await on.post(add(), first);
              co_await on.post(add(), second);
              auto const rows = co_await on.query(all());
              answered = true;
            });
          }) == errc::unique_violation);
    CHECK_FALSE(answered);
  }
  SECTION("after its caller gave up for a reason of his own") {
    CHECK(code_of([&] {
            s.write([&](session& on) -> visor::task<> {
              co_await on.post(add(), second);
              co_await on.post(add(), first);
              throw visor::error(errc::conflict, "no");
            });
          }) == errc::conflict);
  }
  s.add_number(4);
  CHECK(s.numbers() == list{1, 4});
}

TEST_CASE("what was posted is seen by what follows, and goes with a transaction that is given up", "[postgresql]") {
  numbers_database s;
  auto const before = s.base.statistics()->connected;
  std::vector<number_row> const some{{5}, {4}};
  list seen;
  s.write([&](session& on) -> visor::task<> {
    number_row const one{1};
    co_await on.post(add(), one);
    co_await on.post_many(add(), some);
    auto const rows = co_await on.query(all());
    for (auto const& row : rows) seen.push_back(row.value);
  });
  CHECK(seen == list{1, 4, 5});
  CHECK(code_of([&] {
          s.write([](session& on) -> visor::task<> {
            number_row const two{2};
            co_await on.post(add(), two);
            throw visor::error(errc::conflict, "no");
          });
        }) == errc::conflict);
  CHECK(s.numbers() == list{1, 4, 5});
  CHECK(s.base.statistics()->connected == before);  // nothing was left on its way
}

TEST_CASE("many executions are one after another, however they are made", "[postgresql]") {
  CHECK(postgresql_server::shared().run("SET client_min_messages = error; DROP SCHEMA IF EXISTS \"numbers of test\" CASCADE"));
  CHECK(postgresql_server::shared().run("CREATE SCHEMA \"numbers of test\""));
  visor_test::check_execute_many<visor::postgresql>(local());
}

namespace {

/// A numbers_database with a table of entries, of which somebody else is about to write the one in the middle: there a copy stands still.
struct copy_fixture : numbers_database {
  explicit copy_fixture(visor::postgresql_settings settings = local()) : numbers_database(std::move(settings)) {
    write(
        [](session& on) -> visor::task<> { co_await on.run(visor::sql::create_table_text<visor::postgresql_dialect, visor_test::entry>); });
    for (auto& each : rows) each.text = std::string(2000, 'x');
  }
  ~copy_fixture() { let_go(); }

  void block() {
    blocker = std::thread([this] {
      asio::io_context here{1};
      database other(local());
      visor_test::run(here, other.open());
      auto op = [this](session& on) -> visor::task<> {
        co_await on.post(visor_test::insert_entry(), rows[rows.size() / 2]);
        while (is_blocked) co_await on.run("SELECT pg_sleep(0.01)");
        throw visor::error(errc::conflict, "let go");
      };
      CHECK(code_of([&] { visor_test::run(here, other.transact(op, visor::lock_mode::shared)); }) == errc::conflict);
      visor_test::run(here, other.close());
    });
  }
  void let_go() {
    is_blocked = false;
    if (blocker.joinable()) blocker.join();
  }
  bool stands_still() {
    for (int i = 0; i < 1000; ++i, std::this_thread::sleep_for(5ms))
      if (postgresql_server::shared().run(
              "SELECT 1 / count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND wait_event_type = 'Lock'"))
        return true;
    return false;
  }

  void copy() {
    auto op = [this](session& on) -> visor::task<> {
      ++tries;
      co_await on.copy(visor_test::insert_entry(), rows);
    };
    visor_test::run(io, base.transact(op, visor::lock_mode::shared));
  }

  std::size_t stored() {
    std::size_t count = 0;
    auto op = [&count](session& on) -> visor::task<> {
      auto const found = co_await on.query(visor_test::all_entries());
      count = found.size();
    };
    visor_test::run(io, base.read(op));
    return count;
  }

  std::vector<visor_test::entry> rows = visor_test::entries(1, 20'000);
  std::atomic<bool> is_blocked{true};
  std::thread blocker;
  int tries = 0;
};

}  // namespace

TEST_CASE("a copy whose connection breaks in its middle is done again", "[postgresql]") {
  auto settings = local();
  if (!settings.is_local()) return;
  visor_test::tcp_gate gate(asio::local::stream_protocol::endpoint(settings.host + "/.s.PGSQL." + std::to_string(settings.port)));
  settings.host = "127.0.0.1";
  settings.port = gate.port();
  copy_fixture s(settings);
  s.block();
  bool const is_ended_by_server = GENERATE(false, true);
  std::thread breaker([&] {
    CHECK(s.stands_still());
    if (is_ended_by_server)
      CHECK(postgresql_server::shared().run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'"));
    else
      gate.cut();
    s.let_go();
  });
  s.copy();
  breaker.join();
  CHECK(s.tries == 2);
  CHECK(s.stored() == s.rows.size());
}

TEST_CASE("a copy that takes too long is given up", "[postgresql]") {
  auto settings = local();
  settings.transaction_timeout = 300ms;
  copy_fixture s(settings);
  s.block();
  auto const begin = std::chrono::steady_clock::now();
  auto const why = code_of([&] { s.copy(); });
  CHECK((why == errc::timeout || why == errc::busy));
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
  CHECK(s.stored() == 0);
}

TEST_CASE("a copy that is given up at any moment leaves no half-read connection behind", "[postgresql]") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::minstd_rand random(seed);
  copy_fixture s;
  s.rows.resize(1000);
  auto how = visor::pool_settings();
  how.max = 1;
  visor::postgresql::connector source(local());
  visor::pool<visor::postgresql::connector> pool(s.io.get_executor(), how, source);
  auto const copy_nothing = [&](bool wrong) -> visor::task<> {
    auto const held = co_await pool.acquire();
    asio::any_io_executor const here = co_await asio::this_coro::executor;
    visor::postgresql_driver::connection::attachment const attached(*held, here);
    session on(*held);
    co_await held->begin(visor::lock_mode::shared);
    if (wrong) co_await on.copy(visor_test::insert_entry(), s.rows);
    co_await on.copy(visor_test::insert_entry(), s.rows);
    auto const found = co_await on.query(visor_test::all_entries());
    CHECK(found.size() == s.rows.size());
    co_await held->rollback();
  };
  auto const begin = std::chrono::steady_clock::now();
  visor_test::run(s.io, copy_nothing(false));
  auto const undisturbed = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  for (int i = 0; i < 60; ++i) {
    asio::cancellation_signal cancel;
    bool ended = false;
    asio::co_spawn(s.io, copy_nothing(i % 2 == 0), asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr) { ended = true; }));
    asio::steady_timer timer(s.io, std::chrono::microseconds{std::uniform_int_distribution<std::int64_t>(0, undisturbed.count())(random)});
    timer.async_wait([&](boost::system::error_code failed) {
      if (!failed && !ended) cancel.emit(asio::cancellation_type::terminal);
    });
    s.io.restart();
    while (!ended && s.io.run_one() != 0) {
    }
    timer.cancel();
    visor_test::run(s.io, copy_nothing(false));  // by somebody else
  }
  visor_test::run(s.io, pool.close(10s));
  CHECK(s.stored() == 0);
}

TEST_CASE("a log of statements tells of a copy", "[postgresql]") {
  auto settings = local();
  settings.log_statements.all = true;
  std::vector<std::string> lines;
  std::mutex mutex;
  copy_fixture s;
  database base(settings, [&](visor::log_level, std::string_view line) {
    std::scoped_lock const lock(mutex);
    if (line.find("COPY") != std::string_view::npos) lines.emplace_back(line);
  });
  visor_test::run(s.io, base.open());
  auto op = [&s](session& on) -> visor::task<> { co_await on.copy(visor_test::insert_entry(), s.rows); };
  visor_test::run(s.io, base.transact(op));
  CHECK_THROWS_AS(visor_test::run(s.io, base.transact(op)), visor::error);
  visor_test::run(s.io, base.close());
  REQUIRE(lines.size() == 2);
  CHECK_THAT(lines[0], Contains("s, 20000 rows, 0 parameters: COPY \"visor_entry\" (\"id\", \"text\""));
  CHECK_THAT(lines[1], Contains("s, failed, 0 parameters: COPY"));
}

TEST_CASE("many rows in one go are counted one by one", "[postgresql]") {
  numbers_database s;
  std::vector<number_row> many(1700);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].value = static_cast<std::int64_t>(i);
  std::vector<std::size_t> affected(many.size());
  std::size_t sum = 0;
  s.write([&](session& on) -> visor::task<> { sum = co_await on.execute_many(add(), many, affected); });
  CHECK(sum == many.size());
  CHECK(affected == std::vector<std::size_t>(many.size(), 1));
  CHECK(s.numbers().size() == many.size());
}

TEST_CASE("a connection that the server ended is replaced, and the transaction repeated", "[postgresql]") {
  numbers_database s;
  s.add_number(1);
  end_connections();
  s.add_number(2);
  CHECK(s.numbers() == list{1, 2});
  // A transaction whose connection breaks during the commit is not repeated: its outcome is unknown.
  int tries = 0;
  CHECK(code_of([&] {
          s.write([&tries](session& on) -> visor::task<> {
            number_row const three{3};
            co_await on.execute(add(), three);
            ++tries;
            end_connections();
          });
        }) == errc::outcome_unknown);
  CHECK(tries == 1);
  CHECK(s.numbers() == list{1, 2});
}

TEST_CASE("a transaction that takes too long is given up with its connection", "[postgresql]") {
  auto settings = local();
  settings.transaction_timeout = 300ms;
  numbers_database s(settings);
  auto const begin = std::chrono::steady_clock::now();
  CHECK(code_of([&] { s.write([](session& on) -> visor::task<> { co_await on.run("SELECT pg_sleep(30)"); }); }) == errc::timeout);
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
  s.add_number(1);
  CHECK(s.numbers() == list{1});
}

TEST_CASE("a caller who gives up while his transaction runs leaves no half-read connection behind", "[postgresql]") {
  numbers_database s;
  asio::cancellation_signal cancel;
  bool ended = false;
  auto op = [](session& on) -> visor::task<> {
    co_await on.run("SELECT pg_sleep(0.2)");
    number_row const one{1};
    co_await on.execute(add(), one);
  };
  asio::co_spawn(s.io, s.base.transact(op), asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr) { ended = true; }));
  s.io.restart();
  for (int i = 0; i < 20; ++i) s.io.poll();
  cancel.emit(asio::cancellation_type::terminal);
  while (!ended && s.io.run_one() != 0) {
  }
  s.add_number(2);
  auto const found = s.numbers();
  CHECK((found == list{2} || found == list{1, 2}));
}

TEST_CASE("a reading whose connection breaks at its end is done again", "[postgresql]") {
  numbers_database s;
  s.add_number(1);
  int tries = 0;
  auto op = [&tries](session& on) -> visor::task<> {
    auto const rows = co_await on.query(all());
    CHECK(rows.size() == 1);
    if (++tries > 1) co_return;
    end_connections();
  };
  visor_test::run(s.io, s.base.read(op));
  CHECK(tries == 2);
}

TEST_CASE("callers of several threads share the connections", "[postgresql]") {
  auto settings = local();
  settings.pool.max = 3;
  numbers_database s(settings);
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&s, &failures, t] {
      asio::io_context io{1};
      for (int i = 0; i < 50; ++i) {
        auto const op = [value = t * 1000 + i](session& on) -> visor::task<> {
          number_row const row{value};
          co_await on.execute(add(), row);
        };
        try {
          visor_test::run(io, s.base.transact(op));
        } catch (std::exception const&) {
          ++failures;
        }
      }
    });
  for (auto& each : threads) each.join();
  CHECK(failures == 0);
  CHECK(s.numbers().size() == 300);
  CHECK(s.base.statistics()->connected <= 3);
}

TEST_CASE("others are notified of a commit, and whoever made it does not", "[postgresql]") {
  numbers_database s;
  numbers_database* const same = &s;
  database other(local());
  asio::io_context io{1};
  std::atomic<int> here{0}, there{0};
  s.base.watch([&here] { ++here; });
  other.watch([&there] { ++there; });
  visor_test::run(io, other.open());
  auto const notify = [](session& on) -> visor::task<> {
    on.notify();
    co_return;
  };
  // It may take a while until the server knows that somebody listens.
  for (int tries = 0; tries < 200 && there == 0; ++tries) {
    same->write(notify);
    std::this_thread::sleep_for(10ms);
  }
  CHECK(there > 0);
  CHECK(here == 0);
  visor_test::run(io, other.close());
}

TEST_CASE("of many commits in a moment others hear a few words, the last one behind the last of them", "[postgresql]") {
  bool const closes = GENERATE(false, true);
  numbers_database s;
  database other(local());
  asio::io_context io{1};
  // Counted as they begin: others may hear of a commit before we do.
  std::atomic<int> begun{0}, heard{0}, words{0};
  other.watch([&] {
    heard = begun.load();
    ++words;
  });
  visor_test::run(io, other.open());
  for (int tries = 0; tries < 500 && !other.is_watching(); ++tries) std::this_thread::sleep_for(10ms);
  REQUIRE(other.is_watching());
  constexpr int many = 200;
  auto const notify = [](session& on) -> visor::task<> {
    on.notify();
    co_return;
  };
  for (int i = 0; i < many; ++i) {
    ++begun;
    s.write(notify);
  }
  if (closes) visor_test::run(s.io, s.base.close());
  for (int tries = 0; tries < 500 && heard != many; ++tries) std::this_thread::sleep_for(10ms);
  CHECK(heard == many);
  CHECK(words < many);
  visor_test::run(io, other.close());
}

TEST_CASE("a notification by somebody else is received though the first one was rolled back", "[postgresql]") {
  numbers_database s;
  database other(local());
  asio::io_context io{1};
  std::atomic<int> words{0};
  other.watch([&] { ++words; });
  visor_test::run(io, other.open());
  for (int tries = 0; tries < 500 && !other.is_watching(); ++tries) std::this_thread::sleep_for(10ms);
  auto const fail = [](session& on) -> visor::task<> {
    on.notify();
    co_await on.run("SELECT 1 / 0");
  };
  auto const notify = [](session& on) -> visor::task<> {
    on.notify();
    co_return;
  };
  for (int round = 1; round <= 5; ++round) {
    CHECK_THROWS_AS(s.write(fail), visor::error);
    int const before = words;
    s.write(notify);
    for (int tries = 0; tries < 500 && words == before; ++tries) std::this_thread::sleep_for(10ms);
    CHECK(words > before);
    std::this_thread::sleep_for(20ms);
  }
  visor_test::run(io, other.close());
}

namespace {

/// The sessions of the settings below. Those of other tests may be there for a while.
std::int64_t sessions() {
  auto const text = postgresql_server::shared().value(
      "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counted' AND backend_type = 'client backend' AND pid <> "
      "pg_backend_pid()");
  return std::stoll(text);
}

/// Those of them that listen.
std::int64_t listeners() {
  auto const text = postgresql_server::shared().value(
      "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counted' AND backend_type = 'client backend' AND query ILIKE "
      "'%LISTEN%' AND pid <> pg_backend_pid()");
  return std::stoll(text);
}

template <class Condition>
bool comes(Condition what, std::chrono::seconds timeout = 10s) {
  auto const end = std::chrono::steady_clock::now() + timeout;
  while (!what() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(10ms);
  return what();
}

}  // namespace

TEST_CASE("sessions that listen and those that tell others are counted by the pool", "[postgresql]") {
  int const max = GENERATE(1, 2, 3);
  auto settings = local();
  settings.application = "counted";
  settings.pool.max = max;
  numbers_database s(settings);
  std::atomic<int> words{0};
  s.base.watch([&words] { ++words; });
  if (max >= 3) CHECK(comes([&] { return s.base.is_watching(); }));
  auto const notify = [](session& on) -> visor::task<> {
    on.notify();
    co_return;
  };
  // A session is there for a moment longer than its connection.
  for (int i = 0; i < 50; ++i) {
    s.write(notify);
    if (i % 10 == 0) CHECK(comes([&] { return sessions() <= max; }));
  }
  std::this_thread::sleep_for(50ms);
  CHECK(comes([&] { return sessions() <= max; }));
  CHECK(s.base.is_watching() == (max >= 3));
}

TEST_CASE("where no connection may stay open idle, none that listens does, until somebody writes", "[postgresql]") {
  bool const is_said = GENERATE(true, false);
  auto settings = local();
  settings.application = "counted";
  if (is_said) settings.pool.min = 0;
  settings.pool.idle_timeout = 1s;
  numbers_database s(settings);
  std::atomic<int> words{0};
  s.base.watch([&words] { ++words; });
  CHECK(comes([] { return listeners() == 1; }));
  if (!is_said) {
    std::this_thread::sleep_for(3s);
    CHECK(sessions() == 1);
    CHECK(s.base.is_watching());
    return;
  }
  CHECK_FALSE(s.base.is_watching());  // not for long: a node polls as often as one that hears nothing
  CHECK(comes([] { return sessions() == 0; }));
  std::this_thread::sleep_for(1s);
  CHECK(sessions() == 0);
  CHECK(words == 0);
  s.add_number(1);
  CHECK(comes([] { return listeners() == 1; }));
  CHECK(comes([&] { return words == 1; }));  // for commits that were missed meanwhile
}

TEST_CASE("where no connection may stay open idle, all end once a node that wrote has looked for work", "[postgresql]") {
  auto settings = local();
  settings.application = "counted";
  settings.pool.min = 0;
  settings.pool.max = 5;
  settings.pool.idle_timeout = 1s;
  numbers_database s(settings);
  std::atomic<int> calls{0};
  s.base.watch([&calls] { ++calls; });
  CHECK(comes([] { return listeners() == 1; }));
  int looks = 0;
  // A node answers each call with a claim and a query for due schedules.
  auto const no_sessions_after_looks = [&] {
    if (calls.exchange(0) != 0) {
      ++looks;
      s.write([](session&) -> visor::task<> { co_return; });
      CHECK(s.numbers().size() == 1);
    }
    return sessions() == 0;
  };
  CHECK(comes(no_sessions_after_looks));
  CHECK(looks == 0);
  s.add_number(1);  // as the recovery of lapsed nodes at a heartbeat
  CHECK(comes([] { return listeners() == 1; }));
  CHECK(comes(no_sessions_after_looks));
  CHECK(looks == 1);
  bool is_quiet = true;
  for (int i = 0; i < 30; ++i) {
    std::this_thread::sleep_for(100ms);
    is_quiet = no_sessions_after_looks() && is_quiet;
  }
  CHECK(is_quiet);
  CHECK(looks == 1);
}

TEST_CASE("a database that is not closed takes a connection that listens with it", "[postgresql]") {
  {
    auto settings = local();
    settings.application = "counted";
    database base(settings);
    asio::io_context io{1};
    base.watch([] {});
    CHECK(postgresql_server::shared().run("CREATE SCHEMA IF NOT EXISTS \"numbers of test\""));
    visor_test::run(io, base.open());
    CHECK(comes([&] { return base.is_watching(); }));
    CHECK(sessions() >= 1);
  }
  CHECK(comes([] { return sessions() == 0; }));
}

TEST_CASE("a connection that listens is made anew when a server of no use is left", "[postgresql]") {
  numbers_database s;
  s.base.watch([] {});
  CHECK(comes([&] { return s.base.is_watching(); }));
  auto const before = s.base.statistics()->connected;
  int tries = 0;
  auto const fail_once = [&tries](session&) -> visor::task<> {
    if (++tries == 1) throw visor::error(errc::read_only, "demoted");
    co_return;
  };
  s.write(fail_once);
  CHECK(tries == 2);
  CHECK(comes([&] { return s.base.statistics()->connected >= before + 2; }));
  CHECK(comes([&] { return s.base.is_watching(); }));
}

TEST_CASE("of several servers one that can be written is preferred, and any other is better than none", "[postgresql]") {
  auto& server = postgresql_server::shared();
  visor_test::tcp_gate gate(
      boost::asio::local::stream_protocol::endpoint(server.settings().host + "/.s.PGSQL." + std::to_string(server.settings().port)));
  auto settings = local();
  CHECK(server.run("CREATE SCHEMA IF NOT EXISTS \"numbers of test\""));
  CHECK(server.run("CREATE ROLE reader LOGIN SUPERUSER"));
  settings.host = "127.0.0.1:" + std::to_string(gate.port()) + ",127.0.0.1:" + std::to_string(gate.port());
  settings.user = "reader";
  auto const open = [&] {
    database base(settings);
    asio::io_context io{1};
    visor_test::run(io, base.open());
    visor_test::run(io, base.close());
  };
  open();
  CHECK(gate.accepted() == 1);
  CHECK(server.run("ALTER ROLE reader SET default_transaction_read_only = on"));
  open();
  CHECK(gate.accepted() == 4);
  settings.target = "read-write";
  CHECK(code_of(open) == errc::connection_failed);
  CHECK(server.run("DROP ROLE reader"));
}

TEST_CASE("a user without rights is told which, and what else is wrong with him", "[postgresql]") {
  auto& server = postgresql_server::shared();
  CHECK(server.run("DROP SCHEMA IF EXISTS \"numbers of test\" CASCADE"));
  CHECK(server.run("CREATE SCHEMA \"numbers of test\" CREATE TABLE numbers (value bigint PRIMARY KEY)"));
  CHECK(server.run("CREATE ROLE nobody LOGIN"));
  auto settings = local();
  settings.user = "nobody";
  auto const said = [&](bool makes) {
    database base(settings);
    asio::io_context io{1};
    auto read = [](session& on) -> visor::task<> { auto const rows = co_await on.query(all()); };
    auto make = [](session& on) -> visor::task<> { co_await on.run("CREATE TABLE more (value int)"); };
    std::string words = "done";
    try {
      visor_test::run(io, base.open());
      if (makes)
        visor_test::run(io, base.transact(make));
      else
        visor_test::run(io, base.read(read));
    } catch (visor::error const& refused) {
      CHECK(refused.code() == errc::authentication_failed);
      words = refused.message();
    }
    visor_test::run(io, base.close());
    return words;
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(said(false), Contains("GRANT USAGE ON SCHEMA \"numbers of test\" TO \"nobody\""));
  CHECK(server.run("GRANT USAGE ON SCHEMA \"numbers of test\" TO nobody"));
  CHECK_THAT(said(false), Contains("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"numbers of test\" TO \"nobody\""));
  CHECK_THAT(said(true), Contains("GRANT CREATE ON SCHEMA \"numbers of test\" TO \"nobody\""));
  CHECK(server.run("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"numbers of test\" TO nobody"));
  CHECK(said(false) == "done");
  CHECK(server.run("ALTER ROLE nobody NOLOGIN"));
  CHECK_THAT(said(false), Contains("ALTER ROLE \"nobody\" LOGIN"));
  CHECK(server.run("DROP OWNED BY nobody"));
  CHECK(server.run("DROP ROLE nobody"));
  CHECK_THAT(said(false), Contains("CREATE ROLE \"nobody\" LOGIN"));
}

TEST_CASE("nothing after close, until it is opened again", "[postgresql]") {
  numbers_database s;
  visor_test::run(s.io, s.base.close());
  CHECK(code_of([&] { s.add_number(1); }) == errc::closed);
  visor_test::run(s.io, s.base.open());
  s.add_number(1);
  CHECK(s.numbers() == list{1});
}
