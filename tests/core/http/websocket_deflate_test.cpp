// Compressed messages of a WebSocket.
#include <algorithm>
#include <string>
#include <vector>

#include "core/http/websocket_messages.hpp"
#include "tests/core/http/read_messages.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/compression.hpp"
#include "tests/support/websocket_frames.hpp"

using namespace route;
using namespace route::test;
using namespace std::string_literals;

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
