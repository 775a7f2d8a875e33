#ifndef VISOR_CONFIG_CONNECTION_URL_HPP
#define VISOR_CONFIG_CONNECTION_URL_HPP

#include "visor/base/error.hpp"
#include "visor/base/home.hpp"
#include "visor/base/secret.hpp"
#include "visor/config/settings.hpp"
#include "visor/settings/tls_option.hpp"
#include "visor/settings/tls_settings.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

/// The location of a database server in a configuration: its parts, or one URL.
namespace visor {

namespace detail {

/// The parts of a connection URL, percent escapes decoded. Messages never repeat the URL, which may hold a password.
struct connection_url {
  std::optional<std::string> user, password, host, database;
  std::optional<int> port;
  std::vector<std::pair<std::string, std::string>> options;

  /// \throws visor::error `invalid_argument`
  static connection_url parse(std::string const& given) {
    auto const [text, hosts] = without_list(with_escapes(given));
    auto const parsed = boost::urls::parse_uri(text);
    // A password with a / or @ in it would be taken for the server's name, and shown.
    auto const is_torn = [](std::string_view path) { return path.find('@') != path.npos || !(path.empty() || path.starts_with('/')); };
    if (parsed.has_error() || is_torn(parsed->encoded_path()))
      refuse(
          "is no URL of the form scheme://user:password@host:port/database?option=value; what is special in it, such as @ or / in a "
          "password, is written as %40 or %2F");
    boost::urls::url_view const& url = *parsed;
    connection_url result;
    if (url.has_userinfo() && !url.encoded_user().empty()) result.user = url.user();
    if (url.has_password()) result.password = url.password();
    if (!hosts.empty())
      result.host = hosts;
    else if (std::string host = url.host_address(); !host.empty())
      result.host = std::move(host);
    if (url.has_port()) {
      std::string const digits(url.port());
      int port = 0;
      auto const [rest, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
      if (failed != std::errc() || rest != digits.data() + digits.size() || port < 1 || port > 65535)
        refuse("has a wrong port: allowed is 1 to 65535");
      result.port = port;
    }
    if (url.segments().size() > 1) refuse("names more than one database");
    if (!url.segments().empty()) {
      std::string name = *url.segments().begin();
      if (!name.empty()) result.database = std::move(name);
    }
    if (url.has_fragment()) refuse("has a #, which is written as %23");
    for (auto const& each : url.params())
      if (!each.key.empty() || each.has_value) result.options.emplace_back(each.key, each.value);  // the query may be empty
    return result;
  }

  /// Escapes JSON, which some providers print as the value of an option although a URL cannot hold it.
  static std::string with_escapes(std::string const& text) {
    std::string result;
    bool is_query = false;
    for (char const c : text) {
      is_query = is_query || c == '?';
      if (is_query && (c == '{' || c == '}' || c == '"'))
        result += c == '{' ? "%7B" : c == '}' ? "%7D" : "%22";
      else
        result += c;
    }
    return result;
  }

  /// Takes out a list of hosts, separated by commas and each with an optional port, as libpq has it: `a:5432,b:5433`. Such a
  /// list is not valid in a URL.
  /// \return a URL with one host in the place of the list, and the list, which is empty where there is none
  static std::pair<std::string, std::string> without_list(std::string const& text) {
    auto const scheme = text.find("://");
    if (scheme == text.npos) return {text, {}};
    auto const from = scheme + 3;
    auto const end = std::min(text.find_first_of("/?#", from), text.size());
    auto const user = text.substr(from, end - from).rfind('@');
    auto const begin = user == text.npos ? from : from + user + 1;
    if (text.find(',', begin) >= end || text.find('[', begin) < end) return {text, {}};
    return {text.substr(0, begin) + "list" + text.substr(end), text.substr(begin, end - begin)};
  }

  [[noreturn]] static void refuse(std::string const& why) {
    throw error(errc::invalid_argument, "scheduler.storage.connection.connection_string " + why);
  }
};

/// Converts `ssl` of the configuration. The server's certificate is checked unless `ssl` says otherwise.
/// \param otherwise the TLS settings of a URL; its files count where the configuration names none
inline tls_settings as_tls(ssl_settings const& from, tls_settings otherwise) {
  if (!from.enabled) return {};
  tls_settings result = std::move(otherwise);
  result.mode = from.reject_unauthorized ? tls_mode::verify_full : tls_mode::require;
  for (auto const& [name, given, out] :
       {std::tuple{"ca", &from.ca, &result.ca}, std::tuple{"cert", &from.cert, &result.cert}, std::tuple{"key", &from.key, &result.key}}) {
    if (auto const wrong = given->fault(); !wrong.empty())
      throw error(errc::invalid_argument, std::string("scheduler.storage.connection.ssl.") + name + " " + wrong);
    if (!given->empty()) *out = given->content();
  }
  return result;
}

inline tls_mode tls_mode_of(std::string_view text) {
  for (auto const mode : {tls_mode::disable, tls_mode::require, tls_mode::verify_ca, tls_mode::verify_full})
    if (text == sslmode(mode)) return mode;
  connection_url::refuse("has an sslmode that is not allowed (disable, require, verify-ca, verify-full)");
}

/// An option with the same meaning for every server. The names are those of libpq, of MySQL's and MariaDB's programs, of Node
/// and of Prisma, so that URLs from database providers can be pasted. Each option is applied or refused: none is ignored.
class url_option {
 public:
  /// The names, for messages.
  static constexpr char const* known =
      "host, sslmode, sslrootcert, sslcert, sslkey, ssl, ssl-mode, ssl-ca, ssl-cert, ssl-key, sslaccept, connect_timeout, "
      "connection_limit, "
      "pool_timeout, application_name, charset";

