#include "core/openai/socket_responses.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tests/core/openai/scripted_socket.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::test;
using End = SocketResponse::End;
using Time = SocketResponse::Time;

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
