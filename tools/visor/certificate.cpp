#include "certificate.hpp"

#include "visor/driver/tls_files.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace visor_program {
namespace {

namespace asio = boost::asio;

/// https://www.postgresql.org/docs/15/protocol-message-formats.html, "SSLRequest": its length, and 80877103.
constexpr std::array<unsigned char, 8> ssl_request{0, 0, 0, 8, 4, 210, 22, 47};

/// Shakes hands with one server and returns OpenSSL's verdict; `X509_V_OK` also where there was no handshake.
visor::task<long> verdict_on(std::string host, std::string port, asio::ssl::context& trusted, visor::duration limit) {
  auto const executor = co_await asio::this_coro::executor;
  boost::system::error_code failed;
  auto token = asio::redirect_error(asio::use_awaitable, failed);
  asio::ip::tcp::resolver resolver(executor);
  auto const addresses = co_await resolver.async_resolve(host, port, token);
  if (failed) co_return X509_V_OK;
  asio::ssl::stream<boost::beast::tcp_stream> stream(executor, trusted);
  stream.next_layer().expires_after(limit);
  co_await stream.next_layer().async_connect(addresses, token);
  if (failed) co_return X509_V_OK;
  auto const request = asio::buffer(ssl_request);
  co_await asio::async_write(stream.next_layer(), request, token);
  if (failed) co_return X509_V_OK;
  char answer = 0;
  auto const space = asio::buffer(&answer, 1);
  co_await asio::async_read(stream.next_layer(), space, token);
  if (failed || answer != 'S') co_return X509_V_OK;
  co_await stream.async_handshake(asio::ssl::stream_base::client, token);
  co_return SSL_get_verify_result(stream.native_handle());
}

/// https://learn.microsoft.com/openspecs/windows_protocols/ms-tds, "PRELOGIN": version and encryption, which is requested.
constexpr std::array<unsigned char, 18> prelogin{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF, 0, 0, 0, 0, 0, 0, 1};
constexpr char prelogin_packet = 18;
constexpr std::size_t packet_head = 8;
constexpr long no_tls = -1;  // in place of a verdict

/// Sends and receives SQL Server's packets over a connection.
class tds_stream {
 public:
  explicit tds_stream(boost::beast::tcp_stream& on) : on_(on) {}

  visor::task<> send(std::string_view content, boost::system::error_code& failed) {
    std::size_t const size = content.size() + packet_head;
    std::string packet{prelogin_packet, 1, static_cast<char>(size >> 8), static_cast<char>(size & 0xFF), 0, 0, 0, 0};
    packet += content;
    auto const bytes = asio::buffer(packet);
    auto token = asio::redirect_error(asio::use_awaitable, failed);
    co_await asio::async_write(on_, bytes, token);
  }

  /// One message, which may be several packets.
  visor::task<std::string> receive(boost::system::error_code& failed) {
    auto token = asio::redirect_error(asio::use_awaitable, failed);
    std::string content;
    for (bool is_last = false; !is_last;) {
      std::array<unsigned char, packet_head> head{};
      auto const room = asio::buffer(head);
      co_await asio::async_read(on_, room, token);
      std::size_t const size = std::size_t{head[2]} * 256 + head[3];
      if (failed || size < packet_head) co_return std::string();
      std::string part(size - packet_head, '\0');
      auto const rest = asio::buffer(part);
      co_await asio::async_read(on_, rest, token);
      if (failed) co_return std::string();
      content += part;
      is_last = (head[1] & 1) != 0;
    }
    co_return content;
  }

