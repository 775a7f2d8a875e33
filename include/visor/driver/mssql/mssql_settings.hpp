#ifndef VISOR_DRIVER_MSSQL_MSSQL_SETTINGS_HPP
#define VISOR_DRIVER_MSSQL_MSSQL_SETTINGS_HPP

#include "visor/driver/server_options.hpp"
#include "visor/settings/tls_option.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor {

/// The settings to reach a Microsoft SQL Server. A host `server\instance` is a named instance, whose port the browser service tells over
/// UDP 1434; `port` is unused then. In a URL it is `mssql://server/database?instance=name`.
struct mssql_settings : server_options {
  std::string odbc_driver = "FreeTDS";  ///< its name in odbcinst.ini, or the path of its library

  mssql_settings() { port = 1433; }
  friend bool operator==(mssql_settings const&, mssql_settings const&) = default;

  static constexpr char const* more_options = ", instance, encrypt, trustServerCertificate, odbc_driver";
  /// Sets an option.
  /// \return false when there is no such option
  /// \throws std::invalid_argument with the allowed values, for any other value
  bool set_option(std::string const& option, std::string const& value) {
    if (option == "odbc_driver") {
      odbc_driver = value;
    } else if (option == "instance") {
      host += '\\' + value;
    } else if (detail::is_encrypt_option(option)) {
      encryption_of(value);
    } else if (detail::is_trust_option(option)) {
      flag_of(value);
    } else {
      return false;
    }
    return true;
  }

  /// Evaluates `encrypt` and `trustServerCertificate`, which depend on each other and on other TLS options.
  /// \param options of a URL, all of which were set
  /// \return the contradicting options; empty if there are none
  std::string settle_tls(std::vector<std::pair<std::string, std::string>> const& options) {
    struct word {
      std::string text;  // as written
      encryption value;
    };
    std::optional<word> encrypt, trust, other;
    for (auto const& [name, value] : options) {
      std::string const text = name + "=" + value;
      bool const is_other = detail::is_tls_mode(name) || name == "sslaccept";
      if (is_other) other = word{name, encryption::off};
      std::optional<word>* const at = detail::is_encrypt_option(name) ? &encrypt : detail::is_trust_option(name) ? &trust : nullptr;
      if (at == nullptr) continue;
      word const given{text, at == &encrypt ? encryption_of(value) : flag_of(value)};
      if (*at && (*at)->value != given.value) return (*at)->text + " and " + text;
      *at = given;
    }
    bool const is_on = encrypt && encrypt->value != encryption::off;
    bool const trusts = trust && trust->value != encryption::off;
    if (encrypt && encrypt->value == encryption::strict && trusts) return encrypt->text + " and " + trust->text;
    if (other) {
      bool const verifies = tls.mode == tls_mode::verify_ca || tls.mode == tls_mode::verify_full;
      if (encrypt && is_on != (tls.mode != tls_mode::disable)) return encrypt->text + " and " + other->text;
      if (encrypt && encrypt->value == encryption::strict && !verifies) return encrypt->text + " and " + other->text;
      if (trust && tls.mode != tls_mode::disable && trusts == verifies) return trust->text + " and " + other->text;
    } else if (encrypt ? is_on : trust.has_value()) {
      tls.mode = trusts ? tls_mode::require : tls_mode::verify_full;
    }
    return {};
  }

  void check() const {
    check_host();
    server_options::check();
    if (is_local()) throw error(errc::invalid_argument, "host is a path: SQL Server is reached over TCP only");
    auto const cut = host.find('\\');
    if (cut == 0 || (has_instance() && (cut + 1 == host.size() || cut != host.rfind('\\'))))
      throw error(errc::invalid_argument, "host is " + host + ": a named instance is server\\instance");
    // These texts pass through other languages, which cannot express them.
    for (std::string const* const each : {&host, &tls.ca})
      if (std::ranges::any_of(*each, [](char c) { return static_cast<unsigned char>(c) < ' '; }) && !each->starts_with("-----"))
        throw error(errc::invalid_argument, "host or ssl.ca has a line break or another control character");
    for (std::string const* const each : {&user, &database, &odbc_driver, &application, &password.reveal()})
      if (each->find("};") != std::string::npos)
        throw error(errc::invalid_argument,
                    "the user, the password, the database, application_name or odbc_driver has `};`, which ODBC cannot be given");
    if (!tls.cert.empty()) throw error(errc::invalid_argument, "ssl.cert is set: SQL Server knows no certificates of clients");
  }

  bool has_instance() const { return host.find('\\') != std::string::npos; }
  std::string server() const { return has_instance() ? host : server_options::server(); }

  /// The connection as a URL for people: without the password, and unescaped.
  std::string url() const { return "mssql://" + user + "@" + server() + "/" + database + "?sslmode=" + sslmode(tls.mode); }

  /// The name of the database in messages: without the password.
  std::string display_name() const { return "the database '" + database + "' at " + server(); }

 private:
  enum class encryption { off, on, strict };

  /// Accepts the values of ODBC (yes, mandatory, strict), .NET (True), JDBC (true), PHP (1) and Go (disable, t).
  static encryption encryption_of(std::string const& value) {
    std::string const word = detail::lower_word(value);
    if (word == "strict") return encryption::strict;
    if (detail::is_among(word, {"true", "yes", "mandatory", "1", "t"})) return encryption::on;
    if (detail::is_among(word, {"false", "no", "optional", "0", "f", "disable"})) return encryption::off;
    throw std::invalid_argument("true, yes, mandatory, 1, strict; or false, no, optional, 0, disable");
  }
  static encryption flag_of(std::string const& value) {
    std::string const word = detail::lower_word(value);
    if (detail::is_among(word, {"true", "yes", "1", "t"})) return encryption::on;
    if (detail::is_among(word, {"false", "no", "0", "f"})) return encryption::off;
    throw std::invalid_argument("true, yes, 1; or false, no, 0");
  }

  /// Refuses the spellings of hosts in other drivers.
  void check_host() const {
    auto const refuse = [&](std::string const& why) { throw error(errc::invalid_argument, "host is " + host + ": " + why); };
    if (auto const comma = host.find(','); comma != std::string::npos) {
      std::string const rest = host.substr(comma + 1);
      bool const is_port = !rest.empty() && rest.find_first_not_of("0123456789 ") == std::string::npos;
      if (is_port)
        refuse("a port stands apart, as `port: " + rest.substr(std::min(rest.find_first_not_of(' '), rest.size())) + "`, or in a URL as " +
               host.substr(0, comma) + ":" + rest);
      refuse("SQL Server has one host; name the listener of the availability group, or the primary server");
    }
    if (detail::lower_word(host).starts_with("tcp:") || detail::lower_word(host).starts_with("np:") ||
        detail::lower_word(host).starts_with("lpc:"))
      refuse("SQL Server is reached over TCP only: leave out what is before the name");
  }
};

}  // namespace visor

#endif
