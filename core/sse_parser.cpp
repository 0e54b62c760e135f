#include "core/sse_parser.hpp"

#include <algorithm>
#include <cstring>

#include "core/json_reader.hpp"
#include "core/text.hpp"

namespace route {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// What a line may hold beside the value that counts: BOM, field name, colon, space.
constexpr std::size_t max_line_overhead = 16;

/// Strings larger than this are given back to the heap after their event: streams live long.
constexpr std::size_t kept_capacity = 4096;

void append_up_to(std::string& target, std::string_view text, std::size_t limit)
{
    target.append(text.substr(0, limit - std::min(limit, target.size())));
}

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
    if (std::exchange(line_held_, false)) {
        take_line(line_, event);
        keep(event);
        clear(line_);
    }
    while (!input.rest.empty()) {
        if (std::exchange(skip_line_feed_, false) && input.rest.front() == '\n') {
            input.rest.remove_prefix(1);
            continue;
        }
        const auto end = line_end(input);
        if (end == std::string_view::npos) {
            keep(event);
            append_up_to(line_, input.rest, max_event - data_.size() + max_type + max_line_overhead);
            input.rest = {};
            break;
        }
        auto line = input.rest.substr(0, end);
        const auto from_here = input.rest;
        skip_line_feed_ = input.rest[end] == '\r';
        input.rest.remove_prefix(end + 1);
        const bool held = !line_.empty();
        if (held) {
            append_up_to(line_, line, max_event - data_.size() + max_type + max_line_overhead);
            line = line_;
        }
        if (std::exchange(first_line_, false) && line.starts_with(byte_order_mark))
            line.remove_prefix(byte_order_mark.size());
        if (line.empty()) {
            clear(line_);
            delivered_ = has_data_;
            if (std::exchange(has_late_type_, false))
                event.type = late_type_;
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
        take_line(line, event);
        if (held) {
            // The views point into the line that goes.
            keep(event);
            clear(line_);
        }
    }
    keep(event);
    return false;
}

void SseParser::keep(SseEvent& event)
{
    if (event.type.data() != type_.data())
        type_.assign(event.type);
    if (event.data.data() != data_.data())
        data_.assign(event.data);
    event = {type_, data_};
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
        event.data = value.substr(0, max_event);
    } else if (name == "data") {
        several_lines_ = true;
        if (event.data.data() != data_.data())
            data_.assign(event.data);
        append_up_to(data_, "\n", max_event);
        append_up_to(data_, value, max_event);
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
