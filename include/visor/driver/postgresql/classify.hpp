#ifndef VISOR_DRIVER_POSTGRESQL_CLASSIFY_HPP
#define VISOR_DRIVER_POSTGRESQL_CLASSIFY_HPP

#include "visor/base/error.hpp"

#include <string_view>

namespace visor::postgresql_driver {

/// Returns the portable error code of a SQLSTATE: https://www.postgresql.org/docs/15/errcodes-appendix.html
inline errc classify(std::string_view state) noexcept {
  if (state == "23505") return errc::unique_violation;
  if (state == "40001") return errc::serialization_failure;
  if (state == "40P01") return errc::deadlock;
  if (state == "25006") return errc::read_only;
  if (state == "53100") return errc::disk_full;
  if (state == "53300") return errc::busy;  // too many connections
  if (state == "55P03") return errc::busy;  // lock not available
  if (state == "57014") return errc::timeout;
  if (state == "3D000" || state == "3F000") return errc::not_found;  // database, schema
  if (state == "42P01" || state == "42703") return errc::schema_mismatch;
  auto const group = state.substr(0, 2);
  if (group == "28") return errc::authentication_failed;
  if (state == "25P03" || state == "25P04") return errc::connection_lost;  // our session was idle within a transaction, or took too long
  if (state == "26000") return errc::connection_lost;                      // a prepared statement that the server does not know
  if (group == "08" || state == "57P01" || state == "57P02" || state == "57P05") return errc::connection_lost;
  if (state == "57P03") return errc::connection_failed;  // the server starts up, or shuts down
  // A value of a row that is refused however often it is tried: too long, of another encoding, against a constraint or a trigger of the
  // user.
  if (group == "22" || group == "23" || group == "44" || group == "54" || group == "P0") return errc::invalid_argument;
  if (group == "42") return state == "42501" ? errc::authentication_failed : errc::internal;
  if (group == "0A") return errc::unsupported;
  if (state == "XX001" || state == "XX002") return errc::corrupt;
  if (group == "53" || group == "58") return errc::connection_lost;
  return errc::internal;
}

}  // namespace visor::postgresql_driver

#endif
