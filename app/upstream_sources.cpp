#include "app/upstream_sources.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "app/secrets.hpp"

namespace route {
namespace {

constexpr auto key_variable = "OPENAI_API_KEY";
constexpr auto url_variable = "OPENAI_BASE_URL";

bool is_set(const char* variable)
{
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0';
}

std::optional<UpstreamDefinition> upstream_of_environment()
{
    if (!is_set(key_variable))
        return std::nullopt;
    UpstreamDefinition definition;
    definition.name = "environment";
    definition.sk = std::string{"env:"} + key_variable;
    if (is_set(url_variable))
        definition.endpoint = std::getenv(url_variable);
    return definition;
}

}  // namespace

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
                                           const std::vector<UpstreamDefinition>& stored, bool ever_stored)
{
    std::vector<SourcedUpstream> all;
    for (const auto& definition : configured)
        all.push_back({definition, UpstreamOrigin::file});
    for (const auto& definition : stored)
        all.push_back({definition, UpstreamOrigin::database});
    if (all.empty() && !ever_stored)
        if (const auto definition = upstream_of_environment())
            all.push_back({*definition, UpstreamOrigin::environment});
    std::stable_sort(all.begin(), all.end(), [](const SourcedUpstream& a, const SourcedUpstream& b) {
        return a.definition.priority < b.definition.priority;
    });
    return all;
}

SecretResolver secrets_for(UpstreamOrigin origin, const SecretSettings& settings)
{
    return origin == UpstreamOrigin::database ? restricted_secrets(settings) : unrestricted_secrets();
}

}  // namespace route
