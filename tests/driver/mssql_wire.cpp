#include "support/catch.hpp"
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

// The driver for SQL Server over the wire, against a server that answers by a script: what a real one says only when something is wrong
// with it.
namespace visor_test {
namespace {

using namespace std::chrono_literals;
using tds::answer;
using visor::condition;
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

  /// What one transaction comes to.
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

TEST_CASE("each error number of the server has its portable condition", "[mssql]") {
  struct expectation {
    int number;
    condition kind;
    int tries;  // of the whole transaction
  };
  auto const expected = GENERATE(expectation{2627, condition::unique_violation, 1}, expectation{2601, condition::unique_violation, 1},
                                 expectation{1205, condition::deadlock, 5}, expectation{3960, condition::serialization_failure, 5},
                                 expectation{1222, condition::busy, 1}, expectation{208, condition::schema_mismatch, 1},
                                 expectation{229, condition::authentication_failed, 1}, expectation{9002, condition::disk_full, 1},
                                 expectation{3906, condition::read_only, 1}, expectation{2628, condition::invalid_argument, 1},
                                 expectation{50000, condition::internal, 1});
  CAPTURE(expected.number);
  tds::server const server(when_asked("UPDATE something", [&] { return answer::failing(expected.number); }));
  opened here(settings_for(server));
  auto const failure = here.change_something();
  REQUIRE(failure);
  CHECK(failure->kind() == expected.kind);
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

TEST_CASE("others that write for too long are waited for no longer", "[mssql]") {
  tds::server const server(when_asked("sp_getapplock", [] { return answer::with("-1"); }));
  opened here(settings_for(server));
  auto const failure = here.change_something();
  REQUIRE(failure);
  CHECK(failure->kind() == condition::busy);
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
  CHECK(failure->kind() == condition::outcome_unknown);
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
  CHECK(failure->kind() == condition::timeout);
  CHECK_FALSE(here.change_something());
  CHECK(server.connections() == 2);
}

TEST_CASE("who is not let in is told why, and no secret", "[mssql]") {
  struct expectation {
    int number;
    condition kind;
  };
  auto const expected = GENERATE(expectation{18456, condition::authentication_failed}, expectation{4060, condition::not_found},
                                 expectation{911, condition::not_found});
  tds::server::settings how;
  how.login_error = expected.number;
  tds::server const server(how);
  auto const failure = failure_to_open(settings_for(server));
  REQUIRE(failure);
  INFO(failure->what());
  CHECK(failure->kind() == expected.kind);
  CHECK(std::string(failure->what()).find("pa{}ss") == std::string::npos);
  CHECK(failure->server_text().find("pa{}ss") == std::string::npos);
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
  CHECK(failure->kind() == condition::connection_failed);
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
  CHECK(failure->kind() == condition::tls_failed);
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
      CHECK(failure->kind() == condition::tls_failed);
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
    CHECK(failure->kind() == condition::connection_failed);
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