  url_option(std::string const& name, std::string const& value) : name_(name), value_(value) {}

  /// \return whether the option is known
  /// \throws visor::error `invalid_argument` for a value that is not allowed
  template <class Settings>
  bool apply_to(Settings& to) const {
    if (name_ == "host")
      to.host = value_;
    else if (name_ == "sslmode")
      to.tls.mode = tls_mode_of(value_);
    else if (is("sslrootcert", "ssl-ca"))
      set_authority(to);
    else if (is("sslcert", "ssl-cert"))
      to.tls.cert = with_home(value_);
    else if (is("sslkey", "ssl-key"))
      to.tls.key = with_home(value_);
    else if (is("ssl-mode", "ssl_mode"))
      to.tls.mode = mysql_mode();
    else if (name_ == "ssl")
      to.tls.mode = node_mode();
    else if (name_ == "connect_timeout")
      to.pool.connect_timeout = std::chrono::seconds{number(1, 600)};
    else if (name_ == "pool_timeout")
      to.pool.acquire_timeout = std::chrono::seconds{number(1, 3600)};
    else if (name_ == "connection_limit")
      limit(to.pool, number(1, 10'000));
    else if (name_ == "application_name")
      to.application = value_;
    else if (is("charset", "encoding"))
      check_charset();
    else
      return false;
    return true;
  }

  /// Applies Prisma's `sslaccept`: how the certificate is checked if there is TLS. It may stand anywhere in the URL.
  tls_mode accepted(tls_mode otherwise) const {
    if (value_ == "strict") return tls_mode::verify_full;
    if (value_ == "accept_invalid_certs") return otherwise == tls_mode::disable ? tls_mode::require : otherwise;
    wrong("strict, accept_invalid_certs");
  }

 private:
  bool is(std::string_view one, std::string_view other) const { return name_ == one || name_ == other; }

  [[noreturn]] void wrong(std::string const& allowed) const {
    connection_url::refuse("has the option \"" + name_ + "\" with a value that is not supported: allowed is " + allowed);
  }

  template <class Settings>
  void set_authority(Settings& to) const {
    to.tls.ca = value_ == "system" ? std::string() : with_home(value_);
  }

  static void limit(pool_settings& pool, int most) {
    pool.max = most;
    if (pool.min) pool.min = std::min(*pool.min, most);
  }

  tls_mode mysql_mode() const {
    std::string const mode = lower_case(value_);
    if (mode == "disabled") return tls_mode::disable;
    if (mode == "required") return tls_mode::require;
    if (mode == "verify_ca") return tls_mode::verify_ca;
    if (mode == "verify_identity") return tls_mode::verify_full;
    wrong("DISABLED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY; none falls back to no TLS");
  }

  tls_mode node_mode() const {
    std::string plain;
    for (char const c : value_)
      if (c != ' ' && c != '"') plain += c;
    if (plain == "true" || plain == "1" || plain == "{rejectUnauthorized:true}") return tls_mode::verify_full;
    if (plain == "{rejectUnauthorized:false}") return tls_mode::require;
    if (plain == "false" || plain == "0") return tls_mode::disable;
    wrong("true, false, {\"rejectUnauthorized\":true}, {\"rejectUnauthorized\":false}");
  }

  int number(int least, int most) const {
    int result = 0;
    auto const [rest, failed] = std::from_chars(value_.data(), value_.data() + value_.size(), result);
    if (failed != std::errc() || rest != value_.data() + value_.size() || result < least || result > most)
      wrong(std::to_string(least) + " to " + std::to_string(most));
    return result;
  }

  void check_charset() const {
    std::string const given = lower_case(value_);
    if (given != "utf8mb4" && given != "utf8" && given != "utf-8") wrong("utf8mb4, which is what visor uses in any case");
  }

  static std::string lower_case(std::string text) {
    for (char& c : text)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
  }

  std::string const& name_;
  std::string const& value_;
};

/// Names an unknown option in a message. Its name may be a part of a password that had a `?` in it.
inline std::string called(std::string const& option) {
  bool const is_name = !option.empty() && option.size() <= 40 &&
                       option.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == option.npos;
  return is_name ? "the option \"" + option + "\"" : "an option";
}

}  // namespace detail

/// Converts the storage settings of a configuration to those of a server's driver. A URL makes the parts beside it ineffective;
/// `ssl` overrides the URL's TLS options, but does not turn off TLS that `encrypt` asks for. A Unix socket has no TLS.
/// \tparam Settings of a driver for a server
/// \throws visor::error `invalid_argument` for an invalid URL, one with an unknown option, or one that contradicts `ssl`
template <class Settings>
Settings server_settings(storage_settings const& from) {
  auto const& given = from.connection;
  Settings result;
  result.auto_init = from.auto_init;
  result.pool = given.pool;
  result.log_statements = from.log_statements;
  result.lock_timeout = from.lock_timeout;
  if (given.connection_string.empty()) {
    result.host = given.host;
    if (given.port) result.port = *given.port;
    result.database = given.database;
    result.user = given.user;
    result.password = given.password;
  } else {
    auto const url = detail::connection_url::parse(given.connection_string.reveal());
    if (url.host) result.host = *url.host;
    if (url.port) result.port = *url.port;
    if (url.database) result.database = *url.database;
    if (url.user) result.user = *url.user;
    if (url.password) result.password = secret(*url.password);
    std::string first_mode;  // the first option that decided about TLS
    bool first_has_tls = false;
    bool trusts_system = false;  // libpq then checks the name of the server
    for (auto at = url.options.begin(); at != url.options.end(); ++at) {
      auto const& [name, value] = *at;
      auto const is_same = [&name](auto const& other) { return other.first == name; };
      if (std::any_of(url.options.begin(), at, is_same)) detail::connection_url::refuse("has " + detail::called(name) + " twice");
      trusts_system = trusts_system || (name == "sslrootcert" && value == "system");
      detail::url_option const one(name, value);
      bool is_known = name == "sslaccept" || one.apply_to(result);
      if (detail::is_tls_mode(name)) {
        bool const has_tls = result.tls.mode != tls_mode::disable;
        if (first_mode.empty()) first_has_tls = has_tls;
        if (first_has_tls != has_tls)
          detail::connection_url::refuse("has " + first_mode + " and " + name + ", which contradict each other: leave one out");
        if (first_mode.empty()) first_mode = name;
      }
      try {
        is_known = is_known || result.set_option(name, value);
      } catch (std::invalid_argument const& wrong) {
        detail::connection_url::refuse("has " + detail::called(name) + " with a value that is not supported: allowed is " + wrong.what());
      }
      if (!is_known)
        detail::connection_url::refuse("has " + detail::called(name) + ", which is not supported (supported are " +
                                       detail::url_option::known + std::string(Settings::more_options) + ")");
    }
    if (trusts_system && first_mode.empty()) result.tls.mode = tls_mode::verify_full;
    for (auto const& [name, value] : url.options) {
      if (name != "sslaccept") continue;
      if (!first_mode.empty() && !first_has_tls)
        detail::connection_url::refuse("has " + first_mode + " and sslaccept, which contradict each other: leave one out");
      result.tls.mode = detail::url_option(name, value).accepted(result.tls.mode);
    }
    if constexpr (requires { result.settle_tls(url.options); })
      if (std::string const both = result.settle_tls(url.options); !both.empty())
        detail::connection_url::refuse("has " + both + ", which contradict each other: leave one out");
    auto const is_of_sql_server = [](auto const& each) {
      return detail::is_encrypt_option(each.first) || detail::is_trust_option(each.first);
    };
    if (given.ssl && !given.ssl->enabled && result.tls.mode != tls_mode::disable && std::ranges::any_of(url.options, is_of_sql_server))
      detail::connection_url::refuse("asks for TLS, and scheduler.storage.connection.ssl turns it off: leave one out");
  }
  if (given.pgbouncer && !result.set_option("pgbouncer", "true"))
    throw error(errc::invalid_argument, "scheduler.storage.connection.pgbouncer is true: there is a PgBouncer for PostgreSQL alone");
  if (given.ssl) result.tls = detail::as_tls(*given.ssl, std::move(result.tls));
  if (result.host.starts_with('/')) result.tls = {};  // traffic of a Unix socket stays on the machine
  return result;
}

}  // namespace visor

#endif
