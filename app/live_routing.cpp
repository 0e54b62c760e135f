#include "app/live_routing.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "app/config/config_values.hpp"
#include "app/config/endpoint_advice.hpp"
#include "app/config/secrets.hpp"
#include "app/configured_table.hpp"
#include "app/upstream_sources.hpp"
#include "core/text.hpp"

namespace route {

namespace {

/// The client key every v0.3.0 came with: anybody may know it.
constexpr std::string_view public_key = "woshimima";

}  // namespace

LiveRouting::LiveRouting(Settings settings, storage::UpstreamsAndKeys known, bool environment_counts)
    : settings_{std::move(settings)}, known_{std::move(known)}, environment_counts_{environment_counts}
{
}

ConfigResult<std::unique_ptr<LiveRouting>> LiveRouting::make(Settings settings,
                                                             storage::UpstreamsAndKeys known,
                                                             bool environment_counts)
{
    std::unique_ptr<LiveRouting> routing{
        new LiveRouting{std::move(settings), std::move(known), environment_counts}};
    auto made = routing->make_table(Files::read);
    if (!made)
        return made.error();
    routing->current_ = *made;
    return routing;
}

void LiveRouting::publish_to(Publish publish)
{
    const std::lock_guard lock{mutex_};
    publish_ = std::move(publish);
    publish_(current_);
}

net::RoutingTablePtr LiveRouting::current() const
{
    const std::lock_guard lock{mutex_};
    return current_;
}

void LiveRouting::set_known(const storage::UpstreamsAndKeys& known)
{
    const std::lock_guard lock{mutex_};
    known_ = known;
    environment_counts_ = environment_counts_ && known.upstreams.empty();
    auto made = make_table(Files::keep);
    if (!made) {
        spdlog::error("upstreams and keys stay as they were: {}", describe(made.error()));
        return;
    }
    current_ = *made;
    if (publish_)
        publish_(current_);
}

ConfigResult<void> LiveRouting::set_settings(const Settings& settings)
{
    const std::lock_guard lock{mutex_};
    auto before = std::exchange(settings_, settings);
    auto made = make_table(Files::read);
    if (!made) {
        settings_ = std::move(before);
        return made.error();
    }
    current_ = *made;
    if (publish_)
        publish_(current_);
    return {};
}

std::vector<std::pair<std::string, bool>> LiveRouting::upstream_states() const
{
    const auto table = current();
    const auto now = std::chrono::steady_clock::now();
    std::vector<std::pair<std::string, bool>> states;
    for (const auto& upstream : table->upstreams)
        states.emplace_back(upstream->name, !upstream->cooldown->active(now));
    return states;
}

RoutingView LiveRouting::view() const
{
    const std::lock_guard lock{mutex_};
    RoutingView view{current_, viewed_};
    for (auto& upstream : view.upstreams) {
        const auto name = effective_name(upstream.definition);
        if (const auto rest = rests_.find(name); rest != rests_.end())
            upstream.rest = rest->second;
        if (const auto rests = model_rests_.find(name); rests != model_rests_.end())
            for (const auto& [model, rest] : rests->second)
                upstream.model_rests.push_back(rest);
    }
    return view;
}

std::string LiveRouting::known_digest() const
{
    const std::lock_guard lock{mutex_};
    return digest_of(known_);
}

void LiveRouting::note_cooldown(const CooldownStart& start)
{
    const std::lock_guard lock{mutex_};
    const Rest rest{std::chrono::system_clock::now(), start};
    if (start.model.empty()) {
        rests_[start.upstream] = rest;
        return;
    }
    // Clients name models: those that are over make room.
    auto& rests = model_rests_[start.upstream];
    if (rests.size() >= Cooldown::most_models)
        std::erase_if(rests, [&](const auto& each) { return !rests_now(each.second.start); });
    if (rests.size() < Cooldown::most_models)
        rests[start.model] = rest;
}

bool LiveRouting::rests_now(const CooldownStart& start) const
{
    const auto known = lasting_.find(start.upstream);
    const auto* const state =
        known == lasting_.end() ? nullptr : known->second.cooldown->of_model(start.model);
    return state != nullptr && state->resting(std::chrono::steady_clock::now());
}

ConfigResult<net::RoutingTablePtr> LiveRouting::make_table(Files files)
{
    auto made = configured_table(settings_, files == Files::keep ? current_.get() : nullptr);
    if (!made)
        return made.error();
    auto& table = **made;
    for (const auto& key : table.keys)
        if (key.hash == hash_key(public_key))
            warn_once(fmt::format(
                "auth.keys: the client key \"{}\" is v0.3.0's public default, which anyone may know",
                public_key));
    warn_of_short_keys();
    table.keys.insert(table.keys.begin(), known_.keys.begin(), known_.keys.end());
    add_upstreams(table);
    return net::RoutingTablePtr{*std::move(made)};
}

void LiveRouting::add_upstreams(net::RoutingTable& table)
{
    viewed_.clear();
    for (const auto& [definition, origin] :
         all_upstreams(settings_.upstreams, known_.upstreams, environment_counts_)) {
        auto& viewed = viewed_.emplace_back(ViewedUpstream{definition, origin, nullptr, {}, {}, {}});
        const auto name = effective_name(definition);
        const auto& known = lasting_[name];
        auto made = make_upstream(definition, secrets_for(origin, settings_.secrets), known.cooldown);
        if (!made)
            viewed.unusable = made.error().reason;
        if (!definition.enabled)
            continue;
        if (!made) {
            warn_once("upstream " + name + " cannot be used: " + made.error().reason);
            continue;
        }
        if (const auto advice = endpoint_advice(definition.endpoint); !advice.empty())
            warn_once(fmt::format("upstream {}: endpoint {}: {}", name, definition.endpoint, advice));
        if (origin == UpstreamOrigin::environment && !told_environment_) {
            told_environment_ = true;
            spdlog::info(
                "no upstream is configured: OPENAI_API_KEY of the environment serves as the only one, at {}",
                escape_for_log(definition.endpoint));
        }
        made->in_flight = known.in_flight;
        made->content_time = known.content_time;
        net::add_upstream(table, *std::move(made));
        viewed.usable = table.upstreams.back();
    }
}

/// Those of the database are known by their hashes only.
void LiveRouting::warn_of_short_keys()
{
    for (const auto& configured : settings_.auth.keys) {
        const auto key = unrestricted_secrets()(configured.key);
        if (key && key->size() < shortest_client_key && *key != public_key)
            warn_once(
                fmt::format("auth.keys: the client key of {} has fewer than {} characters: it can be guessed",
                            configured.name, shortest_client_key));
    }
}

void LiveRouting::warn_once(const std::string& warning)
{
    if (warnings_.insert(warning).second)
        spdlog::warn("{}", escape_for_log(warning, 512));
}

}  // namespace route
