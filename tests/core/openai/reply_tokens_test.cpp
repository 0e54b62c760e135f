#include <optional>
#include <string>
#include <vector>

#include "tests/core/openai/reply_samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;

namespace {

struct TokensRow
{
    std::string name;
    std::vector<std::string> events;
    std::optional<std::int64_t> prompt;
    std::optional<std::int64_t> completion;
    std::optional<std::int64_t> total;
};

std::string usage(const std::string& members)
{
    return R"({"choices":[],"usage":{)" + members + "}}";
}

std::string message_start(const std::string& members)
{
    return R"({"type":"message_start","message":{"type":"message","content":[],"usage":{)" + members + "}}}";
}

std::string message_delta(const std::string& members)
{
    return R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{)" + members + "}}";
}

}  // namespace

TEST_CASE("the token counts of a stream")
{
    const std::vector<TokensRow> rows{
        {"a zero behind a count",
         {message_start(R"("input_tokens":15,"output_tokens":1)"),
          message_delta(R"("input_tokens":0,"output_tokens":7)")},
         15,
         7,
         22},
        {"zeros behind counts",
         {usage(R"("prompt_tokens":5,"completion_tokens":7,"total_tokens":12)"),
          usage(R"("prompt_tokens":0,"completion_tokens":0,"total_tokens":0)")},
         5,
         7,
         12},
        {"counts behind zeros",
         {usage(R"("prompt_tokens":0,"completion_tokens":0,"total_tokens":0)"),
          usage(R"("prompt_tokens":5,"completion_tokens":7,"total_tokens":12)")},
         5,
         7,
         12},
        {"a total of zero beside counts",
         {usage(R"("prompt_tokens":5,"completion_tokens":7,"total_tokens":0)")},
         5,
         7,
         12},
        {"nothing but zeros",
         {usage(R"("prompt_tokens":0,"completion_tokens":0,"total_tokens":0)")},
         0,
         0,
         0},
        {"a count that grows",
         {usage(R"("prompt_tokens":5,"completion_tokens":1,"total_tokens":6)"),
          usage(R"("prompt_tokens":5,"completion_tokens":2,"total_tokens":7)")},
         5,
         2,
         7},
        {"less than nothing", {usage(R"("prompt_tokens":-1,"completion_tokens":2)")}, {}, 2, {}},
        {"Anthropic's cache",
         {message_start(
              R"("input_tokens":15,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":1)"),
          message_delta(R"("output_tokens":7)")},
         1115,
         7,
         1122},
        {"Anthropic's cache, said again at the end",
         {message_start(
              R"("input_tokens":15,"cache_creation_input_tokens":100,"cache_read_input_tokens":0,"output_tokens":1)"),
          message_delta(
              R"("input_tokens":15,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":7)")},
         1115,
         7,
         1122},
        {"nothing but Anthropic's cache", {message_start(R"("cache_read_input_tokens":1000)")}, 1000, {}, {}},
        {"a prompt that counts its cached tokens",
         {usage(
             R"("prompt_tokens":1115,"cache_read_input_tokens":1000,"completion_tokens":7,"total_tokens":1122)")},
         1115,
         7,
         1122},
        {"counts by both names",
         {usage(R"("prompt_tokens":0,"input_tokens":15,"completion_tokens":0,"output_tokens":7)")},
         15,
         7,
         22},
        {"Groq's own",
         {R"({"choices":[],"x_groq":{"id":"r","usage":{"queue_time":0.1,"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}})"},
         5,
         7,
         12},
        {"a choice's own",
         {R"({"choices":[{"index":0,"delta":{},"usage":{"prompt_tokens":5,"completion_tokens":7}}]})"},
         5,
         7,
         12},
        {"a transcription's",
         {R"({"type":"transcript.text.done","text":"Hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0},"output_tokens":45,"total_tokens":59}})"},
         14,
         45,
         59},
        {"an image's",
         {R"({"type":"image_generation.completed","b64_json":"AAAA","usage":{"input_tokens":50,"output_tokens":50,"total_tokens":100}})"},
         50,
         50,
         100},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        const auto summary = said_by(row.events);
        CHECK(summary.prompt_tokens == row.prompt);
        CHECK(summary.completion_tokens == row.completion);
        CHECK(summary.total_tokens == row.total);
    }
}

TEST_CASE("the token counts of whole replies")
{
    const auto anthropic = read_json_reply(
        R"({"type":"message","content":[],"usage":{"input_tokens":15,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":7}})",
        100);
    CHECK(anthropic.prompt_tokens == 1115);
    CHECK(anthropic.total_tokens == 1122);
    const auto huge = read_json_reply(
        R"({"usage":{"input_tokens":9223372036854775807,"cache_read_input_tokens":1,"output_tokens":7}})",
        100);
    CHECK_FALSE(huge.prompt_tokens.has_value());
    CHECK(huge.completion_tokens == 7);
}

TEST_CASE("an empty finish reason is none")
{
    CHECK(said_by({R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})",
                   R"({"choices":[{"index":0,"delta":{},"finish_reason":""}],"usage":{}})"})
              .finish_reason == "stop");
    CHECK(said_by({message_delta(""), R"({"type":"message_delta","delta":{"stop_reason":""}})"})
              .finish_reason == "end_turn");
    CHECK(
        said_by(
            {R"({"type":"response.completed","response":{"status":"completed","output":[],"incomplete_details":{"reason":""}}})"})
            .finish_reason == "completed");
}

TEST_CASE("a reply on its API's own path needs no mark of its shape")
{
    const std::string response =
        R"({"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}]})";
    const std::string message = R"({"content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn"})";
    struct Row
    {
        std::string body;
        std::string path;
        bool known;
    };
    const Row rows[]{
        {response, "/v1/responses", true},
        {response, "/openai/v1/responses", true},
        {response, "/openai/deployments/m/responses", true},
        {response, "/v1/messages", false},
        {response, "/v1/responsesX", false},
        {response, "/v1/batches", false},
        {R"({"object":"batch","status":"completed","output":[]})", "/v1/responses", false},
        {R"({"error":{"message":"no"}})", "/v1/responses", false},
        {message, "/v1/messages", true},
        {message, "/v1/threads/t/messages", false},
        {message, "/v1/messages/batches", false},
        {R"({"object":"list","content":[]})", "/v1/messages", false},
        {R"({"type":"error","content":[]})", "/v1/messages", false},
    };
    for (const auto& row : rows) {
        CAPTURE(row.body, row.path);
        const auto summary = read_json_reply(row.body, 1000, api_of("POST", row.path));
        CHECK(summary.text == (row.known ? "Hello" : row.body));
    }
    CHECK(read_json_reply(response, 1000, Api::responses).finish_reason == "completed");
}
