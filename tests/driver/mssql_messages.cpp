#include "support/catch.hpp"
#include "support/run.hpp"
#include "support/tds_server.hpp"

#include "visor/mssql.hpp"

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The messages of the store to a SQL Server in frequent operations. A SQL Server ends no transaction whose client has fallen
// silent. So none of these operations may leave one open until the next message: a node that is stopped at any moment then
// blocks nobody.
namespace visor_test {
namespace {

using tds::answer;
using tds::value;

/// A server with the tables of visor, whose other answers are canned: a part of a statement, and the rows that it gets.
class canned_server {
 public:
  canned_server() : server_(settings()) {}

  void answer_to(std::string part, std::vector<std::vector<value>> rows) {
    std::scoped_lock const lock(mutex_);
    canned_[std::move(part)] = std::move(rows);
  }

  int port() const { return server_.port(); }
  std::vector<std::string> requests() const { return server_.requests(); }

 private:
  tds::server::settings settings() {
    tds::server::settings how;
    how.script = [this](std::string const& request) { return given(request); };
    return how;
  }

  std::optional<answer> given(std::string const& request) {
    auto const has = [&](std::string_view part) { return request.find(part) != std::string::npos; };
    std::scoped_lock const lock(mutex_);
    if (has("INFORMATION_SCHEMA")) return answer::with_rows(catalog());
    if (has("FROM [visor_migration] ORDER BY")) return answer::with_rows(migrations());
    if (has("SELECT max([version]) AS [schema]")) return answer::with_rows({{std::to_string(visor::schema_versions.size())}});
    if (has("SELECT CAST([next] AS nvarchar(20)) FROM visor_sequence")) return answer::with("17");
    if (has("SELECT CAST(@@IDENTITY AS bigint)")) return answer::with_rows({{"3", std::nullopt}});
    if (has("SELECT CAST(SUM([next]) AS nvarchar(20)) FROM visor_sequence")) return answer::with("18");
    if (auto const end = request.find("; ROLLBACK TRANSACTION"); end != std::string::npos && has("BEGIN TRANSACTION"))
      return given_half_way(request, end);
    for (char const* const writes : {"BEGIN TRANSACTION", "INSERT ", "UPDATE ", "DELETE ", "XACT_ABORT"})
      if (has(writes)) return std::nullopt;
    for (auto const& [part, rows] : canned_)
      if (has(part)) return answer::with_rows(rows);
    if (has("AS [at]")) return answer::with("2026-01-02 03:04:05");
    if (has("SELECT ") && has("[visor_")) return answer::nothing();
    return std::nullopt;
  }

  /// An answer to a message that writes, asks and takes it back: of its last question, or one row for each statement.
  std::optional<answer> given_half_way(std::string const& request, std::size_t end) const {
    if (request.find("SELECT @counts") != std::string::npos) {
      std::string counts;
      for (auto at = request.find("SET @counts"); at != std::string::npos; at = request.find("SET @counts", at + 1)) counts += "1 ";
      return answer::with(counts);
    }
    auto const begin = request.rfind("; ", end - 1);
    std::string const question = request.substr(begin, end - begin);
    for (auto const& [part, rows] : canned_)
      if (question.find(part) != std::string::npos) return answer::with_rows(rows);
    return answer::nothing();
  }

  static std::vector<std::vector<value>> catalog() {
    std::vector<std::vector<value>> rows;
    for (auto const& [table, parts] : visor::detail::wanted_parts<visor::mssql_dialect>())
      for (std::string const& part : parts) rows.push_back({table, part.substr(0, part.find(' ')), part.substr(part.find(' ') + 1)});
    return rows;
  }

  static std::vector<std::vector<value>> migrations() {
    std::vector<std::vector<value>> rows;
    for (auto const& each : visor::detail::migrations<visor::mssql_dialect>())
      rows.push_back({std::to_string(each.version), std::string(each.name), each.checksum(), "2026-01-01 00:00:00"});
    return rows;
  }

