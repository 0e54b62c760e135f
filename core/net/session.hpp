#pragma once

#include "core/net/exchange.hpp"

namespace route::net {

/// One client connection: its requests, one after the other, until either side has had enough.
class Session final : public Stoppable
{
  public:
    /// Takes over an accepted, non-blocking socket.
    Session(EventLoop& loop, int socket, asio::ip::address peer);
    ~Session();

    awaitable<void> run();

    void drain() override;
    void stop() override;

  private:
    awaitable<bool> start_tls(std::shared_ptr<const TlsServer> tls);
    awaitable<error_code> shake_hands_with(const TlsServer& tls);
    awaitable<void> refuse_plain_http();

    EventLoop& loop_;
    Client client_;
    KnownCredential known_;
    bool fresh_ = true;             ///< its first request has not come
    HeadReader* reader_ = nullptr;  ///< between requests
};

/// Owns a session for as long as it runs.
awaitable<void> run_session(std::unique_ptr<Session> session);

}  // namespace route::net
