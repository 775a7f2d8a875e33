#include "test_database.hpp"

#include <mutex>
#include <source_location>

// Messages about a server: in the log, and when no connection can be had.
namespace visor_test {
namespace {

/// The recorded log lines.
class journal {
 public:
  visor::log_sink sink() {
    return [this](visor::log_level level, std::string_view line) {
      std::scoped_lock const lock(mutex_);
      lines_.emplace_back(level, line);
    };
  }
  /// The lines of a level that hold a text.
  std::vector<std::string> with(visor::log_level level, std::string_view text) {
    std::scoped_lock const lock(mutex_);
    std::vector<std::string> found;
    for (auto const& [how, line] : lines_)
      if (how == level && line.find(text) != std::string::npos) found.push_back(line);
    return found;
  }
  std::size_t size() {
    std::scoped_lock const lock(mutex_);
    return lines_.size();
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<visor::log_level, std::string>> lines_;
};

using visor::log_level;

template <class Work>
std::optional<visor::error> failure_of(Work work) {
  try {
    work();
  } catch (visor::error const& thrown) {
    return thrown;
  }
  return std::nullopt;
}

visor::task<> think(session& on, std::string seconds) { co_await on.run(server_traits::sleep(seconds)); }

}  // namespace

TEST_CASE("a log of statements tells what they were, and no value", "[servers]") {
  test_database where;
  auto settings = where.settings();
  settings.log_statements.all = true;
  journal said;
  database base(settings, said.sink());
  boost::asio::io_context io{1};
  run(io, base.open());
  add_number(io, base, 4711);
  CHECK_THROWS_AS(add_number(io, base, 4711), visor::error);
  auto look = [](session& on) -> visor::task<> {
    auto const rows = co_await on.query(all());
    co_await on.run("SELECT 'hunter2', 4711");
  };
  run(io, base.read(look));
  run(io, base.close());
  auto const added = said.with(log_level::info, "INSERT INTO numbers VALUES (");
  REQUIRE(added.size() == 2);
  CHECK_THAT(added[0], StartsWith("statement, ") && Contains("s, 1 rows, 1 parameters: INSERT INTO"));
  CHECK_THAT(added[1], Contains("s, failed, 1 parameters: INSERT INTO"));
  auto const found = said.with(log_level::info, "SELECT value FROM numbers ORDER BY 1");
  REQUIRE(found.size() == 1);
  CHECK_THAT(found[0], Contains("s, 1 rows, 0 parameters: "));
  CHECK(said.with(log_level::info, " parameters: COMMIT").size() == 2);
  CHECK(said.with(log_level::info, "hunter2").empty());
  CHECK(said.with(log_level::info, "4711").empty());
}

TEST_CASE("a slow statement is told as a warning, and nothing else", "[servers]") {
  test_database where;
  auto settings = where.settings();
  settings.log_statements.slow = 300ms;
  journal said;
  database base(settings, said.sink());
  boost::asio::io_context io{1};
  run(io, base.open());
  auto slow = [](session& on) -> visor::task<> {
    number_row const one{1};
    auto const answer = co_await on.find(echo(), one);
    CHECK(answer);
    co_await think(on, "0.3");
  };
  run(io, base.read(slow));
  run(io, base.close());
  auto const found = said.with(log_level::warning, server_traits::sleep("0.3").substr(0, 6));
  REQUIRE(found.size() == 1);
  CHECK_THAT(found[0], StartsWith("slow statement, ") && Contains(" 0 parameters: "));
  CHECK(said.with(log_level::info, "").empty());
}

TEST_CASE("a log of connections tells who came and went, and why", "[servers]") {
  test_database where;
  journal said;
  bool const is_on = GENERATE(true, false);
  auto settings = where.settings();
  settings.pool.log_connections = is_on;
  settings.pool.max = 3;
  {
    database base(settings, said.sink());
    boost::asio::io_context io{1};
    run(io, base.open());
    add_number(io, base, 1);
    server_traits::end_connections(where.server, where.name);
    add_number(io, base, 2);
    run(io, base.close());
  }
  if (!is_on) {
    CHECK(said.size() == 0);
    return;
  }
  auto const made = said.with(log_level::info, "made a connection to " + settings.display_name());
  REQUIRE(made.size() == 2);
  CHECK_THAT(made[0], EndsWith(": 1 of 3, 1 in use, 0 idle, 0 callers wait"));
  CHECK(said.with(log_level::info, "closed a connection (broken) to " + settings.display_name()).size() == 1);
  CHECK(said.with(log_level::info, "closed a connection (shutdown) to " + settings.display_name()).size() == 1);
  CHECK(said.size() == 4);
}

TEST_CASE("what happens for every job is written without looking at what is there, until something is found", "[servers]") {
  test_database where;
  auto settings = where.settings();
  settings.log_statements.all = true;
  journal said;
  visor::sql_store<server_traits::driver> store(settings, visor::wall_clock(), said.sink());
  boost::asio::io_context io{1};
  run(io, store.open());
  auto const with_care = [&] { return said.with(log_level::info, "SAVEPOINT").size(); };
  visor::join_request me;
  me.node = "a";
  auto const lease = run(io, store.join(me));
  std::vector<visor::new_job> jobs(6);
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].id = static_cast<visor::job_id>(i) + 1;
  std::vector<visor::claim_request> const wanted{visor::claim_request("default", 3)};
  std::vector<visor::job_result> results;
  CHECK(run(io, store.enqueue(jobs)) == jobs.size());
  for (int round = 0; round < 2; ++round) {
    auto const result = run(io, store.exchange(lease, results, {}, wanted));
    CHECK(result.refused.empty());
    REQUIRE(result.claims.size() == 1);
    results.clear();
    for (auto const& job : result.claims[0].jobs) {
      results.emplace_back();
      results.back().lease = result.claims[0].lease;
      results.back().job = job.id;
      results.back().attempt = job.attempt;
    }
    REQUIRE(results.size() == 3);
  }
  CHECK(run(io, store.exchange(lease, results, {}, wanted)).claims.empty());
  CHECK(with_care() == 0);
  CHECK(said.with(log_level::warning, "").empty());
  CHECK(run(io, store.exchange(lease, results, {}, wanted)).refused.empty());
  CHECK(run(io, store.enqueue(jobs)) == 0);
  CHECK(with_care() == (server_traits::takes_bulks(where.server) ? 1 : 0));
  run(io, store.close());
}

TEST_CASE("a server that is away is told of once, and not at each try", "[servers]") {
  test_database where;
  tcp_gate gate(boost::asio::local::stream_protocol::endpoint("/nowhere"));
  auto settings = where.settings(gate);
  settings.password = visor::secret("hunter2");
  settings.pool.connect_backoff = settings.pool.connect_backoff_cap = 1ms;
  settings.pool.acquire_timeout = settings.pool.validation_timeout = 300ms;
  journal said;
  database base(settings, said.sink());
  boost::asio::io_context io{1};
  CHECK(failure_of([&] { run(io, base.open()); }));
  auto const failure = failure_of([&] { add_number(io, base, 1); });
  REQUIRE(failure);
  CHECK(failure->code() == errc::timeout);
  CHECK_THAT(failure->what(), Contains("; the last connect failed: cannot connect to 127.0.0.1:") && !Contains("hunter2"));
  CHECK(base.statistics()->failed_connects > 2);
  CHECK(said.with(log_level::warning, "cannot connect: cannot connect to 127.0.0.1:").size() == 1);
  CHECK(said.size() == 1);
  run(io, base.close());
}

TEST_CASE("who gets no connection is told what all of them do, and which setting helps", "[servers]") {
  test_database where;
  auto settings = where.limited(2);
  settings.pool.max = 2;
  settings.pool.acquire_timeout = 100ms;
  settings.pool.validation_timeout = 100ms;
  database base(settings);
  boost::asio::io_context io{1};
  run(io, base.open());
  std::optional<visor::error> failure;
  auto nothing = [](session&) -> visor::task<> { co_return; };
  auto third = [&](session&) -> visor::task<> {
    try {
      co_await base.read(nothing);
    } catch (visor::error const& thrown) {
      failure = thrown;
    }
  };
  struct {
    visor::task<> operator()(session&) const { return of.read(inner); }
    std::source_location where() const { return here; }
    database& of;
    decltype(third)& inner;
    std::source_location here = std::source_location::current();
  } const second{base, third};
  run(io, base.read(second));
  REQUIRE(failure);
  CHECK(failure->code() == errc::timeout);
  CHECK_THAT(failure->what(), Contains(" by log.cpp:" + std::to_string(second.here.line()) + ";"));
  CHECK_THAT(failure->what(), StartsWith("no connection to " + settings.display_name() +
                                         " within 100ms (pool.acquire_timeout, DB_CONNECTION_TIMEOUT_MS): 2 of 2 connections "
                                         "are in use, 0 idle, 0 being made, 0 callers wait; "));
  CHECK_THAT(failure->what(), Contains("the oldest is held for ") && Contains("raise pool.max (DB_POOL_MAX)") && !Contains("hunter2"));
  run(io, base.close());
}

TEST_CASE("a server that has no connection left is not asked for more, and says which setting helps", "[servers]") {
  test_database where;
  auto const settings = where.limited(1);
  database first(settings), second(settings);
  boost::asio::io_context io{1};
  run(io, first.open());
  auto const failure = failure_of([&] { run(io, second.open()); });
  REQUIRE(failure);
  CHECK(failure->code() == errc::busy);
  CHECK_THAT(failure->what(),
             Contains("has no connection left: lower pool.max, or raise max_connections of the server") && !Contains("hunter2"));
  CHECK_THAT(failure->server_text(), Contains(settings.user) && !Contains("hunter2"));
  run(io, first.close());
  run(io, second.close());
}

}  // namespace visor_test
