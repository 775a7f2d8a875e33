#include "visor/driver/tls_files.hpp"
#include "support/catch.hpp"

#include <sys/stat.h>
#include <unistd.h>

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

TEST_CASE("a file that cannot be read is named with what it is for") {
  auto const refused = [](visor::tls_settings const& given) {
    try {
      tls_files(given).check();
    } catch (visor::error const& wrong) {
      CHECK(wrong.kind() == visor::condition::tls_failed);
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
