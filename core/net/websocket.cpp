// WebSocket (RFC 6455): after the handshake, bytes that are nobody's business.
#include "core/http/websocket.hpp"

#include <boost/asio/error.hpp>

#include "core/net/exchange.hpp"
#include "core/net/tunnel.hpp"
#include "core/text.hpp"

namespace route::net {

bool Exchange::wants_websocket() const
{
    const auto upgrade = find_field(request_.fields(), http::field::upgrade);
    return request_.parser->method() == "GET" && !request_.http10() && request_.parser->upgrade() &&
           equal_ignoring_case(upgrade, "websocket");
}

std::string_view Exchange::key_among_protocols() const
{
    for (const auto& field : request_.fields())
        if (field.id == http::field::sec_websocket_protocol)
            if (const auto key = route::key_among_protocols(field.value))
                return *key;
    return {};
}

/// Nothing of the reply is held back for the record, which comes when all is over.
awaitable<std::optional<AttemptFailure>> Exchange::tunnel(Attempt& attempt)
{
    client_.unwatch();
    keep_alive_ = false;
    start_reply(attempt, record_.attempts.size() + 1);
    record_.outcome = RequestOutcome::ok;
    auto written = writer_.write({}, false);
    if (written == ReplyWriter::Written::waiting)
        written = co_await writer_.drain();
    if (written == ReplyWriter::Written::gone) {
        client_closed("at the handshake");
        co_return std::nullopt;
    }
    const auto begin = Clock::now();
    Tunnel tunnel{loop_, client_.connection, attempt.connection(), table_->settings.timeouts.idle};
    auto from_client = std::exchange(client_.input, {});
    std::string from_upstream{attempt.pending()};
    attempt.drop_pending();
    co_await tunnel.run(std::move(from_client), std::move(from_upstream));
    waited_ += Clock::now() - begin;
    record_.body_bytes = tunnel.client_bytes();
    record_.response_bytes = tunnel.upstream_bytes();
    record_.reply.clear();
    record_.reply.kind = ReplyCapture::Kind::binary;
    record_.reply.content_type = "websocket";
    co_return end_tunnel(attempt, tunnel);
}

/// How it failed, if that was the upstream's doing.
std::optional<AttemptFailure> Exchange::end_tunnel(Attempt& attempt, const Tunnel& tunnel)
{
    if (client_.stopped() || tunnel.end() == Tunnel::End::client) {
        client_closed(tunnel.error() == asio::error::timed_out ? "by taking nothing for too long"
                                                               : "without ending its side");
        return std::nullopt;
    }
    if (tunnel.end() == Tunnel::End::both)
        return std::nullopt;
    record_.outcome = RequestOutcome::truncated;
    if (tunnel.end() == Tunnel::End::silence) {
        record_.error = "both sides silent for too long";  // nobody's failure
        return std::nullopt;
    }
    const bool timed_out = tunnel.error() == asio::error::timed_out;
    auto failure = attempt.failed(timed_out ? Cause::timeout : Cause::transport, tunnel.error());
    record_.error = describe(failure);
    return failure;
}

}  // namespace route::net
