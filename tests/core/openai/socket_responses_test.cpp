#include "core/openai/open_responses.hpp"
#include "core/openai/socket_responses.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/http/websocket_messages.hpp"
#include "core/openai/asked_messages.hpp"
#include "core/openai/request_facts.hpp"
#include "core/openai/socket_event.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/websocket_frames.hpp"

using namespace route;
using namespace std::chrono_literals;
using End = SocketResponse::End;
using Time = SocketResponse::Time;

namespace {

constexpr SocketResponses::Limits roomy{1u << 20, 1u << 20};

/// Both sides of a socket; each message comes a millisecond after the one before it.
class ScriptedSocket
{
  public:
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
        const auto bytes = test::frame(message);
        for (std::size_t at = 0; at < bytes.size(); at += 100'000)
            direction.feed(std::string_view{bytes}.substr(at, 100'000), take);
        CHECK(direction.legible());
    }

    SocketResponses reader_;
    int passed_ = 0;
};

std::string repeat(std::string_view piece, std::size_t times)
{
    std::string text;
    for (std::size_t i = 0; i < times; ++i)
        text += piece;
    return text;
}

std::string created(const std::string& id)
{
    return R"({"type":"response.created","response":{"id":")" + id +
           R"(","object":"realtime.response","status":"in_progress","output":[],"usage":null}})";
}

std::string transcript(const std::string& id, const std::string& text)
{
    return R"({"type":"response.output_audio_transcript.delta","event_id":"e","response_id":")" + id +
           R"(","item_id":"i","output_index":0,"content_index":0,"delta":")" + text + R"("})";
}

std::string done(const std::string& id, const std::string& status = "completed", int tokens = 5,
                 const std::string& details = "null")
{
    return R"({"type":"response.done","event_id":"e","response":{"object":"realtime.response","id":")" + id +
           R"(","status":")" + status + R"(","status_details":)" + details +
           R"(,"output":[],"usage":{"total_tokens":)" + std::to_string(tokens) +
           R"(,"input_tokens":1,"output_tokens":)" + std::to_string(tokens - 1) + "}}}";
}

constexpr auto create = R"({"type":"response.create"})";

}  // namespace

TEST_CASE("which sockets have responses that can be told apart")
{
    CHECK(socket_api_of("/v1/realtime") == SocketApi::realtime);
    CHECK(socket_api_of("/v1/realtime/") == SocketApi::realtime);
    CHECK(socket_api_of("/openai/v1/realtime") == SocketApi::realtime);
    CHECK(socket_api_of("/v1/responses") == SocketApi::responses);
    CHECK(socket_api_of("/openai/v1/responses/") == SocketApi::responses);
    CHECK_FALSE(socket_api_of("/v1/audio/stream"));
    CHECK_FALSE(socket_api_of("/v1/responses/resp_1"));
    CHECK_FALSE(socket_api_of("/v1/realtimes"));
}

