#ifndef VISOR_DRIVER_POSTGRESQL_FAILURE_HPP
#define VISOR_DRIVER_POSTGRESQL_FAILURE_HPP

#include "visor/base/error.hpp"
#include "visor/driver/postgresql/classify.hpp"
#include "visor/driver/postgresql/settings.hpp"

#include <libpq-fe.h>

#include <string>
#include <string_view>

/// What the server or libpq says, as an error of visor's.
namespace visor::postgresql_driver {

/// Several lines as one, words with one blank between.
inline std::string one_line(char const* text) {
  std::string line;
  bool blank = false;
  for (char const c : std::string_view(text == nullptr ? "" : text)) {
    bool const is_gap = static_cast<unsigned char>(c) <= ' ' || c == 0x7F;
    if (!is_gap && blank && !line.empty()) line += ' ';
    if (!is_gap) line += c;
    blank = is_gap;
  }
  return line;
}

/// Why a statement failed.
inline error failure_of(PGresult const* answer, std::string const& place) {
  auto const field = [answer](int which) {
    char const* const text = PQresultErrorField(answer, which);
    return std::string(text == nullptr ? "" : text);
  };
  std::string const state = field(PG_DIAG_SQLSTATE);
  condition const what = state.empty() ? condition::connection_lost : classify(state);
  std::string text = field(PG_DIAG_MESSAGE_PRIMARY);
  if (text.empty()) text = one_line(PQresultErrorMessage(answer));
  std::string message = place + " refused a statement";
  switch (what) {
    case condition::connection_lost: message = "the connection to " + place + " broke"; break;
    case condition::read_only:
      message = place + " cannot be written: it is a standby, or set to read-only; for several hosts set target to read-write";
      break;
    case condition::disk_full: message = "no room for " + place + ": free some on the disk of the server"; break;
    case condition::authentication_failed: message = place + ": the user may not do that; grant it, or use the owner of the tables"; break;
    case condition::schema_mismatch:
      message = "the tables in " + place + " are not as they should be: `visor db validate` tells what differs";
      break;
    default: break;
  }
  return error(what, message, state.empty() ? text : text + " (SQLSTATE " + state + ")");
}

/// Somebody between here and the server gives no session of its own to a connection, and nobody has said so.
inline error pooler_failure(postgresql_settings const& to, std::string const& text) {
  return error(condition::unsupported,
               to.host + ":" + std::to_string(to.port) +
                   " is PgBouncer or another pooler, which keeps no session: "
                   "set connection.pgbouncer, or pgbouncer=true in the connection string",
               text);
}

/// Why no connection was made. libpq says that in text only; asked to be verbose, it says the SQLSTATE of what the server refused.
inline error connect_failure(postgresql_settings const& to, char const* libpq_text) {
  std::string const text = one_line(libpq_text);
  auto const says = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  auto const refused = [&](std::string const& state) { return text.find("FATAL: " + state + ": ") != std::string::npos; };
  std::string const where = to.server();
  auto const because = [&](condition what, std::string const& message) { return error(what, message, text); };
  if (refused("28P01") || refused("28000"))
    return says("pg_hba.conf")
               ? because(condition::authentication_failed,
                         where + " admits no user '" + to.user + "' to the database '" + to.database + "' from here" +
                             (to.tls.mode == tls_mode::disable && !to.is_local() ? " without TLS: turn TLS on, or" : ":") +
                             " add a line to pg_hba.conf")
               : because(condition::authentication_failed, where + " refused the password of the user '" + to.user +
                                                               "': check user and password; with Azure the user is user@server");
  if (says("no password supplied") || says("fe_sendauth"))
    return because(condition::authentication_failed, where + " wants a password for the user '" + to.user + "', and none is set");
  if (refused("3D000"))
    return because(condition::not_found, "there is no database '" + to.database + "' at " + where + ": make it with createdb -h " +
                                             to.host + " -p " + std::to_string(to.port) + " " + to.database);
  if (refused("53300"))
    return because(condition::busy, where + " has no connection left: lower pool.max, or raise max_connections of the server");
  if (says("unsupported startup parameter")) return pooler_failure(to, text);
  if (refused("57P03")) return because(condition::connection_failed, where + " starts up or shuts down: it is tried again");
  if (says("certificate verify failed"))
    return because(condition::tls_failed,
                   "the certificate of " + where +
                       " is not from a trusted authority, or not valid now: `visor db test` tells which; the authority is named in tls.ca");
  if (says("does not match host name"))
    return because(condition::tls_failed,
                   "the certificate of " + where + " is for another name: connect by the name in it, or set tls.mode to verify_ca");
  if (says("does not support SSL"))
    return because(condition::tls_failed,
                   where + " has no TLS, and tls.mode asks for it: set up TLS there; only for a trusted network, tls.mode disable");
  if (says("root certificate file") || says("certificate file") || says("private key file") || says("SSL error") || says("SSL SYSCALL"))
    return because(condition::tls_failed, "TLS with " + where + " failed: check tls.ca, tls.cert and tls.key");
  if (says("could not translate host name"))
    return because(condition::connection_failed, "the host '" + to.host + "' is not known: check its name and the DNS");
  if (says("session is read-only") || says("session is not read-only") || says("server is in hot standby") ||
      says("server is not in hot standby"))
    return because(condition::connection_failed, "none of the hosts " + to.host + " is what target = " + to.target + " asks for");
  return because(condition::connection_failed,
                 "cannot connect to " + where + ": is the server up? Are host, port and firewall right? May this machine connect?");
}

}  // namespace visor::postgresql_driver

#endif
