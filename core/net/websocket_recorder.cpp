#include "core/net/websocket_recorder.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace route::net {

namespace {

std::string agreed_extensions(const HeaderFields& reply)
{
    std::string all;
    for (const auto& field : reply)
        if (field.id == http::field::sec_websocket_extensions)
            all.append(all.empty() ? "" : ", ").append(field.value);
    return all;
}

SocketResponses::Limits limits_of(const RecordSettings& settings)
{
    return {settings.request_body ? static_cast<std::size_t>(settings.max_request_body) : 0,
            settings.response ? static_cast<std::size_t>(settings.max_response) : 0};
}

}  // namespace

std::unique_ptr<WebSocketRecorder> WebSocketRecorder::make(EventLoop& loop, const Settings& settings,
                                                           const Client& client, RequestRecord& handshake,
                                                           const Attempt& attempt)
{
    const auto api = socket_api_of(attempt.request().path);
    const auto extensions = read_websocket_extensions(agreed_extensions(attempt.reply().fields()));
    if (!api || !extensions)
        return nullptr;
    return std::unique_ptr<WebSocketRecorder>{
        new WebSocketRecorder{loop, settings, client, handshake, attempt, *api, *extensions}};
}

WebSocketRecorder::WebSocketRecorder(EventLoop& loop, const Settings& settings, const Client& client,
                                     RequestRecord& handshake, const Attempt& attempt, SocketApi api,
                                     const WebSocketExtensions& extensions)
    : client_{client},
      handshake_{handshake},
      attempt_{attempt},
      account_{loop.services.buffered},
      from_client_{extensions.client},
      from_upstream_{extensions.server},
      responses_{std::in_place, api, handshake.record().model.value_or(""), limits_of(settings.records)}
{
    const auto& record = handshake.record();
    account_.open(settings.auth.enabled ? record.key_name : owner_of_address(record.ip),
                  loop.buffer_limits(settings.server));
}

/// Without memory the WebSocket goes on, and nothing of it is recorded any further.
template <class Read>
void WebSocketRecorder::guard(Read&& read) noexcept
{
    if (!responses_)
        return;
    try {
        read();
    } catch (const std::exception& error) {
        responses_.reset();
        spdlog::error("a WebSocket is not recorded any further: {}", error.what());
    }
}

bool WebSocketRecorder::read_client(std::string_view bytes) noexcept
{
    bool much = false;
    guard([&] { much = read_messages(from_client_, bytes); });
    return much;
}

bool WebSocketRecorder::read_upstream(std::string_view bytes) noexcept
{
    bool much = false;
    guard([&] { much = read_messages(from_upstream_, bytes); });
    return much;
}

/// Whether the bytes were many, once decoded.
bool WebSocketRecorder::read_messages(WebSocketMessages& from, std::string_view bytes)
{
    constexpr std::uint64_t much = 256u << 10;
    const bool is_client = &from == &from_client_;
    const auto now = Clock::now();
    const auto decoded = from.decoded();
    const auto ended = [&](SocketResponse response) { record(std::move(response)); };
    from.feed(bytes, [&](const SseEvent& message) {
        if (is_client)
            responses_->from_client(message, now, ended);
        else
            responses_->from_server(message, now, ended);
    });
    if (closed_by_ == ClosedBy::neither && from.closed())
        closed_by_ = is_client ? ClosedBy::client : ClosedBy::upstream;
    look_at_limits(from);
    return from.decoded() - decoded > much;
}

/// What cannot be read on one side cannot be told apart from the other side alone.
void WebSocketRecorder::look_at_limits(const WebSocketMessages& from)
{
    const auto held = responses_->held() + from_client_.held() + from_upstream_.held();
    if (!from.legible())
        give_up("its messages can not be read");
    else if (held > account_.held() && !account_.fits(held))
        give_up("the router holds as much as it may (server.max_buffered)");
    else
        account_.hold(held);
}

/// The client may well get what is not recorded: nothing has failed.
void WebSocketRecorder::give_up(std::string_view why)
{
    spdlog::warn("request {}: the responses over its WebSocket are not recorded any further: {}",
                 handshake_.record().request_id, why);
    Ending ending{RequestOutcome::ok, AttemptOutcome::ok, "not recorded to its end: "};
    ending.error += why;
    end_open(std::move(ending));
    responses_.reset();
    account_.release();
}

