#ifndef VISOR_DRIVER_POSTGRESQL_FAILURE_HPP
#define VISOR_DRIVER_POSTGRESQL_FAILURE_HPP

#include "visor/base/error.hpp"
#include "visor/base/no_descriptor.hpp"
#include "visor/driver/postgresql/classify.hpp"
#include "visor/driver/postgresql/postgresql_settings.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <string>
#include <string_view>

/// Translates the errors of the server and of libpq.
namespace visor::postgresql_driver {

/// Whether a line of libpq names a position in the source of the server: `LOCATION:  auth_failed, auth.c:335`. Its first word may be in
/// another language.
inline bool names_source(std::string_view line) {
  auto const digits = line.find_last_not_of("0123456789");
  if (digits == line.npos || digits + 1 == line.size() || line[digits] != ':') return false;
  std::string_view const before = line.substr(0, digits);
  return before.ends_with(".c") && before.find(":  ") != before.npos && before.find(", ") != before.npos;
}

/// Joins lines to one, with one blank between words, and without positions in the source of the server.
inline std::string one_line(char const* text) {
  std::string line;
  bool blank = false;
  for (std::string_view rest = text == nullptr ? "" : text; !rest.empty();) {
    auto const end = std::min(rest.find('\n'), rest.size());
    std::string_view const one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (names_source(one)) continue;
    for (char const c : one) {
      bool const is_gap = static_cast<unsigned char>(c) <= ' ' || c == 0x7F;
      if (!is_gap && blank && !line.empty()) line += ' ';
      if (!is_gap) line += c;
      blank = is_gap;
    }
    blank = true;
  }
  return line;
}

/// Quotes a name for SQL.
inline std::string quoted(std::string const& name) {
  std::string text = "\"";
  for (char const c : name) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + '"';
}

/// Returns the commands for the owner of the tables when a user lacks a right.
inline std::string grants(postgresql_settings const& to) {
  std::string const schema = quoted(to.schema.empty() ? "public" : to.schema);
  std::string const user = quoted(to.user);
  return "the user '" + to.user + "' lacks a right there. The owner of the tables grants it: GRANT USAGE ON SCHEMA " + schema + " TO " +
         user + "; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schema + " TO " + user +
         "; GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA " + schema + " TO " + user +
         "; who makes the tables needs GRANT CREATE ON SCHEMA " + schema + " TO " + user + ", and who changes them must own them";
}

/// Returns the error of a failed statement.
/// \param remedy for a user who lacks a right
/// \param kept_out the statement requested the lock of the store
inline error failure_of(PGresult const* answer, std::string const& display_name, std::string const& remedy, bool kept_out = false) {
  auto const field = [answer](int which) {
    char const* const text = PQresultErrorField(answer, which);
    return std::string(text == nullptr ? "" : text);
  };
  std::string const state = field(PG_DIAG_SQLSTATE);
  // For an altered table: the statement must be prepared again, on this connection and on all that are as old. Only the name of the
  // function reveals that, since the text is in the language of the server.
  bool const is_stale = state == "0A000" && field(PG_DIAG_SOURCE_FUNCTION) == "RevalidateCachedQuery";
  errc what = state.empty() || is_stale ? errc::connection_lost : classify(state);
  // A fault in the code of a trigger: it may concern this row only. Faults of our statements have no context.
  if (state.starts_with("42") && what != errc::authentication_failed && !field(PG_DIAG_CONTEXT).empty()) what = errc::invalid_argument;
  std::string text = field(PG_DIAG_MESSAGE_PRIMARY);
  if (text.empty()) text = one_line(PQresultErrorMessage(answer));
  std::string message = display_name + " refused a statement";
  if (kept_out) return error(what, "others wrote to " + display_name + " all the time: this was not begun", text);
  if (is_stale || state == "26000") return error(what, "statements that " + display_name + " had prepared are of no use any more", text);
  switch (what) {
    case errc::connection_lost: message = "the connection to " + display_name + " broke"; break;
    case errc::read_only:
      message = display_name +
                " cannot be written: it is a standby, or set to read-only; for several hosts set target_session_attrs=read-write in the "
                "connection string";
      break;
    case errc::busy: message = display_name + " is busy: a lock, or some limit of the server, keeps us waiting for too long"; break;
    case errc::disk_full: message = "no room for " + display_name + ": free some on the disk of the server"; break;
    case errc::authentication_failed: message = display_name + ": " + remedy; break;
    case errc::schema_mismatch:
      message = "the tables in " + display_name + " are not as they should be: `visor db validate` tells what differs";
      break;
    default: break;
  }
  if (state == "3F000") message = display_name + " has no schema for our tables, or the user may not use it: CREATE SCHEMA ...; " + remedy;
  return error(what, message, state.empty() ? text : text + " (SQLSTATE " + state + ")");
}

/// Returns the error for a pooler between here and the server that keeps no sessions, without the setting for it.
inline error pooler_failure(postgresql_settings const& to, std::string const& text) {
  return error(errc::unsupported,
               to.host + ":" + std::to_string(to.port) +
                   " is PgBouncer or another pooler, which keeps no session: "
                   "set connection.pgbouncer, or pgbouncer=true in the connection string",
               text);
}

/// Returns the error of a failed connect. libpq reports it as text only; in verbose mode the text has the SQLSTATE of a refusal by the
/// server.
inline error connect_failure(postgresql_settings const& to, char const* libpq_text) {
  std::string const text = one_line(libpq_text);
  auto const says = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  // The word before it is in the language of the server.
  auto const refused = [&](std::string const& state) { return text.find(": " + state + ": ") != std::string::npos; };
  std::string const where = to.server();
  auto const because = [&](errc what, std::string const& message) { return error(what, message, text); };
  if (auto const why = visor::detail::why_no_descriptor(std::string_view(text)); says("could not create socket") && !why.empty())
    return because(errc::connection_failed, "cannot connect to " + where + ": " + why);
  if (refused("28P01"))
    return because(errc::authentication_failed, where + " refused the password of the user '" + to.user +
                                                    "', or has no such user: check user and password; with Azure the user is user@server");
  if (refused("28000")) {
    auto const admits = [&](std::string const& why) { return because(errc::authentication_failed, where + why); };
    if (says("pg_hba.conf"))
      return admits(" admits no user '" + to.user + "' to the database '" + to.database + "' from here" +
                    (to.tls.mode == tls_mode::disable && !to.is_local() ? " without TLS: turn TLS on, or" : ":") +
                    " add a line to pg_hba.conf");
    if (says("does not exist")) return admits(" has no user '" + to.user + "': CREATE ROLE " + quoted(to.user) + " LOGIN PASSWORD '...'");
    if (says("not permitted to log in"))
      return admits(": the user '" + to.user + "' may not log in: ALTER ROLE " + quoted(to.user) + " LOGIN");
    if (says("Peer authentication") || says("Ident authentication"))
      return admits(" admits the user '" + to.user +
                    "' only to the account of the same name on its machine: run as that one, or change pg_hba.conf");
    if (says("ertificate authentication") || says("requires a valid client certificate") || says("client certificate"))
      return admits(" wants a certificate of the user '" + to.user + "': name one in ssl.cert and ssl.key");
    return admits(" refused the user '" + to.user + "': it does not exist, may not log in, or is not let in by pg_hba.conf");
  }
  if (refused("42501"))
    return because(errc::authentication_failed, "the user '" + to.user + "' may not connect to " + to.display_name() +
                                                    ": GRANT CONNECT ON DATABASE " + quoted(to.database) + " TO " + quoted(to.user));
  if (says("no password supplied") || says("fe_sendauth"))
    return because(errc::authentication_failed, where + " wants a password for the user '" + to.user + "', and none is set");
  if (refused("3D000"))
    return because(errc::not_found, "there is no database '" + to.database + "' at " + where + ": make it with createdb -h " + to.host +
                                        " -p " + std::to_string(to.port) + " " + to.database);
  if (refused("53300"))
    return because(errc::busy, where + " has no connection left: lower pool.max, or raise max_connections of the server");
  if (says("unsupported startup parameter")) return pooler_failure(to, text);
  if (refused("57P03")) return because(errc::connection_failed, where + " starts up or shuts down: it is tried again");
  if (says("certificate verify failed"))
    return because(errc::tls_failed,
                   "the certificate of " + where +
                       " is not from a trusted authority, or not valid now: `visor db test` tells which; the authority is named in ssl.ca");
  if (says("does not match host name"))
    return because(errc::tls_failed, "the certificate of " + where +
                                         " is for another name: connect by the name in it; sslmode=verify-ca does not ask for it");
  if (says("does not support SSL"))
    return because(errc::tls_failed,
                   where + " has no TLS, and ssl asks for it: set up TLS there; only for a trusted network, turn ssl off");
  if (says("channel binding"))
    return because(errc::tls_failed,
                   where + " has no channel binding, which channel_binding=require asks for: it needs TLS and SCRAM passwords");
  if (says("root certificate file") || says("certificate file") || says("private key file") || says("SSL error") || says("SSL SYSCALL"))
    return because(errc::tls_failed, "TLS with " + where + " failed: check ssl.ca, ssl.cert and ssl.key");
  if (says("could not translate host name"))
    return because(errc::connection_failed, "the host '" + to.host + "' is not known: check its name and the DNS");
  if (says("session is read-only") || says("session is not read-only") || says("server is in hot standby") ||
      says("server is not in hot standby"))
    return because(errc::connection_failed, "none of the hosts " + to.host + " is what target_session_attrs=" + to.target + " asks for");
  return because(errc::connection_failed,
                 "cannot connect to " + where + ": is the server up? Are host, port and firewall right? May this machine connect?");
}

}  // namespace visor::postgresql_driver

#endif
