#ifndef VISOR_TESTS_SUPPORT_TCP_GATE_HPP
#define VISOR_TESTS_SUPPORT_TCP_GATE_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace visor_test {

/// A network between a client and a server that does as a test says: a port of this machine behind which is a server's Unix socket.
class tcp_gate {
 public:
  explicit tcp_gate(std::string socket) : socket_(std::move(socket)) {
    boost::asio::co_spawn(io_, accept(), boost::asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  tcp_gate(tcp_gate const&) = delete;
  tcp_gate& operator=(tcp_gate const&) = delete;
  ~tcp_gate() {
    io_.stop();
    thread_.join();
  }

  unsigned short port() const { return port_; }

  /// Nothing comes through, in either direction, and nobody is told: a cable that was pulled. Nothing is lost.
  void hold() { is_held_ = true; }
  void let_pass() { is_held_ = false; }

  /// Breaks every connection there is.
  void cut() { ++cuts_; }

 private:
  using tcp = boost::asio::ip::tcp;
  using local = boost::asio::local::stream_protocol;

  struct pair {
    explicit pair(tcp::socket from) : client(std::move(from)), server(client.get_executor()) {}
    tcp::socket client;
    local::socket server;
  };

  boost::asio::awaitable<void> accept() {
    for (;;) {
      tcp::socket from = co_await acceptor_.async_accept(boost::asio::use_awaitable);
      auto const both = std::make_shared<pair>(std::move(from));
      both->server.connect(local::endpoint(socket_));
      boost::asio::co_spawn(io_, pump(both, both->client, both->server), boost::asio::detached);
      boost::asio::co_spawn(io_, pump(both, both->server, both->client), boost::asio::detached);
      boost::asio::co_spawn(io_, watch(both), boost::asio::detached);
    }
  }

  template <class From, class To>
  boost::asio::awaitable<void> pump(std::shared_ptr<pair> both, From& from, To& to) {
    std::array<char, 16384> bytes{};
    boost::asio::steady_timer timer(io_);
    try {
      for (;;) {
        std::size_t const count = co_await from.async_read_some(boost::asio::buffer(bytes), boost::asio::use_awaitable);
        while (is_held_) {
          timer.expires_after(std::chrono::milliseconds{5});
          co_await timer.async_wait(boost::asio::use_awaitable);
        }
        co_await boost::asio::async_write(to, boost::asio::buffer(bytes.data(), count), boost::asio::use_awaitable);
      }
    } catch (boost::system::system_error const&) {
    }
    boost::system::error_code ignored;
    both->client.close(ignored);
    both->server.close(ignored);
  }

  boost::asio::awaitable<void> watch(std::shared_ptr<pair> both) {
    boost::asio::steady_timer timer(io_);
    for (int const before = cuts_; cuts_ == before && both->client.is_open();) {
      timer.expires_after(std::chrono::milliseconds{5});
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    boost::system::error_code ignored;
    both->client.close(ignored);
    both->server.close(ignored);
  }

  std::string socket_;
  boost::asio::io_context io_{1};
  tcp::acceptor acceptor_{io_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  unsigned short port_ = acceptor_.local_endpoint().port();
  std::atomic<bool> is_held_{false};
  std::atomic<int> cuts_{0};
  std::thread thread_;
};

}  // namespace visor_test

#endif