TEST_CASE("a coding agent's session: two responses on one socket")
{
    const std::string first_ask =
        R"({"type":"response.create","model":"gpt-5-codex","instructions":"Be brief","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"ls"}]}],"tools":[],"stream":true})";
    const std::string second_ask =
        R"({"type":"response.create","model":"gpt-5-codex","previous_response_id":"resp_1","input":[{"type":"function_call_output","call_id":"c","output":"a.txt"}]})";
    ScriptedSocket socket{SocketApi::responses};
    socket.client(first_ask)
        .server(R"({"type":"codex.rate_limits","rate_limits":{}})")
        .server(
            R"({"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","model":"gpt-5-codex-2026","instructions":"Be brief","output":[]}})")
        .server(
            R"({"type":"response.in_progress","sequence_number":1,"response":{"id":"resp_1","status":"in_progress"}})")
        .server(
            R"({"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[]}})")
        .server(
            R"({"type":"response.output_item.added","sequence_number":3,"output_index":1,"item":{"id":"f","type":"function_call","status":"in_progress","arguments":"","call_id":"c","name":"shell"}})")
        .server(
            R"({"type":"response.function_call_arguments.delta","item_id":"f","output_index":1,"delta":"{\"cmd\":\"ls\"}"})")
        .server(
            R"({"type":"response.output_item.done","output_index":1,"item":{"id":"f","type":"function_call","status":"completed","arguments":"{\"cmd\":\"ls\"}","call_id":"c","name":"shell"}})")
        .server(
            R"({"type":"response.completed","response":{"id":"resp_1","object":"response","status":"completed","model":"gpt-5-codex-2026","output":[],"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":64},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":120}}})")
        .client(R"({"type":"response.processed","response_id":"resp_1"})")
        .client(second_ask)
        .server(
            R"({"type":"response.created","response":{"id":"resp_2","object":"response","status":"in_progress","output":[]}})")
        .server(
            R"({"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":"a"})")
        .server(
            R"({"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":".txt"})")
        .server(
            R"({"type":"response.incomplete","response":{"id":"resp_2","object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[],"usage":{"input_tokens":130,"output_tokens":2,"total_tokens":132}}})");
    CHECK(socket.open() == 0);
    const auto& ended = socket.finish();
    REQUIRE(ended.size() == 2);
    CHECK(ended[0].id == "resp_1");
    CHECK(ended[0].asked_for);
    CHECK(ended[0].asked == first_ask);
    CHECK_FALSE(ended[0].asked_cut);
    CHECK(ended[0].asked_bytes == first_ask.size());
    CHECK(ended[0].model == "gpt-5-codex");
    CHECK(ended[0].reply_model == "gpt-5-codex-2026");
    CHECK(ended[0].summary.text == R"({"name":"shell","arguments":"{\"cmd\":\"ls\"}"})");
    CHECK(ended[0].summary.prompt_tokens == 100);
    CHECK(ended[0].summary.completion_tokens == 20);
    CHECK(ended[0].summary.total_tokens == 120);
    CHECK(ended[0].summary.finish_reason == "completed");
    CHECK(ended[0].end == End::completed);
    CHECK(ended[0].error.empty());
    CHECK(ended[0].began == ScriptedSocket::time(1));
    CHECK(ended[0].first_message == ScriptedSocket::time(3));
    CHECK(ended[0].first_content == ScriptedSocket::time(6));
    CHECK(ended[0].ended == ScriptedSocket::time(9));
    CHECK(ended[1].id == "resp_2");
    CHECK(ended[1].asked == R"({"type":"response.processed","response_id":"resp_1"})"
                            "\n" +
                                second_ask);
    CHECK(ended[1].summary.text == "a.txt");
    CHECK(ended[1].summary.total_tokens == 132);
    CHECK(ended[1].summary.finish_reason == "max_output_tokens");
    CHECK(ended[1].end == End::incomplete);
    CHECK(ended[1].began == ScriptedSocket::time(11));
    CHECK(ended[1].first_content == ScriptedSocket::time(13));
}

