#include "visor/config/pem.hpp"
#include "support/catch.hpp"

#include <string>

using visor::pem;

namespace {

std::string const block = "-----BEGIN CERTIFICATE-----\nAAECAwQFBgc=\n-----END CERTIFICATE-----\n";
// Of the same.
std::string const in_base64 = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBRUNBd1FGQmdjPQotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==";

}  // namespace

TEST_CASE("base64") {
  using visor::detail::from_base64;
  CHECK(from_base64("QQ==") == "A");
  CHECK(from_base64("QUI=") == "AB");
  CHECK(from_base64("QUJD") == "ABC");
  CHECK(from_base64("QUJDRA") == "ABCD");  // without padding
  CHECK(from_base64(" QU\r\nJD\n") == "ABC");
  CHECK(from_base64("+/8=") == "\xFB\xFF");
  for (char const* const bad : {"", "=", "Q", "QUJDR", "QQ=", "QQ===", "Q=Q=", "QU-D", "QQ==QQ=="}) {
    CAPTURE(bad);
    CHECK_FALSE(from_base64(bad));
  }
}

TEST_CASE("a certificate is told apart by its shape") {
  for (char const* const path : {"/etc/ssl/ca.pem", "/etc/ssl/ca", "ca.pem", "./ca", "../keys/ca"}) {
    CAPTURE(path);
    CHECK(pem(path).is_path());
    CHECK(pem(path).content() == path);
    CHECK(pem(path).fault().empty());
  }
  for (auto const& text : {block, in_base64, in_base64.substr(0, 20) + "\n" + in_base64.substr(20)}) {
    CHECK_FALSE(pem(text).is_path());
    CHECK(pem(text).content() == block);
    CHECK(pem(text).fault().empty());
  }
  CHECK(pem("Subject: the/one.with a dot\n" + block + "\n" + block).fault().empty());
  CHECK(
      pem("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A,B\n\nAAEC\n-----END RSA PRIVATE KEY-----").fault().empty());
  CHECK(pem().fault().empty());
  CHECK(pem().content().empty());
}

TEST_CASE("a broken certificate is a fault, which does not repeat it") {
  std::string cut = block, other = block;
  cut.resize(50);
  other.replace(other.find("END CERTIFICATE"), 15, "END PRIVATE KEY");
  for (auto const& bad :
       {std::string("hunter2"), cut, other, block + "-----BEGIN X-----", in_base64.substr(0, 60), in_base64 + "!", in_base64 + ".",
        std::string("QUJD"), std::string("-----BEGIN X-----\n-----END X-----"), std::string("-----BEGIN X-----\nA.B\n-----END X-----")}) {
    CAPTURE(bad);
    CHECK(pem(bad).fault().starts_with("is neither PEM"));
    CHECK(pem(bad).fault().find("hunter2") == std::string::npos);
  }
}
