#include "core/net/reply_recorder.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace route::net {

namespace {

/// The media type without its parameters (RFC 9110 8.3.1).
std::string_view media_type(std::string_view content_type)
{
    auto type = content_type.substr(0, content_type.find(';'));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t'))
        type.remove_suffix(1);
    return type;
}

bool ends_with_ignoring_case(std::string_view text, std::string_view end)
{
    return text.size() >= end.size() && equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

bool is_textual(std::string_view type)
{
    return (type.size() > 5 && equal_ignoring_case(type.substr(0, 5), "text/")) ||
           equal_ignoring_case(type, "application/xml") ||
           equal_ignoring_case(type, "application/x-ndjson") ||
           equal_ignoring_case(type, "application/jsonl") || ends_with_ignoring_case(type, "+xml");
}

}  // namespace

void ReplyRecorder::begin(std::string_view content_type, std::string_view content_encoding)
{
    const auto type = media_type(content_type);
    capture_.clear();
    encoded_ = !content_encoding.empty() && !equal_ignoring_case(content_encoding, "identity");
    capture_.content_type = encoded_ ? content_encoding : type;
    if (equal_ignoring_case(type, "text/event-stream")) {
        kind_ = ReplyKind::event_stream;
        if (!encoded_)
            stream_.emplace(settings_.response ? settings_.max_response : 0);
    } else if (equal_ignoring_case(type, "application/json") || ends_with_ignoring_case(type, "+json")) {
        kind_ = ReplyKind::json;
    }
    textual_ = !encoded_ && is_textual(type);
}

void ReplyRecorder::add(std::string_view payload)
{
    bytes_ += payload.size();
    if (encoded_)
        return;
    if (kind_ == ReplyKind::event_stream) {
        parser_.feed(payload, [this](const SseEvent& event) { on_event(event); });
    } else if (kind_ == ReplyKind::json) {
        add_json(payload);
    } else if (textual_ && settings_.response && capture_.raw.size() <= settings_.max_response) {
        // A few bytes more than the limit, so that the writer sees the cut and finds a character's boundary.
        capture_.raw.append(
            payload.substr(0, settings_.max_response + 4 -
                                  std::min<std::uint64_t>(capture_.raw.size(), settings_.max_response + 4)));
    }
}

void ReplyRecorder::add_json(std::string_view payload)
{
    if (!long_json_ && capture_.raw.size() + payload.size() <= settings_.max_response) {
        capture_.raw.append(payload);
        return;
    }
    if (!long_json_) {
        long_json_.emplace(settings_.response ? settings_.max_response : 0);
        long_json_->write(capture_.raw);
        capture_.raw = {};
    }
    long_json_->write(payload);
}

void ReplyRecorder::on_event(const SseEvent& event)
{
    if (!first_event_) {
        const auto meaning = meaning_of(event);
        if (meaning != EventMeaning::done)
            first_event_ = meaning;
        if (meaning == EventMeaning::error)
            error_detail_ = cut_utf8(event.data, 4096);
    }
    stream_->add(event);
}

void ReplyRecorder::finish()
{
    if (stream_) {
        capture_.kind = ReplyCapture::Kind::summary;
        capture_.summary = stream_->take();
    } else if (long_json_) {
        capture_.kind = ReplyCapture::Kind::summary;
        capture_.summary = long_json_->take();
    } else if (kind_ == ReplyKind::json && !encoded_) {
        capture_.kind = ReplyCapture::Kind::json;
    } else if (textual_) {
        capture_.kind = ReplyCapture::Kind::text;
    } else if (bytes_ > 0) {
        capture_.kind = ReplyCapture::Kind::binary;
    }
}

}  // namespace route::net
