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

/// The options to reach a database server of any kind. `check()` names the field that is out of range.
struct server_options {
  /// A name or an address, reached over TCP, or, with a `/` in front, a Unix socket. Where the driver supports it, several with commas
  /// between, each of which may have a port of its own behind a colon. The driver defines the details.
  std::string host = "localhost";
  int port = 0;  ///< 1 to 65535; not used by hosts with their own
  std::string database = "visor";
  std::string user = "visor";
  secret password;                    ///< empty: none
  tls_settings tls;                   ///< not used over a Unix socket
  std::string application = "visor";  ///< the name of these sessions at the server
  pool_settings pool;
  duration transaction_timeout{
      std::chrono::seconds{30}};  ///< a transaction that takes longer is aborted, here and by the server; 100 ms to 1 h
  /// The time that a statement waits for locks of others, three quarters of `transaction_timeout` at most; 10 ms to 1 h. A node sets a
  /// quarter of its `lock_ttl`.
  duration lock_timeout{std::chrono::seconds{15}};
  statement_log_settings log_statements;
  std::optional<bool> auto_init;  ///< unset: create missing tables; true: migrate older ones as well; false: neither

  /// The time that a server waits for the next statement of a transaction. The statements of visor follow each other at once. When none
  /// comes, the process is stopped or cut off, and its locks block others. If the process continues later, it repeats the transaction.
  static constexpr duration longest_pause{std::chrono::seconds{1}};

  server_options() = default;
  friend bool operator==(server_options const&, server_options const&) = default;

  bool is_local() const { return host.starts_with('/'); }

  /// The time that a statement waits for a lock: shorter than the limit of its transaction, which leaves time to report the lock.
  duration longest_lock_wait() const { return std::min(lock_timeout, transaction_timeout * 3 / 4); }

  /// One of several hosts. A host with several colons is an IPv6 address, which has no port of its own.
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

  /// The time to try that many servers, or addresses of one, in turn: no longer than callers wait for a connection, but a second for each.
  duration connect_time(std::size_t count) const {
    duration const least = std::chrono::seconds{static_cast<std::int64_t>(count)};
    return count < 2 ? pool.connect_timeout : std::min(pool.connect_timeout, std::max(pool.acquire_timeout, least));
  }

  /// The time to connect, or the share of one address, in the form for messages: in whole seconds, unless it is shorter than one.
  std::string connect_time_text() const {
    using namespace std::chrono;
    duration const length = pool.connect_timeout;
    return length < seconds{1} ? to_string(round<milliseconds>(length)) : to_string(round<seconds>(length));
  }

  /// The name of the server in messages.
  std::string server() const {
    auto const all = addresses();
    bool const have_ports = std::ranges::any_of(all, [](address const& each) { return !each.own_port.empty(); });
    bool const is_v6 = all.size() == 1 && host.find(':') != std::string::npos;
    return is_local() || have_ports ? host : (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }

  /// \throws visor::error `invalid_argument` that names the first field out of its range, and the allowed values
  void check() const {
    auto const need = [](char const* field, std::string const& value) {
      if (value.empty() || !is_storable_text(value))
        throw error(errc::invalid_argument, std::string(field) + " is empty or not plain text");
    };
    need("host", host);
    need("database", database);
    need("user", user);
    need("application_name", application);
    if (port < 1 || port > 65535) throw error(errc::invalid_argument, "port is " + std::to_string(port) + ": allowed is 1 to 65535");
    for (auto const& each : addresses()) {
      int own = 0;
      auto const [rest, failed] = std::from_chars(each.own_port.data(), each.own_port.data() + each.own_port.size(), own);
      bool const is_number = failed == std::errc() && rest == each.own_port.data() + each.own_port.size();
      if (!each.own_port.empty() && (!is_number || own < 1 || own > 65535))
        throw error(errc::invalid_argument, "host has " + each.host + " with the port " + each.own_port + ": allowed is 1 to 65535");
    }
    if (transaction_timeout < std::chrono::milliseconds{100} || transaction_timeout > std::chrono::hours{1})
      throw error(errc::invalid_argument, "transaction_timeout is " + to_string(transaction_timeout) + ": allowed is 100ms to 1h");
    if (lock_timeout < std::chrono::milliseconds{10} || lock_timeout > std::chrono::hours{1})
      throw error(errc::invalid_argument, "lock_timeout is " + to_string(lock_timeout) + ": allowed is 10ms to 1h");
    tls.check();
    log_statements.check();
    pool.check();
  }
};

}  // namespace visor

#endif
