#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace route::test {

struct FreeOpenSsl
{
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using CertificatePtr = std::unique_ptr<X509, FreeOpenSsl>;
using PrivateKeyPtr = std::unique_ptr<EVP_PKEY, FreeOpenSsl>;

/// What a certificate is to say.
struct CertificateText
{
    std::string name = "upstream.test";       ///< common name and DNS name
    std::vector<std::string> addresses = {};  ///< IP addresses it is for as well
    int days_from = -1;                       ///< it is valid from so many days after today
    int days_until = 1;
};

/// A certificate with its key, as a server presents them.
struct Certificate
{
    CertificatePtr certificate;
    PrivateKeyPtr key;
};

/// Signed by itself.
Certificate self_signed(const CertificateText& text = {});

/// An authority made for the test, in a file of its own for `upstream.ca_file`.
class CertificateAuthority
{
  public:
    CertificateAuthority();
    CertificateAuthority(const CertificateAuthority&) = delete;
    CertificateAuthority& operator=(const CertificateAuthority&) = delete;
    ~CertificateAuthority();

    Certificate issue(const CertificateText& text = {}) const;

    /// Of its certificate, PEM.
    const std::string& file() const { return file_; }

    /// From now on it has another key and the file another certificate.
    void renew();

  private:
    Certificate own_;
    std::string file_;
};

}  // namespace route::test
