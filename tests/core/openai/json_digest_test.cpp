#include "core/openai/json_digest.hpp"

#include <string>
#include <utility>
#include <vector>

#include "core/openai/reply_text.hpp"
#include "core/text.hpp"
#include "tests/core/openai/reply_samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;

namespace {

std::string digest_of(std::string_view json, std::size_t step, std::size_t max_text = 1u << 20)
{
    JsonDigest digest{max_text};
    for (std::size_t at = 0; at < json.size(); at += step)
        digest.write(json.substr(at, step));
    return digest.take();
}

ReplySummary long_reply(std::string_view json, std::size_t max_text)
{
    LongJsonReply reply{max_text};
    for (std::size_t at = 0; at < json.size(); at += 10'000)
        reply.write(json.substr(at, 10'000));
    ReplyCapture capture;
    reply.give_to(capture);
    CHECK(capture.raw.size() <= max_text);
    CHECK(capture.digest.size() <= max_text + (400u << 10));
    return read_long_json_reply(capture, max_text);
}

std::string repeated(std::string_view piece, std::size_t times)
{
    std::string text;
    for (std::size_t i = 0; i < times; ++i)
        text += piece;
    return text;
}

const std::string usage_member = R"("usage":{"prompt_tokens":5,"completion_tokens":7})";

std::string chat_body(const std::string& members, const std::string& behind = "")
{
    return R"({"choices":[{"index":0,"message":{)" + members + R"(},"finish_reason":"stop"}],)" +
           usage_member + behind + "}";
}

}  // namespace

TEST_CASE("a digest holds the members that replies are read from")
{
    const std::vector<std::pair<std::string, std::string>> rows{
        {R"({})", "{}"},
        {R"({"a":1,"id":"x","b":[{"id":1}],"index":-1.5e3,"status":null,"text":true,"c":{}})",
         R"({"id":"x","index":-1.5e3,"status":null,"text":true})"},
        {R"({"content":[1,"a",[],{"b":2,"text":"c"}],"id":[]})",
         R"({"content":[1,"a",[],{"text":"c"}],"id":[]})"},
        {R"({"usage":{"a":{"b":[1]}},"input":{"x":"y"},"arguments":{"\"\n":1}})",
         R"({"usage":{"a":{"b":[1]}},"input":{"x":"y"},"arguments":{"\"\n":1}})"},
        {R"({"choices":[{"index":1,"text":"b"},{"index":0,"text":"a"}]})",
         R"({"choices":[{},{"index":0,"text":"a"}]})"},
        {R"({"output":[{"id":"r","type":"reasoning","content":[{"text":"hm"}]},{"type":"message"}]})",
         R"({"output":[{},{"type":"message"}]})"},
        {R"({"text":"\u00e4\ud83d\ude00\ud83d\n\"\\\u0001\'","id":1})",
         "{\"text\":\"\u00e4\U0001F600\uFFFD\\n\\\"\\\\\\u0001 '\",\"id\":1}"},
        {"{\"text\":\"\xff\t\",\"id\":1}", "{\"text\":\"\xff \",\"id\":1}"},
        {R"({"text":"a","id":"b)", R"({"text":"a","id":"b"})"},
        {R"({"text":"a","content":[{"text":"b","id)", R"({"text":"a","content":[{"text":"b"}]})"},
        {R"({"text":"a",,"id":1})", R"({"text":"a"})"},
        {R"({"text":"a"}{"text":"b"})", R"({"text":"a"})"},
        {"[{\"text\":1}]", ""},
        {"text", ""},
        {"", ""},
    };
    for (const auto& [json, digest] : rows) {
        for (std::size_t step = 1; step <= json.size() + 1; ++step) {
            CAPTURE(json, step);
            CHECK(digest_of(json, step) == digest);
        }
    }
}

TEST_CASE("a digest says whether its JSON was whole")
{
    const std::vector<std::pair<std::string, bool>> rows{
        {"{}", true},     {" {\"a\":1}\r\n ", true}, {"{\"a\":1", false},
        {"{} x", false},  {"{}{}", false},           {"[]", false},
        {"{} \\", false}, {"{\"a\":}", false},       {"", false},
        {"1", false},     {"{\"a\":\"\\", false},
    };
    for (const auto& [json, whole] : rows) {
        CAPTURE(json);
        JsonDigest digest{100};
        digest.write(json);
        CHECK(digest.whole() == whole);
    }
}

