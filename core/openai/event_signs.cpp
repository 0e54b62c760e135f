// What an event of a stream is: preamble, content, error, end.
#include "core/openai/event_signs.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "core/text.hpp"

namespace route {
namespace {

constexpr std::string_view done_data = "[DONE]";

bool is_error_type(std::string_view type)
{
    return type == "error" || type == "response.failed";
}

bool is_transcript_end(std::string_view type)
{
    return type == "transcript.text.done";
}

bool is_end_type(std::string_view type)
{
    return type == "message_stop" || type == "response.completed" || type == "response.incomplete" ||
           type == "image_generation.completed" || type == "image_edit.completed" ||
           type == "speech.audio.done" || is_transcript_end(type);
}

void take_type(std::string_view type, EventSigns& signs)
{
    signs.error = signs.error || is_error_type(type);
    signs.end = signs.end || is_end_type(type);
    if (type == "response.completed")
        signs.ending = Ending::natural;
    else if (type == "response.incomplete")
        signs.ending = Ending::excused;
    // Of silence the transcript is empty.
    signs.content = signs.content || is_transcript_end(type);
}

Ending joined_ending(Ending a, Ending b)
{
    return std::max(a, b);
}

bool read_event_choices(json::Value& value, EventSigns& signs)
{
    return json::if_array(value, [&](json::Object& object, std::size_t position) {
        ChoiceSigns choice;
        if (!read_choice_signs(object, choice))
            return false;
        const auto index = choice.index < 0 ? position : static_cast<std::size_t>(choice.index);
        const auto bit = std::min(index, signs.begun.size() - 1);
        signs.begun.set(bit);
        if (choice.ending != Ending::none)
            signs.finished.set(bit);
        signs.content = signs.content || choice.content;
        signs.error = signs.error || choice.error;
        signs.ending = joined_ending(signs.ending, choice.ending);
        return true;
    });
}

/// A string (Responses API, transcripts), or an object (Anthropic), which may say how the message ends.
bool read_event_delta(json::Value& value, EventSigns& signs)
{
    if (is_filled_string(value)) {
        signs.content = true;
        return true;
    }
    return json::if_object(value, [&](json::Object& delta) {
        bool ends = false;
        const bool whole = json::each_member(delta, [&](json::Key key, json::Value& member) {
            if (key == "stop_reason") {
                const auto ending = ending_of(written_string(member));
                ends = ends || ending != Ending::none;
                signs.ending = joined_ending(signs.ending, ending);
            }
            return true;
        });
        if (whole && !ends && delta.reset().error() == simdjson::SUCCESS)
            signs.content = signs.content || has_content(delta, Names::passed_over);
        return whole;
    });
}

bool read_event_response(json::Value& value, EventSigns& signs)
{
    ResponseSigns response;
    const bool whole = json::if_object(value, [&](json::Object& object) {
        return json::each_member(object, [&](json::Key key, json::Value& member) {
            read_response_member(key, member, response);
            return true;
        });
    });
    signs.content = signs.content || response.content;
    signs.error = signs.error || response.error;
    return whole;
}

/// Members that are content by themselves: of the `…done` events, of images, speech and transcripts.
bool is_content_member(json::Key key)
{
    switch (key.raw()[0]) {
        case 'a':
            return key == "arguments" || key == "audio";
        case 'b':
            return key == "b64_json";
        case 'c':
            return key == "content";
        case 'i':
            return key == "input";
        case 'p':
            return key == "partial_image_b64";
        case 'r':
            return key == "refusal";
        case 't':
            return key == "text" || key == "transcript";
        case 'u':
            return key == "url";
        default:
            return false;
    }
}

bool read_event_member(json::Key key, json::Value& value, EventSigns& signs)
{
    if (key == "choices")
        return read_event_choices(value, signs);
    if (key == "type") {
        take_type(written_string(value), signs);
    } else if (key == "error") {
        signs.error = signs.error || is_filled(value);
    } else if (key == "object") {
        signs.error = signs.error || written_string(value) == "error";
    } else if (key == "delta") {
        return read_event_delta(value, signs);
    } else if (key == "response") {
        return read_event_response(value, signs);
    } else if (key == "item" || key == "part" || key == "content_block") {
        signs.content = signs.content || has_content(value, Names::count);
    } else if (key == "message") {
        return json::if_object(value, [&](json::Object& message) {
            signs.content = signs.content || has_content(message, Names::passed_over);
            return true;
        });
    } else if (is_content_member(key)) {
        signs.content = signs.content || has_content(value, Names::passed_over);
    }
    return true;
}

/// Of broken UTF-8 and control characters the rest counts.
bool read_event_json(std::string_view data, EventSigns& signs)
{
    const auto read = [&](json::Object& object) {
        return json::each_member(
            object, [&](json::Key key, json::Value& value) { return read_event_member(key, value, signs); });
    };
    simdjson::error_code opened{};
    const bool whole = json::read_object(json::padded(data), read, opened);
    return json::is_damage(opened) ? json::read_object(json::mended(data, true), read) : whole;
}

bool holds_word(std::string_view text, std::string_view word)
{
    return memmem(text.data(), text.size(), word.data(), word.size()) != nullptr;
}

/// The value of a first member `type`, as most servers write it; "" where it does not stand there.
std::string_view leading_type(std::string_view data)
{
    for (const std::string_view part : {"{", "\"type\"", ":", "\""}) {
        data = trim(data);
        if (!data.starts_with(part))
            return {};
        data.remove_prefix(part.size());
    }
    return data.substr(0, std::min(data.find('"'), data.size()));
}

}  // namespace

EventSigns signs_of(const SseEvent& event)
{
    const auto data = trim(event.data);
    EventSigns by_type;
    take_type(event.type, by_type);
    by_type.end = by_type.end || data == done_data;
    by_type.data = !data.empty() && data != done_data;
    if (!data.starts_with('{'))
        return by_type;
    auto signs = by_type;
    if (read_event_json(data, signs))
        return signs;
    if (event.data.size() >= SseParser::max_event) {
        // Cut, so that nobody can tell whether it is JSON: its beginning counts, and nobody says so much
        // before an answer.
        take_type(leading_type(data), by_type);
        by_type.content = true;
        return by_type;
    }
    by_type.broken = true;
    return by_type;
}

bool may_end_stream(const SseEvent& event, bool choices_seen)
{
    if (trim(event.data).starts_with('['))
        return true;
    // As a member, a type or a reason: each error has it, but for that of a failed response.
    if (is_error_type(event.type) || is_end_type(event.type) || holds_word(event.data, "\"error\""))
        return true;
    if (choices_seen)
        return false;
    const auto type = leading_type(event.data);
    if (!type.empty())
        return is_error_type(type) || is_end_type(type);
    return holds_word(event.data, "\"type\"");
}

void StreamSigns::add(const EventSigns& event)
{
    if (end)
        return;
    if (event.error) {
        error_first = error_first || !data;
        error = error || !answered();
        late_error = late_error || answered();
    }
    data = data || event.data;
    content = content || event.content;
    end = event.end;
    broken = broken || event.broken;
    ending = joined_ending(ending, event.ending);
    begun |= event.begun;
    finished |= event.finished;
}

}  // namespace route
