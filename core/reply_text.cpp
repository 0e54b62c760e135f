#include "core/reply_text.hpp"

#include <string>

#include "core/json_reader.hpp"
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
    ReplyShapes shapes{state_->builder};
    json::read_object(json::padded(data),
                      [&](json::Object& object) { return shapes.read_event(object, event.type); });
    if (!shapes.wants_type())
        return;
    const std::string type{shapes.type()};
    json::read_object(json::padded(data),
                      [&](json::Object& object) { return shapes.read_event(object, type); });
}

ReplySummary StreamReply::take()
{
    return state_->builder.take();
}

ReplySummary read_json_reply(std::string_view body, std::size_t max_text)
{
    ReplyBuilder builder{max_text};
    ReplyShapes shapes{builder};
    const bool whole = json::read_object(json::padded(body),
                                         [&](json::Object& object) { return shapes.read_reply(object); });
    if (!whole)
        return ReplyBuilder{max_text}.take_with_text(body);
    return shapes.known() ? builder.take() : builder.take_with_text(body);
}

}  // namespace route
