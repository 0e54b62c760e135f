#include <random>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"
#include "tests/support/compression.hpp"

// Replies with a content coding nobody asked for: the client gets them as they are, the router reads what
// they say.

namespace route::test {

namespace {

struct Coding
{
    std::string name;  ///< as the reply says it
    Format format;
};

const std::vector<Coding> codings{{"gzip", Format::gzip},    {"X-GZip", Format::gzip},
                                  {"deflate", Format::zlib}, {"deflate", Format::bare_deflate},
                                  {"zstd", Format::zstd},    {"br", Format::brotli}};

Headers encoded(Headers headers, const std::string& coding = "gzip")
{
    headers.emplace_back("Content-Encoding", coding);
    return headers;
}

/// A chat stream that says "héllo" and what it cost.
std::vector<std::string> counted_events()
{
    return {
        chat_event("h\u00e9l"), chat_event("lo"),
        data_event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"),
        data_event(R"({"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}})"),
        std::string{done_event}};
}

std::string mark(const std::string& coding, std::size_t bytes)
{
    return "[" + coding + ", " + std::to_string(bytes) + " bytes]";
}

Script gzip_reply(unsigned status, const Headers& headers, const std::string& body)
{
    return script::reply(status, encoded(headers), body);
}

/// Of text the reply is an answer to whoever asks for a file.
std::string request_for(const Headers& headers)
{
    const bool text = headers.front().second.starts_with("text/plain");
    return text ? get_request("/v1/files/x/content") : stream_request();
}

/// Asks; the client must get `body` as it is and hear of its coding. Gives the record.
const Record& relayed(Stage& stage, const std::string& body, const std::string& coding = "gzip",
                      const std::string& request = stream_request())
{
    const Reply reply = stage.ask(request);
    CHECK(reply.whole);
    CHECK((reply.body() == body));
    CHECK(reply.header("content-encoding") == coding);
    const Record& record = stage.record();
    CHECK(record.outcome == RequestOutcome::ok);
    CHECK(record.response_bytes == body.size());
    CHECK(stage.first().connections() == 1);
    return record;
}

}  // namespace

TEST_CASE("a compressed stream passes untouched and is read for the record")
{
    const auto coding = GENERATE(from_range(codings));
    CAPTURE(coding.name);
    const auto pieces = compressed_pieces(coding.format, counted_events());
    const auto headers = encoded(sse_headers, coding.name);
    const auto reply = chunked_reply(200, headers, pieces);
    const auto way = GENERATE_COPY(values<Step>({
        step::send(reply),
        step::send_byte_by_byte(reply),
        step::send(chunked_reply(200, headers, {joined(pieces)})),
        step::send(reply_text(200, headers, joined(pieces))),
    }));
    Stage stage{{{step::read_request(), way, step::again()}, script::chat_reply("never")}};
    const Record& record = relayed(stage, joined(pieces), coding.name);
    CHECK(record.response == "h\u00e9llo");
    CHECK(record.prompt_tokens == 11);
    CHECK(record.completion_tokens == 3);
    CHECK(record.total_tokens == 14);
    CHECK(record.finish_reason == "stop");
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("a compressed stream is committed at its first data event and passes event by event")
{
    const std::vector<std::string> events{": hello\n\n", chat_event("a"), chat_event("b"),
                                          std::string{done_event}};
    const auto pieces = compressed_pieces(Format::gzip, events);
    Script script{step::read_request(), step::send(reply_head(200, encoded(chunked_sse_headers)))};
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        script.push_back(step::send(chunk(pieces[i])));
        script.push_back(step::hold("piece " + std::to_string(i)));
    }
    script.push_back(step::send(std::string{last_chunk}));
    Stage stage{{script}};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return stage.first().reached("piece 0"); });
    stage.settle();
    CHECK(client->received().empty());
    std::string so_far = pieces[0];
    for (std::size_t i = 1; i < pieces.size(); ++i) {
        stage.first().release("piece " + std::to_string(i - 1));
        so_far += pieces[i];
        stage.run_until([&] { return client->body_so_far() == so_far; });
    }
    stage.first().release("piece " + std::to_string(pieces.size() - 1));
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].body() == joined(pieces));
    CHECK(stage.record().response == "ab");
}

