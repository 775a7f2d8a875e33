#ifndef VISOR_HANDLER_PROXY_HPP
#define VISOR_HANDLER_PROXY_HPP

#include "visor/base/error.hpp"
#include "visor/base/http_url.hpp"
#include "visor/base/process_environment.hpp"
#include "visor/base/secret.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace visor::detail {

/// An HTTP proxy, as named in the environment.
struct http_proxy {
  std::string host;  ///< without brackets
  std::string port = "80";
  secret authorization;  ///< value of the header `Proxy-Authorization`; empty: none
  std::string shown;     ///< name in messages: without user and password
};

inline std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? digits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

/// Reads `http://user:password@host:port`, of which all but the host may be left out.
/// \param name of the variable
/// \throws visor::error `invalid_argument` that names the variable and repeats nothing of its value
inline http_proxy parse_proxy(std::string_view text, std::string const& name) {
  auto const refuse = [&](std::string const& why) { throw error(errc::invalid_argument, "the variable " + name + " " + why); };
  if (auto const scheme = text.find("://"); scheme != text.npos) {
    std::string_view const given = text.substr(0, scheme);
    if (given != "http" && given != "HTTP") refuse("names a proxy that is not http://: such a proxy is not supported");
    text.remove_prefix(scheme + 3);
  }
  text = text.substr(0, text.find_first_of("/?#"));
  http_proxy result;
  if (auto const at = text.rfind('@'); at != text.npos) {
    std::string_view const user = text.substr(0, at);
    auto const colon = std::min(user.find(':'), user.size());
    result.authorization = secret("Basic " + base64(percent_decoded(user.substr(0, colon)) + ":" +
                                                    percent_decoded(colon < user.size() ? user.substr(colon + 1) : std::string_view())));
    text.remove_prefix(at + 1);
  }
  result.shown = "http://" + std::string(text);
  bool const bracketed = text.starts_with('[');
  auto const host_end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
  if (host_end == text.npos) refuse("has a \"[\" without \"]\"");
  result.host = bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end);
  if (auto const colon = text.find(':', host_end); colon != text.npos) result.port = text.substr(colon + 1);
  unsigned port = 0;
  auto const [end, failed] = std::from_chars(result.port.data(), result.port.data() + result.port.size(), port);
  bool const is_port = failed == std::errc() && end == result.port.data() + result.port.size() && port >= 1 && port <= 65'535;
  if (result.host.empty() || !is_port) refuse("is no proxy: it is such as http://proxy.example.com:3128");
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F; }))
    refuse("has a character that no host has");
  return result;
}

inline std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

/// True when `no_proxy` names a host. It is a list with commas of `*`, domains (with their subdomains, with or without a dot in front),
/// addresses, and networks such as `10.0.0.0/8`; each may have a port.
inline bool bypasses_proxy(std::string_view no_proxy, std::string_view host, std::string_view port) {
  std::string const name = lower_case(host);
  boost::system::error_code failed;
  auto const address = boost::asio::ip::make_address(name, failed);
  bool const is_address = !failed;
  auto const in_network = [&](std::string const& text) {
    boost::system::error_code wrong;
    if (address.is_v4()) {
      auto const network = boost::asio::ip::make_network_v4(text, wrong);
      return !wrong && boost::asio::ip::network_v4(address.to_v4(), network.prefix_length()).network() == network.network();
    }
    auto const network = boost::asio::ip::make_network_v6(text, wrong);
    return !wrong && boost::asio::ip::network_v6(address.to_v6(), network.prefix_length()).network() == network.network();
  };
  while (!no_proxy.empty()) {
    auto const end = std::min(no_proxy.find_first_of(", \t"), no_proxy.size());
    std::string entry = lower_case(no_proxy.substr(0, end));
    no_proxy.remove_prefix(std::min(end + 1, no_proxy.size()));
    if (entry == "*") return true;
    if (is_address && entry.find('/') != entry.npos) {
      if (in_network(entry)) return true;
      continue;
    }
    // Strips a port, but not the end of an address without brackets.
    bool const bracketed = entry.starts_with('[');
    auto const colon = bracketed ? entry.find(':', std::min(entry.find(']'), entry.size())) : entry.find(':');
    if (colon != entry.npos && (bracketed || entry.find(':', colon + 1) == entry.npos)) {
      if (std::string_view(entry).substr(colon + 1) != port) continue;
      entry.resize(colon);
    }
    if (bracketed && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
    if (is_address) {
      boost::system::error_code wrong;
      if (auto const other = boost::asio::ip::make_address(entry, wrong); !wrong && other == address) return true;
      continue;
    }
    entry.erase(0, entry.find_first_not_of('.'));
    if (entry.empty()) continue;
    if (name == entry || name.ends_with("." + entry)) return true;
  }
  return false;
}

/// Returns the proxy for a host, from the variables that other programs use too. These are `http_proxy` for `http://`, `https_proxy` or
/// `HTTPS_PROXY` for `https://`, and `no_proxy` or `NO_PROXY` for exceptions. The variable `HTTP_PROXY` is ignored: a web server may set it
/// from a header of a client.
/// \throws visor::error `invalid_argument` for a proxy that cannot be used
inline std::optional<http_proxy> proxy_for(bool tls, std::string_view host, std::string_view port, environment const& lookup) {
  auto const first_of = [&](std::initializer_list<char const*> names) -> std::pair<std::string, std::string> {
    for (auto const* const name : names)
      if (auto value = lookup(name); value && !value->empty()) return {name, std::move(*value)};
    return {};
  };
  auto const [name, value] = tls ? first_of({"https_proxy", "HTTPS_PROXY"}) : first_of({"http_proxy"});
  if (value.empty() || bypasses_proxy(first_of({"no_proxy", "NO_PROXY"}).second, host, port)) return std::nullopt;
  return parse_proxy(value, name);
}

}  // namespace visor::detail

#endif