 private:
  boost::beast::tcp_stream& on_;
};

/// The byte that answers whether there is TLS; 2 from a server without it.
int encryption_of(std::string const& answer) {
  for (std::size_t at = 0; at + 5 <= answer.size() && static_cast<unsigned char>(answer[at]) != 0xFF; at += 5) {
    std::size_t const where = std::size_t{static_cast<unsigned char>(answer[at + 1])} * 256 + static_cast<unsigned char>(answer[at + 2]);
    if (answer[at] == 1 && where < answer.size()) return answer[where];
  }
  return 2;
}

/// Shakes hands with a SQL Server and returns OpenSSL's verdict.
visor::task<long> tds_verdict_on(std::string host, std::string port, asio::ssl::context& trusted, bool is_named, visor::duration limit) {
  auto const executor = co_await asio::this_coro::executor;
  boost::system::error_code failed;
  auto token = asio::redirect_error(asio::use_awaitable, failed);
  asio::ip::tcp::resolver resolver(executor);
  auto const addresses = co_await resolver.async_resolve(host, port, token);
  if (failed) co_return X509_V_OK;
  boost::beast::tcp_stream socket(executor);
  socket.expires_after(limit);
  co_await socket.async_connect(addresses, token);
  if (failed) co_return X509_V_OK;
  tds_stream stream(socket);
  std::string_view const hello(reinterpret_cast<char const*>(prelogin.data()), prelogin.size());
  co_await stream.send(hello, failed);
  std::string const answer = co_await stream.receive(failed);
  if (failed) co_return X509_V_OK;
  if (encryption_of(answer) == 2) co_return no_tls;
  std::unique_ptr<SSL, decltype(&SSL_free)> const tls(SSL_new(trusted.native_handle()), SSL_free);
  SSL_set_bio(tls.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(tls.get()), -1);
  SSL_set_connect_state(tls.get());
  if (is_named) {
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(tls.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) != 1) X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), 0);
  }
  for (;;) {
    int const done = SSL_do_handshake(tls.get());
    if (std::size_t const size = BIO_ctrl_pending(SSL_get_wbio(tls.get())); size != 0) {
      std::string bytes(size, '\0');
      BIO_read(SSL_get_wbio(tls.get()), bytes.data(), static_cast<int>(size));
      co_await stream.send(bytes, failed);
    }
    if (failed || done == 1 || SSL_get_error(tls.get(), done) != SSL_ERROR_WANT_READ) break;
    std::string const more = co_await stream.receive(failed);
    if (failed) break;
    BIO_write(SSL_get_rbio(tls.get()), more.data(), static_cast<int>(more.size()));
  }
  co_return SSL_get_verify_result(tls.get());
}

std::string advice(long verdict) {
  switch (verdict) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return "is for another name: connect by the name in it; sslmode=verify-ca does not ask for it";
    case X509_V_ERR_CERT_HAS_EXPIRED: return "has expired: renew it there";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "is not valid yet: check the clocks of both";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "is signed by itself: to trust it, name it in ssl.ca";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return "is from an authority that is not trusted here: name the right one in ssl.ca";
    default: return "is not accepted";
  }
}

}  // namespace

visor::task<std::optional<visor::error>> fault_of_certificate(visor::server_options const& to, before_tls how) {
  if (to.is_local()) co_return std::nullopt;
  visor::tls_files const files(to.tls);
  asio::ssl::context trusted(asio::ssl::context::tls_client);
  trusted.set_verify_mode(asio::ssl::verify_peer);
  boost::system::error_code unread;
  if (auto const& ca = files.paths().ca; ca.empty())
    trusted.set_default_verify_paths(unread);
  else
    trusted.load_verify_file(ca, unread);
  if (unread) co_return std::nullopt;
  for (auto const& each : to.addresses()) {
    std::string const port = each.own_port.empty() ? std::to_string(to.port) : each.own_port;
    bool const is_named = to.tls.mode == visor::tls_mode::verify_full;
    auto asking = how == before_tls::of_mssql ? tds_verdict_on(each.host, port, trusted, is_named, to.pool.connect_timeout)
                                              : verdict_on(each.host, port, trusted, to.pool.connect_timeout);
    long const verdict = co_await std::move(asking);
    if (verdict == X509_V_OK) continue;
    if (verdict == no_tls)
      co_return visor::error(visor::errc::tls_failed, each.host + ":" + port +
                                                          " has no TLS, and ssl asks for it: set up TLS there; only for a trusted "
                                                          "network, turn ssl off");
    co_return visor::error(visor::errc::tls_failed, "the certificate of " + each.host + ":" + port + " " + advice(verdict),
                           X509_verify_cert_error_string(verdict));
  }
  co_return std::nullopt;
}

}  // namespace visor_program
