#ifndef VISOR_DRIVER_MSSQL_FAILURE_HPP
#define VISOR_DRIVER_MSSQL_FAILURE_HPP

#include "visor/base/error.hpp"
#include "visor/driver/mssql/classify.hpp"
#include "visor/driver/mssql/library.hpp"
#include "visor/driver/mssql/mssql_settings.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

/// Translates the errors of the server and of the library.
namespace visor::mssql_driver {

/// Returns the text of an error with its number, on one line, without the names of the programs that it passed through.
inline std::string server_words(diagnosis const& from) {
  std::string line = from.text;
  while (line.starts_with('[')) line.erase(0, line.find(']') == std::string::npos ? line.size() : line.find(']') + 1);
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  return line + " (error " + std::to_string(from.number) + ")";
}

/// Rates how well an error explains a failure. The library sorts errors its own way, so the first is not the reason.
inline int weight_of(diagnosis const& one) {
  switch (one.number) {
    case 0:
    case 266:              // transactions are not balanced
    case 3609:             // ended in a trigger
    case 3616:             // the same
    case 3621:             // terminated
    case 5701:             // another database now
    case 5703:             // another language now
    case 8180: return 0;   // could not be prepared
    case 18456: return 3;  // the login failed, for any reason
    default: break;
  }
  bool const is_librarys = one.number >= 20000 && one.number < 21000;
  if (is_librarys) return 1;  // the library reports that something failed, the server why
  return is_users(one.number) || classify(one.number) == errc::internal ? 2 : 4;
}

/// Returns the most informative of several errors.
inline diagnosis reason_of(std::vector<diagnosis> const& all) {
  auto const found = std::ranges::max_element(all, {}, &weight_of);
  return found == all.end() ? diagnosis() : *found;
}

/// The error for a closed connection that the library detects without reporting it.
inline diagnosis hung_up() {
  diagnosis one;
  one.state = "08S01";
  return one;
}

/// True when the connection is unusable.
inline bool is_broken(std::vector<diagnosis> const& all) {
  return std::ranges::any_of(all, [](diagnosis const& why) {
    return ends_connection(why.number) || why.state == "08S01" || why.state == "08003" || why.state == "08007" || why.state == "HYT00" ||
           why.state == "HYT01";
  });
}

/// Quotes a name for a statement.
inline std::string bracketed(std::string_view name) {
  std::string result = "[";
  for (char const c : name) result += c == ']' ? std::string("]]") : std::string(1, c);
  return result + "]";
}

/// Returns the user as the database knows it: for Azure, the login name is name@server.
inline std::string user_in_database(mssql_settings const& to) {
  auto const at = to.user.find('@');
  bool const names_server = at != std::string::npos && to.host.starts_with(to.user.substr(at + 1) + ".");
  return names_server ? to.user.substr(0, at) : to.user;
}

/// Returns the commands for an administrator when a user lacks a right.
inline std::string grants(mssql_settings const& to) {
  std::string const user = bracketed(user_in_database(to));
  return "the user '" + to.user + "' lacks a right there: USE " + bracketed(to.database) +
         "; GRANT SELECT, INSERT, UPDATE, DELETE, ALTER ON SCHEMA::dbo TO " + user + "; GRANT CREATE TABLE TO " + user +
         " (ALTER and CREATE TABLE are for `visor db init` and `migrate` alone)";
}

/// Returns the error of a failed statement.
/// \param remedy for a user who lacks a right
inline error failure_of(std::vector<diagnosis> const& all, std::string const& display_name, std::string const& remedy) {
  diagnosis const why = reason_of(all);
  errc what = classify(why.number);
  if ((what == errc::internal || is_users(why.number)) && is_broken(all)) what = errc::connection_lost;
  if (what == errc::internal && why.state == "22001") what = errc::invalid_argument;
  std::string message = display_name + " refused a statement";
  switch (what) {
    case errc::connection_lost: message = "the connection to " + display_name + " broke"; break;
    case errc::read_only: message = display_name + " cannot be written: it is a replica, or set to read-only"; break;
    case errc::disk_full: message = "no room for " + display_name + ": let its files or its log grow, or free some"; break;
    case errc::authentication_failed: message = display_name + ": " + remedy; break;
    case errc::timeout: message = display_name + " did not answer in the time that a transaction may take"; break;
    case errc::busy: message = display_name + " is busy: a lock, or some limit of the server, keeps us waiting for too long"; break;
    case errc::schema_mismatch:
      message = "the tables in " + display_name + " are not as they should be: `visor db validate` tells what differs";
      break;
    default: break;
  }
  if (why.number == 2628 || why.number == 8152 || why.state == "22001")
    message = "a value is too long for " + display_name + ": ids of schedules, names of queues and of nodes may have 255 characters";
  return error(what, message, server_words(why));
}

/// Returns the error of a failed connect.
inline error connect_failure(mssql_settings const& to, std::vector<diagnosis> const& all) {
  std::string const where = to.server();
  diagnosis const why = reason_of(all);
  auto const because = [&](errc what, std::string const& message) { return error(what, message, server_words(why)); };
  auto const cannot_load = [](diagnosis const& each) {
    return each.state == "IM002" || each.text.find("Can't open lib") != std::string::npos;
  };
  if (std::ranges::any_of(all, cannot_load))
    return because(errc::unsupported, "there is no ODBC driver '" + to.odbc_driver +
                                          "': install one (Debian: tdsodbc), or name yours by the option odbc_driver");
  std::string const login = where + " knows the user '" + to.user + "', but ";
  switch (why.number) {
    case 911:
    case 4060:
    case 4063:
    case 4064:  // the server reports both in the same way
      return because(errc::not_found, "there is no database '" + to.database + "' at " + where + ", or the user '" + to.user +
                                          "' may not use it: CREATE DATABASE " + bracketed(to.database) + "; USE " +
                                          bracketed(to.database) + "; CREATE USER " + bracketed(user_in_database(to)) + " FOR LOGIN " +
                                          bracketed(user_in_database(to)));
    case 916:
      return because(errc::authentication_failed, login + "that has no right to the database '" + to.database + "': USE " +
                                                      bracketed(to.database) + "; CREATE USER " + bracketed(user_in_database(to)) +
                                                      " FOR LOGIN " + bracketed(user_in_database(to)));
    case 18456:
      return because(errc::authentication_failed,
                     where + " refused the user '" + to.user + "' or the password: check both; for Azure the user is name@server");
    case 18452:
      return because(errc::authentication_failed,
                     where + " takes users of its Windows domain alone: allow it SQL Server's own (mixed mode), and make a login");
    case 18470: return because(errc::authentication_failed, login + "it is disabled: ALTER LOGIN ... ENABLE");
    case 18486:
      return because(errc::authentication_failed,
                     login + "it is locked, after too many wrong passwords: ALTER LOGIN ... WITH PASSWORD = '...' UNLOCK");
    case 18487:
    case 18488: return because(errc::authentication_failed, login + "its password has expired or must be changed: ALTER LOGIN ...");
    case 40615:
      return because(errc::authentication_failed, where + " admits nobody from this address: add it to the firewall of the server");
    default: break;
  }
  errc const what = classify(why.number);
  if (what == errc::tls_failed && to.tls.mode != tls_mode::disable)
    return because(what, "TLS with " + where +
                             " failed twice: it has none, or its certificate is not from a trusted authority (ssl.ca), has expired, or is "
                             "for another name, or it hangs up. FreeTDS does not say which; `visor db test` does");
  if (what == errc::authentication_failed || what == errc::busy || what == errc::read_only)
    return because(what, where + " admits nobody now, or not this user");
  // FreeTDS reports nothing more about a server that closes the connection.
  std::string const without_tls = to.tls.mode == tls_mode::disable ? " If it wants TLS: turn TLS on (ssl: true, or encrypt=true)." : "";
  bool const is_late = std::ranges::any_of(
      all, [](diagnosis const& each) { return each.state == "HYT00" || each.state == "HYT01" || each.number == 20003; });
  std::string const in_time = is_late ? " within " + to.connect_time_text() + " (pool.connect_timeout)" : "";
  std::string const right =
      to.has_instance() ? "host and firewall right, and does its browser service answer on UDP 1434" : "host, port and firewall right";
  return because(errc::connection_failed,
                 "cannot connect to " + where + in_time + ": is the server up? Are " + right + "? May this machine connect?" + without_tls);
}

}  // namespace visor::mssql_driver

#endif
