#ifndef VISOR_DRIVER_SERVER_OPTIONS_HPP
#define VISOR_DRIVER_SERVER_OPTIONS_HPP

#include "visor/base/error.hpp"
#include "visor/base/secret.hpp"
#include "visor/base/text.hpp"
#include "visor/base/time.hpp"
#include "visor/driver/statement_log.hpp"
#include "visor/driver/tls.hpp"
#include "visor/pool/settings.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace visor {

/// How to reach a database server, whatever it is. `check()` names the field that is out of range.
struct server_options {
  /// A name or an address, reached over TCP, or, with a `/` in front, a Unix socket. More of it is up to the driver.
  std::string host = "localhost";
  int port = 0;  ///< 1 to 65535
  std::string database = "visor";
  std::string user = "visor";
  secret password;   ///< empty: none
  tls_settings tls;  ///< not used over a Unix socket
  pool_settings pool;
  duration transaction_timeout{std::chrono::seconds{30}};  ///< what takes longer is given up, here and by the server; 100 ms to 1 h
  statement_log_settings log_statements;
  std::optional<bool> auto_init;  ///< unset: make the tables where there are none; true: bring older ones up to date too; false: neither

  /// So long a server waits for the next statement of a transaction. Ours come one right behind the other: where none comes, the process is
  /// stopped or cut off, and what it has locked keeps others waiting. If it goes on after that, it does the transaction again.
  static constexpr duration longest_pause{std::chrono::seconds{1}};

  server_options() = default;
  friend bool operator==(server_options const&, server_options const&) = default;

  bool is_local() const { return host.starts_with('/'); }

  /// \throws visor::error `invalid_argument` that names the first field out of its range, and what is allowed
  void check() const {
    auto const need = [](char const* field, std::string const& value) {
      if (value.empty() || !is_storable_text(value))
        throw error(condition::invalid_argument, std::string(field) + " is empty or not plain text");
    };
    need("host", host);
    need("database", database);
    need("user", user);
    if (port < 1 || port > 65535) throw error(condition::invalid_argument, "port is " + std::to_string(port) + ": allowed is 1 to 65535");
    if (transaction_timeout < std::chrono::milliseconds{100} || transaction_timeout > std::chrono::hours{1})
      throw error(condition::invalid_argument, "transaction_timeout is " + to_string(transaction_timeout) + ": allowed is 100ms to 1h");
    tls.check();
    log_statements.check();
    pool.check();
  }
};

}  // namespace visor

#endif
