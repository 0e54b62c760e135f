#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// What a client gets when every upstream failed.

namespace route::test {

namespace {

Script failing(unsigned status, const std::string& message)
{
    return script::reply(status, json_headers, upstream_error(message));
}

/// A response whose body is one byte short.
Script incomplete(unsigned status)
{
    const std::string whole = reply_text(status, json_headers, upstream_error("incomplete"));
    return script::raw_then_half_close(whole.substr(0, whole.size() - 1));
}

struct Ending
{
    std::string name;
    std::vector<Script> scripts;
    unsigned status;       ///< of the relayed response
    std::string message;   ///< in its body
    std::string upstream;  ///< whose it is
};

}  // namespace

TEST_CASE("when all fail the client gets the last response any of them sent, as it was")
{
    const auto ending = GENERATE(values<Ending>({
        {"one of one", {failing(500, "one")}, 500, "one", "first"},
        {"the last of two", {failing(500, "one"), failing(404, "two")}, 404, "two", "second"},
        {"a reset is no response", {failing(503, "one"), script::reset_after_request()}, 503, "one", "first"},
        {"401 is left out", {failing(429, "one"), failing(401, "two")}, 429, "one", "first"},
        {"403 is left out", {failing(400, "one"), failing(403, "two")}, 400, "one", "first"},
        {"an incomplete one does not count", {failing(502, "one"), incomplete(500)}, 502, "one", "first"},
        {"a success cut short does not count",
         {failing(504, "one"), script::wrong_length()},
         504,
         "one",
         "first"},
        {"bad requests are answered by every upstream",
         {failing(400, "one"), failing(400, "two")},
         400,
         "two",
         "second"},
    }));
    CAPTURE(ending.name);
    Stage stage{ending.scripts};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == ending.status);
    CHECK(reply.whole);
    CHECK(reply.body() == upstream_error(ending.message));
    CHECK(reply.header("content-type") == "application/json");
    CHECK(reply.header("x-route-upstream") == ending.upstream);
    CHECK(reply.header("x-route-attempts") == std::to_string(ending.scripts.size()));
    CHECK(reply.header("access-control-allow-origin") == "*");

    const Record& record = stage.record();
    CHECK(record.status == ending.status);
    CHECK(record.outcome == RequestOutcome::upstream_error);
    CHECK(record.upstream_name == ending.upstream);
    CHECK_FALSE(record.error.empty());
    CHECK(record.attempts.size() == ending.scripts.size());
}

TEST_CASE("a relayed failure keeps its headers")
{
    Stage stage{{script::reply(
        429, {{"Retry-After", "3"}, {"x-ratelimit-remaining-requests", "0"}, {"Set-Cookie", "a=b"}},
        "slow")}};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.header("retry-after") == "3");
    CHECK(reply.header("x-ratelimit-remaining-requests") == "0");
    CHECK_FALSE(reply.has("set-cookie"));
    CHECK(reply.body() == "slow");
}

TEST_CASE("a redirect is relayed when nothing better comes")
{
    Stage stage{{script::reply(302, {{"Location", "https://elsewhere.test/"}}, "")}};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 302);
    CHECK(reply.header("location") == "https://elsewhere.test/");
}

TEST_CASE("a failed response without a length is whole when the connection ends cleanly")
{
    Stage stage{{script::raw_then_half_close(reply_head(500, {{"Connection", "close"}}) + "until the end"),
                 script::reset_after_request()}};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 500);
    CHECK(reply.body() == "until the end");
    CHECK(reply.whole);
}

TEST_CASE("a failed response to HEAD is relayed without a body")
{
    Stage stage{{script::raw(reply_head(404, {{"Content-Length", "1234"}}))}};
    const Reply reply = stage.ask_head(request_text("HEAD", "/v1/models/x", bearer()));
    CHECK(reply.status() == 404);
    CHECK(reply.header("content-length") == "1234");
}

TEST_CASE("when there is no response to relay the router answers 502 and names every attempt")
{
    Settings settings = patient_settings();
    settings.timeouts.default_ = Seconds{0.05};
    struct Case
    {
        std::string name;
        std::vector<Script> scripts;
        std::string code;
        RequestOutcome outcome;
    };
    const auto upstream_error_outcome = RequestOutcome::upstream_error;
    const auto failure = GENERATE_COPY(values<Case>({
        {"resets",
         {script::reset_after_request(), script::half_head()},
         "upstream_error",
         upstream_error_outcome},
        {"wrong keys", {failing(401, "key"), failing(403, "key")}, "upstream_error", upstream_error_outcome},
        {"incomplete", {incomplete(500), incomplete(400)}, "upstream_error", upstream_error_outcome},
        {"a timeout last",
         {script::reset_after_request(), script::silence()},
         "upstream_timeout",
         RequestOutcome::timeout},
        {"a timeout first",
         {script::silence(), script::reset_after_request()},
         "upstream_error",
         upstream_error_outcome},
        {"an error event",
         {script::error_event_first("event: error\ndata: {}\n\n"), script::empty_stream()},
         "upstream_error",
         upstream_error_outcome},
    }));
    CAPTURE(failure.name);
    Stage stage{failure.scripts, settings};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 502);
    CHECK(reply.header("x-should-retry") == "false");
    CHECK(reply.header("x-route-attempts") == "2");
    CHECK_FALSE(reply.header("x-request-id").empty());
    const ErrorText error = error_of(reply);
    CHECK(error.code == failure.code);
    CHECK_THAT(error.message, ContainsSubstring("first"));
    CHECK_THAT(error.message, ContainsSubstring("second"));
    CHECK(error.message.find("sk-upstream") == std::string::npos);
    CHECK(error.message.find("127.0.0.1") == std::string::npos);

    const Record& record = stage.record();
    CHECK(record.status == 502);
    CHECK(record.outcome == failure.outcome);
    CHECK(record.attempts.size() == 2);
    CHECK(record.upstream_name.empty());
    CHECK_FALSE(record.error.empty());
}

TEST_CASE("401 and 403 of an upstream with the client's own key are the client's")
{
    const auto status = GENERATE(401u, 403u);
    Stage stage{{failing(status, "your key")}};
    stage.change([](auto& definitions) { definitions[0].sk = "asis"; });
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == status);
    CHECK(reply.body() == upstream_error("your key"));
}

TEST_CASE("of a failed response no more than 1 MiB is read")
{
    const std::string big(1 << 20, 'x');
    SECTION("1 MiB is kept")
    {
        Stage stage{{script::reply(500, json_headers, big), script::reset_after_request()}};
        CHECK(stage.ask(chat_request()).body() == big);
    }
    SECTION("a byte more is no response")
    {
        Stage stage{{script::reply(500, json_headers, big + "x"), script::reset_after_request()}};
        CHECK(stage.ask(chat_request()).status() == 502);
        stage.run_until([&] { return stage.first().closed_by_peer(); });
    }
}

TEST_CASE("a failed response that does not end within 2 s is no response")
{
    Stage stage{{script::raw_then_silence(reply_head(500, {{"Content-Length", "9"}}) + "slow"),
                 script::chat_reply("hello")}};
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    stage.run_until([&] { return stage.first().closed_by_peer(); });
    const auto& attempt = stage.record().attempts.at(0);
    CHECK(attempt.outcome == AttemptOutcome::status);
    CHECK(attempt.elapsed_time < std::chrono::seconds{8});
}

}  // namespace route::test
