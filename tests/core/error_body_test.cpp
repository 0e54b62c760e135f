#include "core/error_body.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("error_body has the shape of OpenAI's errors")
{
    CHECK(error_body({403, "invalid_api_key", "wrong authorization header"}) ==
          R"({"error":{"message":"wrong authorization header","type":"invalid_request_error",)"
          R"("param":null,"code":"invalid_api_key"}})");
    CHECK(
        error_body({502, "upstream_error", "a: status 500"}) ==
        R"({"error":{"message":"a: status 500","type":"server_error","param":null,"code":"upstream_error"}})");
}

TEST_CASE("error_type follows the status")
{
    for (const unsigned status : {400u, 403u, 404u, 408u, 413u, 431u, 499u})
        CHECK(error_type(status) == "invalid_request_error");
    for (const unsigned status : {500u, 502u, 503u})
        CHECK(error_type(status) == "server_error");
}

TEST_CASE("a message comes through whatever is in it")
{
    const std::string odd = "quote\" backslash\\ newline\n control\x01 你好 \x7f </script>";
    const auto body = boost::json::parse(error_body({400, "bad_request", odd}));
    CHECK(std::string{body.at("error").at("message").as_string()} == odd);

    const auto cleaned = boost::json::parse(error_body({400, "bad_request",
                                                        "a\xff\xfe"
                                                        "b"}));
    CHECK_THAT(std::string{cleaned.at("error").at("message").as_string()}, ContainsSubstring("\uFFFD"));
}

TEST_CASE("truncation_event speaks the protocol of the path")
{
    const std::string openai =
        "data: {\"error\":{\"message\":\"cut \\\"here\\\"\\n\",\"type\":\"server_error\",\"param\":null,"
        "\"code\":\"upstream_truncated\"}}\n\n";
    const std::string anthropic =
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"cut "
        "\\\"here\\\"\\n\","
        "\"code\":\"upstream_truncated\"}}\n\n";
    for (const auto* path : {"/v1/chat/completions", "/v1/responses", "/v1/messages/batches", ""})
        CHECK(truncation_event(path, "cut \"here\"\n") == openai);
    for (const auto* path : {"/v1/messages", "/v1/messages?beta=true"})
        CHECK(truncation_event(path, "cut \"here\"\n") == anthropic);
}
