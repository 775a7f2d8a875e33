#ifndef VISOR_CONFIG_SECRETS_HPP
#define VISOR_CONFIG_SECRETS_HPP

#include "visor/base/http_url.hpp"
#include "visor/base/process_environment.hpp"
#include "visor/config/document.hpp"
#include "visor/config/environment.hpp"
#include "visor/config/settings.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Finds the variables of the environment, and the texts, that a configuration makes secret.
namespace visor {

namespace detail {

/// Whether a variable only describes the environment of any program. Such variables are never secrets, wherever they are used.
inline bool is_plain_variable(std::string_view name) noexcept {
  static constexpr std::string_view names[] = {"PATH", "HOME",   "USER",     "LOGNAME", "SHELL",          "LANG",
                                               "TZ",   "TMPDIR", "HOSTNAME", "PWD",     "LD_LIBRARY_PATH"};
  return std::ranges::find(names, name) != std::end(names) || name.starts_with("LC_");
}

/// The parts of a database's URL, as a file writes it, that may hold a secret. Before the host this is the password; without a
/// colon it is all, since one variable may be user and password. After the host it is the values of secret options. The whole URL
/// counts where no `://` shows which part is which.
inline std::vector<std::string_view> secret_parts(std::string_view url) {
  auto const scheme = url.find("://");
  if (scheme == url.npos || url.substr(0, scheme).find("${") != url.npos) return {url};
  std::string_view rest = url.substr(scheme + 3);
  // A default may hold any character, and a variable does not end the host.
  std::size_t end = 0;
  for (std::size_t depth = 0; end < rest.size(); ++end) {
    if (rest.substr(end).starts_with("${")) ++depth;
    if (rest[end] == '}' && depth > 0) --depth;
    if (depth == 0 && std::string_view("/?#").find(rest[end]) != std::string_view::npos) break;
  }
  std::vector<std::string_view> parts;
  std::string_view const authority = rest.substr(0, end);
  std::string_view const path = rest.substr(end);
  auto const at = authority.rfind('@');
  if (at != authority.npos) {
    std::string_view const user = authority.substr(0, at);
    // `user:password`; without a colon, one variable may be both.
    std::size_t colon = 0;
    for (std::size_t depth = 0; colon < user.size() && (depth != 0 || user[colon] != ':'); ++colon) {
      if (user.substr(colon).starts_with("${")) ++depth;
      if (user[colon] == '}' && depth > 0) --depth;
    }
    parts.push_back(colon < user.size() ? user.substr(colon) : user);
  } else if (authority.starts_with("${")) {
    parts.push_back(authority);  // it may be `user:password@host`
  }
  for (std::string_view const option : {"password=", "sslpassword=", "sslkey="})
    for (auto begin = path.find(option); begin != path.npos; begin = path.find(option, begin + 1)) {
      auto const value = path.substr(begin + option.size());
      parts.push_back(value.substr(0, value.find('&')));
    }
  return parts;
}

/// The password in a URL, as it is written there; empty if there is none.
inline std::string_view password_in_url(std::string_view url) {
  auto const scheme = url.find("://");
  if (scheme == url.npos) return {};
  std::string_view const rest = url.substr(scheme + 3);
  std::string_view const authority = rest.substr(0, rest.find_first_of("/?#"));
  auto const at = authority.rfind('@');
  auto const colon = authority.find(':');
  return at == authority.npos || colon > at ? std::string_view() : authority.substr(colon + 1, at - colon - 1);
}

/// The part of a value that is secret.
enum class secrecy { none, whole, database_url };

inline secrecy secrecy_of(std::string_view path) noexcept {
  if (path == "scheduler.storage.connection.password" || path == "scheduler.storage.connection.ssl.key") return secrecy::whole;
  if (path == "scheduler.storage.connection.connection_string") return secrecy::database_url;
  if (!path.starts_with("workflows.")) return secrecy::none;
  // A name with a dot in it is quoted, so these are keys: `workflows.NAME.env.VARIABLE`.
  return path.find(".webhook.") != path.npos || path.find(".env.") != path.npos ? secrecy::whole : secrecy::none;
}

/// Adds the variables that a part of a document makes secret.
/// \param path of the part
inline void add_secret_variables(node const& from, std::string const& path, std::set<std::string>& names) {
  for (auto const& child : from.children) add_secret_variables(child, join_path(path, child.key), names);
  using enum secrecy;
  auto const kind = secrecy_of(path);
  if (from.variables.empty() || kind == none) return;
  std::vector<std::string_view> parts{from.written};
  if (kind == database_url) parts = secret_parts(from.written);
  for (auto const& name : from.variables) {
    auto const stands_in = [&](std::string_view part) {
      return part.find("${" + name + "}") != part.npos || part.find("${" + name + ":-") != part.npos;
    };
    if (std::ranges::any_of(parts, stands_in) && !is_plain_variable(name)) names.insert(name);
  }
}

/// The user of a proxy's address, with the password if there is one; empty: none.
inline std::string_view proxy_user(std::string_view proxy) {
  if (auto const scheme = proxy.find("://"); scheme != proxy.npos) proxy.remove_prefix(scheme + 3);
  proxy = proxy.substr(0, proxy.find_first_of("/?#"));
  auto const at = proxy.rfind('@');
  return at == proxy.npos ? std::string_view() : proxy.substr(0, at);
}

/// Adds the variables of proxies that webhooks use with a user, and those of other programs that name the same user.
inline void add_proxies(environment const& lookup, std::set<std::string>& names) {
  std::set<std::string> users;
  auto const look_at = [&](std::initializer_list<char const*> variables, bool are_ours) {
    for (std::string const name : variables) {
      auto const value = lookup(name);
      std::string const user{value ? proxy_user(*value) : std::string_view()};
      if (user.empty() || (!are_ours && !users.contains(user))) continue;
      users.insert(user);
      names.insert(name);
    }
  };
  look_at({"http_proxy", "https_proxy", "HTTPS_PROXY"}, true);
  look_at({"HTTP_PROXY", "all_proxy", "ALL_PROXY", "ftp_proxy", "FTP_PROXY"}, false);
}

/// Lists the variables that no command inherits:
///  - those of passwords, keys and connection strings that visor reads with a driver, also where a stronger source overrides
///    them;
///  - with webhooks, those of proxies whose address has a user;
///  - those in values that a file makes secret: values of `env`, and all of a webhook.
///
/// Variables that every program needs, such as `PATH` and `HOME`, are not among them, nor are those of a connection string's host
/// and database, and of its user where a password follows.
/// \param document of the file
inline std::vector<std::string> secret_variables(node const& document, settings const& all, environment const& lookup) {
  std::set<std::string> names;
  add_secret_variables(document, {}, names);
  bool const server = is_server(all.storage.driver);
  auto const add = [&](std::string const& name, variable_use use) {
    bool const counts = use == variable_use::always || (use == variable_use::server) == server;
    if (auto const value = lookup(name); counts && value && !value->empty()) names.insert(name);
  };
  for (auto const& each : named_variables)
    if (secrecy_of(each.path) != secrecy::none) add(std::string{each.name}, each.use);
  for (std::string_view const key : {"password", "connection_string", "ssl.key"})
    add(variable_of("scheduler.storage.connection." + std::string{key}), variable_use::always);
  // libpq reads this variable where it is given no password.
  auto const& connection = all.storage.connection;
  if (all.storage.driver == storage_driver::postgresql && connection.password.empty() &&
      password_in_url(connection.connection_string.reveal()).empty())
    add("PGPASSWORD", variable_use::server);
  if (std::ranges::any_of(all.workflows, [](workflow const& each) { return each.webhook.has_value(); })) add_proxies(lookup, names);
  return {names.begin(), names.end()};
}

}  // namespace detail

/// The texts that no message may repeat: the values of the secret variables, passwords, connection strings, keys, values of `env`
/// and of webhooks' headers, and the tokens in the URLs of webhooks. Texts shorter than six bytes are left out, since they would
/// be found everywhere.
inline std::vector<secret> secret_texts(settings const& all) {
  std::vector<secret> texts;
  auto const add_line = [&](std::string_view text) {
    if (text.size() >= 6) texts.emplace_back(std::string(text));
  };
  // A message shows one line, so each line of a key counts by itself.
  auto const add = [&](std::string_view text) {
    for (std::size_t begin = 0; begin < text.size();) {
      auto const end = std::min(text.find_first_of("\r\n", begin), text.size());
      add_line(text.substr(begin, end - begin));
      begin = end + 1;
    }
  };
  auto const add_url = [&](std::string_view url) {
    add(url);
    auto const password = detail::password_in_url(url);
    add(password);
    add(detail::percent_decoded(password));
  };
  for (auto const& each : all.secret_values) {
    std::string_view const value = each.reveal();
    add_url(value);
    add(detail::percent_decoded(value));
    // A server repeats the path of a request, and not its URL.
    std::string_view const path = detail::behind_host(value);
    add(path);
    add(path.substr(0, path.find('?')));
  }
  auto const& connection = all.storage.connection;
  add(connection.password.reveal());
  add_url(connection.connection_string.reveal());
  if (connection.ssl && !connection.ssl->key.is_path()) add(connection.ssl->key.content());
  for (auto const& workflow : all.workflows) {
    for (auto const& [_, value] : workflow.env) add(value.reveal());
    if (!workflow.webhook) continue;
    for (auto const& token : detail::tokens_in_url(workflow.webhook->url)) add(token);
    for (auto const& [_, value] : workflow.webhook->headers) {
      std::string_view const whole = value.reveal();
      add(whole);
      if (auto const space = whole.rfind(' '); space != whole.npos) add(whole.substr(space + 1));
    }
  }
  // The longest first: one text may be a part of another. The sort is not stable: libstdc++ 12 allocates the buffer of a stable
  // one by a function that C++17 deprecates, and clang warns of that.
  std::ranges::sort(texts, std::ranges::greater(),
                    [](secret const& each) { return std::pair(each.reveal().size(), std::string_view(each.reveal())); });
  return texts;
}

}  // namespace visor

#endif
