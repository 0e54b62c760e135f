#pragma once

#include <chrono>
#include <cstdint>

#include "core/failover/upstream.hpp"
#include "core/settings.hpp"

namespace route {

/// The limits of one attempt, computed once, before any I/O.
struct AttemptTimeouts
{
    Seconds connect;  ///< until connected, TLS and proxy included
    Seconds head;     ///< longest wait for the upstream until its response head; restarts while it accepts
                      ///< request bytes
    Seconds idle;     ///< longest silence inside the reply
    Seconds first_content{0};  ///< from a stream's response head to its first content; 0: no limit
};

struct TimeoutFacts
{
    bool stream = false;  ///< the body says "stream": true
    std::uint64_t body_bytes = 0;
    bool last_candidate = false;  ///< no other upstream is left to try, so giving up early helps nobody
};

/// Later ones win: default, stream, large_body, `single` where it is longer (of the last candidate), the
/// upstream's own. `first_content`, the upstream's own too, does not count for the last candidate.
AttemptTimeouts attempt_timeouts(const TimeoutSettings& settings, const TimeoutFacts& facts,
                                 const Upstream& upstream);

}  // namespace route
