#include "core/openai/reply_shapes.hpp"

#include "core/openai/reply_parts.hpp"
#include "core/text.hpp"

namespace route {
namespace {

using json::each_member;
using json::if_array;
using json::if_object;
using json::if_string;
using json::into;

/// One of `tool_calls`: with an index in streams, with its place in a whole message.
bool read_tool_call(json::Object& object, ReplyBuilder& builder, std::size_t position, Source source)
{
    ReplyPart part;
    std::optional<std::int64_t> index;
    const bool whole = each_member(object, [&](json::Key key, json::Value& value) {
        if (key == "index")
            index = json::integer_of(value);
        else if (key == "id")
            return into(part.id, value);
        else if (key == "function" || key == "custom")
            return if_object(value, [&](json::Object& function) { return read_part(function, part); });
        return true;
    });
    if (source != Source::delta)
        index = static_cast<std::int64_t>(position);
    builder.add_call(part.call(index, source));
    return whole;
}

bool read_content(json::Value& value, ReplyBuilder& builder, Source source)
{
    const auto add_text_part = [&](json::Object& element, std::size_t) {
        ReplyPart part;
        const bool whole = read_part(element, part);
        if (whole && part.is_text())
            builder.add_text(part.text, source);
        return whole;
    };
    return if_string(value, [&](std::string_view text) { builder.add_text(text, source); }) &&
           if_array(value, add_text_part);
}

/// `message` of a chat completion, `delta` of its chunks.
bool read_message(json::Object& object, ReplyBuilder& builder, Source source)
{
    return each_member(object, [&](json::Key key, json::Value& value) {
        if (key == "content")
            return read_content(value, builder, source);
        if (key == "refusal")
            return if_string(value, [&](std::string_view text) { builder.add_refusal(text, source); });
        if (key == "tool_calls")
            return if_array(value, [&](json::Object& call, std::size_t position) {
                return !builder.takes_calls_of(source) || read_tool_call(call, builder, position, source);
            });
        if (key == "function_call")
            return if_object(value, [&](json::Object& function) {
                ReplyPart part;
                const bool whole = read_part(function, part);
                if (builder.takes_calls_of(source))
                    builder.add_call(part.call(ReplyBuilder::function_call_index, source));
                return whole;
            });
        return true;
    });
}

bool read_whole_message(json::Object& object, ReplyBuilder& builder)
{
    builder.begin_message(Source::whole);
    const bool whole = read_message(object, builder, Source::whole);
    builder.end_message();
    return whole;
}

bool read_choice_member(json::Key key, json::Value& value, ReplyBuilder& builder, bool is_chunk)
{
    if (key == "delta")
        return if_object(
            value, [&](json::Object& message) { return read_message(message, builder, Source::delta); });
    if (key == "message")
        return if_object(value, [&](json::Object& message) { return read_whole_message(message, builder); });
    if (key == "text")
        return if_string(value, [&](std::string_view text) {
            builder.add_text(text, is_chunk ? Source::choice_text : Source::whole_choice);
        });
    if (key == "finish_reason")
        return if_string(value, [&](std::string_view reason) { builder.set_finish_reason(reason); });
    return key != "usage" || read_usage_member(value, builder);
}

/// Most servers say which choice it is at its beginning; for the others a second pass is needed.
bool read_choice(json::Object& choice, std::size_t position, ReplyBuilder& builder, bool is_chunk)
{
    std::optional<std::int64_t> index;
    bool passed_over = false;
    const auto read_member = [&](json::Key key, json::Value& value) {
        if (key == "index")
            index = json::integer_of(value);
        else if (passed_over || !index)
            passed_over = true;
        else if (*index == 0)
            return read_choice_member(key, value, builder, is_chunk);
        return true;
    };
    if (!each_member(choice, read_member))
        return false;
    if (!index)
        index = static_cast<std::int64_t>(position);
    if (!passed_over || *index != 0)
        return true;
    return choice.reset().error() == simdjson::SUCCESS &&
           each_member(choice, [&](json::Key key, json::Value& value) {
               return read_choice_member(key, value, builder, is_chunk);
           });
}

/// What tells the shapes of whole replies apart, and what counts in one of them only.
struct Marks
{
    bool choices = false;
    bool output = false;
    bool content = false;
    std::string_view object;
    std::string_view type;
    std::string_view status;
    std::string_view incomplete_reason;
    std::string_view status_reason;  ///< of any status, in the Realtime API

    std::string_view finish_reason() const
    {
        if (!incomplete_reason.empty())
            return incomplete_reason;
        return status == "incomplete" && !status_reason.empty() ? status_reason : status;
    }

