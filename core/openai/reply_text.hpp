#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "core/openai/api.hpp"
#include "core/openai/json_digest.hpp"
#include "core/openai/sse_parser.hpp"
#include "core/record.hpp"

namespace route {

/// Puts the reply of a stream together event by event: chat completions, completions, Responses API,
/// Anthropic messages, transcriptions, told apart by what the events hold. Text is that of choice 0: content,
/// else refusal; tool calls as JSON lines ({"name":…,"arguments":…}) at its end. Keeps at most `max_text`
/// bytes of text; tokens and finish reason are read however long the stream is.
class StreamReply
{
  public:
    explicit StreamReply(std::size_t max_text);
    ~StreamReply();
    StreamReply(StreamReply&&) noexcept;
    StreamReply& operator=(StreamReply&&) noexcept;

    /// Adds one event, or a part of one; what it does not understand it passes over.
    void add(const SseEvent& event);

    /// What the stream said so far; leaves this empty.
    ReplySummary take();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The same out of a whole JSON reply of this API. For JSON of none of the four shapes (embeddings, models,
/// errors, …) the text is the body itself. `body` needs no padding. Broken JSON: the text is the body, and
/// what it says before it breaks counts.
ReplySummary read_json_reply(std::string_view body, std::size_t max_text, Api api = Api::other);

/// Keeps of a JSON reply too long to hold, fed piece by piece, what read_long_json_reply() needs: flat
/// memory, about twice `max_text`.
class LongJsonReply
{
  public:
    explicit LongJsonReply(std::size_t max_text) : max_text_{max_text}, digest_{max_text} {}

    void write(std::string_view piece);
    /// Leaves in `capture` what was kept.
    void give_to(ReplyCapture& capture);

  private:
    std::size_t max_text_;
    std::string beginning_;
    bool cut_ = false;
    JsonDigest digest_;
};

/// As read_json_reply(), of a capture of that kind. Where the text is the body itself, it is its beginning.
ReplySummary read_long_json_reply(const ReplyCapture& capture, std::size_t max_text, Api api = Api::other);

}  // namespace route
