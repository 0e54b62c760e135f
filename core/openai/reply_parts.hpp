#pragma once

#include <optional>
#include <string_view>

#include "core/openai/json_reader.hpp"
#include "core/openai/reply_builder.hpp"

namespace route {

/// A piece of what was said, as each API has it in its lists: text, refusal, or a call of a tool. The views
/// are valid as long as the document.
struct ReplyPart
{
    std::string_view type;
    std::string_view text;
    std::string_view transcript;
    std::string_view refusal;
    std::string_view id;
    std::string_view call_id;
    std::string_view name;
    std::string_view arguments;
    bool is_object = false;  ///< the arguments are an object

    bool is_text() const { return type == "text" || type == "output_text"; }
    /// Of an item of `output`: its text, or that of its audio in the Realtime API.
    std::string_view said() const
    {
        if (type == "output_audio" || type == "audio")
            return transcript;
        return is_text() ? text : std::string_view{};
    }
    bool is_tool_use() const { return type.ends_with("tool_use"); }
    bool is_tool_call() const
    {
        return type == "function_call" || type == "custom_tool_call" || type == "mcp_call";
    }

    /// As a call of a tool.
    ReplyBuilder::CallPiece call(std::optional<std::int64_t> index, Source source) const;
};

/// Takes one member into `part`. False when it is broken.
bool read_part_member(json::Key key, json::Value& value, ReplyPart& part);
bool read_part(json::Object& object, ReplyPart& part);

/// The token counts in `usage`, by OpenAI's names or Anthropic's; null and what is no integer is passed over.
/// False when it is broken.
bool read_usage(json::Object& usage, ReplyBuilder& builder);

}  // namespace route