TEST_CASE("a spoken session: what is said, without the sound")
{
    const auto sound = repeat("UklGRiQA", 1000);
    const auto append = R"({"event_id":"a1","type":"input_audio_buffer.append","audio":")" + sound + "\"}";
    ScriptedSocket socket{SocketApi::realtime, "gpt-realtime"};
    socket.server(R"({"type":"session.created","session":{"id":"s","model":"gpt-realtime-2026"}})")
        .client(R"({"type":"session.update","session":{"type":"realtime","instructions":"Be kind"}})")
        .client(append)
        .client(append)
        .server(R"({"type":"input_audio_buffer.speech_stopped","item_id":"u"})")
        .server(
            R"({"type":"conversation.item.input_audio_transcription.completed","item_id":"u","transcript":"Hello?"})")
        .server(created("resp_1"))
        .server(
            R"({"type":"response.output_item.added","response_id":"resp_1","output_index":0,"item":{"id":"i","type":"message","content":[]}})")
        .server(
            R"({"type":"response.content_part.added","response_id":"resp_1","part":{"type":"audio","transcript":""}})")
        .server(R"({"type":"response.output_audio.delta","response_id":"resp_1","item_id":"i","delta":")" +
                sound + "\"}")
        .server(transcript("resp_1", "Good"))
        .server(transcript("resp_1", " day"))
        .server(
            R"({"type":"response.output_audio_transcript.done","response_id":"resp_1","transcript":"Good day"})")
        .server(done("resp_1", "completed", 50))
        .server(R"({"type":"rate_limits.updated","rate_limits":[]})")
        .server(R"({"type":"output_audio_buffer.stopped","response_id":"resp_1"})");
    const auto& ended = socket.finish();
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].id == "resp_1");
    CHECK_FALSE(ended[0].asked_for);
    CHECK(ended[0].asked ==
          R"({"type":"session.update","session":{"type":"realtime","instructions":"Be kind"}})");
    CHECK(ended[0].model == "gpt-realtime");
    CHECK(ended[0].summary.text == "Good day");
    CHECK(ended[0].summary.total_tokens == 50);
    CHECK(ended[0].summary.prompt_tokens == 1);
    CHECK(ended[0].summary.finish_reason == "completed");
    CHECK(ended[0].end == End::completed);
    CHECK(ended[0].began == ScriptedSocket::time(7));
    CHECK(ended[0].first_message == ScriptedSocket::time(7));
    CHECK(ended[0].first_content == ScriptedSocket::time(10));
    CHECK(ended[0].ended == ScriptedSocket::time(14));
    CHECK(ended[0].reply_bytes > sound.size());
}

TEST_CASE("responses that overlap are kept apart")
{
    ScriptedSocket socket{SocketApi::realtime, "m"};
    socket.client(R"({"type":"conversation.item.create","item":{"type":"message","role":"user"}})")
        .client(R"({"type":"response.create","event_id":"one"})")
        .client(
            R"({"type":"response.create","event_id":"two","response":{"conversation":"none","model":"other"}})")
        .server(created("a"))
        .server(created("b"))
        .server(transcript("a", "A1"))
        .server(transcript("b", "B1"))
        .server(transcript("a", "A2"))
        .server(done("b", "completed", 7))
        .server(transcript("a", "A3"))
        .server(transcript("b", "late"))
        .server(done("a", "cancelled", 9, R"({"type":"cancelled","reason":"turn_detected"})"));
    const auto& ended = socket.finish();
    REQUIRE(ended.size() == 2);
    CHECK(ended[0].id == "b");
    CHECK(ended[0].summary.text == "B1");
    CHECK(ended[0].summary.total_tokens == 7);
    CHECK(ended[0].model == "other");
    CHECK(ended[0].asked.find(R"("event_id":"two")") != std::string::npos);
    CHECK(ended[0].asked.find('\n') == std::string::npos);
    CHECK(ended[1].id == "a");
    CHECK(ended[1].summary.text == "A1A2A3");
    CHECK(ended[1].summary.finish_reason == "cancelled");
    CHECK(ended[1].end == End::cancelled);
    CHECK(ended[1].error.empty());
    CHECK(ended[1].model == "m");
    CHECK(std::count(ended[1].asked.begin(), ended[1].asked.end(), '\n') == 1);
}

