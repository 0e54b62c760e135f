#include <optional>
#include <string>

#include "tests/net/stage.hpp"
#include "tests/support/scripted_names.hpp"

// Every way in which the first upstream can fail before commit: the second one answers, at once.

namespace route::test {

namespace {

struct Failure
{
    std::string name;
    Script script;
    std::optional<AttemptOutcome> outcome;  ///< none: settled elsewhere
    std::optional<unsigned> status;
    bool stream = false;
    bool closed = true;  ///< the router, not the script, is who closes the connection
};

void check_second_answers(Stage& stage, const Failure& failure)
{
    CAPTURE(failure.name);
    const Reply reply = stage.ask(chat_request("gpt-4o", failure.stream));
    CHECK(reply.status() == 200);
    CHECK(reply.whole);
    CHECK(reply.body() == (failure.stream ? joined(chat_events("hello")) : chat_reply("hello")));
    CHECK(reply.header("x-route-upstream") == "second");
    CHECK(reply.header("x-route-attempts") == "2");

    const Record& record = stage.record();
    CHECK(record.outcome == RequestOutcome::ok);
    CHECK(record.status == 200);
    CHECK(record.error.empty());
    CHECK(record.upstream_name == "second");
    CHECK(record.upstream_id == 2);
    CHECK(record.response == "hello");
    REQUIRE(record.attempts.size() == 2);
    CHECK(record.attempts[1].upstream_name == "second");
    CHECK(record.attempts[1].number == 2);
    CHECK(record.attempts[1].outcome == AttemptOutcome::ok);
    CHECK(record.attempts[1].status == 200u);

    const AttemptRecord& attempt = record.attempts[0];
    CAPTURE(attempt.error);
    CHECK(attempt.number == 1);
    CHECK(attempt.upstream_id == 1);
    CHECK(attempt.status == failure.status);
    CHECK_FALSE(attempt.error.empty());
    CHECK(attempt.error.find("sk-upstream") == std::string::npos);
    CHECK(attempt.error.find("://") == std::string::npos);
    if (failure.outcome) {
        CHECK(to_string(attempt.outcome) == to_string(*failure.outcome));
    } else {
        CHECK(attempt.outcome != AttemptOutcome::ok);
    }
}

void check_fails_over(const Failure& failure)
{
    Stage stage{
        {failure.script, failure.stream ? script::sse(chat_events("hello")) : script::chat_reply("hello")}};
    check_second_answers(stage, failure);
    if (failure.closed) {
        stage.run_until([&] { return stage.first().closed_by_peer(); });
    }
    CHECK(stage.first().connections() == 1);
    CHECK(stage.second().requests().size() == 1);
}

/// A whole answer whose status is a failure.
Failure status_failure(unsigned status, const Headers& headers = json_headers)
{
    return {"status " + std::to_string(status),
            script::reply(status, headers, upstream_error("no")),
            AttemptOutcome::status,
            status,
            false,
            false};
}

}  // namespace

TEST_CASE("a connection that breaks or talks nonsense before commit fails over")
{
    const std::string two_lengths = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc";
    const std::string both_framings =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    const std::string bad_chunk =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n";
    const std::string asked_nobody =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    const auto cut = AttemptOutcome::cut;
    const auto failure = GENERATE_COPY(values<Failure>({
        {"reset before a byte was read", script::reset_at_once(), cut, {}, false, false},
        {"reset after the request", script::reset_after_request(), cut, {}, false, false},
        {"closed after the request", script::close_after_request(), cut, {}, false, false},
        {"half closed after the request", script::raw_then_half_close(""), cut, {}},
        {"half a head", script::half_head(), cut, {}},
        {"half a chunk", script::half_chunk(), cut, 200},
        {"no last chunk",
         script::raw_then_half_close(
             reply_head(200, {{"Transfer-Encoding", "chunked"}, {"Content-Type", "application/json"}}) +
             chunk("{}")),
         cut, 200},
        {"less body than its length", script::wrong_length(), cut, 200},
        {"JSON reset in the middle",
         script::raw_then_reset(
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"),
         cut, 200, false, false},
        {"not HTTP", script::garbage(), cut, {}},
        {"a greeting of another protocol", script::raw_then_silence("220 smtp.test ESMTP\r\n"), cut, {}},
        {"an alert of TLS", script::raw_then_silence("\x15\x03\x01"), cut, {}},
        {"lines that end in LF",
         script::raw_then_silence("HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"),
         cut,
         {}},
        {"status 000", script::raw_then_silence("HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\n{}"), cut, {}},
        {"status 099", script::raw_then_silence("HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\n{}"), cut, {}},
        {"two lengths", script::raw_then_silence(two_lengths), cut, 200},
        {"length and chunks", script::raw_then_silence(both_framings), cut, 200},
        {"a bad chunk", script::raw_then_silence(bad_chunk), cut, 200},
        {"17 interim replies", script::flood_1xx(17), cut, 103},
        {"101 nobody asked for", script::raw_then_silence(asked_nobody), {}, 101},
    }));
    check_fails_over(failure);
}

TEST_CASE("a stream without a first data event fails over")
{
    const auto cut = AttemptOutcome::cut;
    const auto empty = AttemptOutcome::empty;
    const auto error = AttemptOutcome::error_event;
    const std::string close_delimited = reply_head(200, sse_headers);
    const auto failure = GENERATE_COPY(values<Failure>({
        {"empty", script::empty_stream(), empty, 200, true, false},
        {"comments only", script::comments_only(), empty, 200, true, false},
        {"[DONE] alone", script::done_only(), empty, 200, true, false},
        {"unframed and empty", script::raw_then_half_close(close_delimited), empty, 200, true},
        {"length 0", script::raw(reply_text(200, sse_headers, "")), empty, 200, true, false},
        {"event: error", script::error_event_first("event: error\ndata: {\"message\":\"busy\"}\n\n"), error,
         200, true},
        {"type error",
         script::error_event_first(data_event(R"({"type":"error","error":{"type":"overloaded_error"}})")),
         error, 200, true},
        {"error member", script::error_event_first(data_event(R"({"error":{"message":"busy"}})")), error, 200,
         true},
        {"cut inside the first event", script::cut_before_first_event(), cut, 200, true},
        {"reset before the first event", script::raw_then_reset(reply_head(200, chunked_sse_headers)), cut,
         200, true, false},
        {"head only, then half closed", script::raw_then_half_close(reply_head(200, chunked_sse_headers)),
         cut, 200, true},
    }));
    check_fails_over(failure);
}

TEST_CASE("every status but 2xx and 304 fails over")
{
    const auto status = GENERATE(300u, 301u, 302u, 303u, 307u, 308u, 400u, 401u, 402u, 403u, 404u, 405u, 408u,
                                 409u, 413u, 422u, 429u, 499u, 500u, 501u, 502u, 503u, 504u, 529u);
    const Failure failure = status_failure(status);
    check_fails_over(failure);
}

TEST_CASE("a failed attempt says its status in words")
{
    Stage stage{{script::reply(429, json_headers, upstream_error("slow down")), script::chat_reply("hello")}};
    stage.ask(chat_request());
    CHECK_THAT(stage.record().attempts.at(0).error, ContainsSubstring("429"));
}

TEST_CASE("redirects are not followed")
{
    Stage stage{{script::silence(), script::chat_reply("hello"), script::chat_reply("never")}};
    const std::string third =
        "http://127.0.0.1:" + std::to_string(stage.upstream(2).port()) + "/v1/chat/completions";
    stage.first().play(script::reply(307, {{"Location", third}}, ""));
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "second");
    CHECK(stage.upstream(2).connections() == 0);
}

TEST_CASE("a refused connection fails over")
{
    Stage stage{{script::chat_reply("hello")}};
    const RefusingPort refusing{stage.io()};
    stage.put_first(refusing.port());
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.body() == chat_reply("hello"));
    CHECK(reply.header("x-route-attempts") == "2");
    const auto& attempt = stage.record().attempts.at(0);
    CHECK(attempt.upstream_name == "before");
    CHECK(attempt.outcome == AttemptOutcome::connect);
    CHECK_FALSE(attempt.status);
    CHECK_THAT(attempt.error, ContainsSubstring("refused"));
}

