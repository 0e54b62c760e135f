#include "tests/net/stage.hpp"
#include "tests/support/compression.hpp"

// Keys that others quote reach neither records nor clients.

namespace route::test {

namespace {

const std::string bearer_secret = "bearer-secret-998877";
const std::string upstream_key = "sk-upstream-1";

bool holds(const Record& record, std::string_view secret)
{
    for (const auto* text : {&record.body, &record.response, &record.error, &record.path, &record.user_agent,
                             &record.client_request_id, &record.finish_reason})
        if (text->find(secret) != std::string::npos)
            return true;
    for (const auto& attempt : record.attempts)
        if (attempt.error.find(secret) != std::string::npos)
            return true;
    return record.model.value_or("").find(secret) != std::string::npos;
}

}  // namespace

TEST_CASE("each credential that comes is erased, whichever let the request in")
{
    const bool enabled = GENERATE(true, false);
    auto settings = patient_settings();
    settings.auth.enabled = enabled;
    const auto quoted = upstream_error("wrong key " + bearer_secret + ", or test-key");
    Stage stage{{script::reply(400, json_headers, quoted)}, settings};
    stage.change([](auto& definitions) { definitions[0].sk = "asis"; });
    const auto reply = stage.ask(chat_request("gpt-4o", false, bearer_secret, "x-api-key: test-key\r\n"));
    CHECK(reply.status() == 400);
    CHECK_FALSE(holds(stage.record(), bearer_secret));
    CHECK_FALSE(holds(stage.record(), "test-key"));
}

TEST_CASE("a key where a model should stand is erased")
{
    Stage stage{{script::chat_reply("hello")}};
    CHECK(stage.ask(chat_request("test-key")).status() == 200);
    CHECK(stage.record().model == "…");
    CHECK_FALSE(holds(stage.record(), "test-key"));
}

TEST_CASE("an error event that quotes the upstream's key tells no part of it, wherever it is cut")
{
    for (std::size_t before = 160; before <= 200; ++before) {
        const auto event =
            data_event(R"({"error":{"message":")" + std::string(before - 21, 'm') + upstream_key + R"("}})");
        Stage stage{{script::error_event_first(event)}};
        const auto reply = stage.ask(stream_request());
        CHECK(reply.status() == 200);
        CHECK(reply.body().find("sk-u") == std::string::npos);
        CHECK_FALSE(holds(stage.record(), "sk-u"));
    }
}

TEST_CASE("an error event that quotes the client's key tells no part of it, wherever it is cut")
{
    for (std::size_t before = 170; before <= 200; ++before) {
        const auto event =
            data_event(R"({"error":{"message":")" + std::string(before - 21, 'm') + "test-key" + R"("}})");
        Stage stage{{script::error_event_first(event)}};
        const auto reply = stage.ask(stream_request());
        CHECK(reply.status() == 200);
        CHECK_FALSE(holds(stage.record(), "test"));
    }
}

TEST_CASE("a key in a path that is not served, or in place of a method, is erased")
{
    Stage stage{{script::chat_reply("hello")}};
    CHECK(stage.ask(request_text("GET", "/test-key", bearer(), "")).status() == 404);
    CHECK(stage.record(0).path == "/…");
    CHECK(stage.record(0).authenticated);
    CHECK(stage.ask(request_text("test-key", "/v1/../x", bearer(), "")).status() == 400);
    CHECK(stage.record(1).method == "…");
    CHECK(stage.authenticated_records() == 2);
}

TEST_CASE("what is told of a cooldown has no key")
{
    auto settings = patient_settings();
    settings.failover.cooldown_after = 1;
    const auto event = data_event(R"({"error":{"message":"test-key, )" + upstream_key + R"("}})");
    Stage stage{{script::error_event_first(event)}, settings};
    std::vector<CooldownStart> starts;
    stage.router().services().on_cooldown = [&](const CooldownStart& start) { starts.push_back(start); };
    stage.ask(stream_request());
    REQUIRE(starts.size() == 1);
    CHECK(starts[0].outcome == AttemptOutcome::error_event);
    CHECK_THAT(starts[0].error, ContainsSubstring("…, …"));
}

TEST_CASE("a body that is cut within a key keeps no part of it")
{
    auto settings = patient_settings();
    for (std::uint64_t limit = 30; limit < 60; ++limit) {
        settings.records.max_request_body = limit;
        Stage stage{{script::chat_reply("hello")}, settings};
        const auto body = R"({"model":"gpt-4o","user":"my test-key is secret, and long is this text"})";
        stage.ask(request_text("POST", "/v1/chat/completions", bearer(), body));
        CHECK_FALSE(holds(stage.record(), "test-"));
    }
}

TEST_CASE("a relayed failure shows nobody the router's keys, in whatever form it quotes them")
{
    const std::string key = "sk-up/str+eam=1&";
    const Headers headers{{"Content-Type", "application/json"}, {"x-asked", "?key=sk-up%2Fstr%2Beam%3d1%26"}};
    Stage stage{
        {script::reply(400, headers,
                       R"({"error":{"message":"bad key sk-up\/str\u002Beam=1\u0026, sk-upstream-2"}})"),
         script::reset_after_request()}};
    stage.change([&](auto& definitions) { definitions[0].sk = key; });
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return client->replies().size() == 1; });
    const auto& reply = client->replies()[0];
    CHECK(reply.status() == 400);
    CHECK(reply.body() == R"({"error":{"message":"bad key …, …"}})");
    CHECK(reply.header("content-length") == std::to_string(reply.body().size()));
    CHECK(reply.header("x-asked") == "?key=…");
    CHECK(stage.record().error == "status 400: bad key …, …");
    CHECK(stage.record().response == reply.body());
    // The length was right: the connection goes on.
    client->send(chat_request());
    stage.run_until([&] { return client->replies().size() == 2; });
}

