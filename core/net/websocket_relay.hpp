#pragma once

#include <optional>

#include "core/net/client_reply.hpp"
#include "core/net/tunnel.hpp"

namespace route::net {

/// A WebSocket (RFC 6455) that an upstream has accepted: the handshake's reply, then bytes that are passed on
/// untouched.
class WebSocketRelay final : private TunnelReader
{
  public:
    /// All outlive it.
    WebSocketRelay(EventLoop& loop, const RoutingTable& table, Client& client, ClientReply& reply,
                   Record& record);

    /// Until both have ended; notes in the record how. How it failed, if that was the upstream's doing.
    awaitable<std::optional<AttemptFailure>> run(Attempt& attempt);

    /// Time in which bytes could pass.
    Clock::duration open_time() const { return open_time_; }

  private:
    void read_client(std::string_view bytes) override;
    void read_upstream(std::string_view bytes) override;
    std::optional<AttemptFailure> note_end(Attempt& attempt, const TunnelEnd& end);

    EventLoop& loop_;
    const RoutingTable& table_;
    Client& client_;
    ClientReply& reply_;
    Record& record_;
    Clock::duration open_time_{};
};

}  // namespace route::net
