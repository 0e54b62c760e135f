#include "core/net/request_intake.hpp"

#include <algorithm>
#include <functional>

#include "core/http/query_facts.hpp"
#include "core/net/loop/off_loop.hpp"
#include "core/openai/named_ids.hpp"
#include "core/openai/session_key.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

/// Bodies up to this size are read for their facts at once.
constexpr std::size_t read_on_loop = 256u << 10;

}  // namespace

RequestIntake::RequestIntake(EventLoop& loop, const RoutingTable& table, Client& client, Request& request)
    : loop_{loop}, table_{table}, client_{client}, request_{request}, account_{loop.services.buffered}
{
}

std::optional<ReadOutcome> RequestIntake::begin_body(Record& record)
{
    const auto& server = table_.settings.server;
    const auto announced = request_.parser->content_length().value_or(0);
    if (announced > server.max_body)
        return ReadOutcome::too_large;
    if (table_.settings.auth.enabled)
        account_.open(record.key_name, loop_.buffer_limits(server));
    else
        account_.open(owner_of_address(record.ip), loop_.buffer_limits(server));
    // Whether there is room by now: as long as it has not come, it takes none from others.
    const auto head = request_.head.size();
    if (!account_.fits(head + announced))
        return ReadOutcome::overloaded;
    account_.hold(head);
    request_.body.swap(record.body);  // memory of an earlier one
    request_.body.reserve(body_padding);
    if (request_.parser->done())
        return ReadOutcome::whole;
    return body_reader().step();
}

BodyReader RequestIntake::body_reader()
{
    const auto& server = table_.settings.server;
    return {client_, request_, {server.max_body, server.body_timeout}, account_};
}

awaitable<ReadOutcome> RequestIntake::read_body()
{
    const auto begin = Clock::now();
    const auto expectation = find_field(request_.fields(), http::field::expect);
    if (request_.body.empty() && !request_.http10() && equal_ignoring_case(expectation, "100-continue")) {
        auto interim = part("HTTP/1.1 100 Continue\r\n\r\n");
        std::span<iovec> parts{&interim, 1};
        client_.limit_write(begin + ticks(table_.settings.server.body_timeout));
        const auto error = co_await write_all(client_.connection, parts);
        if (error)
            co_return ReadOutcome::closed;
    }
    auto reader = body_reader();
    auto outcome = reader.step();
    while (!outcome) {
        auto readable = client_.connection.readable();
        co_await std::move(readable);
        outcome = reader.step();
    }
    waited_ += Clock::now() - begin;
    co_return *outcome;
}

std::optional<RouterError> RequestIntake::refusal_of(ReadOutcome outcome) const
{
    if (outcome == ReadOutcome::malformed)
        return RouterError{400, "bad_request", "the body is not validly framed"};
    if (outcome == ReadOutcome::timed_out)
        return RouterError{408, "request_timeout", "the body did not arrive in time"};
    if (outcome == ReadOutcome::too_large)
        return RouterError{413, "body_too_large",
                           "the body is longer than the " + std::to_string(table_.settings.server.max_body) +
                               " bytes that are accepted"};
    if (outcome == ReadOutcome::overloaded)
        return RouterError{503, "overloaded",
                           "the router holds as much as it may (server.max_buffered); try again shortly"};
    return std::nullopt;
}

bool RequestIntake::reads_on_loop() const
{
    return request_.body.size() <= read_on_loop &&
           !is_encoded(find_field(request_.fields(), http::field::content_encoding));
}

/// A request for WebSocket names its model there.
RequestBody RequestIntake::facts_of_query() const
{
    RequestBody read;
    auto facts = read_query_facts(request_.query);
    if (facts)
        read.facts = *std::move(facts);
    else
        read.refusal = RouterError{400, "bad_request", facts.error().reason};
    return read;
}

RequestBody RequestIntake::facts_of_body() const
{
    if (request_.asks_for_websocket())
        return facts_of_query();
    const auto& fields = request_.fields();
    auto read = read_request_body(
        find_field(fields, http::field::content_type), find_field(fields, http::field::content_encoding),
        request_.body, table_.rules_on_models ? Reading::strict : Reading::lenient, table_.changed_members);
    const auto& failover = table_.settings.failover;
    if (!failover.sticky.empty() && failover.order != UpstreamOrder::priority)
        read.session = session_key(failover.sticky, fields, read.decoded ? *read.decoded : request_.body)
                           .value_or(std::string{});
    if (table_.upstreams.size() > 1)
        read.named_ids = route::named_ids(request_.parser->method(), request_.path,
                                          read.decoded ? *read.decoded : request_.body);
    return read;
}

std::optional<RouterError> RequestIntake::read_facts()
{
    return take_facts(facts_of_body());
}

/// A large body is much to read, and of a compressed one nobody knows how large it is: others of the loop go
/// on meanwhile. A client that leaves is noticed when it is done.
awaitable<std::optional<RouterError>> RequestIntake::read_facts_off_loop()
{
    const auto begin = Clock::now();
    const auto held = account_.held();
    const auto encoding = find_field(request_.fields(), http::field::content_encoding);
    std::function<RequestBody()> read = [this, held, encoding] {
        account_.hold(held + reading_memory(encoding, request_.body.size()));
        auto body = facts_of_body();
        account_.hold(held + (body.decoded ? body.decoded->size() : 0));
        return body;
    };
    auto body = co_await run_off_loop(loop_.services.bodies, loop_, std::move(read));
    waited_ += Clock::now() - begin;
    auto refusal = take_facts(std::move(body));
    co_return refusal;
}

std::optional<RouterError> RequestIntake::take_facts(RequestBody read)
{
    facts_ = std::move(read.facts);
    session_ = std::move(read.session);
    named_ids_ = std::move(read.named_ids);
    if (read.decoded && changes_body()) {
        request_.body = *std::move(read.decoded);
        request_.parser->drop_field(http::field::content_encoding);
    } else if (read.decoded) {
        decoded_ = std::move(read.decoded);
    }
    return read.refusal ? std::move(read.refusal) : read_commit();
}

std::optional<RouterError> RequestIntake::read_commit()
{
    commit_ = table_.settings.failover.commit;
    const auto asked = find_field(request_.fields(), "x-route-commit");
    if (asked.empty())
        return std::nullopt;
    const bool complete = equal_ignoring_case(asked, "complete");
    const bool contradicted =
        std::any_of(request_.fields().begin(), request_.fields().end(), [&](const HeaderField& field) {
            return equal_ignoring_case(field.name, "x-route-commit") &&
                   !equal_ignoring_case(field.value, asked);
        });
    if ((!complete && !equal_ignoring_case(asked, "content")) || contradicted)
        return RouterError{400, "bad_request", "x-route-commit: expected content or complete"};
    commit_ = complete ? Commit::complete : Commit::content;
    return std::nullopt;
}

/// Whether an upstream may get another body than the client's: then all get the decoded one.
bool RequestIntake::changes_body() const
{
    const ModelAndPath asked{facts_.model, request_.path, facts_.model_cut};
    const bool may_rename = facts_.model && !facts_.model_cut;
    return std::any_of(table_.upstreams.begin(), table_.upstreams.end(), [&](const auto& upstream) {
        if (may_rename && upstream->rename.count(*facts_.model) > 0)
            return true;
        return facts_.object_begin && !(upstream->set.empty() && upstream->unset.empty()) &&
               is_eligible(*upstream, asked);
    });
}

std::string RequestIntake::take_body()
{
    return decoded_ ? *std::move(decoded_) : std::move(request_.body);
}

}  // namespace route::net
