#include "execute_many.hpp"

#include "support/catch.hpp"
#include "support/mariadb_server.hpp"
#include "support/run.hpp"

#include "visor/mysql.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// Faults of a server, and special cases of MySQL and MariaDB.
namespace visor_test {
namespace {

using namespace std::chrono_literals;
using visor::errc;
using session = visor::mysql::session;

/// A database for one test.
struct mysql_database {
  mysql_database() { server.run("CREATE DATABASE " + name); }
  ~mysql_database() { server.run("DROP DATABASE " + name); }
  mysql_database(mysql_database const&) = delete;
  mysql_database& operator=(mysql_database const&) = delete;

  visor::mysql_settings settings() const {
    auto result = server.settings();
    result.database = name;
    result.transaction_timeout = 10s;
    return result;
  }

  mariadb_server& server = mariadb_server::shared();
  std::string const name = new_name();
};

/// The error that comes of it.
template <class Work>
std::optional<visor::error> failure_of(Work work) {
  try {
    work();
  } catch (visor::error const& thrown) {
    return thrown;
  }
  return std::nullopt;
}

/// The version that tables are brought to.
constexpr int latest = static_cast<int>(visor::schema_versions.size());

visor::task<> transact(visor::mysql::database& in, std::function<visor::task<>(session&)> op) { co_await in.transact(op); }

visor::new_job job(visor::job_id id) {
  visor::new_job result;
  result.id = id;
  result.type = "type";
  result.payload = "{}";
  return result;
}

visor::task<> sleep(visor::duration length) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  timer.expires_after(length);
  auto waiting = timer.async_wait(boost::asio::use_awaitable);
  co_await std::move(waiting);
}

}  // namespace

