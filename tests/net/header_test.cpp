#include <algorithm>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// Which headers pass the router, in both directions, and which it makes itself.

namespace route::test {

namespace {

bool mentions(const std::string& text, const std::string& needle)
{
    const auto same = [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
    };
    return std::search(text.begin(), text.end(), needle.begin(), needle.end(), same) != text.end();
}

const ReceivedRequest& sent_to_upstream(Stage& stage, const std::string& headers)
{
    stage.ask(chat_request("gpt-4o", false, "test-key", headers));
    return stage.first().requests().at(0);
}

bool is_uuid_v7(const std::string& text)
{
    bool well_formed = text.size() == 36 && text[14] == '7';
    for (std::size_t index = 0; index < text.size(); ++index) {
        const bool dash = index == 8 || index == 13 || index == 18 || index == 23;
        well_formed = well_formed && (dash ? text[index] == '-'
                                           : std::isxdigit(static_cast<unsigned char>(text[index])) != 0);
    }
    return well_formed;
}

}  // namespace

TEST_CASE("headers that do not reach the upstream")
{
    const auto name = GENERATE(values<std::string>({
        "Proxy-Authorization",
        "Cookie",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "Forwarded",
        "X-Real-IP",
        "CF-Connecting-IP",
        "CF-Ray",
        "cf-ipcountry",
        "True-Client-IP",
        "Proxy-Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "HTTP2-Settings",
        "api-key",
    }));
    CAPTURE(name);
    Stage stage{{script::chat_reply("hello")}};
    const auto& request = sent_to_upstream(stage, name + ": secret-value\r\n");
    CHECK_FALSE(request.has(name));
    CHECK_FALSE(mentions(request.raw, "secret-value"));
}

TEST_CASE("headers named in Connection do not reach the upstream")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto& request =
        sent_to_upstream(stage,
                         "Connection: keep-alive, X-Hop\r\nX-Hop: secret-value\r\nConnection: x-other-hop\r\n"
                         "X-Other-Hop: secret-value\r\nX-End: 1\r\n");
    CHECK_FALSE(mentions(request.raw, "secret-value"));
    CHECK_FALSE(mentions(request.raw, "x-hop"));
    CHECK_FALSE(mentions(request.raw, "x-other-hop"));
    CHECK(request.header("x-end") == "1");
}

TEST_CASE("headers that reach the upstream as they are")
{
    const auto name = GENERATE(values<std::string>({
        "User-Agent",
        "Accept",
        "OpenAI-Organization",
        "OpenAI-Project",
        "OpenAI-Beta",
        "anthropic-version",
        "anthropic-beta",
        "X-Stainless-Lang",
        "Idempotency-Key",
        "X-Request-Id",
        "X-Custom",
        "Accept-Language",
        "Referer",
        "Range",
        "If-None-Match",
    }));
    CAPTURE(name);
    Stage stage{{script::chat_reply("hello")}};
    const auto& request = sent_to_upstream(stage, name + ": some value; a=\"b\", c\r\n");
    CHECK(request.header(name) == "some value; a=\"b\", c");
    CHECK(request.message.count(name) == 1);
    CHECK(request.header("content-type") == "application/json");
}

TEST_CASE("a trace goes on to every upstream that is tried, and into the record")
{
    const std::string trace = "0af7651916cd43dd8448eb211c80319c";
    const auto parent = "00-" + trace + "-b7ad6b7169203331-01";
    Stage stage{{script::reply(500, json_headers, upstream_error("no")), script::reset_after_request(),
                 script::chat_reply("hello")}};
    stage.ask(chat_request("gpt-4o", false, "test-key",
                           "traceparent: " + parent +
                               "\r\ntracestate: rojo=00f067aa0ba902b7\r\nTraceState: congo=t61rcWkgMzE\r\n"));
    for (std::size_t index = 0; index < 3; ++index) {
        const auto& request = stage.upstream(index).requests().at(0);
        CHECK(request.message.count("traceparent") == 1);
        CHECK(request.header("traceparent") == parent);
        CHECK(request.message.count("tracestate") == 2);
        CHECK(mentions(request.raw, "rojo=00f067aa0ba902b7"));
        CHECK(mentions(request.raw, "congo=t61rcWkgMzE"));
    }
    CHECK(stage.record().trace_id == trace);
}

