#include "core/openai/sse_parser.hpp"

#include <algorithm>
#include <cstring>

#include "core/openai/json_reader.hpp"
#include "core/text.hpp"

namespace route {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// What a line may hold beside the value that counts: BOM, field name, colon, space.
constexpr std::size_t max_line_overhead = 16;

/// Strings larger than this are given back to the heap after their event: streams live long.
constexpr std::size_t kept_capacity = 4096;

struct Field
{
    std::string_view name;
    std::string_view value;
};

Field field_of(std::string_view line)
{
    const auto colon = std::min(line.find(':'), line.size());
    Field field{line.substr(0, colon), line.substr(std::min(colon + 1, line.size()))};
    if (field.value.starts_with(' '))
        field.value.remove_prefix(1);
    return field;
}

void clear(std::string& text)
{
    if (text.capacity() > kept_capacity)
        std::string{}.swap(text);
    else
        text.clear();
}

}  // namespace

bool SseParser::at_boundary() const
{
    return !in_event_ && (line_.empty() || (first_line_ && line_ == byte_order_mark));
}

void SseParser::begin_event()
{
    clear(type_);
    clear(data_);
    if (std::exchange(has_late_type_, false))
        type_ = late_type_;
    has_data_ = false;
    several_lines_ = false;
    known_whole_ = std::exchange(next_whole_, false);
    long_ = false;
    in_event_ = false;
    delivered_ = false;
}

std::size_t SseParser::line_end(Input& input) const
{
    const char* const begin = input.rest.data();
    const char* const end = begin + input.rest.size();
    if (input.line_feed == nullptr || input.line_feed < begin) {
        const void* found = std::memchr(begin, '\n', input.rest.size());
        input.line_feed = found == nullptr ? end : static_cast<const char*>(found);
    }
    const auto before_line_feed = static_cast<std::size_t>(input.line_feed - begin);
    if (const void* carriage_return = std::memchr(begin, '\r', before_line_feed))
        return static_cast<std::size_t>(static_cast<const char*>(carriage_return) - begin);
    return input.line_feed == end ? std::string_view::npos : before_line_feed;
}

bool SseParser::next(Input& input, SseEvent& event)
{
    if (delivered_)
        begin_event();
    event = {type_, data_};
    if (long_ && next_part(input, event))
        return true;
    if (std::exchange(line_held_, false)) {
        const bool too_long = is_too_long(line_, event);
        if (too_long)
            take_long_line(line_, event);
        else
            take_line(line_, event);
        keep(event);
        clear(line_);
        if (too_long)
            return true;
    }
    while (!input.rest.empty()) {
        if (std::exchange(skip_line_feed_, false) && input.rest.front() == '\n') {
            input.rest.remove_prefix(1);
            continue;
        }
        const auto end = line_end(input);
        if (end == std::string_view::npos) {
            keep(event);
            if (hold_line(std::exchange(input.rest, {}), event))
                return true;
            break;
        }
        auto line = input.rest.substr(0, end);
        const auto from_here = input.rest;
        skip_line_feed_ = input.rest[end] == '\r';
        input.rest.remove_prefix(end + 1);
        const bool held = !line_.empty();
        if (held)
            line = line_.append(line);
        line = without_mark(line);
        first_line_ = false;
        if (line.empty()) {
            clear(line_);
            delivered_ = has_data_;
            if (std::exchange(has_late_type_, false))
                event.type = late_type_;
            if (long_)
                event.part = SseEvent::Part::end;
            if (delivered_)
                return true;
            begin_event();
            event = {};
            continue;
        }
        if (has_data_ && begins_next_event(line, event)) {
            // The line is taken when the event before it was.
            line_held_ = held;
            if (!held) {
                input.rest = from_here;
                skip_line_feed_ = false;
            }
            delivered_ = true;
            return true;
        }
        const bool too_long = is_too_long(line, event);
        if (too_long)
            take_long_line(line, event);
        else
            take_line(line, event);
        if (held) {
            // The views point into the line that goes.
            keep(event);
            clear(line_);
        }
        if (too_long)
            return true;
    }
    keep(event);
    return false;
}

/// The line without a BOM at the start of the stream.
std::string_view SseParser::without_mark(std::string_view line) const
{
    if (first_line_ && line.starts_with(byte_order_mark))
        line.remove_prefix(byte_order_mark.size());
    return line;
}