TEST_CASE("many that open an empty database at the same time all find whole tables", "[mysql]") {
  mysql_database s;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      boost::asio::io_context io;
      visor::mysql_store<> store(s.settings());
      try {
        run(io, store.open());
        failures += run(io, store.schema().validate()).empty() ? 0 : 1;
        run(io, store.close());
      } catch (std::exception const&) {
        ++failures;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(failures == 0);
}

TEST_CASE("the schema goes up and down", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io;
  visor::mysql_store<> store(s.settings());
  CHECK(run(io, store.schema().migrate()) == latest);
  CHECK(run(io, store.schema().validate()).empty());
  CHECK(run(io, store.schema().migrate()) == 0);
  run(io, store.schema().reset());
  CHECK(run(io, store.schema().validate()).empty());
  CHECK(run(io, store.schema().rollback(1)) == 1);
  CHECK(run(io, store.schema().migrate()) == 1);
  CHECK(run(io, store.schema().validate()).empty());
  CHECK(run(io, store.schema().rollback(latest)) == latest);
  CHECK_FALSE(run(io, store.schema().status()).has_tables);
  run(io, store.close());
}

TEST_CASE("tables that were not made to the end are made anew", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io;
  visor::mysql_store<> first(s.settings());
  CHECK(run(io, first.schema().migrate()) == latest);
  // As when the process was killed between two of its CREATE TABLE, each of which is committed at once.
  CHECK(s.server.run("DELETE FROM " + s.name + ".visor_migration"));
  CHECK(s.server.run("DROP TABLE " + s.name + ".visor_fire"));
  CHECK(run(io, first.schema().status()).is_half_made);
  auto settings = s.settings();
  SECTION("but not where nobody may") {
    settings.auto_init = false;
    visor::mysql_store<> store(settings);
    auto const failure = failure_of([&] { run(io, store.open()); });
    REQUIRE(failure);
    CHECK_THAT(failure->what(), Contains("were not made to the end: `visor db init`"));
    run(io, store.close());
  }
  SECTION("by who opens the store") {
    visor::mysql_store<> store(settings);
    run(io, store.open());
    CHECK(run(io, store.schema().validate()).empty());
    run(io, store.close());
  }
  SECTION("by who asks for it") {
    CHECK(run(io, first.schema().migrate()) == latest);
    CHECK(run(io, first.schema().validate()).empty());
  }
  run(io, first.close());
}

TEST_CASE("many executions are one after another, however they are made", "[mysql]") {
  mysql_database s;
  check_execute_many<visor::mysql>(s.settings());
}

TEST_CASE("the server's clock is the store's", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io;
  visor::mysql_store<> store(s.settings());
  run(io, store.open());
  auto const before = std::chrono::time_point_cast<visor::duration>(std::chrono::system_clock::now());
  auto const now = run(io, store.now());
  auto const after = std::chrono::time_point_cast<visor::duration>(std::chrono::system_clock::now());
  CHECK(before - 1ms <= now);
  CHECK(now <= after + 1ms);
  run(io, store.close());
}

TEST_CASE("a transaction whose connection is killed is done again", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io;
  visor::mysql::database database(s.settings());
  run(io, database.open());
  run(io, transact(database, [](session& on) -> visor::task<> { co_await on.run("CREATE TABLE t (a INT) ENGINE = InnoDB"); }));
  int tries = 0;
  run(io, transact(database, [&](session& on) -> visor::task<> {
        co_await on.run("INSERT INTO t VALUES (1)");
        if (++tries == 3) co_return;
        for (auto const& each : s.server.values("SELECT id FROM information_schema.processlist WHERE db = '" + s.name + "'"))
          s.server.run("KILL " + each);
        co_await on.run("DO 1");
      }));
  CHECK(tries == 3);
  // Only what was committed is there: with a second row this would not be one value.
  run(io, transact(database, [](session& on) -> visor::task<> { co_await on.run("INSERT INTO t SELECT (SELECT a FROM t)"); }));
  run(io, database.close());
}

TEST_CASE("a server that comes back is used again", "[mysql]") {
  mysql_database s;
  if (!s.server.is_own()) return;
  boost::asio::io_context io;
  auto settings = s.settings();
  settings.pool.acquire_timeout = 1s;
  settings.pool.validation_timeout = 500ms;
  settings.pool.connect_backoff_cap = 100ms;
  visor::mysql_store<> store(settings);
  run(io, store.open());
  std::vector const jobs{job(1)};
  CHECK(run(io, store.enqueue(jobs)) == 1);
  s.server.stop(SIGTERM);
  auto const failure = failure_of([&] { run(io, store.nodes()); });
  REQUIRE(failure);
  CHECK((failure->code() == errc::connection_failed || failure->code() == errc::timeout));
  s.server.start();
  CHECK(run(io, store.find_job(1)).has_value());
  run(io, store.close());
}

/// A question that takes minutes. MySQL ends no `SLEEP` with an error.
constexpr char const* forever =
    "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c";

TEST_CASE("a transaction that takes too long is given up", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io;
  auto settings = s.settings();
  settings.transaction_timeout = 300ms;
  visor::mysql::database database(settings);
  run(io, database.open());
  auto const begin = std::chrono::steady_clock::now();
  auto const failure = failure_of([&] { run(io, transact(database, [](session& on) -> visor::task<> { co_await on.run(forever); })); });
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  REQUIRE(failure);
  CHECK(failure->code() == errc::timeout);
  run(io, database.close());
  // The server has given it up too, with its lock.
  visor::mysql::database other(s.settings());
  run(io, other.open());
  run(io, transact(other, [](session& on) -> visor::task<> { co_await on.run("DO 1"); }));
  run(io, other.close());
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("the context goes on while the server thinks", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io;
  visor::mysql::database database(s.settings());
  run(io, database.open());
  int ticks = 0;
  bool over = false;
  boost::asio::co_spawn(
      io,
      [&]() -> visor::task<> {
        while (!over) {
          co_await sleep(10ms);
          ++ticks;
        }
      },
      boost::asio::detached);
  run(io, transact(database, [](session& on) -> visor::task<> { co_await on.run("DO SLEEP(0.5)"); }));
  over = true;
  CHECK(ticks > 10);
  run(io, sleep(20ms));
  run(io, database.close());
}

TEST_CASE("a call that is given up leaves a connection that is broken, and nothing else", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io;
  auto const settings = s.settings();
  visor::mysql::connector connector(settings);
  auto made = run(io, connector.connect());
  CHECK(made->state() == visor::connection_state::clean);
  boost::asio::cancellation_signal signal;
  std::exception_ptr failure;
  auto const work = [&]() -> visor::task<> {
    boost::asio::any_io_executor const executor = io.get_executor();
    visor::mysql_driver::connection::attachment const here(*made, executor);
    co_await made->run("DO SLEEP(20)");
  };
  boost::asio::co_spawn(io, work, boost::asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr thrown) { failure = thrown; }));
  run(io, sleep(50ms));
  signal.emit(boost::asio::cancellation_type::terminal);
  run(io, sleep(20ms));
  CHECK(failure != nullptr);
  CHECK(made->state() == visor::connection_state::broken);
  auto const begin = std::chrono::steady_clock::now();
  made.reset();
  CHECK(std::chrono::steady_clock::now() - begin < 1s);
  connector.stop();
}

