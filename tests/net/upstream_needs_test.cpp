#include <string>
#include <vector>

#include "tests/net/stage.hpp"
#include "tests/support/compression.hpp"

// What an upstream has of its own goes before what the client sends and what is set for all (SPEC 5, point
// 16).

namespace route::test {

namespace {

/// Changes the first upstream.
void let_first(Stage& stage, const std::function<void(UpstreamDefinition&)>& change)
{
    stage.change([&](std::vector<UpstreamDefinition>& upstreams) { change(upstreams.at(0)); });
}

std::string endpoint_at(Stage& stage, const std::string& rest)
{
    return "http://127.0.0.1:" + std::to_string(stage.first().port()) + rest;
}

std::string post(const std::string& target, const std::string& body, const std::string& headers = "")
{
    return "POST " + target + " HTTP/1.1\r\nHost: router\r\nAuthorization: Bearer test-key\r\n" + headers +
           "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}

}  // namespace

TEST_CASE("an upstream's headers are sent in place of the client's, and withheld where they are empty")
{
    Stage stage{{script::chat_reply("hello")}};
    let_first(stage, [](UpstreamDefinition& definition) {
        definition.headers = {{"X-Title", "ours"}, {"user-agent", ""}, {"X-Org-Token", "secret-of-the-org"}};
    });
    const auto reply =
        stage.ask(chat_request("gpt-4o", false, "test-key",
                               "x-title: theirs\r\nX-Title: again\r\nUser-Agent: curl\r\nX-Kept: 1\r\n"));
    CHECK(reply.status() == 200);
    const auto& sent = stage.first().requests().at(0);
    CHECK(sent.header("x-title") == "ours");
    CHECK(sent.message.count("x-title") == 1);
    CHECK_FALSE(sent.has("user-agent"));
    CHECK(sent.header("x-org-token") == "secret-of-the-org");
    CHECK(sent.header("x-kept") == "1");
    CHECK(sent.header("authorization") == "Bearer sk-upstream-1");
}

TEST_CASE("a secret header that an upstream quotes is in no record and not in what the client gets")
{
    Stage stage{{script::reply(400, json_headers, upstream_error("bad token secret-of-the-org"))}};
    let_first(stage, [](UpstreamDefinition& definition) {
        definition.headers = {{"X-Org-Token", "Basic secret-of-the-org"}};
    });
    const auto reply = stage.ask(chat_request());
    CHECK_THAT(reply.body(), ContainsSubstring("bad token …"));
    const auto& record = stage.record();
    CHECK_THAT(record.attempts.at(0).error, ContainsSubstring("bad token …"));
    CHECK(record.response.find("secret-of-the-org") == std::string::npos);
}

TEST_CASE("an upstream's key goes into its key_header, wherever the client put its own")
{
    struct Row
    {
        const char* key_header;
        const char* client;
        const char* name;
        const char* value;
    };
    const auto row = GENERATE(values<Row>({
        {"", "Authorization: Bearer test-key\r\n", "authorization", "Bearer sk-upstream-1"},
        {"", "api-key: test-key\r\n", "api-key", "sk-upstream-1"},
        {"api-key", "Authorization: Bearer test-key\r\n", "api-key", "sk-upstream-1"},
        {"api-key", "x-api-key: test-key\r\n", "api-key", "sk-upstream-1"},
        {"X-Key", "api-key: test-key\r\n", "x-key", "sk-upstream-1"},
        {"authorization", "x-api-key: test-key\r\n", "authorization", "Bearer sk-upstream-1"},
    }));
    CAPTURE(row.key_header, row.client);
    Stage stage{{script::chat_reply("hello")}};
    let_first(stage, [&](UpstreamDefinition& definition) { definition.key_header = row.key_header; });
    const std::string body = R"({"model":"gpt-4o","messages":[]})";
    stage.ask("POST /v1/chat/completions HTTP/1.1\r\nHost: router\r\n" + std::string{row.client} +
              "X-Key: of the client\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    const auto& sent = stage.first().requests().at(0);
    std::string keys;
    for (const char* name : {"authorization", "x-api-key", "api-key"})
        if (sent.has(name))
            keys += name;
    CHECK(sent.header(row.name) == row.value);
    CHECK(keys == (row.name == std::string_view{"x-key"} ? "" : row.name));
    CHECK(sent.message.count("x-key") == 1);
    CHECK(sent.raw.find("test-key") == std::string::npos);
}

TEST_CASE("the model goes into the path, the endpoint's query before the client's")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto endpoint = endpoint_at(stage, "/openai/deployments/{model}?api-version=2024-10-21");
    let_first(stage, [&](UpstreamDefinition& definition) {
        definition.endpoint = endpoint;
        definition.rename = {{"small", "meta/llama 3"}};
    });
    stage.ask(post("/v1/chat/completions?api-version=1&x=2", R"({"model":"gpt-4o"})"));
    stage.ask(post("/v1/chat/completions", R"({"model":"small"})"));
    CHECK(stage.first().requests().at(0).target() ==
          "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21&x=2");
    CHECK(stage.first().requests().at(1).target() ==
          "/openai/deployments/meta%2Fllama%203/chat/completions?api-version=2024-10-21");
    CHECK(stage.first().requests().at(1).body() == R"({"model":"meta/llama 3"})");
    CHECK(error_of(stage.ask(post("/v1/chat/completions", "{}"))).code == "model_not_found");
}

TEST_CASE("members of a body are set and unset for the upstream that wants it, and for no other")
{
    Stage stage{{script::reply(500, json_headers, upstream_error("no")), script::chat_reply("hello")}};
    let_first(stage, [](UpstreamDefinition& definition) {
        definition.set = {{"store", "false"}, {"temperature", "0.5"}};
        definition.unset = {"user", "metadata"};
        definition.rename = {{"gpt-4o", "other"}};
    });
    const std::string body =
        R"({ "user":"u", "model" : "gpt-4o","temperature": 1, "messages":[{"user":"x"}],"metadata":{} })";
    const auto encoded = GENERATE(false, true);
    if (encoded)
        stage.ask(post("/v1/chat/completions", compressed(Format::gzip, body), "Content-Encoding: gzip\r\n"));
    else
        stage.ask(post("/v1/chat/completions", body));
    const auto& sent = stage.first().requests().at(0);
    CHECK(sent.body() ==
          R"({"store":false, "model" : "other","temperature": 0.5, "messages":[{"user":"x"}] })");
    CHECK_FALSE(sent.has("content-encoding"));
    CHECK(stage.second().requests().at(0).body() == body);
    CHECK(stage.record().body == body);
}

TEST_CASE("a compressed body that no eligible upstream changes goes on as it came")
{
    Stage stage{{script::chat_reply("hello"), script::chat_reply("hello")}};
    stage.change([](std::vector<UpstreamDefinition>& upstreams) {
        upstreams.at(1).set = {{"store", "false"}};
        upstreams.at(1).allow = {"other"};
    });
    const auto body = compressed(Format::gzip, R"({"model":"gpt-4o","messages":[]})");
    stage.ask(post("/v1/chat/completions", body, "Content-Encoding: gzip\r\n"));
    CHECK(stage.first().requests().at(0).body() == body);
    CHECK(stage.first().requests().at(0).header("content-encoding") == "gzip");
}

TEST_CASE("an upstream's own retries win over those of all")
{
    const auto general = GENERATE(0, 2);
    auto settings = patient_settings();
    settings.failover.retries = general;
    settings.failover.retry_wait = Seconds{0};
    Stage stage{{script::reply(503, json_headers, upstream_error("no")), script::chat_reply("hello")},
                settings};
    let_first(stage, [&](UpstreamDefinition& definition) { definition.retries = general == 0 ? 1 : 0; });
    CHECK(stage.ask(chat_request()).status() == 200);
    CHECK(tries_of(stage.record()) ==
          (general == 0 ? "first:status first:status second:ok" : "first:status second:ok"));
}

TEST_CASE("the first upstream's own hedge_after wins over that of all")
{
    const auto own = GENERATE(true, false);
    auto settings = patient_settings();
    settings.failover.hedge_after = own ? Seconds{0} : Seconds{0.001};
    Stage stage{{{step::read_request(), step::hold("first"),
                  step::send(reply_text(200, json_headers, chat_reply("one"))), step::wait_for_close()},
                 script::chat_reply("two")},
                settings};
    let_first(stage, [&](UpstreamDefinition& definition) {
        definition.hedge_after = own ? Seconds{0.001} : Seconds{0};
    });
    auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().requests().size() == 1; });
    if (!own) {
        stage.settle();
        stage.first().release("first");
    }
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].header("x-route-upstream") == (own ? "second" : "first"));
    CHECK(tries_of(stage.record()) == (own ? "first:superseded second:ok" : "first:ok"));
}

TEST_CASE("an upstream's own first_content_timeout makes a stream that stays silent fail over")
{
    Stage stage{{{step::read_request(),
                  step::send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: wait\n\n"),
                  step::wait_for_close()},
                 script::chat_reply("two")}};
    let_first(stage,
              [](UpstreamDefinition& definition) { definition.first_content_timeout = Seconds{0.01}; });
    CHECK(stage.ask(chat_request("gpt-4o", true)).status() == 200);
    CHECK(tries_of(stage.record()) == "first:timeout second:ok");
}

TEST_CASE(
    "an upstream with as many requests as it takes at once is tried after the others until one has ended")
{
    Stage stage{{{step::read_request(), step::hold("first"),
                  step::send(reply_text(200, json_headers, chat_reply("one"))), step::read_request(),
                  step::send(reply_text(200, json_headers, chat_reply("one"))), step::wait_for_close()},
                 script::chat_reply("two")}};
    let_first(stage, [](UpstreamDefinition& definition) { definition.max_in_flight = 1; });
    auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().requests().size() == 1; });
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "second");
    stage.first().release("first");
    stage.run_until([&] { return client->replies().size() == 1; });
    stage.settle();
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "first");
}

}  // namespace route::test
