#include "visor/driver/tls_files.hpp"
#include "visor/driver/peer.hpp"
#include "visor/driver/postgresql/clear_password.hpp"

#include "support/catch.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

using visor::tls_files;
using visor::tls_mode;

namespace {

std::string const key = "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n";

std::string read(std::string const& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

visor::tls_settings settings() {
  visor::tls_settings made;
  made.mode = tls_mode::verify_full;
  return made;
}

}  // namespace

TEST_CASE("PEM has a path for as long as it is needed, and for nobody else") {
  auto given = settings();
  given.ca = "/etc/hostname";
  given.key = key;
  auto files = std::make_unique<tls_files>(given);
  CHECK(files->paths().ca == "/etc/hostname");
  CHECK(files->paths().cert.empty());
  std::string const path = files->paths().key;
  for (int i = 0; i < 2; ++i) CHECK(read(path) == key);  // each time from its beginning
  struct stat about{};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  CHECK(S_ISREG(about.st_mode));
  CHECK((about.st_mode & 0777) == 0600);
  CHECK_NOTHROW(files->check());
  files.reset();
  CHECK(read(path).empty());
}

TEST_CASE("a key with a passphrase is refused, so that no library asks for it") {
  std::string const folder = std::filesystem::temp_directory_path() / ("visor-key-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  auto const text = GENERATE(as<std::string>(), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAEC\n-----END ENCRYPTED PRIVATE KEY-----\n",
                             "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAEC\n"
                             "-----END RSA PRIVATE KEY-----\n");
  std::ofstream(folder + "/own.key") << text;
  std::ofstream(folder + "/own.pem") << text;  // both in one file
  for (std::string const& given_key : {text, folder + "/own.key"}) {
    auto given = settings();
    given.key = given_key;
    given.cert = folder + "/own.pem";
    CHECK_THROWS_WITH(given.check(), Catch::Matchers::Contains("ssl.key is protected by a passphrase"));
    CHECK_THROWS_WITH(tls_files(given).check(), Catch::Matchers::Contains("openssl pkey -in KEY -out PLAIN"));
    given.key = key;
    CHECK_NOTHROW(given.check());
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("certificates and keys in DER are refused with the way to PEM") {
  std::string const folder = std::filesystem::temp_directory_path() / ("visor-der-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/large.der") << std::string("\x30\x82\x01\x01") + std::string(257, 'x');
  std::ofstream(folder + "/small.der") << std::string("\x30\x2e") + std::string(0x2e, 'x');  // a key of Ed25519
  std::ofstream(folder + "/text.pem") << "0 is 0x30, and this is no DER";
  for (std::string const name : {"/large.der", "/small.der"}) {
    auto given = settings();
    given.cert = given.key = folder + "/text.pem";
    CHECK_NOTHROW(given.check());
    given.ca = folder + name;
    CHECK_THROWS_WITH(given.check(), "ssl.ca is in DER, and PEM is wanted: openssl x509 -inform der -in FILE -out FILE.pem");
    given.ca.clear();
    given.key = folder + name;
    CHECK_THROWS_WITH(given.check(), "ssl.key is in DER, and PEM is wanted: openssl pkey -inform der -in FILE -out FILE.pem");
    CHECK_THROWS_WITH(tls_files(given).check(), Catch::Matchers::Contains("the client key is in DER"));
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("a file that cannot be read is named with what it is for") {
  auto const refused = [](visor::tls_settings const& given) {
    try {
      tls_files(given).check();
    } catch (visor::error const& wrong) {
      CHECK(wrong.code() == visor::errc::tls_failed);
      return wrong.message();
    }
    return std::string("accepted");
  };
  auto given = settings();
  CHECK(refused(given) == "accepted");
  given.key = "/nowhere/own.key";
  CHECK(refused(given) == "cannot read the client key /nowhere/own.key: No such file or directory");
  given.cert = "/nowhere/own.pem";
  CHECK(refused(given) == "cannot read the client certificate /nowhere/own.pem: No such file or directory");
  given.ca = "/etc/hostname/x";
  CHECK(refused(given) == "cannot read the CA certificate /etc/hostname/x: Not a directory");
  given.mode = tls_mode::disable;
  CHECK(refused(given) == "accepted");
}

TEST_CASE("which hosts are this machine") {
  using visor::detail::names_this_machine;
  for (char const* here : {"/run/postgresql", "localhost", "db.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"})
    CHECK(names_this_machine(here));
  for (char const* there : {"", "db", "10.0.0.1", "192.0.2.1", "::", "fe80::1", "::ffff:10.0.0.1", "localhost.example.com"})
    CHECK_FALSE(names_this_machine(there));
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(visor::detail::is_this_machine(pair[0]));
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST_CASE("a server of PostgreSQL that asks for a password in clear text is found out") {
  using namespace std::string_literals;
  using visor::postgresql_driver::asks_in_clear;
  auto const in_clear = "R\0\0\0\x08\0\0\0\x03"s;
  auto const md5 = "R\0\0\0\x0c\0\0\0\x05salt"s;
  auto const notice = "N\0\0\0\x0aSfoo\0\0"s;
  CHECK(asks_in_clear(in_clear));
  CHECK(asks_in_clear(notice + in_clear));
  CHECK(asks_in_clear(notice + notice + in_clear + "more"));
  for (auto const& other : {""s, "R"s, md5, notice, "S"s, "N"s, in_clear.substr(0, 8), "R\0\0\0\0\0\0\0\x03"s, "E\0\0\0\x09" + in_clear,
                            "\xff\xff\xff\xff\xff" + in_clear})
    CHECK_FALSE(asks_in_clear(other));
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK_FALSE(asks_in_clear(pair[0]));
  REQUIRE(::write(pair[1], in_clear.data(), in_clear.size()) == static_cast<ssize_t>(in_clear.size()));
  CHECK(asks_in_clear(pair[0]));
  CHECK(asks_in_clear(pair[0]));  // it is still there
  ::close(pair[0]);
  ::close(pair[1]);
}
