#include "core/openai/error_body.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("error_body has the shape of OpenAI's errors")
{
    CHECK(error_body({403, "invalid_api_key", "wrong authorization header"}, "/v1/chat/completions") ==
          R"({"error":{"message":"wrong authorization header","type":"invalid_request_error",)"
          R"("param":null,"code":"invalid_api_key"}})");
    CHECK(
        error_body({502, "upstream_error", "a: status 500"}, "/nowhere") ==
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
    const auto body = boost::json::parse(error_body({400, "bad_request", odd}, "/v1/messages"));
    CHECK(std::string{body.at("error").at("message").as_string()} == odd);

    const auto cleaned = boost::json::parse(error_body({400, "bad_request",
                                                        "a\xff\xfe"
                                                        "b"},
                                                       "/v1/responses"));
    CHECK_THAT(std::string{cleaned.at("error").at("message").as_string()}, ContainsSubstring("\uFFFD"));
}

TEST_CASE("error_body has the shape of Anthropic's errors where those are expected")
{
    struct Case
    {
        unsigned status;
        const char* type;
    };
    for (const auto& [status, type] :
         {Case{400, "invalid_request_error"}, Case{401, "authentication_error"},
          Case{403, "permission_error"}, Case{404, "not_found_error"}, Case{405, "invalid_request_error"},
          Case{413, "request_too_large"}, Case{429, "rate_limit_error"}, Case{500, "api_error"},
          Case{502, "api_error"}, Case{503, "overloaded_error"}}) {
        CAPTURE(status);
        for (const auto* path : {"/v1/messages", "/v1/messages?beta=true", "/v1/messages/count_tokens"})
            CHECK(error_body({status, "some_code", "a \"b\""}, path) ==
                  R"({"type":"error","error":{"type":")" + std::string{type} + R"(","message":"a \"b\""}})");
    }
    for (const auto* path : {"/v1/messagesx", "/v1/threads/t/messages", "/messages", ""})
        CHECK(error_body({404, "not_found", "no"}, path).starts_with(R"({"error":{"message":"no")"));
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
    const std::string responses =
        "event: error\ndata: {\"type\":\"error\",\"sequence_number\":7,\"code\":\"upstream_truncated\","
        "\"message\":\"cut \\\"here\\\"\\n\",\"param\":null}\n\n";
    for (const auto* path : {"/v1/chat/completions", "/v1/completions", "/v1/responsesx", ""})
        CHECK(truncation_event(path, "cut \"here\"\n", 7) == openai);
    for (const auto* path : {"/v1/messages", "/v1/messages?beta=true"})
        CHECK(truncation_event(path, "cut \"here\"\n", 7) == anthropic);
    for (const auto* path : {"/v1/responses", "/v1/responses/resp_1?stream=true"})
        CHECK(truncation_event(path, "cut \"here\"\n", 7) == responses);
}
