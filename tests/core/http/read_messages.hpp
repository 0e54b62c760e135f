#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/websocket_messages.hpp"
#include "core/openai/sse_parser.hpp"
#include "tests/support/catch.hpp"

namespace route::test {

constexpr std::uint32_t some_mask = 0x37fa213d;
constexpr unsigned ping = 9;

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

inline void add(ReadMessages& read, const SseEvent& message)
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

inline ReadMessages read_messages(std::string_view bytes, WebSocketDeflate deflate = {},
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
inline ReadMessages read_split(std::string_view bytes, WebSocketDeflate deflate = {})
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

inline std::string noisy_text(std::size_t size)
{
    std::minstd_rand random{11};
    std::string text(size, ' ');
    for (auto& c : text)
        c = static_cast<char>('a' + random() % 26);
    return text;
}

constexpr WebSocketDeflate shared_context{true, false};
constexpr WebSocketDeflate own_context{true, true};

}  // namespace route::test
