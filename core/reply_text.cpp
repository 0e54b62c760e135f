#include "core/reply_text.hpp"

#include <string>

#include "core/json_reader.hpp"
#include "core/openai/reply_event.hpp"
#include "core/reply_builder.hpp"
#include "core/reply_shapes.hpp"
#include "core/text.hpp"

namespace route {

struct StreamReply::State
{
    ReplyBuilder builder;
};

StreamReply::StreamReply(std::size_t max_text) : state_{new State{ReplyBuilder{max_text}}}
{
}
StreamReply::~StreamReply() = default;
StreamReply::StreamReply(StreamReply&&) noexcept = default;
StreamReply& StreamReply::operator=(StreamReply&&) noexcept = default;

void StreamReply::add(const SseEvent& event)
{
    const auto data = trim(event.data);
    if (!data.starts_with('{'))
        return;
    ReplyEvent reader{state_->builder};
    json::read_damaged_object(data, [&](json::Object& object) { return reader.read(object, event.type); });
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

}  // namespace route
