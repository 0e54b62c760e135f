#include <new>
#include <string>

#include "tests/net/stage.hpp"

// What the router answers itself.

namespace route::test {

namespace {

Reply preflight(Stage& stage, const std::string& path, const std::string& headers = {})
{
    return stage.ask(request_text("OPTIONS", path,
                                  "Origin: https://app.example\r\n"
                                  "Access-Control-Request-Method: POST\r\n" +
                                      headers));
}

}  // namespace

TEST_CASE("a preflight allows the headers it asks for, those of every API's keys too")
{
    Stage stage{{script::chat_reply("never")}};
    const auto path = GENERATE(values<std::string>({"/v1/messages", "/v1/chat/completions"}));
    const std::string asked = "x-api-key,anthropic-version,content-type,api-key";
    const auto reply = preflight(stage, path, "Access-Control-Request-Headers: " + asked + "\r\n");
    CHECK(reply.status() == 204);
    CHECK(reply.header("access-control-allow-origin") == "*");
    CHECK(reply.header("access-control-allow-headers") == asked);
    CHECK(reply.header("access-control-allow-methods") == "GET, POST, PUT, PATCH, DELETE, OPTIONS");
    CHECK(reply.header("access-control-max-age") == "86400");
}

TEST_CASE("a preflight that asks for no headers is told the usual ones")
{
    Stage stage{{script::chat_reply("never")}};
    const auto reply = preflight(stage, "/v1/messages");
    CHECK(reply.status() == 204);
    CHECK(reply.header("access-control-allow-headers") == "Origin, Authorization, Content-Type");
}

TEST_CASE("a browser gets to read what is wrong with a path: the preflight before it is answered, too")
{
    Stage stage{{script::chat_reply("never")}};
    const auto path = GENERATE(values<std::string>({"/chat/completions", "/", "/v1/v1/chat/completions"}));
    CAPTURE(path);
    const auto asked = preflight(stage, path);
    CHECK(asked.status() == 204);
    CHECK(asked.header("access-control-allow-origin") == "*");
    const auto reply = stage.ask(request_text("POST", path, bearer(), "{}"));
    CHECK(reply.status() == 404);
    CHECK(reply.header("access-control-allow-origin") == "*");
    CHECK(stage.ask(request_text("OPTIONS", "/chat/completions", {})).status() == 404);
}

TEST_CASE("what fails while a page is made is an answer, and the router goes on")
{
    Stage stage{{script::chat_reply("hello")}};
    auto& services = stage.router().services();
    services.metrics_text = []() -> std::string { throw std::bad_alloc{}; };
    services.readiness = []() -> net::Readiness { throw std::runtime_error{"nobody knows"}; };
    const auto path = GENERATE(values<std::string>({"/v1/metrics", "/readyz"}));
    const auto reply = stage.ask(get_request(path));
    CHECK(reply.status() == 500);
    CHECK(error_of(reply).code == "internal_error");
    CHECK(stage.ask(chat_request()).status() == 200);
}

}  // namespace route::test
