#include "core/failover/timeouts.hpp"

#include <algorithm>

namespace route {

AttemptTimeouts attempt_timeouts(const TimeoutSettings& settings, const TimeoutFacts& facts,
                                 const Upstream& upstream)
{
    AttemptTimeouts limits{settings.connect, settings.default_, settings.idle,
                           upstream.first_content_timeout.value_or(settings.first_content)};
    if (facts.last_candidate)
        limits.first_content = Seconds{0};
    if (facts.stream)
        limits.head = settings.stream;
    if (facts.body_bytes > settings.large_body_over)
        limits.head = settings.large_body;
    if (facts.last_candidate)
        limits.head = std::max(limits.head, settings.single);
    if (upstream.timeout)
        limits.head = *upstream.timeout;
    if (facts.stream && upstream.stream_timeout)
        limits.head = *upstream.stream_timeout;
    return limits;
}

}  // namespace route
