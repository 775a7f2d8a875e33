#include "support/catch.hpp"
#include "support/mute_server.hpp"
#include "support/run.hpp"
#include "support/tds_server.hpp"

#include "visor/config/connection_url.hpp"
#include "visor/driver/probe.hpp"
#include "visor/mssql.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/describe/class.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

// The driver for SQL Server over the wire, against a server with scripted answers, such as a real one gives only when it has a
// fault.
namespace visor_test {
namespace {

using namespace std::chrono_literals;
using tds::answer;
using visor::errc;
using database = visor::mssql::database;
using session = visor::mssql::session;

struct number_row {
  std::int64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(number_row, (), (value))

struct look : visor::sql::statement_defaults {
  static constexpr std::string_view name = "look";
  using params = number_row;
  using row = number_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out("SELECT :value AS [value]"); }
};

struct change : visor::sql::statement_defaults {
  static constexpr std::string_view name = "change";
  using params = number_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out("UPDATE something SET a = :value"); }
};

number_row const seven{7};

struct text_row {
  std::int64_t id = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(text_row, (), (id, text))

}  // namespace
}  // namespace visor_test

template <>
struct visor::sql::table<visor_test::text_row> : visor::sql::table_defaults {
  static constexpr std::string_view name = "text";
  static constexpr std::string_view key = "[id]";
};

namespace visor_test {
namespace {

using add_text = visor::sql::insert<text_row>;

/// A question about a table, which others write too.
struct look_at_texts : look {
  static constexpr std::string_view name = "look_at_texts";
  using used = visor::sql::tables<visor::job_record>;
};

struct all_texts : visor::sql::statement_defaults {
  static constexpr std::string_view name = "all_texts";
  using row = text_row;
  using used = visor::sql::tables<text_row>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {text}"); }
};

visor::mssql_settings settings_for(tds::server const& at) {
  visor::mssql_settings settings;
  settings.host = "127.0.0.1";
  settings.port = at.port();
  settings.user = "somebody";
  settings.password = visor::secret("pa{}ss;'word");
  settings.tls.mode = visor::tls_mode::disable;
  settings.pool.max = 2;
  settings.pool.connect_timeout = 5s;
  settings.pool.acquire_timeout = 10s;
  return settings;
}

/// A script that answers some requests its own way.
tds::server::settings when_asked(std::string text, std::function<answer()> how) {
  tds::server::settings settings;
  settings.script = [text = std::move(text), how = std::move(how)](std::string const& request) -> std::optional<answer> {
    if (request.find(text) == std::string::npos) return std::nullopt;
    return how();
  };
  return settings;
}

struct opened {
  explicit opened(visor::mssql_settings const& settings) : base(settings) { run(io, base.open()); }
  ~opened() { run(io, base.close()); }

  /// The failure of one transaction, if any.
  std::optional<visor::error> change_something() {
    auto op = [](session& on) -> session::async<void> { co_await on.execute(change(), seven); };
    return failure_of([&] { run(io, base.transact(op)); });
  }

  template <class Work>
  static std::optional<visor::error> failure_of(Work work) {
    try {
      work();
    } catch (visor::error const& thrown) {
      return thrown;
    }
    return std::nullopt;
  }

  boost::asio::io_context io{1};
  database base;
};

std::optional<visor::error> failure_to_open(visor::mssql_settings const& settings) {
  boost::asio::io_context io{1};
  database base(settings);
  return opened::failure_of([&] { run(io, base.open()); });
}

/// The service of a machine that tells the port of an instance, on an address of this machine that nobody else has.
class browser {
 public:
  browser() {
    for (unsigned char last = 2; last != 255 && !socket_.is_open(); ++last) {
      boost::system::error_code taken;
      udp::endpoint const here(boost::asio::ip::make_address_v4("127.0.0." + std::to_string(last)), 1434);
      socket_.open(here.protocol());
      socket_.bind(here, taken);
      if (taken) socket_.close();
    }
  }
  browser(browser const&) = delete;
  browser& operator=(browser const&) = delete;
  ~browser() {
    if (!thread_.joinable()) return;
    udp::socket knock(io_, udp::v4());
    knock.send_to(boost::asio::buffer("", 1), socket_.local_endpoint());
    thread_.join();
  }

  boost::asio::ip::address_v4 address() const { return socket_.local_endpoint().address().to_v4(); }

  void tell(std::string const& instance, int port) {
    thread_ = std::thread([this, instance, port] {
      for (;;) {
        std::array<char, 100> bytes{};
        udp::endpoint from;
        std::size_t const size = socket_.receive_from(boost::asio::buffer(bytes), from);
        if (bytes[0] == 0) return;
        if (std::string(bytes.data() + 1, size - 1).c_str() != instance) continue;  // 4, the name, 0
        std::string const text =
            "ServerName;HERE;InstanceName;" + instance + ";IsClustered;No;Version;16.0.1000.6;tcp;" + std::to_string(port) + ";;";
        tds::writer answer;
        answer.raw("\x05").little(static_cast<std::uint16_t>(text.size())).raw(text);
        socket_.send_to(boost::asio::buffer(answer.bytes), from);
      }
    });
  }

 private:
  using udp = boost::asio::ip::udp;