void WebSocketRecorder::finish(const TunnelEnd& end, const std::optional<AttemptFailure>& failure) noexcept
{
    guard([&] { end_open(ending_of(end, failure)); });
}

void WebSocketRecorder::end_open(Ending ending)
{
    ending_ = std::move(ending);
    responses_->finish(Clock::now(), [&](SocketResponse response) { record(std::move(response)); });
}

/// As the attempt of the handshake ends (Router::note_end), where that says something of a response.
WebSocketRecorder::Ending WebSocketRecorder::ending_of(const TunnelEnd& end,
                                                       const std::optional<AttemptFailure>& failure) const
{
    const auto& whole = handshake_.record();
    if (whole.outcome == RequestOutcome::ok)
        return closed_ending(end);
    Ending ending;
    ending.outcome = whole.outcome;
    ending.error = whole.error;
    if (failure)
        ending.attempt = outcome_of(*failure);
    else if (end.by == TunnelEnd::By::silence)
        ending.attempt = AttemptOutcome::timeout;
    else
        ending.attempt = AttemptOutcome::client_closed;  // or the router stopped
    return ending;
}

/// Both have ended. Of close frames and of ends of a direction the first one says who did not wait.
WebSocketRecorder::Ending WebSocketRecorder::closed_ending(const TunnelEnd& end) const
{
    Ending ending;
    if (closed_by_ == ClosedBy::client || (closed_by_ == ClosedBy::neither && end.client_first)) {
        ending.outcome = RequestOutcome::client_closed;
        ending.attempt = AttemptOutcome::client_closed;
        ending.error = "the client closed the WebSocket before the response had ended";
        return ending;
    }
    ending.error = "the upstream closed the WebSocket before the response had ended";
    if (closed_by_ == ClosedBy::upstream) {
        const auto& closed = *from_upstream_.closed();
        ending.error += ": " + std::to_string(closed.code);
        if (!closed.reason.empty())
            ending.error += " " + attempt_.quoted(closed.reason, true);  // it has room for 123 bytes
    }
    return ending;
}

void WebSocketRecorder::record(SocketResponse response)
{
    auto queued = handshake_.further(response.began);
    auto& record = queued->record;
    record.elapsed_time = response.ended - response.began;
    record.stream = true;
    if (!response.model.empty())
        RequestRecord::note_model(record, std::move(response.model));
    record.body_bytes = response.asked_bytes;
    record.body_content_type = "application/json";
    record.response_bytes = response.reply_bytes;
    AttemptRecord attempt;
    attempt.upstream_id = record.upstream_id;
    attempt.upstream_name = record.upstream_name;
    attempt.started_at = record.created_at;
    attempt.status = record.status;
    attempt.elapsed_time = record.elapsed_time;
    if (response.asked_for && response.first_message)
        record.response_time = attempt.first_byte_time = *response.first_message - response.began;
    note_end(record, attempt, response);
    record.attempts.push_back(std::move(attempt));
    record.body = std::move(response.asked);
    record.body_cut = response.asked_cut;
    record.reply.kind = ReplyCapture::Kind::summary;
    record.reply.summary = std::move(response.summary);
    handshake_.hand_over(std::move(queued));
}

void WebSocketRecorder::note_end(Record& record, AttemptRecord& attempt, const SocketResponse& response) const
{
    if (response.end == SocketResponse::End::broken_off) {
        record.outcome = ending_.outcome;
        if (record.outcome == RequestOutcome::client_closed)
            record.status = 499;
        record.error = ending_.error;
        attempt.outcome = ending_.attempt;
    } else if (response.end == SocketResponse::End::failed) {
        record.outcome = RequestOutcome::upstream_error;
        record.error = describe(attempt_.failed_as_it_says(response.error));
        attempt.outcome = AttemptOutcome::error_event;
    } else if (response.end == SocketResponse::End::displaced) {
        record.error = "not recorded to its end: more responses were open at once than are told apart";
    }
    attempt.error = record.error;
}

}  // namespace route::net
