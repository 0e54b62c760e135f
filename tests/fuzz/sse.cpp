// Server-sent events: however the bytes are split, and as a reader finds them that goes line by line.
#include <string>
#include <vector>

#include "core/openai/event_signs.hpp"
#include "core/openai/sse_parser.hpp"
#include "tests/fuzz/input.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

struct Event
{
    std::string type;
    std::string data;

    bool operator==(const Event&) const = default;
};

using Events = std::vector<Event>;

/// WHATWG HTML, 9.2.6, on bytes that are all there; and data lines that are whole by themselves are events.
Events expected_events(std::string_view text)
{
    Events events;
    Event event;
    std::string late_type;
    bool has_late_type = false;
    bool has_data = false;
    bool one_line = false;
    if (text.starts_with("\xEF\xBB\xBF"))
        text.remove_prefix(3);
    for (auto end = text.find_first_of("\r\n"); end != std::string_view::npos;
         end = text.find_first_of("\r\n")) {
        const auto line = text.substr(0, end);
        text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
        if (line.empty()) {
            if (has_late_type)
                event.type = late_type;
            if (has_data)
                events.push_back(event);
            event = {};
            has_late_type = has_data = false;
            continue;
        }
        const auto name = line.substr(0, line.find(':'));
        auto value = line.substr(std::min(name.size() + 1, line.size()));
        if (value.starts_with(' '))
            value.remove_prefix(1);
        if (name == "event" && has_data) {
            late_type = value.substr(0, SseParser::max_type);
            has_late_type = true;
        } else if (name == "event") {
            event.type = value.substr(0, SseParser::max_type);
        } else if (name == "data" && has_data && one_line && is_whole_data(event.data) &&
                   is_whole_data(value)) {
            events.push_back(event);
            event = {has_late_type ? late_type : "", std::string{value}};
            has_late_type = false;
        } else if (name == "data") {
            one_line = !has_data;
            event.data += has_data ? "\n" : "";
            event.data += value;
            has_data = true;
        }
    }
    return events;
}

struct Parsed
{
    Events events;
    bool at_boundary;
};

Parsed parse(std::string_view bytes, unsigned choice)
{
    SseParser parser;
    Parsed parsed{{}, false};
    in_pieces(bytes, choice, [&](std::string_view piece) {
        parser.feed(piece, [&](const SseEvent& event) {
            parsed.events.push_back({std::string{event.type}, std::string{event.data}});
        });
    });
    parsed.at_boundary = parser.at_boundary();
    return parsed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const auto choice = input.choose();
    const Bytes bytes{input.bytes()};
    SseParser parser;
    Events events;
    parser.feed(bytes.view(), [&](const SseEvent& event) {
        (void)signs_of(event);
        events.push_back({std::string{event.type}, std::string{event.data}});
    });
    const auto by_pieces = parse(bytes.view(), choice);
    const auto by_bytes = parse(bytes.view(), in_single_bytes);
    require(events == by_pieces.events && events == by_bytes.events, "the events do not depend on the split");
    require(parser.at_boundary() == by_pieces.at_boundary && parser.at_boundary() == by_bytes.at_boundary,
            "where events may be put in does not depend on the split");
    require(events == expected_events(bytes.view()), "the events are those of the standard");
    for (const auto& event : events) {
        const auto signs = signs_of({event.type, event.data});
        const auto elsewhere = signs_of({event.type, Bytes{event.data}.view()});
        require(signs.content == elsewhere.content && signs.error == elsewhere.error &&
                    signs.end == elsewhere.end && signs.ending == elsewhere.ending,
                "an event's signs depend on the event only");
        require(may_end_stream({event.type, event.data}, false) || (!signs.error && !signs.end),
                "an error and an end are never passed over");
    }
    return 0;
}
