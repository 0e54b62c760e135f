#include "app/upstream_probe.hpp"

#include <algorithm>
#include <cmath>

#include "app/command_loop.hpp"
#include "core/net/attempt.hpp"
#include "core/text.hpp"

namespace route {
namespace {

void note_failure(ProbeResult& result, const Upstream& upstream, const AttemptFailure& failure)
{
    result.status = failure.status;
    result.outcome = outcome_of(failure);
    result.error = escape_for_log(describe(failure));
    if (upstream.asis)
        result.error += " (asked without a key: its sk is asis)";
}

/// Waits for the answer until it is asked to stop.
class Asker final : public net::Requester
{
  public:
    net::awaitable<void> gone() override
    {
        if (stopped_)
            co_return;
        auto stop = stop_.wait();
        co_await std::move(stop);
    }
    void stop()
    {
        stopped_ = true;
        stop_.notify();
    }

  private:
    net::Wakeup stop_;
    bool stopped_ = false;
};

net::awaitable<void> ask(net::Attempt& attempt, ProbeResult& result)
{
    const auto failure = co_await attempt.run();
    result.elapsed = net::Clock::now() - attempt.started();
    if (failure) {
        note_failure(result, attempt.upstream(), *failure);
    } else {
        result.outcome = AttemptOutcome::ok;
        result.status = attempt.reply().status();
        result.json = attempt.recorder().kind() == ReplyKind::json;
    }
}

/// No other one would be tried.
bool is_only(const RoutingView& view, const ViewedUpstream& upstream)
{
    return std::none_of(view.upstreams.begin(), view.upstreams.end(), [&](const ViewedUpstream& other) {
        return other.definition.enabled && &other != &upstream;
    });
}

/// What serving uses, where it does; else made now.
Result<void> join(net::RoutingTable& table, const RoutingView& view, const ViewedUpstream& upstream)
{
    const auto& in_use = view.table->upstreams;
    if (upstream.usable && std::find(in_use.begin(), in_use.end(), upstream.usable) != in_use.end()) {
        table.upstreams.push_back(upstream.usable);
        return {};
    }
    if (!upstream.unusable.empty())
        return Invalid{upstream.unusable};
    auto made =
        make_upstream(upstream.definition, secrets_for(upstream.origin, table.settings.secrets), nullptr);
    if (!made)
        return made.error();
    net::add_upstream(table, *std::move(made));
    return {};
}

ProbeResult probe(const net::RoutingTablePtr& table, bool only, const std::stop_token& stop)
{
    const auto& upstream = *table->upstreams.front();
    CommandLoop own{table};
    auto& loop = own.loop();

    const HeaderFields fields{
        {boost::beast::http::field::accept, "Accept", "application/json"},
        {boost::beast::http::field::user_agent, "User-Agent", "openai-api-route/" ROUTE_VERSION}};
    const RequestFacts facts;
    const net::OutgoingRequest request{{"GET", "/v1/models", "", fields, std::nullopt}, "", facts};
    const net::AttemptLimits limits{attempt_timeouts(table->settings.timeouts, {false, 0, only}, upstream)};
    ReplyCapture unrecorded;
    Asker asker;
    net::Attempt attempt{loop, *table, upstream, request, limits, asker, unrecorded};
    const std::stop_callback on_stop{stop, [&] { loop.post([&asker] { asker.stop(); }); }};
    ProbeResult result;
    own.run(ask(attempt, result));
    return result;
}

}  // namespace

ProbeResult probe_upstream(const RoutingView& view, const ViewedUpstream& upstream,
                           const std::stop_token& stop)
{
    const auto table = std::make_shared<net::RoutingTable>(*view.table);
    table->upstreams.clear();
    if (const auto joined = join(*table, view, upstream); !joined) {
        ProbeResult refused;
        refused.error = "it cannot be used: " + joined.error().reason;
        return refused;
    }
    return probe(table, is_only(view, upstream), stop);
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
