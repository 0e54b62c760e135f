#include <string>
#include <utility>

#include "core/openai/reply_text.hpp"
#include "core/text.hpp"
#include "tests/core/openai/reply_samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;

namespace {

constexpr std::size_t any_length = 1u << 20;

ReplySummary long_summary(std::string_view body, std::size_t step, std::size_t max_text)
{
    LongJsonReply reply{max_text};
    for (std::size_t at = 0; at < body.size(); at += step)
        reply.write(body.substr(at, step));
    ReplyCapture capture;
    reply.give_to(capture);
    return read_long_json_reply(capture, max_text);
}

}  // namespace

TEST_CASE("JSON says the same as the stream")
{
    for (const auto& sample : reply_samples()) {
        CAPTURE(sample.name);
        check_whole(read_json_reply(sample.json, any_length), sample);
    }
}

TEST_CASE("long JSON, in pieces of any size, says the same")
{
    for (const auto& sample : reply_samples()) {
        for (const std::size_t step : {1u, 2u, 3u, 7u, 50u, 100'000u}) {
            CAPTURE(sample.name, step);
            check_whole(long_summary(sample.json, step, any_length), sample);
        }
    }
}

TEST_CASE("JSON of another shape is its own text")
{
    struct Row
    {
        std::string body;
        std::optional<std::int64_t> prompt_tokens;
        std::optional<std::int64_t> total_tokens;
    };
    const Row rows[]{
        {R"({"object":"list","data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":8,"total_tokens":8}})", 8,
         8},
        {R"({"error":{"message":"no","type":"x"}})", {}, {}},
        {R"({"text":"spoken"})", {}, {}},
        {R"({"choices":null,"error":{"message":"no"}})", {}, {}},
        {R"({"type":"error","content":[{"type":"text","text":"no"}]})", {}, {}},
        {R"({"object":"batch","status":"completed","output":[]})", {}, {}},
        {R"([1,2])", {}, {}},
        {R"("text")", {}, {}},
        {"", {}, {}},
        {R"({"choices":[{"index":0,"message":{"content":"x"}}],"usage":{"total_tokens":1})", {}, 1},
        {R"({"choices":[{"index":0,"message":{"content":"x"}}]} x)", {}, {}},
        {"<html>\xff", {}, {}},
    };
    for (const auto& row : rows) {
        CAPTURE(row.body);
        const auto summary = read_json_reply(row.body, any_length);
        CHECK(summary.text == row.body);
        CHECK(summary.prompt_tokens == row.prompt_tokens);
        CHECK(summary.total_tokens == row.total_tokens);
        CHECK(summary.finish_reason.empty());
        const auto cut = read_json_reply(row.body, 5);
        CHECK(cut.text == row.body.substr(0, 5));
        CHECK(cut.text_cut == (row.body.size() > 5));
    }
}

TEST_CASE("a known shape without text has none")
{
    CHECK(read_json_reply(R"({"choices":[]})", any_length).text.empty());
    CHECK(read_json_reply(R"({"choices":[{"message":{"content":null}}]})", any_length).text.empty());
    const auto queued = read_json_reply(R"({"object":"response","status":"queued","output":[]})", any_length);
    CHECK(queued.text.empty());
    CHECK(queued.finish_reason == "queued");
}

TEST_CASE("token counts whose sum does not fit have no total")
{
    const std::string body =
        R"({"choices":[],"usage":{"prompt_tokens":9223372036854775807,"completion_tokens":1}})";
    CHECK_FALSE(read_json_reply(body, any_length).total_tokens.has_value());
    CHECK_FALSE(long_summary(body, 10, 10).total_tokens.has_value());
}

TEST_CASE("long JSON keeps its memory flat and reads past long strings and numbers")
{
    LongJsonReply reply{64};
    reply.write(R"({"data":[{"b64_json":")");
    const std::string piece(1u << 16, 'A');
    for (int i = 0; i < 100; ++i)
        reply.write(piece);
    reply.write(R"("}],")" + std::string(5000, 'k') + R"(":)" + std::string(300, '1') +
                R"(,"usage":{"input_tokens":4)");
    reply.write(R"(2,"output_tokens":1}, "status":"completed"})");
    reply.write("trailing");
    ReplyCapture capture;
    reply.give_to(capture);
    CHECK(capture.digest.size() < 200);
    const auto summary = read_long_json_reply(capture, 64);
    CHECK(summary.text.size() == 64);
    CHECK(summary.text_cut);
    CHECK(summary.prompt_tokens == 42);
    CHECK(summary.total_tokens == 43);
    CHECK(summary.finish_reason.empty());
}

TEST_CASE("only the first choice's finish reason counts in long JSON")
{
    const std::string body =
        R"({"usage":[{"prompt_tokens":1}],"x":{"usage":{"prompt_tokens":2},"choices":[{"finish_reason":"no"}]},)"
        R"("choices":[{"message":{"finish_reason":"no"},"finish_reason":"stop"},{"finish_reason":"length"}]})";
    const auto summary = long_summary(body, 9, 10);
    CHECK(summary.finish_reason == "stop");
    CHECK(summary.text.empty());
    CHECK_FALSE(summary.prompt_tokens.has_value());
}

TEST_CASE("broken long JSON stops being read and keeps what was read")
{
    const auto summary = long_summary(R"({"usage":{"prompt_tokens":3},,"status":)", 4, 20);
    CHECK(summary.prompt_tokens == 3);
    CHECK(summary.text == R"({"usage":{"prompt_to)");
    CHECK(summary.text_cut);
    CHECK(long_summary(std::string(100'000, '['), 1000, 20).text == std::string(20, '['));
    CHECK(long_summary("a\u00e4\u00e4", 1, 4).text == "a\u00e4");
}
