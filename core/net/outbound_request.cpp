#include "core/net/outbound_request.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
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

/// Waits until all of it has taken too long, or the loop is told to stop.
class Patience final : public Requester, public Stoppable
{
  public:
    Patience(EventLoop& loop, TimePoint end) : timer_{loop.io.get_executor()}, end_{end}
    {
        loop.sessions.push_back(*this);
    }

    awaitable<void> gone() override
    {
        timer_.expires_at(stopped_ ? TimePoint::min() : end_);
        auto over = timer_.async_wait(no_throw);
        co_await std::move(over);
    }
    bool stopped() const { return stopped_; }

    void drain() override {}
    void stop() override
    {
        stopped_ = true;
        timer_.cancel();
    }

  private:
    Timer timer_;
    TimePoint end_;
    bool stopped_ = false;
};

void append(std::string& body, std::string_view bytes)
{
    body += bytes.substr(0, most_body - std::min(most_body, body.size()));
}

awaitable<void> silence(EventLoop& loop, Clock::duration longest)
{
    Timer timer{loop.io.get_executor(), longest};
    auto passed = timer.async_wait(no_throw);
    co_await std::move(passed);
}

/// What comes after commit, as far as it is wanted; how it broke off, if it did.
awaitable<std::optional<AttemptFailure>> read_rest(EventLoop& loop, Attempt& attempt, Clock::duration idle,
                                                   std::string& body)
{
    using namespace asio::experimental::awaitable_operators;
    while (!attempt.complete() && body.size() < most_body) {
        const auto step = attempt.read();
        if (step == HttpClient::Step::failed)
            co_return attempt.read_failure();
        if (step == HttpClient::Step::done)
            append(body, attempt.payload());
        if (step == HttpClient::Step::wait) {
            auto more = until_readable(attempt.connection());
            auto silent = silence(loop, idle);
            auto race = std::move(more) || std::move(silent);
            const auto first = co_await std::move(race);
            if (first.index() == 1)
                co_return attempt.failed(Cause::timeout);
        }
    }
    co_return std::nullopt;
}

awaitable<std::optional<AttemptFailure>> read_rest_in_time(EventLoop& loop, Attempt& attempt,
                                                           Clock::duration idle, std::string& body,
                                                           Patience& patience)
{
    using namespace asio::experimental::awaitable_operators;
    auto rest = read_rest(loop, attempt, idle, body);
    auto late = patience.gone();
    auto race = std::move(rest) || std::move(late);
    auto first = co_await std::move(race);
    if (first.index() == 1)
        co_return attempt.failed(Cause::timeout);
    co_return std::get<0>(std::move(first));
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
    ReplyCapture unrecorded;
    const auto begin = Clock::now();
    Patience patience{loop, begin + bound};
    Attempt attempt{loop, *table, *table->upstreams.front(), outgoing, attempt_limits, patience, unrecorded};

    OutboundReply reply;
    reply.failure = co_await attempt.run();
    if (!reply.failure) {
        append(reply.body, attempt.pending());
        attempt.drop_pending();
        reply.failure = co_await read_rest_in_time(loop, attempt, ticks(limits.idle), reply.body, patience);
        if (!reply.failure)
            reply.status = attempt.reply().status();
        if (attempt.complete())
            attempt.release();
    } else if (attempt.kept_whole()) {
        append(reply.body, attempt.pending());
    }
    if (reply.failure) {
        if (reply.failure->cause == Cause::client_gone)
            reply.failure->cause = patience.stopped() ? Cause::stopped : Cause::timeout;
        // What a proxy says is not the response, and one that was cut says nothing for sure.
        const bool answered = reply.failure->cause == Cause::status && reply.failure->phase != Phase::proxy;
        reply.status = answered ? *reply.failure->status : 0;
        reply.retry_after = attempt.retry_after();
    }
    reply.elapsed = Clock::now() - begin;
    co_return reply;
}

}  // namespace route::net
