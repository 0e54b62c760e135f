#include <optional>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// Streams pass byte for byte however the network cuts them, and the record says the same each time.

namespace route::test {

namespace {

struct Stream
{
    std::string name;
    std::string path;
    std::vector<std::string> pieces;  ///< chunks of the body
    std::string text;
    std::string finish_reason;
    std::optional<std::int64_t> prompt_tokens;
    std::optional<std::int64_t> completion_tokens;
};

Stream chat_stream()
{
    return {
        "chat",
        "/v1/chat/completions",
        {data_event(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})"),
         data_event(R"({"choices":[{"index":0,"delta":{"content":"h\u00e9"}}]})"),
         data_event(R"({"choices":[{"index":0,"delta":{"content":"llo 🌍"},"finish_reason":"stop"}]})"),
         data_event(R"({"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}})"),
         std::string{done_event}},
        "héllo 🌍",
        "stop",
        11,
        3};
}

/// Everything the format allows: a BOM, comments, CRLF and CR, no space after the colon, several data lines,
/// unknown fields and events.
Stream untidy_stream()
{
    return {"untidy chat",
            "/v1/chat/completions",
            {"\xef\xbb\xbf: hello\r\n\r\n",
             "data:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é\"}}]}\r\n\r\n",
             "id: 7\nretry: 1000\nx-unknown: y\ndata: {\"choices\":[{\"index\":0,\ndata: "
             "\"delta\":{\"content\":\"€\"}}]}\n\n",
             "event: "
             "ping\r\rdata:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"𝄞\"},\"finish_reason\":"
             "\"length\"}]}\r\r",
             ": bye\n\n", "data:[DONE]\r\n\r\n"},
            "é€𝄞",
            "length",
            {},
            {}};
}

Stream completion_stream()
{
    return {"completions",
            "/v1/completions",
            {data_event(R"({"object":"text_completion","choices":[{"index":0,"text":"ab"}]})"),
             data_event(
                 R"({"object":"text_completion","choices":[{"index":0,"text":"ü","finish_reason":"stop"}],)"
                 R"("usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}})"),
             std::string{done_event}},
            "abü",
            "stop",
            4,
            2};
}

Stream responses_stream()
{
    const auto event = [](const std::string& type, const std::string& rest) {
        return "event: " + type + "\ndata: {\"type\":\"" + type + "\"," + rest + "}\n\n";
    };
    return {"responses",
            "/v1/responses",
            {event("response.created", R"("response":{"status":"in_progress"})"),
             event("response.output_text.delta", R"("output_index":0,"content_index":0,"delta":"hi ")"),
             event("response.output_text.delta", R"("output_index":0,"content_index":0,"delta":"ñ")"),
             event("response.completed",
                   R"("response":{"status":"completed","output":[{"type":"message","content":[)"
                   R"({"type":"output_text","text":"hi ñ"}]}],)"
                   R"("usage":{"input_tokens":9,"output_tokens":2,"total_tokens":11}})")},
            "hi ñ",
            "",
            9,
            2};
}

Stream messages_stream()
{
    const auto event = [](const std::string& type, const std::string& rest) {
        return "event: " + type + "\ndata: {\"type\":\"" + type + "\"" + rest + "}\n\n";
    };
    return {"messages",
            "/v1/messages",
            {event("message_start",
                   R"(,"message":{"role":"assistant","usage":{"input_tokens":8,"output_tokens":1}})"),
             event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})"),
             event("ping", ""),
             event("content_block_delta", R"(,"index":0,"delta":{"type":"text_delta","text":"ça "})"),
             event("content_block_delta", R"(,"index":0,"delta":{"type":"text_delta","text":"va"})"),
             event("content_block_stop", R"(,"index":0)"),
             event("message_delta", R"(,"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5})"),
             event("message_stop", "")},
            "ça va",
            "end_turn",
            8,
            5};
}

std::string request_for(const Stream& stream)
{
    return request_text("POST", stream.path, bearer() + "Content-Type: application/json\r\n",
                        chat_body("m", true));
}

