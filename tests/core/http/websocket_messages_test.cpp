#include "core/http/websocket_messages.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/http/read_messages.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/websocket_frames.hpp"

using namespace route;
using namespace route::test;
using namespace std::string_literals;

namespace {

constexpr unsigned pong = 10;
constexpr unsigned close_opcode = 8;

}  // namespace

TEST_CASE("text messages are read out of frames split anywhere")
{
    struct Row
    {
        std::string bytes;
        std::vector<std::string> messages;
    };
    const std::vector<Row> rows{
        {"", {}},
        {frame("Hello"), {"Hello"}},
        {frame("Hello", {.mask = some_mask}), {"Hello"}},
        {frame("Hello", {.mask = 0x000000ff}), {"Hello"}},
        {"\x81\x80\x00\x00\x00\x00"s + "\x81\x82\x00\x00\x00\x00hi"s, {"", "hi"}},
        {frame(""), {""}},
        {frame("a") + frame("b") + frame("c", {.mask = some_mask}), {"a", "b", "c"}},
        {frame("Hel", {.final = false}) + frame("lo", {.opcode = more_of_message}), {"Hello"}},
        {frame("Hel", {.final = false, .mask = some_mask}) +
             frame("lo, wor", {.opcode = more_of_message, .final = false, .mask = 1}) +
             frame("ld", {.opcode = more_of_message, .mask = 0xffffffff}),
         {"Hello, world"}},
        {frame("", {.final = false}) + frame("", {.opcode = more_of_message, .final = false}) +
             frame("x", {.opcode = more_of_message}) + frame("y"),
         {"x", "y"}},
        {frame("Hel", {.final = false}) + frame("are you there?", {.opcode = ping}) +
             frame("yes", {.opcode = pong, .mask = some_mask}) + frame("lo", {.opcode = more_of_message}),
         {"Hello"}},
        {frame("", {.opcode = ping}) + frame("x"), {"x"}},
        {frame("x") + frame("\x03\xe8"s + "bye", {.opcode = close_opcode}), {"x"}},
        {frame(noisy_text(125)), {noisy_text(125)}},
        {frame(noisy_text(126)), {noisy_text(126)}},
        {frame(noisy_text(300), {.mask = some_mask}), {noisy_text(300)}},
        {frame(noisy_text(70'000), {.mask = some_mask}), {noisy_text(70'000)}},
        {frame("few", {.length_bytes = 2}) + frame("few", {.length_bytes = 8}), {"few", "few"}},
        {frame("bytes", {.opcode = binary_message}) + frame("x"), {"x"}},
        {frame("by", {.opcode = binary_message, .final = false}) +
             frame("tes", {.opcode = more_of_message, .mask = some_mask}) + frame("x"),
         {"x"}},
        {frame(noisy_text(100), {.opcode = ping, .mask = some_mask}) + frame("x"), {"x"}},
        {frame("Hel", {.final = false}), {}},
        {frame("Hello").substr(0, 4), {}},
    };
    for (const auto& row : rows) {
        CAPTURE(row.bytes.substr(0, 200));
        const auto read = read_split(row.bytes);
        CHECK(read.messages == row.messages);
        CHECK(read.legible);
        CHECK_FALSE(read.in_parts);
    }
}

TEST_CASE("what is no WebSocket is not read on")
{
    const auto bare = [](unsigned first, unsigned second) {
        return std::string{static_cast<char>(first), static_cast<char>(second)};
    };
    const std::vector<std::pair<std::string, std::string>> rows{
        {"RSV1 without an extension", frame("x", {.compressed = true})},
        {"RSV2", bare(0xa1, 0)},
        {"RSV3", bare(0x91, 0)},
        {"RSV1 of a control frame", frame("x", {.opcode = ping, .compressed = true})},
        {"opcode 3", bare(0x83, 0)},
        {"opcode 7", bare(0x87, 0)},
        {"opcode 11", bare(0x8b, 0)},
        {"opcode 15", bare(0x8f, 0)},
        {"nothing to continue", frame("x", {.opcode = more_of_message})},
        {"nothing to continue any more", frame("x", {.final = false}) +
                                             frame("y", {.opcode = more_of_message}) +
                                             frame("z", {.opcode = more_of_message})},
        {"a message inside of another", frame("x", {.final = false}) + frame("y")},
        {"a binary message inside of another",
         frame("x", {.final = false}) + frame("y", {.opcode = binary_message})},
        {"a long ping", frame(std::string(126, 'x'), {.opcode = ping})},
        {"a ping of a long form", frame("x", {.opcode = ping, .length_bytes = 8})},
        {"a ping in fragments", frame("x", {.opcode = ping, .final = false})},
        {"a close in fragments", frame("x", {.opcode = close_opcode, .final = false})},
        {"64 bits of length", bare(0x81, 127) + "\x80"s + std::string(7, '\0')},
        {"HTTP", "HTTP/1.1 200 OK\r\n\r\n"},
    };
    for (const auto& [name, bytes] : rows) {
        CAPTURE(name);
        const auto before = frame("before");
        const auto read = read_split(before + bytes + frame("behind"));
        CHECK_FALSE(read.legible);
        REQUIRE(!read.messages.empty());
        CHECK(read.messages.front() == "before");
        CHECK(std::count(read.messages.begin(), read.messages.end(), "behind") == 0);
    }
}

