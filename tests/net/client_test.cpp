#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// What a client may send and what it sees: connections, uploads, methods, versions.

namespace route::test {

namespace {

const std::string posts = "Content-Type: application/json\r\n";

}  // namespace

TEST_CASE("pipelined requests are answered in order")
{
    Stage stage{{{step::read_request(), step::send(reply_text(200, json_headers, chat_reply("1"))),
                  step::read_request(), step::send(reply_text(200, json_headers, chat_reply("2"))),
                  step::read_request(), step::send(reply_text(200, json_headers, chat_reply("3")))}}};
    const auto client = stage.connect();
    client->send(chat_request("a") + get_request("/v1/files") + chat_request("b"));
    stage.run_until([&] { return client->replies().size() == 3; });
    for (std::size_t index = 0; index < 3; ++index) {
        CHECK(client->replies()[index].body() == chat_reply(std::to_string(index + 1)));
        CHECK(client->replies()[index].header("x-request-id") == stage.record(index).request_id);
    }
    CHECK(stage.first().requests()[0].body() == chat_body("a"));
    CHECK(stage.first().requests()[1].target() == "/v1/files");
    CHECK(stage.first().requests()[2].body() == chat_body("b"));
    CHECK_FALSE(client->closed_by_peer());
}

TEST_CASE("a connection is kept for further requests until the client wants it closed")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto client = stage.connect();
    for (std::size_t count = 1; count <= 3; ++count) {
        client->send(chat_request());
        stage.run_until([&] { return client->replies().size() == count; });
        CHECK_FALSE(client->replies().back().header("connection") == "close");
    }
    client->send(chat_request("gpt-4o", false, "test-key", "Connection: close\r\n"));
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 4);
    CHECK(client->replies()[3].whole);
    CHECK(client->replies()[3].header("connection") == "close");
    CHECK_FALSE(client->reset_by_peer());
}

TEST_CASE("an idle connection is closed after keep_alive")
{
    Settings settings = patient_settings();
    settings.server.keep_alive = Seconds{0.05};
    Stage stage{{script::chat_reply("hello")}, settings};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return client->closed_by_peer(); });
    CHECK(client->replies().size() == 1);
    CHECK(client->replies()[0].whole);
}

TEST_CASE("a request byte by byte is one request")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto client = stage.connect();
    client->send_byte_by_byte(chat_request());
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].body() == chat_reply("hello"));
    CHECK(stage.first().requests().at(0).body() == chat_body());
}

TEST_CASE("empty lines before a request are passed over")
{
    Stage stage{{script::chat_reply("hello")}};
    CHECK(stage.ask("\r\n\r\n" + chat_request()).status() == 200);
}

TEST_CASE("a chunked upload reaches the upstream whole")
{
    const std::string body = chat_body();
    const std::string head =
        request_text("POST", "/v1/chat/completions", bearer() + posts + "Transfer-Encoding: chunked\r\n");
    std::string trickle;
    for (const char byte : body) {
        trickle += chunk(std::string(1, byte));
    }
    const auto upload = GENERATE_COPY(values<std::string>({
        chunk(body) + "0\r\n\r\n",
        trickle + "0\r\n\r\n",
        chunk(body.substr(0, 7)) + chunk(body.substr(7)) + "0\r\nX-Trailer: 1\r\n\r\n",
        "0" + chunk(body) + "000\r\n\r\n",
    }));
    Stage stage{{script::chat_reply("hello")}};
    const auto client = stage.connect();
    client->send(head + upload + get_request("/v1/files"));
    stage.run_until([&] { return client->replies().size() == 2; });
    const auto& request = stage.first().requests().at(0);
    CHECK(request.body() == body);
    CHECK(request.header("content-length") == std::to_string(body.size()));
    CHECK_FALSE(request.has("transfer-encoding"));
    CHECK_FALSE(request.has("x-trailer"));
    CHECK(stage.record().body == body);
    CHECK(stage.record().model == "gpt-4o");
}

TEST_CASE("a binary body reaches the upstream as it is and is named in the record")
{
    std::string body = "\x01\x02\xff\xfe";
    body.push_back('\0');
    Stage stage{{script::reply(200, {{"Content-Type", "image/png"}}, body)}};
    const Reply reply =
        stage.ask(request_text("PUT", "/v1/files/x", bearer() + "Content-Type: audio/wav\r\n", body));
    CHECK(reply.body() == body);
    CHECK(stage.first().requests().at(0).body() == body);
    CHECK(stage.first().requests().at(0).header("content-type") == "audio/wav");
    CHECK(stage.record().body == "[audio/wav, 5 bytes]");
    CHECK(stage.record().response == "[image/png, 5 bytes]");
}

TEST_CASE("Expect: 100-continue is answered once the request may be sent")
{
    Settings settings = patient_settings();
    settings.server.max_body = 1000;
    struct Case
    {
        std::string key;
        std::string length;
        unsigned status;
    };
    const std::string good_length = std::to_string(chat_body().size());
    const auto [key, length, status] = GENERATE_COPY(values<Case>({
        {"test-key", good_length, 200},
        {"wrong-key", good_length, 403},
        {"test-key", "1001", 413},
    }));
    CAPTURE(status);
    Stage stage{{script::chat_reply("hello")}, settings};
    const auto client = stage.connect();
    client->send(
        request_text("POST", "/v1/chat/completions",
                     bearer(key) + posts + "Expect: 100-continue\r\nContent-Length: " + length + "\r\n"));
    if (status == 200) {
        stage.run_until([&] { return client->interim_replies().size() == 1; });
        CHECK(client->interim_replies()[0].status() == 100);
        CHECK(stage.first().connections() == 0);
        client->send(chat_body());
    }
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].status() == status);
    CHECK(client->interim_replies().size() == (status == 200 ? 1u : 0u));
}

