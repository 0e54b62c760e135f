#include "core/net/tls_client.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace route::net {

namespace {

/// Where an SSL keeps the host:port its session is stored under.
int origin_index()
{
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr,
                                                  [](void*, void* origin, CRYPTO_EX_DATA*, int, long, void*) {
                                                      delete static_cast<std::string*>(origin);
                                                  });
    return index;
}

bool is_address(const std::string& host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

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
    SSL_CTX_set_app_data(context, client.get());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, &on_new_session);
    return client;
}

TlsClient::~TlsClient()
{
    SSL_CTX_set_app_data(context_,
                         nullptr);  // connections may outlive this by their own references to the context
    for (auto& [origin, session] : sessions_)
        SSL_SESSION_free(session);
    SSL_CTX_free(context_);
}

SSL* TlsClient::session(const std::string& host, std::uint16_t port)
{
    auto* ssl = SSL_new(context_);
    auto origin = std::make_unique<std::string>(host + ":" + std::to_string(port));
    if (is_address(host)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
    } else {
        SSL_set_tlsext_host_name(ssl, host.c_str());
        SSL_set1_host(ssl, host.c_str());
    }
    {
        const std::lock_guard lock{mutex_};
        if (const auto known = sessions_.find(*origin); known != sessions_.end())
            SSL_set_session(ssl, known->second);
    }
    SSL_set_ex_data(ssl, origin_index(), origin.release());
    SSL_set_connect_state(ssl);
    return ssl;
}

int TlsClient::on_new_session(SSL* ssl, SSL_SESSION* session)
{
    auto* client = static_cast<TlsClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    const auto* origin = static_cast<const std::string*>(SSL_get_ex_data(ssl, origin_index()));
    if (client == nullptr || origin == nullptr)
        return 0;
    const std::lock_guard lock{client->mutex_};
    auto& kept = client->sessions_[*origin];
    if (kept != nullptr)
        SSL_SESSION_free(kept);
    kept = session;
    return 1;  // the reference is ours now
}

std::string TlsClient::describe_failure(SSL* ssl)
{
    const auto verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        return X509_verify_cert_error_string(verified);
    const auto code = ERR_peek_last_error();
    const auto* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    return reason == nullptr ? "the connection ended during the handshake" : reason;
}

}  // namespace route::net
