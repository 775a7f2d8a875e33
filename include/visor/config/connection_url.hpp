#ifndef VISOR_CONFIG_CONNECTION_URL_HPP
#define VISOR_CONFIG_CONNECTION_URL_HPP

#include "visor/base/error.hpp"
#include "visor/base/secret.hpp"
#include "visor/base/text.hpp"
#include "visor/config/settings.hpp"
#include "visor/driver/tls.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

/// Where a database server is, from a configuration: its parts, or one URL. Needs the library boost_url.
namespace visor {

namespace detail {

/// The parts of a connection URL, percent escapes decoded. What a message says of it never repeats the URL, which may hold a password.
struct connection_url {
  std::optional<std::string> user, password, host, database;
  std::optional<int> port;
  std::vector<std::pair<std::string, std::string>> options;

  /// \throws visor::error `invalid_argument`
  static connection_url parse(std::string const& given) {
    auto const [text, hosts] = without_list(given);
    auto const parsed = boost::urls::parse_uri(text);
    // A password with a / or @ in it would be taken for the server's name, and shown.
    auto const is_torn = [](std::string_view path) { return path.find('@') != path.npos || !(path.empty() || path.starts_with('/')); };
    if (parsed.has_error() || is_torn(parsed->encoded_path()))
      refuse(
          "is no URL of the form scheme://user:password@host:port/database?option=value; what is special in it, such as @ or / in a "
          "password, is written as %40 or %2F");
    boost::urls::url_view const url = *parsed;
    connection_url result;
    if (url.has_userinfo() && !url.encoded_user().empty()) result.user = url.user();
    if (url.has_password()) result.password = url.password();
    if (!hosts.empty())
      result.host = hosts;
    else if (std::string host = url.host_address(); !host.empty())
      result.host = std::move(host);
    if (url.has_port()) {
      if (url.port_number() == 0) refuse("has a wrong port: allowed is 1 to 65535");
      result.port = url.port_number();
    }
    if (url.segments().size() > 1) refuse("names more than one database");
    if (!url.segments().empty()) {
      std::string name = *url.segments().begin();
      if (!name.empty()) result.database = std::move(name);
    }
    if (url.has_fragment()) refuse("has a #, which is written as %23");
    for (auto const& each : url.params())
      if (!each.key.empty() || each.has_value) result.options.emplace_back(each.key, each.value);  // nothing may follow the ?
    return result;
  }

  /// Several hosts have commas between, and each may have a port, as libpq has it: `a:5432,b:5433`. That is no URL.
  /// \return a URL with one host in the place of the list, and the list; that is empty where there is none
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
    throw error(condition::invalid_argument, "scheduler.storage.connection.connection_string " + why);
  }
};

/// `ssl` of the configuration: the server's certificate is checked unless it says otherwise.
/// \param otherwise what a URL says: its files count where the configuration names none
inline tls_settings as_tls(ssl_settings const& from, tls_settings otherwise) {
  if (!from.enabled) return {};
  tls_settings result = std::move(otherwise);
  result.mode = from.reject_unauthorized ? tls_mode::verify_full : tls_mode::require;
  for (auto const& [name, given, out] :
       {std::tuple{"ca", &from.ca, &result.ca}, std::tuple{"cert", &from.cert, &result.cert}, std::tuple{"key", &from.key, &result.key}}) {
    if (auto const wrong = given->fault(); !wrong.empty())
      throw error(condition::invalid_argument, std::string("scheduler.storage.connection.ssl.") + name + " " + wrong);
    if (!given->empty()) *out = given->content();
  }
  return result;
}

inline tls_mode tls_mode_of(std::string_view text) {
  for (auto const mode : {tls_mode::disable, tls_mode::require, tls_mode::verify_ca, tls_mode::verify_full})
    if (text == sslmode(mode)) return mode;
  connection_url::refuse("has an sslmode that is not allowed (disable, require, verify-ca, verify-full)");
}

/// How a message calls an option that is not known. It may be a part of a password that had a `?` in it.
inline std::string called(std::string const& option) {
  bool const is_name = !option.empty() && option.size() <= 40 &&
                       option.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == option.npos;
  return is_name ? "the option \"" + option + "\"" : "an option";
}

}  // namespace detail

/// What a configuration says of a server, as its driver takes it. Where there is a URL, the parts beside it are ignored; `ssl` goes
/// before what the URL says of TLS. A Unix socket has none.
/// \tparam Settings of a driver for a server
/// \throws visor::error `invalid_argument` for a URL that is none, or has an option that is not known
template <class Settings>
Settings server_settings(storage_settings const& from) {
  auto const& given = from.connection;
  Settings result;
  result.auto_init = from.auto_init;
  result.pool = given.pool;
  result.log_statements = from.log_statements;
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
    for (auto const& [name, value] : url.options) {
      if (name == "host")
        result.host = value;
      else if (name == "sslmode")
        result.tls.mode = detail::tls_mode_of(value);
      else if (name == "sslrootcert")
        result.tls.ca = value;
      else if (name == "sslcert")
        result.tls.cert = value;
      else if (name == "sslkey")
        result.tls.key = value;
      else if (!result.set_option(name, value))
        detail::connection_url::refuse("has " + detail::called(name) + ", which is not known (host, sslmode, sslrootcert, sslcert, sslkey" +
                                       std::string(Settings::more_options) + ")");
    }
  }
  if (given.pgbouncer && !result.set_option("pgbouncer", "true"))
    throw error(condition::invalid_argument, "scheduler.storage.connection.pgbouncer is true: there is a PgBouncer for PostgreSQL alone");
  if (given.ssl) result.tls = detail::as_tls(*given.ssl, std::move(result.tls));
  if (result.host.starts_with('/')) result.tls = {};  // a Unix socket leaves no machine
  return result;
}

}  // namespace visor

#endif
