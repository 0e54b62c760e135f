#include "core/openai/event_signs.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;

namespace {

struct EventRow
{
    std::string_view type;
    std::string data;
};

std::vector<EventRow> typed(std::initializer_list<std::string> datas)
{
    std::vector<EventRow> rows;
    for (const auto& data : datas)
        rows.push_back({"", data});
    return rows;
}

/// A chunk of a chat completion with this delta, as servers write them.
std::string chunk_of(std::string_view delta, std::string_view finish = "null")
{
    return R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":)" +
           std::string{delta} + R"(,"logprobs":null,"finish_reason":)" + std::string{finish} +
           R"(}],"usage":null})";
}

EventSigns signs_of_row(const EventRow& row)
{
    return signs_of({row.type, row.data});
}

const std::vector<EventRow>& preambles()
{
    static const auto all = [] {
        auto rows = typed({
            chunk_of(R"({"role":"assistant","content":"","refusal":null})"),
            chunk_of(R"({"role":"assistant","content":null,"reasoning_content":"","tool_calls":[]})"),
            chunk_of(R"({"role":"assistant","name":"MiniMax AI","content":"","audio_content":""})"),
            chunk_of(
                R"({"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"","arguments":""}}]})"),
            chunk_of(R"({"audio":{"id":"audio_1","expires_at":9}})"),
            chunk_of(R"({"content":[{"type":"text","text":""}]})"),
            chunk_of(R"({"reasoning_details":[{"type":"reasoning.text","text":"","id":"x","format":"y"}]})"),
            chunk_of("{}"),
            chunk_of("null"),
            R"({"choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false}}}]})",
            R"({"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}})",
            R"({"choices":null,"error":null})",
            R"({"choices":[{"text":"","index":0,"finish_reason":null}]})",
            R"({"error":false,"choices":[]})",
            R"({"error":"","id":"x"})",
            R"({"error":{},"id":"x"})",
            R"({"error":[],"id":"x"})",
            R"({"error":0,"id":"x"})",
            R"({"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","error":null,"incomplete_details":null,"instructions":"Say hello","output":[],"tools":[{"type":"function","name":"f","parameters":{}}]}})",
            R"({"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}})",
            R"({"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"gAAA"}})",
            R"({"type":"response.output_item.added","item":{"id":"ws_1","type":"web_search_call","status":"in_progress","action":{"type":"search","query":"x"}}})",
            R"({"type":"response.content_part.added","part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}})",
            R"({"type":"response.image_generation_call.generating","output_index":0,"item_id":"ig_1"})",
            R"({"type":"response.output_text.delta","delta":""})",
            R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}})",
            R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})",
            R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})",
            R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}})",
            R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}})",
            R"({"type":"content_block_stop","index":0})",
            R"({"type":"ping"})",
            R"({"message":"hello"})",
            "hello",
            R"(["a"])",
        });
        rows.push_back({"ping", "{}"});
        rows.push_back({"message_start", R"({"message":{"content":[]}})"});
        return rows;
    }();
    return all;
}