TEST_CASE("a traceparent that is none passes as it is, and is no trace of the record")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto& request = sent_to_upstream(stage, "traceparent: of my own\r\n");
    CHECK(request.header("traceparent") == "of my own");
    CHECK(stage.record().trace_id.empty());
}

TEST_CASE("a refused request has its trace id, the next one on its connection has none of it")
{
    Stage stage{{script::chat_reply("hello")}};
    const std::string trace = "0af7651916cd43dd8448eb211c80319c";
    const auto client = stage.connect();
    client->send(
        chat_request("gpt-4o", false, "wrong-key", "traceparent: 00-" + trace + "-b7ad6b7169203331-01\r\n"));
    CHECK(stage.record(0).trace_id == trace);
    stage.ask(chat_request());
    CHECK(stage.record(1).trace_id.empty());
}

TEST_CASE("headers the router makes for the upstream")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto& request =
        sent_to_upstream(stage, "Accept-Encoding: gzip, br\r\nX-Twice: 1\r\nX-Twice: 2\r\n");
    CHECK(request.header("host") == "127.0.0.1:" + std::to_string(stage.first().port()));
    CHECK(request.message.count("host") == 1);
    CHECK(request.header("authorization") == "Bearer sk-upstream-1");
    CHECK(request.message.count("authorization") == 1);
    CHECK(request.header("accept-encoding") == "identity");
    CHECK(request.header("content-length") == std::to_string(chat_body().size()));
    CHECK(request.message.count("x-twice") == 2);
    CHECK(request.message.version() == 11);
}

TEST_CASE("a request without a body has none at the upstream")
{
    Stage stage{{script::reply(200, json_headers, "{}")}};
    stage.ask(get_request("/v1/files"));
    CHECK_FALSE(stage.first().requests().at(0).has("transfer-encoding"));
    CHECK_FALSE(stage.first().requests().at(0).has("content-type"));
}

TEST_CASE("an Upgrade other than websocket is dropped and the request served")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto& request = sent_to_upstream(
        stage, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n");
    CHECK_FALSE(request.has("upgrade"));
    CHECK_FALSE(request.has("http2-settings"));
    CHECK(request.body() == chat_body());
    CHECK(stage.record().status == 200);
}

TEST_CASE("the client's key is replaced by the upstream's, in the same header")
{
    struct Case
    {
        std::string name;
        std::string headers;
        std::string authorization;
        std::string x_api_key;
        std::string api_key = {};
    };
    const auto keys = GENERATE(values<Case>({
        {"bearer", "Authorization: Bearer test-key\r\n", "Bearer sk-upstream-1", ""},
        {"x-api-key", "x-api-key: test-key\r\n", "", "sk-upstream-1"},
        {"api-key", "api-key: test-key\r\n", "", "", "sk-upstream-1"},
        {"api-key beside another x-api-key", "x-api-key: wrong\r\napi-key: test-key\r\n", "", "",
         "sk-upstream-1"},
        {"bearer beside api-key", "Authorization: Bearer test-key\r\napi-key: test-key\r\n",
         "Bearer sk-upstream-1", ""},
    }));
    CAPTURE(keys.name);
    Stage stage{{script::chat_reply("hello")}};
    CHECK(stage.ask(request_text("POST", "/v1/messages", keys.headers, chat_body())).status() == 200);
    const auto& request = stage.first().requests().at(0);
    CHECK(request.header("authorization") == keys.authorization);
    CHECK(request.header("x-api-key") == keys.x_api_key);
    CHECK(request.header("api-key") == keys.api_key);
    CHECK_FALSE(mentions(request.raw, "test-key"));
}

TEST_CASE("of two keys one valid is enough")
{
    const auto headers = GENERATE(values<std::string>({
        "Authorization: Bearer test-key\r\nx-api-key: wrong\r\n",
        "Authorization: Bearer wrong\r\nx-api-key: test-key\r\n",
        "Authorization: Basic abc\r\nx-api-key: test-key\r\n",
        "Authorization: Bearer wrong\r\napi-key: test-key\r\n",
        "api-key: wrong\r\nx-api-key: test-key\r\n",
        "api-key: test-key\r\nx-api-key: wrong\r\n",
    }));
    Stage stage{{script::chat_reply("hello")}};
    CHECK(stage.ask(request_text("POST", "/v1/messages", headers, chat_body())).status() == 200);
    const auto& request = stage.first().requests().at(0);
    CHECK_FALSE(mentions(request.raw, "test-key"));
    CHECK_FALSE(mentions(request.raw, "wrong"));
    CHECK(mentions(request.raw, "sk-upstream-1"));
}

