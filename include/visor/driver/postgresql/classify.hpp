#ifndef VISOR_DRIVER_POSTGRESQL_CLASSIFY_HPP
#define VISOR_DRIVER_POSTGRESQL_CLASSIFY_HPP

#include "visor/base/error.hpp"

#include <string_view>

namespace visor::postgresql_driver {

/// Returns the portable condition of a SQLSTATE: https://www.postgresql.org/docs/15/errcodes-appendix.html
inline condition classify(std::string_view state) noexcept {
  if (state == "23505") return condition::unique_violation;
  if (state == "40001") return condition::serialization_failure;
  if (state == "40P01") return condition::deadlock;
  if (state == "25006") return condition::read_only;
  if (state == "53100") return condition::disk_full;
  if (state == "53300") return condition::busy;  // too many connections
  if (state == "55P03") return condition::busy;  // lock not available
  if (state == "57014") return condition::timeout;
  if (state == "3D000" || state == "3F000") return condition::not_found;  // database, schema
  if (state == "42P01" || state == "42703") return condition::schema_mismatch;
  auto const group = state.substr(0, 2);
  if (group == "28") return condition::authentication_failed;
  if (state == "25P03" || state == "25P04")
    return condition::connection_lost;                      // our session was idle within a transaction, or took too long
  if (state == "26000") return condition::connection_lost;  // a prepared statement that the server does not know
  if (group == "08" || state == "57P01" || state == "57P02" || state == "57P05") return condition::connection_lost;
  if (state == "57P03") return condition::connection_failed;  // the server starts up, or shuts down
  // A value of a row that is refused however often it is tried: too long, of another encoding, against a constraint or a trigger of the
  // user.
  if (group == "22" || group == "23" || group == "44" || group == "54" || group == "P0") return condition::invalid_argument;
  if (group == "42") return state == "42501" ? condition::authentication_failed : condition::internal;
  if (group == "0A") return condition::unsupported;
  if (state == "XX001" || state == "XX002") return condition::corrupt;
  if (group == "53" || group == "58") return condition::connection_lost;
  return condition::internal;
}

}  // namespace visor::postgresql_driver

#endif
