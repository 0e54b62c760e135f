#include "core/reply_parts.hpp"

namespace route {
namespace {

bool read_arguments(json::Value& value, ReplyPart& part)
{
    return json::into(part.arguments, value) && json::if_object(value, [&](json::Object& object) {
               part.is_object = true;
               return object.raw_json().get(part.arguments) == simdjson::SUCCESS;
           });
}

}  // namespace

bool read_part_member(json::Key key, json::Value& value, ReplyPart& part)
{
    if (key == "type")
        return json::into(part.type, value);
    if (key == "text")
        return json::into(part.text, value);
    if (key == "refusal")
        return json::into(part.refusal, value);
    if (key == "name")
        return json::into(part.name, value);
    if (key == "arguments" || key == "input")
        return read_arguments(value, part);
    return true;
}

bool read_part(json::Object& object, ReplyPart& part)
{
    return json::each_member(
        object, [&](json::Key key, json::Value& value) { return read_part_member(key, value, part); });
}

void add_call(ReplyBuilder& builder, ReplyBuilder::ToolCall* call, const ReplyPart& part)
{
    builder.add_name(call, part.name);
    builder.add_arguments(call, part.arguments);
    if (call != nullptr && part.is_object)
        call->is_object = true;
}

bool read_usage(json::Object& usage, ReplyBuilder& builder)
{
    return json::each_member(usage, [&](json::Key key, json::Value& value) {
        if (key == "prompt_tokens" || key == "input_tokens") {
            if (const auto tokens = json::integer_of(value))
                builder.set_prompt_tokens(*tokens);
        } else if (key == "completion_tokens" || key == "output_tokens") {
            if (const auto tokens = json::integer_of(value))
                builder.set_completion_tokens(*tokens);
        } else if (key == "total_tokens") {
            if (const auto tokens = json::integer_of(value))
                builder.set_total_tokens(*tokens);
        }
        return true;
    });
}

}  // namespace route
