#include <string>

#include "tests/net/stage.hpp"

// What the router refuses by itself, before any upstream is asked.

namespace route::test {

namespace {

const std::string host = "Host: router.test\r\n";

/// Asks and checks that no upstream heard of it.
Reply refused(Stage& stage, const std::string& request)
{
    const Reply reply = stage.ask(request);
    CHECK(stage.first().connections() == 0);
    CHECK_FALSE(reply.has("x-route-upstream"));
    return reply;
}

std::string post_head(const std::string& headers)
{
    return request_text("POST", "/v1/chat/completions", bearer() + headers);
}

}  // namespace

TEST_CASE("a request without a valid key is refused")
{
    struct Case
    {
        std::string headers;
        std::string message;
    };
    const std::string no_scheme = "authorization header should start with 'Bearer'";
    const std::string wrong = "wrong authorization header";
    const auto [headers, message] = GENERATE_COPY(values<Case>({
        {"", no_scheme},
        {"Authorization: Basic dGVzdC1rZXk=\r\n", no_scheme},
        {"Authorization: test-key\r\n", no_scheme},
        {"Authorization:\r\n", no_scheme},
        {"Authorization: Bearer wrong\r\n", wrong},
        {"Authorization: Bearer \r\n", wrong},
        {"Authorization: Bearer test-key2\r\n", wrong},
        {"Authorization: Bearer test-ke\r\n", wrong},
        {"x-api-key: wrong\r\n", wrong},
        {"api-key: wrong\r\n", wrong},
    }));
    CAPTURE(headers);
    Stage stage{{script::chat_reply("never")}};
    const Reply reply = refused(stage, request_text("POST", "/v1/chat/completions", headers, chat_body()));
    CHECK(reply.status() == 403);
    const ErrorText error = error_of(reply);
    CHECK(error.code == "invalid_api_key");
    CHECK(error.message == message);
    CHECK(stage.authenticated_records() == 0);
}

TEST_CASE("a refusal before the body was read can be read and ends the connection")
{
    Stage stage{{script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send(request_text("POST", "/v1/chat/completions", bearer("wrong"), std::string(1 << 20, 'x')) +
                 chat_request());
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK(client->replies()[0].status() == 403);
    CHECK(client->replies()[0].whole);
    CHECK(client->replies()[0].header("connection") == "close");
    CHECK(stage.first().connections() == 0);
}

TEST_CASE("any key will do when authentication is off")
{
    Settings settings = patient_settings();
    settings.auth.enabled = false;
    Stage stage{{script::chat_reply("hello")}, settings};
    const auto headers = GENERATE(values<std::string>({"", "Authorization: Bearer whatever\r\n"}));
    CHECK(stage.ask(request_text("POST", "/v1/chat/completions", headers, chat_body())).status() == 200);
    CHECK(stage.first().requests().at(0).header("authorization") == "Bearer sk-upstream-1");
}

TEST_CASE("paths it does not serve are not found")
{
    const auto target =
        GENERATE(values<std::string>({"/", "/v2/models", "/v1", "/models", "/v1models", "/favicon.ico"}));
    CAPTURE(target);
    Stage stage{{script::chat_reply("never")}};
    const Reply reply = refused(stage, get_request(target));
    CHECK(reply.status() == 404);
    CHECK(error_of(reply).code == "not_found");
}

TEST_CASE("a path that is doubled is told so, whoever asks")
{
    const auto target = GENERATE(values<std::string>(
        {"/v1/v1/chat/completions?a=b", "/v1/v1/models", "/v1/chat/completions/chat/completions"}));
    const auto key = GENERATE(values<std::string>({"test-key", "wrong"}));
    CAPTURE(target, key);
    Stage stage{{script::chat_reply("never")}};
    const Reply reply = refused(stage, request_text("POST", target, bearer(key), chat_body()));
    CHECK(reply.status() == 404);
    CHECK(reply.header("access-control-allow-origin") == "*");
    const auto error = error_of(reply);
    CHECK(error.code == "not_found");
    CHECK_THAT(error.message, ContainsSubstring(" twice: "));
}

TEST_CASE("Anthropic's paths get errors of their own form")
{
    const auto target =
        GENERATE(values<std::string>({"/v1/messages", "/v1/messages/count_tokens?beta=true"}));
    Stage stage{{script::chat_reply("never")}};
    const Reply reply = refused(stage, request_text("POST", target, bearer("wrong"), chat_body()));
    CHECK(reply.status() == 403);
    CHECK(reply.body() == R"({"type":"error","error":{"type":"permission_error",)"
                          R"("message":"wrong authorization header"}})");
}

TEST_CASE("tricks with paths are refused")
{
    const auto target = GENERATE(values<std::string>({
        "/v1/../admin",
        "/v1/./models",
        "/v1/..",
        "/v1/.",
        "/v1/%2e%2e/admin",
        "/v1/.%2e/admin",
        "/v1/%2E./admin",
        "/v1/%2e/models",
        "/v1/a/../../b",
        "/v1/..%2fadmin",
        "/v1/%2e%2e%2fadmin",
        "/v1/..%5cadmin",
        "/v1/a/..?x=1",
        "/v1/x%00",

    }));
    CAPTURE(target);
    Stage stage{{script::chat_reply("never")}};
    const Reply reply = refused(stage, get_request(target));
    CHECK(reply.status() == 400);
    CHECK(error_of(reply).code == "bad_request");
}

TEST_CASE("malformed and ambiguous requests are refused")
{
    const std::string get = "GET /v1/models HTTP/1.1\r\n" + host + bearer();
    const std::string two_bytes = "\r\n{}";
    const auto request = GENERATE_COPY(values<std::string>({
        post_head("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n") + "2\r\n{}\r\n0\r\n\r\n",
        post_head("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n") + "2\r\n{}\r\n0\r\n\r\n",
        post_head("Content-Length: 2\r\nContent-Length: 3\r\n") + "{} ",
        post_head("Content-Length: 2, 3\r\n") + "{} ",
        post_head("Content-Length: -2\r\n") + "{}",
        post_head("Content-Length: +2\r\n") + "{}",
        post_head("Content-Length: 0x2\r\n") + "{}",
        post_head("Content-Length: 99999999999999999999999\r\n") + "{}",
        post_head("Content-Length:\r\n") + "{}",
        post_head("Transfer-Encoding: chunked, identity\r\n") + "2\r\n{}\r\n0\r\n\r\n",
        post_head("Transfer-Encoding: identity, chunked, chunked\r\n") + "2\r\n{}\r\n0\r\n\r\n",
        post_head("Transfer-Encoding: xchunked\r\n") + "2\r\n{}\r\n0\r\n\r\n",
        post_head("Transfer-Encoding : chunked\r\n") + "2\r\n{}\r\n0\r\n\r\n",
        post_head("Transfer-Encoding: chunked\r\n") + "zz\r\n{}\r\n0\r\n\r\n",
        post_head("Transfer-Encoding: chunked\r\n") + "-2\r\n{}\r\n0\r\n\r\n",
        post_head("Transfer-Encoding: chunked\r\n") + "2\r\n{}xx0\r\n\r\n",
        post_head("Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\n{}",
        "POST /v1/x HTTP/1.0\r\n" + host + bearer() +
            "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\n" + bearer() + "\r\n",
        get + host + "\r\n",
        "GET /v1/models HTTP/1.1\r\nHost: a b\r\n" + bearer() + "\r\n",
        "GET /v1/models HTTP/1.1\r\nHost: a/b\r\n" + bearer() + "\r\n",
        "GET /v1/models HTTP/1.1\r\nHost: user@router.test\r\n" + bearer() + "\r\n",
        get_request("http:///v1/models"),
        get_request("http://user@router.test/v1/models"),
        get_request("httpx://router.test/v1/models"),
        get_request("ftp://router.test/v1/models"),
        get + "X-A : 1\r\n\r\n",
        get + "X-A\r\n\r\n",
        get + ": empty\r\n\r\n",
        get + "X-A: 1\rX-B: 2\r\n\r\n",
        get + std::string{"X-A: 1\0 2\r\n\r\n", 14},
        get + " folded: 1\r\n\r\n",
        "GET /v1/mod els HTTP/1.1\r\n" + host + bearer() + "\r\n",
        "GET /v1/models HTTP/2.0\r\n" + host + bearer() + "\r\n",
        "GET /v1/models HTTX/1.1\r\n" + host + bearer() + "\r\n",
        "G\x01T /v1/models HTTP/1.1\r\n" + host + bearer() + "\r\n",
        "hello\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01\r\n\r\n",
    }));
    CAPTURE(request);
    Stage stage{{script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send(request);
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK(client->replies()[0].status() == 400);
    CHECK(client->replies()[0].header("connection") == "close");
    CHECK(error_of(client->replies()[0]).code == "bad_request");
    CHECK(stage.first().connections() == 0);
}

TEST_CASE("methods that speak to those on the way end at the router")
{
    const auto method = GENERATE(values<std::string>({"TRACE", "trace", "TRACK", "CONNECT"}));
    Stage stage{{script::chat_reply("never")}};
    const Reply reply = refused(stage, request_text(method, "/v1/models", bearer()));
    CHECK(reply.status() == 405);
    CHECK(reply.header("allow") == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    CHECK(error_of(reply).code == "method_not_allowed");
    CHECK(stage.record().outcome == RequestOutcome::rejected);
}

TEST_CASE("two models in one body are refused")
{
    const auto body = GENERATE(values<std::string>({
        R"({"model":"a","model":"b"})",
        R"({"model":"a","model":"a"})",
        R"({"model":"a","mod\u0065l":"b"})",
    }));
    CAPTURE(body);
    Stage stage{{script::chat_reply("never")}};
    const Reply reply = refused(stage, request_text("POST", "/v1/chat/completions",
                                                    bearer() + "Content-Type: application/json\r\n", body));
    CHECK(reply.status() == 400);
    CHECK(error_of(reply).code == "bad_request");
    CHECK(stage.record().status == 400);
    CHECK(stage.record().outcome == RequestOutcome::rejected);
}

TEST_CASE("a body larger than max_body is refused")
{
    Settings settings = patient_settings();
    settings.server.max_body = 1000;
    Stage stage{{script::chat_reply("never")}, settings};
    const auto request = GENERATE(values<std::string>({
        post_head("Content-Length: 1001\r\n"),
        post_head("Content-Length: 1001\r\n") + std::string(1001, ' '),
        post_head("Transfer-Encoding: chunked\r\n") + chunk(std::string(1001, ' ')),
        post_head("Transfer-Encoding: chunked\r\n") + chunk(std::string(600, ' ')) +
            chunk(std::string(401, ' ')),
    }));
    const Reply reply = refused(stage, request);
    CHECK(reply.status() == 413);
    CHECK(reply.header("connection") == "close");
    CHECK(error_of(reply).code == "body_too_large");
    CHECK(stage.record().status == 413);
    CHECK(stage.record().outcome == RequestOutcome::rejected);
}

TEST_CASE("a body of exactly max_body passes")
{
    Settings settings = patient_settings();
    settings.server.max_body = 1000;
    const std::string body(1000, ' ');
    const auto request = GENERATE_COPY(values<std::string>({
        post_head("Content-Length: 1000\r\n") + body,
        post_head("Transfer-Encoding: chunked\r\n") + chunk(body) + std::string{last_chunk},
    }));
    Stage stage{{script::chat_reply("hello")}, settings};
    CHECK(stage.ask(request).status() == 200);
}

TEST_CASE("a head that is too large is refused")
{
    Stage stage{{script::chat_reply("never")}};
    const auto request = GENERATE(values<std::string>({
        get_request("/v1/models", "X-Long: " + std::string(1 << 20, 'x') + "\r\n"),
        get_request("/v1/" + std::string(1 << 20, 'x')),
    }));
    const Reply reply = refused(stage, request);
    CHECK(reply.status() == 431);
    CHECK(error_of(reply).code == "headers_too_large");
}

TEST_CASE("a client that does not finish its head or body in time is told so")
{
    struct Case
    {
        std::string name;
        std::string bytes;
        bool recorded;
    };
    const auto slow = GENERATE(values<Case>({
        {"head", "GET /v1/models HTTP/1.1\r\nHost: ", false},
        {"body", post_head("Content-Length: 10\r\n") + "{", true},
        {"chunk", post_head("Transfer-Encoding: chunked\r\n") + "a\r\n{", true},
    }));
    CAPTURE(slow.name);
    Settings settings = patient_settings();
    settings.server.header_timeout = Seconds{0.5};
    settings.server.body_timeout = Seconds{0.05};
    Stage stage{{script::chat_reply("never")}, settings};
    const auto client = stage.connect();
    client->send(slow.bytes);
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK(client->replies()[0].status() == 408);
    CHECK(error_of(client->replies()[0]).code == "request_timeout");
    CHECK(stage.authenticated_records() == (slow.recorded ? 1u : 0u));
    CHECK(stage.first().connections() == 0);
}

TEST_CASE("a body that would exceed max_buffered is refused for now")
{
    Settings settings = patient_settings();
    settings.server.max_buffered = 256 << 10;
    Stage stage{{script::chat_reply("hello")}, settings};
    const bool chunked = GENERATE(false, true);
    const std::string body(512 << 10, ' ');
    const Reply reply =
        refused(stage, chunked ? post_head("Transfer-Encoding: chunked\r\n") + chunk(body) + "0\r\n\r\n"
                               : post_head("Content-Length: " + std::to_string(body.size()) + "\r\n") + body);
    CHECK(reply.status() == 503);
    CHECK(error_of(reply).code == "overloaded");
    CHECK(reply.has("retry-after"));
    CHECK(stage.record().outcome == RequestOutcome::rejected);
    CHECK(stage.ask(chat_request()).status() == 200);
}

TEST_CASE("every refusal of a request with a valid key is stored")
{
    struct Case
    {
        std::string method;
        std::string target;
        unsigned status;
        std::string path;
    };
    const auto refusal = GENERATE(values<Case>({
        {"GET", "/favicon.ico?x=1", 404, "/favicon.ico"},
        {"POST", "/chat/completions", 404, "/chat/completions"},
        {"GET", "/v1/../x?y=2", 400, "/v1/../x"},
        {"GET", "/v1/%2e%2e/x", 400, "/v1/%2e%2e/x"},
        {"TRACE", "/v1/models", 405, "/v1/models"},
    }));
    CAPTURE(refusal.target);
    Stage stage{{script::chat_reply("never")}};
    CHECK(refused(stage, request_text(refusal.method, refusal.target, bearer(), "")).status() ==
          refusal.status);
    CHECK(stage.authenticated_records() == 1);
    const auto& record = stage.record();
    CHECK(record.authenticated);
    CHECK(record.outcome == RequestOutcome::rejected);
    CHECK(record.status == refusal.status);
    CHECK(record.path == refusal.path);
    CHECK_FALSE(record.error.empty());
    // The same without a valid key is told and counted only.
    refused(stage, request_text(refusal.method, refusal.target, bearer("wrong"), ""));
    CHECK_FALSE(stage.record(1).authenticated);
}

TEST_CASE("where no key is needed, refusals are stored of what was meant for an upstream")
{
    Settings settings = patient_settings();
    settings.auth.enabled = false;
    Stage stage{{script::chat_reply("never")}, settings};
    CHECK(refused(stage, get_request("/favicon.ico")).status() == 404);
    CHECK_FALSE(stage.record(0).authenticated);
    CHECK(refused(stage, get_request("/../etc/passwd")).status() == 400);
    CHECK_FALSE(stage.record(1).authenticated);
    CHECK(refused(stage, get_request("/v1/../x")).status() == 400);
    CHECK(stage.record(2).authenticated);
}

}  // namespace route::test
