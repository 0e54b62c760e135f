// How upstreams of equal priority are ordered (SPEC 5, point 1).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>

#include "core/failover/upstream.hpp"

namespace route {

/// Gives uniform numbers of 64 bits.
using Random = std::function<std::uint64_t()>;

/// Shuffled: each is the first with a chance of its weight. Those of weight 0 come after all others, here and
/// in all orders below.
void order_at_random(std::span<const Upstream*> upstreams, const Random& random);

/// By requests in flight over weight, those alike at random.
void order_by_load(std::span<const Upstream*> upstreams, const Random& random);

/// For each place two are drawn at random, and the one with the shorter mean time to first content, of
/// streams or of whole replies, comes there: whoever is quick is not asked by all at once. One of which
/// nothing is known is the quicker one.
void order_by_speed(std::span<const Upstream*> upstreams, bool stream,
                    std::chrono::steady_clock::time_point now, const Random& random);

}  // namespace route