TEST_CASE("what the database cannot keep is refused, with the limit", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io;
  visor::mysql_store<> store(s.settings());
  run(io, store.open());
  std::vector<visor::new_job> jobs{job(1), job(2)};
  SECTION("the name of a queue that is too long for a key, also where it is in none") {
    jobs[1].queue = std::string(704, 'q');
    jobs[1].run_at = visor::instant{std::chrono::sys_days{std::chrono::year{9000} / 1 / 1}};
    auto const failure = failure_of([&] { run(io, store.enqueue(jobs)); });
    REQUIRE(failure);
    CHECK(failure->code() == errc::invalid_argument);
    CHECK_THAT(failure->what(), Contains("those of queues 703") && Contains("'queue'"));
  }
  SECTION("more than the server takes in one packet") {
    auto const before = s.server.values("SELECT @@max_allowed_packet").at(0);
    s.server.run("SET GLOBAL max_allowed_packet = 1048576");
    visor::mysql_store<> narrow(s.settings());
    run(io, narrow.open());
    s.server.run("SET GLOBAL max_allowed_packet = " + before);
    jobs[1].payload = "\"" + std::string(1048576 - 64 * 1024, 'x') + "\"";
    auto const failure = failure_of([&] { run(io, narrow.enqueue(jobs)); });
    run(io, narrow.close());
    REQUIRE(failure);
    CHECK(failure->code() == errc::invalid_argument);
    CHECK_THAT(failure->what(), Contains("max_allowed_packet"));
  }
  CHECK_FALSE(run(io, store.find_job(1)).has_value());
  jobs[1] = job(2);
  jobs[1].queue = std::string(703, 'q');
  CHECK(run(io, store.enqueue(jobs)) == 2);
  run(io, store.close());
}

TEST_CASE("texts that differ in case are different keys", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io;
  visor::mysql_store<> store(s.settings());
  run(io, store.open());
  for (std::string const id : {"a", "A", "\xc3\xa1"}) {
    visor::schedule_record schedule;
    schedule.id = id;
    schedule.type = "type";
    schedule.expression = "* * * * *";
    run(io, store.add_schedule(schedule));
  }
  CHECK(run(io, store.schedules({})).size() == 3);
  CHECK(run(io, store.find_schedule("A"))->id == "A");
  run(io, store.close());
}

TEST_CASE("a connection that cannot be made says what helps", "[mysql]") {
  mysql_database s;
  auto settings = s.settings();
  auto const refusal = [&] {
    boost::asio::io_context io;
    visor::mysql::database database(settings);
    return failure_of([&] { run(io, database.open()); });
  };
  errc expected{};
  char const* says = "";
  SECTION("no such database") {
    settings.database = "nobody";
    expected = errc::not_found;
    says = "CREATE DATABASE `nobody`";
  }
  SECTION("no such user") {
    settings.user = "nobody";
    expected = errc::authentication_failed;
    says = "'nobody'";
  }
  SECTION("another password") {
    settings.password = visor::secret("hunter2");
    expected = errc::authentication_failed;
    says = "password";
  }
  SECTION("no such socket") {
    settings.host = "/nowhere/mysqld.sock";
    expected = errc::connection_failed;
    says = "/nowhere/mysqld.sock";
  }
  auto const failure = refusal();
  REQUIRE(failure);
  CHECK(failure->code() == expected);
  CHECK_THAT(failure->what(), Contains(says) && !Contains("hunter2"));
  CHECK(std::string(failure->what()).find('\n') == std::string::npos);
}

