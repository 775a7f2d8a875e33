#include "visor/base/http_url.hpp"
#include "support/catch.hpp"

#include <string_view>

using visor::detail::check_url;

TEST_CASE("URLs of webhooks") {
  for (char const* const good : {"https://example.com", "http://localhost:8080/a/b?c=d&e=%20", "HTTPS://Example.COM/", "http://127.0.0.1:1",
                                 "https://[::1]:443/x", "https://[2001:db8::1]/", "http://h?x=a@b:c", "https://example.com./a;b=(c)!*'~"}) {
    CAPTURE(good);
    CHECK(check_url(good).message == "");
  }
  struct bad {
    std::string_view url;
    std::string_view message;
    std::size_t offset;
  };
  bad const all[] = {
      {"", "must begin with https:// or http://", 0},
      {"example.com", "must begin with https:// or http://", 0},
      {"ftp://example.com", "must begin with https:// or http://", 0},
      {"httpss://h", "must begin with https:// or http://", 0},
      {"http:/h", "must begin with https:// or http://", 0},
      {"https://", "names no host", 8},
      {"https:///x", "names no host", 8},
      {"https://:80", "names no host", 8},
      {"https://u:p@h/", "cannot hold user and password: use the header Authorization", 8},
      {"https://h:0/", "has a wrong port: allowed is 1 to 65535", 10},
      {"https://h:65536", "has a wrong port: allowed is 1 to 65535", 10},
      {"https://h:", "has a wrong port: allowed is 1 to 65535", 10},
      {"https://h:80a", "has a wrong port: allowed is 1 to 65535", 10},
      {"https://h:-1", "has a wrong port: allowed is 1 to 65535", 10},
      {"https://h:99999999999", "has a wrong port: allowed is 1 to 65535", 10},
      {"https://h/a b", "has a character that must be written as a percent escape such as %20", 11},
      {"https://m\xC3\xBCnchen.de/",
       "has letters in its host that are not ASCII: write the host in punycode, as xn--mnchen-3ya.de for the one of Munich", 9},
      {"https://h/\xC3\xA9", "has a character that must be written as a percent escape such as %20", 10},
      {"https://h/\r\nX: y", "has a character that must be written as a percent escape such as %20", 10},
      {"https://h/a#b", "has a fragment, which is not sent: remove it, or write # as %23", 11},
      {"https://h/[x]", "has a character that must be written as a percent escape such as %20", 10},
      {"https://h/%2", "has a \"%\" without two hexadecimal digits", 10},
      {"https://h/%zz", "has a \"%\" without two hexadecimal digits", 10},
      {"https://[::1", "has a \"[\" without \"]\"", 8},
      {"https://[]", "has no IPv6 address between [ and ]", 8},
      {"https://[host]", "has no IPv6 address between [ and ]", 8},
      {"https://[::1]x", "has a wrong character after \"]\"", 13},
      {"https://a,b/", "has a character that no host name has", 9},
  };
  for (auto const& each : all) {
    CAPTURE(each.url);
    auto const fault = check_url(each.url);
    CHECK(fault.message == each.message);
    CHECK(fault.offset == each.offset);
  }
}
