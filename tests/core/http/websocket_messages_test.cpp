#include "core/http/websocket_messages.hpp"

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/compression.hpp"
#include "tests/support/websocket_frames.hpp"

using namespace route;
using namespace std::string_literals;
using test::binary_message;
using test::frame;
using test::more_of_message;
using test::text_message;

namespace {

constexpr std::uint32_t some_mask = 0x37fa213d;
constexpr unsigned ping = 9;
constexpr unsigned pong = 10;
constexpr unsigned close_opcode = 8;

/// What is read of a direction: its messages, parts put together.
struct ReadMessages
{
    std::vector<std::string> messages;
    bool legible = true;
    bool in_parts = false;    ///< one came in parts
    bool unfinished = false;  ///< the last one has no end
    std::size_t most_held = 0;

    bool operator==(const ReadMessages& other) const
    {
        return messages == other.messages && legible == other.legible && in_parts == other.in_parts &&
               unfinished == other.unfinished;
    }
};

void add(ReadMessages& read, const SseEvent& message)
{
    CHECK(message.type.empty());
    CHECK(message.is_new() != read.unfinished);
    if (message.is_new())
        read.messages.emplace_back();
    if (message.part == SseEvent::Part::beginning)
        CHECK(message.data.size() == WebSocketMessages::max_whole);
    if (message.part == SseEvent::Part::end)
        CHECK(message.data.empty());
    read.messages.back() += message.data;
    read.in_parts = read.in_parts || message.part != SseEvent::Part::whole;
    read.unfinished = message.part == SseEvent::Part::beginning || message.part == SseEvent::Part::middle;
}

ReadMessages read_messages(std::string_view bytes, WebSocketDeflate deflate = {},
                           std::size_t step = std::string::npos)
{
    WebSocketMessages direction{deflate};
    ReadMessages read;
    while (!bytes.empty()) {
        direction.feed(bytes.substr(0, step), [&](const SseEvent& message) { add(read, message); });
        read.most_held = std::max(read.most_held, direction.held());
        bytes.remove_prefix(std::min(step, bytes.size()));
    }
    read.legible = direction.legible();
    return read;
}

/// The same however the bytes are split.
ReadMessages read_split(std::string_view bytes, WebSocketDeflate deflate = {})
{
    const auto whole = read_messages(bytes, deflate);
    for (const std::size_t step : {1, 2, 3, 5, 7, 64})
        CHECK(read_messages(bytes, deflate, step) == whole);
    for (std::size_t at = 1; at < bytes.size() && bytes.size() < 1000; ++at) {
        CAPTURE(at);
        WebSocketMessages direction{deflate};
        ReadMessages read;
        for (const auto piece : {bytes.substr(0, at), bytes.substr(at)})
            direction.feed(piece, [&](const SseEvent& message) { add(read, message); });
        read.legible = direction.legible();
        CHECK(read == whole);
    }
    return whole;
}

std::string noisy_text(std::size_t size)
{
    std::minstd_rand random{11};
    std::string text(size, ' ');
    for (auto& c : text)
        c = static_cast<char>('a' + random() % 26);
    return text;
}

constexpr WebSocketDeflate shared_context{true, false};
constexpr WebSocketDeflate own_context{true, true};

}  // namespace

TEST_CASE("what is agreed on about a WebSocket's compression")
{
    struct Row
    {
        std::string field;
        std::optional<WebSocketExtensions> agreed;
    };
    const std::vector<Row> rows{
        {"", WebSocketExtensions{}},
        {" , ", WebSocketExtensions{}},
        {"permessage-deflate", WebSocketExtensions{shared_context, shared_context}},
        {" permessage-deflate ; server_no_context_takeover,",
         WebSocketExtensions{shared_context, own_context}},
        {"permessage-deflate;client_no_context_takeover", WebSocketExtensions{own_context, shared_context}},
        {"permessage-deflate; client_no_context_takeover; server_no_context_takeover; "
         "server_max_window_bits=10; client_max_window_bits=\"15\"",
         WebSocketExtensions{own_context, own_context}},
        {"permessage-deflate; server_max_window_bits=8", WebSocketExtensions{shared_context, shared_context}},
        {"x-webkit-deflate-frame", {}},
        {"permessage-deflate, x-other", {}},
        {"x-other, permessage-deflate", {}},
        {"permessage-deflate, permessage-deflate", {}},
        {"permessage-deflate; server_max_window_bits", {}},
        {"permessage-deflate; server_max_window_bits=", {}},
        {"permessage-deflate; server_max_window_bits=7", {}},
        {"permessage-deflate; server_max_window_bits=16", {}},
        {"permessage-deflate; server_max_window_bits=010", {}},
        {"permessage-deflate; server_max_window_bits=10x", {}},
        {"permessage-deflate; server_max_window_bits=\"10", {}},
        {"permessage-deflate; client_max_window_bits=-9", {}},
        {"permessage-deflate; server_no_context_takeover=1", {}},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", {}},
        {"permessage-deflate; what", {}},
        {"permessage-deflate;;", {}},
    };
    for (const auto& row : rows) {
        CAPTURE(row.field);
        CHECK(read_websocket_extensions(row.field) == row.agreed);
    }
}

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