TEST_CASE("a name that does not resolve fails over")
{
    const auto look_up = [](const std::string& host) {
        return host == "no-such-host.invalid" ? not_found() : found(host);
    };
    Stage stage{{script::silence(), script::chat_reply("hello")}, patient_settings(), look_up};
    stage.change([](auto& definitions) { definitions[0].endpoint = "http://no-such-host.invalid/v1"; });
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::connect);
}

TEST_CASE("up to 16 interim replies are dropped")
{
    Stage stage{{script::flood_1xx(16), script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].body() == chat_reply("after 1xx"));
    CHECK(client->interim_replies().empty());
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("interim replies that come while a large request is being sent are dropped, however many at once")
{
    const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    const std::string body = R"({"model":"gpt-4o","input":")" + std::string(24u << 20, 'x') + R"("})";
    Stage stage{{{step::read_some(1000), step::send(interim + interim + interim), step::hold("heard"),
                  step::read_request(), step::send(reply_text(200, json_headers, chat_reply("hello")))},
                 script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send("POST /v1/chat/completions HTTP/1.1\r\nHost: router\r\n" + bearer() +
                 "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                 "\r\n\r\n" + body);
    stage.run_until([&] { return stage.first().reached("heard"); });
    stage.settle();
    stage.first().release("heard");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].body() == chat_reply("hello"));
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("2xx and 304 succeed")
{
    const auto status = GENERATE(200u, 201u, 202u, 204u, 206u, 226u, 299u, 304u);
    const bool has_body = status != 204 && status != 304;
    const Script answer = has_body ? script::reply(status, json_headers, "{}")
                                   : script::raw(reply_head(status, {{"ETag", "\"1\""}}));
    Stage stage{{answer, script::chat_reply("never")}};
    const Reply reply = stage.ask(get_request("/v1/files", "If-None-Match: \"1\"\r\n"));
    CHECK(reply.status() == status);
    CHECK(reply.whole);
    CHECK(reply.header("x-route-attempts") == "1");
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.record().status == status);
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("each attempt sends the same request, with nothing of the failed one in it")
{
    Stage stage{
        {script::reply(500, {{"Set-Cookie", "a=b"}, {"X-Request-Id", "one"}, {"Retry-After", "7"}}, "no"),
         script::reset_after_request(), script::chat_reply("hello")}};
    const Reply reply = stage.ask(chat_request("gpt-4o", false, "test-key", "X-Custom: 1\r\n"));
    CHECK(reply.header("x-route-upstream") == "third");
    CHECK(reply.header("x-route-attempts") == "3");
    CHECK_FALSE(reply.has("retry-after"));
    CHECK_FALSE(reply.has("x-upstream-request-id"));
    for (std::size_t index = 0; index < 3; ++index) {
        const auto& request = stage.upstream(index).requests().at(0);
        CHECK(request.body() == chat_body());
        CHECK(request.header("x-custom") == "1");
        CHECK(request.header("authorization") == "Bearer sk-upstream-" + std::to_string(index + 1));
    }
}

TEST_CASE("an upstream that answers before it has read the request is heard")
{
    const Script early{step::read_head(),
                       step::send(reply_text(413, json_headers, upstream_error("too much"))),
                       step::half_close(), step::wait_for_close()};
    Stage stage{{early, script::chat_reply("hello")}};
    const std::string body(4 << 20, ' ');
    const Reply reply = stage.ask(request_text("POST", "/v1/files", bearer(), body));
    CHECK(reply.status() == 200);
    CHECK(stage.record().attempts.at(0).status == 413u);
    CHECK(stage.second().requests().at(0).body() == body);
}

TEST_CASE("a JSON reply to a request that asked for a stream is relayed as JSON")
{
    Stage stage{{script::chat_reply("hello")}};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.body() == chat_reply("hello"));
    CHECK(reply.header("content-type") == "application/json");
    CHECK(stage.record().stream);
    CHECK(stage.record().response == "hello");
    CHECK(stage.record().total_tokens == 7);
}

}  // namespace route::test
