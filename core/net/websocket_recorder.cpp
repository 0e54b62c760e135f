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

std::unique_ptr<WebSocketRecorder> WebSocketRecorder::make(const RecordSettings& settings,
                                                           RequestRecord& handshake, const Attempt& attempt)
{
    const auto api = socket_api_of(attempt.request().path);
    const auto extensions = read_websocket_extensions(agreed_extensions(attempt.reply().fields()));
    if (!api || !extensions)
        return nullptr;
    return std::unique_ptr<WebSocketRecorder>{
        new WebSocketRecorder{*api, *extensions, settings, handshake, attempt}};
}

WebSocketRecorder::WebSocketRecorder(SocketApi api, const WebSocketExtensions& extensions,
                                     const RecordSettings& settings, RequestRecord& handshake,
                                     const Attempt& attempt)
    : handshake_{handshake},
      attempt_{attempt},
      from_client_{extensions.client},
      from_upstream_{extensions.server},
      responses_{std::in_place, api, handshake.record().model.value_or(""), limits_of(settings)}
{
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

void WebSocketRecorder::read_client(std::string_view bytes) noexcept
{
    guard([&] { read_messages(from_client_, bytes); });
}

void WebSocketRecorder::read_upstream(std::string_view bytes) noexcept
{
    guard([&] { read_messages(from_upstream_, bytes); });
}

void WebSocketRecorder::read_messages(WebSocketMessages& from, std::string_view bytes)
{
    const bool is_client = &from == &from_client_;
    const auto now = Clock::now();
    const auto ended = [&](SocketResponse response) { record(std::move(response)); };
    from.feed(bytes, [&](const SseEvent& message) {
        if (is_client)
            responses_->from_client(message, now, ended);
        else
            responses_->from_server(message, now, ended);
    });
    if (closed_by_ == ClosedBy::neither && from.closed())
        closed_by_ = is_client ? ClosedBy::client : ClosedBy::upstream;
    if (!from.legible())
        give_up();
}

/// What cannot be read on one side cannot be told apart from the other side alone.
void WebSocketRecorder::give_up()
{
    Ending ending;
    ending.error = "the messages of the WebSocket can not be read any further";
    end_open(std::move(ending));
    responses_.reset();
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
        ending.error += ": " + attempt_.quoted(std::to_string(closed.code) + " " + closed.reason);
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
        handshake_.note_model(record, std::move(response.model));
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
        record.outcome = RequestOutcome::truncated;  // of the record: what came of it is not known
        record.error = "more responses were open at once than are told apart";
    }
    attempt.error = record.error;
}

}  // namespace route::net
