#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "tests/support/certificates.hpp"

namespace route::test {

/// A server's side of TLS: its certificate and what it is willing to do.
class TlsServer
{
  public:
    /// Speaks TLS up to `newest`, such as TLS1_2_VERSION.
    explicit TlsServer(Certificate certificate, int newest = TLS1_3_VERSION);
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;
    ~TlsServer();

    SSL_CTX* context() const { return context_; }

  private:
    SSL_CTX* context_;
};

/// One connection's TLS without its socket: bytes of the peer go in, bytes for the peer come out.
class TlsSession
{
  public:
    explicit TlsSession(const TlsServer& server);

    /// Takes what the peer sent and gives what it says in it.
    std::string receive(std::string_view bytes);

    /// Puts it into records; take_output() has them.
    void send(std::string_view text);

    /// A session ticket, as servers send them whenever they like (RFC 8446 4.6.1).
    void send_ticket();

    /// close_notify.
    void say_goodbye();

    /// What is to be sent to the peer; it is taken only once.
    std::string take_output();

    bool established() const { return SSL_is_init_finished(ssl_.get()) == 1; }

    /// The handshake cannot be finished any more.
    bool failed() const { return failed_; }
    bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
    bool heard_goodbye() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }

    /// Of the server name indication; "" without one.
    const std::string& asked_for() const { return asked_for_; }

  private:
    struct Free
    {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };

    std::unique_ptr<SSL, Free> ssl_;
    std::string asked_for_;
    bool failed_ = false;
};

}  // namespace route::test
