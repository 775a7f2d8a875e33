#ifndef VISOR_TESTS_DRIVER_SERVERS_TEST_DATABASE_HPP
#define VISOR_TESTS_DRIVER_SERVERS_TEST_DATABASE_HPP

#include "server_traits.hpp"
#include "support/catch.hpp"
#include "support/run.hpp"
#include "support/tcp_gate.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/// Shared parts of the tests of drivers for servers. Each driver has a `server_traits.hpp` in a folder of its own, and a program of its
/// own.
namespace visor_test {

using namespace std::chrono_literals;
using visor::errc;
using database = server_traits::driver::database;
using session = server_traits::driver::session;
using done = visor::async<session>;
using connector = server_traits::driver::connector;
using connection = connector::connection;
using numbers = std::vector<std::int64_t>;

struct number_row {
  std::int64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(number_row, (), (value))

struct echo : visor::sql::statement_defaults {
  static constexpr std::string_view name = "echo";
  using params = number_row;
  using row = number_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out("SELECT :value AS [value]"); }
};

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

/// The factor by which time limits are longer here.
inline int slowness() {
  char const* const given = std::getenv("VISOR_TEST_SLOWNESS");
  return given == nullptr ? 1 : std::atoi(given);
}

/// A database for one test, with a table of numbers.
class test_database {
 public:
  explicit test_database(server_traits::server& at = server_traits::server::shared()) : server(at) {
    server_traits::make_database(server, name);
    database base(settings());
    run(base.open());
    auto op = [](session& on) -> done { co_await on.run("CREATE TABLE numbers (value bigint PRIMARY KEY)"); };
    run(base.transact(op));
    run(base.close());
  }
  test_database(test_database const&) = delete;
  test_database& operator=(test_database const&) = delete;
  ~test_database() {
    if (!drop_user_.empty()) server.run(drop_user_);
    server_traits::drop_database(server, name);
  }

  server_traits::driver::settings settings() const { return server_traits::settings(server, name); }

  /// Settings of a user with the password hunter2 who may have so many connections. Called once.
  template <class Traits = server_traits>
  server_traits::driver::settings limited(int connections) {
    Traits::make_user(server, name, name, connections);
    drop_user_ = Traits::drop_user(name);
    auto result = settings();
    result.user = name;
    result.password = visor::secret("hunter2");
    return result;
  }

  /// Where the server listens, for a gate before it.
  template <class Traits = server_traits>
  tcp_gate::endpoint endpoint() const {
    auto const to = settings();
    if constexpr (requires { &Traits::socket_file; }) {
      if (to.is_local()) return boost::asio::local::stream_protocol::endpoint(Traits::socket_file(to));
    }
    boost::asio::io_context io;
    boost::asio::ip::tcp::resolver resolver(io);
    return resolver.resolve(to.host, std::to_string(to.port)).begin()->endpoint();
  }

  /// The same over a network.
  server_traits::driver::settings settings(tcp_gate const& over) const {
    auto result = settings();
    result.host = "127.0.0.1";
    result.port = over.port();
    return result;
  }

  /// The numbers in the table, in order.
  numbers found() const {
    database base(settings());
    run(base.open());
    numbers values;
    auto op = [&values](session& on) -> done {
      auto const rows = co_await on.query(all());
      values.clear();
      for (auto const& row : rows) values.push_back(row.value);
    };
    run(base.read(op));
    run(base.close());
    return values;
  }

  server_traits::server& server;
  std::string const name = new_name();

 private:
  std::string drop_user_;

  static void run(visor::task<> work) {
    boost::asio::io_context io{1};
    visor_test::run(io, std::move(work));
  }
};

/// Adds a number, unless the server answers something else than it was asked.
inline done add_number(session& on, std::int64_t value) {
  number_row const row{value};
  auto const answer = co_await on.find(echo(), row);
  if (!answer || answer->value != value) throw std::logic_error("the answer is to another question");
  co_await on.execute(add(), row);
}

inline void add_number(boost::asio::io_context& io, database& to, std::int64_t value) {
  auto op = [value](session& on) { return add_number(on, value); };
  run(io, to.transact(op));
}

/// Threads that add numbers, each its own and one after another, through all failures, until they are told to stop.
class crowd {
 public:
  struct member {
    numbers written, unknown;
    std::vector<errc> failures;
    std::vector<std::string> surprises;  ///< what nobody may say
    visor::duration longest{0};
    std::atomic<int> ended{0};
    std::atomic<int> successes{0};
    std::thread thread;
  };

