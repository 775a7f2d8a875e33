#ifndef VISOR_DRIVER_MYSQL_CLASSIFY_HPP
#define VISOR_DRIVER_MYSQL_CLASSIFY_HPP

#include "visor/base/error.hpp"

#include <string_view>

namespace visor::mysql_driver {

/// Returns the portable error code of an error number. Numbers are those of the server (https://mariadb.com/kb/en/mariadb-error-codes/,
/// https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html), and from 2000 to 2999 those of the client library.
inline errc classify(int number) noexcept {
  switch (number) {
    case 1022:  // duplicate key
    case 1062:  // duplicate entry
    case 1586:  // duplicate entry, by the name of its key
      return errc::unique_violation;
    case 1213:  // deadlock
    case 1614:  // deadlock in a distributed transaction
      return errc::deadlock;
    case 1020:  // the record has changed since the snapshot
      return errc::serialization_failure;
    case 1040:  // too many connections
    case 1041:  // out of resources
    case 1203:  // too many connections of the user
    case 1205:  // lock wait timeout
    case 1226:  // a limit of the user
    case 1461:  // too many prepared statements
    case 3572:  // NOWAIT
      return errc::busy;
    case 1044:  // no right to the database
    case 1045:  // no such user, or another password
    case 1095:  // not the owner
    case 1130:  // host not allowed
    case 1142:  // no right to the table
    case 1143:  // no right to the column
    case 1227:  // no such privilege
    case 1251:  // old protocol of authentication
    case 1698:  // no password for a user that is known by its socket
    case 1820:  // password must be changed
    case 1862:  // password expired
    case 2049:  // old protocol of authentication
    case 2059:  // plugin of authentication
    case 2061:  // plugin of authentication refused
      return errc::authentication_failed;
    case 1049:  // no such database
      return errc::not_found;
    case 1129:  // host blocked after many errors
    case 2001:  // no socket can be made
    case 2002:  // Unix socket
    case 2003:  // host
    case 2005:  // name of the host
      return errc::connection_failed;
    case 1047:  // a member that has lost its cluster: another may work
    case 1053:  // server shuts down
    case 1080:  // forced close
    case 1152:  // aborted connection
    case 1158:  // network: cannot read
    case 1159:  // network: reading takes too long
    case 1160:  // network: cannot write
    case 1161:  // network: writing takes too long
    case 1184:  // aborted connection
    case 1243:  // prepared statement that the server does not know any more
    case 1615:  // prepared statement that must be prepared again
    case 1927:  // killed
    case 2006:  // server has gone away
    case 2013:  // lost
    case 2014:  // answers out of order
    case 2027:  // malformed packet
    case 2055:  // lost, with the reason
    case 2056:  // prepared statement whose connection was reset
    case 2057:  // prepared statement with other columns than before
    case 3032:  // server in offline mode
    case 3169:  // killed
    case 4031:  // idle for too long
      return errc::connection_lost;
    case 2026:  // TLS
    case 3159:  // TLS is required
      return errc::tls_failed;
    case 1036:  // InnoDB is read-only
    case 1290:  // --read-only, where no text says that it is another option
    case 1792:  // transaction is read-only
    case 1836:  // running in read-only mode
    case 1874:  // InnoDB is read-only
      return errc::read_only;
    case 1021:  // disk full
    case 1114:  // table full
      return errc::disk_full;
    case 1317:  // interrupted
    case 1969:  // max_statement_time
    case 3024:  // max_execution_time
      return errc::timeout;
    case 1050:  // table exists
    case 1051:  // no such table to drop
    case 1054:  // no such column
    case 1146:  // no such table
      return errc::schema_mismatch;
    case 1048:  // NULL
    case 1216:
    case 1217:
    case 1451:
    case 1452:  // a foreign key
    case 1265:  // value cut
    case 1364:  // no default
    case 1526:  // no partition
    case 1644:  // a trigger signalled
    case 1690:  // out of range
    case 3140:  // not JSON
    case 3819:
    case 4025:  // a CHECK
    case 3988:  // a character that the other character set lacks
    case 1118:  // row too large
    case 1153:  // packet too large
    case 1264:  // out of range
    case 1292:  // not such a value
    case 1300:  // not such a text
    case 1366:  // not such a value
    case 1406:  // too long
    case 2020:  // packet too large
      return errc::invalid_argument;
    case 1034:  // wrong key file
    case 1035:  // old key file
    case 1194:  // table crashed
    case 1195:  // table crashed, repair failed
      return errc::corrupt;
    case 1071:  // key too long: a small page size
    case 1115:  // no such character set
    case 1235:  // not yet supported
    case 1273:  // no such collation
    case 1305:  // no such function
    case 1665:  // READ COMMITTED with statements in the binary log
    case 1709:  // key too long: a row format
    case 2019:  // no such character set
      return errc::unsupported;
    default: return errc::internal;
  }
}

/// The same with the text of the server: error 1290 names the server option that refuses the statement.
inline errc classify(int number, std::string_view text) noexcept {
  auto const names = [text](std::string_view option) { return text.find(option) != std::string_view::npos; };
  bool const is_other_option = number == 1290 && names("--") && !names("read-only") && !names("read_only");
  return is_other_option ? errc::unsupported : classify(number);
}

/// True when the connection is unusable afterwards.
inline bool ends_connection(int number) noexcept {
  return (number >= 2000 && number < 3000) || number == 1153 || classify(number) == errc::connection_lost;
}

}  // namespace visor::mysql_driver

#endif