const std::vector<EventRow>& contents()
{
    static const auto all = [] {
        auto rows = typed({
            chunk_of(R"({"content":"Hi"})"),
            chunk_of(R"({"content":" "})"),
            chunk_of(R"({"content":"\ud83d"})"),
            chunk_of(R"({"content" : "Hi" })"),
            chunk_of(R"({"role":"assistant","content":"","reasoning_content":"Hm"})"),
            chunk_of(R"({"content":"","reasoning":"Hm"})"),
            chunk_of(R"({"content":"","reasoning_details":[{"type":"reasoning.text","text":"Hm"}]})"),
            chunk_of(R"({"refusal":"No"})"),
            chunk_of(
                R"({"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]})"),
            chunk_of(R"({"tool_calls":[{"index":0,"function":{"arguments":"{"}}]})"),
            chunk_of(R"({"tool_calls":[{"index":0,"custom":{"input":"x"}}]})"),
            chunk_of(R"({"function_call":{"name":"f"}})"),
            chunk_of(R"({"audio":{"id":"audio_1","data":"AAAA"}})"),
            chunk_of(R"({"audio":{"transcript":"Hi"}})"),
            chunk_of(R"({"content":[{"type":"text","text":"Hi"}]})"),
            chunk_of(R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]})"),
            chunk_of(
                R"({"content":"","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]})"),
            R"({"choices":[{"index":0,"delta":{"content":""}},{"index":1,"delta":{"content":"Hi"}}]})",
            R"({"choices":[{"text":"Hi","index":0}]})",
            R"({"choices":[{"message":{"role":"assistant","content":"Hi"}}]})",
            R"({"type":"response.output_text.delta","item_id":"msg_1","delta":"Hi"})",
            R"({"type":"response.refusal.delta","delta":"No"})",
            R"({"type":"response.reasoning_summary_text.delta","delta":"Hm"})",
            R"({"type":"response.function_call_arguments.delta","delta":"{"})",
            R"({"type":"response.output_item.added","item":{"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":""}})",
            R"({"type":"response.output_item.done","item":{"type":"message","content":[{"type":"output_text","text":"Hi"}]}})",
            R"({"type":"response.output_item.done","item":{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]}})",
            R"({"type":"response.output_item.done","item":{"type":"computer_call","action":{"type":"click","x":1}}})",
            R"({"type":"response.output_item.done","item":{"type":"image_generation_call","result":"AAAA"}})",
            R"({"type":"response.content_part.done","part":{"type":"output_text","text":"Hi"}})",
            R"({"type":"response.output_text.done","text":"Hi"})",
            R"({"type":"response.function_call_arguments.done","arguments":"{}"})",
            R"({"type":"response.image_generation_call.partial_image","partial_image_b64":"AAAA"})",
            R"({"delta":"Hi","type":"response.output_text.delta"})",
            R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}})",
            R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}})",
            R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}})",
            R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}})",
            R"({"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"Em"}})",
            R"({"type":"content_block_start","content_block":{"type":"text","text":"Hi"}})",
            R"({"type":"message_start","message":{"content":[{"type":"text","text":"Hi"}]}})",
            R"({"type":"image_generation.partial_image","b64_json":"AAAA","partial_image_index":0})",
            R"({"type":"speech.audio.delta","audio":"AAAA"})",
            R"({"type":"transcript.text.delta","delta":"Hi"})",
        });
        rows.push_back({"content_block_delta", R"({"index":0,"delta":{"text":"Hi"}})"});
        rows.push_back({"", chunk_of("{\"content\":\"broken \xFF UTF-8\"}")});
        rows.push_back({"", "{\"b64_json\":\"" + std::string(SseParser::max_event, 'A')});
        return rows;
    }();
    return all;
}

const std::vector<EventRow>& errors()
{
    static const auto all = [] {
        auto rows = typed({
            R"({"error":{"message":"busy"}})",
            R"({"error":"busy"})",
            R"({"error":true})",
            R"({"error":503})",
            R"({"error":["busy"]})",
            R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
            R"({"message":"busy","type":"error"})",
            R"({"object":"error","message":"busy","code":50001})",
            R"({"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"x"},"output":[]}})",
            R"({"response":{"error":{"code":"server_error"}}})",
            R"({"choices":[{"index":0,"error":{"message":"busy"},"delta":{}}]})",
            R"({"id":"c","choices":[],"error":{"message":"busy"}})",
            chunk_of("{}", "\"error\""),
        });
        rows.push_back({"error", "{}"});
        rows.push_back({"error", "busy"});
        rows.push_back({"response.failed", "{}"});
        return rows;
    }();
    return all;
}

}  // namespace

TEST_CASE("what comes before an answer is preamble")
{
    for (const auto& row : preambles()) {
        CAPTURE(row.type, row.data);
        const auto signs = signs_of_row(row);
        CHECK(signs.data);
        CHECK_FALSE(signs.content);
        CHECK_FALSE(signs.error);
        CHECK_FALSE(signs.end);
        CHECK_FALSE(signs.broken);
        CHECK(signs.ending == Ending::none);
    }
}

TEST_CASE("what somebody can use is content")
{
    for (const auto& row : contents()) {
        CAPTURE(row.type, row.data.substr(0, 300));
        const auto signs = signs_of_row(row);
        CHECK(signs.data);
        CHECK(signs.content);
        CHECK_FALSE(signs.error);
        CHECK_FALSE(signs.end);
        CHECK(signs.ending == Ending::none);
    }
}

TEST_CASE("errors where an answer should be")
{
    for (const auto& row : errors()) {
        CAPTURE(row.type, row.data);
        const auto signs = signs_of_row(row);
        CHECK(signs.error);
        CHECK_FALSE(signs.content);
    }
}

