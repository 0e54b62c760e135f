#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace route {

/// One reply as a stream and as the JSON that says the same.
struct ReplySample
{
    std::string name;
    std::string stream;
    std::string json;
    std::string text;
    std::optional<std::int64_t> prompt_tokens;
    std::optional<std::int64_t> completion_tokens;
    std::optional<std::int64_t> total_tokens;
    std::string finish_reason;
};

/// All four shapes, each with text, refusal, tool calls and what surrounds them.
const std::vector<ReplySample>& reply_samples();

}  // namespace route
