#include "core/openai/sse_parser.hpp"

#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;
using namespace std::string_literals;

namespace {

using Events = std::vector<std::pair<std::string, std::string>>;  // type, data

/// Parts of an event are put together.
void add(Events& events, const SseEvent& event)
{
    if (event.is_new())
        events.emplace_back();
    events.back().first = event.type;
    events.back().second += event.data;
}

void feed(SseParser& parser, std::string_view bytes, Events& events)
{
    parser.feed(bytes, [&](const SseEvent& event) { add(events, event); });
}

struct Row
{
    std::string bytes;
    Events events;
};

const std::vector<Row>& rows()
{
    static const std::vector<Row> all{
        {"", {}},
        {"data: a\n\n", {{"", "a"}}},
        {"data:a\n\ndata: b\n\n", {{"", "a"}, {"", "b"}}},
        {"data: a\r\n\r\ndata: b\r\n\r\n", {{"", "a"}, {"", "b"}}},
        {"data: a\r\rdata: b\r\r", {{"", "a"}, {"", "b"}}},
        {"data: a\r\n\rdata: b\r\n\n", {{"", "a"}, {"", "b"}}},
        {"data: a\n\r\ndata: b\r\r\n", {{"", "a"}, {"", "b"}}},
        {"\xEF\xBB\xBF"
         "data: a\n\n\xEF\xBB\xBF"
         "data: b\n\n",
         {{"", "a"}}},
        {"event: x\ndata: a\n\ndata: b\n\n", {{"x", "a"}, {"", "b"}}},
        {"data: a\nevent:y\nevent: x\n\n", {{"x", "a"}}},
        {"event: x\n\ndata: a\n\n", {{"", "a"}}},
        {"data: a\ndata: b\ndata:\ndata\n\n", {{"", "a\nb\n\n"}}},
        {"data\n\ndata\ndata\n\ndata:", {{"", ""}, {"", "\n"}}},
        {"data:  a \n\n", {{"", " a "}}},
        {": ping\n\n:\n: x\ndata: a\n: y\n\n", {{"", "a"}}},
        {"id: 7\nretry: 9\nfoo: bar\ndata: a\nfoo\n\n", {{"", "a"}}},
        {"id: 7\n\n\n\ndata: a\n\n", {{"", "a"}}},
        {"data: a\n\ndata: cut\n", {{"", "a"}}},
        {"dat: a\nDATA: b\n data: c\n\n", {}},
        {"data: a:b: c\n\n", {{"", "a:b: c"}}},
        {"data: \u00e4\u6f22\U0001F600\n\n", {{"", "\u00e4\u6f22\U0001F600"}}},
        {"data: a\0b\n\n"s, {{"", "a\0b"s}}},
        {"event: x\r\ndata: {\"a\":1}\r\n: c\r\ndata: z\r\n\r\ndata: [DONE]\r\n\r\n",
         {{"x", "{\"a\":1}\nz"}, {"", "[DONE]"}}},
        // Without blank lines.
        {"data: {\"a\":1}\ndata: {\"a\":2}\ndata: {\"a\":3}\n\n",
         {{"", "{\"a\":1}"}, {"", "{\"a\":2}"}, {"", "{\"a\":3}"}}},
        {"data: {\"a\":1}\r\ndata: {\"a\":2}\r\ndata: [DONE]\r\n\r\n",
         {{"", "{\"a\":1}"}, {"", "{\"a\":2}"}, {"", "[DONE]"}}},
        {"data:{}\rdata:[DONE]\r\r", {{"", "{}"}, {"", "[DONE]"}}},
        {"event: x\ndata: {}\nevent: y\ndata: {}\ndata: {}\n\ndata: {}\n\n",
         {{"x", "{}"}, {"y", "{}"}, {"", "{}"}, {"", "{}"}}},
        {"event: x\nid: 1\ndata: {}\n: c\nid: 2\nevent: y\ndata: {}\nevent: z\n\ndata: {}\n\n",
         {{"x", "{}"}, {"z", "{}"}, {"", "{}"}}},
        // What only makes JSON together is one event.
        {"data: {\ndata: \"a\":1}\n\n", {{"", "{\n\"a\":1}"}}},
        {"data: {\"a\":1}\ndata: \n\n", {{"", "{\"a\":1}\n"}}},
        {"data: {\"a\":\ndata: {\"b\":1}\ndata: }\n\n", {{"", "{\"a\":\n{\"b\":1}\n}"}}},
        {"data: {\"a\":1}\ndata: x\ndata: {}\n\n", {{"", "{\"a\":1}\nx\n{}"}}},
        {"data: {\"a\":1} {}\ndata: {}\n\n", {{"", "{\"a\":1} {}\n{}"}}},
        {"data: {}\ndata: {}\n\ndata: {\ndata: }\n\n", {{"", "{}"}, {"", "{}"}, {"", "{\n}"}}},
    };
    return all;
}

/// at_boundary() after each prefix that came in one piece.
std::vector<bool> boundaries(const std::string& bytes)
{
    std::vector<bool> result;
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        SseParser parser;
        Events events;
        feed(parser, std::string_view{bytes}.substr(0, size), events);
        result.push_back(parser.at_boundary());
    }
    return result;
}

}  // namespace

