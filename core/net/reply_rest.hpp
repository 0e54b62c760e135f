#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "core/net/attempt.hpp"

namespace route::net {

/// How long the rest of a reply may take.
struct RestLimits
{
    TimePoint until = TimePoint::max();  ///< all of it
    Seconds idle{0};                     ///< longest silence within it; 0: no limit
};

/// Reads what is left of a reply that may be committed and is relayed to nobody, what is pending first; its
/// recorder reads along. `take` gets each piece, valid for the call, and says whether there is to be more.
/// How the upstream failed at it, if it did. Once `attempt` has failed, or `take` wants no more, its
/// connection is closed.
awaitable<std::optional<AttemptFailure>> read_rest(EventLoop& loop, Attempt& attempt, RestLimits limits,
                                                   const std::function<bool(std::string_view)>& take);

}  // namespace route::net
