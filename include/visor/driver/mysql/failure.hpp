#ifndef VISOR_DRIVER_MYSQL_FAILURE_HPP
#define VISOR_DRIVER_MYSQL_FAILURE_HPP

#include "visor/base/error.hpp"
#include "visor/base/no_descriptor.hpp"
#include "visor/driver/mysql/classify.hpp"
#include "visor/driver/mysql/mysql_settings.hpp"

#include <string>
#include <string_view>

/// Translates the errors of the server and of the library.
namespace visor::mysql_driver {

/// Returns the text of the server with its error number, on one line.
inline std::string server_words(int number, std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  return line + " (error " + std::to_string(number) + ")";
}

/// Returns the command for an administrator when a user lacks a right.
inline std::string grants(mysql_settings const& to) {
  return "the user '" + to.user + "' lacks a right there: GRANT ALL ON `" + to.database + "`.* TO '" + to.user +
         "'@'%' (if that user is of one host alone: of that, which SELECT CURRENT_USER() tells)";
}

/// Returns the error of a failed statement.
/// \param remedy for a user who lacks a right
inline error failure_of(int number, std::string_view text, std::string const& display_name, std::string const& remedy) {
  errc const what = ends_connection(number) && number != 1153 && number != 2020 ? errc::connection_lost : classify(number, text);
  std::string message = display_name + " refused a statement";
  switch (what) {
    case errc::connection_lost: message = "the connection to " + display_name + " broke"; break;
    case errc::read_only: message = display_name + " cannot be written: its server is a replica, or set to read-only"; break;
    case errc::disk_full: message = "no room for " + display_name + ": free some on the disk of the server"; break;
    case errc::authentication_failed: message = display_name + ": " + remedy; break;
    case errc::timeout: message = display_name + " did not answer in the time that a transaction may take"; break;
    case errc::busy: message = display_name + " is busy: a lock, or some limit of the server, keeps us waiting for too long"; break;
    case errc::schema_mismatch:
      message = "the tables in " + display_name + " are not as they should be: `visor db validate` tells what differs";
      break;
    default: break;
  }
  if (number == 1290 && what != errc::read_only)
    message = display_name + " refused a statement, as its server was started with an option that forbids it: start it without";
  if (number == 1406)
    message =
        "a value is too long for " + display_name + ": ids of schedules and names of nodes may have 255 characters, those of queues 703";
  if (number == 1153 || number == 2020) message = "a value is too large for " + display_name + ": raise max_allowed_packet of the server";
  if (number == 1461)
    message =
        display_name + " holds no more prepared statements: raise max_prepared_stmt_count of the server, or lower pool.max of its clients";
  if (number == 1709 || number == 1071)
    message = display_name +
              " takes no keys as long as those of our tables: its server needs innodb_page_size = 16k, and the table ROW_FORMAT = DYNAMIC";
  if (number == 1665) message = display_name + " cannot be written in READ COMMITTED: set binlog_format of the server to MIXED or ROW";
  return error(what, message, server_words(number, text));
}

/// Returns the error for a server that speaks the protocol of MySQL but cannot be used.
inline error locks_no_rows(std::string const& display_name, std::string const& product) {
  return error(errc::unsupported, display_name + " is " + product +
                                      ", which locks no rows as MySQL does: two nodes would run one job. Use MariaDB or MySQL itself");
}

/// Returns the error of a failed connect.
inline error connect_failure(mysql_settings const& to, int number, std::string_view text) {
  auto const says = [text](std::string_view part) { return text.find(part) != std::string_view::npos; };
  auto const because = [&](errc what, std::string const& message) { return error(what, message, server_words(number, text)); };
  std::string const where = to.server();
  bool const has_tls = to.tls.mode != tls_mode::disable || to.is_local();
  // The server says nothing more to a user who must use TLS.
  std::string const without_tls = has_tls ? "" : "; if the user must come with TLS, turn TLS on (ssl: true)";
  if (auto const why = visor::detail::why_no_descriptor(std::string_view(text)); !why.empty() && number >= 2000)
    return because(errc::connection_failed, "cannot connect to " + where + ": " + why);
  switch (number) {
    case 1045:
      return because(errc::authentication_failed,
                     to.password.empty()
                         ? where + " wants a password for the user '" + to.user + "', or does not know it from here" + without_tls
                         : where + " refused the user '" + to.user +
                               "' or the password: check both, and from where it may come; with Azure the user is user@server" +
                               without_tls);
    case 1698:
      return because(errc::authentication_failed,
                     where + " knows the user '" + to.user + "' by its Unix account only: connect as that one, or make another user");
    case 1044:  // also for a database that does not exist, if the user may not list databases
      return because(errc::authentication_failed, "the user '" + to.user + "' has no right to " + to.display_name() +
                                                      ", or there is none: CREATE DATABASE `" + to.database + "`; GRANT ALL ON `" +
                                                      to.database + "`.* TO `" + to.user + "`");
    case 1130:
      return because(errc::authentication_failed, where + " admits nobody from this machine: make the user for this host, or for '%'");
    case 1129: return because(errc::connection_failed, where + " has blocked this machine after many errors: mysqladmin flush-hosts there");
    case 1049:
      return because(errc::not_found,
                     "there is no database '" + to.database + "' at " + where + ": make it with CREATE DATABASE `" + to.database + "`");
    case 1040:
    case 1203:
    case 1226: return because(errc::busy, where + " has no connection left: lower pool.max, or raise max_connections of the server");
    case 2005: return because(errc::connection_failed, "the host '" + to.host + "' is not known: check its name and the DNS");
    case 3159:
      return because(errc::tls_failed,
                     where + " admits nobody without TLS: turn TLS on (ssl: true, or sslmode=require in the connection string)");
    default: break;
  }
  if (says("restricted"))
    return because(errc::tls_failed, where +
                                         " asks for the password in clear text, and the connection is not encrypted: it was not "
                                         "sent; set ssl, or give the user '" +
                                         to.user + "' another kind of password");
  errc const what = classify(number, text);
  if (what == errc::authentication_failed) return because(what, where + " refused the user '" + to.user + "'");
  if (what == errc::tls_failed) {
    if (says("doesn't support") || says("not support"))
      return because(what, where + " has no TLS, and ssl asks for it: set up TLS there; only for a trusted network, turn ssl off");
    if (says("Validation of SSL") || says("Hostname") || says("host name") || says("hostname"))
      return because(
          what, "the certificate of " + where + " is for another name: connect by the name in it; sslmode=verify-ca does not ask for it");
    if (says("expired") || says("not yet valid"))
      return because(what, "the certificate of " + where + " has expired, or is not valid yet: renew it there; check the clocks of both");
    if (says("certificate verify failed") || says("self-signed") || says("self signed") || says("issuer"))
      return because(what, "the certificate of " + where + " is not from a trusted authority: name the right one in ssl.ca");
    return because(what, "TLS with " + where + " failed: check ssl.ca, ssl.cert and ssl.key");
  }
  std::string questions = ": is the server up? Are host, port and firewall right? May this machine connect?";
  // With TLS 1.3 the client completes its connect before the server checks its certificate.
  if (number == 2013 && !to.tls.cert.empty()) questions = ": it closed the connection; does it trust the authority of ssl.cert?";
  std::string const in_time = says("timed out") || says("timeout") || says("(110") || says(": 110")
                                  ? " within " + to.connect_time_text() + " (pool.connect_timeout)"
                                  : "";
  return because(what == errc::busy ? what : errc::connection_failed, "cannot connect to " + where + in_time + questions);
}

}  // namespace visor::mysql_driver

#endif
