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

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <string>

namespace visor_program {
namespace {

namespace asio = boost::asio;

/// https://www.postgresql.org/docs/15/protocol-message-formats.html, "SSLRequest": its length, and 80877103.
constexpr std::array<unsigned char, 8> ssl_request{0, 0, 0, 8, 4, 210, 22, 47};

/// What OpenSSL finds when it shakes hands with one server; `X509_V_OK` also where it does not come to that.
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

std::string advice(long verdict) {
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return "has expired: renew it there";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "is not valid yet: check the clocks of both";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "is signed by itself: to trust it, name it in tls.ca";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return "is from an authority that is not trusted here: name the right one in tls.ca";
    default: return "is not accepted";
  }
}

}  // namespace

visor::task<std::optional<visor::error>> fault_of_certificate(visor::server_options const& to) {
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
    long const verdict = co_await verdict_on(each.host, port, trusted, to.pool.connect_timeout);
    if (verdict == X509_V_OK) continue;
    co_return visor::error(visor::condition::tls_failed, "the certificate of " + each.host + ":" + port + " " + advice(verdict),
                           X509_verify_cert_error_string(verdict));
  }
  co_return std::nullopt;
}

}  // namespace visor_program