TEST_CASE("how a response ends")
{
    struct Row
    {
        SocketApi api;
        std::vector<std::string> events;
        End end;
        std::string error;
        std::string finish_reason;
    };
    const auto realtime = SocketApi::realtime;
    const auto responses = SocketApi::responses;
    const std::vector<Row> rows{
        {realtime, {created("r"), done("r")}, End::completed, "", "completed"},
        {realtime, {done("r")}, End::completed, "", "completed"},
        {realtime, {R"({"type":"response.done","response":{"status":"completed"}})"}, End::completed, "", ""},
        {realtime,
         {created("r"), done("r", "incomplete", 5, R"({"type":"incomplete","reason":"content_filter"})")},
         End::incomplete,
         "",
         "content_filter"},
        {realtime,
         {created("r"),
          done("r", "failed", 5,
               R"({"type":"failed","error":{"type":"server_error","code":"x","message":"It is\n broken"}})")},
         End::failed,
         "It is broken",
         "failed"},
        {realtime,
         {created("r"),
          done("r", "failed", 5,
               R"({"type":"failed","error":{"type":"server_error","code":"insufficient_quota"}})")},
         End::failed,
         "insufficient_quota",
         "failed"},
        {realtime,
         {R"({"type":"error","event_id":"e","error":{"type":"invalid_request_error","code":"c","message":"No such voice","event_id":null}})"},
         End::failed,
         "No such voice",
         ""},
        {realtime, {created("r"), transcript("r", "Hel")}, End::broken_off, "", ""},
        {realtime, {}, End::broken_off, "", ""},
        // It goes on beside it.
        {realtime,
         {created("r"), R"({"type":"error","error":{"message":"buffer too small"}})", done("r")},
         End::completed,
         "",
         "completed"},
        {responses,
         {R"({"type":"error","status":429,"error":{"type":"usage_limit_reached","message":"The usage limit has been reached"},"headers":{}})"},
         End::failed,
         "The usage limit has been reached",
         ""},
        {responses,
         {R"({"type":"response.created","response":{"id":"r"}})",
          R"({"type":"error","sequence_number":3,"code":"server_error","message":"Overloaded","param":null})"},
         End::failed,
         "Overloaded",
         ""},
        {responses,
         {R"({"type":"response.created","response":{"id":"r"}})",
          R"({"type":"response.failed","response":{"id":"r","object":"response","status":"failed","error":{"code":"rate_limit_exceeded","message":"Slow down"},"output":[]}})"},
         End::failed,
         "Slow down",
         "failed"},
        {responses,
         {R"({"response":{"id":"r","object":"response","status":"cancelled","output":[]},"type":"response.cancelled"})"},
         End::cancelled,
         "",
         "cancelled"},
        {responses,
         {R"({"type":"response.completed","response":{"id":"r","status":"completed"}})"},
         End::completed,
         "",
         ""},
    };
    for (const auto& row : rows) {
        CAPTURE(row.events, row.error);
        ScriptedSocket socket{row.api};
        socket.client(create);
        for (const auto& event : row.events)
            socket.server(event);
        const auto& ended = socket.finish();
        REQUIRE(ended.size() == 1);
        CHECK(ended[0].end == row.end);
        CHECK(ended[0].error == row.error);
        CHECK(ended[0].summary.finish_reason == row.finish_reason);
        CHECK(ended[0].asked_for);
        CHECK(ended[0].asked == create);
        // An error that fails it is one of its messages.
        const bool answered = !row.events.empty();
        CHECK(ended[0].first_message ==
              (answered ? std::optional{ScriptedSocket::time(2)} : std::optional<Time>{}));
    }
}

TEST_CASE("what belongs to no response makes none")
{
    ScriptedSocket socket{SocketApi::realtime};
    socket.client(R"({"type":"session.update","session":{}})")
        .server(R"({"type":"error","error":{"message":"what?"}})")
        .server(R"({"type":"session.updated","session":{"model":"x"}})")
        .server(R"({"type":"response.output_audio.delta","response_id":"gone","delta":"AAAA"})")
        .server(R"({"type":"response.output_text.delta","delta":"x"})")
        .server(R"({"response":"created"})")
        .server(R"([1,2])")
        .server("not JSON")
        .server("")
        .server(R"({"type":"response.created")");  // cut, but it says what it is
    CHECK(socket.finish().size() == 1);
    ScriptedSocket other{SocketApi::realtime};
    other.client(R"({"type":"response.create","event_id":"mine"})")
        .server(R"({"type":"error","error":{"message":"what?","event_id":"another"}})");
    CHECK(other.open() == 1);
    other.server(R"({"type":"error","error":{"message":"what?","event_id":"mine"}})");
    CHECK(other.open() == 0);
    other.server(created("a")).server(done("a")).server(done("a"));
    CHECK(other.finish().size() == 2);
}

