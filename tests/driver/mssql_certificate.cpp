#include "support/catch.hpp"
#include "support/run.hpp"
#include "support/tds_server.hpp"

#include "certificate.hpp"

#include <boost/asio/io_context.hpp>

#include <optional>
#include <string>

// The report of `visor db test` on the certificate of a SQL Server, of which FreeTDS only says that it does not accept it.
namespace visor_test {
namespace {

std::optional<visor::error> fault(certificate const* identity, certificate const& trusted, visor::tls_mode mode,
                                  std::string const& host = "localhost") {
  tds::server::settings how;
  how.identity = identity;
  tds::server const server(how);
  visor::server_options options;
  options.host = host;
  options.port = server.port();
  options.tls.mode = mode;
  options.tls.ca = trusted.pem();
  boost::asio::io_context io{1};
  return run(io, visor_program::fault_of_certificate(options, visor_program::before_tls::of_mssql));
}

}  // namespace

TEST_CASE("which check of a SQL Server's certificate failed is said", "[mssql]") {
  certificate const authority("An authority", "", nullptr);
  certificate const other("Some other authority", "", nullptr);
  certificate const fitting("localhost", "DNS:localhost,IP:127.0.0.1", &authority);
  certificate const of_another("elsewhere", "DNS:elsewhere.example", &authority);
  certificate const expired("localhost", "DNS:localhost,IP:127.0.0.1", &authority, -7200, -3600);
  certificate const self_signed("localhost", "DNS:localhost,IP:127.0.0.1", nullptr);
  using visor::tls_mode;
  auto const says = [](std::optional<visor::error> const& found) { return found ? found->message() : std::string(); };
  CHECK(says(fault(&fitting, authority, tls_mode::verify_full)).empty());
  CHECK(says(fault(&fitting, authority, tls_mode::verify_full, "127.0.0.1")).empty());
  CHECK(says(fault(&of_another, authority, tls_mode::verify_ca)).empty());
  CHECK(says(fault(&of_another, authority, tls_mode::verify_full)).find("is for another name") != std::string::npos);
  CHECK(says(fault(&of_another, authority, tls_mode::verify_full, "127.0.0.1")).find("is for another name") != std::string::npos);
  CHECK(says(fault(&expired, authority, tls_mode::verify_ca)).find("has expired") != std::string::npos);
  CHECK(says(fault(&self_signed, authority, tls_mode::verify_ca)).find("is signed by itself") != std::string::npos);
  CHECK(says(fault(&fitting, other, tls_mode::verify_ca)).find("from an authority that is not trusted here") != std::string::npos);
  CHECK(says(fault(nullptr, authority, tls_mode::require)).find("has no TLS") != std::string::npos);
}

}  // namespace visor_test
