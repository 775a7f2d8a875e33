#ifndef VISOR_DRIVER_MSSQL_SETTINGS_HPP
#define VISOR_DRIVER_MSSQL_SETTINGS_HPP

#include "visor/driver/server_options.hpp"

#include <algorithm>
#include <string>

namespace visor {

/// How to reach a Microsoft SQL Server. A host `server\instance` is a named instance, whose port its browser service tells over UDP 1434;
/// the port is not used then. In a URL it is `mssql://server/database?instance=name`.
struct mssql_settings : server_options {
  std::string odbc_driver = "FreeTDS";  ///< its name in odbcinst.ini, or the path of its library

  mssql_settings() { port = 1433; }
  friend bool operator==(mssql_settings const&, mssql_settings const&) = default;

  static constexpr char const* more_options = ", instance, encrypt, trustServerCertificate, odbc_driver";
  /// \return whether there is such an option
  bool set_option(std::string const& option, std::string const& value) {
    bool const yes = value == "true" || value == "yes" || value == "mandatory" || value == "strict";
    if (option == "odbc_driver") {
      odbc_driver = value;
    } else if (option == "instance") {
      host += '\\' + value;
    } else if (option == "encrypt") {
      tls.mode = !yes ? tls_mode::disable : tls.mode == tls_mode::disable ? tls_mode::verify_full : tls.mode;
    } else if (option == "trustServerCertificate") {
      if (yes) tls.mode = tls_mode::require;
    } else {
      return false;
    }
    return true;
  }

  void check() const {
    server_options::check();
    if (is_local()) throw error(condition::invalid_argument, "host is a path: SQL Server is reached over TCP only");
    auto const cut = host.find('\\');
    if (cut == 0 || (has_instance() && (cut + 1 == host.size() || cut != host.rfind('\\'))))
      throw error(condition::invalid_argument, "host is " + host + ": a named instance is server\\instance");
    // They go through languages of others, which have no way to write these.
    for (std::string const* const each : {&host, &tls.ca})
      if (std::ranges::any_of(*each, [](char c) { return static_cast<unsigned char>(c) < ' '; }) && !each->starts_with("-----"))
        throw error(condition::invalid_argument, "host or tls.ca has a line break or another control character");
    for (std::string const* const each : {&user, &database, &odbc_driver, &password.reveal()})
      if (each->find("};") != std::string::npos)
        throw error(condition::invalid_argument,
                    "the user, the password, the database or odbc_driver has `};`, which ODBC cannot be given");
    if (!tls.cert.empty()) throw error(condition::invalid_argument, "tls.cert is set: SQL Server knows no certificates of clients");
  }

  bool has_instance() const { return host.find('\\') != std::string::npos; }
  std::string server() const { return has_instance() ? host : host + ":" + std::to_string(port); }

  /// The connection as a URL for people: without the password, and nothing escaped.
  std::string url() const { return "mssql://" + user + "@" + server() + "/" + database + "?sslmode=" + sslmode(tls.mode); }

  /// How messages name the database: without the password.
  std::string place() const { return "the database '" + database + "' at " + server(); }
};

}  // namespace visor

#endif
