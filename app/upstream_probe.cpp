#include "app/upstream_probe.hpp"

#include "app/command_loop.hpp"
#include "core/net/attempt.hpp"
#include "core/text.hpp"

namespace route {
namespace {

void note_failure(ProbeResult& result, const net::Attempt& attempt)
{
    const auto& failure = attempt.failure();
    const auto& upstream = attempt.upstream();
    result.status = failure.status;
    result.outcome = outcome_of(failure);
    result.error = escape_for_log(describe(failure));
    if (upstream.asis)
        result.error += " (asked without a key: its sk is asis)";
}

net::awaitable<void> ask(net::Attempt& attempt, ProbeResult& result)
{
    const bool succeeded = co_await attempt.run();
    result.elapsed = net::Clock::now() - attempt.started();
    if (succeeded)
        result.outcome = AttemptOutcome::ok;
}

}  // namespace

ProbeResult probe_upstream(const net::RoutingTablePtr& table, bool only)
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
    net::Deadline deadline{loop.deadlines, nullptr, nullptr};
    net::Deadline commit_deadline{loop.deadlines, nullptr, nullptr};
    ReplyCapture unrecorded;
    net::Attempt attempt{loop, *table, upstream, request, limits, deadline, commit_deadline, unrecorded};
    ProbeResult result;
    own.run(ask(attempt, result));
    if (result.outcome == AttemptOutcome::ok) {
        result.status = attempt.reply().status();
        result.json = attempt.recorder().kind() == net::ReplyKind::json;
    } else {
        note_failure(result, attempt);
    }
    return result;
}

}  // namespace route
