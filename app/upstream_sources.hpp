#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/failover/upstream.hpp"
#include "core/settings.hpp"

namespace route {

/// Where an upstream is defined; decides who may change it and which secrets it may name.
enum class UpstreamOrigin
{
    database,
    file,
    environment
};
std::string_view to_string(UpstreamOrigin origin);

struct SourcedUpstream
{
    UpstreamDefinition definition;
    UpstreamOrigin origin = UpstreamOrigin::database;
};

/// What OPENAI_API_KEY of the environment, with OPENAI_BASE_URL, makes: `openai`. None without that key.
std::optional<UpstreamDefinition> upstream_of_environment();

/// All upstreams sorted by priority; within one the configuration file's in its order, then the database's by
/// id. Where there is none and `environment_counts`, since no database can hold it, that of the environment.
std::vector<SourcedUpstream> all_upstreams(const std::vector<UpstreamDefinition>& configured,
                                           const std::vector<UpstreamDefinition>& stored,
                                           bool environment_counts);

/// Restricted for the database's, which others may write.
SecretResolver secrets_for(UpstreamOrigin origin, const SecretSettings& settings);

}  // namespace route
