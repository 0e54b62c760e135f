#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/net/attempt.hpp"
#include "core/net/try_notes.hpp"
#include "core/openai/error_body.hpp"
#include "core/record.hpp"

namespace route::net {

/// A failed attempt that left a whole response.
struct KeptReply
{
    std::unique_ptr<Attempt> attempt;
    ShownReply shown;  ///< what of it the client gets to see
    AttemptFailure failure;
};

/// What came of trying the upstreams for a request. Small: it lasts as long as a stream.
struct Routed
{
    std::unique_ptr<Attempt> reply;    ///< may be committed
    std::unique_ptr<KeptReply> kept;   ///< else the last of these
    std::optional<RouterError> error;  ///< else what the router says itself
    bool untried = false;              ///< there are upstreams that were not asked
};  ///< nothing of all this: the client has left

/// Keeps the failed attempt in `kept` where its reply can be relayed. The last one such is kept; of those
/// that say they succeeded only the last one of all. What takes long is done off the loop.
awaitable<void> keep(EventLoop& loop, TryNotes& notes, std::unique_ptr<KeptReply>& kept,
                     std::unique_ptr<Attempt> attempt, AttemptFailure failure);

/// What the client is told when there is nothing to relay: each upstream and why it failed.
RouterError all_failed(const std::vector<AttemptRecord>& attempts);

}  // namespace route::net
