#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/net/attempt.hpp"

namespace route::net {

/// A request of the router's own, not a client's.
struct OutboundRequest
{
    std::string method;
    std::string query = {};  ///< with its '?', or empty
    std::vector<std::pair<std::string, std::string>> fields = {};
    std::string body = {};
};

struct OutboundReply
{
    std::optional<AttemptFailure> failure = {};  ///< another status than 2xx included
    unsigned status = 0;                         ///< 0: there was no response
    std::string body = {};                       ///< its first 64 KiB; of a failed response, if it came whole
    std::string retry_after = {};
    Clock::duration elapsed{};
};

/// Sends it to the one upstream of `table`, whose endpoint is the whole URL, by the same connections, TLS and
/// proxies as requests of clients. Takes `limits.connect`, `.head` and `.idle` at most, and `bound` in all.
/// On the loop's thread.
awaitable<OutboundReply> send_outbound(EventLoop& loop, RoutingTablePtr table, const OutboundRequest& request,
                                       AttemptTimeouts limits, Clock::duration bound);

}  // namespace route::net