TEST_CASE("the text of a JSON reply is read whatever surrounds it")
{
    const std::string image = R"(,"image":{"b64_json":")" + std::string(3u << 20, 'A') + R"("})";
    const std::string logprobs =
        R"("logprobs":[)" + repeated(R"({"token":"a","text":"b"},)", 100'000) + R"({}],)";
    const std::string hello = R"("content":"Hello")";
    const std::vector<std::pair<std::string, std::string>> rows{
        {chat_body(hello, image), "Hello"},
        {chat_body(logprobs + hello), "Hello"},
        {R"({"choices":[{"message":{"content":")" + std::string(1u << 20, 'x') +
             R"("},"index":1},{"message":{)" + hello + R"(},"index":0,"finish_reason":"stop"}],)" +
             usage_member + "}",
         "Hello"},
        {R"({"object":"response","output":[{"type":"reasoning","content":[{"type":"reasoning_text","text":")" +
             std::string(1u << 20, 'x') +
             R"("}]},{"type":"message","content":[{"type":"output_text","text":"Hello"}]}],"status":"stop",)" +
             usage_member + "}",
         "Hello"},
        {chat_body(R"("tool_calls":[{"id":"a","function":{"name":"f","arguments":"[1]"}}])", image),
         R"({"name":"f","arguments":"[1]"})"},
        {R"({"type":"message","content":[{"type":"thinking","thinking":")" + std::string(1u << 20, 'x') +
             R"("},{"type":"text","text":"Hello"}],"stop_reason":"stop",)" + usage_member + "}",
         "Hello"},
    };
    for (const auto& [json, text] : rows) {
        CAPTURE(text, json.substr(0, 60));
        const auto summary = long_reply(json, 100'000);
        CHECK(summary.text == text);
        CHECK_FALSE(summary.text_cut);
        CHECK(summary.finish_reason == "stop");
        CHECK(summary.total_tokens == 12);
    }
}

TEST_CASE("a text too long is cut, and what stands behind it is read")
{
    constexpr std::size_t limit = 100'000;
    const std::string many = repeated(R"({"type":"text","text":"a"},)", 300'000) + "{}";
    const std::vector<std::pair<std::string, char>> rows{
        {chat_body(R"("content":")" + std::string(3u << 20, 'x') + R"(")"), 'x'},
        {chat_body(R"("content":[)" + many + "]"), 'a'},
        {R"({"type":"message","content":[)" + many + R"(],"stop_reason":"stop",)" + usage_member + "}", 'a'},
        {chat_body(R"("tool_calls":[)" + repeated("{},", 300'000) + R"({}],"content":")" +
                   std::string(limit * 2, 'x') + R"(")"),
         'x'},
    };
    for (const auto& [json, letter] : rows) {
        CAPTURE(json.substr(0, 60));
        const auto summary = long_reply(json, limit);
        CHECK(summary.text_cut);
        CHECK(summary.text == std::string(summary.text.size(), letter));
        CHECK(summary.finish_reason == "stop");
        CHECK(summary.total_tokens == 12);
    }
    CHECK(long_reply(rows[0].first, limit).text.size() == limit);
    CHECK(long_reply(rows[3].first, limit).text.size() > 0);
}

TEST_CASE("a text just at its limit is not cut")
{
    for (const std::size_t size : {999u, 1000u, 1001u}) {
        const auto summary = long_reply(chat_body(R"("content":")" + std::string(size, 'x') + R"(")"), 1000);
        CHECK(summary.text.size() == std::min<std::size_t>(size, 1000));
        CHECK(summary.text_cut == (size > 1000));
    }
    std::string text = std::string(998, 'x') + "\u00e4\u00e4";
    const auto summary = long_reply(chat_body(R"("content":")" + text + R"(")"), 1001);
    CHECK(summary.text == std::string(998, 'x') + "\u00e4");
    CHECK(summary.text_cut);
}

TEST_CASE("nesting without end takes no memory without end")
{
    JsonDigest digest{1000};
    for (int i = 0; i < 100'000; ++i)
        digest.write(R"({"content":[)");
    CHECK_FALSE(digest.whole());
    CHECK(digest.take().size() < 10'000);
}
