#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// A client that waits for a stream gets comments while nothing comes, before and after commit.

namespace route::test {

namespace {

const std::string comment = ": keep-alive\n\n";

Settings with_comments()
{
    Settings settings = patient_settings();
    settings.failover.keep_alive = Seconds{0.02};
    return settings;
}

std::string ask_api(const std::string& path)
{
    return request_text("POST", path, bearer() + "Content-Type: application/json\r\n",
                        R"({"model":"gpt-4o","stream":true})");
}

/// Without the comments.
std::string without_comments(std::string text)
{
    for (auto at = text.find(comment); at != std::string::npos; at = text.find(comment))
        text.erase(at, comment.size());
    return text;
}

bool has_comment(const TestClient& client)
{
    return client.received().find(comment) != std::string::npos;
}

/// A client that waits and has got a comment.
std::unique_ptr<TestClient> waiting_client(Stage& stage, const std::string& request = stream_request())
{
    auto client = stage.connect();
    client->send(request);
    stage.run_until([&] { return has_comment(*client); });
    return client;
}

}  // namespace

TEST_CASE("a client that waits for a stream gets comments, and then the stream")
{
    const std::string events = joined(chat_events("hello"));
    Headers headers = chunked_sse_headers;
    headers.emplace_back("openai-processing-ms", "7");
    Stage stage{
        {{step::read_request(), step::hold("answer"), step::send(reply_head(200, headers) + chunk(events)),
          step::send(std::string{last_chunk}), step::again()}},
        with_comments()};
    const auto client = waiting_client(stage);
    stage.first().release("answer");
    stage.run_until([&] { return client->replies().size() == 1; });
    const auto& reply = client->replies()[0];
    CHECK(reply.status() == 200);
    CHECK(reply.whole);
    CHECK(reply.header("content-type") == "text/event-stream");
    CHECK(reply.header("x-accel-buffering") == "no");
    CHECK_FALSE(reply.header("x-request-id").empty());
    CHECK(reply.header("x-route-upstream").empty());
    CHECK(reply.header("openai-processing-ms").empty());
    CHECK(reply.body().starts_with(comment));
    CHECK(without_comments(reply.body()) == events);
    const auto& record = stage.record();
    CHECK(record.outcome == RequestOutcome::ok);
    CHECK(record.status == 200);
    CHECK(record.upstream_name == "first");
    CHECK(record.response == "hello");
    // The connection goes on.
    client->send(get_request("/healthz"));
    stage.run_until([&] { return client->replies().size() == 2; });
}

TEST_CASE("a stream that falls silent between two events gets comments, and none inside of one")
{
    const auto events = chat_events("hello");
    const std::string half = events[1].substr(0, events[1].size() / 2);
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers) + chunk(events[0])),
                  step::hold("half"), step::send(chunk(half)), step::hold("rest"),
                  step::send(chunk(events[1].substr(half.size())) +
                             chunk(joined({events.begin() + 2, events.end()})) + std::string{last_chunk}),
                  step::again()}},
                with_comments()};
    const auto client = waiting_client(stage);
    stage.first().release("half");
    stage.run_until([&] { return client->body_so_far().ends_with(half); });
    const auto before = client->body_so_far();
    const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds{200};
    stage.run_until([&] { return std::chrono::steady_clock::now() > later; });  // time for several comments
    CHECK(client->body_so_far() == before);
    stage.first().release("rest");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(without_comments(client->replies()[0].body()) == joined(events));
    CHECK(stage.record().response == "hello");
}

TEST_CASE("when all fail a client that got comments gets an error event and no clean end")
{
    struct Case
    {
        std::string path;
        std::string event;
    };
    const auto asked = GENERATE(values<Case>({
        {"/v1/chat/completions",
         R"(data: {"error":{"message":"status 500: no","type":"server_error","param":null,"code":"upstream_error"}})"},
        {"/v1/messages",
         "event: error\ndata: "
         R"({"type":"error","error":{"type":"api_error","message":"status 500: no","code":"upstream_error"}})"},
        {"/v1/responses",
         "event: error\ndata: "
         R"({"type":"error","sequence_number":0,"code":"upstream_error","message":"status 500: no","param":null})"},
    }));
    CAPTURE(asked.path);
    Stage stage{{{step::read_request(), step::hold("fail"),
                  step::send(reply_text(500, json_headers, upstream_error("no"))), step::wait_for_close()}},
                with_comments()};
    const auto client = waiting_client(stage, ask_api(asked.path));
    stage.first().release("fail");
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK(without_comments(client->replies()[0].body()) == asked.event + "\n\n");
    CHECK_FALSE(client->replies()[0].whole);
    const auto& record = stage.record();
    CHECK(record.status == 200);
    CHECK(record.outcome == RequestOutcome::upstream_error);
    CHECK(record.error == "status 500: no");
    CHECK(record.upstream_name == "first");
}