TEST_CASE("a compressed stream that fails before its first data event fails over")
{
    struct Case
    {
        std::string content;
        AttemptOutcome outcome;
    };
    const auto failing = GENERATE(values<Case>({
        {": hello\n\n" + data_event(R"({"error":{"message":"busy"}})"), AttemptOutcome::error_event},
        {"event: error\ndata: {}\n\n", AttemptOutcome::error_event},
        {"", AttemptOutcome::empty},
        {": keep-alive\n\n", AttemptOutcome::empty},
        {std::string{done_event}, AttemptOutcome::empty},
    }));
    const auto coding = GENERATE(from_range(codings));
    CAPTURE(failing.content, coding.name);
    const auto body = compressed(coding.format, failing.content);
    Stage stage{{script::raw(chunked_reply(200, encoded(sse_headers, coding.name), {body})),
                 script::sse(chat_events("hello"))}};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.header("x-route-upstream") == "second");
    CHECK_FALSE(reply.has("content-encoding"));
    CHECK(reply.body() == joined(chat_events("hello")));
    const Record& record = stage.record();
    REQUIRE(record.attempts.size() == 2);
    CHECK(record.attempts[0].outcome == failing.outcome);
    CHECK(record.response == "hello");
}

TEST_CASE("a long compressed stream that comes at once passes whole")
{
    std::vector<std::string> events;
    std::string text;
    for (int i = 1; i < 20'000; ++i) {
        const auto number = std::to_string(i * 7919) + " ";
        events.push_back(chat_event(number));
        text += number;
    }
    const auto body = compressed(Format::gzip, joined(events));
    REQUIRE(body.size() > 60'000);
    Stage stage{{gzip_reply(200, sse_headers, body)}};
    CHECK(relayed(stage, body).response == text);
}

TEST_CASE("a compressed stream cut before its first data event fails over")
{
    const auto body = compressed_pieces(Format::gzip, {": hello\n\n", chat_event("never")});
    Stage stage{{script::raw_then_half_close(reply_head(200, encoded(chunked_sse_headers)) + chunk(body[0])),
                 script::chat_reply("hello")}};
    CHECK(stage.ask(stream_request()).header("x-route-upstream") == "second");
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::cut);
}

TEST_CASE("codings that cannot be read are recorded by name and size")
{
    const auto coding = GENERATE(values<std::string>({"br", "zstd", "gzip, br", "compress"}));
    const Headers headers{{"Content-Type", GENERATE("application/json", "text/event-stream", "text/plain")}};
    CAPTURE(coding);
    const std::string body = "\xff\xff\xff something\n\n";
    Stage stage{{script::reply(200, encoded(headers, coding), body)}};
    CHECK(relayed(stage, body, coding, request_for(headers)).response == mark(coding, body.size()));
}

TEST_CASE("what is labelled gzip and is none is judged by what it says")
{
    const std::string error = R"({"error":{"message":"no quota left","code":"insufficient_quota"}})";
    SECTION("an error fails over")
    {
        Stage stage{{gzip_reply(200, json_headers, error), script::chat_reply("hello")}};
        CHECK(stage.ask(chat_request()).header("x-route-upstream") == "second");
        CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::error_body);
        CHECK(stage.record().attempts.at(0).error == "error in place of an answer: no quota left");
    }
    SECTION("an answer is relayed as it came, and read")
    {
        const auto body = chat_reply("hello");
        Stage stage{{gzip_reply(200, json_headers, body), script::chat_reply("never")}};
        CHECK(relayed(stage, body, "gzip", chat_request()).response == "hello");
    }
    SECTION("so is a stream")
    {
        const auto body = joined(counted_events());
        Stage stage{{gzip_reply(200, sse_headers, body), script::chat_reply("never")}};
        CHECK(relayed(stage, body).response == "h\u00e9llo");
    }
}