  crowd(database& in, int size) : members(static_cast<std::size_t>(size)) {
    std::int64_t first = 0;
    for (auto& each : members) {
      first += 1'000'000;
      each.thread = std::thread([this, &in, &each, first] { work(in, each, first); });
    }
  }
  crowd(crowd const&) = delete;
  crowd& operator=(crowd const&) = delete;
  ~crowd() { stop(); }

  void stop() {
    is_over_ = true;
    for (auto& each : members)
      if (each.thread.joinable()) each.thread.join();
  }

  /// Waits until each of them has a connection of its own, or had. False when that does not come.
  bool is_settled(database const& in) const {
    for (int tries = 0; tries < 10'000; ++tries, std::this_thread::sleep_for(1ms))
      if (auto const now = *in.statistics(); now.connected >= members.size() && now.connecting == 0) return true;
    return false;
  }

  /// Waits until each of them has come to the end of some more. False when one does not.
  bool goes_on(int more, std::chrono::seconds timeout = 60s) const {
    std::vector<int> before;
    for (auto const& each : members) before.push_back(each.ended);
    auto const end = std::chrono::steady_clock::now() + timeout;
    for (auto at = members.begin(); auto const count : before) {
      for (; at->ended < count + more; std::this_thread::sleep_for(1ms))
        if (std::chrono::steady_clock::now() > end) return false;
      ++at;
    }
    return true;
  }

  std::size_t written() const {
    std::size_t sum = 0;
    for (auto const& each : members) sum += static_cast<std::size_t>(each.successes);
    return sum;
  }

  /// When they have stopped: whether all is as they were told.
  void check(numbers const& found) const {
    numbers written, allowed;
    for (auto const& each : members) {
      for (auto const& line : each.surprises) FAIL_CHECK(line);
      written.insert(written.end(), each.written.begin(), each.written.end());
      allowed.insert(allowed.end(), each.unknown.begin(), each.unknown.end());
    }
    allowed.insert(allowed.end(), written.begin(), written.end());
    std::sort(written.begin(), written.end());
    std::sort(allowed.begin(), allowed.end());
    INFO(written.size() << " written, " << allowed.size() - written.size() << " unknown, " << found.size() << " found");
    CHECK(std::includes(found.begin(), found.end(), written.begin(), written.end()));
    CHECK(std::includes(allowed.begin(), allowed.end(), found.begin(), found.end()));
  }

  std::list<member> members;

 private:
  void work(database& in, member& me, std::int64_t number) {
    boost::asio::io_context io{1};
    while (!is_over_) {
      auto const begin = std::chrono::steady_clock::now();
      ++number;
      try {
        add_number(io, in, number);
        me.written.push_back(number);
        ++me.successes;
      } catch (visor::error const& thrown) {
        note(me, thrown, number);
      } catch (std::exception const& thrown) {
        me.surprises.emplace_back(thrown.what());
      }
      auto const took = std::chrono::duration_cast<visor::duration>(std::chrono::steady_clock::now() - begin);
      me.longest = std::max(me.longest, took);
      ++me.ended;
    }
  }

  static void note(member& me, visor::error const& thrown, std::int64_t number) {
    switch (thrown.portable_code()) {
      case errc::outcome_unknown: me.unknown.push_back(number); break;
      case errc::connection_lost:
      case errc::connection_failed:
      case errc::timeout:
      case errc::busy: break;
      // A number that exists already: a transaction of unknown outcome was repeated.
      default: me.surprises.push_back(std::string(thrown.what()) + " (" + thrown.server_text() + ")");
    }
    me.failures.push_back(thrown.portable_code());
  }

  std::atomic<bool> is_over_{false};
};

}  // namespace visor_test

#endif
