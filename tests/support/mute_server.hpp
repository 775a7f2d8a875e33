#ifndef VISOR_TESTS_SUPPORT_MUTE_SERVER_HPP
#define VISOR_TESTS_SUPPORT_MUTE_SERVER_HPP

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <sys/socket.h>

#include <chrono>
#include <list>
#include <thread>

namespace visor_test {

/// A port of this machine that says nothing: the kernel takes connections, and nobody reads them.
class mute_server {
 public:
  /// \param drops accepts no connections either: packets to it vanish, as at an unused address
  explicit mute_server(bool drops = false) {
    using tcp = boost::asio::ip::tcp;
    tcp::endpoint const at(boost::asio::ip::address_v4::loopback(), 0);
    acceptor_.open(at.protocol());
    acceptor_.bind(at);
    acceptor_.listen(drops ? 0 : 100);
    if (!drops) return;
    for (int i = 0; i < 4; ++i) {  // a full queue drops every SYN
      auto& one = waiting_.emplace_back(io_);
      one.open(at.protocol());
      one.non_blocking(true);
      // That of Asio waits for the answer, also where the socket does not block.
      auto const to = acceptor_.local_endpoint();
      ::connect(one.native_handle(), to.data(), static_cast<socklen_t>(to.size()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }

  unsigned short port() const { return acceptor_.local_endpoint().port(); }
  boost::asio::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

 private:
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::acceptor acceptor_{io_};
  std::list<boost::asio::ip::tcp::socket> waiting_;
};

}  // namespace visor_test

#endif