  boost::asio::io_context io_;
  udp::socket socket_{io_};
  std::thread thread_;
};

/// The settings that a connection string comes to.
visor::mssql_settings from_url(std::string const& url) {
  visor::storage_settings storage;
  storage.connection.connection_string = visor::secret(url);
  return visor::server_settings<visor::mssql_settings>(storage);
}

}  // namespace

TEST_CASE("a transaction is written and answered over the wire", "[mssql]") {
  tds::server const server(when_asked("AS [value]", [] { return answer::with_number(4'611'686'018'427'387'904); }));
  opened here(settings_for(server));
  std::optional<number_row> found;
  std::size_t changed = 9;
  auto op = [&](session& on) -> session::async<void> {
    found = co_await on.find(look(), seven);
    changed = co_await on.execute(change(), seven);
  };
  run(here.io, here.base.transact(op));
  REQUIRE(found);
  CHECK(found->value == 4'611'686'018'427'387'904);
  CHECK(changed == 0);
  CHECK(server.times("sp_getapplock") == 1);
  CHECK(server.times("COMMIT TRANSACTION") == 1);
  CHECK(server.attentions() == 0);
}

TEST_CASE("a statement is prepared once for a connection, whatever it is given", "[mssql]") {
  std::atomic<int> answers{0};
  tds::server const server(when_asked("AS [value]", [&] { return answer::with_number(++answers); }));
  auto settings = settings_for(server);
  settings.pool.max = 1;
  opened here(settings);
  auto op = [&](session& on) -> session::async<void> {
    for (std::int64_t i = 1; i <= 5; ++i) {
      number_row const given{i * 100};
      auto const found = co_await on.find(look(), given);
      CHECK(found->value == i);
    }
  };
  run(here.io, here.base.transact(op));
  CHECK(server.preparations("AS [value]") == 1);
}

TEST_CASE("texts travel as JSON only where the server gives them back as they were", "[mssql]") {
  std::vector<text_row> const rows{{1, "a"}, {2, "b\"\\\n"}};
  auto op = [&rows](session& on) -> session::async<void> { co_await on.post_many(add_text(), std::span<text_row const>(rows)); };
  SECTION("they come back") {
    tds::server const server;
    opened here(settings_for(server));
    run(here.io, here.base.transact(op));
    CHECK(server.times("INSERT INTO [visor_text]") == 1);
    CHECK(server.times("OPENJSON(CAST(") == 1);
  }
  SECTION("they come back escaped, as from Babelfish") {
    tds::server const server(when_asked("FROM OPENJSON(N'", [] { return answer::with("\\\"\\\\\\n\\tA"); }));
    opened here(settings_for(server));
    run(here.io, here.base.transact(op));
    CHECK(server.times("INSERT INTO [visor_text]") == 2);
    CHECK(server.times("OPENJSON(CAST(") == 0);
  }
  SECTION("the server knows no JSON") {
    tds::server const server(when_asked("FROM OPENJSON(N'", [] { return answer::failing(208); }));
    auto const failure = failure_to_open(settings_for(server));
    REQUIRE(failure);
    CHECK(failure->code() == errc::unsupported);
    CHECK(failure->message().find("COMPATIBILITY_LEVEL = 140") != std::string::npos);
  }
}

TEST_CASE("each error number of the server has its portable error code", "[mssql]") {
  struct expectation {
    int number;
    errc code;
    int tries;  // of the whole transaction
  };
  auto const expected = GENERATE(
      expectation{2627, errc::unique_violation, 1}, expectation{2601, errc::unique_violation, 1}, expectation{1205, errc::deadlock, 5},
      expectation{3960, errc::serialization_failure, 5}, expectation{1222, errc::busy, 1}, expectation{208, errc::schema_mismatch, 1},
      expectation{229, errc::authentication_failed, 1}, expectation{9002, errc::disk_full, 1}, expectation{3906, errc::read_only, 2},
      expectation{983, errc::read_only, 2}, expectation{2628, errc::invalid_argument, 1}, expectation{50000, errc::invalid_argument, 1},
      expectation{547, errc::invalid_argument, 1}, expectation{1, errc::internal, 1});
  CAPTURE(expected.number);
  tds::server const server(when_asked("UPDATE something", [&] { return answer::failing(expected.number); }));
  opened here(settings_for(server));
  auto const failure = here.change_something();
  REQUIRE(failure);
  CHECK(failure->code() == expected.code);
  CHECK(failure->server_text().find("as the script says") != std::string::npos);
  CHECK(server.times("UPDATE something") == expected.tries);
  CHECK(server.times("COMMIT TRANSACTION") == 0);
  CHECK(server.times("ROLLBACK TRANSACTION") == expected.tries);
}

TEST_CASE("what lost a deadlock is done again", "[mssql]") {
  std::atomic<int> times{0};
  tds::server const server(when_asked("UPDATE something", [&] { return ++times == 1 ? answer::failing(1205) : answer(); }));
  opened here(settings_for(server));
  auto const failure = here.change_something();
  CHECK_FALSE(failure);
  CHECK(times == 2);
  CHECK(server.connections() == 1);
}

TEST_CASE("a server that cannot be written any more is left, and nobody notices", "[mssql]") {
  auto const number = GENERATE(3906, 976, 983);
  std::atomic<int> times{0};
  tds::server const server(when_asked("UPDATE something", [&, number] { return ++times == 1 ? answer::failing(number) : answer(); }));
  opened here(settings_for(server));
  CHECK_FALSE(here.change_something());
  CHECK(times == 2);
  CHECK(server.connections() == 2);
}

TEST_CASE("a statement that the server has forgotten is prepared again, and nobody notices", "[mssql]") {
  auto const number = GENERATE(586, 8179);
  std::atomic<int> times{0};
  tds::server const server(when_asked("UPDATE something", [&, number] { return ++times == 1 ? answer::failing(number) : answer(); }));
  opened here(settings_for(server));
  CHECK_FALSE(here.change_something());
  CHECK(times == 2);
}

TEST_CASE("a server that says nothing is given up in time, before and behind the login", "[mssql]") {
  auto const begin = std::chrono::steady_clock::now();
  auto const took = [&begin] { return std::chrono::steady_clock::now() - begin; };
  boost::asio::io_context io{1};
  SECTION("before") {
    mute_server const mute;
    visor::mssql_settings settings;
    settings.host = "127.0.0.1";
    settings.port = mute.port();
    settings.pool.connect_timeout = 2s;
    CHECK_THROWS_AS(run(io, visor::probe<visor::mssql>(settings)), visor::error);
    CHECK(took() < 6s);
  }
  SECTION("behind") {
    tds::server const server(when_asked("XACT_ABORT", [] { return answer().stalled_after(0); }));
    auto settings = settings_for(server);
    settings.pool.connect_timeout = 2s;
    CHECK_THROWS_AS(run(io, visor::probe<visor::mssql>(settings)), visor::error);
    CHECK(took() < 8s);
  }
}

TEST_CASE("others that write for too long are waited for no longer", "[mssql]") {
  tds::server const server(when_asked("sp_getapplock", [] { return answer::with("-1"); }));
  opened here(settings_for(server));
  auto const failure = here.change_something();
  REQUIRE(failure);
  CHECK(failure->code() == errc::busy);
}

TEST_CASE("a waiter for the exclusive lock has a longer lock timeout each time, and gives up its position between", "[mssql][locks]") {
  tds::server const server(when_asked("sp_getapplock", [] { return answer::with("-1"); }));
  auto settings = settings_for(server);
  settings.lock_timeout = 1s;
  opened here(settings);
  auto op = [](session&) -> session::async<void> { co_return; };
  auto const begin = std::chrono::steady_clock::now();
  std::optional<errc> refused;
  try {
    run(here.io, here.base.transact(op, visor::lock_mode::exclusive));
  } catch (visor::error const& thrown) {
    refused = thrown.portable_code();
  }
  CHECK(refused == std::optional(errc::busy));
  for (std::string const timeout : {"250", "500", "1000"}) CHECK(server.times("@LockTimeout = " + timeout + ";") == 1);
  CHECK(server.times("sp_getapplock") == 3);
  CHECK(std::chrono::steady_clock::now() - begin >= 750ms);
}

TEST_CASE("a connection that is cut is made anew, and what was lost is done again", "[mssql]") {
  auto const bytes = GENERATE(as<std::size_t>(), 0, 3, 8, 11);
  CAPTURE(bytes);
  std::atomic<int> times{0};
  tds::server const server(when_asked("UPDATE something", [&, bytes] { return ++times == 1 ? answer().cut_after(bytes) : answer(); }));
  opened here(settings_for(server));
  auto const failure = here.change_something();
  CHECK_FALSE(failure);
  CHECK(times == 2);
  CHECK(server.connections() == 2);
}

TEST_CASE("a connection that is cut while it waits for others is no others' fault", "[mssql]") {
  std::atomic<int> times{0};
  tds::server const server(when_asked("sp_getapplock", [&] {
    answer got = answer::with("0");
    got.waits = true;
    return ++times == 1 ? got.cut_after(0) : got;
  }));
  opened here(settings_for(server));
  auto const failure = here.change_something();
  if (failure) FAIL_CHECK(failure->what() << ": " << failure->server_text());
  CHECK(times == 2);
  CHECK(server.connections() == 2);
}

TEST_CASE("a connection that is cut while it commits leaves the outcome unknown", "[mssql]") {
  tds::server const server(when_asked("COMMIT TRANSACTION", [] { return answer().cut_after(0); }));
  opened here(settings_for(server));
  auto const failure = here.change_something();
  REQUIRE(failure);
  CHECK(failure->code() == errc::outcome_unknown);
  CHECK(server.times("UPDATE something") == 1);
}

TEST_CASE("a server that answers half and then nothing is left after the transaction's time", "[mssql]") {
  std::atomic<int> times{0};
  tds::server const server(when_asked("UPDATE something", [&] { return ++times == 1 ? answer().stalled_after(10) : answer(); }));
  auto settings = settings_for(server);
  settings.transaction_timeout = 500ms;
  opened here(settings);
  auto const failure = here.change_something();
  REQUIRE(failure);
  INFO(failure->what() << " " << failure->server_text());
  CHECK(failure->code() == errc::timeout);
  CHECK_FALSE(here.change_something());
  CHECK(server.connections() == 2);
}

namespace {

visor::store_lock const counting{"visor", {}, {"visor_sequence", "name", "next", "writes", "additions", "turn"}};

/// An operation that says that it asks first, and writes then.
template <class Work>
struct deferring {
  static constexpr visor::deferral defers = visor::deferral::checked;
  Work work;
  explicit deferring(Work how) : work(std::move(how)) {}
  auto operator()(session& on) { return work(on); }
};

/// One that says itself what must hold.
struct guarded {
  static constexpr visor::deferral defers = visor::deferral::guarded;
  session::async<void> operator()(session& on) const {
    co_await on.find(look_at_texts(), seven);
    co_await on.expect_many(change(), std::span(&seven, 1));
  }
};

struct counted {
  explicit counted(tds::server const& at) : base(settings_for(at), {}, counting) { run(io, base.open()); }
  ~counted() { run(io, base.close()); }