TEST_CASE("a response's model is what was asked for, else the session's")
{
    struct Row
    {
        std::string query;
        std::vector<std::string> client;
        std::string model;
    };
    const std::string session = R"({"type":"session.update","session":{"model":"session"}})";
    const std::vector<Row> rows{
        {"", {create}, "server"},
        {"query", {create}, "query"},
        {"query", {session, create}, "session"},
        {"query", {session, R"({"type":"response.create","model":"own"})"}, "own"},
        {"query", {session, R"({"response":{"model":"nested"},"type":"response.create"})"}, "nested"},
        {"", {R"({"type":"response.append","input":[],"model":"own"})"}, "own"},
        {"", {R"({"type":"response.create","input":[{"model":"no","type":"no"}],"model":"own"})"}, "own"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.client);
        ScriptedSocket socket{SocketApi::realtime, row.query};
        socket.server(R"({"type":"session.created","session":{"model":"server"}})");
        for (const auto& message : row.client)
            socket.client(message);
        REQUIRE(socket.finish().size() == 1);
        CHECK(socket.ended[0].model == row.model);
    }
}

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

TEST_CASE("so many responses are open at once, and no more")
{
    ScriptedSocket socket{SocketApi::realtime};
    for (std::size_t i = 0; i < OpenResponses::most + 3; ++i)
        socket.server(created("r" + std::to_string(i))).server(transcript("r" + std::to_string(i), "Hi"));
    CHECK(socket.open() == OpenResponses::most);
    REQUIRE(socket.ended.size() == 3);
    CHECK(socket.ended[0].id == "r0");
    CHECK(socket.ended[0].end == End::displaced);
    CHECK(socket.ended[0].summary.text == "Hi");
    socket.server(transcript("r0", "late"));
    CHECK(socket.finish().size() == OpenResponses::most + 3);
    CHECK(socket.ended.back().end == End::broken_off);
    CHECK(socket.ended.back().summary.text == "Hi");
}

TEST_CASE("what is held is told")
{
    constexpr std::size_t most = 10'000;
    const auto large = repeat("all work and no play ", 1000);
    ScriptedSocket socket{SocketApi::realtime, "", {most, most}};
    CHECK(socket.held() < 100);
    const std::string item = R"({"type":"conversation.item.create","item":")" + large.substr(0, 4000) + "\"}";
    socket.client(item);
    CHECK(socket.held() >= item.size());
    CHECK(socket.held() < 2 * item.size());
    socket.client(R"({"type":"conversation.item.create","item":")" + large + "\"}");
    CHECK(socket.held() >= most);
    CHECK(socket.held() < 2 * most);
    socket.client(create);
    CHECK(socket.held() >= most);
    CHECK(socket.held() < 3 * most);
    const auto asked = socket.held();
    socket.server(created("a"));
    socket.server(transcript("a", large.substr(0, 4000)));
    CHECK(socket.held() >= asked + 4000);
    CHECK(socket.held() < asked + 5000);
    socket.server(transcript("a", large)).server(transcript("a", large));
    CHECK(socket.held() == asked + 2 * most);
    socket.server(done("a"));
    CHECK(socket.held() < 100);
}

TEST_CASE("of a message that comes in parts, what is held is told")
{
    constexpr std::size_t most = 10'000;
    SocketResponses reader{SocketApi::responses, "", {most, most}};
    const auto ignore = [](const SocketResponse&) {};
    const std::string ask = R"({"type":"response.create","input":")" + repeat("x", 3000);
    reader.from_client({{}, ask, SseEvent::Part::beginning}, {}, ignore);
    CHECK(reader.held() >= ask.size());
    CHECK(reader.held() < 2 * ask.size());
    reader.from_client({{}, repeat("x", 2 * most), SseEvent::Part::middle}, {}, ignore);
    CHECK(reader.held() >= most);
    CHECK(reader.held() < 2 * most);
}

