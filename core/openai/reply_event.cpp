#include "core/openai/reply_event.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/openai/reply_parts.hpp"
#include "core/openai/reply_shapes.hpp"

namespace route {

enum class Telling : std::uint8_t
{
    text,
    refusal,
    call,
    part,
    item,
    response,
    message,
    block_start,
    block_delta,
};

/// A type of event, and the member that tells what it has to tell.
struct TypedEvent
{
    std::string_view type;
    std::string_view member;
    Telling telling;
    Source source = Source::delta;

    /// Whether its index, or the id of its item, says what it belongs to.
    bool has_place() const
    {
        return telling == Telling::call || telling == Telling::item || telling == Telling::block_start ||
               telling == Telling::block_delta;
    }
};

namespace {

using json::if_object;
using json::if_string;
using json::into;

constexpr std::array<TypedEvent, 30> typed_events{{
    {"response.output_text.delta", "delta", Telling::text},
    {"content_block_delta", "delta", Telling::block_delta},
    {"response.function_call_arguments.delta", "delta", Telling::call},
    {"response.custom_tool_call_input.delta", "delta", Telling::call},
    {"response.mcp_call_arguments.delta", "delta", Telling::call},
    {"response.refusal.delta", "delta", Telling::refusal},
    {"transcript.text.delta", "delta", Telling::text},
    {"content_block_start", "content_block", Telling::block_start},
    {"message_start", "message", Telling::message},
    {"message_delta", "delta", Telling::block_delta},
    {"response.output_text.done", "text", Telling::text, Source::done_text},
    {"response.refusal.done", "refusal", Telling::refusal, Source::done_text},
    {"response.function_call_arguments.done", "arguments", Telling::call, Source::done_text},
    {"response.custom_tool_call_input.done", "input", Telling::call, Source::done_text},
    {"response.mcp_call_arguments.done", "arguments", Telling::call, Source::done_text},
    {"response.content_part.done", "part", Telling::part, Source::done_part},
    {"response.output_item.added", "item", Telling::item, Source::none},
    {"response.output_item.done", "item", Telling::item, Source::done_item},
    {"response.completed", "response", Telling::response},
    {"response.incomplete", "response", Telling::response},
    {"response.failed", "response", Telling::response},
    {"response.cancelled", "response", Telling::response},
    {"transcript.text.done", "text", Telling::text, Source::done_text},
    // Of the Realtime API only; what is spoken says what its transcript says.
    {"response.output_audio_transcript.delta", "delta", Telling::text},
    {"response.audio_transcript.delta", "delta", Telling::text},
    {"response.text.delta", "delta", Telling::text},
    {"response.output_audio_transcript.done", "transcript", Telling::text, Source::done_text},
    {"response.audio_transcript.done", "transcript", Telling::text, Source::done_text},
    {"response.text.done", "text", Telling::text, Source::done_text},
    {"response.done", "response", Telling::response},
}};

const TypedEvent* find_typed_event(std::string_view type)
{
    const auto* found = std::find_if(typed_events.begin(), typed_events.end(),
                                     [&](const TypedEvent& event) { return event.type == type; });
    return found == typed_events.end() ? nullptr : found;
}

bool may_be_typed(json::Key key)
{
    switch (key.raw()[0]) {
        case 'a':
            return key == "arguments";
        case 'c':
            return key == "content_block";
        case 'd':
            return key == "delta";
        case 'i':
            return key == "item" || key == "input";
        case 'm':
            return key == "message";
        case 'p':
            return key == "part";
        case 'r':
            return key == "response" || key == "refusal";
        default:
            return key == "text" || key == "transcript";
    }
}

/// `delta` of an Anthropic event: text, a piece of a tool's input, or how the message ends.
bool read_block_delta(json::Object& object, ReplyBuilder& builder, std::optional<std::int64_t> index)
{
    return json::each_member(object, [&](json::Key key, json::Value& value) {
        if (key == "text")
            return if_string(value, [&](std::string_view text) { builder.add_text(text, Source::delta); });
        if (key == "partial_json")
            return if_string(value, [&](std::string_view piece) {
                if (!piece.empty())
                    builder.add_call({index, {}, {}, piece, true, Source::delta});
            });
        if (key == "stop_reason")
            return if_string(value, [&](std::string_view reason) { builder.set_finish_reason(reason); });
        return true;
    });
}

bool read_done_part(json::Object& object, ReplyBuilder& builder)
{
    ReplyPart part;
    if (!read_part(object, part))
        return false;
    builder.add_text(part.said(), Source::done_part);
    builder.add_refusal(part.refusal, Source::done_part);
    return true;
}

}  // namespace

bool ReplyEvent::read(json::Object& object, std::string_view type)
{
    type_ = type;
    if (!json::each_member(object,
                           [&](json::Key key, json::Value& value) { return read_member(key, value); }))
        return false;
    typed_ = waits_ && !done_ ? find_typed_event(type_) : nullptr;
    if (typed_ == nullptr)
        return true;
    last_pass_ = true;
    return object.reset().error() == simdjson::SUCCESS &&
           json::each_member(
               object, [&](json::Key key, json::Value& value) { return read_typed_member(key, value); });
}

bool ReplyEvent::read_member(json::Key key, json::Value& value)
{
    switch (key.raw()[0]) {
        case 'c':
            return key == "choices" ? read_choices(value, builder_, true) : read_typed_member(key, value);
        case 'u':
            return key != "usage" || read_usage_member(value, builder_);
        case 'x':
            return key != "x_groq" || read_groq_member(value, builder_);
        case 't':
            return key == "type" ? into(type_, value) : read_typed_member(key, value);
        case 'o':
            if (key == "output_index")
                index_ = json::integer_of(value);
            return true;
        case 'i':
            if (key == "index")
                index_ = json::integer_of(value);
            else if (key == "item_id")
                return into(item_id_, value);
            return read_typed_member(key, value);
        case 'a':
        case 'd':
        case 'm':
        case 'p':
        case 'r':
            return read_typed_member(key, value);
        default:
            return true;
    }
}

bool ReplyEvent::read_typed_member(json::Key key, json::Value& value)
{
    if (done_ || !may_be_typed(key))
        return true;
    if (typed_ == nullptr || typed_->type != type_)
        typed_ = find_typed_event(type_);
    if (!last_pass_ && (typed_ == nullptr || (typed_->has_place() && !knows_place()))) {
        waits_ = true;
        return true;
    }
    if (key != typed_->member)
        return true;
    done_ = true;
    return read_content(value);
}

bool ReplyEvent::read_content(json::Value& value)
{
    const auto source = typed_->source;
    const auto object_by = [&](auto&& read) {
        return if_object(value, [&](json::Object& object) { return read(object); });
    };
    bool known = false;
    switch (typed_->telling) {
        case Telling::text:
            return if_string(value, [&](std::string_view text) { builder_.add_text(text, source); });
        case Telling::refusal:
            return if_string(value, [&](std::string_view text) { builder_.add_refusal(text, source); });
        case Telling::call:
            return read_call(value, source);
        case Telling::part:
            return object_by([&](json::Object& object) { return read_done_part(object, builder_); });
        case Telling::item:
            return object_by(
                [&](json::Object& object) { return read_output_item(object, builder_, index_, source); });
        case Telling::response:
            return object_by(
                [&](json::Object& object) { return read_reply(object, builder_, Api::responses, known); });
        case Telling::message:
            return object_by(
                [&](json::Object& object) { return read_reply(object, builder_, Api::messages, known); });
        case Telling::block_start:
            return object_by(
                [&](json::Object& object) { return read_content_block(object, builder_, index_, true); });
        case Telling::block_delta:
            return object_by(
                [&](json::Object& object) { return read_block_delta(object, builder_, index_); });
    }
    return true;
}

bool ReplyEvent::read_call(json::Value& value, Source source)
{
    return if_string(value, [&](std::string_view piece) {
        if (!piece.empty())
            builder_.add_call({index_, item_id_, {}, piece, false, source});
    });
}

}  // namespace route