TEST_CASE("bytes become events")
{
    for (const auto& row : rows()) {
        CAPTURE(row.bytes);
        SseParser parser;
        Events events;
        feed(parser, row.bytes, events);
        CHECK(events == row.events);
    }
}

TEST_CASE("a stream split at every byte gives the same events and boundaries")
{
    for (const auto& row : rows()) {
        CAPTURE(row.bytes);
        const auto expected = boundaries(row.bytes);
        SseParser parser;
        Events events;
        for (std::size_t i = 0; i < row.bytes.size(); ++i) {
            feed(parser, std::string_view{row.bytes}.substr(i, 1), events);
            REQUIRE(parser.at_boundary() == expected[i + 1]);
        }
        CHECK(events == row.events);
    }
}

TEST_CASE("a stream split at every pair of bytes gives the same events and boundaries")
{
    for (const auto& row : rows()) {
        const std::string_view bytes{row.bytes};
        const auto expected = boundaries(row.bytes);
        for (std::size_t first = 0; first <= bytes.size(); ++first) {
            for (std::size_t second = first; second <= bytes.size(); ++second) {
                SseParser parser;
                Events events;
                feed(parser, bytes.substr(0, first), events);
                feed(parser, bytes.substr(first, second - first), events);
                const bool at_second = parser.at_boundary();
                feed(parser, bytes.substr(second), events);
                if (events != row.events || at_second != expected[second] ||
                    parser.at_boundary() != expected[bytes.size()])
                    FAIL("split at " << first << " and " << second << " of " << row.bytes);
            }
        }
    }
    SUCCEED();
}

TEST_CASE("an end of the stream ends its last event")
{
    const Row table[]{
        {"", {}},
        {"data: a\n\n", {{"", "a"}}},
        {"data: a\n", {{"", "a"}}},
        {"data: a", {{"", "a"}}},
        {"data: a\r", {{"", "a"}}},
        {"data: a\r\n", {{"", "a"}}},
        {"data: a\r\n\r", {{"", "a"}}},
        {"data: a\n\nevent: x\ndata: b", {{"", "a"}, {"x", "b"}}},
        {"data: {}\ndata: {}\ndata: [DONE]", {{"", "{}"}, {"", "{}"}, {"", "[DONE]"}}},
        {"data: {}\ndata: {\"a\":", {{"", "{}\n{\"a\":"}}},
        {"event: x\n", {}},
        {": comment", {}},
    };
    for (const auto& row : table)
        for (std::size_t cut = 0; cut <= row.bytes.size(); ++cut) {
            CAPTURE(row.bytes, cut);
            SseParser parser;
            Events events;
            feed(parser, std::string_view{row.bytes}.substr(0, cut), events);
            feed(parser, std::string_view{row.bytes}.substr(cut), events);
            const auto add_event = [&](const SseEvent& event) { add(events, event); };
            parser.finish(add_event);
            CHECK(events == row.events);
            parser.finish(add_event);
            CHECK(events == row.events);
        }
}

