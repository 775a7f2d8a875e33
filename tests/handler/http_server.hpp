#ifndef VISOR_TESTS_HANDLER_HTTP_SERVER_HPP
#define VISOR_TESTS_HANDLER_HTTP_SERVER_HPP

#include "support/certificates.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>

namespace visor_test {

/// An HTTP or HTTPS server, on 127.0.0.1 unless told otherwise, that answers every request with the same bytes, one connection after the
/// other.
class http_server {
 public:
  using request = boost::beast::http::request<boost::beast::http::string_body>;

  struct behaviour {
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    std::function<std::string(request const&)> reply;  ///< in place of `answer`
    bool read_request = true;                          ///< false: answers at once
    bool handshake = true;                             ///< false: says nothing in TLS
    bool tunnel = false;                               ///< a proxy, which first lets the other side through to itself
    bool wait = false;                                 ///< after the answer, until the other side closes
    certificate const* tls = nullptr;
  };

  explicit http_server(behaviour how, boost::asio::ip::tcp::endpoint const& at = {boost::asio::ip::make_address("127.0.0.1"), 0})
      : how_(std::move(how)), acceptor_(io_, at) {
    if (how_.tls != nullptr) {
      context_.use_certificate(boost::asio::buffer(how_.tls->pem()), boost::asio::ssl::context::pem);
      context_.use_private_key(boost::asio::buffer(how_.tls->key_pem()), boost::asio::ssl::context::pem);
      SSL_CTX_set_tlsext_servername_callback(context_.native_handle(), +[](SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; });
    }
    thread_ = std::thread([this] { serve(); });
  }
  http_server(http_server const&) = delete;
  http_server& operator=(http_server const&) = delete;
  ~http_server() {
    stop_ = true;
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    thread_.join();
  }

  boost::asio::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }
  std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }
  std::string url(std::string const& rest = "/", std::string const& host = "127.0.0.1") const {
    return (how_.tls == nullptr ? "http://" : "https://") + host + ":" + port() + rest;
  }
  bool connected() const { return connections_ != 0; }
  request last() const {
    std::scoped_lock const lock{mutex_};
    return last_;
  }
  std::string server_name() const {
    std::scoped_lock const lock{mutex_};
    return server_name_;
  }

 private:
  void serve() {
    while (!stop_) {
      boost::system::error_code failed;
      boost::asio::ip::tcp::socket socket{io_};
      acceptor_.accept(socket, failed);
      if (failed) continue;
      ++connections_;
      if (how_.tunnel && !let_through(socket)) continue;
      if (how_.tls == nullptr) {
        talk(socket);
      } else if (!how_.handshake) {
        drain(socket);
      } else {
        boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream{std::move(socket), context_};
        stream.handshake(stream.server, failed);
        if (failed) continue;
        if (char const* const name = SSL_get_servername(stream.native_handle(), TLSEXT_NAMETYPE_host_name)) {
          std::scoped_lock const lock{mutex_};
          server_name_ = name;
        }
        talk(stream);
      }
    }
  }

  static bool let_through(boost::asio::ip::tcp::socket& socket) {
    boost::system::error_code failed;
    boost::beast::http::request<boost::beast::http::string_body> asked;
    boost::beast::flat_buffer buffer;
    boost::beast::http::read(socket, buffer, asked, failed);
    if (failed || asked.method() != boost::beast::http::verb::connect) return false;
    boost::asio::write(socket, boost::asio::buffer(std::string_view("HTTP/1.1 200 Connection established\r\n\r\n")), failed);
    return !failed;
  }

  template <class Stream>
  void talk(Stream& stream) {
    boost::system::error_code failed;
    boost::beast::http::request_parser<boost::beast::http::string_body> parser;
    parser.body_limit(boost::none);
    boost::beast::flat_buffer buffer;
    if (how_.read_request) {
      boost::beast::http::read(stream, buffer, parser, failed);
      if (failed) return;
      std::scoped_lock const lock{mutex_};
      last_ = parser.get();
    }
    boost::asio::write(stream, boost::asio::buffer(how_.reply ? how_.reply(parser.get()) : how_.answer), failed);
    if (how_.wait) drain(stream);
  }

  template <class Stream>
  static void drain(Stream& stream) {
    boost::system::error_code failed;
    char rest[4096];
    while (!failed) stream.read_some(boost::asio::buffer(rest), failed);
  }

  behaviour how_;
  boost::asio::io_context io_;
  boost::asio::ssl::context context_{boost::asio::ssl::context::tls_server};
  boost::asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;
  request last_;
  std::string server_name_;
  std::thread thread_;
};

/// An address that answers nothing, as one whose packets are dropped: a listening socket whose queue is full.
class silent_address {
 public:
  using tcp = boost::asio::ip::tcp;

  explicit silent_address(std::string const& address = "127.0.0.1", unsigned short port = 0)
      : acceptor_(io_, tcp::v4()), address_(boost::asio::ip::make_address(address)) {
    acceptor_.bind({address_, port});
    acceptor_.listen(0);
    // The queue holds one connection more than it was told. The others are for the kernels that count differently.
    for (int i = 0; i < 4; ++i) {
      waiting_.emplace_back(io_, tcp::v4());
      waiting_.back().native_non_blocking(true);
      auto const to = endpoint();
      static_cast<void>(::connect(waiting_.back().native_handle(), to.data(), static_cast<socklen_t>(to.size())));  // goes on by itself
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }

  tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }
  std::string port() const { return std::to_string(endpoint().port()); }

  /// From now on whoever connects is accepted, by the queue.
  void answer() { acceptor_.listen(100); }

 private:
  boost::asio::io_context io_;
  tcp::acceptor acceptor_;
  boost::asio::ip::address address_;
  std::vector<tcp::socket> waiting_;
};

}  // namespace visor_test

#endif