TEST_CASE("a long message comes in parts, and is not held")
{
    constexpr auto most = WebSocketMessages::max_whole;
    test::MessageDeflater deflater;
    for (const auto size : {most - 1, most, most + 1, 2 * most, 3 * most + 12'345}) {
        CAPTURE(size);
        const auto text = noisy_text(size);
        const auto half = size / 2;
        const auto packed = deflater.deflate(text);
        const std::vector<std::string> forms{
            frame(text),
            frame(text, {.mask = some_mask}),
            frame(text.substr(0, half), {.final = false}) +
                frame(text.substr(half), {.opcode = more_of_message, .mask = some_mask}),
            frame(packed, {.compressed = true, .mask = some_mask}),
        };
        for (const auto& bytes : forms) {
            // The context of what is compressed goes on from size to size: a message alone needs its own.
            const bool compressed = (bytes.front() & 0x40) != 0;
            const auto own =
                compressed ? frame(test::MessageDeflater{}.deflate(text), {.compressed = true}) : bytes;
            for (const std::size_t step : {std::string::npos, std::size_t{65'536}, std::size_t{1000}}) {
                const auto read = read_messages(own + frame("behind"), shared_context, step);
                CHECK(read.legible);
                CHECK(read.in_parts == (size > most));
                CHECK(read.most_held <= 2 * most);
                REQUIRE(read.messages.size() == 2);
                CHECK(read.messages.front() == text);
                CHECK(read.messages.back() == "behind");
            }
        }
    }
}

TEST_CASE("messages that lie there whole are delivered as they lie there")
{
    const auto bytes = frame(noisy_text(3000)) + frame("Hello");
    WebSocketMessages direction;
    const auto before = direction.held();
    std::size_t count = 0;
    direction.feed(bytes, [&](const SseEvent& message) {
        ++count;
        CHECK(message.data.data() >= bytes.data());
        CHECK(message.data.data() + message.data.size() <= bytes.data() + bytes.size());
    });
    CHECK(count == 2);
    CHECK(direction.held() == before);
}

TEST_CASE("memory of a long message is given back")
{
    WebSocketMessages direction;
    const auto bytes = frame(noisy_text(1u << 20), {.mask = some_mask}) + frame("x").substr(0, 1);
    direction.feed(bytes, [](const SseEvent&) {});
    CHECK(direction.held() < 5000);
}

TEST_CASE("why a side closes is told")
{
    const std::vector<std::pair<std::string, std::optional<WebSocketClose>>> rows{
        {frame("x"), {}},
        {frame("", {.opcode = close_opcode}), WebSocketClose{1005, ""}},
        {frame("\x03", {.opcode = close_opcode}), WebSocketClose{1005, ""}},
        {frame("\x03\xe8", {.opcode = close_opcode}), WebSocketClose{1000, ""}},
        {frame("\x03\xf3went wrong", {.opcode = close_opcode, .mask = some_mask}),
         WebSocketClose{1011, "went wrong"}},
        {frame("Hel", {.final = false}) + frame("\x0f\xa0" + noisy_text(123), {.opcode = close_opcode}),
         WebSocketClose{4000, noisy_text(123)}},
        {frame("\x03\xe8 cut", {.opcode = close_opcode}).substr(0, 5), {}},
    };
    for (const auto& [bytes, close] : rows) {
        CAPTURE(bytes);
        for (const auto step : {std::string::npos, std::size_t{1}, std::size_t{3}}) {
            WebSocketMessages direction;
            for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size() - at))
                direction.feed(std::string_view{bytes}.substr(at, step), [](const SseEvent&) {});
            CHECK(direction.closed() == close);
        }
    }
}
