#include "core/openai/request_facts.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;

namespace {

/// In memory that ends where the padding ends, which holds what would mislead a parser.
Result<RequestFacts> facts_of(std::string_view body, std::string_view content_type = "application/json",
                              Reading reading = Reading::lenient)
{
    constexpr std::string_view misleading = "}]\",:\"model\":1";
    std::vector<char> bytes(body.begin(), body.end());
    for (std::size_t i = 0; i < body_padding; ++i)
        bytes.push_back(misleading[i % misleading.size()]);
    return read_request_facts(content_type, {bytes.data(), body.size()}, reading);
}

}  // namespace

TEST_CASE("model and stream are read from JSON")
{
    struct Row
    {
        std::string body;
        std::string model;
        bool stream;
        std::string token;
    };
    const Row rows[]{
        {R"({"model":"gpt-4o","stream":true})", "gpt-4o", true, R"("gpt-4o")"},
        {R"({"stream":false,"model":"gpt-4o"})", "gpt-4o", false, R"("gpt-4o")"},
        {"\r\n\t {\n \"model\" : \"gpt-4o\" \n, \"x\": [1,{\"model\":\"no\"}] } \n", "gpt-4o", false,
         R"("gpt-4o")"},
        {R"({"mod\u0065l":"g","\u0073tream":true})", "g", true, R"("g")"},
        {R"({"model":"a\"b\u00e4\n","messages":[{"model":"x","stream":true}]})", "a\"b\u00e4\n", false,
         R"("a\"b\u00e4\n")"},
        {R"({"model":"","stream":"true"})", "", false, R"("")"},
        {R"({"model":"m","stream":true,"stream":false})", "m", false, R"("m")"},
        {R"({"metadata":{"model":"no"},"models":["no"],"Model":"no","model":"m"})", "m", false, R"("m")"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.body);
        const auto facts = facts_of(row.body).value();
        CHECK(facts.model == row.model);
        CHECK(facts.stream == row.stream);
        CHECK(facts.model_is_json);
        CHECK(row.body.substr(facts.model_begin, facts.model_end - facts.model_begin) == row.token);
        // The content type of a JSON body is often wrong.
        CHECK(facts_of(row.body, "text/plain").value().model == row.model);
    }
}

TEST_CASE("bodies without a model")
{
    for (const auto* body : {"",
                             " ",
                             "{",
                             "{}",
                             "[]",
                             "null",
                             "\"model\"",
                             "[{\"model\":\"m\"}]",
                             R"({"model":null})",
                             R"({"model":1})",
                             R"({"model":["m"]})",
                             R"({"model":{"model":"m"}})",
                             R"({"input":{"model":"m"}})",
                             R"({"model":"m")",
                             R"({"model":"m"}})",
                             R"({"model":"m"} {})",
                             R"({"model":"m",})",
                             R"({"model":"m" "x":1})",
                             R"({"model":"m)",
                             R"({"model":"\ud800"})",
                             R"({"model":"m","mod\x":1})",
                             R"({"model":"m","x":})",
                             R"({"model":)",
                             R"({"model"})",
                             R"({"model":"m",x:1})",
                             "{\"model\":\"\n\"}",
                             "{\"model\":\"\xff\"}",
                             "\xEF\xBB\xBF{\"model\":\"m\"}",
                             "model=m"}) {
        CAPTURE(body);
        const auto facts = facts_of(body);
        REQUIRE(facts.has_value());
        CHECK_FALSE(facts->model.has_value());
    }
}

TEST_CASE("stream is read although there is no model")
{
    CHECK(facts_of(R"({"stream":true})").value().stream);
    CHECK(facts_of(R"({"model":7,"stream":true})").value().stream);
}

TEST_CASE("two top-level models are refused")
{
    for (const auto* body :
         {R"({"model":"a","model":"a"})", R"({"model":"a","messages":[{"content":"x"}],"mod\u0065l":"b"})",
          R"({"\u006dodel":1,"stream":true,"model":"b"})", R"({"model":null,"model":null})"}) {
        CAPTURE(body);
        const auto facts = facts_of(body);
        REQUIRE(facts.has_error());
        CHECK(facts.error().reason == "two top-level 'model' members");
    }
}

TEST_CASE("a strict reading refuses what other readers could read otherwise, a lenient one passes it on")
{
    struct Case
    {
        const char* name;
        std::string body;
        std::string why;
    };
    const std::string valid = "no valid JSON";
    const Case cases[]{
        {"a byte order mark", "\xef\xbb\xbf{\"model\":\"m\"}", "byte order mark"},
        {"a second value", R"({"model":"a"}{"model":"m"})", valid},
        {"a second value on a line of its own", "{\"model\":\"a\"}\n{\"model\":\"m\"}", valid},
        {"invalid UTF-8", "{\"model\":\"a\",\"x\":\"\xff\"}", "UTF-8"},
        {"invalid UTF-8 in the model", "{\"model\":\"\xc3\"}", "UTF-8"},
        {"a trailing comma", R"({"model":"m",})", valid},
        {"a trailing comma further down", R"({"model":"m","messages":[1,]})", valid},
        {"a comment", R"({"model":"a"/*,*/})", valid},
        {"a comment at the end", "{\"model\":\"a\"} // m", valid},
        {"a comment that hides another model", R"({"x":[/*"*/],"model":"m","y":"*/"]})", valid},
        {"model in other letters", R"({"Model":"m"})", "other letters"},
        {"beside the model", R"({"model":"a","MODEL":"m"})", "other letters"},
        {"in other letters and escapes", R"({"\u004dodel":"m","model":"a"})", "other letters"},
        {"names without quotes", R"({model:"m"})", valid},
        {"single quotes", R"({'model':'m'})", valid},
        {"a value that is none", R"({"model":"m","x":undefined})", valid},
        {"an end that is missing", R"({"model":"m")", valid},
        {"a comment before it", R"(/**/{"model":"m"})", "no valid JSON object"},
        {"a string before it", R"("x"{"model":"m"})", "no valid JSON object"},
        {"an array before it", R"([]{"model":"m"})", "no valid JSON object"},
        {"no JSON at all", "model=m", "no valid JSON object"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.name);
        CHECK(facts_of(each.body).has_value());
        const auto facts = facts_of(each.body, "application/json", Reading::strict);
        REQUIRE_FALSE(facts.has_value());
        CHECK_THAT(facts.error().reason, ContainsSubstring(each.why));
    }
    // Whatever it is said to be, what begins as an object is read as one.
    CHECK_FALSE(facts_of(R"({"model":"m",})", "text/plain", Reading::strict).has_value());
    CHECK_FALSE(facts_of("\xef\xbb\xbf{\"model\":\"m\"}", "", Reading::strict).has_value());
}