TEST_CASE("responses of the same id are told apart where one follows the other")
{
    const std::string begun = R"({"type":"response.created","response":{"id":"resp_same"}})";
    const std::string late =
        R"({"type":"response.output_text.done","response_id":"resp_same","text":"late"})";
    const auto text = [](const std::string& delta) {
        return R"({"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":")" +
               delta + "\"}";
    };
    const std::string completed =
        R"({"type":"response.completed","response":{"id":"resp_same","status":"completed","usage":{"total_tokens":7}}})";
    ScriptedSocket socket{SocketApi::responses};
    for (const auto* const name : {"a", "b", "c"})
        socket.client(create).server(begun).server(text(name)).server(completed).server(late);
    CHECK(socket.open() == 0);
    // Asked for at once, and begun by the server alone.
    socket.client(create).client(create);
    for (const auto* const name : {"d", "e", "f"})
        socket.server(begun).server(text(name)).server(completed);
    CHECK(socket.open() == 0);
    // One that never ends does not take what the next one says.
    socket.client(create).server(begun).server(text("g"));
    socket.client(create).server(begun).server(text("h")).server(completed);
    REQUIRE(socket.finish().size() == 8);
    const std::string names{"abcdefhg"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        CAPTURE(i);
        CHECK(socket.ended[i].id == "resp_same");
        CHECK(socket.ended[i].summary.text == names.substr(i, 1));
        CHECK(socket.ended[i].end == (names[i] == 'g' ? End::broken_off : End::completed));
        CHECK(socket.ended[i].asked == (names[i] == 'f' ? "" : create));
    }
}

TEST_CASE("what a client asks for makes no more responses than may be open, until the server speaks")
{
    for (const auto api : {SocketApi::realtime, SocketApi::responses}) {
        ScriptedSocket socket{api};
        for (int i = 0; i < 1000; ++i)
            socket.client(create);
        CHECK(socket.open() == OpenResponses::most);
        CHECK(socket.ended.empty());
        CHECK(socket.finish().size() == OpenResponses::most);
    }
}

TEST_CASE("what is asked for at once is answered in its order, and has its own question or none")
{
    const auto ask = [](int i) {
        return R"({"type":"response.create","event_id":"e)" + std::to_string(i) + R"(","model":"m)" +
               std::to_string(i) + "\"}";
    };
    constexpr int asked = 20;
    constexpr int kept = OpenResponses::most;
    ScriptedSocket socket{SocketApi::responses};
    for (int i = 0; i < asked; ++i)
        socket.client(ask(i));
    CHECK(socket.open() == kept);
    const auto answer = [&](int i) {
        const auto id = "r" + std::to_string(i);
        socket.server(R"({"type":"response.created","response":{"id":")" + id + R"(","model":"replied"}})")
            .server(R"({"type":"response.completed","response":{"id":")" + id +
                    R"(","status":"completed"}})");
    };
    for (int i = 0; i < kept + 2; ++i)
        answer(i);
    // Those before it are not answered yet.
    socket.client(ask(asked)).client(R"({"type":"response.processed"})");
    for (int i = kept + 2; i <= asked; ++i)
        answer(i);
    CHECK(socket.open() == 0);
    socket.client(ask(asked + 1));
    answer(asked + 1);
    REQUIRE(socket.finish().size() == asked + 2);
    for (int i = 0; i <= asked; ++i) {
        CAPTURE(i);
        CHECK(socket.ended[i].id == "r" + std::to_string(i));
        CHECK(socket.ended[i].end == End::completed);
        CHECK(socket.ended[i].asked == (i < kept ? ask(i) : ""));
        CHECK(socket.ended[i].asked_for == (i < kept));
        CHECK(socket.ended[i].model == (i < kept ? "m" + std::to_string(i) : "replied"));
    }
    CHECK(socket.ended.back().asked == R"({"type":"response.processed"})"
                                       "\n" +
                                           ask(asked + 1));
}

