#pragma once

#include "core/net/attempt.hpp"
#include "core/record.hpp"

namespace route::net {

/// Tries one upstream once with a request that is no client's, and reads the reply to its end. In `record`
/// are then the reply, its length and times, and the one attempt; none when the loop was told to stop
/// meanwhile. All outlive it.
awaitable<void> try_once(EventLoop& loop, const RoutingTable& table, const Upstream& upstream,
                         const OutgoingRequest& request, Record& record);

}  // namespace route::net
