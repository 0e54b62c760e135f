#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/failover/ordering.hpp"
#include "core/failover/upstream.hpp"
#include "core/settings.hpp"

namespace route {

using Upstreams = std::vector<std::shared_ptr<const Upstream>>;

/// What a request asks an upstream for. `path` is that of the request, without its query.
struct ModelAndPath
{
    std::optional<std::string> model;
    std::string_view path;
    bool model_cut = false;  ///< `model` is the beginning of a name too long to be looked at whole
};

/// What orders upstreams of equal priority.
struct OrderRule
{
    UpstreamOrder order = UpstreamOrder::priority;
    std::string_view session = {};  ///< of the request, "" when it is of none; not with `priority`
    bool stream = false;            ///< it asks for a stream
};

/// Whether as many attempts at it are under way as it takes at once (`max_in_flight`).
bool is_full(const Upstream& upstream);

/// Whether it may be asked: allows(), and one whose endpoint has `{model}` needs a model to go there.
bool is_eligible(const Upstream& upstream, const ModelAndPath& wanted);

/// The eligible upstreams in the order in which they are tried. `upstreams` is sorted by priority, then id.
/// Those in cooldown at `now`, those that another request probes, and those that are full move to the end and
/// are never left out. Requests of one session have one order.
std::vector<const Upstream*> candidates(const Upstreams& upstreams, const ModelAndPath& wanted,
                                        const OrderRule& rule, std::chrono::steady_clock::time_point now,
                                        const Random& random);

/// Before `order[index]` is tried: the first of those from there on that is not full and has its turn at
/// `now` comes to that place, the ones passed over go behind the others. Where none has, the order stays.
/// What is returned is held until the try's verdict is noted.
CooldownTurn take_turn(std::vector<const Upstream*>& order, std::size_t index, const ModelAndPath& wanted,
                       std::chrono::steady_clock::time_point now);

}  // namespace route
