#ifndef VISOR_SETTINGS_TLS_OPTION_HPP
#define VISOR_SETTINGS_TLS_OPTION_HPP

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The options of a connection string that decide about TLS, in the spellings of all drivers.
namespace visor::detail {

/// Lower case, without blanks.
inline std::string lower_word(std::string_view text) {
  std::string result;
  for (char const c : text)
    if (c != ' ') result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

inline bool is_among(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Whether an option of this name alone decides about TLS, on every server.
inline bool is_tls_mode(std::string_view name) { return is_among(name, {"sslmode", "ssl", "ssl-mode", "ssl_mode"}); }

/// The names of SQL Server's own options, in any case.
inline bool is_encrypt_option(std::string_view name) { return lower_word(name) == "encrypt"; }
inline bool is_trust_option(std::string_view name) { return lower_word(name) == "trustservercertificate"; }

/// The TLS options of a connection string. It is not parsed further, so that no library for URLs is needed.
class tls_options {
 public:
  explicit tls_options(std::string_view url) {
    auto const query = url.find('?');
    if (query == url.npos) return;
    for (std::string_view rest = url.substr(query + 1); !rest.empty();) {
      auto const end = std::min(rest.find('&'), rest.size());
      std::string_view const one = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      auto const equals = std::min(one.find('='), one.size());
      std::string_view const name = one.substr(0, equals), value = one.substr(std::min(equals + 1, one.size()));
      is_local_ = is_local_ || (name == "host" && (value.starts_with('/') || lower_word(value).starts_with("%2f")));
      bool const is_system = name == "sslrootcert" && value == "system";  // libpq then checks the certificate
      if (is_tls_mode(name) || is_encrypt_option(name))
        decisive_.emplace_back(name, value);
      else if (name == "sslaccept" || is_trust_option(name) || is_system)
        implied_.emplace_back(name, value);
    }
  }

  /// Whether the connection string decides about TLS.
  bool any() const { return !decisive_.empty() || !implied_.empty(); }

  /// Whether an option names a Unix socket, over which there is no TLS.
  bool is_local() const { return is_local_; }

  /// The name of the option of SQL Server that asks for TLS; empty where none does.
  std::string_view encrypting() const {
    // The driver refuses words that are none of its own.
    auto const asks = [](option const& each) {
      return is_encrypt_option(each.first) && !is_among(lower_word(each.second), {"disable", "false", "0", "no", "f", "optional"});
    };
    if (auto const found = std::find_if(decisive_.begin(), decisive_.end(), asks); found != decisive_.end()) return found->first;
    auto const trusts = [](option const& each) { return is_trust_option(each.first); };
    auto const found = std::find_if(implied_.begin(), implied_.end(), trusts);
    return !decisive_.empty() || found == implied_.end() ? std::string_view() : found->first;
  }

 private:
  using option = std::pair<std::string_view, std::string_view>;
  std::vector<option> decisive_;
  std::vector<option> implied_;  // these count where there is no other
  bool is_local_ = false;
};

}  // namespace visor::detail

#endif