TEST_CASE("an upstream whose key is asis gets the client's own Authorization")
{
    Stage stage{{script::reset_after_request(), script::chat_reply("hello")}};
    stage.change([](auto& definitions) { definitions[0].sk = "asis"; });
    stage.ask(chat_request());
    CHECK(stage.first().requests().at(0).header("authorization") == "Bearer test-key");
    CHECK(stage.second().requests().at(0).header("authorization") == "Bearer sk-upstream-2");
}

TEST_CASE("an upstream whose key is asis gets one credential of the client's")
{
    struct Case
    {
        std::string headers;
        std::string passed;
    };
    const auto [headers, passed] = GENERATE(values<Case>({
        {"x-api-key: test-key\r\n", "x-api-key"},
        {"api-key: test-key\r\n", "api-key"},
        {"api-key: test-key\r\nx-api-key: other-key\r\n", "x-api-key"},
        {"api-key: test-key\r\nAuthorization: Bearer other-key\r\n", "authorization"},
    }));
    CAPTURE(headers);
    Stage stage{{script::chat_reply("hello")}};
    stage.change([](auto& definitions) { definitions[0].sk = "asis"; });
    CHECK(stage.ask(request_text("POST", "/v1/messages", headers, chat_body())).status() == 200);
    const auto& request = stage.first().requests().at(0);
    for (const std::string name : {"authorization", "x-api-key", "api-key"})
        CHECK(request.has(name) == (name == passed));
}

TEST_CASE("a failure that is relayed after all were tried asks not to be repeated")
{
    struct Case
    {
        unsigned status;
        std::string upstreams;
        std::string relayed;
    };
    const auto [status, upstreams, relayed] = GENERATE(values<Case>({
        {429, "", "false"},
        {429, "true", "false"},
        {500, "true", "false"},
        {503, "", "false"},
        {529, "false", "false"},
        {400, "", ""},
        {409, "true", "true"},
        {200, "true", "true"},
    }));
    CAPTURE(status, upstreams);
    Headers headers = json_headers;
    if (!upstreams.empty())
        headers.emplace_back("X-Should-Retry", upstreams);
    Stage stage{{script::reply(status, headers, status == 200 ? chat_reply("hello") : upstream_error("no"))}};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == status);
    CHECK(reply.header("x-should-retry") == relayed);
    CHECK(reply.count("x-should-retry") == (relayed.empty() ? 0 : 1));
}

TEST_CASE("proxies before the router are asked not to hold back event streams")
{
    struct Case
    {
        std::string type;
        std::string upstreams;
        std::string relayed;
    };
    const auto [type, upstreams, relayed] = GENERATE(values<Case>({
        {"text/event-stream", "", "no"},
        {"Text/Event-Stream; charset=utf-8", "yes", "no"},
        {"application/json", "", ""},
        {"application/json", "yes", "yes"},
    }));
    CAPTURE(type, upstreams);
    Headers headers{{"Content-Type", type}};
    if (!upstreams.empty())
        headers.emplace_back("x-accel-buffering", upstreams);
    Stage stage{{script::reply(200, headers, chat_event("hello") + std::string{done_event})}};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.header("x-accel-buffering") == relayed);
    CHECK(reply.count("x-accel-buffering") == (relayed.empty() ? 0 : 1));
}

TEST_CASE("limits that only this upstream names can be read in a browser, too")
{
    Stage stage{{script::reply(
        200,
        {{"Content-Type", "application/json"}, {"x-ratelimit-limit-project-tokens", "7"}, {"x-other", "1"}},
        chat_reply("hello"))}};
    const auto exposed = stage.ask(chat_request()).header("access-control-expose-headers");
    CHECK_THAT(exposed, ContainsSubstring(", x-ratelimit-limit-project-tokens"));
    CHECK(exposed.find("x-other") == std::string::npos);
}

