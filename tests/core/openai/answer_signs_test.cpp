#include "core/openai/answer_signs.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;

namespace {

constexpr Api answering[] = {Api::chat_completions,     Api::completions, Api::responses,    Api::messages,
                             Api::embeddings,           Api::images,      Api::audio_speech, Api::moderations,
                             Api::audio_transcriptions, Api::rerank};

struct AnswerRow
{
    Api api;
    std::string body;
    Answer answer;
};

}  // namespace

TEST_CASE("what no API takes for an answer")
{
    const std::string bodies[]{
        "",
        " \n",
        "{}",
        "null",
        "\"hello\"",
        "hello",
        "[]",
        "<html></html>",
        R"({"choices":null})",
        R"({"choices":[]})",
        R"({"data":null,"results":null,"output":null,"content":null,"text":null,"audio":null})",
        R"({"detail":"Not Found"})",
        R"({"code":0,"msg":"ok"})",
        R"({"error":null})",
        R"({"error":{}})",
        R"({"choices":[{"message":{"content":"cut)",
        R"({"data":[{"embedding":[1,2)",
        R"({"choices":[{"message":{"content":"two"}}]}{"choices":[]})",
    };
    for (const auto api : answering)
        for (const auto& body : bodies) {
            CAPTURE(static_cast<int>(api), body);
            CHECK(answer_in(api, body) == Answer::none);
        }
}

TEST_CASE("an error is one on every path, also beside an answer")
{
    const std::string bodies[]{
        R"({"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}})",
        R"({"error":"busy"})",
        R"({"error":true})",
        R"([{"error":{"code":429,"message":"busy","status":"RESOURCE_EXHAUSTED"}}])",
        R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
        R"({"object":"error","message":"busy"})",
        "\xEF\xBB\xBF{\"error\":{\"message\":\"busy\"}}",
        "{\"error\":{\"message\":\"broken \xFF UTF-8\"}}",
        R"({"error":{"message":"busy"},"choices":[],"data":[],"results":[]})",
    };
    for (const auto api : answering)
        for (const auto& body : bodies) {
            CAPTURE(static_cast<int>(api), body);
            CHECK(answer_in(api, body) == Answer::error);
        }
}

