#pragma once

#include <cstdint>
#include <optional>

#include "core/openai/api.hpp"
#include "core/openai/json_reader.hpp"
#include "core/openai/reply_builder.hpp"

namespace route {

/// These read what SPEC 6 keeps of a reply's JSON into `builder`, in one pass over its members. False when it
/// is broken.

/// A whole reply: chat completion, completion, Responses API, Anthropic message. `known` says whether it has
/// one of these shapes.
bool read_reply(json::Object& object, ReplyBuilder& builder, Api api, bool& known);

/// `choices` of a chat completion or a completion; `is_chunk` in streams. Only choice 0 counts.
bool read_choices(json::Value& value, ReplyBuilder& builder, bool is_chunk);

/// One of `output` of the Responses API, which is at this place there.
bool read_output_item(json::Object& object, ReplyBuilder& builder, std::optional<std::int64_t> index,
                      Source source);

/// One of `content` of an Anthropic message, which is at this place there.
bool read_content_block(json::Object& object, ReplyBuilder& builder, std::optional<std::int64_t> index,
                        bool only_begins);

/// `usage`, and `x_groq`, which has another.
bool read_usage_member(json::Value& value, ReplyBuilder& builder);
bool read_groq_member(json::Value& value, ReplyBuilder& builder);

}  // namespace route
