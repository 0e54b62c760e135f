#include "core/net/client_reply.hpp"

#include "core/net/authentication.hpp"
#include "core/net/relay.hpp"

namespace route::net {

namespace {

/// The outcome that goes with an error of the router's own.
RequestOutcome outcome_of_error(const RouterError& error)
{
    if (error.code == "upstream_error")
        return RequestOutcome::upstream_error;
    if (error.code == "upstream_timeout")
        return RequestOutcome::timeout;
    return RequestOutcome::rejected;
}

bool bodiless(const Request& request, unsigned status)
{
    return request.head_only() || status == 101 || status == 204 || status == 304;
}

}  // namespace

ClientReply::ClientReply(EventLoop& loop, const RoutingTable& table, Client& client, const Request& request,
                         Record& record)
    : loop_{loop},
      table_{table},
      client_{client},
      request_{request},
      record_{record},
      writer_{client, table.settings.timeouts.idle, table.settings.records.durability == Durability::commit}
{
}

void ClientReply::choose_framing(ReplyFacts& facts, Attempt& attempt, const ShownReply* shown) const
{
    const auto& reply = attempt.reply();
    if (bodiless(request_, reply.status())) {
        facts.framing = Framing::none;
        if (request_.head_only())
            facts.content_length = reply.content_length();
    } else if (attempt.complete() || shown != nullptr) {
        facts.framing = Framing::content_length;
        facts.content_length = shown != nullptr ? shown->body.size() : attempt.pending().size();
    } else if (reply.content_length()) {
        facts.framing = Framing::content_length;
        facts.content_length = reply.content_length();
    } else {
        facts.framing = request_.http10() ? Framing::close : Framing::chunked;
    }
}

/// Puts the head into the loop's buffer; `shown` is what the client gets to see of a reply that is not passed
/// on as it is, `untried`: other upstreams may succeed.
void ClientReply::start(Attempt& attempt, std::size_t attempts, const ShownReply* shown, bool untried)
{
    note_upstream(attempt);
    if (stream_begun_)
        return;
    ReplyFacts facts;
    facts.untried = untried;
    const auto& reply = attempt.reply();
    facts.request_id = record_.request_id;
    facts.upstream_name = attempt.upstream().name;
    facts.attempts = static_cast<unsigned>(attempts);
    choose_framing(facts, attempt, shown);
    if (facts.framing == Framing::close || loop_.draining())
        keep_alive_ = false;
    facts.websocket = reply.status() == 101;
    facts.close = !keep_alive_ && !facts.websocket;
    facts.keep_alive_10 = keep_alive_ && request_.http10();
    if (attempt.request().key_place == KeyPlace::websocket_protocol)
        facts.key_among_protocols = key_among_protocols(request_.fields());
    auto& head = loop_.head_buffer;
    head.clear();
    if (shown != nullptr)
        write_client_head(head, reply.status(), shown->reason, shown->fields, facts);
    else
        write_client_head(head, reply.status(), reply.reason(), reply.fields(), facts);
    writer_.begin(head, facts.framing);
    record_.status = reply.status();
}

void ClientReply::note_upstream(const Attempt& attempt)
{
    record_.upstream_id = attempt.upstream().id;
    record_.upstream_name = attempt.upstream().name;
    record_.upstream_endpoint = attempt.upstream().endpoint_url;
}

void ClientReply::begin_stream()
{
    ReplyFacts facts;
    facts.request_id = record_.request_id;
    facts.framing = request_.http10() ? Framing::close : Framing::chunked;
    if (facts.framing == Framing::close || loop_.draining())
        keep_alive_ = false;
    facts.close = !keep_alive_;
    auto& head = loop_.head_buffer;
    head.clear();
    write_own_head(head, 200, "text/event-stream", "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n",
                   facts);
    writer_.begin(head, facts.framing);
    record_.status = 200;
    stream_begun_ = true;
}

void ClientReply::comment()
{
    if (!stream_begun_)
        begin_stream();
    if (!writer_.pending())
        writer_.write(keep_alive_comment, false);
}

/// In a stream that was begun for the client before there was a reply.
awaitable<void> ClientReply::end_stream_with(RouterError error)
{
    keep_alive_ = false;
    const auto event = error_event(error, request_.path, 0);
    auto written = writer_.write(event, false);
    if (written == ReplyWriter::Written::waiting)
        written = co_await writer_.drain();
    if (written == ReplyWriter::Written::gone)
        note_client_closed("before the answer");
    break_connection();
}

awaitable<std::optional<AttemptFailure>> ClientReply::send_whole(Attempt& attempt)
{
    start(attempt, record_.attempts.size() + 1);
    record_.outcome = RequestOutcome::ok;
    attempt.remember_made(true);
    auto written = writer_.write(attempt.pending(), true);
    attempt.drop_pending();
    attempt.release();
    if (written == ReplyWriter::Written::waiting)
        written = co_await writer_.drain();
    if (written == ReplyWriter::Written::gone)
        note_client_closed("in the middle of the reply");
    take_reply(attempt);
    co_return std::nullopt;
}

awaitable<std::optional<AttemptFailure>> ClientReply::relay(Attempt& attempt)
{
    start(attempt, record_.attempts.size() + 1);
    record_.outcome = RequestOutcome::ok;
    const Silence silence{ticks(table_.settings.timeouts.idle), keep_alive_after(attempt)};
    Relay relay{loop_, client_, writer_, attempt, silence};
    auto end = co_await relay.run();
    waited_ += relay.waited();
    const bool said_all = attempt.recorder().progress().stream.end;
    if (end.end_sent && end.client_left) {
        keep_alive_ = false;
    } else if (end.client_left) {
        note_client_closed("in the middle of the reply");
        end.broke_off.reset();
    } else if (said_all && end.broke_off && writer_.framing() != Framing::content_length) {
        // Whatever the connection did behind the end of the stream.
        end.broke_off.reset();
        client_.watch(nullptr);
        if (writer_.write({}, true) == ReplyWriter::Written::waiting)
            co_await writer_.drain();
    } else if (end.broke_off) {
        co_await break_off(attempt, *end.broke_off);
    }
    take_reply(attempt);
    co_return end.broke_off;
}

std::optional<AttemptFailure> ClientReply::note_error_inside(const Attempt& attempt)
{
    const bool sent = record_.outcome == RequestOutcome::ok || record_.outcome == RequestOutcome::truncated;
    auto failure = sent ? attempt.error_inside() : std::nullopt;
    if (failure) {
        record_.outcome = RequestOutcome::upstream_error;
        record_.error = describe(*failure);
    }
    return failure;
}

void ClientReply::take_reply(Attempt& attempt)
{
    auto& recorder = attempt.recorder();
    record_.response_bytes = recorder.bytes();
    if (table_.settings.records.response || recorder.kind() != ReplyKind::other)
        recorder.finish();
}

/// The reply can not be whole: the connection breaks, so that the client cannot take it for one that is.
awaitable<void> ClientReply::break_off(Attempt& attempt, const AttemptFailure& failure)
{
    keep_alive_ = false;
    record_.outcome = RequestOutcome::truncated;
    record_.error = describe(failure);
    auto& recorder = attempt.recorder();
    const bool tell = recorder.kind() == ReplyKind::event_stream && !recorder.encoded() &&
                      writer_.framing() == Framing::chunked && recorder.at_event_boundary();
    if (tell) {
        const auto event = truncation_event(request_.path, "the upstream's reply broke off: " + record_.error,
                                            recorder.events());
        if (writer_.write(event, false) == ReplyWriter::Written::waiting)
            co_await writer_.drain();
    }
    break_connection();
}

/// So that nobody takes what came for a whole reply.
void ClientReply::break_connection()
{
    if (writer_.framing() == Framing::close || request_.http10())
        client_.connection.reset();
    else
        client_.connection.abandon();
}

/// Comments go into a stream that the client asked for, where it may have bytes of others in it.
Clock::duration ClientReply::keep_alive_after(const Attempt& attempt) const
{
    const auto after = ticks(table_.settings.failover.keep_alive);
    if (after <= Clock::duration{})
        return {};
    const bool stream = record_.stream && answers(api_of(attempt.request().method, attempt.request().path));
    const bool open = writer_.framing() == Framing::chunked || writer_.framing() == Framing::close;
    return stream && open ? after : Clock::duration{};
}

awaitable<void> ClientReply::send_kept(KeptReply& kept, bool untried)
{
    auto& attempt = *kept.attempt;
    const auto& shown = kept.shown;
    auto why = describe(kept.failure);  // its own, not what those after it did
    if (stream_begun_) {
        note_upstream(attempt);
        record_.outcome = RequestOutcome::upstream_error;
        record_.error = why;
        const auto status = attempt.reply().status();
        RouterError error{status >= 400 ? status : 502u, "upstream_error", std::move(why)};
        co_await end_stream_with(std::move(error));
        co_return;
    }
    attempt.begin_record();
    co_await attempt.record_held();
    start(attempt, record_.attempts.size(), &shown, untried);
    record_.outcome = RequestOutcome::upstream_error;
    record_.error = std::move(why);
    auto written = writer_.write(shown.body, true);
    if (written == ReplyWriter::Written::waiting)
        written = co_await writer_.drain();
    if (written == ReplyWriter::Written::gone)
        note_client_closed("in the middle of the reply");
    take_reply(attempt);
}

void ClientReply::note_client_closed(std::string_view when)
{
    keep_alive_ = false;
    if (client_.stopped()) {
        // That was the router, not the client.
        if (!writer_.started())
            record_.status = 503;
        record_.outcome = writer_.started() ? RequestOutcome::truncated : RequestOutcome::rejected;
        record_.error = "the router was stopped before the request was finished";
        return;
    }
    record_.status = 499;
    record_.outcome = RequestOutcome::client_closed;
    record_.error = "the client closed the connection ";
    record_.error.append(when);
}

awaitable<void> ClientReply::send_error(RouterError error, std::string_view extra_fields)
{
    record_.outcome = outcome_of_error(error);
    record_.error = error.message;
    if (stream_begun_) {
        co_await end_stream_with(std::move(error));
        co_return;
    }
    record_.status = error.status;
    if (error.code == "overloaded")
        extra_fields = "Retry-After: 1\r\n";
    OwnReply reply;
    reply.status = error.status;
    reply.content_type = "application/json";
    reply.extra_fields = extra_fields;
    reply.body = error_body(error, record_.path);
    if (record_.authenticated)
        record_.response_bytes = bytes_sent(reply);
    const bool sent = co_await send_own(std::move(reply));
    if (!sent)
        note_client_closed("before the answer");
}

awaitable<void> ClientReply::send_json(std::string json)
{
    record_.status = 200;
    record_.outcome = RequestOutcome::ok;
    OwnReply reply;
    reply.content_type = "application/json";
    reply.body = std::move(json);
    record_.response_bytes = bytes_sent(reply);
    if (const auto& records = table_.settings.records; records.response) {
        auto& kept = record_.reply;
        kept.raw_cut = reply.body.size() > records.max_response;
        kept.kind = kept.raw_cut ? ReplyCapture::Kind::text : ReplyCapture::Kind::json;
        kept.content_type = reply.content_type;
        kept.raw = reply.body.substr(0, records.max_response);
    }
    const bool sent = co_await send_own(std::move(reply));
    if (!sent)
        note_client_closed("in the middle of the reply");
}

/// None of the body goes to one that asked by HEAD.
std::size_t ClientReply::bytes_sent(const OwnReply& reply) const
{
    return request_.parser && request_.head_only() ? 0 : reply.body.size();
}

awaitable<bool> ClientReply::send_own(OwnReply reply)
{
    ReplyFacts facts;
    facts.request_id = record_.request_id;
    facts.attempts = static_cast<unsigned>(record_.attempts.size());
    facts.framing = Framing::content_length;
    if (reply.status != 204)
        facts.content_length = reply.body.size();
    // What is left of a body that was not read would be taken for the next request.
    const bool unread = !request_.parser || (!request_.body_read && !request_.parser->done());
    if (loop_.draining() || unread)
        keep_alive_ = false;
    facts.close = !keep_alive_;
    facts.keep_alive_10 = keep_alive_ && request_.parser && request_.http10();
    auto& head = loop_.head_buffer;
    head.clear();
    write_own_head(head, reply.status, reply.content_type, reply.extra_fields, facts, reply.cors);
    writer_.begin(head, facts.framing);
    const auto body = std::string_view{reply.body}.substr(0, bytes_sent(reply));
    auto written = writer_.write(body, true);
    if (written == ReplyWriter::Written::waiting)
        written = co_await writer_.drain();
    if (written == ReplyWriter::Written::gone)
        keep_alive_ = false;
    co_return written != ReplyWriter::Written::gone;
}

awaitable<bool> ClientReply::switch_protocols(Attempt& attempt)
{
    keep_alive_ = false;
    start(attempt, record_.attempts.size() + 1);
    record_.outcome = RequestOutcome::ok;
    auto written = writer_.write({}, false);
    if (written == ReplyWriter::Written::waiting)
        written = co_await writer_.drain();
    if (written == ReplyWriter::Written::gone)
        note_client_closed("at the handshake");
    co_return written != ReplyWriter::Written::gone;
}

awaitable<void> ClientReply::release()
{
    const auto released = co_await writer_.release();
    if (released == ReplyWriter::Written::gone)
        keep_alive_ = false;
}

}  // namespace route::net