  std::mutex mutex_;
  std::map<std::string, std::vector<std::vector<value>>> canned_;
  tds::server server_;
};

class recorded_store {
 public:
  recorded_store() : store(settings(server)) {
    run(io, store.open());
    lease.node = "one";
    lease.epoch = 3;
    server.answer_to("SELECT [lease_until], [exclusive] FROM [visor_node] WHERE [name] =", {{"2026-01-02 04:00:00", "0"}});
    begin();
  }
  ~recorded_store() { run(io, store.close()); }

  void begin() { before_ = server.requests().size(); }

  /// The requests since then.
  std::vector<std::string> sent() const {
    auto all = server.requests();
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(before_));
    return all;
  }

  /// How many messages leave a transaction open.
  int left_open() const {
    auto const all = sent();
    return static_cast<int>(std::ranges::count_if(all, [](std::string const& each) {
      auto const has = [&](std::string_view part) { return each.find(part) != std::string::npos; };
      return has("BEGIN TRANSACTION") && !has("COMMIT TRANSACTION") && !has("ROLLBACK TRANSACTION");
    }));
  }

  /// The message that writes.
  std::string written() const {
    std::string found;
    for (auto const& each : sent()) {
      if (each.find("COMMIT TRANSACTION") == std::string::npos) continue;
      CHECK(found.empty());
      found = each;
    }
    return found;
  }

  canned_server server;
  boost::asio::io_context io{1};
  visor::mssql_store<> store;
  visor::node_lease lease;

 private:
  static visor::mssql_settings settings(canned_server const& at) {
    visor::mssql_settings settings;
    settings.host = "127.0.0.1";
    settings.port = at.port();
    settings.auto_init = false;
    return settings;
  }

  std::size_t before_ = 0;
};

bool has_all(std::string const& message, std::vector<std::string> const& parts) {
  for (auto const& part : parts)
    if (message.find(part) == std::string::npos) {
      UNSCOPED_INFO("lacks " << part << ": " << message);
      return false;
    }
  return true;
}

}  // namespace

TEST_CASE("ids are reserved without a transaction, and jobs are added by one message", "[mssql][stopped]") {
  recorded_store s;
  auto reserved = run(s.io, s.store.reserve_ids(5));
  CHECK(reserved.size() == 5);
  CHECK(reserved.take() == 101);  // a number stands for 50 ids
  std::string all;
  for (auto const& each : s.sent()) all += each;
  CHECK(has_all(all, {"INSERT INTO [visor_job_number]", "DELETE FROM [visor_job_number]"}));
  CHECK(all.find("TRANSACTION") == std::string::npos);
  s.begin();
  std::vector<visor::new_job> jobs(2);
  jobs[0].id = 42;
  jobs[1].id = 43;
  jobs[0].type = jobs[1].type = "work";
  CHECK(run(s.io, s.store.enqueue(jobs)) == 2);
  CHECK(has_all(s.written(), {"INSERT INTO [visor_job]", "INSERT INTO [visor_ready]"}));
  CHECK(s.written().find("writes") == std::string::npos);  // claims of others go on as if nothing had happened
  CHECK(s.left_open() == 0);
}

