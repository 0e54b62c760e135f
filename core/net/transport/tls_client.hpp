#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "core/result.hpp"

namespace route::net {

/// TLS towards upstreams: verified against the system's authorities or a file, host name checked, SNI sent,
/// sessions resumed. Used by all event loops; the lock around the sessions is taken once a handshake, not
/// once a request.
class TlsClient
{
  public:
    /// `ca_file` "" means the system's authorities. Refuses a file that cannot be read.
    static Result<std::shared_ptr<TlsClient>> make(const std::string& ca_file);

    ~TlsClient();
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;

    /// No other of this process has the same: what was verified by this one is known by it.
    std::uint64_t number() const { return number_; }

    /// A client-side session for `host` (a name, or an address without brackets), ready for its handshake.
    /// The caller owns it. Null when it cannot be made so that it verifies `host`.
    SSL* session(const std::string& host, std::uint16_t port);

    /// What a person should know of a failed handshake: "certificate has expired", "its certificate is for
    /// another host name".
    static std::string describe_failure(SSL* ssl);

  private:
    struct Sessions;
    struct Origin;

    explicit TlsClient(SSL_CTX* context);
    static int origin_index();
    static int on_new_session(SSL* ssl, SSL_SESSION* session);

    SSL_CTX* context_;
    std::shared_ptr<Sessions> sessions_;  ///< connections that outlive this hold them too
    std::uint64_t number_;
};

}  // namespace route::net
