#include "core/openai/error_words.hpp"

#include <string>

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("an error's own words are found in every shape")
{
    struct Row
    {
        const char* type;
        const char* body;
        const char* words;
    };
    const Row rows[] = {
        {"application/json", R"({"error":{"message":"Incorrect API key provided","type":"x","code":null}})",
         "Incorrect API key provided"},
        {"application/json",
         R"({"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}})",
         "invalid x-api-key"},
        {"application/json", R"([{"error":{"code":400,"message":"API key not valid"}}])",
         "API key not valid"},
        {"application/json", R"({"error":"model not loaded"})", "model not loaded"},
        {"application/json", R"({"message":"No Route matched"})", "No Route matched"},
        {"application/json", R"({"detail":"Not authenticated"})", "Not authenticated"},
        {"application/json", R"({"detail":[{"loc":["body"],"msg":"field required"}]})", "field required"},
        {"application/json", R"({"error":{"code":7},"message":"outer"})", "outer"},
        {"application/json", R"({"type":"response.failed","response":{"error":{"message":"inside"}}})",
         "inside"},
        {"application/json", R"({"choices":[{"index":0,"error":{"message":"of a choice"}}]})", "of a choice"},
        {"application/json", R"({"status":"bad"})", R"({"status":"bad"})"},
        {"application/json", R"({"error":{"mess)", R"({"error":{"mess)"},
        {"text/plain", "  upstream\r\n\tis \x1b[31mdown\x7f ", "upstream is [31mdown"},
        {"text/html", "<h1>502 Bad Gateway</h1>", "<h1>502 Bad Gateway</h1>"},
        {"text/plain", R"({"error":{"message":"said as text"}})", "said as text"},
        {"", "no type", "no type"},
        {"", "\xff\xfe\x01", ""},
        {"application/octet-stream", "bytes", ""},
        {"application/json", "", ""},
        {"application/json", "[]", "[]"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.body);
        CHECK(error_words(row.type, row.body) == row.words);
    }
}

TEST_CASE("long errors are read up to a bound")
{
    const auto message = std::string(10'000, 'm');
    CHECK(error_words("application/json", R"({"error":{"message":")" + message + "\"}}") ==
          message.substr(0, most_error_text));
    CHECK(error_words("text/plain", message) == message.substr(0, most_error_text));
    CHECK(error_words("application/json", std::string(1u << 20, '[')).size() == most_error_text);
    CHECK(error_words("application/json", std::string(1000, '[')) == std::string(1000, '['));
}
TEST_CASE("an error that may pass says so by its type, its code or its status")
{
    for (const char* body : {
             R"({"error":{"type":"server_error","message":"x"}})",
             R"({"error":{"message":"x","code":"rate_limit_exceeded"}})",
             R"({"type":"error","error":{"type":"overloaded_error","message":"x"}})",
             R"({"type":"error","error":{"type":"api_error","message":"x"}})",
             R"({"type":"error","error":{"type":"rate_limit_error"}})",
             R"({"error":{"code":503,"message":"x","status":"UNAVAILABLE"}})",
             R"([{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}])",
             R"({"error":{"code":"502","message":"x"}})",
             R"({"error":{"code":500,"status":"INTERNAL"}})",
             R"({"type":"response.failed","response":{"error":{"code":"server_error","message":"x"}}})",
             R"({"choices":[{"error":{"code":502,"message":"x"}}]})",
             R"({"type":"error","code":"server_error","message":"x"})",
             R"({"error":{"type":"Service-Unavailable"}})",
             R"({"error":{"type":"too_many_requests"}})",
         }) {
        CAPTURE(body);
        CHECK(error_may_pass(body));
    }
}

TEST_CASE("what an error does not say of itself is not believed to pass")
{
    for (const char* body : {
             "",
             "overloaded",
             "{}",
             "[]",
             R"({"error":"overloaded"})",
             R"({"error":{"message":"overloaded"}})",
             R"({"error":{"type":"invalid_request_error","message":"x"}})",
             R"({"error":{"type":"insufficient_quota","code":"rate_limit_exceeded"}})",
             R"({"error":{"code":"rate_limit_exceeded","type":"insufficient_quota"}})",
             R"({"error":{"code":400,"status":"INVALID_ARGUMENT"}})",
             R"({"error":{"code":401}})",
             R"({"error":{"type":"server_error")",
         }) {
        CAPTURE(body);
        CHECK_FALSE(error_may_pass(body));
    }
}