TEST_CASE("jobs are claimed and completed by one message each", "[mssql][stopped]") {
  recorded_store s;
  s.server.answer_to("SELECT [next] FROM [visor_sequence]", {{"1"}});
  s.server.answer_to(
      "FROM [visor_ready] r JOIN [visor_job] j",
      {{"42", "1", "work", "default", "100", "{}", "1", {}, {}, "2026-01-02 03:00:00", "2026-01-02 03:00:00", {}},
       {"43", "1", "work", "default", "100", "{}", "1", "tick", "2026-01-02 03:00:00", "2026-01-02 03:00:00", "2026-01-02 03:00:00", {}}});
  std::vector<visor::claim_request> const wanted{visor::claim_request("default", 2)};
  auto const claimed = run(s.io, s.store.exchange(s.lease, {}, {}, wanted));
  REQUIRE(claimed.claims.size() == 1);
  REQUIRE(claimed.claims[0].jobs.size() == 2);
  CHECK(s.left_open() == 0);
  std::string claim;
  for (auto const& each : s.sent())
    if (each.find("DELETE FROM [visor_ready]") != std::string::npos) claim = each;
  CHECK(has_all(claim,
                {"BEGIN TRANSACTION", "IF @@ROWCOUNT <> 2 BEGIN; THROW 2000118003", "INSERT INTO [visor_lease]", "COMMIT TRANSACTION"}));

  s.begin();
  s.server.answer_to("FROM [visor_lease] WHERE [id] =", {{"3"}});
  std::vector<visor::job_result> results;
  for (auto const& job : claimed.claims[0].jobs) {
    auto& one = results.emplace_back();
    one.lease = claimed.claims[0].lease;
    one.job = job.id;
    one.attempt = job.attempt;
    one.started_at = one.finished_at = claimed.claims[0].taken_at;
    one.schedule = job.schedule;
    one.output = std::string(job.id == 42 ? 10 : 5000, 'x');
  }
  auto const done = run(s.io, s.store.exchange(s.lease, results, {}, wanted));
  CHECK(done.refused.empty());
  CHECK(done.claims.size() == 1);
  CHECK(s.left_open() == 0);
  CHECK(has_all(s.written(), {"INSERT INTO [visor_attempt]", "DELETE FROM [visor_lease]", "UPDATE [visor_schedule] SET [failure_count] = 0",
                              "DELETE FROM [visor_ready]", "INSERT INTO [visor_lease]", "IF NOT EXISTS (SELECT 1 FROM visor_sequence"}));
}

TEST_CASE("a job that is tried again, and one of a lease that was not claimed here, end by one message", "[mssql][stopped]") {
  recorded_store s;
  s.server.answer_to("FROM [visor_lease] WHERE [id] =", {{"3"}});
  s.server.answer_to("OPENJSON(l.[jobs])", {{"42", "1"}, {"43", "1"}});
  visor::job_result result;
  result.lease = 7;
  result.job = 42;
  result.started_at = result.finished_at = visor::parse_instant("2026-01-02T03:04:00Z").value();
  SECTION("tried again") {
    result.outcome = visor::outcome::failed;
    result.state = visor::job_state::failed;
    result.retry_after = std::chrono::seconds{10};
  }
  SECTION("completed") {}
  std::vector<visor::job_result> const done{result};
  auto const answer = run(s.io, s.store.exchange(s.lease, done, {}, {}));
  CHECK(answer.refused.empty());
  CHECK(s.left_open() == 0);
  CHECK(has_all(s.written(), {"INSERT INTO [visor_attempt]", "IF NOT EXISTS (SELECT 1 FROM visor_sequence"}));
  CHECK((s.written().find("INSERT INTO [visor_scheduled]") != std::string::npos) == result.retry_after.has_value());
}

TEST_CASE("due jobs are moved by one message", "[mssql][stopped]") {
  recorded_store s;
  s.server.answer_to("FROM [visor_scheduled] WHERE [run_at] <=", {{"2026-01-02 03:04:00", "42", "100", "1", "default"}});
  s.server.answer_to("SELECT [run_at] FROM [visor_scheduled] ORDER BY", {{"2026-01-02 03:04:00"}, {"2026-01-02 03:06:00"}});
  auto const moved = run(s.io, s.store.promote(100));
  CHECK(moved.moved == 1);
  CHECK(moved.next_at == visor::parse_instant("2026-01-02T03:06:00Z"));
  CHECK(s.left_open() == 0);
  CHECK(has_all(s.written(), {"DELETE FROM [visor_scheduled]", "INSERT INTO [visor_ready]"}));
}

TEST_CASE("a node joins by one message", "[mssql][stopped]") {
  recorded_store s;
  s.server.answer_to("SELECT [next] FROM [visor_sequence]", {{"1"}});
  visor::join_request request;
  request.node = "one";
  request.ttl = std::chrono::seconds{10};
  request.limits.emplace_back("work", visor::job_limits());
  auto const lease = run(s.io, s.store.join(request));
  CHECK(lease.node == "one");
  CHECK(s.left_open() == 0);
  CHECK(has_all(s.written(), {"INSERT INTO [visor_node] ", "INSERT INTO [visor_node_type]"}));
}