TEST_CASE("an error answers what was asked for and is forgotten")
{
    const auto ask = [](int i) {
        return R"({"type":"response.create","event_id":"e)" + std::to_string(i) + "\"}";
    };
    constexpr int asked = OpenResponses::most + 2;
    for (const auto api : {SocketApi::realtime, SocketApi::responses}) {
        CAPTURE(api);
        ScriptedSocket socket{api};
        for (int i = 0; i < asked; ++i)
            socket.client(ask(i));
        // Refused, in the order of the requests or before others are begun.
        const bool named = api == SocketApi::realtime;
        for (int i = asked - 1; i >= 0; --i)
            socket.server(R"({"type":"error","error":{"message":"no","event_id":)" +
                          (named ? "\"e" + std::to_string(i) + "\"" : std::string{"null"}) + "}}");
        CHECK(socket.open() == 0);
        CHECK(socket.ended.size() == asked);
        for (const auto& response : socket.ended)
            CHECK(response.end == End::failed);
        CHECK(socket.ended[named ? 0 : asked - 1].asked.empty());
        socket.client(ask(asked)).server(created("r")).server(done("r"));
        REQUIRE(socket.finish().size() == asked + 1);
        CHECK(socket.ended.back().asked == ask(asked));
        CHECK(socket.ended.back().end == End::completed);
    }
}

TEST_CASE("what the server has not spoken of is not displaced")
{
    ScriptedSocket socket{SocketApi::realtime};
    socket.client(R"({"type":"response.create","event_id":"first"})");
    socket.client(R"({"type":"response.create","event_id":"second"})");
    for (std::size_t i = 0; i < OpenResponses::most + 1; ++i)
        socket.client(create).server(created("r" + std::to_string(i)));
    CHECK(socket.open() == OpenResponses::most);
    REQUIRE(socket.ended.size() == 3);
    CHECK(socket.ended[0].id == "r0");
    CHECK(socket.ended[0].asked.find("first") != std::string::npos);
    CHECK(socket.ended[1].asked.find("second") != std::string::npos);
    for (const auto& response : socket.ended)
        CHECK(response.end == End::displaced);
}

TEST_CASE("an error without the id of a message fails a response only if the server does not begin it")
{
    constexpr auto commit = R"({"type":"input_audio_buffer.commit"})";
    constexpr auto error = R"({"type":"error","error":{"message":"buffer too small","event_id":null}})";
    constexpr auto named = R"({"type":"error","error":{"message":"no such voice","event_id":"one"}})";
    constexpr auto first = R"({"type":"response.create","event_id":"one"})";

    ScriptedSocket begun{SocketApi::realtime};
    begun.client(commit).client(first).server(error);
    CHECK(begun.open() == 1);
    begun.server(created("a")).server(transcript("a", "Hi")).client(create).server(done("a"));
    REQUIRE(begun.ended.size() == 1);
    CHECK(begun.ended[0].end == End::completed);
    CHECK(begun.ended[0].error.empty());
    CHECK(begun.ended[0].summary.text == "Hi");

    ScriptedSocket gone{SocketApi::realtime};
    gone.client(first).server(error).server(error);
    REQUIRE(gone.finish().size() == 1);
    CHECK(gone.ended[0].end == End::failed);
    CHECK(gone.ended[0].error == "buffer too small");
    CHECK(gone.ended[0].reply_bytes == std::string_view{error}.size());
    CHECK(gone.ended[0].ended == ScriptedSocket::time(2));

    ScriptedSocket again{SocketApi::realtime};
    again.client(first).server(error).client(create);
    CHECK(again.open() == 1);
    REQUIRE(again.ended.size() == 1);
    CHECK(again.ended[0].end == End::failed);
    CHECK(again.ended[0].error == "buffer too small");
    CHECK(again.ended[0].ended == ScriptedSocket::time(2));
    CHECK(again.ended[0].first_message == ScriptedSocket::time(2));
    again.server(created("b")).server(done("b"));
    REQUIRE(again.finish().size() == 2);
    CHECK(again.ended[1].end == End::completed);

    ScriptedSocket told{SocketApi::realtime};
    told.client(first).server(error).server(named);
    CHECK(told.open() == 0);
    REQUIRE(told.finish().size() == 1);
    CHECK(told.ended[0].error == "no such voice");
    CHECK(told.ended[0].first_message == ScriptedSocket::time(3));

    ScriptedSocket displaced{SocketApi::realtime};
    displaced.client(first).server(error);
    for (std::size_t i = 0; i < OpenResponses::most; ++i)
        displaced.client(create);
    REQUIRE(displaced.ended.size() == 1);
    CHECK(displaced.ended[0].error == "buffer too small");

    // Each of several fails by an error of its own.
    ScriptedSocket several{SocketApi::realtime};
    several.client(first).client(create).server(error).server(error);
    REQUIRE(several.finish().size() == 2);
    CHECK(several.ended[0].end == End::failed);
    CHECK(several.ended[1].end == End::failed);
}

