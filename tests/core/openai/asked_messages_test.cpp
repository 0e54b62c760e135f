#include "core/openai/asked_messages.hpp"

#include <string>
#include <utility>
#include <vector>

#include "core/openai/socket_responses.hpp"
#include "tests/core/openai/scripted_socket.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::test;
using End = SocketResponse::End;

TEST_CASE("long messages count, and what was asked is bounded")
{
    constexpr std::size_t most = 1000;
    const auto long_text = repeat("all work and no play ", 200'000);
    ScriptedSocket socket{SocketApi::responses, "", {most, most}};
    socket.client(R"({"type":"response.create","input":")" + long_text + R"(","model":"last"})")
        .server(R"({"type":"response.created","response":{"id":"r","instructions":")" + long_text + R"("}})")
        .server(
            R"({"type":"response.completed","response":{"id":"r","object":"response","output":[{"type":"message","content":[{"type":"output_text","text":")" +
            long_text +
            R"("}]}],"model":"big","status":"completed","usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}})");
    CHECK(socket.open() == 0);
    REQUIRE(socket.finish().size() == 1);
    const auto& response = socket.ended[0];
    CHECK(response.model == "last");
    CHECK(response.reply_model == "big");
    CHECK(response.asked.size() == most);
    CHECK(response.asked_cut);
    CHECK(response.asked_bytes > long_text.size());
    CHECK(response.summary.text == long_text.substr(0, most));
    CHECK(response.summary.text_cut);
    CHECK(response.summary.total_tokens == 7);
    CHECK(response.summary.finish_reason == "completed");
    CHECK(response.end == End::completed);
    CHECK(response.first_content == ScriptedSocket::time(3));
}

TEST_CASE("sound stays out of what was asked, wherever its type stands")
{
    const auto sound = repeat("UklGRiQA", 200'000);
    ScriptedSocket socket{SocketApi::realtime};
    socket.client(R"({"type":"input_audio_buffer.append","audio":")" + sound + "\"}")
        .client(R"({"audio":")" + sound + R"(","type":"input_audio_buffer.append"})")
        .client(R"({"audio":")" + sound.substr(0, 100'000) + R"(","type":"input_audio_buffer.append"})")
        .client(R"({"audio":"AAAA","type":"input_audio_buffer.append"})")
        .client(R"({"type":"input_audio_buffer.commit"})")
        .client(R"({"type":"conversation.item.create","item":{"content":[{"type":"input_audio","audio":")" +
                sound + R"("}],"role":"user"}})")
        .client("{\n  \"type\": \"response.create\"\n}\n");
    REQUIRE(socket.finish().size() == 1);
    CHECK(
        socket.ended[0].asked ==
        R"({"type":"input_audio_buffer.commit"})"
        "\n"
        R"({"type":"conversation.item.create","item":{"content":[{"type":"input_audio","audio":"[audio, 1200000 bytes]"}],"role":"user"}})"
        "\n"
        R"({   "type": "response.create" })");
    CHECK_FALSE(socket.ended[0].asked_cut);
}

TEST_CASE("messages are collected with sound left out, however they are split")
{
    const auto long_sound = repeat("AbCd", 600);
    const auto short_sound = repeat("AbCd", 200);
    const std::string text = R"({"audio" : ")" + long_sound + R"(","x":"\"audio\":\")" + long_sound +
                             R"(","y":{"audio":")" + short_sound + R"("},"z":["audio","b"],"audio":)" + "\"" +
                             long_sound + "\"}";
    const std::string expected = R"({"audio" : "[audio, 1800 bytes]","x":"\"audio\":\")" + long_sound +
                                 R"(","y":{"audio":")" + short_sound +
                                 R"("},"z":["audio","b"],"audio":"[audio, 1800 bytes]"})";
    AskedMessages asked{1u << 20};
    for (int i = 0; i < 2; ++i) {
        asked.begin();
        asked.write(text);
        asked.end();
    }
    const auto whole = asked.take();
    CHECK(whole.text == expected + "\n" + expected);
    CHECK(whole.bytes == whole.text.size());
    CHECK(asked.take().text.empty());
    // Sound that goes on in the next piece.
    asked.begin();
    asked.write(text.substr(0, 1500));
    asked.write(text.substr(1500));
    asked.end();
    CHECK(asked.take().text == expected);
    // A character is not cut in two.
    AskedMessages small{6};
    small.begin();
    small.write("\"h\u00e9ll\u00f6\"");
    small.end();
    const auto cut = small.take();
    CHECK(cut.text == "\"h\u00e9ll");
    CHECK(cut.cut);
    CHECK(cut.bytes == 9);
}

TEST_CASE("messages are taken when they have ended")
{
    // The server begins while a message of the client is half in.
    AskedMessages asked{1u << 20};
    for (const auto* const message : {"first", "second"}) {
        asked.begin();
        asked.write(message);
        asked.end();
    }
    asked.begin();
    asked.write("thi");
    const auto before = asked.take();
    CHECK(before.text == "first\nsecond");
    CHECK(before.bytes == before.text.size());
    CHECK_FALSE(before.cut);
    asked.write("rd");
    asked.end();
    const auto behind = asked.take();
    CHECK(behind.text == "third");
    CHECK(behind.bytes == behind.text.size());
    CHECK_FALSE(behind.cut);

    // What had no room is no gap afterwards.
    AskedMessages small{8};
    small.begin();
    small.write("first");
    small.end();
    small.begin();
    small.write("second");
    CHECK(small.take().text == "first");
    small.write(" and last");
    small.end();
    const auto cut = small.take();
    CHECK(cut.text == "se");
    CHECK(cut.cut);
    CHECK(cut.bytes == 15);
}

TEST_CASE("a message that comes in parts belongs to the response that begins behind it")
{
    SocketResponses reader{SocketApi::realtime, "", roomy};
    std::vector<SocketResponse> ended;
    const auto add = [&](SocketResponse response) { ended.push_back(std::move(response)); };
    const std::string item = R"({"type":"conversation.item.create","item":{"text":"sk-half-of-a-secret"}})";
    reader.from_client({{}, R"({"type":"session.update"})"}, {}, add);
    reader.from_client({{}, item.substr(0, 60), SseEvent::Part::beginning}, {}, add);
    reader.from_server({{}, created("a")}, {}, add);
    reader.from_client({{}, item.substr(60), SseEvent::Part::middle}, {}, add);
    reader.from_client({{}, {}, SseEvent::Part::end}, {}, add);
    reader.from_client({{}, create}, {}, add);
    reader.finish({}, add);
    REQUIRE(ended.size() == 2);
    CHECK(ended[0].asked == R"({"type":"session.update"})");
    CHECK(ended[1].asked == item + "\n" + create);
}
