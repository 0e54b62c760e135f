#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/openai/json_reader.hpp"
#include "core/openai/reply_builder.hpp"

namespace route {

struct TypedEvent;

/// Reads one event of a stream into `builder`: a chunk of a chat completion or a completion, or an event of
/// the Responses API, of the Realtime API, of Anthropic's messages, of a transcription, which have a type.
class ReplyEvent
{
  public:
    explicit ReplyEvent(ReplyBuilder& builder) : builder_{builder} {}

    /// `type` is that of its `event:` line; its own `type` wins. False when it is broken.
    bool read(json::Object& object, std::string_view type);

  private:
    bool read_member(json::Key key, json::Value& value);
    bool read_typed_member(json::Key key, json::Value& value);
    bool read_content(json::Value& value);
    bool read_call(json::Value& value, Source source);
    bool knows_place() const { return index_ || !item_id_.empty(); }

    ReplyBuilder& builder_;
    std::string_view type_;
    const TypedEvent* typed_ = nullptr;
    std::optional<std::int64_t> index_;  ///< of the output item or content block
    std::string_view item_id_;
    bool waits_ = false;  ///< for what explains a member already passed
    bool last_pass_ = false;
    bool done_ = false;
};

}  // namespace route
