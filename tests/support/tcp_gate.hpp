#ifndef VISOR_TESTS_SUPPORT_TCP_GATE_HPP
#define VISOR_TESTS_SUPPORT_TCP_GATE_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace visor_test {

/// A network between a client and a server under the control of a test: a port of this machine behind which is a server. All
/// members may be called from any thread, and take effect a moment later.
class tcp_gate {
 public:
  using endpoint = boost::asio::generic::stream_protocol::endpoint;

  explicit tcp_gate(endpoint server, std::uint32_t seed = 1) : server_(std::move(server)), random_(seed) {
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

  /// So many clients have come so far.
  int accepted() const { return accepted_; }

  /// Lets nothing through, in either direction, not even an end, and tells nobody: a cable that was pulled. Nothing is lost.
  void hold() { is_held_ = true; }
  void let_pass() { is_held_ = false; }

  /// From now on all comes in pieces, each after up to so long a time. Zero ends that.
  void delay(std::chrono::microseconds longest) { longest_delay_ = longest.count(); }

  /// Breaks every connection there is.
  void cut() {
    for_each([](pair& each) { each.close(); });
  }

  /// Breaks one of them, whichever.
  void cut_one() {
    boost::asio::post(io_, [this] {
      std::erase_if(pairs_, [](auto const& each) { return each.expired(); });
      if (pairs_.empty()) return;
      auto const which = static_cast<std::size_t>(up_to(static_cast<std::int64_t>(pairs_.size()) - 1));
      if (auto const alive = pairs_[which].lock()) alive->close();
    });
  }

  /// Ends what goes to the clients, or to the server, of every connection there is. The other direction stays open.
  void half_close(bool to_clients) {
    for_each([to_clients](pair& each) {
      boost::system::error_code ignored;
      if (to_clients)
        each.client.shutdown(tcp::socket::shutdown_send, ignored);
      else
        each.server.shutdown(stream::socket::shutdown_send, ignored);
    });
  }

 private:
  using tcp = boost::asio::ip::tcp;
  using stream = boost::asio::generic::stream_protocol;

  struct pair {
    explicit pair(tcp::socket from) : client(std::move(from)), server(client.get_executor()) {}
    void close() {
      boost::system::error_code ignored;
      client.close(ignored);
      server.close(ignored);
    }
    tcp::socket client;
    stream::socket server;
  };

  template <class What>
  void for_each(What what) {
    boost::asio::post(io_, [this, what] {
      for (auto const& each : pairs_)
        if (auto const alive = each.lock()) what(*alive);
    });
  }

  boost::asio::awaitable<void> accept() {
    for (;;) {
      tcp::socket from = co_await acceptor_.async_accept(boost::asio::use_awaitable);
      auto const both = std::make_shared<pair>(std::move(from));
      boost::system::error_code refused;
      both->server.connect(server_, refused);
      ++accepted_;
      if (refused) continue;  // the client is told by the end of its connection
      std::erase_if(pairs_, [](auto const& each) { return each.expired(); });
      pairs_.push_back(both);
      boost::asio::co_spawn(io_, pump(both, both->client, both->server), boost::asio::detached);
      boost::asio::co_spawn(io_, pump(both, both->server, both->client), boost::asio::detached);
    }
  }

  template <class From, class To>
  boost::asio::awaitable<void> pump(std::shared_ptr<pair> both, From& from, To& to) {
    std::array<char, 16384> bytes{};
    boost::asio::steady_timer timer(io_);
    bool is_over = false;
    while (!is_over) {
      std::size_t count = 0;
      try {
        count = co_await from.async_read_some(boost::asio::buffer(bytes), boost::asio::use_awaitable);
      } catch (boost::system::system_error const&) {
        is_over = true;
      }
      while (is_held_ && both->client.is_open()) {
        timer.expires_after(std::chrono::milliseconds{5});
        co_await timer.async_wait(boost::asio::use_awaitable);
      }
      for (std::size_t sent = 0; sent < count;) {
        std::size_t piece = count - sent;
        if (auto const longest = longest_delay_.load(); longest != 0) {
          timer.expires_after(std::chrono::microseconds{up_to(longest)});
          co_await timer.async_wait(boost::asio::use_awaitable);
          piece = static_cast<std::size_t>(up_to(static_cast<std::int64_t>(piece) - 1)) + 1;
        }
        try {
          co_await boost::asio::async_write(to, boost::asio::buffer(bytes.data() + sent, piece), boost::asio::use_awaitable);
        } catch (boost::system::system_error const&) {
          is_over = true;
          break;
        }
        sent += piece;
      }
    }
    both->close();
  }

  std::int64_t up_to(std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(0, most)(random_); }

  endpoint server_;
  boost::asio::io_context io_{1};
  tcp::acceptor acceptor_{io_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  unsigned short port_ = acceptor_.local_endpoint().port();
  std::atomic<bool> is_held_{false};
  std::atomic<std::int64_t> longest_delay_{0};  // in microseconds
  std::atomic<int> accepted_{0};

  // Of the thread.
  std::mt19937 random_;
  std::vector<std::weak_ptr<pair>> pairs_;

  std::thread thread_;
};

}  // namespace visor_test

#endif
