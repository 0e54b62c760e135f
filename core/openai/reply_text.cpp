#include "core/openai/reply_text.hpp"

#include <optional>
#include <string>

#include "core/openai/json_reader.hpp"
#include "core/openai/reply_builder.hpp"
#include "core/openai/reply_event.hpp"
#include "core/openai/reply_shapes.hpp"
#include "core/text.hpp"

namespace route {

struct StreamReply::State
{
    std::size_t max_text;
    ReplyBuilder builder;
    std::optional<JsonDigest> long_event;

    void read(std::string_view data, std::string_view type);
    void add_part(const SseEvent& event);
};

StreamReply::StreamReply(std::size_t max_text) : state_{new State{max_text, ReplyBuilder{max_text}, {}}}
{
}
StreamReply::~StreamReply() = default;
StreamReply::StreamReply(StreamReply&&) noexcept = default;
StreamReply& StreamReply::operator=(StreamReply&&) noexcept = default;

void StreamReply::add(const SseEvent& event)
{
    if (event.part == SseEvent::Part::whole)
        state_->read(event.data, event.type);
    else
        state_->add_part(event);
}

void StreamReply::State::read(std::string_view data, std::string_view type)
{
    data = trim(data);
    if (!data.starts_with('{'))
        return;
    ReplyEvent reader{builder};
    json::read_damaged_object(data, [&](json::Object& object) { return reader.read(object, type); });
}

void StreamReply::State::add_part(const SseEvent& event)
{
    if (event.part == SseEvent::Part::beginning)
        long_event.emplace(max_text);
    if (!long_event)
        return;
    long_event->write(event.data);
    if (event.part != SseEvent::Part::end)
        return;
    if (long_event->cut())
        builder.mark_cut();
    read(long_event->take(), event.type);
    long_event.reset();
}

ReplySummary StreamReply::take()
{
    return state_->builder.take();
}

ReplySummary read_json_reply(std::string_view body, std::size_t max_text, Api api)
{
    ReplyBuilder builder{max_text};
    bool known = false;
    const bool whole = json::read_damaged_object(
        body, [&](json::Object& object) { return read_reply(object, builder, api, known); });
    return whole && known ? builder.take() : builder.take_with_text(body);
}

void LongJsonReply::write(std::string_view piece)
{
    const auto kept = piece.substr(0, max_text_ - beginning_.size());
    beginning_.reserve(max_text_);  // it is longer
    beginning_.append(kept);
    cut_ = cut_ || kept.size() < piece.size();
    digest_.write(piece);
}

void LongJsonReply::give_to(ReplyCapture& capture)
{
    capture.kind = ReplyCapture::Kind::long_json;
    capture.raw = std::move(beginning_);
    capture.raw_cut = cut_;
    capture.digest_whole = digest_.whole();
    capture.digest_cut = digest_.cut();
    capture.digest = digest_.take();
}

ReplySummary read_long_json_reply(const ReplyCapture& capture, std::size_t max_text, Api api)
{
    ReplyBuilder builder{max_text};
    bool known = false;
    const bool read = json::read_damaged_object(
        capture.digest, [&](json::Object& object) { return read_reply(object, builder, api, known); });
    if (read && known && capture.digest_whole) {
        if (capture.digest_cut)
            builder.mark_cut();
        return builder.take();
    }
    const std::string_view raw{capture.raw};
    auto summary = builder.take_with_text(capture.raw_cut ? without_split_end(raw) : raw);
    summary.text_cut = summary.text_cut || capture.raw_cut;
    return summary;
}

}  // namespace route