  template <class Work>
  std::optional<visor::error> transact(Work work, visor::lock_mode how = visor::lock_mode::shared) {
    deferring<Work> op(std::move(work));
    return opened::failure_of([&] { run(io, base.transact(op, how)); });
  }

  boost::asio::io_context io{1};
  database base;
};

/// A server that counts 17 transactions, and answers to some requests its own way.
tds::server::settings that_counts(std::string text = "nothing of that", std::function<answer()> how = [] { return answer(); }) {
  tds::server::settings settings;
  settings.script = [text = std::move(text), how = std::move(how)](std::string const& request) -> std::optional<answer> {
    if (request.find(text) != std::string::npos) return how();
    if (request.find("SELECT CAST([next] AS nvarchar(20)) FROM visor_sequence") != std::string::npos) return answer::with("17");
    if (request.find("SELECT CAST(SUM([next]) AS nvarchar(20)) FROM visor_sequence") != std::string::npos) return answer::with("18");
    if (request.find("SELECT CAST(@until AS nvarchar(20))") != std::string::npos) return answer::with("1767323045000000");
    if (request.find("SELECT @counts") != std::string::npos) return answer::with("1 ");
    if (request.find("AS [value]") != std::string::npos) return answer::with_number(7);
    if (request.find("SELECT [id], [text] FROM") != std::string::npos) {
      answer one;
      one.row = {"1", "a"};
      return one;
    }
    return std::nullopt;
  };
  return settings;
}

/// Of all requests, those after which the server waits for the client in the middle of a transaction.
int left_open(tds::server const& at) {
  auto const all = at.requests();
  return static_cast<int>(std::ranges::count_if(all, [](std::string const& each) {
    auto const has = [&](std::string_view part) { return each.find(part) != std::string::npos; };
    return has("BEGIN TRANSACTION") && !has("COMMIT TRANSACTION") && !has("ROLLBACK TRANSACTION");
  }));
}

}  // namespace

TEST_CASE("what asks first and writes then is one message, so that a stopped client keeps no lock", "[mssql]") {
  tds::server const server(that_counts());
  counted here(server);
  std::int64_t found = 0;
  auto const failure = here.transact([&](session& on) -> session::async<void> {
    auto const row = co_await on.find(look_at_texts(), seven);
    found = row->value;
    co_await on.post(change(), seven);
    std::vector<text_row> const rows{{1, "a"}, {2, "it's"}};
    co_await on.post_many(add_text(), std::span<text_row const>(rows));
    std::vector<text_row> const one{{3, "x"}};
    co_await on.expect_many(add_text(), std::span<text_row const>(one));
  });
  if (failure) FAIL_CHECK(failure->what());
  CHECK(found == 7);
  CHECK(left_open(server) == 0);
  CHECK(server.times("sp_getapplock") == 1);
  std::string message;
  for (auto const& each : server.requests())
    if (each.find("sp_getapplock") != std::string::npos) message = each;
  // In this order.
  std::size_t at = 0;
  for (std::string const part :
       {"SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRANSACTION;", "sp_getapplock", "IF @got < 0 BEGIN; THROW 2000118001",
        "IF NOT EXISTS (SELECT 1 FROM visor_sequence WHERE [name] = N'writes' AND [next] = @P1) BEGIN; THROW 2000118002",
        "UPDATE something SET a = @P2; ", "INSERT INTO [visor_text] ([id], [text]) SELECT", "OPENJSON(CAST(@P3 AS nvarchar(max)))",
        "INSERT INTO [visor_text] ([id], [text]) VALUES (@P4, @P5); IF @@ROWCOUNT <> 1 BEGIN; THROW 2000118003",
        "UPDATE visor_sequence SET [next] = [next] + 1 WHERE [name] = N'writes'", "COMMIT TRANSACTION", "it's"}) {
    CAPTURE(part, message);
    at = message.find(part, at);
    REQUIRE(at != std::string::npos);
  }
}

TEST_CASE("what guards itself neither asks for the counter nor counts but for who looks at everything", "[mssql]") {
  tds::server const server(that_counts());
  counted here(server);
  guarded op;
  CHECK_FALSE(opened::failure_of([&] { run(here.io, here.base.transact(op, visor::lock_mode::shared)); }));
  CHECK(server.times("nvarchar(20)) FROM visor_sequence") == 0);
  CHECK(server.times("N'writes'") == 0);
  CHECK(server.times("UPDATE visor_sequence SET [next] = [next] + 1 WHERE [name] = N'additions'") == 1);
  CHECK(server.times("IF @@ROWCOUNT <> 1 BEGIN; THROW 2000118003") == 1);
  CHECK(left_open(server) == 0);
}

TEST_CASE("what only writes asks nothing of the counter", "[mssql]") {
  tds::server const server(that_counts());
  counted here(server);
  CHECK_FALSE(here.transact([](session& on) -> session::async<void> { co_await on.post(change(), seven); }));
  CHECK(server.times("SELECT CAST([next]") == 0);
  CHECK(server.times("IF NOT EXISTS") == 0);
  CHECK(server.times("UPDATE something") == 1);
  CHECK(left_open(server) == 0);
}

TEST_CASE("where others have written since, all is done again, then in a turn, and at last under the lock", "[mssql]") {
  auto const times = GENERATE(1, 3, 4);
  CAPTURE(times);
  auto const number = GENERATE(2'000'118'002, 2'000'118'003);
  std::atomic<int> tries{0};
  tds::server const server(
      that_counts("UPDATE something", [&, times, number] { return ++tries <= times ? answer::failing(number) : answer(); }));
  counted here(server);
  auto const failure = here.transact([](session& on) -> session::async<void> {
    auto const row = co_await on.find(look_at_texts(), seven);
    number_row const next{row->value + 1};
    co_await on.post(change(), next);
  });
  CHECK_FALSE(failure);
  CHECK(tries == times + 1);
  CHECK(left_open(server) == (times == 4 ? 1 : 0));
  CHECK(server.times("UPDATE visor_sequence SET [next] = @until WHERE [name] = N'turn'") == (times == 1 ? 0 : 1));
  // With the commit, or after a failure.
  CHECK(server.times("SET [next] = 0 WHERE [name] = N'turn' AND [next] = 1767323045000000") == (times == 1 ? 0 : times == 3 ? 1 : 2));
}

TEST_CASE("whoever meets the turn of somebody else waits for its end, and begins nothing meanwhile", "[mssql]") {
  bool const needs_lock = GENERATE(false, true);
  std::atomic<int> tries{0};
  tds::server const server(
      that_counts("N'turn' AND [next] >", [&] { return ++tries <= 10 ? answer::failing(2'000'118'004) : answer::with("0"); }));
  counted here(server);
  auto const failure = here.transact([needs_lock](session& on) -> session::async<void> {
    if (needs_lock)
      co_await on.run("UPDATE something");
    else
      co_await on.post(change(), seven);
  });
  if (failure) FAIL_CHECK(failure->what());
  CHECK(tries == 11);
  CHECK(server.times("UPDATE something") == (needs_lock ? 1 : 11));
}

TEST_CASE("what only read is done again where others wrote meanwhile", "[mssql]") {
  std::atomic<int> asked{0};
  tds::server const server(that_counts("SELECT CAST([next]", [&] { return answer::with(++asked == 2 ? "18" : "19"); }));
  counted here(server);
  int times = 0;
  CHECK_FALSE(here.transact([&times](session& on) -> session::async<void> {
    ++times;
    co_await on.find(look_at_texts(), seven);
  }));
  CHECK(times == 2);
  CHECK(asked == 4);
  CHECK(left_open(server) == 0);
}

TEST_CASE("what needs an answer half-way writes for it what it has, and takes that back", "[mssql]") {
  tds::server const server(that_counts());
  counted here(server);
  auto const how = GENERATE(visor::lock_mode::shared, visor::lock_mode::exclusive);
  SECTION("to a question about what it wrote") {
    std::size_t found = 0;
    auto const ask = [&found](session& on) -> session::async<void> {
      std::vector<text_row> const rows{{1, "a"}};
      co_await on.post_many(add_text(), std::span<text_row const>(rows));
      auto const all = co_await on.query(all_texts());
      found = all.size();
    };
    auto const failure = here.transact(ask, how);
    if (failure) FAIL_CHECK(failure->what());
    CHECK(found == 1);
    CHECK(server.times("INSERT INTO [visor_text]") == 2);
    CHECK(server.times("SELECT [id], [text] FROM [visor_text]; ROLLBACK TRANSACTION") == 1);
  }
  SECTION("to how many rows it wrote") {
    std::size_t found = 0;
    auto const failure = here.transact(
        [&found](session& on) -> session::async<void> {
          found = co_await on.execute(change(), seven);
          co_await on.post(change(), seven);
        },
        how);
    if (failure) FAIL_CHECK(failure->what());
    CHECK(found == 1);
    CHECK(server.times("UPDATE something SET a = @P2; SET @counts = CONCAT(@counts, @@ROWCOUNT, N' '); ROLLBACK TRANSACTION") == 1);
    CHECK(server.times("UPDATE something SET a = @P2; IF @@ROWCOUNT <> 1 BEGIN; THROW 2000118003") == 1);
  }
  CHECK(left_open(server) == 0);
  // Every message does nothing if anybody has written since the first question.
  CHECK(server.times(
            "IF (SELECT SUM([next]) FROM visor_sequence WHERE [name] IN (N'writes', N'additions')) <> @P1 BEGIN; THROW 2000118002") == 2);
  CHECK(server.times("UPDATE visor_sequence SET [next] = [next] + 1 WHERE [name] = N'writes'") == 1);
}

TEST_CASE("an operation that says nothing of itself leaves no transaction open between two messages", "[mssql]") {
  tds::server const server(that_counts());
  counted here(server);
  auto const op = [](session& on) -> session::async<void> {
    auto const row = co_await on.find(look_at_texts(), seven);
    number_row const next{row->value + 1};
    co_await on.execute(change(), next);
  };
  auto const how = GENERATE(visor::lock_mode::shared, visor::lock_mode::exclusive);
  CHECK_FALSE(opened::failure_of([&] { run(here.io, here.base.transact(op, how)); }));
  CHECK(left_open(server) == 0);
  CHECK(server.times("COMMIT TRANSACTION") == 1);
}

TEST_CASE("the first that writes at all goes under a lock", "[mssql]") {
  tds::server const fresh(that_counts("nvarchar(20)) FROM visor_sequence", [] { return answer(); }));
  counted there(fresh);
  CHECK_FALSE(there.transact([](session& on) -> session::async<void> {
    co_await on.find(look_at_texts(), seven);
    co_await on.post(change(), seven);
  }));
  CHECK(left_open(fresh) == 1);
  CHECK(fresh.times("VALUES (N'writes', 1)") == 1);
}

TEST_CASE("who does not get its turn within one message is told so", "[mssql]") {
  tds::server const server(that_counts("UPDATE something", [] { return answer::failing(2'000'118'001); }));
  counted here(server);
  auto const failure = here.transact([](session& on) -> session::async<void> { co_await on.post(change(), seven); });
  REQUIRE(failure);
  CHECK(failure->code() == errc::busy);
  CHECK(server.times("UPDATE something") == 1);
}

TEST_CASE("who meets others' turns for as long as it may wait is told so", "[mssql]") {
  tds::server const server(that_counts("UPDATE something", [] { return answer::failing(2'000'118'004); }));
  auto settings = settings_for(server);
  settings.lock_timeout = 100ms;
  boost::asio::io_context io{1};
  database base(settings, {}, counting);
  run(io, base.open());
  auto const op = [](session& on) -> session::async<void> { co_await on.post(change(), seven); };
  auto const failure = opened::failure_of([&] { run(io, base.transact(op)); });
  run(io, base.close());
  REQUIRE(failure);
  CHECK(failure->code() == errc::busy);
  CHECK(std::string(failure->what()).find("others wrote to the database 'visor' at") != std::string::npos);
  CHECK(server.times("UPDATE something") > 2);
}

TEST_CASE("a server that does not understand such a message is sent no more of them", "[mssql]") {
  auto const number = GENERATE(102, 33557097);
  std::atomic<int> tries{0};
  tds::server const server(that_counts("UPDATE something", [&, number] { return ++tries == 1 ? answer::failing(number) : answer(); }));
  counted here(server);
  auto const write = [](session& on) -> session::async<void> { co_await on.post(change(), seven); };
  CHECK_FALSE(here.transact(write));
  CHECK_FALSE(here.transact(write));
  CHECK(tries == 3);
  CHECK(left_open(server) == 2);
  CHECK(server.times("ROLLBACK TRANSACTION") == 1);
}

TEST_CASE("a server that has understood such a message gets more of them, whatever it says of one", "[mssql]") {
  std::atomic<int> tries{0};
  tds::server const server(that_counts("UPDATE something", [&] { return ++tries == 2 ? answer::failing(33557097) : answer(); }));
  counted here(server);
  auto const write = [](session& on) -> session::async<void> { co_await on.post(change(), seven); };
  CHECK_FALSE(here.transact(write));
  CHECK(here.transact(write));  // a lock was waited for in vain, perhaps
  CHECK_FALSE(here.transact(write));
  CHECK(tries == 3);
  CHECK(left_open(server) == 0);
}

TEST_CASE("on Babelfish, where a lock by name is one of the whole server, it is named after the database", "[mssql]") {
  bool const is_babelfish = GENERATE(false, true);
  auto how = that_counts("DB_NAME()", [] { return answer::with("it's"); });
  how.script = [given = how.script, is_babelfish](std::string const& request) -> std::optional<answer> {
    if (is_babelfish && request.find("'babelfish'") != std::string::npos) return answer::with("1");
    return given(request);
  };
  tds::server const server(how);
  counted here(server);
  CHECK_FALSE(here.transact([](session& on) -> session::async<void> { co_await on.post(change(), seven); }));
  CHECK(server.times("sp_getapplock @Resource = N'visor of it''s', ") == (is_babelfish ? 1 : 0));
  CHECK(server.times("sp_getapplock @Resource = N'visor', ") == (is_babelfish ? 0 : 1));
}

TEST_CASE("a connection that is cut during the one message leaves the outcome unknown", "[mssql]") {
  tds::server const server(that_counts("UPDATE something", [] { return answer().cut_after(0); }));
  counted here(server);
  auto const failure = here.transact([](session& on) -> session::async<void> { co_await on.post(change(), seven); });
  REQUIRE(failure);
  CHECK(failure->code() == errc::outcome_unknown);
  CHECK(server.times("UPDATE something") == 1);
}

TEST_CASE("who is not let in is told why, and no secret", "[mssql]") {
  struct expectation {
    std::vector<int> numbers;
    errc code;
    std::string says;
  };
  // A server that has no such database says that the login failed as well, and the library puts that first.
  auto const expected = GENERATE(expectation{{18456}, errc::authentication_failed, "refused the user 'somebody' or the password"},
                                 expectation{{4060, 18456}, errc::not_found, "there is no database 'visor'"},
                                 expectation{{18456, 4060}, errc::not_found, "CREATE USER [somebody] FOR LOGIN [somebody]"},
                                 expectation{{911}, errc::not_found, "CREATE DATABASE [visor]"},
                                 expectation{{18456, 18486}, errc::authentication_failed, "it is locked"},
                                 expectation{{18487}, errc::authentication_failed, "has expired"},
                                 expectation{{916, 18456}, errc::authentication_failed, "no right to the database 'visor'"},
                                 expectation{{40615}, errc::authentication_failed, "firewall"},
                                 expectation{{40613, 18456}, errc::connection_failed, "40613"});
  tds::server::settings how;
  how.login_errors = expected.numbers;
  tds::server const server(how);
  auto const failure = failure_to_open(settings_for(server));
  REQUIRE(failure);
  INFO(failure->what());
  CHECK(failure->code() == expected.code);
  CHECK(std::string(failure->what()).find(expected.says) != std::string::npos);
  CHECK(std::string(failure->what()).find("pa{}ss") == std::string::npos);
  CHECK(failure->server_text().find("pa{}ss") == std::string::npos);
}

TEST_CASE("users, passwords and databases may have any letters", "[mssql]") {
  tds::server const server;
  auto settings = settings_for(server);
  settings.user = "Łukasz";
  settings.password = visor::secret("p😀ä;{x} 漢");
  settings.database = "jöbs";
  opened here(settings);
  CHECK_FALSE(here.change_something());
  CHECK(server.user() == "Łukasz");
  CHECK(server.password() == "p😀ä;{x} 漢");
  CHECK(server.database() == "jöbs");
}

TEST_CASE("a user who lacks a right is told which, with the statement that gives it", "[mssql]") {
  auto const number = GENERATE(229, 262, 4902);
  tds::server const server(when_asked("UPDATE something", [number] { return answer::failing(number); }));
  auto settings = settings_for(server);
  settings.user = "o]x";
  settings.database = "jobs";
  opened here(settings);
  auto const failure = here.change_something();
  REQUIRE(failure);
  CHECK(failure->code() == errc::authentication_failed);
  CHECK(
      failure->message().find("the user 'o]x' lacks a right there: USE [jobs]; GRANT SELECT, INSERT, UPDATE, DELETE, ALTER ON SCHEMA::dbo "
                              "TO [o]]x]; GRANT CREATE TABLE TO [o]]x]") != std::string::npos);
}

TEST_CASE("of several errors the one counts that says most, wherever it stands", "[mssql]") {
  using visor::mssql_driver::diagnosis;
  auto const of = [](int number, std::string state = "42000") {
    diagnosis one;
    one.number = number;
    one.state = std::move(state);
    return one;
  };
  auto const code = [](std::vector<diagnosis> const& all) {
    return visor::mssql_driver::failure_of(all, "here", "grant it").portable_code();
  };
  CHECK(code({of(3621, "01000"), of(2627)}) == errc::unique_violation);
  CHECK(code({of(8180), of(208)}) == errc::schema_mismatch);
  CHECK(code({of(20017), of(1205)}) == errc::deadlock);
  CHECK(code({of(50000), of(20017)}) == errc::connection_lost);  // its last words
  CHECK(code({of(50000)}) == errc::invalid_argument);
  CHECK(code({}) == errc::internal);
}

TEST_CASE("where nobody listens there is no connection", "[mssql]") {
  int port = 0;
  {
    tds::server const gone;
    port = gone.port();
  }
  tds::server const other;
  auto settings = settings_for(other);
  settings.port = port;
  settings.pool.acquire_timeout = 2s;
  auto const failure = failure_to_open(settings);
  REQUIRE(failure);
  CHECK(failure->code() == errc::connection_failed);
}

TEST_CASE("a named instance is found by the browser service of its machine", "[mssql]") {
  browser services;
  tds::server::settings how;
  how.address = services.address();
  tds::server const server(how);
  services.tell("PAYROLL", server.port());
  auto settings = settings_for(server);
  auto const host = services.address().to_string();
  SECTION("that is there") {
    settings.host = host + "\\PAYROLL";
    settings.port = 1;  // which is not used
    opened here(settings);
    CHECK_FALSE(here.change_something());
    CHECK(server.times("UPDATE something") == 1);
  }
  SECTION("that is there, in a URL") {
    auto const read = from_url("mssql://somebody:pw@" + host + "/db?instance=PAYROLL");
    CHECK(read.host == host + "\\PAYROLL");
    settings.host = read.host;
    opened here(settings);
    CHECK_FALSE(here.change_something());
  }
}

TEST_CASE("encrypt and trustServerCertificate are read as Microsoft's drivers write them", "[mssql]") {
  using visor::tls_mode;
  auto const mode = [](std::string const& options) { return from_url("mssql://u:p@db/d?" + options).tls.mode; };
  for (std::string const yes : {"true", "True", "TRUE", "yes", "Yes", "mandatory", "Mandatory", "1", "t", "strict", "Strict"}) {
    CAPTURE(yes);
    CHECK(mode("encrypt=" + yes) == tls_mode::verify_full);
    CHECK(mode("Encrypt=" + yes) == tls_mode::verify_full);
  }
  for (std::string const no : {"false", "False", "no", "No", "optional", "Optional", "0", "f", "disable"}) {
    CAPTURE(no);
    CHECK(mode("encrypt=" + no) == tls_mode::disable);
  }
  for (std::string const yes : {"true", "True", "yes", "1", "t"}) {
    CAPTURE(yes);
    CHECK(mode("encrypt=yes&trustServerCertificate=" + yes) == tls_mode::require);
    CHECK(mode("TrustServerCertificate=" + yes + "&encrypt=yes") == tls_mode::require);
    CHECK(mode("Trust%20Server%20Certificate=" + yes) == tls_mode::require);
  }
  CHECK(mode("trustServerCertificate=no") == tls_mode::verify_full);
  CHECK(mode("encrypt=false&trustServerCertificate=true") == tls_mode::disable);
  CHECK(mode("encrypt=true&sslmode=verify-ca") == tls_mode::verify_ca);
  CHECK(mode("sslmode=require&encrypt=true&trustServerCertificate=true") == tls_mode::require);
  auto const refused = [&mode](std::string const& options) -> std::string {
    try {
      mode(options);
    } catch (visor::error const& thrown) {
      CHECK(thrown.code() == errc::invalid_argument);
      return thrown.what();
    }
    return {};
  };
  for (std::string const wrong : {"encrypt=on", "encrypt=required", "encrypt=maybe", "encrypt=", "encrypt=2"})
    CHECK(refused(wrong).find("allowed is true, yes, mandatory, 1, strict; or false, no, optional, 0, disable") != std::string::npos);
  for (std::string const wrong : {"trustServerCertificate=on", "trustServerCertificate=strict", "trustServerCertificate="})
    CHECK(refused(wrong).find("allowed is true, yes, 1; or false, no, 0") != std::string::npos);
  for (std::string const both :
       {"encrypt=true&sslmode=disable", "sslmode=require&encrypt=no", "sslmode=verify-full&trustServerCertificate=true",
        "sslmode=require&trustServerCertificate=false", "encrypt=strict&trustServerCertificate=true", "encrypt=strict&sslmode=require",
        "sslmode=require&ssl=false"}) {
    CAPTURE(both);
    CHECK(refused(both).find("contradict each other") != std::string::npos);
  }
  CHECK(refused("encrypt=true&encrypt=false").find("has the option \"encrypt\" twice") != std::string::npos);
  CHECK(refused("encrypt=true&sslmode=disable") ==
        "scheduler.storage.connection.connection_string has encrypt=true and sslmode, which contradict each other: leave one out");
}

TEST_CASE("hosts as other drivers write them are explained", "[mssql]") {
  auto const says = [](std::string const& host) -> std::string {
    visor::mssql_settings settings;
    settings.host = host;
    try {
      settings.check();
    } catch (visor::error const& thrown) {
      return thrown.what();
    }
    return {};
  };
  CHECK(says("db,1433") == "host is db,1433: a port stands apart, as `port: 1433`, or in a URL as db:1433");
  CHECK(says("db, 1433").find("`port: 1433`") != std::string::npos);
  CHECK(says("db1,db2").find("SQL Server has one host") != std::string::npos);
  CHECK(says("db1,db2:14330").find("SQL Server has one host") != std::string::npos);
  CHECK(says("tcp:db").find("leave out what is before the name") != std::string::npos);
  CHECK(says("tcp:db,1433").find("a port stands apart") != std::string::npos);
  CHECK(says("db").empty());
  CHECK(from_url("mssql://u:p@db,1433/d").host == "db,1433");
  visor::mssql_settings v6;
  v6.host = "::1";
  CHECK(v6.server() == "[::1]:1433");
}

TEST_CASE("a named instance has a name", "[mssql]") {
  for (char const* const wrong : {"server\\", "\\name", "server\\a\\b"}) {
    visor::mssql_settings settings;
    settings.host = wrong;
    CHECK_THROWS_AS(settings.check(), visor::error);
  }
  CHECK_THROWS_AS(from_url("mssql://u:p@server/db?instance=").check(), visor::error);
  CHECK_NOTHROW(from_url("mssql://u:p@server/db?instance=A").check());
  CHECK(from_url("mssql://u:p@/db?host=server%5CA").server() == "server\\A");
}

TEST_CASE("the user of an Azure database bears the name of its server", "[mssql]") {
  tds::server const server;
  auto const read = from_url("mssql://somebody%40prod:pw@prod.database.windows.net/db?encrypt=true");
  CHECK(read.user == "somebody@prod");
  CHECK(read.host == "prod.database.windows.net");
  CHECK(read.tls.mode == visor::tls_mode::verify_full);
  auto settings = settings_for(server);
  settings.user = read.user;
  opened here(settings);
  CHECK_FALSE(here.change_something());
  CHECK(server.user() == "somebody@prod");
}

TEST_CASE("where there are no snapshots, who reads shares the lock of those that write, and that is said", "[mssql]") {
  tds::server::settings how;
  how.script = [](std::string const& request) -> std::optional<answer> {
    if (request.find("snapshot_isolation_state") != std::string::npos) return answer::with("0");
    if (request.find("AS [value]") != std::string::npos) return answer::with_number(7);
    if (request.find("SYSUTCDATETIME") != std::string::npos) return answer::with("2026-01-02 03:04:05");
    return std::nullopt;
  };
  tds::server const server(how);
  auto const settings = settings_for(server);
  boost::asio::io_context io{1};
  std::mutex mutex;
  std::vector<std::string> lines;
  database base(settings, [&](visor::log_level level, std::string_view line) {
    std::scoped_lock const lock(mutex);
    if (level == visor::log_level::warning) lines.emplace_back(line);
  });
  run(io, base.open());
  // From within another, so that there are two connections.
  auto op = [&](session& on) -> session::async<void> {
    co_await on.execute(change(), seven);
    auto inner = [](session& in) -> session::async<void> { co_await in.find(look(), seven); };
    boost::asio::io_context other{1};
    run(other, base.read(inner));
  };
  run(io, base.transact(op));
  run(io, base.close());
  CHECK(server.connections() == 2);
  CHECK(server.times("@LockMode = N'Shared'") == 1);
  CHECK(server.times("@LockMode = N'Exclusive'") == 1);
  CHECK(server.times("ISOLATION LEVEL SNAPSHOT") == 0);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("ALLOW_SNAPSHOT_ISOLATION ON") != std::string::npos);
  auto const report = run(io, visor::probe<visor::mssql>(settings));
  CHECK(report.server.find("no snapshots") != std::string::npos);
}

TEST_CASE("where there are no snapshots, who reads by several statements holds no lock between them", "[mssql]") {
  auto const changes = GENERATE(0, 1, 4);
  CAPTURE(changes);
  std::atomic<int> counts{0};
  auto how = that_counts("CAST(SUM(", [&, changes] {
    // Each try asks at its begin and its end.
    int const asked = ++counts;
    return answer::with(std::to_string(asked % 2 == 0 && asked <= 2 * changes ? 100 + asked : 18));
  });
  how.script = [given = how.script](std::string const& request) -> std::optional<answer> {
    if (request.find("snapshot_isolation_state") != std::string::npos) return answer::with("0");
    return given(request);
  };
  tds::server const server(how);
  counted here(server);
  int tries = 0;
  auto const op = [&tries](session& on) -> session::async<void> {
    ++tries;
    co_await on.find(look_at_texts(), seven);
    co_await on.find(look_at_texts(), seven);
  };
  CHECK_FALSE(opened::failure_of([&] { run(here.io, here.base.read(op)); }));
  CHECK(tries == changes + 1);
  CHECK(left_open(server) == (changes == 4 ? 1 : 0));  // others wrote time after time: at last it shares the lock
  CHECK(server.times("ISOLATION LEVEL SNAPSHOT") == 0);
}

TEST_CASE("what was interrupted is given to nobody else", "[mssql]") {
  tds::server const server;
  visor::mssql::connector source(settings_for(server));
  boost::asio::io_context io{1};
  auto const made = run(io, source.connect());
  CHECK(made->state() == visor::connection_state::clean);
  made->interrupt();  // while nothing runs
  CHECK(made->state() == visor::connection_state::broken);
}

// TLS

TEST_CASE("a password goes to no server without TLS where TLS is asked for", "[mssql]") {
  auto const mode = GENERATE(visor::tls_mode::require, visor::tls_mode::verify_ca, visor::tls_mode::verify_full);
  tds::server const server;
  auto settings = settings_for(server);
  settings.tls.mode = mode;
  settings.pool.acquire_timeout = 2s;
  auto const failure = failure_to_open(settings);
  REQUIRE(failure);
  INFO(failure->what());
  CHECK(failure->code() == errc::tls_failed);
  CHECK(server.connections() > 0);
  CHECK(server.logins() == 0);
}

TEST_CASE("each mode of TLS takes the certificates that it means", "[mssql]") {
  certificate const authority("An authority", "", nullptr);
  certificate const other_authority("Some other authority", "", nullptr);
  certificate const fitting("localhost", "DNS:localhost,IP:127.0.0.1", &authority);
  certificate const of_another("elsewhere", "DNS:elsewhere.example", &authority);
  certificate const expired("localhost", "DNS:localhost,IP:127.0.0.1", &authority, -7200, -3600);
  certificate const self_signed("localhost", "DNS:localhost,IP:127.0.0.1", nullptr);
  using visor::tls_mode;
  struct expectation {
    char const* what;
    certificate const* identity;
    certificate const* trusted;
    tls_mode mode;
    bool goes;
  };
  expectation const all[] = {
      {"any certificate will do to encrypt", &self_signed, nullptr, tls_mode::require, true},
      {"of the authority", &fitting, &authority, tls_mode::verify_ca, true},
      {"of another authority", &fitting, &other_authority, tls_mode::verify_ca, false},
      {"self-signed", &self_signed, &authority, tls_mode::verify_ca, false},
      {"expired", &expired, &authority, tls_mode::verify_ca, false},
      {"for another name, which is not looked at", &of_another, &authority, tls_mode::verify_ca, true},
      {"for this name", &fitting, &authority, tls_mode::verify_full, true},
      {"for another name", &of_another, &authority, tls_mode::verify_full, false},
      {"of another authority, for this name", &fitting, &other_authority, tls_mode::verify_full, false},
  };
  for (auto const& expected : all) {
    CAPTURE(expected.what);
    tds::server::settings how;
    how.identity = expected.identity;
    tds::server const server(how);
    auto settings = settings_for(server);
    settings.host = "localhost";
    settings.tls.mode = expected.mode;
    settings.pool.acquire_timeout = 2s;
    if (expected.trusted != nullptr) settings.tls.ca = expected.trusted->pem();
    if (expected.goes) {
      opened here(settings);
      CHECK_FALSE(here.change_something());
      CHECK(server.times("UPDATE something") == 1);
    } else {
      auto const failure = failure_to_open(settings);
      REQUIRE(failure);
      CHECK(failure->code() == errc::tls_failed);
      CHECK(server.logins() == 0);
    }
  }
}

TEST_CASE("a server that hangs up before it lets anybody in is not taken for one without TLS", "[mssql]") {
  certificate const authority("An authority", "", nullptr);
  certificate const fitting("localhost", "DNS:localhost,IP:127.0.0.1", &authority);
  bool const at_login = GENERATE(false, true);
  CAPTURE(at_login);
  tds::server::settings how;
  how.identity = &fitting;
  (at_login ? how.hangs_up_at_login : how.hangs_up_at_greeting) = 1;
  tds::server const server(how);
  auto settings = settings_for(server);
  settings.host = "localhost";
  settings.tls.mode = visor::tls_mode::verify_full;
  settings.tls.ca = authority.pem();
  boost::asio::io_context io{1};
  database base(settings);
  auto const failure = opened::failure_of([&] { run(io, base.open()); });
  if (failure) {
    INFO(failure->what() << " " << failure->server_text());
    CHECK(failure->code() == errc::connection_failed);
    run(io, base.open());
  }
  CHECK(server.connections() == 2);
  run(io, base.close());
}

TEST_CASE("a server that insists on TLS is given it, whatever is asked for", "[mssql]") {
  certificate const authority("An authority", "", nullptr);
  tds::server::settings how;
  how.identity = &authority;
  tds::server const server(how);
  auto const settings = settings_for(server);
  // FreeTDS encrypts whenever the server asks for it.
  opened here(settings);
  CHECK_FALSE(here.change_something());
}

}  // namespace visor_test