TEST_CASE("whole answers of each API")
{
    const auto chat = Api::chat_completions;
    const std::vector<AnswerRow> table{
        {chat,
         R"({"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{}})",
         Answer::content},
        {chat, R"( {"choices":[{"message":{"content":"Hi"}}],"error":null} )", Answer::content},
        {chat, R"({"choices":[{"message":{"content":"Hi"}}],"error":{},"type":null})", Answer::content},
        {chat, R"({"choices":[{"message":{"content":"Hi"}}],"error":""})", Answer::content},
        {chat, R"({"choices":[{"message":{"content":"Hi"}}],"error":false})", Answer::content},
        {chat, R"({"choices":[{"message":{"content":"\ud83d"}}]})", Answer::content},
        {chat, "{\"choices\":[{\"message\":{\"content\":\"\xFF\"}}]}", Answer::content},
        {chat, R"({"choices":[{"message":{"content":null,"refusal":"No"},"finish_reason":"stop"}]})",
         Answer::content},
        {chat, R"({"choices":[{"message":{"content":"","reasoning_content":"Hm"},"finish_reason":"stop"}]})",
         Answer::content},
        {chat,
         R"({"choices":[{"message":{"content":null,"tool_calls":[{"id":"x","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})",
         Answer::content},
        {chat, R"({"choices":[{"message":{"content":null,"audio":{"id":"a","data":"AAAA"}}}]})",
         Answer::content},
        {chat, R"({"choices":[{"message":{"content":""}},{"message":{"content":"Hi"}}]})", Answer::content},
        {chat, R"({"choices":[{"message":{"role":"assistant","content":""},"finish_reason":"stop"}]})",
         Answer::blank},
        {chat, R"({"choices":[{"message":{"role":"assistant","content":null},"finish_reason":null}]})",
         Answer::blank},
        {chat, R"({"choices":[{"finish_reason":"stop"}]})", Answer::blank},
        {chat, R"({"choices":[{"message":{"content":""},"finish_reason":"length"}]})", Answer::content},
        {chat, R"({"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]})",
         Answer::content},
        {chat, R"({"choices":[{"message":{"content":""},"finish_reason":"tool_calls"}]})", Answer::content},
        {chat, R"({"choices":[{"message":{"content":""},"finish_reason":"error"}]})", Answer::error},
        {chat, R"({"choices":[{"error":{"message":"busy"},"message":{"content":""}}]})", Answer::error},
        {chat, R"({"choices":[{"message":{"content":"Hi"}}],"error":{"message":"busy"}})", Answer::error},
        {chat, R"({"choices":[null]})", Answer::none},
        {chat, R"({"data":[{"embedding":[1]}]})", Answer::none},
        {Api::completions, R"({"choices":[{"text":"Hi","index":0,"finish_reason":"stop"}]})",
         Answer::content},
        {Api::completions, R"({"choices":[{"text":"","finish_reason":"stop"}]})", Answer::blank},
        {Api::completions, R"({"choices":[{"text":"","finish_reason":"length"}]})", Answer::content},
        {Api::responses,
         R"({"object":"response","status":"completed","error":null,"output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}]})",
         Answer::content},
        {Api::responses,
         R"({"object":"response","status":"completed","output":[{"type":"function_call","name":"f","arguments":"{}"}]})",
         Answer::content},
        {Api::responses,
         R"({"object":"response","status":"completed","output":[{"type":"reasoning","summary":[]},{"type":"message","content":[{"type":"output_text","text":""}]}]})",
         Answer::blank},
        {Api::responses, R"({"object":"response","status":"completed","output":[]})", Answer::blank},
        {Api::responses,
         R"({"object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]})",
         Answer::content},
        {Api::responses, R"({"object":"response","status":"queued","output":[]})", Answer::content},
        {Api::responses, R"({"object":"response","status":"failed","output":[],"error":null})",
         Answer::error},
        {Api::responses, R"({"status":"failed","error":{"code":"server_error","message":"x"},"output":[]})",
         Answer::error},
        {Api::messages,
         R"({"type":"message","role":"assistant","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"})",
         Answer::content},
        {Api::messages,
         R"({"type":"message","content":[{"type":"tool_use","name":"f","input":{}}],"stop_reason":"tool_use"})",
         Answer::content},
        {Api::messages, R"({"type":"message","content":[],"stop_reason":"end_turn"})", Answer::blank},
        {Api::messages,
         R"({"type":"message","content":[{"type":"text","text":""}],"stop_reason":"end_turn"})",
         Answer::blank},
        {Api::messages, R"({"type":"message","content":[],"stop_reason":"max_tokens"})", Answer::content},
        {Api::messages, R"({"type":"message","content":[],"stop_reason":"pause_turn"})", Answer::content},
        {Api::embeddings,
         R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-0.2]}]})",
         Answer::content},
        {Api::embeddings, R"({"data":[{"embedding":"AACAPw=="}]})", Answer::content},
        {Api::embeddings, R"({"embeddings":[[0.1,0.2]]})", Answer::content},
        {Api::embeddings, R"([[0.1,0.2]])", Answer::content},
        {Api::embeddings, R"({"object":"list","data":[]})", Answer::blank},
        {Api::embeddings, R"({"data":[{"embedding":[]}]})", Answer::blank},
        {Api::images, R"({"created":1,"data":[{"b64_json":"AAAA"}]})", Answer::content},
        {Api::images, R"({"created":1,"data":[{"url":"https://x/y.png","revised_prompt":"z"}]})",
         Answer::content},
        {Api::images, R"({"created":1,"data":[]})", Answer::blank},
        {Api::images, R"({"created":1,"data":[{"revised_prompt":"z"}]})", Answer::blank},
        {Api::audio_transcriptions, R"({"text":"Hi"})", Answer::content},
        {Api::audio_transcriptions, R"({"text":"","usage":{}})", Answer::content},
        {Api::audio_transcriptions, R"({"task":"transcribe","segments":[{"text":"Hi"}]})", Answer::content},
        {Api::audio_speech, R"({"audio":"AAAA"})", Answer::content},
        {Api::moderations, R"({"id":"m","results":[{"flagged":false}]})", Answer::content},
        {Api::moderations, R"({"results":[]})", Answer::blank},
        {Api::rerank, R"({"results":[{"index":0,"relevance_score":0.9}]})", Answer::content},
        {Api::rerank, R"({"data":[{"index":0,"relevance_score":0.9}]})", Answer::content},
        {Api::rerank, R"([{"index":0,"score":0.9}])", Answer::content},
    };
    for (const auto& row : table) {
        CAPTURE(static_cast<int>(row.api), row.body);
        CHECK(answer_in(row.api, row.body) == row.answer);
    }
}

TEST_CASE("an answer cut anywhere is none")
{
    const std::string body =
        R"({"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi [there] {you}"},"finish_reason":"stop"}],"usage":{"total_tokens":7}})";
    for (std::size_t size = 0; size < body.size(); ++size) {
        CAPTURE(size);
        CHECK(answer_in(Api::chat_completions, std::string_view{body}.substr(0, size)) == Answer::none);
    }
    CHECK(answer_in(Api::chat_completions, body) == Answer::content);
}

TEST_CASE("answers nested without end take no stack")
{
    std::string deep = R"({"choices":[{"message":{"content":)";
    for (int i = 0; i < 900; ++i)
        deep += R"([{"content":)";
    CHECK(answer_in(Api::chat_completions, deep) == Answer::none);
}