TEST_CASE("an error of the router's own is told as an event, too")
{
    Stage stage{{{step::read_request(), step::hold("fail"), step::reset()}}, with_comments()};
    const auto client = waiting_client(stage);
    stage.first().release("fail");
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK_FALSE(client->replies()[0].whole);
    CHECK_THAT(client->replies()[0].body(), ContainsSubstring(R"("code":"upstream_error"}})") &&
                                                ContainsSubstring("every upstream failed: first: "));
    CHECK(stage.record().status == 200);
    CHECK(stage.record().outcome == RequestOutcome::upstream_error);
}

TEST_CASE("once a client got comments only a stream is an answer")
{
    struct Case
    {
        std::string name;
        std::string reply;
    };
    const auto useless = GENERATE(values<Case>({
        {"JSON", reply_text(200, json_headers, chat_reply("never"))},
        {"a compressed stream", reply_head(200, {{"Content-Type", "text/event-stream"},
                                                 {"Content-Encoding", "compress"},
                                                 {"Content-Length", "4"}}) +
                                    "\x1f\x9d\x90\x10"},
        {"nothing", reply_head(204, {})},
    }));
    CAPTURE(useless.name);
    Stage stage{
        {{step::read_request(), step::hold("answer"), step::send(useless.reply), step::wait_for_close()},
         script::sse(chat_events("hello"))},
        with_comments()};
    const auto client = waiting_client(stage);
    stage.first().release("answer");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(without_comments(client->replies()[0].body()) == joined(chat_events("hello")));
    REQUIRE(stage.record().attempts.size() == 2);
    CHECK(stage.record().attempts[0].outcome == AttemptOutcome::not_a_stream);
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("a stream that is held until it is whole keeps its client alive meanwhile")
{
    auto settings = with_comments();
    settings.failover.commit = Commit::complete;
    const auto events = chat_events("hello");
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers) + chunk(events[0])),
                  step::hold("cut"), step::half_close(), step::wait_for_close()},
                 script::sse(events)},
                settings};
    const auto client = waiting_client(stage);
    CHECK(without_comments(client->body_so_far()).empty());
    stage.first().release("cut");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(without_comments(client->replies()[0].body()) == joined(events));
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::cut);
}

TEST_CASE("comments are for streams that were asked for, and nobody else")
{
    const auto request = GENERATE(chat_request(), get_request("/v1/files"));
    auto settings = with_comments();
    settings.failover.keep_alive = Seconds{0.01};
    Stage stage{{{step::read_request(), step::pause(std::chrono::milliseconds{100}),
                  step::send(reply_text(200, json_headers, chat_reply("hello"))), step::again()}},
                settings};
    const Reply reply = stage.ask(request);
    CHECK(reply.body() == chat_reply("hello"));
    CHECK(reply.header("x-route-upstream") == "first");
}

TEST_CASE("a client that leaves after a comment cancels the attempt")
{
    Stage stage{{script::silence(), script::chat_reply("never")}, with_comments()};
    const auto client = waiting_client(stage);
    client->close();
    stage.run_until([&] { return stage.first().closed_by_peer(); });
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    CHECK(stage.record().status == 499);
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("a client that reads nothing loses no byte of comments or stream")
{
    auto settings = with_comments();
    settings.failover.keep_alive = Seconds{0.001};
    const std::string event = chat_event(std::string(64u << 10, 'x'));
    Stage stage{{{step::read_request(), step::hold("answer"),
                  step::send(reply_head(200, chunked_sse_headers)), step::send_repeated(chunk(event), 20),
                  step::send(chunk(std::string{done_event}) + std::string{last_chunk}), step::again()}},
                settings};
    const auto client = stage.connect(64 << 10);
    client->send(stream_request());
    stage.run_until([&] { return has_comment(*client); });
    client->pause_reading();
    stage.first().release("answer");
    const auto sent = stage.first().sent_bytes();
    stage.run_until([&] { return stage.first().sent_bytes() > sent + event.size(); });
    client->resume_reading();
    stage.run_until([&] { return client->replies().size() == 1; });
    std::string expected;
    for (int i = 0; i < 20; ++i)
        expected += event;
    CHECK(without_comments(client->replies()[0].body()) == expected + std::string{done_event});
}

TEST_CASE("an HTTP/1.0 client gets comments, and its connection ends with the stream")
{
    auto request = stream_request();
    request.replace(request.find("HTTP/1.1"), 8, "HTTP/1.0");
    Stage stage{{{step::read_request(), step::hold("answer"),
                  step::send(chunked_reply(200, sse_headers, chat_events("hello"))), step::again()}},
                with_comments()};
    const auto client = waiting_client(stage, request);
    stage.first().release("answer");
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK(without_comments(client->replies()[0].body()) == joined(chat_events("hello")));
}

}  // namespace route::test
