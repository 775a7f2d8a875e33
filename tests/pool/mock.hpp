#ifndef VISOR_TESTS_POOL_MOCK_HPP
#define VISOR_TESTS_POOL_MOCK_HPP

#include "visor/async/manual_clock.hpp"
#include "visor/pool/pool.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

namespace pool_test {

using visor::duration;

/// A server that answers as a test says, after the time that the test says, and counts. A connection that is given back before
/// an operation on it has ended is broken, as those of drivers are.
template <class Clock>
struct mock_server {
  explicit mock_server(boost::asio::any_io_executor on, Clock with) : executor(std::move(on)), clock(std::move(with)) {}

  boost::asio::any_io_executor executor;
  Clock clock;
  duration connecting_takes{0}, asking_takes{0}, resetting_takes{0}, closing_takes{0};
  std::optional<visor::error> refuses;  ///< every connect
  bool is_dead = false;                 ///< pings and resets fail
  bool is_stubborn = false;             ///< connecting cannot be interrupted
  int last = 0;
  int open = 0, most_open = 0, connects = 0, asks = 0, resets = 0, goodbyes = 0, interrupts = 0;
  int connecting = 0, most_connecting = 0;  ///< at the same time
  int overlaps = 0;                         ///< operations on a connection that had another one

  visor::task<> take(duration length) {
    if (length != duration{0}) co_await visor::detail::sleep_for(executor, clock, length);
  }
};

template <class Clock>
struct mock_connection {
  explicit mock_connection(std::shared_ptr<mock_server<Clock>> to) : server(std::move(to)), number(++server->last) {
    server->most_open = std::max(server->most_open, ++server->open);
  }
  mock_connection(mock_connection const&) = delete;
  mock_connection& operator=(mock_connection const&) = delete;
  ~mock_connection() { --server->open; }

  visor::connection_state state() const noexcept { return is; }
  visor::task<> work(duration length) {
    is = visor::connection_state::broken;
    co_await server->take(length);
    is = visor::connection_state::clean;
  }
  visor::task<> ping() {
    operation const only(*this);
    ++server->asks;
    co_await server->take(server->asking_takes);
    if (server->is_dead) throw visor::error(visor::errc::connection_lost, "the server is gone");
  }
  visor::task<> reset() {
    operation const only(*this);
    ++server->resets;
    co_await server->take(server->resetting_takes);
    if (server->is_dead) throw visor::error(visor::errc::connection_lost, "the server is gone");
    is = visor::connection_state::clean;
  }
  visor::task<> close() {
    operation const only(*this);
    ++server->goodbyes;
    co_await server->take(server->closing_takes);
  }
  void interrupt() noexcept {
    ++server->interrupts;
    is = visor::connection_state::broken;
  }

  /// An operation that the pool itself performs, one at a time.
  struct operation {
    explicit operation(mock_connection& on) : of(on) {
      if (of.operations++ != 0) ++of.server->overlaps;
    }
    operation(operation const&) = delete;
    operation& operator=(operation const&) = delete;
    ~operation() { --of.operations; }
    mock_connection& of;
  };

  std::shared_ptr<mock_server<Clock>> server;
  int number;
  int operations = 0;
  visor::connection_state is = visor::connection_state::clean;
};

template <class Clock>
struct mock_connector {
  using connection = mock_connection<Clock>;
  std::shared_ptr<mock_server<Clock>> server;

  struct attempt {
    explicit attempt(mock_server<Clock>& at) : to(at) { to.most_connecting = std::max(to.most_connecting, ++to.connecting); }
    attempt(attempt const&) = delete;
    attempt& operator=(attempt const&) = delete;
    ~attempt() { --to.connecting; }
    mock_server<Clock>& to;
  };

  std::string display_name() const { return "the mock at localhost:1"; }
  visor::task<std::unique_ptr<connection>> connect() {
    attempt const mine(*server);
    ++server->connects;
    if (server->is_stubborn) co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    co_await server->take(server->connecting_takes);
    if (server->refuses) throw visor::error(*server->refuses);
    co_return std::make_unique<connection>(server);
  }
};

}  // namespace pool_test

#endif