TEST_CASE("schedules fire by one message", "[mssql][stopped]") {
  recorded_store s;
  std::vector<value> const tick{"tick",
                                "config",
                                "* * * * *",
                                "UTC",
                                "work",
                                "{}",
                                "default",
                                "100",
                                "1",
                                "latest",
                                "1",
                                "0",
                                "allow",
                                "3",
                                {},
                                {},
                                {},
                                {},
                                "active",
                                "2026-01-02 03:04:00",
                                {},
                                {},
                                "0",
                                "0",
                                {},
                                "2026-01-01 00:00:00",
                                "2026-01-01 00:00:00",
                                "1",
                                {},
                                {},
                                {},
                                {},
                                {},
                                {},
                                {}};
  auto tock = tick;
  tock[0] = "tock";
  s.server.answer_to("FROM [visor_schedule] WHERE [state] = 'active' AND [next_at] <=", {tick, tock});
  std::vector<visor::fire_order> orders(2);
  for (std::size_t i = 0; i < 2; ++i) {
    orders[i].schedule = i == 0 ? "tick" : "tock";
    orders[i].version = 1;
    orders[i].expected_next = visor::parse_instant("2026-01-02T03:04:00Z");
    orders[i].planned = {*orders[i].expected_next};
    orders[i].ids = {static_cast<visor::job_id>(42 + i)};
    orders[i].next_at = *orders[i].expected_next + std::chrono::minutes{1};
  }
  auto const fired = run(s.io, s.store.fire(s.lease, orders));
  REQUIRE(fired.size() == 2);
  CHECK(fired[0].accepted);
  CHECK(fired[1].accepted);
  CHECK(s.left_open() == 0);
  CHECK(has_all(s.written(), {"INSERT INTO [visor_fire]", "INSERT INTO [visor_job]", "INSERT INTO [visor_ready]", "UPDATE [visor_schedule]",
                              "IF NOT EXISTS (SELECT 1 FROM visor_sequence"}));
}

