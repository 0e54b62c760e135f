#include "app/routing_view.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <utility>

#include "app/config/secrets.hpp"
#include "core/client_key.hpp"

namespace route {
namespace {

boost::json::array in_json(const std::vector<std::string>& texts)
{
    boost::json::array array;
    for (const auto& text : texts)
        array.emplace_back(text);
    return array;
}

boost::json::array in_json(const std::map<std::string, std::string>& texts)
{
    boost::json::array array;
    for (const auto& [name, text] : texts)
        array.push_back({name, text});
    return array;
}

boost::json::value in_json(const std::optional<Seconds>& seconds)
{
    return seconds ? boost::json::value{seconds->count()} : boost::json::value{};
}

boost::json::array in_json(const UpstreamDefinition& upstream)
{
    return {upstream.id,
            upstream.name,
            upstream.sk,
            upstream.endpoint,
            upstream.priority,
            upstream.weight,
            in_json(upstream.timeout),
            in_json(upstream.stream_timeout),
            in_json(upstream.allow),
            in_json(upstream.deny),
            in_json(upstream.rename),
            upstream.retries ? boost::json::value(*upstream.retries) : boost::json::value{},
            in_json(upstream.first_content_timeout),
            in_json(upstream.hedge_after),
            upstream.max_in_flight,
            in_json(upstream.headers),
            in_json(upstream.set),
            in_json(upstream.unset),
            upstream.key_header,
            upstream.proxy,
            upstream.enabled,
            in_json(upstream.unreadable)};
}

}  // namespace

bool is_called(const UpstreamDefinition& definition, const std::string& id)
{
    return effective_name(definition) == id || (definition.id != 0 && std::to_string(definition.id) == id);
}

const ViewedUpstream* RoutingView::find(const std::string& id) const
{
    const auto found = std::find_if(upstreams.begin(), upstreams.end(), [&](const ViewedUpstream& upstream) {
        return is_called(upstream.definition, id);
    });
    return found == upstreams.end() ? nullptr : &*found;
}

RoutingView own_view(const Settings& settings, const storage::UpstreamsAndKeys& stored)
{
    const bool stores = settings.storage.backend != Backend::none;
    RoutingView view;
    auto table = std::make_shared<net::RoutingTable>();
    table->settings = settings;
    for (const auto& configured : settings.auth.keys) {
        const auto key = unrestricted_secrets()(configured.key);
        table->keys.push_back({0, configured.name, key ? hash_key(*key) : KeyHash{}, {}});
    }
    table->keys.insert(table->keys.end(), stored.keys.begin(), stored.keys.end());
    for (auto& [definition, origin] : all_upstreams(settings.upstreams, stored.upstreams, !stores)) {
        ViewedUpstream upstream;
        auto made = make_upstream(definition, secrets_for(origin, settings.secrets), nullptr);
        if (!made)
            upstream.unusable = made.error().reason;
        else if (definition.enabled)
            upstream.usable = std::make_shared<const Upstream>(*std::move(made));
        upstream.definition = definition;
        upstream.origin = origin;
        view.upstreams.push_back(std::move(upstream));
    }
    view.table = std::move(table);
    return view;
}

std::string digest_of(const storage::UpstreamsAndKeys& known)
{
    boost::json::array upstreams;
    for (const auto& upstream : known.upstreams)
        upstreams.push_back(in_json(upstream));
    boost::json::array keys;
    for (const auto& key : known.keys)
        keys.push_back({key.id, key.name, to_hex(key.hash)});
    return to_hex(hash_key(boost::json::serialize(boost::json::array{upstreams, keys})));
}

}  // namespace route
