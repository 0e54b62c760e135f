#include <optional>
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
    struct Case
    {
        std::string name;
        std::vector<Script> scripts;
        std::string code;
        RequestOutcome outcome;
        std::optional<std::size_t> silent = {};  ///< the upstream that is not waited for long
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
         RequestOutcome::timeout,
         1},
        {"a timeout first",
         {script::silence(), script::reset_after_request()},
         "upstream_error",
         upstream_error_outcome,
         0},
        {"an error event",
         {script::error_event_first("event: error\ndata: {}\n\n"), script::empty_stream()},
         "upstream_error",
         upstream_error_outcome},
    }));
    CAPTURE(failure.name);
    Stage stage{failure.scripts};
    if (failure.silent)
        stage.change([&](auto& definitions) { definitions[*failure.silent].timeout = Seconds{0.05}; });
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

TEST_CASE("the error of an attempt holds the upstream's own words")
{
    struct Case
    {
        unsigned status;
        Headers headers;
        std::string body;
        std::string error;
    };
    const Headers text{{"Content-Type", "text/plain"}};
    const auto failure = GENERATE_COPY(values<Case>({
        {401, json_headers, upstream_error("Incorrect API key provided"),
         "status 401: Incorrect API key provided"},
        {403, json_headers, R"({"detail":"no access"})", "status 403: no access"},
        {429, json_headers, upstream_error("Rate limit reached"), "status 429: Rate limit reached"},
        {500, text, "it\r\n broke\x1b[1m", "status 500: it broke [1m"},
        {500, json_headers, "", "status 500"},
        {502, {{"Content-Type", "application/octet-stream"}}, "bytes", "status 502"},
        {401, text, std::string(198, 'x') + "äö", "status 401: " + std::string(198, 'x') + "ä"},
        {401, text, std::string(199, 'x') + "ä", "status 401: " + std::string(199, 'x')},
    }));
    Stage stage{{script::reply(failure.status, failure.headers, failure.body), script::chat_reply("hello")}};
    CHECK(stage.ask(chat_request()).status() == 200);
    CHECK(stage.record().attempts.at(0).error == failure.error);
}

TEST_CASE("the words of a reply that is not relayed are waited for shortly, its connection is used again")
{
    const std::string head = reply_head(401, {{"Content-Type", "text/plain"}, {"Content-Length", "9"}});
    SECTION("they never end")
    {
        Stage stage{{script::raw_then_silence(head + "bad"), script::chat_reply("hello")}};
        CHECK(stage.ask(chat_request()).status() == 200);
        CHECK(stage.record().attempts.at(0).error == "status 401: bad");
        CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::status);
        stage.run_until([&] { return stage.first().closed_by_peer(); });
    }
    SECTION("they come behind the head")
    {
        Stage stage{{Script{step::read_request(), step::send_byte_by_byte(head + "bad key !"), step::again()},
                     script::chat_reply("hello")}};
        CHECK(stage.ask(chat_request()).status() == 200);
        CHECK(stage.record(0).attempts.at(0).error == "status 401: bad key !");
        CHECK(stage.ask(chat_request()).status() == 200);
        CHECK(stage.record(1).attempts.at(0).error == "status 401: bad key !");
        CHECK(stage.first().connections() == 1);
    }
    SECTION("a long one is read in part")
    {
        const std::string body(1u << 20, 'x');
        Stage stage{{script::reply(401, json_headers, body), script::chat_reply("hello")}};
        CHECK(stage.ask(chat_request()).status() == 200);
        CHECK(stage.record().attempts.at(0).error == "status 401: " + std::string(200, 'x'));
    }
    SECTION("failover.total has passed")
    {
        auto settings = patient_settings();
        settings.failover.total = Seconds{0.05};
        Stage stage{{script::raw_then_silence(reply_head(500, {{"Content-Length", "9"}}) + "slow")},
                    settings};
        CHECK(stage.ask(chat_request()).status() == 502);
        CHECK(stage.record().attempts.at(0).elapsed_time < std::chrono::milliseconds{1900});
    }
}

}  // namespace route::test
