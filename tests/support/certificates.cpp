#include "tests/support/certificates.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace route::test {

namespace {

constexpr long seconds_of_a_day = 24L * 3600;

void require(bool done, const char* what)
{
    if (!done)
        throw std::runtime_error{what};
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    auto* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    require(extension != nullptr, "an extension of a certificate");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/// Unsigned, with a key of its own.
Certificate draft(const CertificateText& text)
{
    static long serial = 0;
    Certificate made{CertificatePtr{X509_new()}, PrivateKeyPtr{EVP_EC_gen("P-256")}};
    require(made.certificate && made.key, "a certificate and its key");
    auto* certificate = made.certificate.get();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), text.days_from * seconds_of_a_day);
    X509_gmtime_adj(X509_getm_notAfter(certificate), text.days_until * seconds_of_a_day);
    X509_set_pubkey(certificate, made.key.get());
    const auto* name = reinterpret_cast<const unsigned char*>(text.name.c_str());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, name, -1, -1, 0);
    return made;
}

void sign(Certificate& draft, X509* issuer, EVP_PKEY* key)
{
    auto* certificate = draft.certificate.get();
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    require(X509_sign(certificate, key, EVP_sha256()) != 0, "a signature");
}

std::string alternative_names(const CertificateText& text)
{
    auto names = "DNS:" + text.name;
    for (const auto& address : text.addresses)
        names += ",IP:" + address;
    return names;
}

Certificate make_authority()
{
    auto made = draft({.name = "authority of the tests"});
    auto* certificate = made.certificate.get();
    add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign");
    add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
    sign(made, certificate, made.key.get());
    return made;
}

void write_pem(const std::string& path, X509* certificate)
{
    auto* file = std::fopen(path.c_str(), "w");
    require(file != nullptr, "a file of certificates");
    const bool written = PEM_write_X509(file, certificate) == 1;
    require(std::fclose(file) == 0 && written, "a certificate in a file");
}

}  // namespace

Certificate self_signed(const CertificateText& text)
{
    auto made = draft(text);
    auto* certificate = made.certificate.get();
    add_extension(certificate, certificate, NID_subject_alt_name, alternative_names(text));
    sign(made, certificate, made.key.get());
    return made;
}

CertificateAuthority::CertificateAuthority() : own_{make_authority()}
{
    file_ = (std::filesystem::temp_directory_path() / "route-authority-XXXXXX").string();
    const int made = ::mkstemp(file_.data());
    require(made >= 0, "a temporary file");
    ::close(made);
    write_pem(file_, own_.certificate.get());
}

CertificateAuthority::~CertificateAuthority()
{
    ::unlink(file_.c_str());
}

Certificate CertificateAuthority::issue(const CertificateText& text) const
{
    auto made = draft(text);
    auto* certificate = made.certificate.get();
    add_extension(certificate, own_.certificate.get(), NID_subject_alt_name, alternative_names(text));
    add_extension(certificate, own_.certificate.get(), NID_authority_key_identifier, "keyid:always");
    sign(made, own_.certificate.get(), own_.key.get());
    return made;
}

void CertificateAuthority::renew()
{
    own_ = make_authority();
    write_pem(file_, own_.certificate.get());
}

}  // namespace route::test