TEST_CASE("what ends a stream, and how the answer says that it ended")
{
    struct Row
    {
        EventRow event;
        bool end;
        Ending ending;
        bool content;
    };
    const Row table[]{
        {{"", "[DONE]"}, true, Ending::none, false},
        {{"", " [DONE] "}, true, Ending::none, false},
        {{"message", "[DONE]"}, true, Ending::none, false},
        {{"", R"({"type":"message_stop"})"}, true, Ending::none, false},
        {{"message_stop", "{}"}, true, Ending::none, false},
        {{"", R"({"type":"response.completed","response":{"status":"completed","output":[],"error":null}})"},
         true,
         Ending::natural,
         false},
        {{"",
          R"({"type":"response.completed","response":{"output":[{"type":"message","content":[{"text":"Hi"}]}]}})"},
         true,
         Ending::natural,
         true},
        {{"response.incomplete",
          R"({"response":{"incomplete_details":{"reason":"max_output_tokens"},"output":[]}})"},
         true,
         Ending::excused,
         false},
        {{"", R"({"type":"image_generation.completed","b64_json":"AAAA"})"}, true, Ending::none, true},
        {{"", R"({"type":"image_generation.completed"})"}, true, Ending::none, false},
        {{"", R"({"type":"transcript.text.done","text":"Hi"})"}, true, Ending::none, true},
        {{"", R"({"type":"transcript.text.done","text":""})"}, true, Ending::none, true},
        {{"", R"({"type":"speech.audio.done","usage":{}})"}, true, Ending::none, false},
        {{"", chunk_of("{}", "\"stop\"")}, false, Ending::natural, false},
        {{"", chunk_of("{}", "\"length\"")}, false, Ending::excused, false},
        {{"", chunk_of("{}", "\"content_filter\"")}, false, Ending::excused, false},
        {{"", chunk_of("{}", "\"tool_calls\"")}, false, Ending::excused, false},
        {{"", chunk_of("{}", "\"SAFETY\"")}, false, Ending::excused, false},
        {{"", chunk_of(R"({"content":"Hi"})", "\"stop\"")}, false, Ending::natural, true},
        {{"", R"({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null}})"},
         false,
         Ending::natural,
         false},
        {{"", R"({"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":1}})"},
         false,
         Ending::excused,
         false},
        {{"", R"({"type":"message_delta","delta":{"stop_reason":"pause_turn"}})"},
         false,
         Ending::excused,
         false},
        {{"", R"({"type":"message_delta","delta":{"stop_reason":"tool_use"}})"},
         false,
         Ending::excused,
         false},
    };
    for (const auto& row : table) {
        CAPTURE(row.event.type, row.event.data);
        const auto signs = signs_of_row(row.event);
        CHECK(signs.end == row.end);
        CHECK(signs.ending == row.ending);
        CHECK(signs.content == row.content);
        CHECK_FALSE(signs.error);
    }
}

