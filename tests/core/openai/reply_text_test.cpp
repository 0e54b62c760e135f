#include "core/openai/reply_text.hpp"

#include <string>
#include <utility>

#include "core/text.hpp"
#include "tests/core/openai/reply_samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;

namespace {

constexpr std::size_t no_limit = 1u << 20;

ReplySummary summary_of(std::string_view stream, std::size_t max_text = no_limit)
{
    SseParser parser;
    StreamReply reply{max_text};
    parser.feed(stream, [&](const SseEvent& event) { reply.add(event); });
    return reply.take();
}

std::string chunk(const std::string& delta)
{
    return R"(data: {"choices":[{"index":0,"delta":)" + delta + "}]}\n\n";
}

}  // namespace

TEST_CASE("a stream says what its events say together")
{
    for (const auto& sample : reply_samples()) {
        CAPTURE(sample.name);
        check_whole(summary_of(sample.stream), sample);
    }
}

TEST_CASE("a stream's event lines may be missing")
{
    for (const auto& sample : reply_samples()) {
        CAPTURE(sample.name);
        StreamReply reply{no_limit};
        SseParser parser;
        parser.feed(sample.stream, [&](const SseEvent& event) { reply.add({"", event.data}); });
        const auto summary = reply.take();
        CHECK(summary.text == sample.text);
        CHECK(summary.total_tokens == sample.total_tokens);
        CHECK(summary.finish_reason == sample.finish_reason);
    }
}

TEST_CASE("a stream's text is cut at every limit, its tokens are not lost")
{
    for (const auto& sample : reply_samples()) {
        CAPTURE(sample.name);
        for (std::size_t limit = 0; limit <= sample.text.size() + 1; ++limit) {
            const auto summary = summary_of(sample.stream, limit);
            REQUIRE(summary.text.size() <= limit);
            REQUIRE(valid_utf8(summary.text));
            REQUIRE(summary.text_cut == (limit < sample.text.size()));
            REQUIRE(summary.total_tokens == sample.total_tokens);
            REQUIRE(summary.finish_reason == sample.finish_reason);
        }
    }
}

TEST_CASE("content wins over refusal")
{
    CHECK(summary_of(chunk(R"({"refusal":"no"})") + chunk(R"({"content":"yes"})")).text == "yes");
    CHECK(summary_of(chunk(R"({"refusal":"no","content":null})")).text == "no");
}

TEST_CASE("blanks around an event's JSON change nothing")
{
    CHECK(summary_of("data:  \t{\"choices\":[{\"delta\":{\"content\":\"a\"}}]} \n\n").text == "a");
}

TEST_CASE("content may come in parts, of which text counts")
{
    CHECK(summary_of(chunk(R"({"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"a"}]})") +
                     chunk(R"({"content":"b","reasoning_content":"hidden"})"))
              .text == "ab");
}

TEST_CASE("tool calls without an index begin with a name")
{
    const auto stream = chunk(R"({"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]})") +
                        chunk(R"({"tool_calls":[{"function":{"arguments":"}"}}]})") +
                        chunk(R"({"tool_calls":[{"id":"b","function":{"name":"g","arguments":"{}"}}]})");
    CHECK(summary_of(stream).text == R"({"name":"f","arguments":"{}"})"
                                     "\n"
                                     R"({"name":"g","arguments":"{}"})");
}

TEST_CASE("what a stream reply does not understand it passes over")
{
    const std::string noise =
        "data: hello\n\ndata: [1,2]\n\ndata: {\"choices\n\ndata: {\"choices\":7,\"usage\":[]}\n\n"
        "data: {\"choices\":[7,null,{\"index\":0,\"delta\":[]}],\"delta\":{\"text\":\"no\"}}\n\n"
        "event: x\ndata: "
        "{\"delta\":\"no\",\"item\":null,\"response\":3,\"message\":{},\"content_block\":\"\"}\n\n"
        "data: "
        "{\"usage\":{\"prompt_tokens\":1.5,\"completion_tokens\":\"x\",\"total_tokens\":99999999999999999999}"
        "}\n\n";
    const auto& sample = reply_samples().front();
    const auto summary = summary_of(noise + sample.stream + noise);
    CHECK(summary.text == sample.text);
    CHECK(summary.prompt_tokens == sample.prompt_tokens);
    CHECK(summary.total_tokens == sample.total_tokens);
}

TEST_CASE("tool calls without end take no memory without end")
{
    StreamReply reply{1000};
    for (int i = 0; i < 20'000; ++i) {
        const auto call = R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":)" + std::to_string(i) +
                          R"(,"function":{"name":"f"}}]}}]})";
        reply.add({"", call});
    }
    const auto summary = reply.take();
    CHECK(summary.text.size() <= 1000);
    CHECK(summary.text_cut);
}

