#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// After a failure that may pass the same upstream is tried again, and then the list of them; a status that is
// the client's to hear is relayed at once.

namespace route::test {

namespace {

Settings with_tries(int retries, int rounds = 1)
{
    Settings settings = patient_settings();
    settings.failover.retries = retries;
    settings.failover.rounds = rounds;
    settings.failover.retry_wait = Seconds{0.001};
    settings.failover.cooldown = Seconds{0};
    return settings;
}

Script refusing(unsigned status, Headers headers = json_headers)
{
    return script::reply(status, headers, upstream_error("no"));
}

/// Answers one request after the other on a connection.
Script in_turn(const std::vector<std::string>& replies)
{
    Script steps;
    for (const auto& reply : replies) {
        steps.push_back(step::read_request());
        steps.push_back(step::send(reply));
    }
    steps.push_back(step::wait_for_close());
    return steps;
}

std::string failure_text(unsigned status, Headers headers = json_headers)
{
    return reply_text(status, headers, upstream_error("no"));
}

std::string hello_text()
{
    return reply_text(200, json_headers, chat_reply("hello"));
}

}  // namespace

TEST_CASE("an upstream whose failure may pass is tried again before the next one")
{
    struct Case
    {
        std::string name;
        std::vector<Script> first;
        std::string tries;
    };
    const auto overloaded =
        reply_text(200, json_headers, R"({"error":{"type":"overloaded_error","message":"busy"}})");
    const auto no_quota =
        reply_text(200, json_headers, R"({"error":{"type":"insufficient_quota","message":"pay"}})");
    const auto tried = GENERATE_COPY(values<Case>({
        {"500 once", {in_turn({failure_text(500), hello_text()})}, "first:status first:ok"},
        {"500 twice",
         {in_turn({failure_text(500), failure_text(500), hello_text()})},
         "first:status first:status first:ok"},
        {"500 for ever", {refusing(500)}, "first:status first:status first:status second:ok"},
        {"reset once", {script::reset_after_request(), script::chat_reply("hello")}, "first:cut first:ok"},
        {"cut once", {script::wrong_length(), script::chat_reply("hello")}, "first:cut first:ok"},
        {"an error that may pass in a 200",
         {in_turn({overloaded, hello_text()})},
         "first:error_body first:ok"},
        {"one that stays", {in_turn({no_quota, hello_text()})}, "first:error_body second:ok"},
        {"400", {refusing(400)}, "first:status second:ok"},
        {"garbage", {script::garbage()}, "first:cut second:ok"},
        {"a wait that is short enough",
         {in_turn({failure_text(429, {{"retry-after-ms", "1"}}), hello_text()})},
         "first:status first:ok"},
        {"a wait that is too long", {refusing(429, {{"Retry-After", "1"}})}, "first:status second:ok"},
    }));
    CAPTURE(tried.name);
    Stage stage{{script::silence(), script::chat_reply("hello")}, with_tries(2)};
    stage.first().play(tried.first);
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.body() == chat_reply("hello"));
    CHECK(tries_of(stage.record()) == tried.tries);
    CHECK(reply.header("x-route-attempts") == std::to_string(stage.record().attempts.size()));
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("a timeout is not tried again")
{
    Stage stage{{script::silence(), script::chat_reply("hello")}, with_tries(2, 2)};
    stage.change([](auto& definitions) { definitions[0].timeout = Seconds{0.05}; });
    stage.ask(chat_request());
    CHECK(tries_of(stage.record()) == "first:timeout second:ok");
}

TEST_CASE("an answer without content is not tried again at the same upstream, but in the next round")
{
    const auto blank =
        reply_text(200, json_headers,
                   R"({"choices":[{"message":{"role":"assistant","content":""},"finish_reason":"stop"}]})");
    Stage stage{{in_turn({blank, hello_text()}), refusing(503)}, with_tries(1, 2)};
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    CHECK(tries_of(stage.record()) == "first:blank second:status second:status first:ok");
}

TEST_CASE("the list is gone through again when every failure of the round may pass")
{
    SECTION("they may")
    {
        Stage stage{{in_turn({failure_text(503), failure_text(503), hello_text()}), refusing(500)},
                    with_tries(0, 3)};
        CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
        CHECK(tries_of(stage.record()) == "first:status second:status first:status second:status first:ok");
    }
    SECTION("one stays")
    {
        Stage stage{{refusing(503), refusing(401)}, with_tries(0, 3)};
        CHECK(stage.ask(chat_request()).status() == 503);
        CHECK(tries_of(stage.record()) == "first:status second:status");
    }
    SECTION("and the last reply of all is the client's")
    {
        Stage stage{{refusing(503), refusing(500)}, with_tries(0, 2)};
        const Reply reply = stage.ask(chat_request());
        CHECK(reply.status() == 500);
        CHECK(reply.header("x-should-retry") == "false");
        CHECK(reply.header("x-route-attempts") == "4");
    }
}

TEST_CASE("a client that leaves while a further try is waited for ends its request")
{
    auto settings = with_tries(1);
    settings.failover.retry_wait = Seconds{600};
    Stage stage{
        {refusing(429, {{"Retry-After", "600"}, {"Connection", "close"}}), script::chat_reply("never")},
        settings};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().closed_by_peer(); });  // its reply has been read
    stage.settle();
    client->close();
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    CHECK(tries_of(stage.record()) == "first:status");
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("what the wait for a further try takes is no time of the router itself")
{
    auto settings = with_tries(1);
    settings.failover.retry_wait = Seconds{1};
    Stage stage{{in_turn({failure_text(429, {{"retry-after-ms", "300"}}), hello_text()})}, settings};
    CHECK(stage.ask(chat_request()).status() == 200);
    const auto& record = stage.record();
    CHECK(record.elapsed_time >= std::chrono::milliseconds{300});
    REQUIRE(record.overhead);
    CHECK(*record.overhead < record.elapsed_time - std::chrono::milliseconds{200});
}

