#include "support/catch.hpp"
#include "support/mssql_server.hpp"
#include "support/run.hpp"

#include "visor/mssql.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>

// Facts about SQL Server that do not hold for every server with its protocol. Each is checked on every server. On a SQL Server
// it must hold; on Babelfish a case whose fact is missing counts as skipped.
namespace visor_test {
namespace {

using namespace std::chrono_literals;
using connection = visor::mssql::connector::connection;

mssql_server& server = mssql_server::shared();

/// Two sessions in a database of their own, where the table `t` has the rows 1 and 2. Neither waits for a lock for long.
class two_sessions {
 public:
  two_sessions() {
    server.run("CREATE DATABASE " + name_);
    auto settings = server.settings();
    settings.database = name_;
    source_ = std::make_unique<visor::mssql::connector>(settings);
    one = connect();
    other = connect();
    one->run("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v int NOT NULL, u int)");
    one->run("INSERT INTO t VALUES (1, 0, 1), (2, 0, 2)");
  }
  two_sessions(two_sessions const&) = delete;
  two_sessions& operator=(two_sessions const&) = delete;
  ~two_sessions() {
    one.reset();
    other.reset();
    server.drop_database(name_);
  }

  std::unique_ptr<connection> one, other;

 private:
  std::unique_ptr<connection> connect() {
    boost::asio::io_context io{1};
    std::unique_ptr<connection> made;
    auto const work = [&]() -> visor::task<> { made = co_await source_->connect(); };
    run(io, work());
    made->run("SET LOCK_TIMEOUT 500");
    return made;
  }