TEST_CASE("a stream whose coding cannot be read is committed at its first byte")
{
    struct Case
    {
        std::string coding;
        std::string recorded;
    };
    const auto [coding, recorded] =
        GENERATE(values<Case>({{"br", "br"}, {"gzip", "gzip"}, {"x-gzip", "gzip"}, {"deflate", "deflate"}}));
    const std::string begin = "\xff\xff\xff";
    Stage stage{{{step::read_request(),
                  step::send(reply_head(200, encoded(chunked_sse_headers, coding)) + chunk(begin)),
                  step::hold("end"), step::send(std::string{last_chunk}), step::again()}}};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->body_so_far() == begin; });
    stage.first().release("end");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(stage.record().response == mark(recorded, begin.size()));
}

TEST_CASE("compressed JSON is read for the record")
{
    const auto coding = GENERATE(from_range(codings));
    const std::string text = GENERATE(std::string{"hello"}, std::string(100'000, 'x'));
    const auto body = compressed(coding.format, chat_reply(text));
    Settings settings = patient_settings();
    settings.records.max_response = 50'000;
    Stage stage{{script::reply(200, encoded(json_headers, coding.name), body)}, settings};
    const Record& record = relayed(stage, body, coding.name);
    if (text.size() < settings.records.max_response)
        CHECK(record.response == text);
    else
        CHECK((record.response.starts_with(text.substr(0, 50'000) + "\u2026 [cut, ")));
    CHECK(record.prompt_tokens == 5);
    CHECK(record.completion_tokens == 2);
    CHECK(record.finish_reason == "stop");
}

TEST_CASE("compressed JSON is committed when it is complete")
{
    const auto body = compressed(Format::gzip, chat_reply("never"));
    Headers headers = encoded(json_headers);
    headers.emplace_back("Content-Length", std::to_string(body.size()));
    Stage stage{{script::raw_then_half_close(reply_head(200, headers) + body.substr(0, body.size() - 1)),
                 gzip_reply(200, json_headers, compressed(Format::gzip, chat_reply("hello")))}};
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "second");
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::cut);
    CHECK(stage.record().response == "hello");
}

TEST_CASE("long compressed JSON that comes at once is judged whole, however soon it would be committed")
{
    std::mt19937 random{1};
    std::string text;
    while (text.size() < 100'000)
        text += static_cast<char>('a' + random() % 26);
    const auto body = compressed(Format::gzip, chat_reply(text));
    Settings settings = patient_settings();
    settings.failover.commit_after = Seconds{0};
    Stage stage{{gzip_reply(200, json_headers, body), script::chat_reply("never")}, settings};
    CHECK(relayed(stage, body, "gzip", chat_request()).response == text);
}

TEST_CASE("a compressed error that is relayed is read for the record")
{
    std::string message = "too many";
    if (GENERATE(false, true)) {
        for (int i = 1; message.size() < 100'000; ++i)
            message += std::to_string(i * 7919);
    }
    const auto body = compressed(Format::gzip, upstream_error(message));
    Stage stage{{gzip_reply(429, json_headers, body)}};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 429);
    CHECK(reply.body() == body);
    CHECK(reply.header("content-encoding") == "gzip");
    CHECK(stage.record().response == upstream_error(message));
    CHECK(stage.record().response_bytes == body.size());
}

TEST_CASE("compressed text is read for the record")
{
    const Headers headers{{"Content-Type", "text/plain; charset=utf-8"}};
    Settings settings = patient_settings();
    settings.records.max_response = 1000;
    SECTION("shorter than its compressed form")
    {
        const auto body = compressed(Format::gzip, "hi");
        Stage stage{{gzip_reply(200, headers, body)}, settings};
        CHECK(relayed(stage, body, "gzip", request_for(headers)).response == "hi");
    }
    SECTION("longer than what is kept, cut within a key")
    {
        const std::string begin(994, 'x');
        const auto body = compressed(Format::gzip, begin + "sk-upstream-1" + std::string(50'000, 'y'));
        Stage stage{{gzip_reply(200, headers, body)}, settings};
        CHECK(relayed(stage, body, "gzip", request_for(headers)).response ==
              begin + "\u2026\u2026 [cut, " + std::to_string(body.size()) + " bytes]");
    }
    SECTION("nothing at all")
    {
        const auto body = compressed(Format::gzip, "");
        Stage stage{{gzip_reply(200, headers, body)}, settings};
        CHECK(relayed(stage, body, "gzip", request_for(headers)).response.empty());
    }
}

TEST_CASE("what is no text is not decoded")
{
    const auto body = compressed(Format::gzip, "sound");
    Stage stage{{gzip_reply(200, {{"Content-Type", "audio/mpeg"}}, body)}};
    CHECK(relayed(stage, body).response == mark("gzip", body.size()));
}

TEST_CASE("a compressed stream that breaks keeps the text up to there")
{
    const auto pieces = compressed_pieces(Format::gzip, {chat_event("hel"), chat_event("lo")});
    SECTION("cut by the upstream")
    {
        Stage stage{{{step::read_request(),
                      step::send(reply_head(200, encoded(chunked_sse_headers)) + chunk(pieces[0])),
                      step::hold("cut"), step::half_close(), step::wait_for_close()}}};
        const auto client = stage.connect();
        client->send(stream_request());
        stage.run_until([&] { return client->body_so_far() == pieces[0]; });
        stage.first().release("cut");
        stage.run_until([&] { return client->closed_by_peer(); });
        REQUIRE(client->replies().size() == 1);
        CHECK_FALSE(client->replies()[0].whole);
        CHECK(client->replies()[0].body() == pieces[0]);
        CHECK(stage.record().outcome == RequestOutcome::truncated);
        CHECK(stage.record().response == "hel");
    }
    SECTION("without its end")
    {
        Stage stage{{gzip_reply(200, sse_headers, pieces[0])}};
        CHECK(relayed(stage, pieces[0]).response == "hel");
    }
    SECTION("corrupt")
    {
        const auto body = pieces[0] + "\xff\xff\xff\xff";
        Stage stage{{gzip_reply(200, sse_headers, body)}};
        CHECK(relayed(stage, body).response == "hel");
    }
    SECTION("with garbage behind its end")
    {
        const auto body = joined(pieces) + "garbage";
        Stage stage{{gzip_reply(200, sse_headers, body)}};
        CHECK(relayed(stage, body).response == "hello");
    }
}

TEST_CASE("a decompression bomb is relayed and not read")
{
    const Headers headers{{"Content-Type", GENERATE("application/json", "text/event-stream", "text/plain")}};
    std::string events = chat_event("boom");
    if (headers == sse_headers)
        events += std::string(64u << 20, '\n');
    else
        events.assign(64u << 20, ' ');
    const auto body = compressed(Format::gzip, events);
    Settings settings = patient_settings();
    settings.records.max_response = 100u << 20;
    Stage stage{{gzip_reply(200, headers, body)}, settings};
    CHECK(relayed(stage, body, "gzip", request_for(headers)).response == mark("gzip", body.size()));
}

TEST_CASE("a bomb whose first event never comes is committed when it is given up")
{
    const auto body = compressed(Format::gzip, std::string(64u << 20, '\n'));
    Stage stage{{gzip_reply(200, sse_headers, body), script::chat_reply("never")}};
    CHECK(relayed(stage, body).response == mark("gzip", body.size()));
    CHECK(stage.second().connections() == 0);
}

}  // namespace route::test
