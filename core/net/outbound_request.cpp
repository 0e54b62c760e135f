#include "core/net/outbound_request.hpp"

#include <algorithm>
#include <boost/beast/http/field.hpp>

#include "core/header_rules.hpp"

namespace route::net {

namespace {

constexpr std::size_t most_body = 64u << 10;

HeaderFields as_fields(const OutboundRequest& request)
{
    HeaderFields fields;
    for (const auto& [name, value] : request.fields)
        fields.push_back({http::string_to_field(name), name, value});
    return fields;
}

/// Ends the attempt when all of it takes too long, or the loop is told to stop.
class Limit final : public Stoppable
{
  public:
    Limit(EventLoop& loop, Attempt& attempt, TimePoint when)
        : attempt_{attempt}, deadline_{loop.deadlines, &Limit::on_deadline, &attempt}
    {
        loop.sessions.push_back(*this);
        deadline_.expire_at(when);
    }

    void drain() override {}
    void stop() override { attempt_.abort(Cause::stopped); }

  private:
    static void on_deadline(void* attempt) { static_cast<Attempt*>(attempt)->abort(Cause::timeout); }

    Attempt& attempt_;
    Deadline deadline_;
};

void append(std::string& body, std::string_view bytes)
{
    body += bytes.substr(0, most_body - std::min(most_body, body.size()));
}

/// What comes after commit.
awaitable<void> read_rest(Attempt& attempt, std::string& body)
{
    while (!attempt.complete() && body.size() < most_body) {
        attempt.expect_more();
        const auto step = attempt.read();
        if (step == Attempt::Read::failed)
            break;
        if (step == Attempt::Read::payload)
            append(body, attempt.payload());
        if (step == Attempt::Read::would_block) {
            auto readable = attempt.readable();
            co_await std::move(readable);
        }
    }
}

}  // namespace

awaitable<OutboundReply> send_outbound(EventLoop& loop, RoutingTablePtr table, const OutboundRequest& request,
                                       AttemptTimeouts limits, Clock::duration bound)
{
    const auto fields = as_fields(request);
    std::optional<std::uint64_t> body_bytes;
    if (!request.body.empty())
        body_bytes = request.body.size();
    const RequestFacts facts;
    const UpstreamRequest head{request.method, "/v1", request.query, fields, body_bytes};
    const OutgoingRequest outgoing{head, request.body, facts};
    const AttemptLimits attempt_limits{limits};
    Deadline deadline{loop.deadlines, nullptr, nullptr};
    Deadline commit_deadline{loop.deadlines, nullptr, nullptr};
    ReplyCapture unrecorded;
    Attempt attempt{loop,           *table,   *table->upstreams.front(), outgoing,
                    attempt_limits, deadline, commit_deadline,           unrecorded};
    const auto begin = Clock::now();
    const Limit limit{loop, attempt, begin + bound};

    OutboundReply reply;
    const bool succeeded = co_await attempt.run();
    if (succeeded) {
        append(reply.body, attempt.pending());
        attempt.drop_pending();
        co_await read_rest(attempt, reply.body);
        reply.status = attempt.reply().status();
        if (attempt.complete())
            attempt.release();
    } else if (attempt.kept_whole()) {
        append(reply.body, attempt.pending());
    }
    if (attempt.failed()) {
        reply.failure = attempt.failure();
        // What a proxy says is not the response, and one that was cut says nothing for sure.
        const bool answered = reply.failure->cause == Cause::status && reply.failure->phase != Phase::proxy;
        reply.status = answered ? *reply.failure->status : 0;
        reply.retry_after = attempt.retry_after();
    }
    reply.elapsed = Clock::now() - begin;
    co_return reply;
}

}  // namespace route::net
