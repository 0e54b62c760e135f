#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/http/websocket_messages.hpp"
#include "core/openai/socket_responses.hpp"
#include "core/openai/sse_parser.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/websocket_frames.hpp"

namespace route::test {

using namespace std::chrono_literals;

constexpr SocketResponses::Limits roomy{1u << 20, 1u << 20};

/// Both sides of a socket; each message comes a millisecond after the one before it.
class ScriptedSocket
{
  public:
    using End = SocketResponse::End;
    using Time = SocketResponse::Time;

    explicit ScriptedSocket(SocketApi api, std::string model = "", SocketResponses::Limits limits = roomy)
        : reader_{api, std::move(model), limits}
    {
    }

    ScriptedSocket& client(std::string_view message)
    {
        for_parts(message, [&](const SseEvent& part) {
            reader_.from_client(part, now(), [&](SocketResponse response) { add(std::move(response)); });
        });
        return *this;
    }
    ScriptedSocket& server(std::string_view message)
    {
        for_parts(message, [&](const SseEvent& part) {
            reader_.from_server(part, now(), [&](SocketResponse response) { add(std::move(response)); });
        });
        return *this;
    }
    std::vector<SocketResponse>& finish()
    {
        ++passed_;
        reader_.finish(now(), [&](SocketResponse response) { add(std::move(response)); });
        CHECK(reader_.open() == 0);
        return ended;
    }

    std::size_t open() const { return reader_.open(); }
    std::size_t held() const { return reader_.held(); }
    /// When the message of that number came, from 1.
    static Time time(int number) { return Time{} + number * 1ms; }

    std::vector<SocketResponse> ended;

  private:
    Time now() const { return time(passed_); }
    void add(SocketResponse response)
    {
        CHECK((response.ended == now() || (response.end == End::failed && response.ended < now())));
        ended.push_back(std::move(response));
    }

    /// As WebSocketMessages delivers it.
    template <class F>
    void for_parts(std::string_view message, F&& take)
    {
        ++passed_;
        WebSocketMessages direction;
        const auto bytes = frame(message);
        for (std::size_t at = 0; at < bytes.size(); at += 100'000)
            direction.feed(std::string_view{bytes}.substr(at, 100'000), take);
        CHECK(direction.legible());
    }

    SocketResponses reader_;
    int passed_ = 0;
};

inline std::string repeat(std::string_view piece, std::size_t times)
{
    std::string text;
    for (std::size_t i = 0; i < times; ++i)
        text += piece;
    return text;
}

inline std::string created(const std::string& id)
{
    return R"({"type":"response.created","response":{"id":")" + id +
           R"(","object":"realtime.response","status":"in_progress","output":[],"usage":null}})";
}

inline std::string transcript(const std::string& id, const std::string& text)
{
    return R"({"type":"response.output_audio_transcript.delta","event_id":"e","response_id":")" + id +
           R"(","item_id":"i","output_index":0,"content_index":0,"delta":")" + text + R"("})";
}

inline std::string done(const std::string& id, const std::string& status = "completed", int tokens = 5,
                        const std::string& details = "null")
{
    return R"({"type":"response.done","event_id":"e","response":{"object":"realtime.response","id":")" + id +
           R"(","status":")" + status + R"(","status_details":)" + details +
           R"(,"output":[],"usage":{"total_tokens":)" + std::to_string(tokens) +
           R"(,"input_tokens":1,"output_tokens":)" + std::to_string(tokens - 1) + "}}}";
}

constexpr auto create = R"({"type":"response.create"})";

}  // namespace route::test
