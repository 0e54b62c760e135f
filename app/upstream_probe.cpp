#include "app/upstream_probe.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "app/command_loop.hpp"
#include "core/http/reply_kind.hpp"
#include "core/http/shown_reply.hpp"
#include "core/http/upstream_head.hpp"
#include "core/net/http/outbound_request.hpp"
#include "core/openai/error_words.hpp"
#include "core/text.hpp"

namespace route {
namespace {

/// What a request of serving would have made of the reply.
std::optional<AttemptFailure> failure_of(const net::OutboundReply& reply, const SecretEraser& secrets)
{
    if (reply.failure || status_succeeds(reply.status, false))
        return reply.failure;
    const std::array<const SecretEraser*, 1> erasers{&secrets};
    AttemptFailure failure;
    failure.phase = Phase::await_head;
    failure.cause = Cause::status;
    failure.status = reply.status;
    failure.detail =
        quote_error(reply.content_type, reply.content_encoding, reply.body, reply.whole, erasers);
    return failure;
}

ProbeResult result_of(const net::OutboundReply& reply, const Upstream& upstream, const SecretEraser& secrets)
{
    ProbeResult result;
    result.elapsed = reply.elapsed;
    if (const auto failure = failure_of(reply, secrets)) {
        result.status = failure->status;
        result.outcome = outcome_of(*failure);
        result.error = escape_for_log(describe(*failure));
        if (upstream.asis)
            result.error += " (asked without a key: its sk is asis)";
    } else {
        result.outcome = AttemptOutcome::ok;
        result.status = reply.status;
        const auto kind = sniff_kind(reply.content_type, reply.body, reply.whole);
        result.json = kind.value_or(labelled_kind(reply.content_type)) == ReplyKind::json;
    }
    return result;
}

/// No other one would be tried.
bool is_only(const RoutingView& view, const ViewedUpstream& upstream)
{
    return std::none_of(view.upstreams.begin(), view.upstreams.end(), [&](const ViewedUpstream& other) {
        return other.definition.enabled && &other != &upstream;
    });
}

net::awaitable<void> ask(net::EventLoop& loop, net::Destination destination, net::OutboundRequest request,
                         net::OutboundLimits limits, net::OutboundReply& reply)
{
    auto sending = net::send_outbound(loop, destination, std::move(request), limits);
    auto answer = co_await std::move(sending);
    reply = std::move(answer);
}

ProbeResult probe(const RoutingView& view, const Upstream& upstream, bool only, const std::stop_token& stop)
{
    const auto& table = *view.table;
    const HeaderFields fields{
        {boost::beast::http::field::accept, "Accept", "application/json"},
        {boost::beast::http::field::user_agent, "User-Agent", "openai-api-route/" ROUTE_VERSION}};
    net::OutboundRequest request;
    write_upstream_head(request.head, {"GET", "/v1/models", "", fields, std::nullopt}, upstream);
    // Its first words are enough, also of a reply that does not end.
    constexpr Seconds longest_body{2};
    net::OutboundLimits limits{attempt_timeouts(table.settings.timeouts, {false, 0, only}, upstream)};
    limits.body = longest_body;
    CommandLoop own{view.table};
    auto& loop = own.loop();
    const std::stop_callback on_stop{stop, [&] { loop.post([&loop] { loop.stop(); }); }};
    const auto destination = net::destination_of(upstream, table.tls.get(), table.settings.upstream);
    net::OutboundReply reply;
    own.run(ask(loop, destination, std::move(request), limits, reply));
    auto secrets = table.secrets;
    net::add_secrets(secrets, upstream);
    return result_of(reply, upstream, secrets);
}

}  // namespace

Result<std::shared_ptr<const Upstream>> usable_upstream(const RoutingView& view,
                                                        const ViewedUpstream& upstream)
{
    const auto& in_use = view.table->upstreams;
    if (upstream.usable && std::find(in_use.begin(), in_use.end(), upstream.usable) != in_use.end())
        return upstream.usable;
    if (!upstream.unusable.empty())
        return Invalid{upstream.unusable};
    const auto resolve = secrets_for(upstream.origin, view.table->settings.secrets);
    auto made = make_upstream(upstream.definition, resolve, nullptr);
    if (!made)
        return made.error();
    net::find_path(*made, *view.table);
    return std::make_shared<const Upstream>(*std::move(made));
}

ProbeResult probe_upstream(const RoutingView& view, const ViewedUpstream& upstream,
                           const std::stop_token& stop)
{
    const auto asked = usable_upstream(view, upstream);
    if (!asked) {
        ProbeResult refused;
        refused.error = "it cannot be used: " + asked.error().reason;
        return refused;
    }
    if ((*asked)->endpoint.model_at != std::string::npos) {
        ProbeResult refused;
        refused.error = "its endpoint has {model}: it cannot be asked for its models without one";
        return refused;
    }
    return probe(view, **asked, is_only(view, upstream), stop);
}

boost::json::object probe_json(const ViewedUpstream& upstream, const ProbeResult& result)
{
    boost::json::object json;
    json["upstream"] = clean_utf8(effective_name(upstream.definition));
    json["endpoint"] = clean_utf8(mask_endpoint(upstream.definition.endpoint));
    json["ok"] = result.outcome == AttemptOutcome::ok;
    json["status"] = nullptr;
    json["outcome"] = nullptr;
    json["latency_ms"] = nullptr;
    json["error"] = nullptr;
    json["json"] = result.json;
    if (result.status)
        json["status"] = *result.status;
    if (result.outcome) {
        json["outcome"] = to_string(*result.outcome);
        json["latency_ms"] =
            std::round(std::chrono::duration<double, std::milli>{result.elapsed}.count() * 1000) / 1000;
    }
    if (!result.error.empty())
        json["error"] = clean_utf8(result.error);
    return json;
}

}  // namespace route
