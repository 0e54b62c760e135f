#pragma once

#include <chrono>

#include "core/id_hash.hpp"
#include "core/net/loop/event_loop.hpp"

namespace route::net {

/// A request waits no longer for the database to say who made what it names.
constexpr std::chrono::seconds longest_lookup{2};

/// The upstream of `table` that made the first of these things of which that is known: from memory, else from
/// the database, off the loop. Null when none is known in time, or those that made them are not in the table.
/// All that is given by reference outlives it.
awaitable<const Upstream*> find_maker(EventLoop& loop, const RoutingTable& table, const IdHashes& ids);

}  // namespace route::net
