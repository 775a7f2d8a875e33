#ifndef VISOR_DRIVER_TLS_HPP
#define VISOR_DRIVER_TLS_HPP

#include "visor/base/error.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <string>

namespace visor {

/// How a connection is protected. Each means the same with every database, and none falls back to another.
///
/// - `disable`: not at all.
/// - `require`: encrypted, to whomever it is that answers.
/// - `verify_ca`: to a server whose certificate comes from an authority that is trusted.
/// - `verify_full`: and which bears the name that was connected to.
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

/// TLS of a connection. Each certificate and key is the path of a PEM file, or what is in one, from its `-----BEGIN ` on.
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
      throw error(condition::invalid_argument,
                  cert.empty() ? "tls.key needs its certificate in tls.cert" : "tls.cert needs its key in tls.key");
    if (mode == tls_mode::disable && !(ca.empty() && cert.empty()))
      throw error(condition::invalid_argument, "tls.ca and tls.cert need TLS: tls.mode is disable");
  }
};
BOOST_DESCRIBE_STRUCT(tls_settings, (), (mode, ca, cert, key))

}  // namespace visor

#endif
