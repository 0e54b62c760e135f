#include "core/net/exchange.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

#include "core/http/query_facts.hpp"
#include "core/net/loop/off_loop.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

/// Methods that speak to what lies between client and origin: CONNECT opens a tunnel (RFC 9110 9.3.6), TRACE
/// has the request echoed, which by then holds the upstream's key (9.3.8); TRACK is IIS's name for it.
bool is_for_the_way(std::string_view method)
{
    return equal_ignoring_case(method, "CONNECT") || equal_ignoring_case(method, "TRACE") ||
           equal_ignoring_case(method, "TRACK");
}

/// Bodies up to this size are read for their facts at once.
constexpr std::size_t read_on_loop = 256u << 10;

}  // namespace

Exchange::Exchange(EventLoop& loop, Client& client, Request& request, KnownCredential& known)
    : loop_{loop},
      client_{client},
      request_{request},
      known_{known},
      table_{loop.routing},
      writer_{client, table_->settings.timeouts.idle,
              table_->settings.records.durability == Durability::commit},
      queued_{loop.new_record()},
      record_{queued_->record},
      account_{loop.services.buffered}
{
    loop_.services.in_flight.fetch_add(1, std::memory_order_relaxed);
}

Exchange::~Exchange()
{
    loop_.services.in_flight.fetch_sub(1, std::memory_order_relaxed);
}

awaitable<void> Exchange::run()
{
    begin_record();
    keep_alive_ = request_.parser->keep_alive() && !loop_.draining();
    const auto complaint = check_request_head(request_);
    if (!complaint.empty()) {
        RouterError error{400, "bad_request", std::string{complaint}};
        const auto target = request_.parser->target();
        record_.path = target.substr(0, target.find('?'));
        authenticate_for_record();
        co_await refuse(std::move(error));
        co_return;
    }
    record_.path = request_.path;
    recorded_ = !is_page();
    co_await answer_request();
    client_.unwatch();
    if (recorded_ && writer_.holds_end())
        co_await finish_durably();
    else if (recorded_)
        finish();
    if (leaves_unread_body())
        co_await client_.linger();
}

awaitable<void> Exchange::answer_request()
{
    std::string failure;
    try {
        if (recorded_)
            co_await serve();
        else
            co_await answer_page();
        co_return;
    } catch (const std::exception& error) {
        failure = error.what();
    }
    co_await fail_unexpectedly(std::move(failure));
}

/// A broken invariant, or no memory: this request is lost, its record and the others are not.
awaitable<void> Exchange::fail_unexpectedly(std::string what)
{
    spdlog::error("request {} ended unexpectedly: {}", record_.request_id, what);
    keep_alive_ = false;
    if (!writer_.started() && client_.connection.is_open()) {
        try {
            RouterError error{500, "internal_error", "the router failed at this request"};
            co_await answer(std::move(error));
            co_return;
        } catch (const std::exception& error) {
            spdlog::error("request {} is not answered: {}", record_.request_id, error.what());
        }
    }
    client_closed("after an internal error");
    client_.connection.abandon();
}

/// A client that still sends its body is given the time to read the answer.
bool Exchange::leaves_unread_body() const
{
    const bool unread = !request_.parser || (!request_.body_read && !request_.parser->done());
    return unread && !keep_alive_ && client_.connection.is_open();
}

awaitable<void> Exchange::refuse(RouterError error)
{
    if (record_.request_id.empty())
        begin_record();
    recorded_ = true;
    keep_alive_ = false;
    co_await answer(std::move(error));
    if (writer_.holds_end())
        co_await finish_durably();
    else
        finish();
    if (leaves_unread_body())
        co_await client_.linger();
}

awaitable<void> Exchange::serve()
{
    auto refusal = refuse_head();
    if (!refusal) {
        auto body = begin_body();
        if (!body)
            body = co_await read_body();
        request_.body_read = body == ReadOutcome::whole;
        if (!request_.body_read) {
            co_await answer_unread_body(*body);
            co_return;
        }
        if (reads_on_loop()) {
            refusal = read_facts();
        } else {
            auto found = co_await read_facts_off_loop();
            refusal = std::move(found);
        }
    }
    if (!refusal) {
        co_await route();
        co_return;
    }
    std::string_view fields;
    if (refusal->status == 405)
        fields = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
    co_await answer(std::move(*refusal), fields);
}

