#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/openai/reply_text.hpp"

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

/// Checks that a summary says all that the sample does, uncut.
void check_whole(const ReplySummary& summary, const ReplySample& sample);

/// All four shapes, each with text, refusal, tool calls and what surrounds them.
const std::vector<ReplySample>& reply_samples();

/// What a stream of these events says; each is the data of one.
ReplySummary said_by(const std::vector<std::string>& events, std::size_t max_text = 1u << 20);

/// An event with a piece of choice 0 of a chat completion.
std::string chat_delta(std::string_view delta);

}  // namespace route
