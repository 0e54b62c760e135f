#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "core/result.hpp"

namespace route::net {

/// TLS towards clients (1.2 or newer, HTTP/1.1 by ALPN), with one certificate. Immutable; used by all event
/// loops. Connections made with it may outlive it.
class TlsServer
{
  public:
    /// `certificate`: a PEM file with the server's certificate and those that lead to its authority;
    /// `private_key`: a PEM file without a passphrase. The reason of a refusal names the file.
    static Result<std::shared_ptr<TlsServer>> make(const std::string& certificate,
                                                   const std::string& private_key);

    ~TlsServer();
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    /// A server-side session, ready for its handshake. The caller owns it. Null when memory has run out.
    SSL* session() const;

  private:
    explicit TlsServer(SSL_CTX* context) : context_{context} {}

    SSL_CTX* context_;
};

}  // namespace route::net
