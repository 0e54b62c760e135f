#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config/config_file.hpp"
#include "app/upstream_sources.hpp"
#include "core/failover/cooldown.hpp"
#include "core/net/loop/routing_table.hpp"
#include "core/timestamps.hpp"
#include "storage/change_feed.hpp"

namespace route {

/// Why and since when an upstream is in cooldown, or a model at it.
struct Rest
{
    SystemTime since;
    CooldownStart start;
};

/// An upstream as whoever answers for it sees it: a router with its environment, or a command with that of
/// the shell.
struct ViewedUpstream
{
    UpstreamDefinition definition;
    UpstreamOrigin origin = UpstreamOrigin::database;
    std::shared_ptr<const Upstream> usable;  ///< null when it is disabled or cannot be used
    std::string unusable;                    ///< why it cannot be used; no secret in it
    std::optional<Rest> rest;                ///< the last cooldown of this process that was told
    std::vector<Rest> model_rests;           ///< those of single models
};

/// All upstreams, in the order in which they are tried, with what else decides about a request.
struct RoutingView
{
    net::RoutingTablePtr table;  ///< settings, client keys (id 0: of the file), ways out
    std::vector<ViewedUpstream> upstreams;

    /// By name or number; null when there is none.
    const ViewedUpstream* find(const std::string& id) const;
};

bool is_called(const UpstreamDefinition& definition, const std::string& id);

/// What this process sees: `stored` is the database's.
RoutingView own_view(const Settings& settings, const storage::UpstreamsAndKeys& stored);

/// Says whether two processes know the same: 64 hex digits out of all that the database holds of upstreams
/// and client keys.
std::string digest_of(const storage::UpstreamsAndKeys& known);

}  // namespace route
