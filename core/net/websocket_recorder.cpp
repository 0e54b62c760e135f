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

SocketResponses::Limits limits_of(const RecordSettings& limits)
{
    return {limits.request_body ? static_cast<std::size_t>(limits.max_request_body) : 0,
            limits.response ? static_cast<std::size_t>(limits.max_response) : 0};
}

}  // namespace

std::unique_ptr<WebSocketRecorder> WebSocketRecorder::make(const RecordSettings& limits,
                                                           RequestRecord& handshake, const Attempt& attempt)
{
    const auto api = socket_api_of(attempt.request().path);
    const auto extensions = read_websocket_extensions(agreed_extensions(attempt.reply().fields()));
    if (!api || !extensions)
        return nullptr;
    return std::unique_ptr<WebSocketRecorder>{
        new WebSocketRecorder{*api, *extensions, limits, handshake, attempt}};
}

WebSocketRecorder::WebSocketRecorder(SocketApi api, const WebSocketExtensions& extensions,
                                     const RecordSettings& limits, RequestRecord& handshake,
                                     const Attempt& attempt)
    : handshake_{handshake},
      attempt_{attempt},
      from_client_{extensions.client},
      from_upstream_{extensions.server},
      responses_{std::in_place, api, handshake.record().model.value_or(""), limits_of(limits)}
{
}

void WebSocketRecorder::read_client(std::string_view bytes)
{
    if (!responses_)
        return;
    try {
        from_client_.feed(bytes, [&](const SseEvent& message) {
            responses_->from_client(message, Clock::now(),
                                    [&](SocketResponse response) { record(std::move(response)); });
        });
        note_who_closes();
    } catch (const std::exception& error) {
        spdlog::error("a WebSocket is not recorded any further: {}", error.what());
        responses_.reset();
    }
}

void WebSocketRecorder::read_upstream(std::string_view bytes)
{
    if (!responses_)
        return;
    try {
        from_upstream_.feed(bytes, [&](const SseEvent& message) {
            responses_->from_server(message, Clock::now(),
                                    [&](SocketResponse response) { record(std::move(response)); });
        });
        note_who_closes();
    } catch (const std::exception& error) {
        spdlog::error("a WebSocket is not recorded any further: {}", error.what());
        responses_.reset();
    }
}

void WebSocketRecorder::note_who_closes()
{
    if (closed_by_ != ClosedBy::nobody)
        return;
    if (from_client_.closed())
        closed_by_ = ClosedBy::client;
    else if (from_upstream_.closed())
        closed_by_ = ClosedBy::upstream;
}

void WebSocketRecorder::finish()
{
    if (responses_)
        responses_->finish(Clock::now(), [&](SocketResponse response) { record(std::move(response)); });
}

void WebSocketRecorder::record(SocketResponse response)
{
    auto queued = handshake_.further(response.began);
    auto& record = queued->record;
    const auto first = response.first_content ? response.first_content : response.first_message;
    record.elapsed_time = response.ended - response.began;
    if (response.first_message)
        record.response_time = *response.first_message - response.began;
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
    if (first)
        attempt.first_byte_time = *first - response.began;
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
        note_broken_off(record, attempt);
    } else if (response.end == SocketResponse::End::failed) {
        record.outcome = RequestOutcome::upstream_error;
        attempt.outcome = AttemptOutcome::error_event;
        record.error = describe(attempt_.failed_as_it_says(response.error));
    }
    attempt.error = record.error;
}

void WebSocketRecorder::note_broken_off(Record& record, AttemptRecord& attempt) const
{
    const auto& whole = handshake_.record();
    record.outcome = RequestOutcome::truncated;
    attempt.outcome = AttemptOutcome::cut;
    if (whole.outcome == RequestOutcome::client_closed || closed_by_ == ClosedBy::client) {
        record.status = 499;
        record.outcome = RequestOutcome::client_closed;
        attempt.outcome = AttemptOutcome::client_closed;
    }
    record.error = whole.error;
    if (whole.error.empty() && closed_by_ == ClosedBy::client)
        record.error = "the client closed the WebSocket before the response ended";
    else if (whole.error.empty() && closed_by_ == ClosedBy::upstream)
        record.error = "the upstream closed the WebSocket before the response ended: " +
                       attempt_.quoted(std::to_string(from_upstream_.closed()->code) + " " +
                                       from_upstream_.closed()->reason);
    else if (whole.error.empty())
        record.error = "the WebSocket ended before the response";
}

}  // namespace route::net