TEST_CASE("a user without rights is told which to grant, and not that tables are missing", "[mysql]") {
  mysql_database s;
  boost::asio::io_context io{1};
  visor::sql_store<visor::mysql> owner(s.settings());
  run(io, owner.open());
  run(io, owner.close());
  s.server.run("CREATE USER nobody IDENTIFIED BY 'hunter2'");
  s.server.run("GRANT SELECT ON " + s.name + ".visor_node TO nobody");
  auto settings = s.settings();
  settings.user = "nobody";
  settings.password = visor::secret("hunter2");
  visor::sql_store<visor::mysql> store(settings);
  auto const failure = failure_of([&] { run(io, store.open()); });
  REQUIRE(failure);
  CHECK(failure->code() == errc::authentication_failed);
  CHECK(failure->message().find("GRANT ALL ON `" + s.name + "`.* TO 'nobody'@'%'") != std::string::npos);
  auto const validated = failure_of([&] { run(io, store.schema().validate()); });
  REQUIRE(validated);
  CHECK(validated->code() == errc::authentication_failed);
  s.server.run("GRANT ALL ON " + s.name + ".* TO nobody");
  CHECK_FALSE(failure_of([&] { run(io, store.open()); }));
  run(io, store.close());
  s.server.run("DROP USER nobody");
}

TEST_CASE("tables are made whatever row format the server has as its default", "[mysql]") {
  mysql_database s;
  if (!s.server.run("SET GLOBAL innodb_default_row_format = compact")) return;
  boost::asio::io_context io{1};
  visor::sql_store<visor::mysql> store(s.settings());
  auto const failure = failure_of([&] { run(io, store.open()); });
  s.server.run("SET GLOBAL innodb_default_row_format = DEFAULT");
  CHECK_FALSE(failure);
  run(io, store.close());
}

TEST_CASE("settings out of range are named", "[mysql]") {
  visor::mysql_settings settings;
  settings.check();
  char const* field = "";
  SECTION("port") {
    settings.port = 0;
    field = "port";
  }
  SECTION("host") {
    settings.host = "";
    field = "host";
  }
  SECTION("transaction_timeout") {
    settings.transaction_timeout = 1ms;
    field = "transaction_timeout";
  }
  SECTION("tls") {
    settings.tls.ca = "ca.pem";
    field = "ssl.ca";
  }
  auto const failure = failure_of([&] { settings.check(); });
  REQUIRE(failure);
  CHECK(failure->code() == errc::invalid_argument);
  CHECK_THAT(failure->what(), Contains(field));
}

TEST_CASE("error numbers have portable error codes", "[mysql]") {
  using visor::mysql;
  CHECK(mysql::classify(1062) == errc::unique_violation);
  CHECK(mysql::classify(1213) == errc::deadlock);
  CHECK(mysql::classify(1205) == errc::busy);
  CHECK(mysql::classify(1040) == errc::busy);
  CHECK(mysql::classify(1045) == errc::authentication_failed);
  CHECK(mysql::classify(1049) == errc::not_found);
  CHECK(mysql::classify(2003) == errc::connection_failed);
  CHECK(mysql::classify(2013) == errc::connection_lost);
  CHECK(mysql::classify(1290) == errc::read_only);
  for (auto const* option : {"--read-only", "--super-read-only", "--read_only=NO_LOCK", "--transaction-read-only"}) {
    auto const words = "The MySQL server is running with the " + std::string(option) + " option so it cannot execute this statement";
    CHECK(visor::mysql_driver::failure_of(1290, words, "there", "").code() == errc::read_only);
  }
  for (auto const* option : {"--secure-file-priv", "--skip-grant-tables"}) {
    auto const words = "The MySQL server is running with the " + std::string(option) + " option so it cannot execute this statement";
    auto const refused = visor::mysql_driver::failure_of(1290, words, "there", "");
    CHECK(refused.code() == errc::unsupported);
    CHECK_THAT(refused.what(), Contains("an option that forbids it") && Contains(option));
  }
  CHECK(mysql::classify(1021) == errc::disk_full);
  for (int const number : {1048, 1366, 1406, 1644, 3819, 4025}) CHECK(mysql::classify(number) == errc::invalid_argument);
  CHECK(mysql::classify(1) == errc::internal);
}

}  // namespace visor_test