TEST_CASE("lines of data that are and are not events take time for their bytes only")
{
    std::string bytes = "data: {\"a\":1,}}\n";  // not whole, but looks so
    for (int i = 0; i < 50'000; ++i)
        bytes += "data: {\"a\":1}\n";
    SseParser parser;
    std::size_t count = 0;
    parser.feed(bytes + "\n" + bytes.substr(bytes.find('\n') + 1) + "\n", [&](const SseEvent&) { ++count; });
    CHECK(count == 50'001);
}

TEST_CASE("where an event may be put in")
{
    struct At
    {
        std::string bytes;
        bool boundary;
    };
    const At table[]{
        {"", true},
        {"data: a\n\n", true},
        {"data: a\r\n\r\n", true},
        {"data: a\r\n\r", true},
        {"data: a\n", false},
        {"data: a\r", false},
        {"data: a\r\n", false},
        {"data: a", false},
        {"data: a\n\nd", false},
        {"data: a\n\n: ping", false},
        {"data: a\n\n: ping\n", true},
        {"data: a\n\n: ping\n\n", true},
        {"data: a\n: ping\n", false},
        {"data: a\n\nevent: x\n", false},
        {"data: a\n\nid: 1\n", false},
        {"\n\n", true},
        {"\xEF\xBB\xBF", true},
        {"\xEF\xBB", false},
        {"\xEF\xBB\xBF\xEF\xBB\xBF", false},
    };
    for (const auto& row : table) {
        CAPTURE(row.bytes);
        CHECK(boundaries(row.bytes).back() == row.boundary);
    }
}

TEST_CASE("an event in one piece is not copied")
{
    const std::string bytes = "event: x\ndata: abc\n\n";
    SseParser parser;
    std::size_t at = 0;
    parser.feed(bytes, [&](const SseEvent& event) {
        at = static_cast<std::size_t>(event.data.data() - bytes.data());
    });
    CHECK(at == bytes.find("abc"));
}

TEST_CASE("a parser may be moved between two pieces")
{
    SseParser parser;
    Events events;
    feed(parser, "event: x\ndata: a\ndat", events);
    SseParser moved{std::move(parser)};
    feed(moved, "a: b\n\n", events);
    CHECK(events == Events{{"x", "a\nb"}});
}

TEST_CASE("an event that is too long is delivered in parts, however it comes")
{
    constexpr auto most = SseParser::max_event;
    const std::string half(most / 2 + 100, 'x');
    const std::string whole_line(most, 'x');
    const Row inputs[]{
        {"event: t\ndata: " + std::string(most * 3, 'x') + "\n\n", {{"t", std::string(most * 3, 'x')}}},
        {"data: " + whole_line + "\n\n", {{"", whole_line}}},
        {"data: " + whole_line + "y\n\n", {{"", whole_line + "y"}}},
        {"\xEF\xBB\xBF"
         "data:" +
             whole_line + "y\r\n\r\n",
         {{"", whole_line + "y"}}},
        {"data: " + whole_line + "\ndata\ndata:\ndata: z\n: c\nid: 1\ndata:y\n\n",
         {{"", whole_line + "\n\n\nz\ny"}}},
        {"data: " + whole_line + "y\r\r", {{"", whole_line + "y"}}},
        {"event: t\ndata: " + half + "\ndata: " + half + "\ndata: " + half + "\nevent: u\n\n",
         {{"u", half + "\n" + half + "\n" + half}}},
        {"event: " + std::string(most * 2, 't') + "\ndata: " + half + "\n\n",
         {{std::string(SseParser::max_type, 't'), half}}},
        {": " + std::string(most * 2, 'c') + "\ndata: a\n\n", {{"", "a"}}},
        {std::string(most * 2, 'd') + "\ndata: a\n\n", {{"", "a"}}},
    };
    for (const auto& row : inputs) {
        const auto bytes = row.bytes + "data: next\n\n";
        auto expected = row.events;
        expected.emplace_back("", "next");
        for (const std::size_t step : {1009u, 65'536u, 700'001u, 10'000'000u}) {
            SseParser parser;
            Events events;
            std::size_t first = 0;
            for (std::size_t at = 0; at < bytes.size(); at += step) {
                parser.feed(std::string_view{bytes}.substr(at, step), [&](const SseEvent& event) {
                    add(events, event);
                    first = first == 0 ? event.data.size() : first;
                });
            }
            CAPTURE(row.bytes.substr(0, 30), step);
            CHECK((events == expected));
            CHECK(first == std::min(row.events[0].second.size(), most));
            CHECK(parser.at_boundary());
        }
    }
}

TEST_CASE("a long event in single bytes is the same")
{
    const std::string text(SseParser::max_event, 'x');
    const std::string bytes = "event: t\ndata: " + text + "yz\r\ndata: a\r\n\r\ndata: b\n\n";
    SseParser parser;
    Events events;
    feed(parser, std::string_view{bytes}.substr(0, text.size()), events);
    for (const char& byte : std::string_view{bytes}.substr(text.size()))
        feed(parser, {&byte, 1}, events);
    CHECK((events == Events{{"t", text + "yz\na"}, {"", "b"}}));
}

TEST_CASE("a stream of bare CRs takes no quadratic time")
{
    std::string bytes;
    for (int i = 0; i < 200'000; ++i)
        bytes += "data: a\r\r";
    SseParser parser;
    std::size_t count = 0;
    parser.feed(bytes, [&](const SseEvent&) { ++count; });
    CHECK(count == 200'000);
}