TEST_CASE("an event of many megabytes is read")
{
    const std::string image = R"("b64_json":")" + std::string(5u << 20, 'A') + R"(",)";
    const std::string usage = R"("usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12})";
    const std::string completed =
        R"("response":{"status":"completed","output":[{"type":"image_generation_call","result":")" +
        std::string(3u << 20, 'A') +
        R"("},{"type":"message","content":[{"type":"output_text","text":"Hello"}]}],)" + usage + "}";
    struct Long
    {
        std::string stream;
        std::string text;
        std::string finish_reason;
    };
    const Long rows[]{
        {"event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\"," + image +
             usage + "}\n\n",
         "", ""},
        {"data: {" + image + usage + "}\n\n", "", ""},
        {"data: {\ndata: " + image + "\ndata: " + usage + "}\n\n", "", ""},
        {"data: {" + completed + ",\"type\":\"response.completed\"}\n\n", "Hello", "completed"},
        {"data: {" + completed + "}\nevent: response.completed\n\n", "Hello", "completed"},
        {R"(data: {"choices":[{"index":0,"delta":{"content":"Hello","images":[{)" + image +
             R"("type":"image_url"}]},"finish_reason":"stop"}],)" + usage + "}\n\n",
         "Hello", "stop"},
    };
    for (const auto& row : rows) {
        for (const std::size_t step : {4096u, 20'000'000u}) {
            CAPTURE(row.stream.substr(0, 60), step);
            SseParser parser;
            StreamReply reply{1000};
            for (std::size_t at = 0; at < row.stream.size(); at += step)
                parser.feed(std::string_view{row.stream}.substr(at, step),
                            [&](const SseEvent& event) { reply.add(event); });
            const auto summary = reply.take();
            CHECK(summary.text == row.text);
            CHECK_FALSE(summary.text_cut);
            CHECK(summary.finish_reason == row.finish_reason);
            CHECK(summary.prompt_tokens == 5);
            CHECK(summary.total_tokens == 12);
        }
    }
}

TEST_CASE("a text of many megabytes in one event is cut at the limit")
{
    const auto summary = summary_of(chunk(R"({"content":"Hi"})") +
                                        chunk(R"({"content":")" + std::string(5u << 20, 'x') + R"("})") +
                                        chunk(R"({"content":"behind"})"),
                                    1000);
    CHECK(summary.text == "Hi" + std::string(998, 'x'));
    CHECK(summary.text_cut);
}

TEST_CASE("a stream reply is empty once taken, and may be moved")
{
    StreamReply reply{no_limit};
    reply.add({"", R"({"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]})"});
    StreamReply moved{std::move(reply)};
    CHECK(moved.take().text == "a");
    const auto again = moved.take();
    CHECK(again.text.empty());
    CHECK(again.finish_reason.empty());
}

TEST_CASE("what is spoken in a Realtime response says its transcript, once, by either name")
{
    struct Row
    {
        std::vector<std::string> events;
        std::string text;
    };
    const std::string done =
        R"({"type":"response.done","response":{"object":"realtime.response","status":"completed","output":[{"type":"message","content":[{"type":"audio","transcript":"Good day"}]}],"usage":{"total_tokens":3,"input_tokens":1,"output_tokens":2}}})";
    const std::vector<Row> rows{
        {{done}, "Good day"},
        {{R"({"type":"response.audio_transcript.delta","delta":"Good"})",
          R"({"type":"response.audio.delta","delta":"AAAA"})",
          R"({"type":"response.audio_transcript.delta","delta":" day"})",
          R"({"type":"response.audio_transcript.done","transcript":"Good day"})", done},
         "Good day"},
        {{R"({"type":"response.text.delta","delta":"Good"})",
          R"({"type":"response.text.delta","delta":" day"})",
          R"({"type":"response.text.done","text":"Good day"})", done},
         "Good day"},
        {{R"({"type":"response.text.done","text":"Good day"})", done}, "Good day"},
        {{R"({"transcript":"Good evening","type":"response.output_audio_transcript.done"})"}, "Good evening"},
        {{R"({"type":"response.content_part.done","part":{"type":"audio","transcript":"Good evening"}})"},
         "Good evening"},
        {{R"({"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_audio","transcript":"Good evening"}]}})"},
         "Good evening"},
        {{R"({"type":"conversation.item.input_audio_transcription.completed","transcript":"asked"})", done},
         "Good day"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.events.front());
        const auto summary = said_by(row.events);
        CHECK(summary.text == row.text);
        if (row.events.back() == done) {
            CHECK(summary.finish_reason == "completed");
            CHECK(summary.total_tokens == 3);
        }
    }
}

TEST_CASE("a Realtime response's finish reason is its status, or why it is incomplete")
{
    const auto reason_of = [](const std::string& members) {
        return said_by(
                   {R"({"type":"response.done","response":{"object":"realtime.response",)" + members + "}}"})
            .finish_reason;
    };
    CHECK(reason_of(R"("status":"completed","output":[])") == "completed");
    CHECK(
        reason_of(R"("status":"cancelled","status_details":{"type":"cancelled","reason":"turn_detected"})") ==
        "cancelled");
    CHECK(reason_of(R"("status_details":{"reason":"content_filter"},"status":"incomplete","output":[])") ==
          "content_filter");
    CHECK(reason_of(R"("status":"incomplete","status_details":null)") == "incomplete");
    CHECK(reason_of(R"("status":"failed","status_details":{"type":"failed","error":{"code":"x"}})") ==
          "failed");
}
