#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.hpp"

namespace route {

/// Collects what a reply says, from its events or its JSON, within the memory that `max_text` allows.
class ReplyBuilder
{
  public:
    explicit ReplyBuilder(std::size_t max_text) : max_text_{max_text} {}

    struct ToolCall
    {
        std::int64_t index = 0;
        std::string name;
        std::string arguments;
        bool is_object = false;  ///< the API gives the arguments as an object, not as a string
    };

    void add_text(std::string_view piece) { add(content_, piece); }
    void add_refusal(std::string_view piece) { add(refusal_, piece); }

    /// The tool call with this index, made when there is none; null when there are too many.
    ToolCall* tool_call(std::int64_t index);
    /// A new one behind the others.
    ToolCall* new_tool_call();
    /// The one touched last.
    ToolCall* last_tool_call();
    void add_name(ToolCall* call, std::string_view piece);
    void add_arguments(ToolCall* call, std::string_view piece);

    void set_finish_reason(std::string_view reason);
    void set_prompt_tokens(std::int64_t tokens) { summary_.prompt_tokens = tokens; }
    void set_completion_tokens(std::int64_t tokens) { summary_.completion_tokens = tokens; }
    void set_total_tokens(std::int64_t tokens) { summary_.total_tokens = tokens; }

    bool has_text() const { return !content_.text.empty() || !refusal_.text.empty(); }
    bool has_tool_calls() const { return !calls_.empty(); }

    /// The whole; leaves this empty. Total tokens are the sum of the others when the reply does not say them.
    ReplySummary take();
    /// The same with the beginning of `body` as its text.
    ReplySummary take_with_text(std::string_view body);

  private:
    struct Text
    {
        std::string text;
        bool cut = false;
    };

    void add(Text& target, std::string_view piece);
    void add_to_call(std::string& target, std::string_view piece);
    std::string composed_text() const;
    void add_total();

    std::size_t max_text_;
    Text content_;
    Text refusal_;
    std::vector<ToolCall> calls_;
    std::size_t last_call_ = 0;
    std::size_t call_bytes_ = 0;
    bool calls_cut_ = false;
    ReplySummary summary_;
};

}  // namespace route
