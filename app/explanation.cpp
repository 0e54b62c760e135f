#include "app/explanation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>
#include <random>

#include "app/cli/json.hpp"
#include "core/candidates.hpp"
#include "core/timeouts.hpp"

namespace route {
namespace {

using cli::json_seconds;
using cli::json_text;

std::string reason_not_allowed(const Upstream& upstream, const ImaginedRequest& request)
{
    const std::optional<std::string> model{request.model};
    const bool denied = !allows({}, upstream.deny, model, request.path);
    return fmt::format("{} {}", denied ? "deny matches" : "no entry of allow matches", request.model);
}

/// "" when it would be tried.
std::string reason_not_tried(const ViewedUpstream& upstream, const ImaginedRequest& request)
{
    if (!upstream.definition.enabled)
        return "disabled";
    if (!upstream.usable)
        return "unusable: " + upstream.unusable;
    if (!allows(upstream.usable->allow, upstream.usable->deny, request.model, request.path))
        return reason_not_allowed(*upstream.usable, request);
    return {};
}

/// Which rule of attempt_timeouts() gave the limit.
std::string timeout_rule(const TimeoutSettings& settings, const TimeoutFacts& facts, const Upstream& upstream)
{
    if (facts.stream && upstream.stream_timeout)
        return "its own stream_timeout";
    if (upstream.timeout)
        return "its own timeout";
    if (facts.only_candidate)
        return "timeouts.single";
    if (facts.body_bytes > settings.large_body_over)
        return "timeouts.large_body";
    return facts.stream ? "timeouts.stream" : "timeouts.default";
}

std::string whose_key(const RoutingView& view, const KeyHash& asked)
{
    if (!view.table->settings.auth.enabled)
        return "any: authentication is off";
    for (const bool of_file : {true, false})
        for (const auto& key : view.table->keys)
            if ((key.id == 0) == of_file && (key.hash == asked || hash_key(key.name) == asked))
                return fmt::format("{} ({})", key.name, of_file ? "file" : "database");
    return "unknown: the request is refused with 403";
}

std::string sent_model(const Upstream& upstream, const std::string& model)
{
    const auto renamed = upstream.rename.find(model);
    return renamed == upstream.rename.end() ? model : renamed->second;
}

/// Seconds of cooldown that are left; null outside of one.
boost::json::value cooldown_left(const Upstream& upstream, std::chrono::steady_clock::time_point now)
{
    if (!upstream.cooldown || !upstream.cooldown->active(now))
        return nullptr;
    return std::chrono::ceil<std::chrono::seconds>(upstream.cooldown->until() - now).count();
}

}  // namespace

boost::json::object explain(const RoutingView& view, const ImaginedRequest& request)
{
    const auto& settings = view.table->settings;
    Upstreams usable;
    boost::json::array not_tried;
    for (const auto& upstream : view.upstreams) {
        const auto reason = reason_not_tried(upstream, request);
        if (reason.empty())
            usable.push_back(upstream.usable);
        else
            not_tried.push_back({{"upstream", json_text(effective_name(upstream.definition))},
                                 {"reason", json_text(reason)}});
    }
    std::random_device random;
    std::uniform_int_distribution<std::uint64_t> draw;
    const auto now = std::chrono::steady_clock::now();
    const auto order = candidates(usable, {request.model, request.path}, settings.failover.order, now,
                                  [&] { return draw(random); });
    const TimeoutFacts facts{request.stream, request.body_bytes, order.size() == 1};
    boost::json::array tried;
    for (const auto* upstream : order) {
        const auto limits = attempt_timeouts(settings.timeouts, facts, *upstream);
        tried.push_back({{"upstream", json_text(upstream->name)},
                         {"priority", upstream->priority},
                         {"model", json_text(sent_model(*upstream, request.model))},
                         {"connect_timeout", json_seconds(limits.connect)},
                         {"timeout", json_seconds(limits.head)},
                         {"idle_timeout", json_seconds(limits.idle)},
                         {"by", timeout_rule(settings.timeouts, facts, *upstream)},
                         {"cooldown_left", cooldown_left(*upstream, now)}});
    }
    boost::json::object explained;
    if (request.key)
        explained["key"] = json_text(whose_key(view, *request.key));
    explained["order"] = std::move(tried);
    explained["not_tried"] = std::move(not_tried);
    explained["random"] = settings.failover.order == UpstreamOrder::random;
    return explained;
}

}  // namespace route
