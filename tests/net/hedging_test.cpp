#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// When the first upstream takes its time the next one is asked beside it, and who is ready first is the
// client's.

namespace route::test {

namespace {

/// The second is asked at once; each test says itself who is ready when.
Settings hedged()
{
    Settings settings = patient_settings();
    settings.failover.hedge_after = Seconds{0.001};
    settings.failover.cooldown_after = 1;
    return settings;
}

/// Reads a request, and answers when the test lets it.
Script answers_at(const std::string& gate, const std::string& reply)
{
    return {step::read_request(), step::hold(gate), step::send(reply), step::again()};
}

std::string chat_of(std::string_view text)
{
    return reply_text(200, json_headers, chat_reply(text));
}

std::string stream_of(std::string_view text)
{
    return chunked_reply(200, sse_headers, chat_events(text));
}

/// Behind which its connection ends: that it was read is seen.
std::string error_of_upstream(std::string_view what)
{
    return reply_text(500, {{"Content-Type", "application/json"}, {"Connection", "close"}},
                      upstream_error(what));
}

/// A request at whose upstreams both wait.
std::unique_ptr<TestClient> both_asked(Stage& stage, const std::string& request = chat_request())
{
    auto client = stage.connect();
    client->send(request);
    stage.run_until(
        [&] { return stage.first().requests().size() == 1 && stage.second().requests().size() == 1; });
    return client;
}

const Reply& reply_to(Stage& stage, TestClient& client)
{
    stage.run_until([&] { return client.replies().size() == 1; });
    return client.replies()[0];
}

}  // namespace

TEST_CASE("of two upstreams the one that is ready first answers, and the other is cancelled")
{
    const auto winner = GENERATE(0u, 1u);
    const auto stream = GENERATE(false, true);
    CAPTURE(winner, stream);
    const auto reply = [&](std::string_view text) { return stream ? stream_of(text) : chat_of(text); };
    Stage stage{{answers_at("first", reply("one")), answers_at("second", reply("two"))}, hedged()};
    const auto client = both_asked(stage, chat_request("gpt-4o", stream));
    CHECK(stage.first().requests().at(0).body() == stage.second().requests().at(0).body());
    stage.upstream(winner).release(winner == 0 ? "first" : "second");
    const auto& answer = reply_to(stage, *client);
    const std::string text = winner == 0 ? "one" : "two";
    CHECK(answer.body() == (stream ? joined(chat_events(text)) : chat_reply(text)));
    CHECK(answer.header("x-route-upstream") == (winner == 0 ? "first" : "second"));
    CHECK(answer.header("x-route-attempts") == "2");
    stage.run_until([&] { return stage.upstream(1 - winner).closed_by_peer(); });

    const auto& record = stage.record();
    CHECK(tries_of(record) == (winner == 0 ? "second:superseded first:ok" : "first:superseded second:ok"));
    CHECK(record.attempts[0].number == (winner == 0 ? 2 : 1));
    CHECK(record.attempts[1].number == (winner == 0 ? 1 : 2));
    CHECK(record.attempts[0].error == "another upstream was ready first");
    CHECK(record.outcome == RequestOutcome::ok);
    CHECK(record.response == text);
    if (!stream)
        CHECK(record.completion_tokens == 2);
    CHECK(record.upstream_name == record.attempts[1].upstream_name);
    CHECK(record.hedged_upstream == "second");
    CHECK(record.hedge_won == (winner == 1));
    // Who was superseded is in no cooldown.
    stage.first().release("first");
    stage.second().release("second");
    stage.ask(chat_request());
    CHECK(stage.record(1).attempts.back().outcome == AttemptOutcome::ok);
}

TEST_CASE("a first that is ready in time stays the only one")
{
    auto settings = hedged();
    settings.failover.hedge_after = Seconds{600};
    Stage stage{{script::chat_reply("one"), script::chat_reply("never")}, settings};
    CHECK(stage.ask(chat_request()).body() == chat_reply("one"));
    CHECK(tries_of(stage.record()) == "first:ok");
    CHECK(stage.record().hedged_upstream.empty());
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("a stream that has begun, but has no content yet, is raced")
{
    const auto role = data_event(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})");
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers) + chunk(role)),
                  step::wait_for_close()},
                 {step::read_request(), step::send(stream_of("two")), step::wait_for_close()}},
                hedged()};
    CHECK(stage.ask(stream_request()).body() == joined(chat_events("two")));
    CHECK(tries_of(stage.record()) == "first:superseded second:ok");
    CHECK(stage.record().attempts[0].status == 200u);
}

