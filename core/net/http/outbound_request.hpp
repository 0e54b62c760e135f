#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/failover/failover_policy.hpp"
#include "core/failover/timeouts.hpp"
#include "core/net/loop/event_loop.hpp"
#include "core/net/transport/destination.hpp"

namespace route::net {

/// A request of the router's own, not a client's.
struct OutboundRequest
{
    std::string head;  ///< as it goes out
    std::string body = {};
};

/// How long it may take.
struct OutboundLimits
{
    AttemptTimeouts timeouts;
    TimePoint total = TimePoint::max();
    std::optional<Seconds> body = {};  ///< after so long what has come of the body is the reply
};

struct OutboundReply
{
    /// Why there is no response, or that one which says it succeeds broke off.
    std::optional<AttemptFailure> failure = {};
    unsigned status = 0;    ///< 0: there was no response
    std::string body = {};  ///< its first 64 KiB
    bool whole = false;     ///< that is all there is
    std::string content_type = {};
    std::string content_encoding = {};
    std::string retry_after = {};
    Clock::duration elapsed{};
};

/// Sends it by the same connections, TLS and proxies as requests of clients. `Cause::stopped` when the loop
/// stops meanwhile. What `destination` refers to outlives it. On the loop's thread.
awaitable<OutboundReply> send_outbound(EventLoop& loop, Destination destination, OutboundRequest request,
                                       OutboundLimits limits);

}  // namespace route::net
