#pragma once

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <mutex>
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

    /// A client-side session for `host` (a name, or an address without brackets), ready for its handshake.
    /// The caller owns it.
    SSL* session(const std::string& host, std::uint16_t port);

    /// What a person should know of a failed handshake: "certificate has expired", "host name does not match
    /// its certificate".
    static std::string describe_failure(SSL* ssl);

  private:
    explicit TlsClient(SSL_CTX* context) : context_{context} {}
    static int on_new_session(SSL* ssl, SSL_SESSION* session);

    SSL_CTX* context_;
    std::mutex mutex_;
    std::map<std::string, SSL_SESSION*> sessions_;  ///< the latest of each host:port
};

}  // namespace route::net