TEST_CASE(
    "a relayed failure that is encoded and quotes a key is decoded; one that cannot be read is not relayed")
{
    const auto body = GENERATE(values<std::string>({"wrong key sk-upstream-1", "wrong key, all the same"}));
    const auto gzip = compressed(Format::gzip, body);
    const Headers headers{{"Content-Type", "text/plain"}, {"Content-Encoding", "gzip"}};
    {
        Stage stage{{script::reply(400, headers, gzip)}};
        const auto reply = stage.ask(chat_request());
        const bool quotes = body.ends_with(upstream_key);
        CHECK(reply.status() == 400);
        CHECK(reply.body() == (quotes ? "wrong key …" : gzip));
        CHECK(reply.header("content-encoding") == (quotes ? "" : "gzip"));
        CHECK(stage.record().error == "status 400: " + (quotes ? "wrong key …" : body));
    }
    const Headers unreadable{{"Content-Type", "text/plain"}, {"Content-Encoding", "br"}};
    Stage stage{{script::reply(400, unreadable, gzip)}};
    CHECK(stage.ask(chat_request()).status() == 502);
    CHECK(stage.record().error == "every upstream failed: first: status 400");
}

TEST_CASE("a key in a form of its own is in no 502, record or line about a cooldown")
{
    auto settings = patient_settings();
    settings.failover.cooldown_after = 1;
    Stage stage{
        {script::reply(401, json_headers, R"({"error":{"message":"Incorrect key: sk-up\/str\u002beam."}})"),
         script::error_event_first(data_event(R"({"error":{"message":"no sk-up\/stream-2"}})")),
         script::empty_stream()},
        settings};
    stage.change([&](auto& definitions) {
        definitions[0].sk = "sk-up/str+eam";
        definitions[1].sk = "sk-up/stream-2";
    });
    std::vector<CooldownStart> starts;
    stage.router().services().on_cooldown = [&](const CooldownStart& start) { starts.push_back(start); };
    const auto reply = stage.ask(stream_request());
    const std::string said = R"(every upstream failed: first: status 401: Incorrect key: ….; )"
                             R"(second: error event: no …; third: stream ended with no event)";
    CHECK(error_of(reply).message == said);
    CHECK(stage.record().error == said);
    CHECK(stage.record().attempts.at(0).error == "status 401: Incorrect key: ….");
    REQUIRE(starts.size() == 3);
    CHECK(starts[0].error == "status 401: Incorrect key: ….");
    CHECK(starts[1].error == "error event: no …");
}

TEST_CASE("a model made of the client's key, however often, stops nobody and tells nothing")
{
    std::string model;
    while (model.size() < 2u << 20)
        model += "test-key";
    Stage stage{{script::chat_reply("hello")}};
    CHECK(stage.ask(chat_request(model)).status() == 200);
    CHECK(stage.first().requests().at(0).body().find(model) != std::string::npos);
    CHECK(stage.record().model->size() < 1024);
    CHECK_FALSE(holds(stage.record(), "test-key"));
}

TEST_CASE("a path made of the client's key, however often, tells nothing")
{
    std::string path = "/v1/";
    while (path.size() < 60'000)
        path += "wrong-key";
    Stage stage{{script::chat_reply("hello")}};
    CHECK(stage.ask(request_text("GET", path, bearer("wrong-key"), "")).status() == 403);
    CHECK_FALSE(holds(stage.record(), "wrong-key"));
}

}  // namespace route::test