TEST_CASE("further tries end with `total`")
{
    auto settings = with_tries(100);
    settings.failover.retry_wait = Seconds{600};
    settings.failover.total = Seconds{30};
    Stage stage{{refusing(429, {{"Retry-After", "60"}}), script::chat_reply("hello")}, settings};
    CHECK(stage.ask(chat_request()).status() == 200);
    CHECK(tries_of(stage.record()) == "first:status second:ok");
}

TEST_CASE("a status that is final is relayed at once")
{
    const auto status = GENERATE(401u, 404u, 429u, 500u);
    CAPTURE(status);
    auto settings = with_tries(2, 2);
    settings.failover.final_statuses = {401, 404, 429, 500};
    Stage stage{{refusing(status, {{"X-Detail", "1"}}), script::chat_reply("never")}, settings};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == status);
    CHECK(reply.body() == upstream_error("no"));
    CHECK(reply.header("x-detail") == "1");
    CHECK(reply.header("x-route-upstream") == "first");
    CHECK(reply.header("x-should-retry").empty());  // another may succeed
    CHECK(stage.second().connections() == 0);
    CHECK(stage.record().outcome == RequestOutcome::upstream_error);
    CHECK(stage.record().status == status);
}

TEST_CASE("a final status whose body breaks off does not make an earlier reply the last one")
{
    auto settings = patient_settings();
    settings.failover.final_statuses = {404};
    Stage stage{{refusing(500), script::raw_then_close(reply_head(404, {{"Content-Length", "9"}}) + "half"),
                 script::chat_reply("hello")},
                settings};
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
}

TEST_CASE("a final status whose body does not come whole is none")
{
    auto settings = patient_settings();
    settings.failover.final_statuses = {404};
    Stage stage{{script::raw_then_close(reply_head(404, {{"Content-Length", "9"}}) + "half"),
                 script::chat_reply("hello")},
                settings};
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    CHECK(tries_of(stage.record()) == "first:status second:ok");
}

}  // namespace route::test
