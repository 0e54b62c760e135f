// What is read of a reply as it passes.
#include "core/net/reply_recorder.hpp"

#include <algorithm>

#include "core/http/media_type.hpp"
#include "core/openai/error_words.hpp"

namespace route::net {

namespace {

/// Bytes after which a reply with an unknown coding is text or is not.
constexpr std::size_t enough_of_odd_coding = 64;

}  // namespace

void ReplyRecorder::begin(const ReplyLabel& label)
{
    const auto type = media_type(label.content_type);
    capture_.clear();
    capture_.content_type = type;
    api_ = label.api;
    making_ = label.making;
    judged_json_ = answers(api_) ? label.judged_json : 0;
    committed_ = false;
    undecided_.clear();
    progress_ = {};
    progress_.label = labelled_kind(type);
    parser_ = {};
    stream_.reset();
    long_json_.reset();
    decoder_.reset();
    event_error_words_.clear();
    error_may_pass_ = false;
    encoded_ = is_known_coding(label.content_encoding);
    odd_coding_ = encoded_ || is_no_coding(label.content_encoding) ? "" : label.content_encoding;
    kind_ = progress_.label;
    textual_ = is_textual_type(type);
    if (encoded_)
        choose_decoder(label.content_encoding);
    progress_.legible = legible();
    progress_.encoded = encoded_;
    if (encoded_ && !decoder_)
        settle(kind_);
    else if (odd_coding_.empty())
        look_at({}, false);  // what is taken at its word is known now
}

/// Only what will be read is decoded.
void ReplyRecorder::choose_decoder(std::string_view content_encoding)
{
    const auto coding = ContentDecoder::coding(content_encoding);
    const bool judged = answers(api_) && sniff_kind(capture_.content_type, {}, false) != ReplyKind::other;
    const bool read = judged || kind_ != ReplyKind::other || (textual_ && settings_.response);
    if (coding && read)
        decoder_.emplace(*coding);
    else
        capture_.content_type = content_encoding;
}

void ReplyRecorder::add(std::string_view payload)
{
    progress_.bytes += payload.size();
    if (encoded_)
        add_encoded(payload);
    else
        add_content(payload);
    progress_.legible = legible();
    progress_.encoded = encoded_;
    if (!progress_.legible && !progress_.kind)
        settle(kind_);
}

/// A label of gzip over plain text says nothing: what is gzip begins with 1f 8b (RFC 1952 2.3.1).
bool ReplyRecorder::is_mislabelled(std::string_view first) const
{
    const bool begins = progress_.content_bytes == 0 && progress_.bytes == first.size() && !first.empty();
    return begins && decoder_ && decoder_->is_gzip() && is_plain_text(first);
}

void ReplyRecorder::add_encoded(std::string_view payload)
{
    if (is_mislabelled(payload)) {
        odd_coding_ = decoder_->name();
        decoder_.reset();
        encoded_ = false;
        add_content(payload);
        return;
    }
    if (decoder_ && !capture_.raw_cut)
        decoder_->feed(payload, [this](std::string_view content) { add_content(content); });
}

void ReplyRecorder::add_content(std::string_view content)
{
    progress_.content_bytes += content.size();
    if (progress_.kind) {
        read(content);
        return;
    }
    if (!undecided_.empty()) {
        undecided_.append(content);
        content = undecided_;
    }
    look_at(content, false);
    if (progress_.kind) {
        read(content);
        undecided_.clear();
    } else if (undecided_.empty()) {
        undecided_ = content;
    }
}

/// Finds out what the body is, if its first bytes show it; `all`: there are no more.
void ReplyRecorder::look_at(std::string_view first, bool all)
{
    const bool odd = !odd_coding_.empty();
    if (odd && first.size() < enough_of_odd_coding && !all)
        return;
    if (odd && !is_plain_text(first.substr(0, enough_of_odd_coding))) {
        encoded_ = true;
        capture_.content_type = odd_coding_;
        settle(kind_);
        return;
    }
    const auto kind = answers(api_) ? sniff_kind(capture_.content_type, first, all) : progress_.label;
    if (kind)
        settle(*kind);
}

void ReplyRecorder::settle(ReplyKind kind)
{
    kind_ = kind;
    progress_.kind = kind;
    textual_ = textual_ || kind == ReplyKind::html || kind == ReplyKind::text;
    if (kind_ == ReplyKind::event_stream && (!encoded_ || decoder_))
        stream_.emplace(settings_.response ? settings_.max_response : 0);
}

void ReplyRecorder::read(std::string_view content)
{
    if (encoded_ && !decoder_)
        return;
    if (kind_ == ReplyKind::event_stream)
        parser_.feed(content, [this](const SseEvent& event) {
            events_ += event.part == SseEvent::Part::whole || event.part == SseEvent::Part::end ? 1 : 0;
            on_event(event);
        });
    else if (kind_ == ReplyKind::json)
        add_json(content);
    else if (textual_ && settings_.response)
        add_text(content);
}

void ReplyRecorder::add_json(std::string_view content)
{
    const auto kept = committed_ ? settings_.max_response : std::max(settings_.max_response, judged_json_);
    if (!long_json_ && capture_.raw.size() + content.size() <= kept) {
        capture_.raw.append(content);
        return;
    }
    spill_json(content);
    long_json_->write(content);
}

/// JSON that is too long to be recorded as it is.
/// `next`: what comes behind what is there.
void ReplyRecorder::spill_json(std::string_view next)
{
    if (long_json_)
        return;
    if (making_ != Making::nothing && !progress_.complete)
        add_made_ids(making_, capture_.raw + std::string{next}, capture_.made_ids);
    long_json_.emplace(settings_.response ? settings_.max_response : 0);
    long_json_->write(capture_.raw);
    capture_.raw = {};
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
    if (event.is_new())
        judge(event);
    if (making_ != Making::nothing)
        add_made_ids(making_, event, capture_.made_ids);
    stream_->add(event);
}

void ReplyRecorder::judge(const SseEvent& event)
{
    auto& stream = progress_.stream;
    const bool read_all = !committed_ && (answers(api_) || !stream.data);
    if (!read_all && !may_end_stream(event, stream.begun.any()))
        return;
    const bool told = stream.error || stream.late_error;
    stream.add(signs_of(event));
    if (told || (!stream.error && !stream.late_error))
        return;
    event_error_words_ = error_words("application/json", event.data);
    error_may_pass_ = route::error_may_pass(event.data);
}

void ReplyRecorder::complete()
{
    if (progress_.complete)
        return;
    if (!progress_.kind) {
        look_at(undecided_, true);
        read(undecided_);
        undecided_.clear();
    }
    if (stream_)
        parser_.finish([this](const SseEvent& event) { on_event(event); });
    if (kind_ == ReplyKind::json && answers(api_) && !committed_ && legible())
        progress_.answer = long_json_ ? Answer::content : answer_in(api_, capture_.raw);
    if (kind_ == ReplyKind::json && legible() && !long_json_)
        add_made_ids(making_, capture_.raw, capture_.made_ids);
    if (progress_.answer == Answer::error)
        error_may_pass_ = route::error_may_pass(capture_.raw);
    progress_.legible = legible();
    progress_.complete = true;
}

void ReplyRecorder::committed()
{
    committed_ = true;
    if (kind_ == ReplyKind::json && capture_.raw.size() > settings_.max_response)
        spill_json({});
}

/// Whether nothing but its size is known of an encoded reply.
bool ReplyRecorder::says_nothing() const
{
    if (!encoded_ || progress_.bytes == 0)
        return false;
    if (!decoder_ || decoder_->state() == ContentDecoder::State::excessive)
        return true;
    return !decoder_->has_content() && decoder_->state() != ContentDecoder::State::whole;
}

void ReplyRecorder::finish()
{
    committed();
    complete();
    const bool summed_up = kind_ == ReplyKind::event_stream || kind_ == ReplyKind::json;
    if (!settings_.response && !summed_up)
        return;
    if (says_nothing()) {
        capture_.kind = ReplyCapture::Kind::binary;
        capture_.raw.clear();
        if (decoder_)
            capture_.content_type = decoder_->name();
    } else if (stream_) {
        capture_.kind = ReplyCapture::Kind::summary;
        capture_.summary = stream_->take();
    } else if (long_json_) {
        long_json_->give_to(capture_);
    } else if (kind_ == ReplyKind::json) {
        capture_.kind = ReplyCapture::Kind::json;
    } else if (textual_) {
        capture_.kind = ReplyCapture::Kind::text;
    } else if (progress_.bytes > 0) {
        capture_.kind = ReplyCapture::Kind::binary;
    }
}

}  // namespace route::net
