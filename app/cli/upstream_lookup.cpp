#include "app/cli/upstream_lookup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <map>

#include "app/cli/json.hpp"
#include "app/cli/mistyped.hpp"
#include "app/cli/running_router.hpp"
#include "app/config/config_values.hpp"
#include "app/config/endpoint_advice.hpp"
#include "app/config/secrets.hpp"
#include "app/routing_view.hpp"
#include "core/text.hpp"

namespace route::cli {
namespace {

boost::json::array json_texts(const std::vector<std::string>& texts)
{
    boost::json::array array;
    for (const auto& text : texts)
        array.push_back(json_text(text));
    return array;
}

boost::json::object json_texts(const std::map<std::string, std::string>& texts)
{
    boost::json::object object;
    for (const auto& [name, text] : texts)
        object[clean_utf8(name)] = json_text(text);
    return object;
}

boost::json::object json_of_headers(const std::map<std::string, std::string>& headers)
{
    boost::json::object object;
    for (const auto& [name, value] : mask_headers(headers))
        object[clean_utf8(name)] = value.empty() ? boost::json::value{} : json_text(value);
    return object;
}

boost::json::object json_of_members(const std::map<std::string, std::string>& members)
{
    boost::json::object object;
    for (const auto& [name, text] : members) {
        boost::system::error_code error;
        object[clean_utf8(name)] = boost::json::parse(text, error);
    }
    return object;
}

/// Unreadable columns aside: no option writes them.
std::string unusable_as_written(UpstreamDefinition definition)
{
    definition.unreadable.clear();
    return unusable_reason(definition);
}

/// Why a row of the database cannot name this secret, and who says so; "" when it can.
std::string unresolved_reason(Session& session, const std::string& reference)
{
    RunningRouter router{session};
    if (const auto answer = router.ask("/reference", {{"reference", clean_utf8(reference)}})) {
        const auto& reason = answer->at("unresolved");
        return reason.is_null() ? ""
                                : fmt::format("{} (says the running router)", reason.as_string().c_str());
    }
    const auto resolved = restricted_secrets(session.configuration().settings.secrets)(reference);
    return resolved ? "" : resolved.error().reason + " (in this shell's environment)";
}

}  // namespace

std::vector<SourcedUpstream> listed_upstreams(Session& session)
{
    const auto& configured = session.configuration().settings.upstreams;
    if (!session.has_database())
        return all_upstreams(configured, {}, true);
    return all_upstreams(configured, session.database().upstreams(), false);
}

SourcedUpstream find_upstream(Session& session, const std::string& id)
{
    std::vector<std::string> names;
    for (auto& upstream : listed_upstreams(session)) {
        if (is_called(upstream.definition, id))
            return std::move(upstream);
        names.push_back(effective_name(upstream.definition));
    }
    fail(fmt::format("there is no upstream {}{}", shown_id(id), those_there(id, names)));
}

UpstreamDefinition find_changeable_upstream(Session& session, const std::string& id)
{
    session.database();
    auto upstream = find_upstream(session, id);
    if (upstream.origin == UpstreamOrigin::file)
        fail(fmt::format("upstream {} is changed only in {}", effective_name(upstream.definition),
                         session.configuration().file));
    if (upstream.origin == UpstreamOrigin::environment)
        fail("this upstream is of the environment: change OPENAI_API_KEY and OPENAI_BASE_URL");
    return std::move(upstream.definition);
}

std::string unusable_reason(const UpstreamDefinition& definition)
{
    const auto made = make_upstream(definition, unresolved_secrets(), nullptr);
    return made.has_error() ? made.error().reason : "";
}

void check_upstream(Session& session, const UpstreamDefinition& definition, const UpstreamDefinition* before)
{
    const auto unusable = unusable_as_written(definition);
    if (!unusable.empty() && (before == nullptr || unusable != unusable_as_written(*before)))
        fail(unusable);
    const auto advice = endpoint_advice(definition.endpoint);
    if (!advice.empty() && (before == nullptr || before->endpoint != definition.endpoint))
        fail(fmt::format("endpoint {}: {}", definition.endpoint, advice));
    for (const auto& [other, origin] : listed_upstreams(session)) {
        const bool stored = origin == UpstreamOrigin::database;
        // The environment's one goes as soon as there is another.
        if ((stored && other.id == definition.id) || origin == UpstreamOrigin::environment)
            continue;
        const auto name = effective_name(other);
        if (!definition.name.empty() && definition.name == name)
            fail(fmt::format("the name {} is taken by {}", name,
                             stored ? fmt::format("upstream {}", other.id)
                                    : "an upstream of " + session.configuration().file));
        if (stored && definition.sk == other.sk && definition.endpoint == other.endpoint)
            fail(fmt::format("upstream {} ({}) has this key and endpoint already", other.id, name));
    }
    warn_of_unusable(session, definition);
}

void warn_of_unusable(Session& session, const UpstreamDefinition& definition)
{
    if (const auto unusable = unusable_reason(definition); !unusable.empty())
        session.warn("routers skip this upstream: " + unusable);
}

void warn_of_unresolvable_secrets(Session& session, const UpstreamDefinition& definition)
{
    const auto warn = [&](const char* what, const std::string& reference) {
        if (!is_secret_reference(reference))
            return;
        const auto unresolved = unresolved_reason(session, reference);
        if (!unresolved.empty())
            session.warn(fmt::format("routers will not use this upstream until its {} resolves: {}", what,
                                     unresolved));
    };
    warn("key", definition.sk);
    warn("proxy", definition.proxy);
    for (const auto& [name, value] : definition.headers)
        warn("header", value);
}

std::string id_text(const SourcedUpstream& upstream)
{
    switch (upstream.origin) {
        case UpstreamOrigin::file:
            return "file";
        case UpstreamOrigin::environment:
            return "env";
        case UpstreamOrigin::database:
            break;
    }
    return std::to_string(upstream.definition.id);
}

std::string upstream_state(const UpstreamDefinition& definition)
{
    if (const auto unusable = unusable_reason(definition); !unusable.empty())
        return (definition.enabled ? "invalid: " : "disabled, invalid: ") + unusable;
    return definition.enabled ? "enabled" : "disabled";
}

boost::json::object upstream_json(const SourcedUpstream& upstream)
{
    const auto& definition = upstream.definition;
    boost::json::object json;
    if (definition.id == 0)
        json["id"] = nullptr;
    else
        json["id"] = definition.id;
    json["name"] = json_text(effective_name(definition));
    json["source"] = to_string(upstream.origin);
    json["endpoint"] = json_text(mask_endpoint(definition.endpoint));
    json["sk"] = json_text(mask_key(definition.sk));
    json["priority"] = definition.priority;
    json["weight"] = definition.weight;
    json["timeout"] = json_seconds(definition.timeout);
    json["stream_timeout"] = json_seconds(definition.stream_timeout);
    json["allow"] = json_texts(definition.allow);
    json["deny"] = json_texts(definition.deny);
    json["rename"] = json_texts(definition.rename);
    json["retries"] = json_or_null(definition.retries);
    json["first_content_timeout"] = json_seconds(definition.first_content_timeout);
    json["hedge_after"] = json_seconds(definition.hedge_after);
    json["max_in_flight"] = definition.max_in_flight;
    json["headers"] = json_of_headers(definition.headers);
    json["set"] = json_of_members(definition.set);
    json["unset"] = json_texts(definition.unset);
    json["key_header"] = json_text(definition.key_header);
    for (const auto& [column, text] : definition.unreadable)
        json[column] = nullptr;
    json["proxy"] = json_text(mask_proxy(definition.proxy));
    json["enabled"] = definition.enabled;
    json["state"] = json_text(upstream_state(definition));
    return json;
}

}  // namespace route::cli