    bool is_response(Api api) const
    {
        if (object == "realtime.response")
            return true;
        return output && (object == "response" || (object.empty() && api == Api::responses));
    }
    bool is_message(Api api) const
    {
        return content && (type == "message" || (type.empty() && object.empty() && api == Api::messages));
    }
};

bool read_reason(json::Object& details, std::string_view& reason)
{
    return each_member(
        details, [&](json::Key key, json::Value& value) { return key != "reason" || into(reason, value); });
}

bool read_blocks(json::Value& value, ReplyBuilder& builder)
{
    return if_string(value, [&](std::string_view text) { builder.add_text(text, Source::whole); }) &&
           if_array(value, [&](json::Object& block, std::size_t position) {
               return read_content_block(block, builder, static_cast<std::int64_t>(position), false);
           });
}

bool read_reply_member(json::Key key, json::Value& value, ReplyBuilder& builder, Marks& marks)
{
    if (key == "choices") {
        simdjson::ondemand::json_type type{};
        marks.choices =
            value.type().get(type) == simdjson::SUCCESS && type == simdjson::ondemand::json_type::array;
        return read_choices(value, builder, false);
    }
    if (key == "usage")
        return read_usage_member(value, builder);
    if (key == "x_groq")
        return read_groq_member(value, builder);
    if (key == "output") {
        marks.output = true;
        return if_array(value, [&](json::Object& item, std::size_t position) {
            return read_output_item(item, builder, static_cast<std::int64_t>(position), Source::whole);
        });
    }
    if (key == "content") {
        marks.content = true;
        return read_blocks(value, builder);
    }
    if (key == "stop_reason")
        return if_string(value, [&](std::string_view reason) { builder.set_finish_reason(reason); });
    if (key == "object")
        return into(marks.object, value);
    if (key == "type")
        return into(marks.type, value);
    if (key == "status")
        return into(marks.status, value);
    if (key == "incomplete_details")
        return if_object(
            value, [&](json::Object& details) { return read_reason(details, marks.incomplete_reason); });
    if (key == "status_details")
        return if_object(value,
                         [&](json::Object& details) { return read_reason(details, marks.status_reason); });
    return true;
}

}  // namespace

bool read_reply(json::Object& object, ReplyBuilder& builder, Api api, bool& known)
{
    Marks marks;
    builder.begin_message(Source::whole);
    const bool whole = each_member(object, [&](json::Key key, json::Value& value) {
        return read_reply_member(key, value, builder, marks);
    });
    builder.end_message();
    const bool is_response = marks.is_response(api);
    if (is_response)
        builder.set_finish_reason(marks.finish_reason());
    known = marks.choices || is_response || marks.is_message(api);
    return whole;
}

bool read_choices(json::Value& value, ReplyBuilder& builder, bool is_chunk)
{
    return if_array(value, [&](json::Object& choice, std::size_t position) {
        return read_choice(choice, position, builder, is_chunk);
    });
}

bool read_output_item(json::Object& object, ReplyBuilder& builder, std::optional<std::int64_t> index,
                      Source source)
{
    ReplyPart item;
    const bool whole = each_member(object, [&](json::Key key, json::Value& value) {
        if (key != "content")
            return read_part_member(key, value, item);
        return if_array(value, [&](json::Object& element, std::size_t) {
            ReplyPart part;
            if (!read_part(element, part))
                return false;
            builder.add_text(part.said(), source);
            builder.add_refusal(part.refusal, source);
            return true;
        });
    });
    if (whole && item.is_tool_call())
        builder.add_call(item.call(index, source));
    return whole;
}

bool read_content_block(json::Object& object, ReplyBuilder& builder, std::optional<std::int64_t> index,
                        bool only_begins)
{
    ReplyPart block;
    if (!read_part(object, block))
        return false;
    if (only_begins)
        builder.begin_block(block.type == "text" ? block.text : std::string_view{});
    else if (block.type == "text")
        builder.add_text(block.text, Source::whole);
    if (!block.is_tool_use())
        return true;
    // The input of a block that only begins is `{}`, or all of it when there is nothing more to come.
    if (block.is_object && trim(block.arguments) == "{}")
        block.arguments = {};
    builder.add_call(block.call(index, Source::whole));
    return true;
}

bool read_usage_member(json::Value& value, ReplyBuilder& builder)
{
    return if_object(value, [&](json::Object& usage) { return read_usage(usage, builder); });
}

bool read_groq_member(json::Value& value, ReplyBuilder& builder)
{
    return if_object(value, [&](json::Object& groq) {
        return each_member(groq, [&](json::Key key, json::Value& member) {
            return key != "usage" || read_usage_member(member, builder);
        });
    });
}

}  // namespace route