TEST_CASE("no 100 Continue for a body that is there already")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto client = stage.connect();
    client->send(chat_request("gpt-4o", false, "test-key", "Expect: 100-continue\r\n"));
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].status() == 200);
    CHECK_FALSE(stage.first().requests().at(0).has("expect"));
}

TEST_CASE("an HTTP/1.0 client gets a reply without chunks, and a closed connection")
{
    Stage stage{{script::sse(chat_events("hello"))}};
    const auto client = stage.connect();
    client->send("POST /v1/chat/completions HTTP/1.0\r\n" + bearer() + posts + "Content-Length: " +
                 std::to_string(chat_body("gpt-4o", true).size()) + "\r\n\r\n" + chat_body("gpt-4o", true));
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    const Reply& reply = client->replies()[0];
    CHECK(reply.whole);
    CHECK_FALSE(reply.has("transfer-encoding"));
    CHECK(reply.body() == joined(chat_events("hello")));
    CHECK(stage.first().requests().at(0).message.version() == 11);
}

TEST_CASE("HEAD is answered with a head")
{
    Stage stage{
        {{step::read_request(),
          step::send(reply_head(200, {{"Content-Length", "1234"}, {"Content-Type", "application/json"}})),
          step::read_request(), step::send(reply_text(200, json_headers, "{}"))}}};
    const auto client = stage.connect();
    client->expect_headers_only(0);
    client->send(request_text("HEAD", "/v1/files", bearer()) + get_request("/v1/files"));
    stage.run_until([&] { return client->replies().size() == 2; });
    CHECK(client->replies()[0].header("content-length") == "1234");
    CHECK(client->replies()[1].body() == "{}");
    CHECK(stage.first().requests().at(0).message.method_string() == "HEAD");
    CHECK(stage.record().method == "HEAD");
    CHECK(stage.first().connections() == 1);
}

TEST_CASE("any method is routed")
{
    const auto method = GENERATE(values<std::string>({"GET", "POST", "PUT", "PATCH", "DELETE"}));
    Stage stage{{script::reply(200, json_headers, "{}")}};
    CHECK(stage.ask(request_text(method, "/v1/files/x", bearer())).status() == 200);
    CHECK(std::string{stage.first().requests().at(0).message.method_string()} == method);
    CHECK(stage.record().method == method);
    CHECK(stage.record().path == "/v1/files/x");
}

TEST_CASE("a target in absolute form is routed by its path")
{
    const auto target = GENERATE(values<std::string>({
        "http://router.test/v1/files/x?a=b",
        "HTTPS://other.test:99/v1/files/x?a=b",
        "http://[::1]:8888/v1/files/x?a=b",
    }));
    Stage stage{{script::reply(200, json_headers, "{}")}};
    CHECK(stage.ask(request_text("GET", target, bearer())).status() == 200);
    CHECK(std::string{stage.first().requests().at(0).message.target()} == "/v1/files/x?a=b");
    CHECK(stage.ask(request_text("GET", "http://router.test?x=/v1/files/x", bearer())).status() == 404);
}

TEST_CASE("a preflight needs no key and no upstream")
{
    Stage stage{{script::chat_reply("never")}};
    const std::string target = GENERATE("/v1/chat/completions", "/v1/files?x=1");
    const bool asks = GENERATE(false, true);
    const Reply reply = stage.ask(request_text(
        "OPTIONS", target,
        std::string{"Origin: https://app.test\r\nAccess-Control-Request-Method: POST\r\n"} +
            (asks ? "Access-Control-Request-Headers: authorization, x-stainless-lang\r\n" : "")));
    CHECK(reply.status() == 204);
    CHECK(reply.body().empty());
    CHECK(reply.header("access-control-allow-origin") == "*");
    CHECK(reply.header("access-control-allow-methods") == "GET, POST, PUT, PATCH, DELETE, OPTIONS");
    CHECK(reply.header("access-control-allow-headers") ==
          (asks ? "authorization, x-stainless-lang" : "Origin, Authorization, Content-Type"));
    CHECK(reply.header("access-control-max-age") == "86400");
    CHECK(stage.first().connections() == 0);
    CHECK(stage.authenticated_records() == 0);
}

TEST_CASE("/healthz answers without a key")
{
    Stage stage{{script::chat_reply("never")}};
    CHECK(stage.ask(request_text("GET", "/healthz", "")).status() == 200);
    CHECK(stage.authenticated_records() == 0);
}

TEST_CASE("many clients at once each get their own reply")
{
    Stage stage{{script::chat_reply("hello")}};
    std::vector<std::unique_ptr<TestClient>> clients;
    for (int count = 0; count < 50; ++count) {
        clients.push_back(stage.connect());
        clients.back()->send(chat_request("model-" + std::to_string(count)));
    }
    for (const auto& client : clients) {
        stage.run_until([&] { return client->replies().size() == 1; });
        CHECK(client->replies()[0].body() == chat_reply("hello"));
    }
    CHECK(stage.first().requests().size() == 50);
    CHECK(stage.router().records().size() == 50);
}

}  // namespace route::test