TEST_CASE("compressed messages are read with the context of those before them")
{
    const auto long_text = noisy_text(5000);
    const std::vector<std::string> messages{R"({"type":"response.create","model":"gpt-5"})",
                                            R"({"type":"response.create","model":"gpt-5"})",
                                            "",
                                            long_text,
                                            long_text + "!",
                                            "x"};
    for (const bool alone : {false, true}) {
        CAPTURE(alone);
        test::MessageDeflater deflater{alone};
        std::string bytes;
        for (const auto& message : messages)
            bytes += frame(deflater.deflate(message), {.compressed = true, .mask = some_mask});
        const auto read = read_split(bytes, {true, alone});
        CHECK(read.legible);
        CHECK(read.messages == messages);
        CHECK(bytes.size() < 12'000);
        // Without the context that they refer to they cannot be read, which is told.
        if (!alone)
            CHECK_FALSE(read_split(bytes, own_context).legible);
    }
}

TEST_CASE("compressed messages come in fragments, beside others")
{
    test::MessageDeflater deflater;
    const auto text = noisy_text(400) + noisy_text(400);
    const auto first = deflater.deflate(text);
    const auto skipped = deflater.deflate("binary " + text);
    const auto last = deflater.deflate("binary " + text);
    const auto bytes =
        frame("plain") + frame(first.substr(0, 10), {.final = false, .compressed = true}) +
        frame("?", {.opcode = ping}) + frame("", {.opcode = more_of_message, .final = false}) +
        frame(first.substr(10, 100), {.opcode = more_of_message, .final = false, .mask = some_mask}) +
        frame(first.substr(110), {.opcode = more_of_message}) + frame("plain", {.mask = some_mask}) +
        frame(skipped, {.opcode = binary_message, .compressed = true}) + frame(last, {.compressed = true});
    const auto read = read_split(bytes, shared_context);
    CHECK(read.legible);
    CHECK(read.messages == std::vector<std::string>{"plain", text, "plain", "binary " + text});
    CHECK_FALSE(read_split(frame(first, {.final = false, .compressed = true}) +
                               frame("", {.opcode = more_of_message, .compressed = true}),
                           shared_context)
                    .legible);
}

TEST_CASE("a last block of compressed data is not the last of all")
{
    // RFC 7692 7.2.3.4: a block with BFINAL, the byte that goes before what ends each message, and a message
    // that refers to it.
    const auto text = noisy_text(300);
    const auto final_block = test::compressed(test::Format::bare_deflate, text);
    const auto plain = frame(final_block + '\0', {.compressed = true});
    CHECK(read_split(plain + plain, shared_context).messages == std::vector<std::string>{text, text});
    const auto without = frame(final_block, {.compressed = true});
    const auto read = read_split(without + without, shared_context);
    CHECK(read.messages == std::vector<std::string>{text, text});
    CHECK(read.legible);
    // The example of the standard: "Hello", and again by reference.
    const auto hello = "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"s + "\xc1\x05\xf2\x00\x11\x00\x00"s;
    CHECK(read_split(hello, shared_context).messages == std::vector<std::string>{"Hello", "Hello"});
    CHECK(read_split("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s + "\xc1\x05\xf2\x00\x11\x00\x00"s,
                     shared_context)
              .messages == std::vector<std::string>{"Hello", "Hello"});
}

TEST_CASE("time grows with the bytes of compressed data, not with its blocks")
{
    // Last blocks of two bytes, and of three that hold a letter: bytes that are taken again for each of them
    // would be minutes of work.
    constexpr std::size_t blocks = 2u << 20;
    std::string empty;
    std::string letters;
    for (std::size_t i = 0; i < blocks; ++i)
        empty.append("\x03\0", 2);
    for (std::size_t i = 0; i < blocks / 4; ++i)
        letters.append("\x4b\x04\0", 3);
    test::MessageDeflater deflater;
    const auto last = deflater.deflate("Hello");
    const auto bytes = frame(empty + last, {.compressed = true, .mask = some_mask}) +
                       frame(letters, {.compressed = true, .mask = some_mask});
    for (const std::size_t step : {std::string::npos, std::size_t{65'536}}) {
        const auto read = read_messages(bytes, shared_context, step);
        CHECK(read.legible);
        REQUIRE(read.messages.size() == 2);
        CHECK(read.messages.front() == "Hello");
        CHECK(read.messages.back() == std::string(blocks / 4, 'a'));
    }
}

TEST_CASE("what cannot be decoded is not read on")
{
    test::MessageDeflater deflater;
    const auto whole = deflater.deflate(noisy_text(300));
    for (const auto& payload : {"\xff\xff\xff"s, whole.substr(0, whole.size() / 2), "plain text"s}) {
        const auto read = read_split(frame("before") + frame(payload, {.compressed = true}) + frame("behind"),
                                     shared_context);
        CHECK_FALSE(read.legible);
        CHECK(read.messages == std::vector<std::string>{"before"});
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

TEST_CASE("messages are read however well they pack")
{
    // As of a coding agent that sends all of its context again in each turn.
    constexpr std::size_t turns = 500;
    const auto context = noisy_text(20'000);
    for (const auto size : {context.size(), std::size_t{2u << 20}}) {
        CAPTURE(size);
        const auto text = size == context.size() ? context : std::string(size, ' ');
        const auto times = size == context.size() ? turns : 10;
        test::MessageDeflater deflater;
        WebSocketMessages direction{shared_context};
        std::size_t packed = 0;
        std::size_t whole = 0;
        std::uint64_t delivered = 0;
        for (std::size_t i = 0; i < times; ++i) {
            const auto bytes = frame(deflater.deflate(text), {.compressed = true, .mask = some_mask});
            packed += bytes.size();
            direction.feed(bytes, [&](const SseEvent& message) {
                delivered += message.data.size();
                whole += message.part == SseEvent::Part::whole || message.part == SseEvent::Part::end ? 1 : 0;
            });
        }
        CHECK(times * size / packed > 100);
        CHECK(times * size > 8u << 20);
        CHECK(direction.legible());
        CHECK(whole == times);
        CHECK(delivered == times * size);
        CHECK(direction.decoded() == times * size);
    }
}

TEST_CASE("what came out of compressed messages is counted, whether it is delivered or not")
{
    test::MessageDeflater deflater;
    WebSocketMessages direction{shared_context};
    const auto ignore = [](const SseEvent&) {};
    direction.feed(frame(noisy_text(3000)), ignore);
    CHECK(direction.decoded() == 0);
    direction.feed(frame(deflater.deflate(noisy_text(3000)), {.compressed = true}), ignore);
    CHECK(direction.decoded() == 3000);
    direction.feed(frame(deflater.deflate(noisy_text(500)), {.opcode = binary_message, .compressed = true}),
                   ignore);
    CHECK(direction.decoded() == 3500);
}

TEST_CASE("a message that decodes to too much is given up, others stay")
{
    const std::string zeros(WebSocketMessages::max_inflated + (1u << 20), '0');
    const auto behind = noisy_text(50);
    for (const bool alone : {false, true}) {
        CAPTURE(alone);
        test::MessageDeflater deflater{alone};
        const auto bomb = deflater.deflate(zeros);
        const auto bytes = frame(deflater.deflate("before"), {.compressed = true}) +
                           frame(bomb, {.compressed = true, .mask = some_mask}) +
                           frame(deflater.deflate(behind), {.compressed = true}) + frame("plain");
        for (const std::size_t step : {std::string::npos, std::size_t{1000}}) {
            // "before" went into the context behind the bomb, too.
            WebSocketMessages direction{WebSocketDeflate{true, alone}};
            std::vector<std::string> beginnings;
            std::vector<std::size_t> sizes;
            for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size() - at))
                direction.feed(std::string_view{bytes}.substr(at, step), [&](const SseEvent& message) {
                    if (message.is_new()) {
                        beginnings.emplace_back(message.data.substr(0, 100));
                        sizes.push_back(0);
                    }
                    sizes.back() += message.data.size();
                });
            CHECK(direction.legible() == alone);
            CHECK(direction.held() <= 2 * WebSocketMessages::max_whole);
            REQUIRE(sizes.size() == (alone ? 4 : 2));
            CHECK(sizes[1] <= WebSocketMessages::max_inflated);
            if (alone)
                CHECK((beginnings[2] == behind && beginnings[3] == "plain"));
        }
    }
}

TEST_CASE("a message has a largest size, however it is packed")
{
    // Some noise, so that it comes in many pieces.
    const auto noise = noisy_text(2u << 20);
    std::string text;
    for (std::size_t at = 0; text.size() < WebSocketMessages::max_inflated + (1u << 20); at += 400)
        text.append(noise, at, 400).append(20'000, 'x');
    test::MessageDeflater deflater{true};
    const auto bytes = frame(deflater.deflate(text), {.compressed = true}) +
                       frame(deflater.deflate("behind"), {.compressed = true});
    std::size_t size = 0;
    std::string last;
    WebSocketMessages direction{own_context};
    direction.feed(bytes, [&](const SseEvent& message) {
        size += message.data.size();
        last = message.data;
    });
    CHECK(direction.legible());
    CHECK(last == "behind");
    CHECK(size <= WebSocketMessages::max_inflated + last.size());
    CHECK(size > WebSocketMessages::max_inflated - (1u << 20));
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

TEST_CASE("memory of a message that is given up is given back")
{
    const std::string zeros(WebSocketMessages::max_inflated + 1, '0');
    test::MessageDeflater deflater{true};
    const auto bytes = frame(deflater.deflate(zeros), {.compressed = true});
    WebSocketMessages direction{own_context};
    std::size_t begun = 0;
    direction.feed(bytes + frame("x").substr(0, 1),
                   [&](const SseEvent& message) { begun += message.is_new() ? 1 : 0; });
    CHECK(direction.legible());
    CHECK(begun == 1);
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
