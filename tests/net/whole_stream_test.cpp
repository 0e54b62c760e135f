#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// With commit = "complete" a stream is sent once it is whole: one that breaks in the middle fails over, too.

namespace route::test {

namespace {

Settings whole_streams()
{
    Settings settings = patient_settings();
    settings.failover.commit = Commit::complete;
    return settings;
}

std::string head_and(const std::string& events)
{
    return reply_head(200, chunked_sse_headers) + chunk(events);
}

std::string asking_for(const std::string& commit)
{
    return request_text("POST", "/v1/chat/completions",
                        bearer() + "Content-Type: application/json\r\nx-route-commit: " + commit + "\r\n",
                        R"({"model":"gpt-4o","stream":true})");
}

const std::string content = chat_event("half of");

}  // namespace

TEST_CASE("a stream that is no whole answer fails over whole")
{
    struct Case
    {
        std::string name;
        Script script;
        AttemptOutcome outcome;
        std::string error;
    };
    const std::string broken = data_event(R"({"choices":[{"index":0,"delta":{"content":"x)");
    const auto failure = GENERATE_COPY(values<Case>({
        {"cut", script::raw_then_close(head_and(content)), AttemptOutcome::cut,
         "closed in the middle of the reply"},
        {"reset", script::raw_then_reset(head_and(content)), AttemptOutcome::cut, "connection reset by peer"},
        {"a clean end without its end", script::raw(head_and(content) + std::string{last_chunk}),
         AttemptOutcome::cut, "closed in the middle of the reply"},
        {"an error behind the content",
         script::raw_then_silence(head_and(content + data_event(R"({"error":{"message":"overloaded"}})"))),
         AttemptOutcome::error_event, "error event: overloaded"},
        {"an event that is no JSON",
         script::raw_then_silence(head_and(content + broken + std::string{done_event})), AttemptOutcome::cut,
         "bad reply: an event is not JSON"},
        {"a bad chunk", script::raw_then_silence(head_and(content) + "nonsense\r\n"), AttemptOutcome::cut,
         ""},
    }));
    CAPTURE(failure.name);
    Stage stage{{failure.script, script::sse(chat_events("hello"))}, whole_streams()};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.body() == joined(chat_events("hello")));
    CHECK(reply.whole);
    CHECK(reply.header("x-route-upstream") == "second");
    REQUIRE(stage.record().attempts.size() == 2);
    CHECK(stage.record().attempts[0].outcome == failure.outcome);
    if (!failure.error.empty())
        CHECK(stage.record().attempts[0].error == failure.error);
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.record().response == "hello");
}

TEST_CASE("a stream that stalls in the middle fails over when idle has passed")
{
    auto settings = whole_streams();
    settings.timeouts.idle = Seconds{0.5};
    Stage stage{{script::raw_then_silence(head_and(content)), script::sse(chat_events("hello"))}, settings};
    CHECK(stage.ask(stream_request()).body() == joined(chat_events("hello")));
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::timeout);
}

TEST_CASE("nothing of a stream is sent before its end, and then all of it")
{
    const auto by_header = GENERATE(false, true);
    CAPTURE(by_header);
    auto settings = by_header ? patient_settings() : whole_streams();
    settings.failover.commit_after = Seconds{0.01};  // does not count for it
    const auto events = chat_events("hello");
    const auto last = GENERATE_COPY(range<std::size_t>(0, events.size()));
    std::vector<std::string> before{events.begin(), events.begin() + static_cast<std::ptrdiff_t>(last)};
    std::vector<std::string> after{events.begin() + static_cast<std::ptrdiff_t>(last), events.end()};
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers)),
                  step::send(before.empty() ? "" : chunk(joined(before))), step::hold("rest"),
                  step::send(chunk(joined(after)) + std::string{last_chunk}), step::again()},
                 script::chat_reply("never")},
                settings};
    const auto client = stage.connect();
    client->send(by_header ? asking_for("complete") : stream_request());
    stage.run_until([&] { return stage.first().reached("rest"); });
    stage.settle();
    CHECK(client->received().empty());
    stage.first().release("rest");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].body() == joined(events));
    CHECK(stage.first().requests().at(0).header("x-route-commit").empty());
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("a whole stream is sent whatever its connection does behind its end")
{
    const auto events = joined(chat_events("hello"));
    Stage stage{{{step::read_request(), step::send(head_and(events)), step::hold("reset"), step::reset()},
                 script::chat_reply("never")},
                whole_streams()};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->body_so_far() == events; });
    stage.first().release("reset");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].whole);
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("a client that leaves before the end was sent to it had no whole stream")
{
    // More than the kernel takes at once for a client that does not read.
    const std::string event = chat_event(std::string(64u << 10, 'x'));
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers)),
                  step::send_repeated(chunk(event), 300), step::send(chunk(std::string{done_event})),
                  step::hold("sent"), step::wait_for_close()},
                 script::chat_reply("never")},
                whole_streams()};
    const auto client = stage.connect(64 << 10);
    client->pause_reading();
    client->send(stream_request());
    stage.run_until([&] { return stage.first().reached("sent"); });
    stage.settle();
    client->close();
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    CHECK(stage.record().status == 499);
}

TEST_CASE("an event that is too long to be kept is part of a whole stream")
{
    const auto events = chat_event(std::string(2u << 20, 'x')) + joined(chat_events("hello"));
    Stage stage{{script::sse({events}), script::chat_reply("never")}, whole_streams()};
    CHECK(stage.ask(stream_request()).body() == events);
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("a request may ask for its stream as it comes, and for nothing else")
{
    SECTION("as it comes")
    {
        Stage stage{{{step::read_request(), step::send(head_and(content)), step::hold("rest"),
                      step::send(chunk(std::string{done_event}) + std::string{last_chunk}), step::again()},
                     script::chat_reply("never")},
                    whole_streams()};
        const auto client = stage.connect();
        client->send(asking_for("content"));
        stage.run_until([&] { return client->body_so_far() == content; });
        stage.first().release("rest");
        stage.run_until([&] { return client->replies().size() == 1; });
    }
    SECTION("a word that says nothing")
    {
        Stage stage{{script::chat_reply("never")}};
        const Reply reply = stage.ask(asking_for("whole"));
        CHECK(reply.status() == 400);
        CHECK(error_of(reply).message == "x-route-commit: expected content or complete");
        CHECK(stage.first().connections() == 0);
    }
}

TEST_CASE("of a stream that is too much to hold the beginning is sent before it is whole")
{
    auto settings = whole_streams();
    const auto by_memory = GENERATE(false, true);
    CAPTURE(by_memory);
    if (by_memory)
        settings.server.max_buffered = 1u << 20;
    const std::string event = chat_event(std::string(64u << 10, 'x'));
    const std::size_t events = by_memory ? 32 : 530;
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers)),
                  step::send_repeated(chunk(event), events), step::hold("rest"),
                  step::send(chunk(std::string{done_event}) + std::string{last_chunk}), step::again()},
                 script::chat_reply("never")},
                settings};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->body_so_far().size() == events * event.size(); });
    stage.first().release("rest");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("replies that are no streams are committed as ever")
{
    Stage stage{{script::chat_reply("hello")}, whole_streams()};
    CHECK(stage.ask(stream_request()).body() == chat_reply("hello"));
}

}  // namespace route::test
