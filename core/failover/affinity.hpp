// Which upstream a session goes to (SPEC 5, point 1), without anything stored.
#pragma once

#include <span>
#include <string_view>

#include "core/failover/upstream.hpp"

namespace route {

/// Orders upstreams by rendezvous hashing: each session has an order of its own, the same on every router
/// that knows them by the same names; each upstream is the first of a share of the sessions as large as its
/// weight; one that leaves or comes moves those sessions alone. Weight 0 comes after all others.
void order_by_session(std::span<const Upstream*> upstreams, std::string_view session);

}  // namespace route
