#ifndef VISOR_SETTINGS_STATEMENT_LOG_SETTINGS_HPP
#define VISOR_SETTINGS_STATEMENT_LOG_SETTINGS_HPP

#include "visor/base/error.hpp"
#include "visor/base/time.hpp"

#include <boost/describe/class.hpp>

#include <chrono>

namespace visor {

/// Selects the statements that a database logs: the text, cut to 200 characters, how long it took, and the numbers of its rows and
/// parameters. No value is ever logged: a text that a user runs as it is gets cut before its first quote.
struct statement_log_settings {
  bool all = false;  ///< each statement, as information
  duration slow{0};  ///< one that takes this long, as a warning, whatever `all` says; 0: none; to 1 h

  statement_log_settings() = default;
  friend bool operator==(statement_log_settings const&, statement_log_settings const&) = default;

  /// \throws visor::error `invalid_argument` that names the field, and the allowed range
  void check() const {
    if (slow < duration{0} || slow > std::chrono::hours{1})
      throw error(errc::invalid_argument, "log_statements.slow is " + to_string(slow) + ": allowed is 0s (never) to 1h");
  }
};
BOOST_DESCRIBE_STRUCT(statement_log_settings, (), (all, slow))

}  // namespace visor

#endif
