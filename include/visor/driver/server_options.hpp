#ifndef VISOR_DRIVER_SERVER_OPTIONS_HPP
#define VISOR_DRIVER_SERVER_OPTIONS_HPP

#include "visor/base/error.hpp"
#include "visor/base/secret.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/base/time.hpp"
#include "visor/settings/pool_settings.hpp"
#include "visor/settings/statement_log_settings.hpp"
#include "visor/settings/tls_settings.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace visor {

/// How to reach a database server, whatever it is. `check()` names the field that is out of range.
struct server_options {
  /// A name or an address, reached over TCP, or, with a `/` in front, a Unix socket; where the driver says so, several with commas between,
  /// each of which may have a port of its own behind a colon. More of it is up to the driver.
  std::string host = "localhost";
  int port = 0;  ///< 1 to 65535; not used by hosts with their own
  std::string database = "visor";
  std::string user = "visor";
  secret password;                    ///< empty: none
  tls_settings tls;                   ///< not used over a Unix socket
  std::string application = "visor";  ///< what the server calls these sessions
  pool_settings pool;
  duration transaction_timeout{std::chrono::seconds{30}};  ///< what takes longer is given up, here and by the server; 100 ms to 1 h
  /// How long a statement waits for what others have locked, three quarters of `transaction_timeout` at most; 10 ms to 1 h. A node sets a
  /// quarter of its `lock_ttl`.
  duration lock_timeout{std::chrono::seconds{15}};
  statement_log_settings log_statements;
  std::optional<bool> auto_init;  ///< unset: make the tables where there are none; true: bring older ones up to date too; false: neither

  /// So long a server waits for the next statement of a transaction. Ours come one right behind the other: where none comes, the process is
  /// stopped or cut off, and what it has locked keeps others waiting. If it goes on after that, it does the transaction again.
  static constexpr duration longest_pause{std::chrono::seconds{1}};

  server_options() = default;
  friend bool operator==(server_options const&, server_options const&) = default;

  bool is_local() const { return host.starts_with('/'); }

  /// How long a statement waits for a lock: shorter than its transaction may take, so that there is time to say what was waited for.
  duration longest_lock_wait() const { return std::min(lock_timeout, transaction_timeout * 3 / 4); }

  /// One of several hosts. That with several colons is an address of IPv6, which has no port of its own.
  struct address {
    std::string host;
    std::string own_port;  ///< as written; empty: `port`
  };

  /// The hosts, in order.
  std::vector<address> addresses() const {
    std::vector<address> all;
    for (std::size_t begin = 0; begin <= host.size();) {
      auto const end = std::min(host.find(',', begin), host.size());
      auto& one = all.emplace_back(address{host.substr(begin, end - begin), {}});
      auto const colon = one.host.find(':');
      if (end - begin != host.size() && colon != std::string::npos && colon == one.host.rfind(':')) {
        one.own_port = one.host.substr(colon + 1);
        one.host.resize(colon);
      }
      begin = end + 1;
    }
    return all;
  }

  /// How long so many servers, or addresses of one, are tried in turn: no longer than callers wait for a connection, but a second for each.
  duration connect_time(std::size_t count) const {
    duration const least = std::chrono::seconds{static_cast<std::int64_t>(count)};
    return count < 2 ? pool.connect_timeout : std::min(pool.connect_timeout, std::max(pool.acquire_timeout, least));
  }

  /// How messages name the time to connect, or what an address got of it: in whole seconds, where there are any.
  std::string connect_time_text() const {
    using namespace std::chrono;
    duration const length = pool.connect_timeout;
    return length < seconds{1} ? to_string(round<milliseconds>(length)) : to_string(round<seconds>(length));
  }

  /// How messages name the server.
  std::string server() const {
    auto const all = addresses();
    bool const have_ports = std::ranges::any_of(all, [](address const& each) { return !each.own_port.empty(); });
    bool const is_v6 = all.size() == 1 && host.find(':') != std::string::npos;
    return is_local() || have_ports ? host : (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }

  /// \throws visor::error `invalid_argument` that names the first field out of its range, and what is allowed
  void check() const {
    auto const need = [](char const* field, std::string const& value) {
      if (value.empty() || !is_storable_text(value))
        throw error(condition::invalid_argument, std::string(field) + " is empty or not plain text");
    };
    need("host", host);
    need("database", database);
    need("user", user);
    need("application_name", application);
    if (port < 1 || port > 65535) throw error(condition::invalid_argument, "port is " + std::to_string(port) + ": allowed is 1 to 65535");
    for (auto const& each : addresses()) {
      int own = 0;
      auto const [rest, failed] = std::from_chars(each.own_port.data(), each.own_port.data() + each.own_port.size(), own);
      bool const is_number = failed == std::errc() && rest == each.own_port.data() + each.own_port.size();
      if (!each.own_port.empty() && (!is_number || own < 1 || own > 65535))
        throw error(condition::invalid_argument, "host has " + each.host + " with the port " + each.own_port + ": allowed is 1 to 65535");
    }
    if (transaction_timeout < std::chrono::milliseconds{100} || transaction_timeout > std::chrono::hours{1})
      throw error(condition::invalid_argument, "transaction_timeout is " + to_string(transaction_timeout) + ": allowed is 100ms to 1h");
    if (lock_timeout < std::chrono::milliseconds{10} || lock_timeout > std::chrono::hours{1})
      throw error(condition::invalid_argument, "lock_timeout is " + to_string(lock_timeout) + ": allowed is 10ms to 1h");
    tls.check();
    log_statements.check();
    pool.check();
  }
};

}  // namespace visor

#endif