  std::string const name_ = new_name();
  std::unique_ptr<visor::mssql::connector> source_;
};

/// The server's error for a text: empty when it succeeds.
std::string refusal(connection& on, std::string const& text) {
  try {
    on.run(text);
  } catch (visor::error const& thrown) {
    return thrown.server_text();
  }
  return {};
}

/// Empty when the text is refused with this number; otherwise the answer instead.
std::string refused_with(int number, connection& on, std::string const& text) {
  std::string const said = refusal(on, text);
  if (said.ends_with("(error " + std::to_string(number) + ")")) return {};
  return "instead of " + std::to_string(number) + " it says: " + (said.empty() ? "nothing" : said);
}

std::string is(std::string const& found, std::string const& expected) {
  return found == expected ? std::string() : "found '" + found + "', expected '" + expected + "'";
}

/// \param look returns the difference; empty: the fact holds
void fact(std::function<std::string(two_sessions&)> const& look) {
  two_sessions s;
  std::string differs;
  try {
    differs = look(s);
  } catch (visor::error const& thrown) {
    differs = thrown.what() + std::string(": ") + thrown.server_text();
  }
  if (server.is_babelfish() && !differs.empty()) {
    std::printf("skipped on Babelfish: %s: %s\n", Catch::getResultCapture().getCurrentTestName().c_str(), differs.c_str());
    return;
  }
  CHECK(differs == "");
}

}  // namespace

TEST_CASE("READPAST passes a row that somebody else has locked", "[readpast]") {
  fact([](two_sessions& s) {
    s.one->run("BEGIN TRANSACTION");
    s.one->run("UPDATE t SET v = 1 WHERE id = 1");
    return is(s.other->query_value(
                  "SELECT TOP (1) CAST(id AS nvarchar(10)) FROM t WITH (READCOMMITTEDLOCK, ROWLOCK, UPDLOCK, READPAST) ORDER BY id"),
              "2");
  });
}

TEST_CASE("UPDLOCK keeps out others who want to update", "[updlock]") {
  fact([](two_sessions& s) {
    s.one->run("BEGIN TRANSACTION");
    s.one->run("SELECT id FROM t WITH (UPDLOCK, HOLDLOCK) WHERE id = 1");
    s.other->run("BEGIN TRANSACTION");
    return refused_with(1222, *s.other, "SELECT id FROM t WITH (UPDLOCK, HOLDLOCK) WHERE id = 1");
  });
}

TEST_CASE("who reads what is committed waits for who writes it", "[reader]") {
  fact([](two_sessions& s) {
    s.one->run("BEGIN TRANSACTION");
    s.one->run("UPDATE t SET v = 1 WHERE id = 1");
    return refused_with(1222, *s.other, "SELECT v FROM t WITH (READCOMMITTEDLOCK) WHERE id = 1");
  });
}

TEST_CASE("a lock that is waited for in vain is 1222", "[lock_timeout]") {
  fact([](two_sessions& s) {
    s.one->run("BEGIN TRANSACTION");
    s.one->run("UPDATE t SET v = 1 WHERE id = 1");
    return refused_with(1222, *s.other, "UPDATE t SET v = 2 WHERE id = 1");
  });
}

TEST_CASE("a row that changed since the snapshot is 3960", "[snapshot_conflict]") {
  fact([](two_sessions& s) {
    (void)refusal(*s.other, "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON");
    s.one->run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION");
    s.one->query_value("SELECT CAST(v AS nvarchar(10)) FROM t WHERE id = 1");
    s.other->run("UPDATE t SET v = 1 WHERE id = 1");
    return refused_with(3960, *s.one, "UPDATE t SET v = 2 WHERE id = 1");
  });
}

TEST_CASE("a duplicate in a unique index is 2601", "[duplicate]") {
  fact([](two_sessions& s) {
    s.one->run("CREATE UNIQUE INDEX once ON t (u)");
    return refused_with(2601, *s.one, "INSERT INTO t VALUES (3, 0, 1)");
  });
}

TEST_CASE("a table and a column that are not there are 208 and 207", "[unknown_names]") {
  fact([](two_sessions& s) {
    return refused_with(208, *s.one, "SELECT 1 FROM nowhere") + refused_with(207, *s.one, "SELECT nothing FROM t");
  });
}

TEST_CASE("a lock by name that is not given in time is -1, and one that was waited for 1", "[lock_by_name]") {
  fact([](two_sessions& s) {
    std::string const take =
        "DECLARE @got int; EXEC @got = sp_getapplock @Resource = N'it', @LockMode = N'Exclusive', "
        "@LockOwner = N'Session', ";
    std::string const tell = "; SELECT CAST(@got AS nvarchar(20))";
    s.one->query_value(take + "@LockTimeout = 0" + tell);
    std::string const at_once = s.other->query_value(take + "@LockTimeout = 0" + tell);
    std::thread later([&] {
      std::this_thread::sleep_for(300ms);
      s.one->run("EXEC sp_releaseapplock @Resource = N'it', @LockOwner = N'Session'");
    });
    std::string waited;
    try {
      waited = s.other->query_value(take + "@LockTimeout = 30000" + tell);
    } catch (visor::error const& thrown) {
      waited = thrown.server_text();
    }
    later.join();
    return is(at_once + " and " + waited, "-1 and 1");
  });
}

TEST_CASE("a statement that is cancelled ends on the server, with its locks", "[attention]") {
  fact([](two_sessions& s) {
    s.one->run("BEGIN TRANSACTION");
    s.one->run("UPDATE t SET v = 1 WHERE id = 1");
    std::string said;
    std::thread waiting([&] { said = refusal(*s.one, "WAITFOR DELAY '00:01:00'"); });
    std::this_thread::sleep_for(500ms);
    s.one->interrupt();
    waiting.join();
    s.other->run("SET LOCK_TIMEOUT 20000");
    std::string const after = refusal(*s.other, "UPDATE t SET v = 2 WHERE id = 1");
    if (!after.empty()) return after;
    return said.find("WAITFOR") == std::string::npos ? std::string() : said;
  });
}

TEST_CASE("many rows locked become a lock of the table, unless that is switched off", "[escalation]") {
  fact([](two_sessions& s) {
    s.one->run(
        "WITH d AS (SELECT n FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) x (n)) INSERT INTO t (id, v) "
        "SELECT 10 + a.n + 10 * b.n + 100 * c.n + 1000 * e.n, 0 FROM d a CROSS JOIN d b CROSS JOIN d c CROSS JOIN d e");
    std::string const look = "SELECT v FROM t WITH (READCOMMITTEDLOCK) WHERE id = 10009";
    s.one->run("BEGIN TRANSACTION");
    s.one->run("UPDATE t WITH (ROWLOCK) SET v = 1 WHERE id < 9000");
    std::string const whole = refused_with(1222, *s.other, look);
    s.one->run("ROLLBACK TRANSACTION");
    if (!whole.empty()) return whole;
    s.one->run("ALTER TABLE t SET (LOCK_ESCALATION = DISABLE)");
    s.one->run("BEGIN TRANSACTION");
    s.one->run("UPDATE t WITH (ROWLOCK) SET v = 1 WHERE id < 9000");
    return refusal(*s.other, look);
  });
}

TEST_CASE("datetime2(7) keeps its seventh digit", "[seventh_digit]") {
  fact([](two_sessions& s) {
    return is(s.one->query_value("SELECT CONVERT(nvarchar(40), CAST('2026-01-02T03:04:05.1234567' AS datetime2(7)), 126)"),
              "2026-01-02T03:04:05.1234567");
  });
}

TEST_CASE("a text of more than 4000 characters comes whole out of JSON", "[long_text]") {
  fact([](two_sessions& s) {
    return is(s.one->query_value("DECLARE @j nvarchar(max) = N'[{\"a\":\"' + REPLICATE(CAST(N'x' AS nvarchar(max)), 9000) + N'\"}]'; "
                                 "SELECT CAST(LEN(a) AS nvarchar(10)) FROM OPENJSON(@j) WITH (a nvarchar(max))"),
              "9000");
  });
}

TEST_CASE("an index has the name that it was given", "[index_name]") {
  fact([](two_sessions& s) {
    s.one->run("CREATE INDEX mine ON t (v)");
    return is(s.one->query_value("SELECT CAST(COUNT(*) AS nvarchar(10)) FROM sys.indexes WHERE name = N'mine'"), "1");
  });
}

TEST_CASE("MERGE, writing through a CTE, and an index within CREATE TABLE are understood", "[language]") {
  fact([](two_sessions& s) {
    return refusal(*s.one, "MERGE t USING (VALUES (1, 7)) n (id, v) ON t.id = n.id WHEN MATCHED THEN UPDATE SET v = n.v;") +
           refusal(*s.one, "WITH c AS (SELECT TOP (1) * FROM t ORDER BY id) UPDATE c SET v = 8") +
           refusal(*s.one, "CREATE TABLE w (a int, b int, INDEX here (b))");
  });
}

}  // namespace visor_test
