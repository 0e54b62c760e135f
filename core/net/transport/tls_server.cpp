#include "core/net/transport/tls_server.hpp"

#include <openssl/err.h>

#include <cerrno>
#include <cstring>

namespace route::net {

namespace {

constexpr unsigned char http11[] = "\x08http/1.1";

/// A client that offers only other protocols is told so by an alert (RFC 7301 3.2).
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned offered_size, void*)
{
    unsigned char* found = nullptr;
    const auto verdict =
        SSL_select_next_proto(&found, chosen_size, http11, sizeof http11 - 1, offered, offered_size);
    if (verdict != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

/// OpenSSL would ask the terminal for one. Notes that it was wanted.
int no_passphrase(char*, int, int, void* wanted)
{
    *static_cast<bool*>(wanted) = true;
    return -1;
}

/// What OpenSSL says of `file`, in words for a person.
Invalid refusal(std::string_view what, const std::string& file)
{
    const auto code = ERR_peek_error();
    const int system_error = errno;
    std::string reason;
    if (ERR_SYSTEM_ERROR(code))
        reason = std::strerror(ERR_GET_REASON(code));
    else if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
        reason = "it holds none in PEM form";
    else if (const auto* said = ERR_reason_error_string(code); said != nullptr)
        reason = said;
    else
        reason = system_error != 0 ? std::strerror(system_error) : "it is not usable";
    ERR_clear_error();
    return Invalid{"cannot read the " + std::string{what} + " in '" + file + "': " + reason};
}

}  // namespace

Result<std::shared_ptr<TlsServer>> TlsServer::make(const std::string& certificate,
                                                   const std::string& private_key)
{
    auto* context = SSL_CTX_new(TLS_server_method());
    if (context == nullptr)
        return Invalid{"OpenSSL cannot make a TLS context"};
    std::shared_ptr<TlsServer> server{new TlsServer{context}};
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
    bool passphrase_wanted = false;
    SSL_CTX_set_default_passwd_cb(context, &no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &passphrase_wanted);
    // Sessions are resumed by the tickets their clients hold (RFC 8446 4.6.1): none is kept here.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    ERR_clear_error();
    errno = 0;
    if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
        return refusal("certificate", certificate);
    const bool usable = SSL_CTX_use_PrivateKey_file(context, private_key.c_str(), SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
    if (usable)
        return server;
    const bool anothers = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_X509;
    if (!anothers && !passphrase_wanted)
        return refusal("private key", private_key);
    ERR_clear_error();
    return Invalid{"the private key in '" + private_key +
                   (anothers ? "' is not that of the certificate in '" + certificate + "'"
                             : "' is encrypted with a passphrase: expected one without")};
}

TlsServer::~TlsServer()
{
    SSL_CTX_free(context_);
}

SSL* TlsServer::session() const
{
    auto* ssl = SSL_new(context_);
    if (ssl != nullptr)
        SSL_set_accept_state(ssl);
    return ssl;
}

}  // namespace route::net