/// Keeps a line whose end is still to come; true when the event is delivered up to here instead.
bool SseParser::hold_line(std::string_view piece, SseEvent& event)
{
    line_.append(piece);
    const auto line = without_mark(line_);
    if (line.size() > max_line_overhead && is_too_long(line, event)) {
        first_line_ = false;
        in_long_line_ = true;
        take_long_line(line, event);
        clear(line_);
        return true;
    }
    // Of what is no data nothing counts behind this.
    line_.resize(std::min(line_.size(), max_event + max_type + max_line_overhead));
    return false;
}

/// Whether the event is too long to hold with this line of its data, or what is there of it.
bool SseParser::is_too_long(std::string_view line, const SseEvent& event) const
{
    if (!long_ && event.data.size() + line.size() <= max_event)
        return false;
    if (!line.starts_with("data") || (line.size() > 4 && line[4] != ':'))
        return false;
    return long_ || event.data.size() + (has_data_ ? 1 : 0) + field_of(line).value.size() > max_event;
}

/// Delivers what there is of a long event with this line.
void SseParser::take_long_line(std::string_view line, SseEvent& event)
{
    keep(event);
    if (has_data_)
        data_ += '\n';
    data_ += field_of(line).value;
    has_data_ = several_lines_ = in_event_ = true;
    event.part = SseEvent::Part::middle;
    if (!std::exchange(long_, true)) {
        rest_of_data_ = data_.substr(max_event);
        data_.resize(max_event);
        event.part = SseEvent::Part::beginning;
    }
    event.type = type_;
    event.data = data_;
}

/// More of a long event, if there is more of the line it ended in.
bool SseParser::next_part(Input& input, SseEvent& event)
{
    if (!rest_of_data_.empty()) {
        data_ = std::exchange(rest_of_data_, {});
        event = {type_, data_, SseEvent::Part::middle};
        return true;
    }
    clear(data_);
    event = {type_, data_};
    if (!in_long_line_ || input.rest.empty())
        return false;
    const auto end = line_end(input);
    const auto piece = input.rest.substr(0, end);
    in_long_line_ = end == std::string_view::npos;
    if (!in_long_line_)
        skip_line_feed_ = input.rest[end] == '\r';
    input.rest.remove_prefix(piece.size() + (in_long_line_ ? 0 : 1));
    if (piece.empty())
        return false;
    event = {type_, piece, SseEvent::Part::middle};
    return true;
}

void SseParser::keep(SseEvent& event)
{
    if (event.type.data() != type_.data())
        type_.assign(event.type);
    if (event.data.data() != data_.data())
        data_.assign(event.data);
    event = {type_, data_, event.part};
}

void SseParser::take_line(std::string_view line, SseEvent& event)
{
    if (line.front() == ':')
        return;
    in_event_ = true;
    take_field(line, event);
}

/// Whether the line is data of an event of its own, though no blank line came before it.
bool SseParser::begins_next_event(std::string_view line, const SseEvent& event)
{
    const auto field = field_of(line);
    if (field.name != "data" || several_lines_)
        return false;
    if (!known_whole_ && !is_whole_data(event.data))
        return false;
    next_whole_ = is_whole_data(field.value);
    return next_whole_;
}

void SseParser::take_field(std::string_view line, SseEvent& event)
{
    const auto [name, value] = field_of(line);
    if (name == "event" && has_data_) {
        late_type_ = value.substr(0, max_type);
        has_late_type_ = true;
    } else if (name == "event") {
        event.type = value.substr(0, max_type);
    } else if (name == "data" && !has_data_) {
        has_data_ = true;
        event.data = value;
    } else if (name == "data") {
        several_lines_ = true;
        if (event.data.data() != data_.data())
            data_.assign(event.data);
        data_.append(1, '\n').append(value);
        event.data = data_;
    }
}

bool is_whole_data(std::string_view data)
{
    data = trim(data);
    if (data == "[DONE]")
        return true;
    if (!data.starts_with('{') || !data.ends_with('}'))
        return false;
    return json::read_object(json::padded(data), [](json::Object& object) {
        return json::each_member(object, [](json::Key, json::Value&) { return true; });
    });
}

}  // namespace route
