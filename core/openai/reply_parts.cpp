#include "core/openai/reply_parts.hpp"

#include <array>
#include <utility>

namespace route {
namespace {

bool read_arguments(json::Value& value, ReplyPart& part)
{
    return json::into(part.arguments, value) && json::if_object(value, [&](json::Object& object) {
               part.is_object = true;
               return object.raw_json().get(part.arguments) == simdjson::SUCCESS;
           });
}

constexpr std::array<std::pair<std::string_view, TokenCounts::Kind>, 7> counts{{
    {"prompt_tokens", TokenCounts::Kind::prompt},
    {"completion_tokens", TokenCounts::Kind::completion},
    {"total_tokens", TokenCounts::Kind::total},
    {"input_tokens", TokenCounts::Kind::input},
    {"output_tokens", TokenCounts::Kind::completion},
    {"cache_read_input_tokens", TokenCounts::Kind::cache_read},
    {"cache_creation_input_tokens", TokenCounts::Kind::cache_creation},
}};

}  // namespace

ReplyBuilder::CallPiece ReplyPart::call(std::optional<std::int64_t> index, Source source) const
{
    return {index, id.empty() ? call_id : id, name, arguments, is_object, source};
}

bool read_part_member(json::Key key, json::Value& value, ReplyPart& part)
{
    if (key == "type")
        return json::into(part.type, value);
    if (key == "text")
        return json::into(part.text, value);
    if (key == "transcript")
        return json::into(part.transcript, value);
    if (key == "refusal")
        return json::into(part.refusal, value);
    if (key == "id")
        return json::into(part.id, value);
    if (key == "call_id")
        return json::into(part.call_id, value);
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

bool read_usage(json::Object& usage, ReplyBuilder& builder)
{
    return json::each_member(usage, [&](json::Key key, json::Value& value) {
        for (const auto& [name, kind] : counts) {
            if (key != name)
                continue;
            if (const auto tokens = json::integer_of(value))
                builder.set_tokens(kind, *tokens);
            break;
        }
        return true;
    });
}

}  // namespace route
