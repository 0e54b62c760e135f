#pragma once

#include <cstdint>
#include <string_view>

#include "core/openai/json_reader.hpp"

namespace route {

/// How an answer says that it ended.
enum class Ending
{
    none,     ///< it does not say
    natural,  ///< by itself: without content it is blank
    excused,  ///< length, content filter, tool, pause, or not at its end yet: may be without content
};

// What the APIs put their answers together from, in events as in whole JSON. One pass over a document; the
// strings are not decoded, so that lone surrogates in them do no harm.

/// A string that is not "".
bool is_filled_string(json::Value& value);

/// Anything but null, false, 0, "", {} and []. An `error` that is not filled is none.
bool is_filled(json::Value& value);

/// The text of a string as it is written, escapes included; "" for anything else. Valid as long as the
/// document.
std::string_view written_string(json::Value& value);

/// Whether a call's `name` counts: some servers put the name of the assistant into its message.
enum class Names
{
    passed_over,
    count,
};

/// Whether it holds content: text, reasoning, a tool call with a name or arguments, a refusal, audio, an
/// image. For a message, a delta, a choice, an item of `output`, a content block, a part of one, or a list of
/// those.
bool has_content(json::Value& value, Names names);
bool has_content(json::Object& object, Names names);

/// By a `finish_reason` or `stop_reason`, in any case of letters.
Ending ending_of(std::string_view reason);

/// By the `status` of a response. A failed one is an error.
Ending ending_of_status(std::string_view status);

/// What one of `choices` says.
struct ChoiceSigns
{
    bool content = false;
    bool error = false;
    Ending ending = Ending::none;
    std::int64_t index = -1;  ///< -1: it has none
};

/// False when it is broken.
bool read_choice_signs(json::Object& choice, ChoiceSigns& signs);

/// What a response of the Responses API says, whole or inside an event.
struct ResponseSigns
{
    bool content = false;
    bool error = false;
    bool output = false;  ///< it has a list of that name
    Ending ending = Ending::none;
};

/// Takes one member of it; true when it was one of those that count.
bool read_response_member(json::Key key, json::Value& value, ResponseSigns& signs);

}  // namespace route
