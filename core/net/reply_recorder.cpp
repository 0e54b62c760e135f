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
    capture_.content_type = type;
    if (equal_ignoring_case(type, "text/event-stream"))
        kind_ = ReplyKind::event_stream;
    else if (equal_ignoring_case(type, "application/json") || ends_with_ignoring_case(type, "+json"))
        kind_ = ReplyKind::json;
    textual_ = is_textual(type);
    encoded_ = !content_encoding.empty() && !equal_ignoring_case(content_encoding, "identity");
    if (encoded_)
        choose_decoder(content_encoding);
    if (kind_ == ReplyKind::event_stream && legible())
        stream_.emplace(settings_.response ? settings_.max_response : 0);
}

/// Only what will be read is decoded.
void ReplyRecorder::choose_decoder(std::string_view content_encoding)
{
    const auto coding = ContentDecoder::coding(content_encoding);
    const bool read = kind_ != ReplyKind::other || (textual_ && settings_.response);
    if (coding && read)
        decoder_.emplace(*coding);
    else
        capture_.content_type = content_encoding;
}

void ReplyRecorder::add(std::string_view payload)
{
    bytes_ += payload.size();
    if (encoded_)
        add_encoded(payload);
    else
        add_content(payload);
}

void ReplyRecorder::add_encoded(std::string_view payload)
{
    if (decoder_ && !capture_.raw_cut)
        decoder_->feed(payload, [this](std::string_view content) { add_content(content); });
}

void ReplyRecorder::add_content(std::string_view content)
{
    if (kind_ == ReplyKind::event_stream)
        parser_.feed(content, [this](const SseEvent& event) { on_event(event); });
    else if (kind_ == ReplyKind::json)
        add_json(content);
    else if (textual_ && settings_.response)
        add_text(content);
}

void ReplyRecorder::add_json(std::string_view content)
{
    if (!long_json_ && capture_.raw.size() + content.size() <= settings_.max_response) {
        capture_.raw.append(content);
        return;
    }
    if (!long_json_) {
        long_json_.emplace(settings_.response ? settings_.max_response : 0);
        long_json_->write(capture_.raw);
        capture_.raw = {};
    }
    long_json_->write(content);
}

void ReplyRecorder::add_text(std::string_view content)
{
    // A few bytes more than the limit, so that the writer sees the cut and finds a character's boundary.
    const auto kept = settings_.max_response + 4;
    const auto room = kept - std::min<std::uint64_t>(capture_.raw.size(), kept);
    capture_.raw.append(content.substr(0, room));
    capture_.raw_cut = capture_.raw_cut || content.size() > room;
}

void ReplyRecorder::on_event(const SseEvent& event)
{
    if (!first_event_) {
        const auto meaning = meaning_of(event);
        if (meaning != EventMeaning::done)
            first_event_ = meaning;
        if (meaning == EventMeaning::error) {
            error_detail_ = cut_utf8(event.data, 4096);
            error_detail_cut_ = error_detail_.size() < event.data.size();
        }
    }
    stream_->add(event);
}

/// Whether nothing but its size is known of an encoded reply.
bool ReplyRecorder::says_nothing() const
{
    if (!encoded_ || bytes_ == 0)
        return false;
    if (!decoder_ || decoder_->state() == ContentDecoder::State::excessive)
        return true;
    return !decoder_->has_content() && decoder_->state() != ContentDecoder::State::whole;
}

void ReplyRecorder::finish()
{
    if (says_nothing()) {
        capture_.kind = ReplyCapture::Kind::binary;
        capture_.raw.clear();
        if (decoder_)
            capture_.content_type = decoder_->name();
    } else if (stream_) {
        capture_.kind = ReplyCapture::Kind::summary;
        capture_.summary = stream_->take();
    } else if (long_json_) {
        capture_.kind = ReplyCapture::Kind::summary;
        capture_.summary = long_json_->take();
    } else if (kind_ == ReplyKind::json) {
        capture_.kind = ReplyCapture::Kind::json;
    } else if (textual_) {
        capture_.kind = ReplyCapture::Kind::text;
    } else if (bytes_ > 0) {
        capture_.kind = ReplyCapture::Kind::binary;
    }
}

}  // namespace route::net