TEST_CASE("events that are broken or say nothing")
{
    CHECK(signs_of({"", R"({"choices":[{"delta":{"content":"Hi"}})"}).broken);
    CHECK_FALSE(signs_of({"", R"({"choices":[{"delta":{"content":"Hi"}})"}).content);
    CHECK(signs_of({"", R"({"error":{"message":)"}).broken);
    CHECK_FALSE(signs_of({"", R"({"error":{"message":)"}).error);
    CHECK(signs_of({"error", R"({"mess)"}).error);
    CHECK_FALSE(signs_of({"", ""}).data);
    CHECK_FALSE(signs_of({"", " "}).data);
    CHECK_FALSE(signs_of({"", "[DONE]"}).data);
}

TEST_CASE("choices begin and finish one by one")
{
    StreamSigns stream;
    CHECK_FALSE(stream.choices_finished());
    const auto add = [&](std::string_view data) { stream.add(signs_of({"", data})); };
    add(R"({"choices":[{"index":0,"delta":{"content":"a"}}]})");
    CHECK_FALSE(stream.choices_finished());
    add(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
    CHECK(stream.choices_finished());
    add(R"({"choices":[{"index":1,"delta":{"content":"a"}}]})");
    CHECK_FALSE(stream.choices_finished());
    add(R"({"choices":[{"index":1000,"delta":{"content":"a"}}]})");
    add(R"({"choices":[{"index":1,"delta":{},"finish_reason":"length"}]})");
    CHECK_FALSE(stream.choices_finished());
    add(R"({"choices":[{"index":1000,"finish_reason":"stop"}]})");
    CHECK(stream.choices_finished());
    CHECK(stream.ending == Ending::excused);
    add(R"({"choices":[],"usage":{}})");
    CHECK(stream.choices_finished());
}

TEST_CASE("an error before content and one behind it are told apart; behind the end nothing counts")
{
    const EventSigns preamble = signs_of({"", R"({"type":"ping"})"});
    const EventSigns content = signs_of({"", R"({"choices":[{"text":"a"}]})"});
    const EventSigns error = signs_of({"", R"({"error":{"message":"busy"}})"});
    const EventSigns end = signs_of({"", "[DONE]"});
    const auto together = [](std::initializer_list<EventSigns> events) {
        StreamSigns stream;
        for (const auto& event : events)
            stream.add(event);
        return stream;
    };
    CHECK(together({error}).error_first);
    CHECK(together({error}).error);
    CHECK(together({preamble, error}).error);
    CHECK_FALSE(together({preamble, error}).error_first);
    CHECK(together({content, error}).late_error);
    CHECK_FALSE(together({content, error}).error);
    CHECK_FALSE(together({end, content}).content);
    CHECK_FALSE(together({end, error}).error);
    CHECK_FALSE(together({preamble, end, error}).error);
}

TEST_CASE("after commit only what may be an error or an end is read")
{
    for (const auto& row : errors()) {
        CAPTURE(row.type, row.data);
        CHECK(may_end_stream({row.type, row.data}, false));
        const bool of_choices = row.type.empty() && row.data.find("response") == std::string::npos;
        CHECK((may_end_stream({row.type, row.data}, true) || !of_choices));
    }
    const EventRow ends[]{{"", "[DONE]"},
                          {"", " [DONE]"},
                          {"", R"({"type":"message_stop"})"},
                          {"", R"({ "type" : "message_stop" })"},
                          {"", R"({"response":{},"type":"response.completed"})"},
                          {"response.completed", "{}"},
                          {"", R"({"type":"response.incomplete","response":{}})"},
                          {"", R"({"sequence_number":3,"type":"response.failed"})"}};
    for (const auto& row : ends) {
        CAPTURE(row.type, row.data);
        CHECK(may_end_stream({row.type, row.data}, false));
    }
    const EventRow passing[]{
        {"", chunk_of(R"({"content":"Hi"})")},
        {"", R"({"type":"content_block_delta","delta":{"text":"Hi"}})"},
        {"response.output_text.delta", R"({"type":"response.output_text.delta","delta":"x"})"}};
    for (const auto& row : passing) {
        CAPTURE(row.type, row.data);
        CHECK_FALSE(may_end_stream({row.type, row.data}, row.data.find("choices") != std::string::npos));
    }
}

TEST_CASE("the end of a stream may stand behind blank lines of its data")
{
    for (const std::string_view data : {"[DONE]", " [DONE]", "\n[DONE]", "\t\r\n [DONE]\n"}) {
        CAPTURE(data);
        CHECK(signs_of({"", data}).end);
        CHECK(may_end_stream({"", data}, true));
    }
}

TEST_CASE("may_end_stream is never false of an event that is an error or an end")
{
    for (const auto* rows : {&preambles(), &contents(), &errors()})
        for (const auto& row : *rows) {
            const auto signs = signs_of_row(row);
            CAPTURE(row.type, row.data.substr(0, 300));
            CHECK((may_end_stream({row.type, row.data}, false) || (!signs.error && !signs.end)));
        }
}

TEST_CASE("of an event that is too long to be kept the type at its beginning counts")
{
    const auto beginning_of = [](std::string_view type) {
        const auto data = R"({"type":")" + std::string{type} + R"(","response":{"output":[{"text":")" +
                          std::string(SseParser::max_event, 'x');
        return signs_of({"", std::string_view{data}.substr(0, SseParser::max_event)});
    };
    CHECK(beginning_of("response.completed").end);
    CHECK(beginning_of("response.completed").ending == Ending::natural);
    CHECK(beginning_of("response.failed").error);
    const auto delta = beginning_of("response.output_text.done");
    CHECK(delta.content);
    CHECK_FALSE(delta.end);
    CHECK_FALSE(delta.error);
    CHECK_FALSE(delta.broken);
}
