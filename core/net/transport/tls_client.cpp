#include "core/net/transport/tls_client.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <map>
#include <mutex>

#include "core/net/transport/network.hpp"

namespace route::net {

namespace {

bool verify_address(SSL* ssl, const std::string& address)
{
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address.c_str()) == 1;
}

bool verify_name(SSL* ssl, const std::string& name)
{
    return SSL_set_tlsext_host_name(ssl, name.c_str()) == 1 && SSL_set1_host(ssl, name.c_str()) == 1;
}

std::string describe_certificate(long verdict)
{
    switch (verdict) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
            return "its certificate is for another host name";
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "its certificate is for another address";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "its certificate is from an authority that is not trusted";
        default:
            return X509_verify_cert_error_string(verdict);
    }
}

}  // namespace

/// The latest session of each origin.
struct TlsClient::Sessions
{
    ~Sessions()
    {
        for (auto& [origin, session] : latest)
            SSL_SESSION_free(session);
    }

    std::mutex mutex;
    std::map<std::string, SSL_SESSION*> latest;
};

/// What an SSL keeps of where it leads.
struct TlsClient::Origin
{
    std::shared_ptr<Sessions> sessions;
    std::string host_and_port;
};

int TlsClient::origin_index()
{
    static const int index = SSL_get_ex_new_index(
        0, nullptr, nullptr, nullptr,
        [](void*, void* origin, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<Origin*>(origin); });
    return index;
}

TlsClient::TlsClient(SSL_CTX* context) : context_{context}, sessions_{std::make_shared<Sessions>()}
{
    static std::atomic<std::uint64_t> made{0};
    number_ = ++made;
}

Result<std::shared_ptr<TlsClient>> TlsClient::make(const std::string& ca_file)
{
    auto* context = SSL_CTX_new(TLS_client_method());
    if (context == nullptr)
        return Invalid{"OpenSSL cannot make a TLS context"};
    std::shared_ptr<TlsClient> client{new TlsClient{context}};
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    const auto loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                                        : SSL_CTX_load_verify_file(context, ca_file.c_str());
    if (loaded != 1)
        return Invalid{"cannot read certificate authorities from '" + ca_file + "'"};
    static const unsigned char http11[] = "\x08http/1.1";
    SSL_CTX_set_alpn_protos(context, http11, sizeof http11 - 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, &on_new_session);
    return client;
}

TlsClient::~TlsClient()
{
    SSL_CTX_free(context_);
}

SSL* TlsClient::session(const std::string& host, std::uint16_t port)
{
    auto* ssl = SSL_new(context_);
    if (ssl == nullptr)
        return nullptr;
    const bool verifies = is_address(host) ? verify_address(ssl, host) : verify_name(ssl, host);
    auto origin = std::make_unique<Origin>(Origin{sessions_, host + ":" + std::to_string(port)});
    if (!verifies || SSL_set_ex_data(ssl, origin_index(), origin.get()) != 1) {
        SSL_free(ssl);
        return nullptr;
    }
    const auto& kept = *origin.release();
    const std::lock_guard lock{sessions_->mutex};
    if (const auto known = sessions_->latest.find(kept.host_and_port); known != sessions_->latest.end())
        SSL_set_session(ssl, known->second);
    SSL_set_connect_state(ssl);
    return ssl;
}

int TlsClient::on_new_session(SSL* ssl, SSL_SESSION* session)
{
    const auto* origin = static_cast<const Origin*>(SSL_get_ex_data(ssl, origin_index()));
    if (origin == nullptr)
        return 0;
    const std::lock_guard lock{origin->sessions->mutex};
    auto& kept = origin->sessions->latest[origin->host_and_port];
    if (kept != nullptr)
        SSL_SESSION_free(kept);
    kept = session;
    return 1;  // the reference is ours now
}

std::string TlsClient::describe_failure(SSL* ssl)
{
    const auto verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        return describe_certificate(verified);
    const auto code = ERR_peek_last_error();
    if (code == 0 || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return "the connection ended during the handshake";
    if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
        return "the answer is not TLS";
    if (ERR_GET_REASON(code) == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION ||
        ERR_GET_REASON(code) == SSL_R_UNSUPPORTED_PROTOCOL)
        return "it speaks no TLS 1.2 or newer";
    const auto* reason = ERR_reason_error_string(code);
    return reason == nullptr ? "the handshake failed" : reason;
}

}  // namespace route::net
