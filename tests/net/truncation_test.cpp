#include <string>

#include "tests/net/stage.hpp"

// A reply that breaks after commit is never ended as if it were whole.

namespace route::test {

namespace {

/// Commits with `bytes`, then breaks in the way of `how`.
Script committed_then(const std::string& bytes, const Step& how)
{
    return {step::read_request(), step::send(bytes), step::hold("cut"), how, step::wait_for_close()};
}

/// Asks, lets the script break the reply once the client has `body`, and gives what the client then had.
Reply broken_reply(Stage& stage, const std::string& request, const std::string& body)
{
    const auto client = stage.connect();
    client->send(request);
    stage.run_until([&] { return client->head_received() && client->body_so_far() == body; });
    stage.first().release("cut");
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    return client->replies().front();
}

void check_truncated(Stage& stage)
{
    const Record& record = stage.record();
    CHECK(record.outcome == RequestOutcome::truncated);
    CHECK(record.status == 200);
    CHECK_FALSE(record.error.empty());
    CHECK(record.upstream_name == "first");
    REQUIRE(record.attempts.size() == 1);
    CHECK(record.attempts[0].outcome != AttemptOutcome::ok);
    CHECK(record.attempts[0].status == 200u);
    CHECK(stage.second().connections() == 0);
}

std::string to_version_10(std::string request)
{
    return request.replace(request.find("HTTP/1.1"), 8, "HTTP/1.0");
}

}  // namespace

TEST_CASE("a body cut after commit breaks the connection")
{
    struct Case
    {
        std::string name;
        Headers framing;
        std::string body;
    };
    const auto framing = GENERATE(values<Case>({
        {"by length", {{"Content-Length", "100"}}, "abc"},
        {"chunked", {{"Transfer-Encoding", "chunked"}}, "3\r\nabc\r\n"},
        {"inside a chunk", {{"Transfer-Encoding", "chunked"}}, "6\r\nabc"},
    }));
    const auto how = GENERATE(values<Step>({step::half_close(), step::reset()}));
    CAPTURE(framing.name);
    Headers headers = framing.framing;
    headers.emplace_back("Content-Type", "audio/mpeg");
    Stage stage{{committed_then(reply_head(200, headers) + framing.body, how), script::chat_reply("never")}};

    SECTION("HTTP/1.1")
    {
        const Reply reply = broken_reply(stage, chat_request(), "abc");
        CHECK_FALSE(reply.whole);
        CHECK(reply.body() == "abc");
        CHECK(reply.raw.find("\r\n0\r\n") == std::string::npos);
        check_truncated(stage);
        CHECK(stage.record().response_bytes == 3);
    }
    SECTION("HTTP/1.0")
    {
        const Reply reply = broken_reply(stage, to_version_10(chat_request()), "abc");
        CHECK_FALSE(reply.whole);
        check_truncated(stage);
    }
}

TEST_CASE("an unframed body that is reset is cut")
{
    Stage stage{{committed_then(reply_head(200, {{"Content-Type", "audio/mpeg"}}) + "abc", step::reset()),
                 script::chat_reply("never")}};
    CHECK_FALSE(broken_reply(stage, chat_request(), "abc").whole);
    check_truncated(stage);
}

TEST_CASE("a bad chunk after commit breaks the connection")
{
    const std::string begin =
        reply_head(200, {{"Content-Type", "audio/mpeg"}, {"Transfer-Encoding", "chunked"}}) + chunk("abc");
    Stage stage{{committed_then(begin, step::send("nonsense\r\n")), script::chat_reply("never")}};
    CHECK_FALSE(broken_reply(stage, chat_request(), "abc").whole);
    check_truncated(stage);
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

TEST_CASE("a stream cut between two events ends with an error event")
{
    const auto how = GENERATE(values<Step>({step::half_close(), step::reset(), step::send("nonsense\r\n")}));
    const std::string begin = reply_head(200, chunked_sse_headers) + chunk(chat_event("hel"));
    Stage stage{{committed_then(begin, how), script::chat_reply("never")}};
    const Reply reply = broken_reply(stage, stream_request(), chat_event("hel"));
    CHECK_FALSE(reply.whole);
    REQUIRE(reply.body().starts_with(chat_event("hel")));
    const std::string added = reply.body().substr(chat_event("hel").size());
    CHECK(added.starts_with("data: {\"error\":{"));
    CHECK_THAT(added, ContainsSubstring("\"code\":\"upstream_truncated\""));
    CHECK(added.ends_with("\n\n"));
    CHECK(added.find('\n') == added.size() - 2);
    CHECK(added.find("[DONE]") == std::string::npos);
    check_truncated(stage);
    CHECK(stage.record().response == "hel");
}

TEST_CASE("Anthropic's messages get the error event of their own form")
{
    const std::string event =
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\n\n";
    const std::string begin = reply_head(200, chunked_sse_headers) + chunk(event);
    Stage stage{{committed_then(begin, step::half_close()), script::chat_reply("never")}};
    const std::string request = request_text(
        "POST", "/v1/messages", bearer() + "Content-Type: application/json\r\n", chat_body("claude", true));
    const Reply reply = broken_reply(stage, request, event);
    CHECK_FALSE(reply.whole);
    const std::string added = reply.body().substr(event.size());
    CHECK(added.starts_with("event: error\ndata: {\"type\":\"error\",\"error\":{"));
    CHECK_THAT(added, ContainsSubstring("upstream_truncated"));
    CHECK(added.ends_with("}\n\n"));
    check_truncated(stage);
}

TEST_CASE("the Responses API gets an error event that goes on counting")
{
    const std::string events =
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0}\n\n"
        "event: response.output_text.delta\ndata: "
        "{\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"hel\"}\n\n";
    const std::string begin = reply_head(200, chunked_sse_headers) + chunk(events);
    Stage stage{{committed_then(begin, step::half_close()), script::chat_reply("never")}};
    const std::string request = request_text(
        "POST", "/v1/responses", bearer() + "Content-Type: application/json\r\n", chat_body("gpt-4o", true));
    const Reply reply = broken_reply(stage, request, events);
    CHECK_FALSE(reply.whole);
    const std::string added = reply.body().substr(events.size());
    CHECK(
        added.starts_with("event: error\ndata: {\"type\":\"error\",\"sequence_number\":2,\"code\":"
                          "\"upstream_truncated\",\"message\":\""));
    CHECK(added.ends_with(",\"param\":null}\n\n"));
    check_truncated(stage);
}

TEST_CASE("a stream cut inside an event gets nothing put into it")
{
    const auto half =
        GENERATE(values<std::string>({"data: {\"id\":", "data: {}\n", "event: ping\n", ": comm"}));
    const std::string body = chat_event("hel") + half;
    const std::string begin = reply_head(200, chunked_sse_headers) + chunk(body);
    Stage stage{{committed_then(begin, step::half_close()), script::chat_reply("never")}};
    const Reply reply = broken_reply(stage, stream_request(), body);
    CHECK_FALSE(reply.whole);
    CHECK(reply.body() == body);
    check_truncated(stage);
}

TEST_CASE("nothing is put into a stream with a length or an encoding")
{
    const auto headers = GENERATE(values<Headers>({
        {{"Content-Type", "text/event-stream"}, {"Content-Length", "10000"}},
        {{"Content-Type", "text/event-stream"}, {"Content-Length", "10000"}, {"Content-Encoding", "gzip"}},
    }));
    const std::string begin = reply_head(200, headers) + chat_event("hel");
    Settings settings = patient_settings();
    settings.failover.commit_after = Seconds{0.05};
    Stage stage{{committed_then(begin, step::half_close()), script::chat_reply("never")}, settings};
    const Reply reply = broken_reply(stage, stream_request(), chat_event("hel"));
    CHECK_FALSE(reply.whole);
    CHECK(reply.body() == chat_event("hel"));
    check_truncated(stage);
}

TEST_CASE("nothing is put into an encoded chunked stream")
{
    Headers headers = chunked_sse_headers;
    headers.emplace_back("Content-Encoding", "gzip");
    const std::string bytes = "\x1f\x8b\x08 not really\n\n";
    Settings settings = patient_settings();
    settings.failover.commit_after = Seconds{0.05};
    Stage stage{{committed_then(reply_head(200, headers) + chunk(bytes), step::half_close()),
                 script::chat_reply("never")},
                settings};
    const Reply reply = broken_reply(stage, stream_request(), bytes);
    CHECK_FALSE(reply.whole);
    CHECK(reply.body() == bytes);
}

TEST_CASE("a cut stream of an HTTP/1.0 client is reset")
{
    const std::string begin = reply_head(200, chunked_sse_headers) + chunk(chat_event("hel"));
    Stage stage{{committed_then(begin, step::half_close()), script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send(to_version_10(stream_request()));
    stage.run_until([&] { return client->body_so_far() == chat_event("hel"); });
    stage.first().release("cut");
    stage.run_until([&] { return client->closed_by_peer(); });
    CHECK(client->reset_by_peer());
    CHECK(client->replies().at(0).body() == chat_event("hel"));
    check_truncated(stage);
}

TEST_CASE("a stream that ends without [DONE] but cleanly is whole")
{
    Stage stage{{script::sse({chat_event("hello")})}};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.whole);
    CHECK(reply.body() == chat_event("hello"));
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

}  // namespace route::test
