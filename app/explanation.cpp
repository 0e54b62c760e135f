#include "app/explanation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>
#include <random>

#include "app/cli/json.hpp"
#include "core/counted.hpp"
#include "core/failover/candidates.hpp"
#include "core/failover/offered_models.hpp"
#include "core/failover/timeouts.hpp"
#include "core/openai/api.hpp"

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
    if (!is_eligible(*upstream.usable, {request.model, request.path}))
        return "its endpoint cannot name that model";
    return {};
}

/// Which rule of attempt_timeouts() gave the limit.
std::string timeout_rule(const TimeoutSettings& settings, const TimeoutFacts& facts, const Upstream& upstream)
{
    if (facts.stream && upstream.stream_timeout)
        return "its own stream_timeout";
    if (upstream.timeout)
        return "its own timeout";
    auto others = facts;
    others.last_candidate = false;
    if (facts.last_candidate && settings.single > attempt_timeouts(settings, others, upstream).head)
        return "timeouts.single, as the last one";
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

/// Why it is tried after the others: seconds of cooldown that are left, of the upstream or of the model at
/// it, or that another request probes it. Nulls and false outside of one.
boost::json::object cooldown_of(const Upstream& upstream, const std::string& model,
                                std::chrono::steady_clock::time_point now)
{
    boost::json::object json{{"cooldown_left", nullptr}, {"cooldown_model", nullptr}, {"probing", false}};
    if (!upstream.cooldown || upstream.cooldown->has_turn(model, now))
        return json;
    const auto* const of_model = upstream.cooldown->of_model(model);
    const auto left = [&](const CooldownState& state) {
        return std::chrono::ceil<std::chrono::seconds>(state.until() - now).count();
    };
    if (of_model != nullptr && of_model->resting(now) &&
        of_model->until() > upstream.cooldown->whole().until()) {
        json["cooldown_left"] = left(*of_model);
        json["cooldown_model"] = json_text(model);
    } else if (upstream.cooldown->active(now)) {
        json["cooldown_left"] = left(upstream.cooldown->whole());
    } else {
        json["probing"] = true;
    }
    return json;
}

/// What `order` goes by, as far as whoever answers knows it. "" when it goes by nothing that changes.
std::string standing(const Upstream& upstream, UpstreamOrder order, bool stream,
                     std::chrono::steady_clock::time_point now)
{
    if (order == UpstreamOrder::least_busy && upstream.in_flight)
        return fmt::format("{} under way, weight {} (failover.order)",
                           counted(static_cast<std::uint64_t>(upstream.in_flight->count()), "request"),
                           upstream.weight);
    if (order != UpstreamOrder::fastest || !upstream.content_time)
        return {};
    const auto mean = upstream.content_time->of(stream).at(now);
    const std::string_view kind = stream ? "its streams" : "its whole replies";
    return mean ? fmt::format("the first content of {} comes after {:.3f} s in the mean (failover.order)",
                              kind, Seconds{*mean}.count())
                : fmt::format(
                      "when {} bring their first content is not known: it counts as quick "
                      "(failover.order)",
                      kind);
}

/// Those that stand at the upstream itself, by the names of its columns.
void add_own_rules(boost::json::array& rules, const Upstream& upstream, const ImaginedRequest& request,
                   bool last)
{
    const auto add = [&](const std::string& rule) {
        rules.push_back(json_text(fmt::format("{}: {}", upstream.name, rule)));
    };
    if (upstream.retries)
        add(fmt::format("it is tried up to {} times after failures that may pass (its own retries)",
                        *upstream.retries + 1));
    if (upstream.first_content_timeout && request.stream && !last)
        add(upstream.first_content_timeout->count() > 0
                ? fmt::format("a stream without content {} s after its headers fails over (its own "
                              "first_content_timeout)",
                              upstream.first_content_timeout->count())
                : "its streams may take any time to bring content (its own first_content_timeout)");
    if (upstream.max_in_flight > 0)
        add(fmt::format("with {} requests under way it is tried after the others{} (its own max_in_flight)",
                        upstream.max_in_flight, is_full(upstream) ? ", as now" : ""));
    if (!upstream.headers.empty() || !upstream.key_header.empty())
        add("it gets headers of its own (its own headers, key_header)");
    if (!upstream.set.empty() || !upstream.unset.empty())
        add("members of a JSON body are changed (its own set, unset)");
}

/// What is done beyond one try of each in its order, and by which setting.
boost::json::array rules_of(const Settings& settings, const ImaginedRequest& request,
                            const std::vector<const Upstream*>& order)
{
    const auto upstreams = order.size();
    const auto& failover = settings.failover;
    boost::json::array rules;
    const auto add = [&](const std::string& rule) { rules.push_back(json_text(rule)); };
    if (request.path == models_path && settings.models.list == ModelListing::of_all)
        add("GET of it is one list of what all upstreams have, which are asked at once (models.list)");
    if (upstreams > 1 && !failover.sticky.empty() && failover.order != UpstreamOrder::priority)
        add(
            fmt::format("a request with a value for {} goes with all of that value to one upstream "
                        "(failover.sticky)",
                        fmt::join(failover.sticky, ", ")));
    if (upstreams > 0 && failover.retries > 0)
        add(fmt::format(
            "after a failure that may pass each is tried up to {} times, with waits of up to {} s "
            "(failover.retries, failover.retry_wait)",
            failover.retries + 1, failover.retry_wait.count()));
    if (upstreams > 0 && failover.rounds > 1)
        add(
            fmt::format("while every failure may pass, the list is gone through up to {} times "
                        "(failover.rounds)",
                        failover.rounds));
    const auto own_hedge = upstreams > 0 ? order.front()->hedge_after : std::nullopt;
    const auto hedge_after = own_hedge.value_or(failover.hedge_after);
    if (upstreams > 1 && hedge_after > Seconds{0} && answers(api_of("POST", request.path)))
        add(fmt::format("when the first has brought no content after {} s, the next is asked beside it ({})",
                        hedge_after.count(), own_hedge ? "its own hedge_after" : "failover.hedge_after"));
    if (!failover.final_statuses.empty())
        add(fmt::format("{}: sent to the client at once (failover.final_statuses)",
                        fmt::join(failover.final_statuses, ", ")));
    if (upstreams > 1 && request.stream && settings.timeouts.first_content > Seconds{0})
        add(
            fmt::format("a stream without content {} s after its headers fails over, but for the last one's "
                        "(timeouts.first_content)",
                        settings.timeouts.first_content.count()));
    const auto now = std::chrono::steady_clock::now();
    for (const auto* upstream : order)
        if (const auto rule = standing(*upstream, failover.order, request.stream, now); !rule.empty())
            add(fmt::format("{}: {}", upstream->name, rule));
    for (const auto* upstream : order)
        add_own_rules(rules, *upstream, request, upstream == order.back());
    if (request.stream && failover.keep_alive > Seconds{0} && answers(api_of("POST", request.path)))
        add(fmt::format("a client that has received nothing for {} s gets a comment (failover.keep_alive)",
                        failover.keep_alive.count()));
    if (request.stream && failover.commit == Commit::complete && answers(api_of("POST", request.path)))
        add("a stream is sent once it is whole (failover.commit)");
    return rules;
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
    const auto order =
        candidates(usable, {request.model, request.path}, {settings.failover.order, {}, request.stream}, now,
                   [&] { return draw(random); });
    boost::json::array tried;
    for (const auto* upstream : order) {
        const TimeoutFacts facts{request.stream, request.body_bytes, upstream == order.back()};
        const auto limits = attempt_timeouts(settings.timeouts, facts, *upstream);
        boost::json::object entry{{"upstream", json_text(upstream->name)},
                                  {"priority", upstream->priority},
                                  {"model", json_text(sent_model(*upstream, request.model))},
                                  {"connect_timeout", json_seconds(limits.connect)},
                                  {"timeout", json_seconds(limits.head)},
                                  {"idle_timeout", json_seconds(limits.idle)},
                                  {"first_content_timeout", json_seconds(limits.first_content)},
                                  {"by", timeout_rule(settings.timeouts, facts, *upstream)}};
        const auto cooldown = cooldown_of(*upstream, request.model, now);
        entry.insert(cooldown.begin(), cooldown.end());
        tried.push_back(std::move(entry));
    }
    boost::json::object explained;
    if (request.key)
        explained["key"] = json_text(whose_key(view, *request.key));
    explained["order"] = std::move(tried);
    explained["not_tried"] = std::move(not_tried);
    explained["rules"] = rules_of(settings, request, order);
    explained["random"] = settings.failover.order != UpstreamOrder::priority;
    explained["by"] = to_string(settings.failover.order);
    return explained;
}

}  // namespace route
