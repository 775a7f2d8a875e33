#ifndef VISOR_DRIVER_MSSQL_FAILURE_HPP
#define VISOR_DRIVER_MSSQL_FAILURE_HPP

#include "visor/base/error.hpp"
#include "visor/driver/mssql/classify.hpp"
#include "visor/driver/mssql/library.hpp"
#include "visor/driver/mssql/settings.hpp"

#include <algorithm>
#include <string>
#include <vector>

/// What the server or the library says, as an error of visor's.
namespace visor::mssql_driver {

/// Their words with the number, on one line, without the names of the programs that they passed through.
inline std::string server_words(diagnosis const& from) {
  std::string line = from.text;
  while (line.starts_with('[')) line.erase(0, line.find(']') == std::string::npos ? line.size() : line.find(']') + 1);
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  return line + " (error " + std::to_string(from.number) + ")";
}

/// The one of several that says why.
inline diagnosis reason_of(std::vector<diagnosis> const& all) {
  auto const says = [](diagnosis const& each) {
    bool const is_hint =
        each.number == 0 || each.number == 3621 || each.number == 5701 || each.number == 5703;  // terminated; changed context
    return !is_hint;
  };
  auto const found = std::ranges::find_if(all, says);
  if (found != all.end()) return *found;
  return all.empty() ? diagnosis() : all.front();
}

/// Whether the connection is of no use any more.
inline bool is_broken(diagnosis const& why) {
  return ends_connection(why.number) || why.state == "08S01" || why.state == "08003" || why.state == "08007" || why.state == "HYT00" ||
         why.state == "HYT01";
}

/// Why a statement failed.
inline error failure_of(diagnosis const& why, std::string const& place) {
  condition what = classify(why.number);
  if (what == condition::internal && is_broken(why)) what = condition::connection_lost;
  if (what == condition::internal && why.state == "22001") what = condition::invalid_argument;
  std::string message = place + " refused a statement";
  switch (what) {
    case condition::connection_lost: message = "the connection to " + place + " broke"; break;
    case condition::read_only: message = place + " cannot be written: it is a replica, or set to read-only"; break;
    case condition::disk_full: message = "no room for " + place + ": let its files or its log grow, or free some"; break;
    case condition::authentication_failed: message = place + ": the user may not do that; grant it"; break;
    case condition::timeout: message = place + " did not answer within transaction_timeout"; break;
    case condition::busy: message = place + " is busy: a lock, or some limit of the server, keeps us waiting for too long"; break;
    case condition::schema_mismatch:
      message = "the tables in " + place + " are not as they should be: `visor db validate` tells what differs";
      break;
    default: break;
  }
  if (why.number == 2628 || why.number == 8152 || why.state == "22001")
    message = "a value is too long for " + place + ": ids of schedules, names of queues and of nodes may have 255 characters";
  return error(what, message, server_words(why));
}

/// Why no connection was made.
inline error connect_failure(mssql_settings const& to, std::vector<diagnosis> const& all) {
  std::string const where = to.server();
  auto const has = [&](int number) { return std::ranges::find(all, number, &diagnosis::number) != all.end(); };
  diagnosis const why = reason_of(all);
  auto const because = [&](condition what, std::string const& message) { return error(what, message, server_words(why)); };
  auto const cannot_load = [](diagnosis const& each) {
    return each.state == "IM002" || each.text.find("Can't open lib") != std::string::npos;
  };
  if (std::ranges::any_of(all, cannot_load))
    return because(condition::unsupported, "there is no ODBC driver '" + to.odbc_driver +
                                               "': install one (Debian: tdsodbc), or name yours by the option odbc_driver");
  if (has(18456))
    return because(condition::authentication_failed,
                   where + " refused the user '" + to.user + "' or the password: check both; for Azure the user is name@server");
  if (has(911) || has(4060))
    return because(condition::not_found, "there is no database '" + to.database + "' at " + where + ", or the user '" + to.user +
                                             "' may not use it: CREATE DATABASE [" + to.database + "]");
  condition const what = classify(why.number);
  if (what == condition::tls_failed && to.tls.mode != tls_mode::disable)
    return because(what, "TLS with " + where +
                             " failed twice: it has none, or its certificate is not from a trusted authority (tls.ca), or for another "
                             "name, or it hangs up; the library does not say which");
  if (what == condition::authentication_failed || what == condition::busy || what == condition::read_only)
    return because(what, where + " admits nobody now, or not this user");
  std::string const right =
      to.has_instance() ? "host and firewall right, and does its browser service answer on UDP 1434" : "host, port and firewall right";
  return because(condition::connection_failed,
                 "cannot connect to " + where + ": is the server up? Are " + right + "? May this machine connect?");
}

}  // namespace visor::mssql_driver

#endif