TEST_CASE("what one that is superseded reported of its tokens is noted")
{
    const auto start =
        std::string{"event: message_start\ndata: "} +
        R"({"type":"message_start","message":{"usage":{"input_tokens":15,"output_tokens":1}}})" + "\n\n";
    const auto answer =
        reply_text(200, json_headers,
                   R"({"type":"message","role":"assistant","content":[{"type":"text","text":"two"}]})");
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers) + chunk(start)),
                  step::wait_for_close()},
                 answers_at("second", answer)},
                hedged()};
    const auto client = both_asked(
        stage, request_text("POST", "/v1/messages", bearer() + "Content-Type: application/json\r\n",
                            R"({"model":"claude","stream":true})"));
    stage.settle();
    stage.second().release("second");
    CHECK(reply_to(stage, *client).status() == 200);
    CHECK(stage.record().attempts.at(0).error ==
          "another upstream was ready first: it reported 15 prompt and 1 completion tokens");
    CHECK(stage.record().response == "two");
}

TEST_CASE("one of two that fails lets the other go on")
{
    const auto failing = GENERATE(0u, 1u);
    CAPTURE(failing);
    const auto error = error_of_upstream("no");
    Stage stage{{answers_at("first", failing == 0 ? error : chat_of("one")),
                 answers_at("second", failing == 1 ? error : chat_of("two")), script::chat_reply("never")},
                hedged()};
    const auto client = both_asked(stage);
    stage.upstream(failing).release(failing == 0 ? "first" : "second");
    stage.run_until([&] { return stage.upstream(failing).closed_by_peer(); });
    CHECK(client->received().empty());
    stage.upstream(1 - failing).release(failing == 0 ? "second" : "first");
    CHECK(reply_to(stage, *client).body() == chat_reply(failing == 0 ? "two" : "one"));
    CHECK(tries_of(stage.record()) == (failing == 0 ? "first:status second:ok" : "second:status first:ok"));
    CHECK(stage.upstream(2).connections() == 0);
}

TEST_CASE("a first that fails before the second was asked fails over as ever")
{
    auto settings = hedged();
    settings.failover.hedge_after = Seconds{600};
    Stage stage{{script::reset_after_request(), script::chat_reply("two")}, settings};
    CHECK(stage.ask(chat_request()).body() == chat_reply("two"));
    CHECK(tries_of(stage.record()) == "first:cut second:ok");
}

TEST_CASE("a status that is final has the last word while the other goes on")
{
    const auto final_one = GENERATE(0u, 1u);
    CAPTURE(final_one);
    auto settings = hedged();
    settings.failover.final_statuses = {404};
    const auto gone = reply_text(404, json_headers, upstream_error("gone"));
    Stage stage{{answers_at("first", gone), answers_at("second", gone), script::chat_reply("never")},
                settings};
    const auto client = both_asked(stage);
    stage.upstream(final_one).release(final_one == 0 ? "first" : "second");
    const auto& reply = reply_to(stage, *client);
    CHECK(reply.status() == 404);
    CHECK(reply.header("x-should-retry").empty());
    CHECK(tries_of(stage.record()) ==
          (final_one == 0 ? "second:superseded first:status" : "first:superseded second:status"));
    CHECK(stage.upstream(2).connections() == 0);
}

TEST_CASE("one that is superseded while it connects is not called unreachable")
{
    Stage stage{{script::chat_reply("two"), script::chat_reply("never")}, hedged()};
    const UnansweringPort unanswering{stage.io()};
    stage.put_first(unanswering.port());
    CHECK(stage.ask(chat_request()).body() == chat_reply("two"));
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::superseded);
    CHECK(stage.record().attempts.at(0).error == "another upstream was ready first");
}

TEST_CASE("a stream that is held until it is whole is not raced once its content has begun")
{
    auto settings = hedged();
    settings.failover.commit = Commit::complete;
    settings.failover.hedge_after = Seconds{0.2};
    const auto events = chat_events("one");
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers) + chunk(events[0])),
                  step::pause(std::chrono::milliseconds{500}),
                  step::send(chunk(joined({events.begin() + 1, events.end()})) + std::string{last_chunk}),
                  step::again()},
                 script::chat_reply("never")},
                settings};
    CHECK(stage.ask(stream_request()).body() == joined(events));
    CHECK(tries_of(stage.record()) == "first:ok");
}

