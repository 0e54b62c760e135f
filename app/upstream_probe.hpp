#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <stop_token>
#include <string>

#include "app/routing_view.hpp"
#include "core/record.hpp"

namespace route {

/// What came of asking an upstream.
struct ProbeResult
{
    std::optional<unsigned> status;         ///< none: no response
    std::optional<AttemptOutcome> outcome;  ///< none: it could not be asked
    std::string error;                      ///< for people, without the upstream's key; "" when it succeeded
    Nanoseconds elapsed{};
    bool json = false;  ///< what it answered says of itself that it is JSON
};

/// What serving uses, where it does; else made now. Refused, with the reason, when it cannot be used.
Result<std::shared_ptr<const Upstream>> usable_upstream(const RoutingView& view,
                                                        const ViewedUpstream& upstream);

/// Asks `upstream` of `view` for `GET /models` as a request would be sent by serving: its key, proxy, TLS,
/// timeouts; the table of `view` has what upstreams are reached with. A connection of its own; blocks until
/// the answer is there or given up, or `stop` is requested. One that is disabled is asked all the same.
ProbeResult probe_upstream(const RoutingView& view, const ViewedUpstream& upstream,
                           const std::stop_token& stop = {});

/// The result for people and programs, without secrets: `upstream`, `endpoint`, `ok`, `status`, `outcome`,
/// `latency_ms`, `error`, `json`.
boost::json::object probe_json(const ViewedUpstream& upstream, const ProbeResult& result);

}  // namespace route
