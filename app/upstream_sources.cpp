#include "app/upstream_sources.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "app/config/secrets.hpp"

namespace route {
namespace {

constexpr auto url_variable = "OPENAI_BASE_URL";

bool is_set(const char* variable)
{
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0';
}

}  // namespace

std::optional<UpstreamDefinition> upstream_of_environment()
{
    if (!is_set(api_key_variable))
        return std::nullopt;
    UpstreamDefinition definition;
    definition.name = "openai";
    definition.sk = std::string{"env:"} + api_key_variable;
    if (is_set(url_variable))
        definition.endpoint = std::getenv(url_variable);
    return definition;
}

std::string_view to_string(UpstreamOrigin origin)
{
    switch (origin) {
        case UpstreamOrigin::database:
            return "database";
        case UpstreamOrigin::file:
            return "file";
        case UpstreamOrigin::environment:
            break;
    }
    return "environment";
}

std::vector<SourcedUpstream> all_upstreams(const std::vector<UpstreamDefinition>& configured,
                                           const std::vector<UpstreamDefinition>& stored,
                                           bool environment_counts)
{
    std::vector<SourcedUpstream> all;
    const auto add = [&](const UpstreamDefinition& definition, UpstreamOrigin origin) {
        const auto later = [](int priority, const SourcedUpstream& other) {
            return priority < other.definition.priority;
        };
        const auto place = std::upper_bound(all.begin(), all.end(), definition.priority, later);
        all.insert(place, {definition, origin});
    };
    for (const auto& definition : configured)
        add(definition, UpstreamOrigin::file);
    for (const auto& definition : stored)
        add(definition, UpstreamOrigin::database);
    if (all.empty() && environment_counts)
        if (const auto definition = upstream_of_environment())
            add(*definition, UpstreamOrigin::environment);
    return all;
}

SecretResolver secrets_for(UpstreamOrigin origin, const SecretSettings& settings)
{
    return origin == UpstreamOrigin::database ? restricted_secrets(settings) : unrestricted_secrets();
}

}  // namespace route
