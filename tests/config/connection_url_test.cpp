#include "visor/config/connection_url.hpp"
#include "support/catch.hpp"
#include "visor/driver/server_options.hpp"

#include <string>

using visor::tls_mode;

namespace {

/// A driver's settings.
struct some_settings : visor::server_options {
  static constexpr char const* more_options = ", colour";
  std::string colour;
  bool set_option(std::string const& option, std::string const& value) {
    if (option == "colour") colour = value;
    return option == "colour";
  }
};

visor::storage_settings with_url(std::string url) {
  visor::storage_settings given;
  given.connection.connection_string = visor::secret(std::move(url));
  return given;
}

some_settings from(visor::storage_settings const& given) { return visor::server_settings<some_settings>(given); }

std::string refused(std::string url) {
  try {
    from(with_url(std::move(url)));
  } catch (visor::error const& wrong) {
    CHECK(wrong.message().starts_with("scheduler.storage.connection.connection_string "));
    return wrong.message().substr(std::string("scheduler.storage.connection.connection_string ").size());
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a connection string is taken apart, and what stands beside it is ignored") {
  auto given = with_url("db://user%40server:p%2Fw@host:99/name?colour=red&sslmode=require");
  given.connection.host = "other";
  given.connection.password = visor::secret("other");
  auto const all = from(given);
  CHECK(all.host == "host");
  CHECK(all.port == 99);
  CHECK(all.database == "name");
  CHECK(all.user == "user@server");
  CHECK(all.password.reveal() == "p/w");
  CHECK(all.colour == "red");
  CHECK(all.tls.mode == tls_mode::require);
  CHECK(from(with_url("db://h")).user == "visor");
  CHECK(from(with_url("db://h/d?")).database == "d");
  CHECK(from(with_url("db://u@/d?host=/run/x")).host == "/run/x");
}

TEST_CASE("several hosts are taken as they are written, each with its port if it has one") {
  for (std::string const hosts : {"a,b", "a:99,b:99", "a:1,b,c:2", "127.0.0.2:5,127.0.0.1:5"}) {
    auto const all = from(with_url("db://u:p%2Cw@" + hosts + "/d?colour=a:1,b:2"));
    CHECK(all.host == hosts);
    CHECK(all.port == from(with_url("db://h/d")).port);
    CHECK(all.password.reveal() == "p,w");
    CHECK(all.colour == "a:1,b:2");
  }
  CHECK(refused("db://u:12,34/word@h/d").starts_with("is no URL of the form"));
  CHECK(from(with_url("db://u:p,w@h:1/d")).password.reveal() == "p,w");
  CHECK_THROWS_AS(from(with_url("db://a:x,b:x/d")).check(), visor::error);
  for (std::string const wrong : {"db://u:p/w,x@h/d", "db://[::1]:5,[::2]:5/d"}) CHECK(refused(wrong).starts_with("is no URL of the form"));
}

TEST_CASE("a host of several may have a port of its own") {
  some_settings settings;
  settings.port = 9;
  auto const ports = [&](std::string host) {
    settings.host = std::move(host);
    std::string all;
    for (auto const& each : settings.addresses()) all += each.host + "|" + each.own_port + " ";
    return all + settings.server();
  };
  CHECK(ports("a") == "a| a:9");
  CHECK(ports("a,b") == "a| b| a,b:9");
  CHECK(ports("a:1,b,::1,c:2") == "a|1 b| ::1| c|2 a:1,b,::1,c:2");
  CHECK(ports("::1") == "::1| [::1]:9");
  CHECK(ports("/run/x") == "/run/x| /run/x");
  CHECK_NOTHROW(settings.check());
  for (std::string const wrong : {"a:0,b", "a,b:65536", "a:1x,b", "a:-1,b", "a:99999999999,b"}) {
    settings.host = wrong;
    CHECK_THROWS_AS(settings.check(), visor::error);
  }
}

TEST_CASE("what is wrong with a connection string is said without any of its values") {
  CHECK(
      refused("db://h?color=red") ==
      "has the option \"color\", which is not supported (supported are host, sslmode, sslrootcert, sslcert, sslkey, ssl, ssl-mode, ssl-ca, "
      "ssl-cert, ssl-key, sslaccept, connect_timeout, connection_limit, pool_timeout, application_name, charset, colour)");
  // A password with a question mark in it.
  CHECK(refused("db://u:12?ter2@h/d").starts_with("has an option, which is not supported ("));
  CHECK(refused("db://h?=x").starts_with("has an option, which is not supported ("));
  CHECK(refused("db://h?sslmode=prefer") == "has an sslmode that is not allowed (disable, require, verify-ca, verify-full)");
  CHECK(refused("db://h:0") == "has a wrong port: allowed is 1 to 65535");
  CHECK(refused("db://h/a/b") == "names more than one database");
  // A part of each of these passwords would be the host or the database.
  for (char const* const torn :
       {"db://u:p@ss@h", "db://u:p@ss@h:5432/d", "db://u:p/ss@h/d", "db://u:1/ss@h", "db://u:p#ss@h/d", "db://u:p[ss@h/d"})
    CHECK(refused(torn).starts_with("is no URL of the form"));
  CHECK(from(with_url("db://h/a%40b")).database == "a@b");
}

TEST_CASE("connection strings as hosts of databases print them are taken") {
  auto const mode = [](std::string const& options) { return from(with_url("db://h/d?" + options)).tls.mode; };
  CHECK(mode("ssl-mode=REQUIRED") == tls_mode::require);
  CHECK(mode("ssl-mode=verify_identity") == tls_mode::verify_full);
  CHECK(mode("ssl_mode=DISABLED") == tls_mode::disable);
  CHECK(mode("ssl=true") == tls_mode::verify_full);
  CHECK(mode("ssl={\"rejectUnauthorized\":true}") == tls_mode::verify_full);
  CHECK(mode("ssl=%7B%22rejectUnauthorized%22:%20false%7D") == tls_mode::require);
  CHECK(mode("sslmode=require&ssl=true") == tls_mode::verify_full);
  CHECK(refused("db://h/d?sslmode=require&ssl=false") == "has sslmode and ssl, which contradict each other: leave one out");
  CHECK(refused("db://h/d?ssl=true&ssl-mode=DISABLED") == "has ssl and ssl-mode, which contradict each other: leave one out");
  CHECK(mode("sslaccept=strict") == tls_mode::verify_full);
  CHECK(mode("sslaccept=strict&sslmode=require") == tls_mode::verify_full);
  CHECK(mode("sslmode=require&sslaccept=accept_invalid_certs") == tls_mode::require);
  CHECK(from(with_url("db://h/d?sslmode=verify-full&sslrootcert=system")).tls.ca.empty());
  auto const all = from(with_url("db://h/d?connect_timeout=15&pool_timeout=20&connection_limit=1&application_name=mine&charset=utf8mb4"));
  CHECK(all.pool.connect_timeout == std::chrono::seconds{15});
  CHECK(all.pool.acquire_timeout == std::chrono::seconds{20});
  CHECK(all.pool.max == 1);
  CHECK(all.application == "mine");
  // Options that could only be ignored are refused, by name.
  CHECK(refused("db://h/d?ssl-mode=PREFERRED") ==
        "has the option \"ssl-mode\" with a value that is not supported: allowed is DISABLED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY; none "
        "falls "
        "back to no TLS");
  CHECK(refused("db://h/d?charset=latin1").starts_with("has the option \"charset\" with a value that is not supported"));
  CHECK(refused("db://h/d?connect_timeout=0") ==
        "has the option \"connect_timeout\" with a value that is not supported: allowed is 1 to 600");
  CHECK(refused("db://h/d?sslaccept=maybe").starts_with("has the option \"sslaccept\" with a value"));
  CHECK(refused("db://h/d?socket_timeout=5").starts_with("has the option \"socket_timeout\", which is not supported"));
}

TEST_CASE("the ssl block goes before what a connection string says of TLS") {
  auto const tls = [](std::string const& options, visor::ssl_settings block) {
    auto given = with_url("db://h/d?" + options);
    given.connection.ssl = std::move(block);
    return from(given).tls;
  };
  visor::ssl_settings off, relaxed, authority;
  off.enabled = false;
  relaxed.reject_unauthorized = false;
  authority.ca = "/mine.pem";
  CHECK(from(with_url("db://h/d")).tls.mode == tls_mode::disable);
  CHECK(tls("sslmode=disable", {}).mode == tls_mode::verify_full);
  CHECK(tls("sslmode=verify-full", relaxed).mode == tls_mode::require);
  CHECK(tls("sslmode=verify-full&sslrootcert=/theirs.pem", off) == visor::tls_settings());
  for (char const* const option : {"sslmode=require", "%73sl=true", "ssl-mode=VERIFY_CA", "sslaccept=strict", "sslrootcert=system"})
    CHECK(tls(option, off).mode == tls_mode::disable);
  // The files that it does not name are those of the connection string.
  CHECK(tls("sslrootcert=/theirs.pem", {}).ca == "/theirs.pem");
  CHECK(tls("sslrootcert=/theirs.pem", authority).ca == "/mine.pem");
}

TEST_CASE("a Unix socket has no TLS") {
  visor::storage_settings given;
  given.connection.host = "/run/x";
  given.connection.ssl.emplace();
  CHECK(from(given).tls == visor::tls_settings());
  CHECK(from(with_url("db:///d?host=/run/x&sslmode=verify-full")).tls == visor::tls_settings());
}

TEST_CASE("the whole pool, and certificates whatever their shape") {
  visor::storage_settings given;
  given.connection.pool.max_uses = 7;
  given.connection.pool.leak_threshold = std::chrono::minutes{1};
  given.log_statements.slow = std::chrono::seconds{3};
  given.connection.ssl.emplace();
  given.connection.ssl->cert = "/own.pem";
  given.connection.ssl->key = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCkFBRUNBd1FGQmdjPQotLS0tLUVORCBQUklWQVRFIEtFWS0tLS0tCg==";
  auto const all = from(given);
  CHECK(all.pool == given.connection.pool);
  CHECK(all.log_statements.slow == std::chrono::seconds{3});
  CHECK(all.tls.cert == "/own.pem");
  CHECK(all.tls.key == "-----BEGIN PRIVATE KEY-----\nAAECAwQFBgc=\n-----END PRIVATE KEY-----\n");
  given.connection.ssl->key = "hunter2";
  CHECK_THROWS_WITH(from(given), visor_test::StartsWith("scheduler.storage.connection.ssl.key is neither PEM"));
}

TEST_CASE("that there is a PgBouncer is said to the driver, which must know what that is") {
  struct pooled_settings : some_settings {
    bool pgbouncer = false;
    bool set_option(std::string const& option, std::string const& value) {
      if (option == "pgbouncer") pgbouncer = value == "true";
      return option == "pgbouncer";
    }
  };
  visor::storage_settings given;
  CHECK_FALSE(visor::server_settings<pooled_settings>(given).pgbouncer);
  CHECK(visor::server_settings<pooled_settings>(with_url("db://h/d?pgbouncer=true")).pgbouncer);
  given.connection.pgbouncer = true;
  CHECK(visor::server_settings<pooled_settings>(given).pgbouncer);
  CHECK_THROWS_AS(from(given), visor::error);
}

TEST_CASE("what a connection string says twice, or against itself, is refused") {
  for (std::string const port : {"0", "65536", "99999", "4294967297", "99999999999999999999"})
    CHECK(refused("db://u@h:" + port + "/d") == "has a wrong port: allowed is 1 to 65535");
  CHECK(from(with_url("db://u@h:65535/d")).port == 65535);
  CHECK(refused("db://h/d?connect_timeout=3&connect_timeout=5") == "has the option \"connect_timeout\" twice");
  CHECK(refused("db://h/d?sslmode=require&sslmode=disable") == "has the option \"sslmode\" twice");
  CHECK(refused("db://h/d?ssl=true&sslmode=disable") == "has ssl and sslmode, which contradict each other: leave one out");
  CHECK(refused("db://h/d?sslmode=disable&sslaccept=strict") == "has sslmode and sslaccept, which contradict each other: leave one out");
  CHECK(from(with_url("db://h/d?sslrootcert=system")).tls.mode == tls_mode::verify_full);
  CHECK(from(with_url("db://h/d?sslrootcert=system&sslmode=require")).tls.mode == tls_mode::require);
}