TEST_CASE("a third is asked when both have failed")
{
    const auto first_fails_first = GENERATE(true, false);
    CAPTURE(first_fails_first);
    const std::size_t earlier = first_fails_first ? 0 : 1;
    SECTION("and answers")
    {
        Stage stage{{answers_at("first", error_of_upstream("1")),
                     answers_at("second", error_of_upstream("2")), script::chat_reply("three")},
                    hedged()};
        const auto client = both_asked(stage);
        stage.upstream(earlier).release(first_fails_first ? "first" : "second");
        stage.run_until([&] { return stage.upstream(earlier).closed_by_peer(); });
        CHECK(stage.upstream(2).connections() == 0);
        stage.upstream(first_fails_first ? 1 : 0).release(first_fails_first ? "second" : "first");
        CHECK(reply_to(stage, *client).body() == chat_reply("three"));
        CHECK(tries_of(stage.record()) == (first_fails_first ? "first:status second:status third:ok"
                                                             : "second:status first:status third:ok"));
    }
    SECTION("and there is none: the last reply is the client's")
    {
        Stage stage{
            {answers_at("first", error_of_upstream("1")), answers_at("second", error_of_upstream("2"))},
            hedged()};
        const auto client = both_asked(stage);
        stage.upstream(earlier).release(first_fails_first ? "first" : "second");
        stage.run_until([&] { return stage.upstream(earlier).closed_by_peer(); });
        stage.upstream(first_fails_first ? 1 : 0).release(first_fails_first ? "second" : "first");
        const auto& reply = reply_to(stage, *client);
        CHECK(reply.status() == 500);
        const auto last = upstream_error(first_fails_first ? "2" : "1");
        CHECK(reply.body() == last);
        CHECK(reply.header("x-should-retry") == "false");
        CHECK(stage.record().response == last);
        CHECK(tries_of(stage.record()) ==
              (first_fails_first ? "first:status second:status" : "second:status first:status"));
    }
}

TEST_CASE("a client that leaves ends both")
{
    const auto failed = GENERATE(false, true);
    CAPTURE(failed);
    Stage stage{{answers_at("first", error_of_upstream("no")), answers_at("second", chat_of("two")),
                 script::chat_reply("never")},
                hedged()};
    const auto client = both_asked(stage);
    if (failed) {
        stage.first().release("first");
        stage.run_until([&] { return stage.first().closed_by_peer(); });
    }
    client->close();
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    CHECK(tries_of(stage.record()) ==
          (failed ? "first:status second:client_closed" : "second:client_closed first:client_closed"));
    stage.run_until([&] { return stage.second().closed_by_peer(); });
    CHECK(stage.upstream(2).connections() == 0);
}

TEST_CASE("`total` ends both")
{
    auto settings = hedged();
    settings.failover.total = Seconds{2};
    Stage stage{{script::silence(), script::silence(), script::chat_reply("never")}, settings};
    const Reply reply = stage.ask(chat_request());
    CHECK(error_of(reply).code == "upstream_timeout");
    CHECK(tries_of(stage.record()) == "first:timeout second:timeout");
    CHECK(stage.upstream(2).connections() == 0);
}

TEST_CASE("two are asked at once no more than once a request, and only for what answers")
{
    SECTION("once")
    {
        Stage stage{{script::reset_after_request(), script::reset_after_request(), script::silence(),
                     script::chat_reply("never")},
                    hedged()};
        stage.first().play(answers_at("first", reply_text(500, json_headers, upstream_error("1"))));
        stage.second().play(answers_at("second", reply_text(500, json_headers, upstream_error("2"))));
        const auto client = both_asked(stage);
        stage.first().release("first");
        stage.second().release("second");
        stage.run_until([&] { return stage.upstream(2).requests().size() == 1; });
        stage.settle();
        CHECK(stage.upstream(3).connections() == 0);
    }
    SECTION("a file is made at one upstream")
    {
        Stage stage{{answers_at("first", reply_text(200, json_headers, R"({"id":"file-1"})")),
                     script::chat_reply("never")},
                    hedged()};
        const auto client = stage.connect();
        client->send(
            request_text("POST", "/v1/files", bearer() + "Content-Type: application/json\r\n", "{}"));
        stage.run_until([&] { return stage.first().reached("first"); });
        stage.settle();
        CHECK(stage.second().connections() == 0);
        stage.first().release("first");
        CHECK(reply_to(stage, *client).status() == 200);
    }
}

TEST_CASE("what both took at once is no time of the router itself")
{
    Stage stage{{answers_at("first", chat_of("one")),
                 {step::read_request(), step::pause(std::chrono::milliseconds{300}),
                  step::send(chat_of("two")), step::wait_for_close()}},
                hedged()};
    CHECK(stage.ask(chat_request()).body() == chat_reply("two"));
    const auto& record = stage.record();
    REQUIRE(record.overhead);
    CHECK(*record.overhead < record.elapsed_time - std::chrono::milliseconds{200});
}

}  // namespace route::test