/// Waits for room for the record, 5 s at most; then the request is served unrecorded.
awaitable<void> Exchange::admit()
{
    constexpr auto patience = std::chrono::seconds{5};
    constexpr auto step = std::chrono::milliseconds{50};
    auto& sink = loop_.services.sink;
    Timer timer{loop_.io.get_executor()};
    const auto limit = Clock::now() + patience;
    while (!sink.has_room() && Clock::now() < limit && !client_.stopped()) {
        timer.expires_after(step);
        auto passed = timer.async_wait(no_throw);
        co_await std::move(passed);
    }
    unrecordable_ = !sink.has_room();
}

OutgoingRequest Exchange::outgoing() const
{
    const auto body_bytes = request_.body.size();
    std::optional<std::uint64_t> content_length;
    if (body_bytes > 0 || request_.parser->content_length() || request_.parser->chunked())
        content_length = body_bytes;
    return {{request_.parser->method(), request_.path, request_.query, request_.fields(), content_length,
             key_place_, websocket_},
            request_.body,
            facts_,
            request_.head_only(),
            record_.client_keys};
}

/// Tries the upstreams, and answers with what came of it.
awaitable<void> Exchange::route()
{
    if (!loop_.services.sink.has_room())
        co_await admit();
    const auto request = outgoing();
    Router router{loop_, *table_, client_, request, record_, request_.started};
    auto routed = co_await router.route();
    waited_ += router.waited();
    client_.watch(nullptr);
    if (routed.reply) {
        co_await reply(router, *routed.reply);
    } else if (routed.error) {
        const bool tried = !record_.attempts.empty();
        std::string_view fields;
        if (tried)
            fields = "x-should-retry: false\r\n";
        co_await answer(*std::move(routed.error), fields);
    } else if (routed.kept) {
        co_await relay_kept(routed);
    } else {
        client_closed("while it waited");
    }
}

/// Sends the reply that may be committed, and judges its end.
awaitable<void> Exchange::reply(Router& router, Attempt& attempt)
{
    const bool switches = attempt.reply().status() == 101;
    std::optional<AttemptFailure> failure;
    if (switches) {
        router.note_success(attempt.upstream());  // not when it ends: what happened meanwhile stays
        failure = co_await tunnel(attempt);
    } else if (attempt.complete()) {
        co_await reply_whole(attempt);
    } else {
        failure = co_await relay(attempt);
    }
    if (auto error = error_inside(attempt))
        failure = std::move(error);
    note_attempt(router, attempt, failure);
    if (failure)
        router.note_failure(attempt, *failure);
    else if (!switches)
        router.note_success(attempt.upstream());
}

void Exchange::note_attempt(Router& router, Attempt& attempt, const std::optional<AttemptFailure>& failure)
{
    auto note = router.attempt_record(attempt);
    note.status = attempt.reply().status();
    if (failure)
        note.outcome = outcome_of(*failure);
    else if (record_.outcome == RequestOutcome::truncated && !client_.stopped())
        note.outcome = AttemptOutcome::timeout;  // of a tunnel in which nobody spoke
    else if (record_.outcome != RequestOutcome::ok)
        note.outcome = AttemptOutcome::client_closed;  // or the router stopped
    if (note.outcome != AttemptOutcome::ok)
        note.error = record_.error;
    waited_ += attempt.waited();
    record_.attempts.push_back(std::move(note));
}

/// Why a request is not served whatever its body says.
std::optional<RouterError> Exchange::refuse_head()
{
    if (auto refusal = authenticate())
        return refusal;
    record_.authenticated = true;
    client_.stranger.leave();
    if (is_for_the_way(request_.parser->method()))
        return RouterError{405, "method_not_allowed",
                           "the method " + std::string{request_.parser->method()} + " is not passed on"};
    return std::nullopt;
}

bool Exchange::reads_on_loop() const
{
    return request_.body.size() <= read_on_loop &&
           !is_encoded(find_field(request_.fields(), http::field::content_encoding));
}