TEST_CASE("headers that do not reach the client")
{
    const auto name = GENERATE(values<std::string>({
        "Set-Cookie",
        "Strict-Transport-Security",
        "Alt-Svc",
        "NEL",
        "Report-To",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Trailer",
        "Upgrade",
        "X-Nominated",
        "Access-Control-Allow-Credentials",
    }));
    CAPTURE(name);
    Stage stage{{script::reply(
        200, {{"Content-Type", "application/json"}, {"Connection", "x-nominated"}, {name, "secret-value"}},
        chat_reply("hello"))}};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 200);
    CHECK_FALSE(mentions(reply.raw, "secret-value"));
}

TEST_CASE("headers that reach the client as they are")
{
    const auto name = GENERATE(values<std::string>({
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-tokens",
        "retry-after",
        "openai-processing-ms",
        "openai-organization",
        "openai-version",
        "ETag",
        "Cache-Control",
        "Content-Disposition",
        "x-custom",
        "Location",
        "Vary",
        "WWW-Authenticate",
    }));
    CAPTURE(name);
    Stage stage{{script::reply(200, {{"Content-Type", "application/json"}, {name, "some value"}},
                               chat_reply("hello"))}};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.header(name) == "some value");
    CHECK(reply.count(name) == 1);
}

TEST_CASE("headers the router makes for the client")
{
    const Headers foreign{{"Content-Type", "application/json"},
                          {"Access-Control-Allow-Origin", "https://evil.test"},
                          {"Access-Control-Expose-Headers", "none"},
                          {"x-route-upstream", "evil"},
                          {"x-route-attempts", "99"},
                          {"X-Request-ID", "req_upstream"}};
    Stage stage{{script::reply(200, foreign, chat_reply("hello"))}};
    const Reply reply = stage.ask(
        chat_request("gpt-4o", false, "test-key", "X-Request-Id: mine-1\r\nOrigin: https://app.test\r\n"));
    CHECK(reply.header("access-control-allow-origin") == "*");
    CHECK(reply.count("access-control-allow-origin") == 1);
    // Browsers take no `x-route-*` here: each name is spelled out.
    for (const auto* name : {"x-request-id", "retry-after", "x-route-upstream", "x-route-attempts",
                             "x-ratelimit-remaining-requests", "x-ratelimit-reset-tokens"}) {
        CHECK_THAT(reply.header("access-control-expose-headers"), ContainsSubstring(name));
    }
    CHECK(reply.count("access-control-expose-headers") == 1);
    CHECK(reply.header("x-route-upstream") == "first");
    CHECK(reply.count("x-route-upstream") == 1);
    CHECK(reply.header("x-route-attempts") == "1");
    CHECK(reply.count("x-route-attempts") == 1);
    CHECK(is_uuid_v7(reply.header("x-request-id")));
    CHECK(reply.count("x-request-id") == 1);
    CHECK(reply.header("x-upstream-request-id") == "req_upstream");

    const Record& record = stage.record();
    CHECK(record.request_id == reply.header("x-request-id"));
    CHECK(record.client_request_id == "mine-1");
    CHECK(stage.first().requests().at(0).header("x-request-id") == "mine-1");
}

TEST_CASE("the record tells who asked for what")
{
    Stage stage{{script::chat_reply("hello")}};
    stage.ask(chat_request("gpt-4o", false, "test-key", "User-Agent: OpenAI/Python 1.0\r\n"));
    const Record& record = stage.record();
    CHECK(record.ip == "127.0.0.1");
    CHECK(record.user_agent == "OpenAI/Python 1.0");
    CHECK(record.method == "POST");
    CHECK(record.path == "/v1/chat/completions");
    CHECK(record.model == "gpt-4o");
    CHECK_FALSE(record.stream);
    CHECK(record.body == chat_body());
    CHECK(record.body_bytes == chat_body().size());
    CHECK(record.response == "hello");
    CHECK(record.response_bytes == chat_reply("hello").size());
    CHECK(record.prompt_tokens == 5);
    CHECK(record.completion_tokens == 2);
    CHECK(record.total_tokens == 7);
    CHECK(record.finish_reason == "stop");
    CHECK(record.authenticated);
    REQUIRE(record.response_time);
    CHECK(*record.response_time <= record.elapsed_time);
    CHECK(record.attempts.at(0).first_byte_time);
}

}  // namespace route::test
