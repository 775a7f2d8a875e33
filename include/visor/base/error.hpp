#ifndef VISOR_BASE_ERROR_HPP
#define VISOR_BASE_ERROR_HPP

#include "visor/base/compiler.hpp"

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <string>
#include <utility>

namespace visor {

/// The portable error codes, with one meaning for every database. User code compares with these, never with a vendor's numbers.
enum class errc {
  invalid_argument = 1,   ///< visor or the database refuses a value, however often it is tried; nothing was done
  not_found,              ///< the named object does not exist
  already_exists,         ///< the object to create exists already
  conflict,               ///< the object has changed, or its state does not allow the operation
  lease_lost,             ///< this node's lease ran out or was taken over: nothing was written
  lease_held,             ///< another node holds a lease that only one may hold
  connection_failed,      ///< no connection could be made
  connection_lost,        ///< the connection broke; nothing was written
  outcome_unknown,        ///< the connection broke during the commit: only a read can tell whether it took effect
  timeout,                ///< the deadline passed
  cancelled,              ///< the caller cancelled the operation
  busy,                   ///< locked by another process for longer than the timeout
  serialization_failure,  ///< the database asks for a retry of the transaction
  deadlock,               ///< the database aborted the transaction to free another
  unique_violation,       ///< a unique key is taken
  read_only,              ///< the database or its file cannot be written
  disk_full,              ///< no space is left
  corrupt,                ///< the file is no database, or is damaged
  replaced,               ///< the database is not the one that was opened: its file is gone or was replaced; nothing counts any more
  schema_mismatch,        ///< the tables are of another version
  restored,               ///< the database is older than this process has written: a backup was restored
  superseded,             ///< the tables got another version while this program ran
  authentication_failed,  ///< the server refused user or password
  tls_failed,             ///< TLS could not be set up as requested
  unsupported,            ///< this driver does not support the operation
  closed,                 ///< the object was used after it was closed
  handler_failed,         ///< the job's own code failed
  internal,               ///< a fault of visor
};

namespace detail {

struct error_category final : boost::system::error_category {
  char const* name() const noexcept override { return "visor"; }
  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::invalid_argument: return "invalid argument";
      case errc::not_found: return "not found";
      case errc::already_exists: return "already exists";
      case errc::conflict: return "conflict";
      case errc::lease_lost: return "lease lost";
      case errc::lease_held: return "lease held by another node";
      case errc::connection_failed: return "connection failed";
      case errc::connection_lost: return "connection lost";
      case errc::outcome_unknown: return "outcome unknown";
      case errc::timeout: return "timeout";
      case errc::cancelled: return "cancelled";
      case errc::busy: return "busy";
      case errc::serialization_failure: return "serialization failure";
      case errc::deadlock: return "deadlock";
      case errc::unique_violation: return "unique violation";
      case errc::read_only: return "read only";
      case errc::disk_full: return "disk full";
      case errc::corrupt: return "corrupt";
      case errc::replaced: return "database replaced";
      case errc::schema_mismatch: return "schema mismatch";
      case errc::restored: return "database restored";
      case errc::superseded: return "superseded: the tables have another version";
      case errc::authentication_failed: return "authentication failed";
      case errc::tls_failed: return "TLS failed";
      case errc::unsupported: return "unsupported";
      case errc::closed: return "closed";
      case errc::handler_failed: return "handler failed";
      case errc::internal: return "internal error";
    }
    return "unknown error code";
  }
};

}  // namespace detail

inline boost::system::error_category const& visor_category() noexcept {
  static detail::error_category const category;
  return category;
}

/// Makes `errc` usable as a `boost::system::error_code`. Found by argument-dependent lookup.
inline boost::system::error_code make_error_code(errc what) noexcept { return {static_cast<int>(what), visor_category()}; }

/// The exception of the library. `what()` is one line for a person: the field, its position in a file, and the remedy, and never a secret.
/// `code()` is the portable error code: `failure.code() == visor::errc::not_found`. Text that came from a server is kept apart, since it
/// may repeat user data.
class error : public boost::system::system_error {
 public:
  /// \param what the portable error code
  /// \param message one line, without a full stop, that names the field and the remedy
  /// \param server_text the words of the database itself, unchanged; may be empty
  error(errc what, std::string message, std::string server_text = {})
      : boost::system::system_error(make_error_code(what)), message_(std::move(message)), server_text_(std::move(server_text)) {
    if (!server_text_.empty()) whole_ = message_ + ": " + server_text_;
  }

  char const* what() const noexcept override { return (server_text_.empty() ? message_ : whole_).c_str(); }
  /// The same code as `code()`, as the enumeration itself: for a `switch`, and for functions that take an `errc`.
  errc portable_code() const noexcept { return static_cast<errc>(code().value()); }
  std::string const& message() const noexcept { return message_; }
  std::string const& server_text() const noexcept { return server_text_; }

 private:
  std::string message_;
  std::string server_text_;
  std::string whole_;
};

/// True when a write is refused for good because of one of its values, while the same write with other values may succeed.
inline bool is_refusal(errc what) noexcept { return what == errc::invalid_argument; }

/// True when a retry of the whole operation may succeed and cannot do it twice.
inline bool is_transient(errc what) noexcept {
  return what == errc::busy || what == errc::serialization_failure || what == errc::deadlock || what == errc::connection_lost ||
         what == errc::connection_failed;
}

}  // namespace visor

namespace boost::system {
template <>
struct is_error_code_enum<visor::errc> : std::true_type {};
}  // namespace boost::system

#endif