/// One exchange on a connection of the client's that is kept; gives false when anything differs from what
/// `stream` says.
bool passes_unharmed(Stage& stage, TestClient& client, const Stream& stream)
{
    const std::size_t nth = client.replies().size();
    client.send(request_for(stream));
    stage.run_until([&] { return client.replies().size() > nth || client.closed_by_peer(); });
    const Record& record = stage.record(nth);
    return client.replies().size() > nth && client.replies()[nth].whole &&
           client.replies()[nth].body() == joined(stream.pieces) && record.response == stream.text &&
           record.prompt_tokens == stream.prompt_tokens &&
           record.completion_tokens == stream.completion_tokens && record.outcome == RequestOutcome::ok &&
           record.response_bytes == joined(stream.pieces).size();
}

}  // namespace

TEST_CASE("a stream split at any position by the upstream passes byte for byte")
{
    const auto stream =
        GENERATE(chat_stream(), untidy_stream(), completion_stream(), responses_stream(), messages_stream());
    CAPTURE(stream.name);
    Headers headers = sse_headers;
    headers.emplace_back("Connection", "close");
    const std::string reply = chunked_reply(200, headers, stream.pieces);
    Stage stage{{script::silence()}};
    const auto client = stage.connect();
    for (std::size_t cut = 0; cut < reply.size(); ++cut) {
        CAPTURE(cut);
        stage.first().play({step::read_request(), step::send_split(reply, {cut}), step::close()});
        REQUIRE(passes_unharmed(stage, *client, stream));
    }
}

TEST_CASE("a stream that comes byte by byte passes byte for byte")
{
    const auto stream =
        GENERATE(chat_stream(), untidy_stream(), completion_stream(), responses_stream(), messages_stream());
    CAPTURE(stream.name);
    const std::string chunked = chunked_reply(200, sse_headers, stream.pieces);
    const std::string one_chunk = chunked_reply(200, sse_headers, {joined(stream.pieces)});
    const std::string with_length = reply_text(200, sse_headers, joined(stream.pieces));
    const std::string unframed = reply_head(200, sse_headers) + joined(stream.pieces);
    const auto reply = GENERATE_COPY(values<std::string>({chunked, one_chunk, with_length, unframed}));
    Stage stage{
        {{step::read_request(), step::send_byte_by_byte(reply), step::half_close(), step::wait_for_close()}}};
    const auto client = stage.connect();
    REQUIRE(passes_unharmed(stage, *client, stream));
    CHECK(stage.record().finish_reason ==
          (stream.name == "responses" ? stage.record().finish_reason : stream.finish_reason));
}

TEST_CASE("a stream at once passes byte for byte")
{
    const auto stream =
        GENERATE(chat_stream(), untidy_stream(), completion_stream(), responses_stream(), messages_stream());
    CAPTURE(stream.name);
    Stage stage{{script::sse(stream.pieces)}};
    const auto client = stage.connect();
    REQUIRE(passes_unharmed(stage, *client, stream));
    CHECK(client->replies()[0].header("content-type") == "text/event-stream");
    CHECK(stage.record().stream);
    CHECK(stage.record().model == "m");
}

TEST_CASE("chunk extensions and trailers of the upstream end at the router")
{
    const std::string event = chat_event("hello");
    std::string body = chunk(event);
    body.insert(body.find("\r\n"), ";name=\"value\"");
    Stage stage{{script::raw(reply_head(200, chunked_sse_headers) + body + "0\r\nX-Trailer: 1\r\n\r\n")}};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.whole);
    CHECK(reply.body() == event);
    CHECK(reply.raw.find("X-Trailer") == std::string::npos);
    CHECK(reply.raw.find("name=") == std::string::npos);
}

TEST_CASE("an event far longer than any buffer passes")
{
    const std::string event = chat_event(std::string(3 << 20, 'x'));
    Stage stage{{script::sse({chat_event("a"), event, std::string{done_event}})}};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.whole);
    CHECK((reply.body() == chat_event("a") + event + std::string{done_event}));
}

TEST_CASE("a first event far longer than reply_buffer commits once it is whole")
{
    const std::string event = chat_event(std::string(512 << 10, 'x'));
    Settings settings = patient_settings();
    settings.failover.reply_buffer = 1000;
    Stage stage{{script::sse({event, std::string{done_event}})}, settings};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.whole);
    CHECK((reply.body() == event + std::string{done_event}));
}

}  // namespace route::test
