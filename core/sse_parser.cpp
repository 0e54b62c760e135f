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
    has_data_ = false;
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
            if (delivered_)
                return true;
            begin_event();
            event = {};
            continue;
        }
        take_field(line, event);
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

void SseParser::take_field(std::string_view line, SseEvent& event)
{
    if (line.front() == ':')
        return;
    in_event_ = true;
    const auto colon = std::min(line.find(':'), line.size());
    const auto name = line.substr(0, colon);
    auto value = line.substr(std::min(colon + 1, line.size()));
    if (value.starts_with(' '))
        value.remove_prefix(1);
    if (name == "event") {
        event.type = value.substr(0, max_type);
    } else if (name == "data" && !has_data_) {
        has_data_ = true;
        event.data = value.substr(0, max_event);
    } else if (name == "data") {
        if (event.data.data() != data_.data())
            data_.assign(event.data);
        append_up_to(data_, "\n", max_event);
        append_up_to(data_, value, max_event);
        event.data = data_;
    }
}

EventMeaning meaning_of(const SseEvent& event)
{
    if (event.type == "error")
        return EventMeaning::error;
    const auto data = trim(event.data);
    if (data == "[DONE]")
        return EventMeaning::done;
    if (!data.starts_with('{'))
        return EventMeaning::data;
    bool error = false;
    const bool whole = json::read_object(json::padded(data), [&](json::Object& object) {
        return json::each_member(object, [&](json::Key key, json::Value& value) {
            bool broken = false;
            if (key == "type") {
                if (json::string_of(value, broken) == "error")
                    error = true;
            } else if (key == "error") {
                bool null = false;
                broken = value.is_null().get(null) != simdjson::SUCCESS;
                error = error || (!broken && !null);
            }
            return !broken;
        });
    });
    return whole && error ? EventMeaning::error : EventMeaning::data;
}

}  // namespace route
