#pragma once

#include <bitset>
#include <cstddef>

#include "core/openai/answer_parts.hpp"
#include "core/openai/sse_parser.hpp"

namespace route {

/// Choices of a chat completion by their index; one far out is taken for the last.
using Choices = std::bitset<128>;

/// What one event of a stream means for the reply (SPEC 5, points 2, 5 and 8): chat completions, completions,
/// Responses API, Anthropic messages, images, speech and transcripts, told apart by what the events hold.
struct EventSigns
{
    bool data = false;     ///< it says something, if only preamble: any data but `[DONE]`
    bool content = false;  ///< the first piece of an answer that somebody can use
    bool error = false;    ///< an error where an answer should be
    bool end = false;      ///< nothing must come behind it
    bool broken = false;   ///< begins as JSON and is none
    Ending ending = Ending::none;
    Choices begun;     ///< choices it speaks of
    Choices finished;  ///< those whose `finish_reason` it holds
};

/// Pure; one pass over the event, no allocation unless its UTF-8 is broken or it is very long.
EventSigns signs_of(const SseEvent& event);

/// Whether an event may be an error or an end, the only things that count once a reply is committed. Cheap,
/// never false of one that is; `choices_seen`: the stream is one of choices, where no `type` ends anything.
bool may_end_stream(const SseEvent& event, bool choices_seen);

/// What the events of a stream so far mean together. What comes behind the end does not count.
struct StreamSigns
{
    bool data = false;
    bool content = false;
    bool error = false;        ///< one came before any content
    bool error_first = false;  ///< it was the first event of all
    bool late_error = false;   ///< one came behind content
    bool end = false;
    bool broken = false;
    Ending ending = Ending::none;  ///< `excused` when one choice is
    Choices begun;
    Choices finished;

    void add(const EventSigns& event);
    /// An answer has begun, or may be without content.
    bool answered() const { return content || ending == Ending::excused; }
    /// Every choice has its `finish_reason`.
    bool choices_finished() const { return begun.any() && (begun & ~finished).none(); }
};

}  // namespace route
