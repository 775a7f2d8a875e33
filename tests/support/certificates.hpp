#ifndef VISOR_TESTS_HANDLER_CERTIFICATES_HPP
#define VISOR_TESTS_HANDLER_CERTIFICATES_HPP

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace visor_test {

/// A certificate with its key, made on the spot.
class certificate {
 public:
  /// \param names as in subjectAltName: `DNS:localhost,IP:127.0.0.1`; empty for a CA
  /// \param issuer null: self-signed
  /// \param from, until in seconds from now
  certificate(std::string const& common_name, std::string const& names, certificate const* issuer, long from = -3600, long until = 3600)
      : key_(EVP_EC_gen("P-256"), EVP_PKEY_free), x509_(X509_new(), X509_free) {
    static long serial = 1;
    X509_set_version(x509_.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509_.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509_.get()), from);
    X509_gmtime_adj(X509_getm_notAfter(x509_.get()), until);
    X509_set_pubkey(x509_.get(), key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509_.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<unsigned char const*>(common_name.c_str()), -1, -1, 0);
    auto const& signer = issuer == nullptr ? *this : *issuer;
    X509_set_issuer_name(x509_.get(), X509_get_subject_name(signer.x509_.get()));
    if (names.empty())
      extend(NID_basic_constraints, "critical,CA:TRUE");
    else
      extend(NID_subject_alt_name, names);
    X509_sign(x509_.get(), signer.key_.get(), EVP_sha256());
  }

  std::string pem() const {
    return text([this](BIO* to) { PEM_write_bio_X509(to, x509_.get()); });
  }
  std::string key_pem() const {
    return text([this](BIO* to) { PEM_write_bio_PrivateKey(to, key_.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  }

 private:
  void extend(int what, std::string const& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
    X509_add_ext(x509_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  template <class Write>
  static std::string text(Write write) {
    std::unique_ptr<BIO, decltype(&BIO_free)> const memory(BIO_new(BIO_s_mem()), BIO_free);
    write(memory.get());
    char* data = nullptr;
    long const size = BIO_get_mem_data(memory.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  std::unique_ptr<X509, decltype(&X509_free)> x509_;
};

}  // namespace visor_test

#endif