TEST_CASE("late events of responses that have ended begin none and answer none")
{
    ScriptedSocket socket{SocketApi::realtime};
    constexpr int before = 10;
    for (int i = 0; i < before; ++i)
        socket.server(created("r" + std::to_string(i))).server(done("r" + std::to_string(i)));
    socket.client(create);
    for (int i = 0; i < before; ++i)
        socket.server(transcript("r" + std::to_string(i), "late")).server(done("r" + std::to_string(i)));
    CHECK(socket.open() == 1);
    socket.server(created("mine")).server(transcript("mine", "Hi")).server(done("mine"));
    REQUIRE(socket.finish().size() == before + 1);
    CHECK(socket.ended.back().id == "mine");
    CHECK(socket.ended.back().summary.text == "Hi");
}

TEST_CASE("the facts of a message are found in its beginning, and where they count in all of it")
{
    const auto read = [](const std::vector<std::string>& pieces) {
        SocketEventReader reader;
        reader.begin();
        for (const auto& piece : pieces)
            reader.write(piece);
        return reader.facts();
    };
    const auto padding = R"(,"padding":")" + std::string(SocketEventReader::beginning, ' ') + "\"";
    CHECK(read({R"({"type":"a","type":"b"})"}).type == "b");
    CHECK(read({R"({"ty)", R"(pe":"respon)", R"(se.create","mod)", R"(el":"m"})"}).model == "m");
    CHECK(read({R"({"t\u0079pe":"\u0061"})"}).type == "a");
    CHECK(read({R"({"item":{"type":"x","model":"y"},"list":[{"type":"z"}],"type":7})"}).type.empty());
    CHECK(read({R"({"first":1)" + padding + R"(,"type":"late"})"}).type.empty());
    CHECK(read({R"({"type":"other")" + padding + R"(,"model":"late"})"}).model.empty());
    CHECK(read({R"({"type":"response.create")" + padding + R"(,"model":"late"})"}).model == "late");
    CHECK(read({R"({"type":"response.done","response":{"x":{"id":"no"})" + padding +
                R"(,"id":"r","status":"failed","status_details":{"error":{"message":"why"}}}})"})
              .error_message == "why");
    const auto long_name = std::string(2 * max_model_name, 'm');
    CHECK(read({R"({"type":"response.create","model":")" + long_name + "\"}"}).model.size() ==
          max_model_name);
    CHECK(read({R"({"type":"x","event_id":")" + std::string(5000, 'e') + "\"}"}).event_id.size() <= 256);
    CHECK(read({repeat("[", 10'000)}).type.empty());
    CHECK(read({R"({"type":"x"})", R"({"type":"y"})"}).type == "x");
}
