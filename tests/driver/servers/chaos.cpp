#include "test_database.hpp"

#include <random>

// A network that breaks in every way there is, at any moment.
namespace visor_test {
namespace {

/// Faults of a network. Some of them last.
class weather {
 public:
  explicit weather(tcp_gate& over, std::uint32_t seed) : gate_(over), random_(seed) {}

  /// So many changes, a few milliseconds apart, and then a clear sky.
  void storm(int changes) {
    for (int i = 0; i < changes; ++i) {
      switch (up_to(7)) {
        case 0: gate_.cut(); break;
        case 1: gate_.half_close(true); break;
        case 2: gate_.half_close(false); break;
        case 3: gate_.hold(); break;
        case 4: gate_.delay(std::chrono::microseconds{up_to(3000)}); break;
        default: clear(); break;  // else nothing would ever end well
      }
      std::this_thread::sleep_for(std::chrono::microseconds{up_to(20'000)});
    }
    clear();
  }

  void clear() {
    gate_.let_pass();
    gate_.delay(0us);
  }

 private:
  int up_to(int most) { return std::uniform_int_distribution<int>(0, most)(random_); }

  tcp_gate& gate_;
  std::mt19937 random_;
};

}  // namespace

TEST_CASE("a network that swallows everything keeps nobody for longer than the time of a transaction", "[servers]") {
  test_database where;
  tcp_gate gate(where.endpoint());
  auto settings = where.settings(gate);
  settings.transaction_timeout = 300ms;
  settings.pool.acquire_timeout = 500ms;
  settings.pool.validation_timeout = 500ms;
  settings.pool.connect_timeout = 1s;
  database base(settings);
  boost::asio::io_context io{1};
  run(io, base.open());
  auto const adding = [&](std::int64_t value) {
    try {
      add_number(io, base, value);
    } catch (visor::error const& thrown) {
      return thrown.portable_code();
    }
    return errc{};
  };
  CHECK(adding(1) == errc{});
  gate.hold();
  auto const begin = std::chrono::steady_clock::now();
  CHECK(adding(2) == errc::timeout);  // on the connection that is there
  CHECK(adding(3) == errc::timeout);  // for a new one
  CHECK(std::chrono::steady_clock::now() - begin < 2s * slowness());
  gate.let_pass();
  // The server may have got what was on its way, which the connection to it has not survived.
  for (int tries = 0; tries < 500 && adding(4) != errc{}; ++tries) std::this_thread::sleep_for(10ms);
  auto const found = where.found();
  CHECK(found.front() == 1);
  CHECK(found.back() == 4);
  run(io, base.close());
}

TEST_CASE("whatever the network does, nobody waits for longer than he said, and no answer is another's", "[servers]") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  test_database where;
  tcp_gate gate(where.endpoint(), seed);
  auto settings = where.settings(gate);
  settings.transaction_timeout = 500ms;
  settings.pool.max = 3;
  settings.pool.acquire_timeout = 1s;
  settings.pool.connect_timeout = 1s;
  settings.pool.validation_timeout = 500ms;
  settings.pool.connect_backoff = 1ms;
  settings.pool.connect_backoff_cap = 50ms;
  database base(settings);
  boost::asio::io_context io{1};
  run(io, base.open());
  crowd all(base, 4);
  weather over(gate, seed);
  over.storm(150);
  CHECK(all.goes_on(1));
  // At last nothing comes through any more, and still everybody gets an answer.
  gate.hold();
  CHECK(all.goes_on(2));
  gate.let_pass();
  std::size_t const before = all.written();
  for (int tries = 0; tries < 10'000 && all.written() < before + 4; ++tries) std::this_thread::sleep_for(1ms);
  CHECK(all.written() >= before + 4);
  all.stop();
  run(io, base.close());
  all.check(where.found());
  // A transaction whose connection breaks is begun again four times; each time there is a connection to wait for, and a second more than
  // the transaction may take, for the server to say so.
  auto const longest = 5 * (settings.pool.acquire_timeout + settings.transaction_timeout + 1s);
  for (auto const& each : all.members) CHECK(each.longest < longest * slowness());
}

}  // namespace visor_test
