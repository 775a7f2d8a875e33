#ifndef VISOR_BASE_HTTP_URL_HPP
#define VISOR_BASE_HTTP_URL_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace visor::detail {

/// Decodes percent escapes: `%40` and the like become the bytes that they name; a lone `%` stands for itself.
inline std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    bool const escape = text[i] == '%' && i + 2 < text.size() &&
                        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3;
    result += escape ? static_cast<char>(byte) : text[i];
    if (escape) i += 2;
  }
  return result;
}

/// A fault in the URL of a webhook, and the byte where it is.
struct url_fault {
  std::string_view message;  ///< empty: no fault
  std::size_t offset = 0;
};

/// Checks an absolute `http` or `https` URL (RFC 3986): scheme, host, port, allowed characters and well-formed percent escapes. User and
/// password are refused: they would be shown wherever the URL is. A fragment is refused: no request contains it. O(n).
inline url_fault check_url(std::string_view url) noexcept {
  auto const letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  auto const digit = [](char c) { return c >= '0' && c <= '9'; };
  auto const hex = [&](char c) { return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  std::size_t const colon = url.find("://");
  std::string_view const scheme = url.substr(0, colon);
  auto const is = [&](std::string_view wanted) {
    return std::equal(scheme.begin(), scheme.end(), wanted.begin(), wanted.end(), [](char a, char b) { return (a | 0x20) == b; });
  };
  if (colon == std::string_view::npos || (!is("https") && !is("http"))) return {"must begin with https:// or http://", 0};
  std::size_t const host_at = colon + 3;
  std::size_t const host_end = std::min(url.find_first_of("/?#", host_at), url.size());
  for (std::size_t i = host_at; i < url.size(); ++i) {
    char const c = url[i];
    if (c == '%' && (i + 2 >= url.size() || !hex(url[i + 1]) || !hex(url[i + 2]))) return {"has a \"%\" without two hexadecimal digits", i};
    bool const in_host = i < host_end;
    if (in_host && static_cast<unsigned char>(c) >= 0x80)
      return {"has letters in its host that are not ASCII: write the host in punycode, as xn--mnchen-3ya.de for the one of Munich", i};
    if (!letter(c) && !digit(c) && std::string_view{"-._~:/?#[]@!$&'()*+,;=%"}.find(c) == std::string_view::npos)
      return {"has a character that must be written as a percent escape such as %20", i};
  }
  if (auto const fragment = url.find('#', host_at); fragment != url.npos)
    return {"has a fragment, which is not sent: remove it, or write # as %23", fragment};
  std::string_view authority = url.substr(host_at, host_end - host_at);
  if (authority.find('@') != std::string_view::npos) return {"cannot hold user and password: use the header Authorization", host_at};
  std::string_view host = authority;
  std::size_t port_at = std::string_view::npos;
  if (authority.starts_with('[')) {
    std::size_t const close = authority.find(']');
    if (close == std::string_view::npos) return {"has a \"[\" without \"]\"", host_at};
    host = authority.substr(1, close - 1);
    if (!std::all_of(host.begin(), host.end(), [&](char c) { return hex(c) || c == ':' || c == '.'; }) ||
        host.find(':') == std::string_view::npos)
      return {"has no IPv6 address between [ and ]", host_at};
    if (close + 1 < authority.size()) {
      if (authority[close + 1] != ':') return {"has a wrong character after \"]\"", host_at + close + 1};
      port_at = close + 2;
    }
  } else {
    std::size_t const before_port = authority.find(':');
    host = authority.substr(0, before_port);
    if (before_port != std::string_view::npos) port_at = before_port + 1;
    if (auto const wrong = host.find_first_of("[]!$&'()*+,;="); wrong != std::string_view::npos)
      return {"has a character that no host name has", host_at + wrong};
  }
  if (host.empty()) return {"names no host", host_at};
  if (port_at != std::string_view::npos) {
    std::string_view const port = authority.substr(port_at);
    unsigned value = 0;
    auto const [end, failure] = std::from_chars(port.data(), port.data() + port.size(), value);
    if (failure != std::errc{} || end != port.data() + port.size() || value == 0 || value > 65'535)
      return {"has a wrong port: allowed is 1 to 65535", host_at + port_at};
  }
  if (auto const wrong = url.find_first_of("[]", host_end); wrong != std::string_view::npos)
    return {"has a character that must be written as a percent escape such as %20", wrong};
  return {};
}

/// The part of a URL behind its host: path, query and fragment.
inline std::string_view behind_host(std::string_view url) noexcept {
  auto const scheme = url.find("://");
  if (scheme == url.npos) return {};
  return url.substr(std::min(url.find_first_of("/?#", scheme + 3), url.size()));
}

/// Lists the texts behind the host of a URL that are probably tokens, as written and percent-decoded: the values of its query, and the
/// segments of its path that are longer than most words.
inline std::vector<std::string> tokens_in_url(std::string_view url) {
  constexpr std::size_t longer_than_words = 16;
  std::vector<std::string> tokens;
  auto const add = [&](std::string_view text) {
    tokens.emplace_back(text);
    if (auto decoded = percent_decoded(text); decoded != text) tokens.push_back(std::move(decoded));
  };
  url = behind_host(url);
  for (bool in_query = false; !url.empty();) {
    in_query = in_query || url.front() == '?';
    url.remove_prefix(1);
    std::string_view const part = url.substr(0, url.find_first_of(in_query ? "&#" : "/?#"));
    url.remove_prefix(part.size());
    if (in_query)
      add(part.substr(part.find('=') + 1));  // without `=` it is all of the part
    else if (part.size() >= longer_than_words)
      add(part);
  }
  return tokens;
}

}  // namespace visor::detail

#endif
