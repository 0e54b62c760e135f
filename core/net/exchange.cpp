#include "core/net/exchange.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>

#include "core/http/request_path.hpp"
#include "core/net/maker_lookup.hpp"
#include "core/net/model_union.hpp"
#include "core/net/pages.hpp"
#include "core/net/websocket_relay.hpp"
#include "core/text.hpp"

namespace route::net {

Exchange::Exchange(EventLoop& loop, Client& client, Request& request, KnownCredential& known)
    : loop_{loop},
      client_{client},
      request_{request},
      known_{known},
      table_{loop.routing},
      kept_{loop, table_},
      record_{kept_.record()},
      intake_{loop, *table_, client, request},
      reply_{loop, *table_, client, request, record_}
{
    loop_.services.in_flight.fetch_add(1, std::memory_order_relaxed);
}

Exchange::~Exchange()
{
    loop_.services.in_flight.fetch_sub(1, std::memory_order_relaxed);
}

awaitable<void> Exchange::run()
{
    kept_.begin(client_, request_);
    reply_.keep_alive(request_.parser->keep_alive() && !loop_.draining());
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
    recorded_ = !is_page(request_, *table_);
    co_await answer_request();
    client_.unwatch();
    co_await finish();
}

awaitable<void> Exchange::refuse(RouterError error)
{
    if (!kept_.begun())
        kept_.begin(client_, request_);
    recorded_ = true;
    reply_.keep_alive(false);
    co_await reply_.send_error(std::move(error));
    co_await finish();
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
    reply_.keep_alive(false);
    // A client that got comments and nothing of an upstream can be told, too.
    const bool untold =
        !reply_.writer().started() || (reply_.stream_begun() && record_.upstream_name.empty());
    if (untold && client_.connection.is_open()) {
        try {
            RouterError error{500, "internal_error", "the router failed at this request"};
            co_await reply_.send_error(std::move(error));
            co_return;
        } catch (const std::exception& error) {
            spdlog::error("request {} is not answered: {}", record_.request_id, error.what());
        }
    }
    reply_.note_client_closed("after an internal error");
    client_.connection.abandon();
}

/// The straight line.
awaitable<void> Exchange::serve()
{
    auto refusal = authenticate();
    if (!refusal) {
        auto body = intake_.begin_body(record_);
        if (!body)
            body = co_await intake_.read_body();
        record_.body_bytes = request_.body.size();
        request_.body_read = body == ReadOutcome::whole;
        if (!request_.body_read) {
            co_await answer_unread_body(*body);
            co_return;
        }
        if (intake_.reads_on_loop()) {
            refusal = intake_.read_facts();
        } else {
            auto found = co_await intake_.read_facts_off_loop();
            refusal = std::move(found);
        }
        kept_.note_facts(intake_.facts(), request_);
    }
    if (refusal) {
        const std::string_view fields =
            refusal->status == 405 ? "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" : "";
        co_await reply_.send_error(*std::move(refusal), fields);
        co_return;
    }
    if (!loop_.services.sink.has_room())
        co_await kept_.wait_for_room(client_);
    const Upstream* maker = nullptr;
    if (!intake_.named_ids().empty()) {
        auto finding = find_maker();
        maker = co_await std::move(finding);
    }
    const auto request = outgoing(maker);
    if (ModelUnion::answers(table_->settings, request_)) {
        co_await list_models(request);
        co_return;
    }
    Router router{loop_, *table_, client_, request, record_, request_.started};
    auto routed = co_await route(router);
    client_.watch(nullptr);
    kept_.add_wait(router.notes().waited());
    if (routed.reply) {
        const auto failure = co_await send(router, *routed.reply);
        end_reply(router, *routed.reply, failure);
    } else {
        co_await send_failure(routed);
    }
}

/// Why a request is not served whatever its body says.
std::optional<RouterError> Exchange::authenticate()
{
    auto found = net::authenticate(request_, table_, known_, record_);
    key_place_ = found.place;
    if (found.refusal)
        return std::move(found.refusal);
    record_.authenticated = true;
    client_.stranger.leave();
    if (is_for_the_way(request_.parser->method()))
        return RouterError{405, "method_not_allowed",
                           "the method " + std::string{request_.parser->method()} + " is not passed on"};
    return std::nullopt;
}

/// Of a request that is refused whoever sent it: with a valid key it is stored, and any key is erased from
/// it. Where no key is needed, it is stored only if it was meant for an upstream: others are scans.
void Exchange::authenticate_for_record()
{
    const bool refused = net::authenticate(request_, table_, known_, record_).refusal.has_value();
    record_.authenticated = !refused && (table_->settings.auth.enabled || record_.path.starts_with("/v1/"));
}

awaitable<void> Exchange::answer_unread_body(ReadOutcome outcome)
{
    auto refusal = intake_.refusal_of(outcome);
    if (refusal)
        co_await reply_.send_error(*std::move(refusal));
    else
        reply_.note_client_closed("while it sent its body");
}

/// Of what the request names, which only its upstream knows.
awaitable<const Upstream*> Exchange::find_maker()
{
    const auto begin = Clock::now();
    auto finding = net::find_maker(loop_, *table_, intake_.named_ids());
    const auto* const maker = co_await std::move(finding);
    kept_.add_wait(Clock::now() - begin);
    co_return maker;
}

OutgoingRequest Exchange::outgoing(const Upstream* maker)
{
    const auto body_bytes = request_.body.size();
    std::optional<std::uint64_t> content_length;
    if (body_bytes > 0 || request_.parser->content_length() || request_.parser->chunked())
        content_length = body_bytes;
    return {{request_.parser->method(), request_.path, request_.query, request_.fields(), content_length,
             key_place_, request_.asks_for_websocket()},
            request_.body,
            intake_.facts(),
            request_.head_only(),
            intake_.commit(),
            intake_.session(),
            keeps_alive() ? &early_ : nullptr,
            record_.client_keys,
            model_of_path(request_.parser->method(), request_.path),
            maker};
}

/// GET /v1/models.
awaitable<void> Exchange::list_models(const OutgoingRequest& request)
{
    ModelUnion all{loop_, *table_, client_, request, record_, request_.started};
    auto asking = all.ask();
    auto answer = co_await std::move(asking);
    client_.watch(nullptr);
    kept_.add_wait(all.notes().waited());
    if (answer.list)
        co_await reply_.send_json(*answer.list);
    else
        co_await send_failure(answer.routed);
}

/// A client that waits for a stream gets comments meanwhile, if it is to. No coroutine of its own where not.
awaitable<Routed> Exchange::route(Router& router)
{
    if (keeps_alive())
        return route_beside_comments(router);
    return router.route();
}

awaitable<Routed> Exchange::route_beside_comments(Router& router)
{
    using namespace asio::experimental::awaitable_operators;
    auto routing = guarded_route(router);
    auto comments = comment_while_waiting();
    auto race = std::move(routing) || std::move(comments);
    auto first = co_await std::move(race);
    if (broken_)
        std::rethrow_exception(broken_);
    co_return std::get<0>(std::move(first));
}

/// `||` would wait for the comments to end by themselves.
awaitable<Routed> Exchange::guarded_route(Router& router)
{
    try {
        auto routing = router.route();
        auto routed = co_await std::move(routing);
        co_return routed;
    } catch (...) {
        broken_ = std::current_exception();
    }
    Routed none;
    co_return none;
}

/// Until cancelled.
awaitable<void> Exchange::comment_while_waiting()
{
    Timer timer{loop_.io.get_executor()};
    for (;;) {
        timer.expires_after(ticks(table_->settings.failover.keep_alive));
        auto passed = timer.async_wait(no_throw);
        co_await std::move(passed);
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            co_return;
        if (early_.committed > 0 || client_.has_left())
            continue;
        reply_.comment();
        early_.sent = true;
    }
}

bool Exchange::keeps_alive() const
{
    return table_->settings.failover.keep_alive.count() > 0 && intake_.facts().stream &&
           answers(api_of(request_.parser->method(), request_.path)) && !request_.asks_for_websocket();
}

/// Sends the reply that may be committed; how the upstream failed at it, if it did. No coroutine: its frame
/// would be held for as long as the reply lasts.
awaitable<std::optional<AttemptFailure>> Exchange::send(Router& router, Attempt& attempt)
{
    if (attempt.reply().status() == 101)
        return tunnel(router, attempt);
    if (attempt.complete())
        return reply_.send_whole(attempt);
    return reply_.relay(attempt);
}

void Exchange::end_reply(Router& router, Attempt& attempt, const std::optional<AttemptFailure>& failure)
{
    const auto waited = router.notes().waited();
    const auto error = reply_.note_error_inside(attempt);
    attempt.give_capture(record_.reply);
    router.notes().ended(attempt, error ? error : failure);
    kept_.add_wait(router.notes().waited() - waited);
}

/// There is no reply that may be committed.
awaitable<void> Exchange::send_failure(Routed& routed)
{
    if (routed.error) {
        const bool all_tried = !record_.attempts.empty() && !routed.untried;
        const std::string_view fields = all_tried ? "x-should-retry: false\r\n" : "";
        co_await reply_.send_error(*std::move(routed.error), fields);
    } else if (routed.kept) {
        co_await reply_.send_kept(*routed.kept, routed.untried);
        routed.kept->attempt->give_capture(record_.reply);
    } else {
        reply_.note_client_closed("while it waited");
    }
}

awaitable<std::optional<AttemptFailure>> Exchange::tunnel(Router& router, Attempt& attempt)
{
    router.notes().succeeded(attempt.upstream());  // not when it ends: what happened meanwhile stays
    WebSocketRelay socket{loop_, *table_, client_, reply_, kept_};
    auto failure = co_await socket.run(attempt);
    kept_.add_wait(socket.open_time());
    co_return failure;
}

awaitable<void> Exchange::answer_page()
{
    Pages pages{loop_, *table_, request_, reply_};
    std::optional<RouterError> refusal;
    if (pages.needs_key())
        refusal = net::authenticate(request_, table_, known_, record_).refusal;
    if (!refusal) {
        if (pages.needs_key())
            client_.stranger.leave();
        auto unknown = co_await pages.answer();
        if (!unknown)
            co_return;
        refusal = std::move(unknown);
        authenticate_for_record();
    }
    recorded_ = true;
    co_await reply_.send_error(*std::move(refusal));
}

/// Exactly one record, whatever happened; then a client that still sends its body is given the time to read
/// the answer.
awaitable<void> Exchange::finish()
{
    const bool waits = reply_.writer().holds_end();
    if (recorded_) {
        kept_.add_wait(intake_.waited() + reply_.waited());
        kept_.close(request_, reply_.writer(), intake_.take_body());
        intake_.release();
        if (waits)
            co_await kept_.hand_over_and_wait();
        else
            kept_.hand_over();
    }
    if (waits)
        co_await reply_.release();
    if (leaves_unread_body())
        co_await client_.linger();
}

bool Exchange::leaves_unread_body() const
{
    const bool unread = !request_.parser || (!request_.body_read && !request_.parser->done());
    return unread && !reply_.keep_alive() && client_.connection.is_open();
}

}  // namespace route::net