// Operations that need the results of their writes are rarer. Their messages write, read, and roll back.
TEST_CASE("nothing that writes leaves a transaction open between two messages", "[mssql][stopped]") {
  recorded_store s;
  std::vector<value> const tick{"tick",
                                "user",
                                "* * * * *",
                                "UTC",
                                "work",
                                "{}",
                                "default",
                                "100",
                                "1",
                                "latest",
                                "1",
                                "0",
                                "queue",
                                "3",
                                {},
                                {},
                                {},
                                {},
                                "active",
                                "2026-01-02 03:04:00",
                                {},
                                {},
                                "0",
                                "0",
                                {},
                                "2026-01-01 00:00:00",
                                "2026-01-01 00:00:00",
                                "1",
                                "41",
                                {},
                                {},
                                {},
                                {},
                                {},
                                {}};
  s.server.answer_to("FROM [visor_schedule] WHERE [id] =", {tick});
  s.server.answer_to("FROM [visor_schedule] WHERE [state] = 'active' AND [next_at] <=", {tick});
  s.server.answer_to("FROM [visor_lease] WHERE [id] =", {{"3"}});
  s.server.answer_to("OPENJSON(l.[jobs])", {{"42", "1"}, {"43", "1"}});
  s.server.answer_to("SELECT [id], [epoch], [taken_at] FROM [visor_lease]", {{"7", "3", "2026-01-02 03:04:00"}});
  s.server.answer_to("SELECT [queue], [priority], [run_at], [max_attempts], [schedule], [max_lost] FROM [visor_job]",
                     {{"default", "100", "2026-01-02 03:04:00", "3", {}, {}}});
  s.server.answer_to("FROM [visor_type_limit] WHERE [type] =", {{"work", "20", "0", "0", "0", "60000000"}});
  s.server.answer_to("SELECT [queue] FROM [visor_ready] WHERE [queue] >", {{"default*work"}});
  s.server.answer_to("FROM [visor_ready] r JOIN [visor_job] j",
                     {{"42", "1", "work", "default*work", "100", "{}", "1", {}, {}, "2026-01-02 03:00:00", "2026-01-02 03:00:00", {}}});

  visor::job_result result;
  result.lease = 7;
  result.job = 42;
  result.started_at = result.finished_at = visor::parse_instant("2026-01-02T03:04:00Z").value();
  visor::schedule_record added;
  added.id = "tick";
  added.type = "work";
  added.expression = "* * * * *";
  added.version = 1;
  visor::fire_order order;
  order.schedule = "tick";
  order.version = 1;
  order.expected_next = visor::parse_instant("2026-01-02T03:04:00Z");
  order.planned = {*order.expected_next};
  order.ids = {44};
  order.next_at = *order.expected_next + std::chrono::minutes{1};

  auto const what =
      GENERATE(as<std::string>(), "claim with limits", "completion with children", "a released job", "fire that waits", "leave", "recover",
               "cancel", "retry", "request state", "remove node", "add schedule", "update schedule", "remove schedule", "missed");
  CAPTURE(what);
  try {
    if (what == "claim with limits") {
      std::vector<visor::claim_request> const wanted{visor::claim_request("default*work", 2)};
      s.server.answer_to("SELECT [next] FROM [visor_sequence]", {{"1"}});
      run(s.io, s.store.exchange(s.lease, {}, {}, wanted));
    } else if (what == "completion with children") {
      result.children.resize(2);
      result.children[0].id = 50;
      result.children[1].id = 51;
      result.children[0].type = result.children[1].type = "work";
      std::vector<visor::job_result> const done{result};
      run(s.io, s.store.exchange(s.lease, done, {}, {}));
    } else if (what == "a released job") {
      std::vector<visor::release> const back{visor::release(7, 42)};
      run(s.io, s.store.exchange(s.lease, {}, back, {}));
    } else if (what == "fire that waits") {
      run(s.io, s.store.fire(s.lease, std::span(&order, 1)));
    } else if (what == "leave") {
      run(s.io, s.store.leave(s.lease, visor::departure::clean));
    } else if (what == "recover") {
      run(s.io, s.store.recover(s.lease));
    } else if (what == "cancel") {
      run(s.io, s.store.cancel_job(42));
    } else if (what == "retry") {
      run(s.io, s.store.retry_job(42));
    } else if (what == "request state") {
      run(s.io, s.store.request_state("one", visor::requested_state::drain));
    } else if (what == "remove node") {
      run(s.io, s.store.remove_node("one"));
    } else if (what == "add schedule") {
      run(s.io, s.store.add_schedule(added));
    } else if (what == "update schedule") {
      run(s.io, s.store.update_schedule(added));
    } else if (what == "remove schedule") {
      run(s.io, s.store.remove_schedule("tick"));
    } else {
      visor::missed_instant missed;
      missed.schedule = "tick";
      missed.planned_at = *order.expected_next;
      run(s.io, s.store.note_missed(s.lease, std::span(&missed, 1)));
    }
  } catch (visor::error const& refused) {  // by what the script says is there; what was asked until then is what counts
    UNSCOPED_INFO(refused.what());
  }
  for (auto const& each : s.sent()) UNSCOPED_INFO(each);
  CHECK_FALSE(s.sent().empty());
  CHECK(s.left_open() == 0);
}

TEST_CASE("a heartbeat is one statement, and takes no lock", "[mssql][stopped]") {
  recorded_store s;
  s.lease.until = visor::parse_instant("2026-01-02T04:00:00Z").value();
  visor::renewal how;
  how.ttl = std::chrono::seconds{10};
  try {
    run(s.io, s.store.renew(s.lease, how));
  } catch (visor::error const& lost) {  // no row was changed, says the script
    CHECK(lost.code() == visor::errc::lease_lost);
  }
  for (auto const& each : s.sent()) {
    CHECK(each.find("BEGIN TRANSACTION") == std::string::npos);
    CHECK(each.find("sp_getapplock") == std::string::npos);
  }
}

}  // namespace visor_test
