#include "core/reply_shapes.hpp"

#include <optional>

#include "core/reply_parts.hpp"
#include "core/text.hpp"

namespace route {
namespace {

using json::each_member;
using json::if_array;
using json::if_object;
using json::if_string;
using json::into;

/// One of `tool_calls`: with an index in streams; without one a name begins the next call.
bool read_tool_call(json::Object& object, ReplyBuilder& builder)
{
    ReplyPart part;
    std::optional<std::int64_t> index;
    const bool whole = each_member(object, [&](json::Key key, json::Value& value) {
        if (key == "index")
            index = json::integer_of(value);
        else if (key == "function" || key == "custom")
            return if_object(value, [&](json::Object& function) { return read_part(function, part); });
        return true;
    });
    if (!whole)
        return false;
    auto* call = builder.last_tool_call();
    if (index)
        call = builder.tool_call(*index);
    else if (call == nullptr || !part.name.empty())
        call = builder.new_tool_call();
    add_call(builder, call, part);
    return true;
}

/// `message` of a chat completion, `delta` of its chunks.
bool read_message(json::Object& object, ReplyBuilder& builder)
{
    // `function_call` is what `tool_calls` were before they had an index.
    constexpr std::int64_t function_call_index = -1;
    return each_member(object, [&](json::Key key, json::Value& value) {
        if (key == "content") {
            const auto add_text_part = [&](json::Object& element, std::size_t) {
                ReplyPart part;
                const bool whole = read_part(element, part);
                if (whole && part.is_text())
                    builder.add_text(part.text);
                return whole;
            };
            return if_string(value, [&](std::string_view text) { builder.add_text(text); }) &&
                   if_array(value, add_text_part);
        }
        if (key == "refusal")
            return if_string(value, [&](std::string_view text) { builder.add_refusal(text); });
        if (key == "tool_calls")
            return if_array(value,
                            [&](json::Object& call, std::size_t) { return read_tool_call(call, builder); });
        if (key == "function_call")
            return if_object(value, [&](json::Object& function) {
                ReplyPart part;
                const bool whole = read_part(function, part);
                add_call(builder, builder.tool_call(function_call_index), part);
                return whole;
            });
        return true;
    });
}

bool read_choice_member(json::Key key, json::Value& value, ReplyBuilder& builder)
{
    if (key == "delta" || key == "message")
        return if_object(value, [&](json::Object& message) { return read_message(message, builder); });
    if (key == "text")
        return if_string(value, [&](std::string_view text) { builder.add_text(text); });
    if (key == "finish_reason")
        return if_string(value, [&](std::string_view reason) { builder.set_finish_reason(reason); });
    if (key == "usage")
        return if_object(value, [&](json::Object& usage) { return read_usage(usage, builder); });
    return true;
}

/// Only choice 0 counts. Most servers say which it is at its beginning; for the others a second pass is
/// needed.
bool read_choice(json::Object& choice, std::size_t position, ReplyBuilder& builder)
{
    std::optional<std::int64_t> index;
    bool passed_over = false;
    const auto read_member = [&](json::Key key, json::Value& value) {
        if (key == "index")
            index = json::integer_of(value);
        else if (passed_over || !index)
            passed_over = true;
        else if (*index == 0)
            return read_choice_member(key, value, builder);
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
               return read_choice_member(key, value, builder);
           });
}

bool read_choices(json::Value& value, ReplyBuilder& builder)
{
    return if_array(value, [&](json::Object& choice, std::size_t position) {
        return read_choice(choice, position, builder);
    });
}

/// Which parts of a reply are still to be read: the events of a stream may have said them already.
struct Missing
{
    bool text = true;
    bool calls = true;
};

/// One of `output` of the Responses API.
bool read_output_item(json::Object& object, ReplyBuilder& builder, Missing missing)
{
    ReplyPart item;
    const bool whole = each_member(object, [&](json::Key key, json::Value& value) {
        if (key != "content")
            return read_part_member(key, value, item);
        return !missing.text || if_array(value, [&](json::Object& element, std::size_t) {
            ReplyPart part;
            if (!read_part(element, part))
                return false;
            if (part.type == "output_text")
                builder.add_text(part.text);
            builder.add_refusal(part.refusal);
            return true;
        });
    });
    if (whole && missing.calls && item.is_tool_call())
        add_call(builder, builder.new_tool_call(), item);
    return whole;
}

/// One of `content` of an Anthropic message; with its `index` when it comes as an event.
bool read_content_block(json::Object& object, ReplyBuilder& builder, std::optional<std::int64_t> index = {})
{
    ReplyPart block;
    if (!read_part(object, block))
        return false;
    if (block.type == "text")
        builder.add_text(block.text);
    if (!block.is_tool_use())
        return true;
    // The input of a block that only starts is `{}`, or all of it when there is nothing more to come.
    if (block.is_object && trim(block.arguments) == "{}")
        block.arguments = {};
    add_call(builder, index ? builder.tool_call(*index) : builder.new_tool_call(), block);
    return true;
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
};

bool read_incomplete_details(json::Object& object, Marks& marks)
{
    return each_member(object, [&](json::Key key, json::Value& value) {
        return key != "reason" || into(marks.incomplete_reason, value);
    });
}

bool read_reply_member(json::Key key, json::Value& value, ReplyBuilder& builder, Marks& marks,
                       Missing missing)
{
    if (key == "choices") {
        simdjson::ondemand::json_type type{};
        marks.choices =
            value.type().get(type) == simdjson::SUCCESS && type == simdjson::ondemand::json_type::array;
        return read_choices(value, builder);
    }
    if (key == "usage")
        return if_object(value, [&](json::Object& usage) { return read_usage(usage, builder); });
    if (key == "output") {
        marks.output = true;
        return if_array(
            value, [&](json::Object& item, std::size_t) { return read_output_item(item, builder, missing); });
    }
    if (key == "content") {
        marks.content = true;
        return if_array(value,
                        [&](json::Object& block, std::size_t) { return read_content_block(block, builder); });
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
        return if_object(value,
                         [&](json::Object& details) { return read_incomplete_details(details, marks); });
    return true;
}

/// False when it is broken; `known` says whether it has one of the four shapes.
bool read_whole(json::Object& object, ReplyBuilder& builder, Missing missing, bool& known)
{
    Marks marks;
    const bool whole = each_member(object, [&](json::Key key, json::Value& value) {
        return read_reply_member(key, value, builder, marks, missing);
    });
    const bool is_response = marks.output && marks.object == "response";
    if (is_response)
        builder.set_finish_reason(marks.incomplete_reason.empty() ? marks.status : marks.incomplete_reason);
    known = marks.choices || is_response || (marks.content && marks.type == "message");
    return whole;
}

bool ends_response(std::string_view type)
{
    return type == "response.completed" || type == "response.incomplete" || type == "response.failed" ||
           type == "response.cancelled";
}

/// `delta` of an Anthropic event: text, a piece of a tool's input, or how the message ends.
bool read_block_delta(json::Object& object, ReplyBuilder& builder, std::int64_t index)
{
    return each_member(object, [&](json::Key key, json::Value& value) {
        if (key == "text")
            return if_string(value, [&](std::string_view text) { builder.add_text(text); });
        if (key == "partial_json")
            return if_string(value, [&](std::string_view piece) {
                auto* call = builder.tool_call(index);
                builder.add_arguments(call, piece);
                if (call != nullptr)
                    call->is_object = true;
            });
        if (key == "stop_reason")
            return if_string(value, [&](std::string_view reason) { builder.set_finish_reason(reason); });
        return true;
    });
}

}  // namespace

bool ReplyShapes::read_reply(json::Object& object)
{
    return read_whole(object, builder_, Missing{}, known_);
}

bool ReplyShapes::read_event(json::Object& object, std::string_view type)
{
    type_ = type;
    return each_member(object, [&](json::Key key, json::Value& value) {
        switch (key.raw()[0]) {
            case 'c':
                return key == "choices" ? read_choices(value, builder_) : read_typed_member(key, value);
            case 'u':
                return key != "usage" ||
                       if_object(value, [&](json::Object& usage) { return read_usage(usage, builder_); });
            case 't':
                return key != "type" || into(type_, value);
            case 'i':
                if (key == "index")
                    index_ = json::integer_of(value).value_or(0);
                return read_typed_member(key, value);
            case 'd':
            case 'm':
            case 'r':
                return read_typed_member(key, value);
            default:
                return true;
        }
    });
}

bool ReplyShapes::read_typed_member(json::Key key, json::Value& value)
{
    const bool typed =
        key == "delta" || key == "item" || key == "response" || key == "message" || key == "content_block";
    if (!typed)
        return true;
    if (type_.empty()) {
        untyped_ = true;
        return true;
    }
    if (key == "delta")
        return read_delta(value);
    return if_object(value, [&](json::Object& object) {
        bool known = false;
        if (key == "item" && type_ == "response.output_item.done")
            return read_output_item(object, builder_, Missing{false, true});
        if (key == "response" && ends_response(type_)) {
            const Missing missing{!builder_.has_text(), !builder_.has_tool_calls()};
            return read_whole(object, builder_, missing, known);
        }
        if (key == "message" && type_ == "message_start")
            return read_whole(object, builder_, Missing{}, known);
        if (key == "content_block" && type_ == "content_block_start")
            return read_content_block(object, builder_, index_);
        return true;
    });
}

bool ReplyShapes::read_delta(json::Value& value)
{
    if (type_ == "response.output_text.delta")
        return if_string(value, [&](std::string_view text) { builder_.add_text(text); });
    if (type_ == "response.refusal.delta")
        return if_string(value, [&](std::string_view text) { builder_.add_refusal(text); });
    if (type_ == "content_block_delta" || type_ == "message_delta")
        return if_object(value,
                         [&](json::Object& delta) { return read_block_delta(delta, builder_, index_); });
    return true;
}

}  // namespace route