/// A request for WebSocket names its model there.
RequestBody Exchange::facts_of_query() const
{
    RequestBody read;
    auto facts = read_query_facts(request_.query);
    if (facts)
        read.facts = *std::move(facts);
    else
        read.refusal = RouterError{400, "bad_request", facts.error().reason};
    return read;
}

RequestBody Exchange::facts_of_body() const
{
    if (websocket_)
        return facts_of_query();
    const auto& fields = request_.fields();
    return read_request_body(find_field(fields, http::field::content_type),
                             find_field(fields, http::field::content_encoding), request_.body,
                             table_->rules_on_models ? Reading::strict : Reading::lenient);
}

std::optional<RouterError> Exchange::read_facts()
{
    return take_facts(facts_of_body());
}

/// A large body is much to read, and of a compressed one nobody knows how large it is: others of the loop go
/// on meanwhile. A client that leaves is noticed when it is done.
awaitable<std::optional<RouterError>> Exchange::read_facts_off_loop()
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

std::optional<RouterError> Exchange::take_facts(RequestBody read)
{
    facts_ = std::move(read.facts);
    fill_request_record();
    if (!read.decoded)
        return std::move(read.refusal);
    if (changes_body()) {
        request_.body = *std::move(read.decoded);
        request_.parser->drop_field(http::field::content_encoding);
    } else {
        decoded_ = std::move(read.decoded);
    }
    return std::move(read.refusal);
}

/// Whether an upstream may get another body than the client's: then all get the decoded one.
bool Exchange::changes_body() const
{
    return facts_.model && !facts_.model_cut &&
           std::any_of(table_->upstreams.begin(), table_->upstreams.end(),
                       [&](const auto& upstream) { return upstream->rename.count(*facts_.model) > 0; });
}

/// Takes in what of the body came with its head; nothing while there is more to come.
std::optional<ReadOutcome> Exchange::begin_body()
{
    const auto& server = table_->settings.server;
    const auto announced = request_.parser->content_length().value_or(0);
    if (announced > server.max_body)
        return ReadOutcome::too_large;
    if (table_->settings.auth.enabled)
        account_.open(record_.key_name, loop_.buffer_limits(server));
    else
        account_.open(owner_of_address(record_.ip), loop_.buffer_limits(server));
    // Whether there is room by now: as long as it has not come, it takes none from others.
    const auto head = request_.head.size();
    if (!account_.fits(head + announced))
        return ReadOutcome::overloaded;
    account_.hold(head);
    request_.body.swap(record_.body);  // memory of an earlier one
    request_.body.reserve(body_padding);
    if (request_.parser->done())
        return ReadOutcome::whole;
    return body_reader().step();
}

BodyReader Exchange::body_reader()
{
    const auto& server = table_->settings.server;
    return {client_, request_, {server.max_body, server.body_timeout}, account_};
}

awaitable<ReadOutcome> Exchange::read_body()
{
    const auto begin = Clock::now();
    const auto expectation = find_field(request_.fields(), http::field::expect);
    if (request_.body.empty() && !request_.http10() && equal_ignoring_case(expectation, "100-continue")) {
        auto interim = part("HTTP/1.1 100 Continue\r\n\r\n");
        std::span<iovec> parts{&interim, 1};
        client_.limit_write(begin + ticks(table_->settings.server.body_timeout));
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

awaitable<void> Exchange::answer_unread_body(ReadOutcome outcome)
{
    record_.body_bytes = request_.body.size();
    RouterError error{400, "bad_request", "the body is not validly framed"};
    if (outcome == ReadOutcome::timed_out) {
        error = RouterError{408, "request_timeout", "the body did not arrive in time"};
    } else if (outcome == ReadOutcome::too_large) {
        const auto most = std::to_string(table_->settings.server.max_body);
        error = RouterError{413, "body_too_large",
                            "the body is longer than the " + most + " bytes that are accepted"};
    } else if (outcome == ReadOutcome::overloaded) {
        error = RouterError{503, "overloaded",
                            "the router holds as much as it may (server.max_buffered); try again shortly"};
    } else if (outcome != ReadOutcome::malformed) {
        client_closed("while it sent its body");
        co_return;
    }
    co_await answer(std::move(error));
}

}  // namespace route::net
