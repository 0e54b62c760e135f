#include "core/net/websocket_relay.hpp"

#include <boost/asio/error.hpp>
#include <utility>

#include "core/net/websocket_recorder.hpp"

namespace route::net {

WebSocketRelay::WebSocketRelay(EventLoop& loop, const RoutingTable& table, Client& client, ClientReply& reply,
                               RequestRecord& handshake)
    : loop_{loop},
      table_{table},
      client_{client},
      reply_{reply},
      handshake_{handshake},
      record_{handshake.record()}
{
}

/// Nothing of the reply is held back for the record, which comes when all is over.
awaitable<std::optional<AttemptFailure>> WebSocketRelay::run(Attempt& attempt)
{
    client_.unwatch();
    const bool open = co_await reply_.switch_protocols(attempt);
    if (!open)
        co_return std::nullopt;
    const auto begin = Clock::now();
    const auto recorder = WebSocketRecorder::make(loop_, table_.settings, client_, handshake_, attempt);
    Tunnel tunnel{loop_, client_.connection, attempt.connection(), recorder.get(),
                  table_.settings.timeouts.idle};
    auto from_client = std::exchange(client_.input, {});
    std::string from_upstream{attempt.pending()};
    attempt.drop_pending();
    const auto end = co_await tunnel.run(std::move(from_client), std::move(from_upstream));
    open_time_ = Clock::now() - begin;
    record_.body_bytes = end.client_bytes;
    record_.response_bytes = end.upstream_bytes;
    record_.reply.clear();
    record_.reply.kind = ReplyCapture::Kind::binary;
    record_.reply.content_type = "websocket";
    auto failure = note_end(attempt, end);
    if (recorder)
        recorder->finish(end, failure);
    co_return failure;
}

std::optional<AttemptFailure> WebSocketRelay::note_end(Attempt& attempt, const TunnelEnd& end)
{
    const bool timed_out = end.error == asio::error::timed_out;
    if (client_.stopped() || end.by == TunnelEnd::By::client) {
        reply_.note_client_closed(timed_out ? "by taking nothing for too long" : "without ending its side");
        return std::nullopt;
    }
    if (end.by == TunnelEnd::By::both)
        return std::nullopt;
    record_.outcome = RequestOutcome::truncated;
    if (end.by == TunnelEnd::By::silence) {
        record_.error = "both sides silent for too long";  // nobody's failure
        return std::nullopt;
    }
    auto failure = attempt.failed(timed_out ? Cause::timeout : Cause::transport, end.error);
    record_.error = describe(failure);
    return failure;
}

}  // namespace route::net
