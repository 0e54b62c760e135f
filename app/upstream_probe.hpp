#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/net/routing_table.hpp"
#include "core/record.hpp"
#include "core/settings.hpp"

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

/// Asks the only upstream of `table` for `GET /models` as a request would be sent by serving: its key, proxy,
/// TLS, timeouts. A connection of its own; blocks until the answer is there or given up. `only`: no other
/// upstream is in use (`timeouts.single`).
ProbeResult probe_upstream(const net::RoutingTablePtr& table, bool only);

}  // namespace route
