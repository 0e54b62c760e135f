#pragma once

#include <cstdint>
#include <string_view>

#include "core/json_reader.hpp"
#include "core/reply_builder.hpp"

namespace route {

/// Reads one JSON object of a reply into `builder`, in one pass over its members: a whole reply, or an event
/// of a stream. Of the shapes chat completions, completions, Responses API and Anthropic messages it takes
/// what SPEC 6 keeps.
class ReplyShapes
{
  public:
    explicit ReplyShapes(ReplyBuilder& builder) : builder_{builder} {}

    /// A whole reply. False when it is broken.
    bool read_reply(json::Object& object);

    /// Whether read_reply() saw one of the four shapes.
    bool known() const { return known_; }

    /// An event. `type` is its `event:` line, or what an earlier pass over it found. False when it is broken.
    bool read_event(json::Object& object, std::string_view type);

    /// Whether read_event() met what only the type explains before the type itself: it wants another pass,
    /// with this type.
    bool wants_type() const { return untyped_ && !type_.empty(); }
    std::string_view type() const { return type_; }

  private:
    bool read_typed_member(json::Key key, json::Value& value);
    bool read_delta(json::Value& value);

    ReplyBuilder& builder_;
    std::string_view type_;
    std::int64_t index_ = 0;
    bool known_ = false;
    bool untyped_ = false;
};

}  // namespace route
