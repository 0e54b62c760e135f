#pragma once

#include <optional>

#include "core/net/client_reply.hpp"
#include "core/net/request_record.hpp"
#include "core/net/tunnel.hpp"

namespace route::net {

/// A WebSocket (RFC 6455) that an upstream has accepted: the handshake's reply, then bytes that are passed on
/// untouched, and read along for the records of its responses.
class WebSocketRelay
{
  public:
    /// All outlive it.
    WebSocketRelay(EventLoop& loop, const RoutingTable& table, Client& client, ClientReply& reply,
                   RequestRecord& handshake);

    /// Until both have ended; notes in the record how. How it failed, if that was the upstream's doing.
    awaitable<std::optional<AttemptFailure>> run(Attempt& attempt);

    /// Time in which bytes could pass.
    Clock::duration open_time() const { return open_time_; }

  private:
    std::optional<AttemptFailure> note_end(Attempt& attempt, const TunnelEnd& end);

    EventLoop& loop_;
    const RoutingTable& table_;
    Client& client_;
    ClientReply& reply_;
    RequestRecord& handshake_;
    Record& record_;
    Clock::duration open_time_{};
};

}  // namespace route::net
