#ifndef VISOR_DRIVER_TLS_FILES_HPP
#define VISOR_DRIVER_TLS_FILES_HPP

#include "visor/base/error.hpp"
#include "visor/settings/tls_settings.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

namespace visor {

/// Certificates and keys as files, for client libraries that accept nothing else. A certificate or key that was given as text is written to
/// memory that has a path for this process: it never reaches a disk, and no other user can open it. It is released with this object, also
/// when the process is killed.
class tls_files {
 public:
  /// \throws visor::error `internal` when there is no memory for the files
  explicit tls_files(tls_settings from) : paths_(std::move(from)) {
    for (std::string* const each : {&paths_.ca, &paths_.cert, &paths_.key})
      if (each->find("-----BEGIN ") != std::string::npos) *each = keep(*each);
  }
  ~tls_files() {
    for (int const file : files_) ::close(file);
  }
  tls_files(tls_files const&) = delete;
  tls_files& operator=(tls_files const&) = delete;

  /// The settings, with a path for each certificate and key.
  tls_settings const& paths() const noexcept { return paths_; }

  /// \throws visor::error `tls_failed` that names the first file that cannot be read or is in DER, or a key that has a passphrase
  void check() const {
    struct role {
      char const* name;
      std::string const& path;
      char const* kind;  ///< of `openssl`
    };
    if (paths_.mode == tls_mode::disable) return;
    for (role const& each : {role{"CA certificate", paths_.ca, "x509"}, role{"client certificate", paths_.cert, "x509"},
                             role{"client key", paths_.key, "pkey"}}) {
      if (each.path.empty()) continue;
      if (::access(each.path.c_str(), R_OK) != 0)
        throw error(errc::tls_failed,
                    std::string("cannot read the ") + each.name + " " + each.path + ": " + std::generic_category().message(errno));
      if (is_der(each.path)) throw error(errc::tls_failed, std::string("the ") + each.name + der_remedy(each.kind));
    }
    if (!paths_.key.empty() && is_encrypted_key(paths_.key))
      throw error(errc::tls_failed, std::string("the client key") + encrypted_key_remedy);
  }

 private:
  std::string keep(std::string const& text) {
    int const file = ::memfd_create("visor", MFD_CLOEXEC);
    if (file >= 0) files_.push_back(file);
    if (file < 0 || ::fchmod(file, S_IRUSR | S_IWUSR) != 0 || ::write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      throw error(errc::internal, "no memory for a certificate: " + std::generic_category().message(errno));
    return "/proc/self/fd/" + std::to_string(file);
  }

  tls_settings paths_;
  std::vector<int> files_;
};

}  // namespace visor

#endif