TEST_CASE("a strict reading takes all that is JSON, and what is not said to be")
{
    for (
        const auto* body :
        {R"({"model":"m","stream":true,"x":[1,-2.5e+3,true,false,null,"a\"b",{"y":{}},[]],"n":123456789012345678901})",
         R"({"model":7,"stream":"yes"})", R"({"model":{"a":[]},"stream":null})", R"({})", " \r\n", "",
         R"([{"model":"m"},[],"x",1])", R"({"models":"M","mode":"l","stream":true,"Stream":1})"}) {
        CAPTURE(body);
        CHECK(facts_of(body, "application/json", Reading::strict).has_value());
    }
    CHECK(facts_of(R"({"stream":true,"model":"m"})", "application/json", Reading::strict).value().stream);
    CHECK(facts_of("model=m", "application/x-www-form-urlencoded", Reading::strict).has_value());
    CHECK(facts_of("\xff\xfe", "application/octet-stream", Reading::strict).has_value());
}

TEST_CASE("a renamed model leaves every other byte as it was")
{
    const std::string body = "{ \"a\" : 1.0e+2 ,\"model\" :  \"x\" , \"b\":\"\\u00e4\" }";
    const auto facts = facts_of(body).value();
    CHECK(rename_model(body, facts, "y\"\n\u00e4") ==
          "{ \"a\" : 1.0e+2 ,\"model\" :  \"y\\\"\\n\u00e4\" , \"b\":\"\\u00e4\" }");
    CHECK(rename_model(body, facts, "") == "{ \"a\" : 1.0e+2 ,\"model\" :  \"\" , \"b\":\"\\u00e4\" }");
}

TEST_CASE("large and deep bodies")
{
    const std::string large =
        R"({"messages":[{"content":")" + std::string(3u << 20, 'x') + R"("}],"model":"m"})";
    CHECK(facts_of(large).value().model == "m");
    const std::string deep =
        R"({"a":)" + std::string(100'000, '[') + std::string(100'000, ']') + R"(,"model":"m"})";
    CHECK(facts_of(deep).value().model == "m");
    const std::string open = R"({"model":"m","a":)" + std::string(100'000, '[') + "}";
    CHECK_FALSE(facts_of(open).value().model.has_value());
}

TEST_CASE("of a model that is too long its beginning is read, and all of it renamed")
{
    struct Row
    {
        std::string token;
        std::string model;
        bool cut;
    };
    const auto times = [](std::string_view unit, std::size_t count) {
        std::string text;
        while (count-- > 0)
            text += unit;
        return text;
    };
    const Row rows[]{
        {std::string(1024, 'm'), std::string(1024, 'm'), false},
        {std::string(1025, 'm'), std::string(1024, 'm'), true},
        {std::string(1023, 'm') + "\u00e4n", std::string(1023, 'm'), true},
        {std::string(20u << 20, 'm'), std::string(1024, 'm'), true},
        {times("\\u0041", 1024), std::string(1024, 'A'), false},
        {times("\\u0041", 1u << 20), std::string(1024, 'A'), true},
        {times("\\n", 1u << 20), std::string(1024, '\n'), true},
        {times("\\\\", 1u << 20), std::string(1024, '\\'), true},
        {times("\\ud83d\\ude00", 1u << 20), times("\U0001F600", 256), true},
        {"m" + times("\\ud83d\\ude00", 1u << 20), "m" + times("\U0001F600", 255), true},
        {times("\u00e4", 1u << 20), times("\u00e4", 512), true},
    };
    for (const auto& row : rows) {
        CAPTURE(row.token.substr(0, 20), row.token.size());
        const auto body = R"({"model": ")" + row.token + R"(" ,"stream":true})";
        const auto facts = facts_of(body).value();
        CHECK(facts.model == row.model);
        CHECK(facts.model_cut == row.cut);
        CHECK(facts.stream);
        CHECK(rename_model(body, facts, "w") == R"({"model": "w" ,"stream":true})");
    }
    CHECK_FALSE(facts_of(R"({"model":")" + times("\\x", 10'000) + "\"}").value().model.has_value());
}

TEST_CASE("what reading a body takes is known beforehand")
{
    CHECK(facts_memory(0) == 0);
    CHECK(facts_memory(1u << 20) == 0);
    CHECK(facts_memory(64u << 20) > (64u << 20) * 4);
    CHECK(facts_memory(64u << 20) < (64u << 20) * 6);
}
