#ifndef VISOR_DRIVER_MSSQL_CLASSIFY_HPP
#define VISOR_DRIVER_MSSQL_CLASSIFY_HPP

#include "visor/base/error.hpp"

namespace visor::mssql_driver {

/// True when a number belongs to THROW or RAISERROR, such as in a trigger of the user. The numbers of visor and of Babelfish are far above.
inline bool is_users(int number) noexcept { return number >= 50'000 && number < 1'000'000; }

/// Returns the portable error code of an error number. Numbers are those of the server
/// (https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors), and from 20000 to 20999 those of
/// FreeTDS, listed in its include/freetds/sysdep_types.h and src/dblib/dberrhandle.c.
inline errc classify(int number) noexcept {
  switch (number) {
    case 2601:  // duplicate in a unique index
    case 2627:  // duplicate in a key
      return errc::unique_violation;
    case 1205:  // deadlock victim
      return errc::deadlock;
    case 3960:  // snapshot conflict
    case 3961:  // a table was changed since the snapshot
    case 41302:
    case 41305:
    case 41325:          // conflicts of tables in memory
    case 2'000'118'002:  // `raised::out_of_date`
    case 2'000'118'003:  // `raised::other_number`
      return errc::serialization_failure;
    case 2'000'118'001:  // `raised::no_turn`
    case 2'000'118'004:  // `raised::others_turn`
    case 1222:           // lock timeout
    case 1204:           // no locks left
    case 10928:          // Azure: too many sessions
    case 10929:          // Azure: too busy
    case 40501:          // Azure: too busy
    case 49918:
    case 49919:
    case 49920:  // Azure: too many operations
      return errc::busy;
    case 229:    // no right to the object
    case 230:    // no right to the column
    case 262:    // no right to make it
    case 297:    // no right to do that
    case 300:    // the same, of the server
    case 1088:   // no such object, or no right to it: it existed before
    case 2760:   // no such schema, or no right to it
    case 4902:   // no such table, or no right to it
    case 15247:  // no right to do that
    case 916:    // no right to the database
    case 18452:  // not a trusted domain
    case 18456:  // login failed
    case 18470:  // account disabled
    case 18486:  // locked out
    case 18487:  // password expired
    case 18488:  // password must be changed
    case 40615:  // Azure: address not allowed
      return errc::authentication_failed;
    case 911:   // no such database
    case 4060:  // cannot open the database
    case 4063:  // nor another one instead
    case 4064:  // cannot open the default database of the login
      return errc::not_found;
    case 20009:  // no answer
    case 20012:  // unknown host name
    case 20013: return errc::connection_failed;
    case 922:   // the database is being recovered
    case 926:   // suspect
    case 927:   // being restored
    case 942:   // offline
    case 952:   // in transition
    case 586:   // prepared statement that is not valid any more
    case 8179:  // prepared statement that the server does not know
    case 596:   // killed
    case 6005:  // shutting down
    case 10053:
    case 10054:
    case 10060:  // the network
    case 40197:  // Azure: the service moves
    case 40613:  // Azure: the database is not available
    case 20001:
    case 20004:  // cannot read
    case 20005:
    case 20006:  // cannot write
    case 20011:
    case 20017:  // the server hung up
    case 20020:  // answers out of order
    case 20021:
    case 20047:  // dead
      return errc::connection_lost;
    case 20002:  // no TLS, or a certificate that is not accepted
      return errc::tls_failed;
    case 3906:  // read-only database
    case 3908:  // recovering
    case 976:   // a replica that takes no connections
    case 978:   // a replica that admits only clients with read-only intent
    case 979:   // the same
    case 982:   // a replica that cannot be read
    case 983:   // neither primary nor secondary
    case 988:   // a replica without its quorum
    case 954:   // a mirror
    case 955:   // a mirrored database without its partner
      return errc::read_only;
    case 1101:
    case 1105:  // no space in the filegroup
    case 9002:  // the log is full
      return errc::disk_full;
    case 20003:  // timeout
      return errc::timeout;
    case 207:   // no such column
    case 208:   // no such table
    case 2714:  // exists already
    case 3701:  // nothing to drop
      return errc::schema_mismatch;
    case 515:   // NULL
    case 547:   // a CHECK or a foreign key
    case 3609:  // a trigger aborted the transaction
    case 511:   // row too large
    case 550:   // WITH CHECK OPTION
    case 8114:  // not such a value
    case 2628:
    case 8152:  // too long
    case 220:
    case 8115:  // out of range
    case 241:
    case 242:
    case 245:  // not such a value
      return errc::invalid_argument;
    case 823:
    case 824:
    case 825:  // a page cannot be read
      return errc::corrupt;
    default: return is_users(number) ? errc::invalid_argument : errc::internal;
  }
}

/// True when the connection is unusable afterwards.
inline bool ends_connection(int number) noexcept {
  return classify(number) == errc::connection_lost || (number >= 20000 && number < 21000);
}

}  // namespace visor::mssql_driver

#endif
