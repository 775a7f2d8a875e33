#ifndef VISOR_SETTINGS_TLS_SETTINGS_HPP
#define VISOR_SETTINGS_TLS_SETTINGS_HPP

#include "visor/base/error.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstddef>
#include <fstream>
#include <ios>
#include <string>

namespace visor {

/// How a connection is protected. Each mode means the same with every database, and none falls back to another.
///
/// - `disable`: no encryption.
/// - `require`: encrypted; the server is not verified.
/// - `verify_ca`: the server's certificate must come from a trusted authority.
/// - `verify_full`: in addition, the certificate must bear the name that was connected to.
BOOST_DEFINE_ENUM_CLASS(tls_mode, disable, require, verify_ca, verify_full)

/// The mode as `sslmode` of a connection URL: `verify-full`.
constexpr char const* sslmode(tls_mode mode) noexcept {
  switch (mode) {
    case tls_mode::disable: return "disable";
    case tls_mode::require: return "require";
    case tls_mode::verify_ca: return "verify-ca";
    case tls_mode::verify_full: break;
  }
  return "verify-full";
}

namespace detail {

/// The first 64 KiB of a file, or the text itself where it is PEM; empty where the file cannot be read.
inline std::string content_of_pem(std::string const& path_or_text) {
  if (path_or_text.find("-----BEGIN ") != std::string::npos) return path_or_text;
  std::string text;
  std::ifstream file(path_or_text, std::ios::binary);
  constexpr std::size_t longest = 65'536;
  text.resize(longest);
  file.read(text.data(), static_cast<std::streamsize>(longest));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

}  // namespace detail

/// Whether a certificate or key is in DER. Client libraries only report that they cannot read such a file.
/// \param given the path of a file, or PEM
inline bool is_der(std::string const& given) {
  std::string const text = detail::content_of_pem(given);
  // A sequence (X.690, 8.1). Certificates and keys are longer than 127 bytes, so that their length is in the next bytes. Only keys of
  // Ed25519 are shorter.
  auto const byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  return text.size() > 2 && byte(0) == 0x30 && (byte(1) == 0x81 || byte(1) == 0x82 || byte(1) + std::size_t{2} == text.size());
}

/// The remedy that a message gives for a file in DER, after the name of the setting.
/// \param kind of `openssl`: `pkey` or `x509`
inline std::string der_remedy(char const* kind) {
  return " is in DER, and PEM is wanted: openssl " + std::string(kind) + " -inform der -in FILE -out FILE.pem";
}

/// Whether a private key is protected by a passphrase. Libraries would ask for it on the terminal, and wait.
/// \param key the path of a PEM file, or its content
inline bool is_encrypted_key(std::string const& key) {
  std::string const text = detail::content_of_pem(key);
  return text.find("-----BEGIN ENCRYPTED PRIVATE KEY-----") != std::string::npos ||
         text.find("Proc-Type: 4,ENCRYPTED") != std::string::npos;
}

/// The remedy that a message gives for an encrypted key, after the name of the setting.
inline constexpr char const* encrypted_key_remedy =
    " is protected by a passphrase, which visor has nobody to ask for: take it off (openssl pkey -in KEY -out PLAIN), and keep that file "
    "to "
    "this user (chmod 600)";

/// TLS of a connection. Each certificate and key is the path of a PEM file, or its content from `-----BEGIN ` on.
struct tls_settings {
  tls_mode mode = tls_mode::disable;
  std::string ca;    ///< trusted authorities; empty: those of the system
  std::string cert;  ///< the client's certificate; empty: none
  std::string key;   ///< its private key; empty: none

  tls_settings() = default;
  friend bool operator==(tls_settings const&, tls_settings const&) = default;

  /// \throws visor::error `invalid_argument` that names the field
  void check() const {
    if (cert.empty() != key.empty())
      throw error(errc::invalid_argument, cert.empty() ? "ssl.key needs its certificate in ssl.cert" : "ssl.cert needs its key in ssl.key");
    struct role {
      char const* name;
      std::string const& given;
      char const* kind;
    };
    for (role const& each : {role{"ssl.ca", ca, "x509"}, role{"ssl.cert", cert, "x509"}, role{"ssl.key", key, "pkey"}})
      if (!each.given.empty() && is_der(each.given)) throw error(errc::invalid_argument, each.name + der_remedy(each.kind));
    if (!key.empty() && is_encrypted_key(key)) throw error(errc::invalid_argument, std::string("ssl.key") + encrypted_key_remedy);
    if (mode == tls_mode::disable && !(ca.empty() && cert.empty()))
      throw error(errc::invalid_argument,
                  "ssl.ca and ssl.cert need TLS, which is turned off: set ssl.enabled, or sslmode in the connection string");
  }
};
BOOST_DESCRIBE_STRUCT(tls_settings, (), (mode, ca, cert, key))

}  // namespace visor

#endif
