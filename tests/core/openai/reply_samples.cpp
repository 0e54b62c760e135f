#include "tests/core/openai/reply_samples.hpp"

#include "tests/support/catch.hpp"

namespace route {
namespace {

const ReplySample chat_text{
    "chat completion",
    R"(data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}],"usage":null}

data: {"id":"c","choices":[{"index":1,"delta":{"content":"other"},"finish_reason":null}]}

data: {"id":"c","choices":[{"delta":{"content":"lo \u00e4\n"},"index":0},{"delta":{"content":"other"},"index":1}]}

data: {"id":"c","choices":[{"index":1,"delta":{},"finish_reason":"length"}]}

data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

data: {"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":3}}}

data: [DONE]

)",
    R"({"id":"c","object":"chat.completion","choices":[
        {"index":0,"message":{"role":"assistant","content":"Hello \u00e4\n","refusal":null},"logprobs":null,"finish_reason":"stop"},
        {"index":1,"message":{"role":"assistant","content":"otherother"},"finish_reason":"length"}],
        "usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":3}}})",
    "Hello \u00e4\n",
    5,
    7,
    12,
    "stop"};

const ReplySample chat_refusal{
    "chat refusal",
    R"(data: {"choices":[{"index":0,"delta":{"role":"assistant","refusal":"I can"}}]}

data: {"choices":[{"index":0,"delta":{"refusal":"not."},"finish_reason":"stop"}]}

)",
    R"({"choices":[{"index":0,"message":{"content":null,"refusal":"I cannot."},"finish_reason":"stop"}]})",
    "I cannot.",
    {},
    {},
    {},
    "stop"};

const ReplySample chat_tools{
    "chat tool calls",
    R"(data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"Look"}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"weather","arguments":""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\": "}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":"time"},"id":"b","index":1}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Bonn\"}"}},{"index":1,"function":{"arguments":"{}"}}]}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}

data: [DONE]

)",
    R"({"choices":[{"index":0,"message":{"role":"assistant","content":"Look","tool_calls":[
        {"id":"a","type":"function","function":{"name":"weather","arguments":"{\"city\": \"Bonn\"}"}},
        {"id":"b","type":"function","function":{"name":"time","arguments":"{}"}}]},"finish_reason":"tool_calls"}],
        "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":null}})",
    "Look\n"
    R"({"name":"weather","arguments":"{\"city\": \"Bonn\"}"})"
    "\n"
    R"({"name":"time","arguments":"{}"})",
    1,
    2,
    3,
    "tool_calls"};

const ReplySample chat_function{
    "chat function call",
    R"(data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}}}]}

data: {"choices":[{"index":0,"delta":{"function_call":{"arguments":"{\"a\""}}}]}

data: {"choices":[{"index":0,"delta":{"function_call":{"arguments":":1}"}},"finish_reason":"function_call"}]}

)",
    R"({"choices":[{"message":{"content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}},"finish_reason":"function_call","index":0}]})",
    R"({"name":"f","arguments":"{\"a\":1}"})",
    {},
    {},
    {},
    "function_call"};

const ReplySample completion{
    "completion",
    R"(data: {"object":"text_completion","choices":[{"text":"Once ","index":0,"logprobs":null,"finish_reason":null}]}

data: {"object":"text_completion","choices":[{"text":"no","index":1,"finish_reason":null}]}

data: {"object":"text_completion","choices":[{"text":"upon","index":0,"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}

data: [DONE]

)",
    R"({"object":"text_completion","choices":[{"text":"Once upon","index":0,"logprobs":null,"finish_reason":"length"},
        {"text":"no","index":1,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})",
    "Once upon",
    3,
    2,
    5,
    "length"};

const std::string response_body =
    R"({"id":"r","object":"response","status":"completed","error":null,"incomplete_details":null,"instructions":"Say \"text\"","output":[
    {"id":"rs","type":"reasoning","summary":[{"type":"summary_text","text":"hidden"}],"content":[{"type":"reasoning_text","text":"hidden"}]},
    {"id":"m","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"text":"Hi there"}]},
    {"id":"f","type":"function_call","status":"completed","arguments":"{\"a\":1}","call_id":"c","name":"look"}],
    "usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":0},"output_tokens":87,"total_tokens":123}})";

std::string one_line(std::string json)
{
    for (auto& c : json)
        c = c == '\n' ? ' ' : c;
    return json;
}

const ReplySample response{"Responses API",
                           R"(event: response.created
data: {"type":"response.created","response":{"id":"r","object":"response","status":"in_progress","output":[],"usage":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","output_index":1,"item":{"id":"m","type":"message","status":"in_progress","content":[]}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","item_id":"m","output_index":1,"content_index":0,"delta":"Hi "}

event: response.output_text.delta
data: {"delta":"there","type":"response.output_text.delta","item_id":"m","output_index":1,"content_index":0}

event: response.output_text.done
data: {"type":"response.output_text.done","item_id":"m","output_index":1,"content_index":0,"text":"Hi there"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":1,"item":{"id":"m","type":"message","content":[{"type":"output_text","text":"Hi there"}]}}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"f","output_index":2,"delta":"{\"a\":1}"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":2,"item":{"id":"f","type":"function_call","status":"completed","arguments":"{\"a\":1}","call_id":"c","name":"look"}}

event: response.completed
data: {"type":"response.completed","response":)" +
                               one_line(response_body) + "}\n\n",
                           response_body,
                           "Hi there\n"
                           R"({"name":"look","arguments":"{\"a\":1}"})",
                           36,
                           87,
                           123,
                           "completed"};

/// Without event lines, the type behind what it explains, and nothing but the last event to read the text
/// from.
const ReplySample response_last{
    "Responses API, last event only",
    R"(data: {"response":{"object":"response","output":[],"status":"in_progress"},"type":"response.in_progress"}

data: {"response":)" +
        one_line(response_body) + R"(,"type":"response.completed"})" + "\n\n",
    response_body,
    response.text,
    36,
    87,
    123,
    "completed"};

const ReplySample response_incomplete{
    "incomplete Responses API",
    R"(data: {"type":"response.refusal.delta","delta":"No","output_index":0}

data: {"delta":"pe","type":"response.refusal.delta"}

data: {"type":"response.incomplete","response":{"object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}}

)",
    R"({"object":"response","incomplete_details":{"reason":"max_output_tokens"},"status":"incomplete",
        "output":[{"type":"message","content":[{"type":"refusal","refusal":"Nope"}]}],
        "usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}})",
    "Nope",
    1,
    2,
    3,
    "max_output_tokens"};

const ReplySample message{
    "Anthropic message",
    R"(event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":25,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hidden"}}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"lo"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"look","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Bo"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"nn\"}"}}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"u","name":"now","input":{}}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

)",
    R"({"id":"m","type":"message","role":"assistant","content":[{"type":"thinking","thinking":"hidden","signature":"s"},
        {"type":"text","text":"Hello"},{"type":"tool_use","id":"t","name":"look","input":{ "city":"Bonn" }},
        {"type":"tool_use","id":"u","name":"now","input":{}}],
        "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":25,"cache_read_input_tokens":0,"output_tokens":15}})",
    "Hello\n"
    R"({"name":"look","arguments":"{\"city\":\"Bonn\"}"})"
    "\n"
    R"({"name":"now","arguments":"{}"})",
    25,
    15,
    40,
    "tool_use"};

const std::string realtime_body =
    R"({"object":"realtime.response","id":"resp_1","status":"incomplete","status_details":{"type":"incomplete","reason":"max_output_tokens"},
        "output":[{"id":"i","object":"realtime.item","type":"message","status":"completed","role":"assistant","content":[
            {"type":"output_text","text":"Well: "},{"type":"output_audio","transcript":"good day"}]},
            {"id":"f","object":"realtime.item","type":"function_call","status":"completed","name":"look","call_id":"c","arguments":"{\"a\":1}"}],
        "conversation_id":"conv_1","output_modalities":["audio"],"max_output_tokens":100,
        "usage":{"total_tokens":123,"input_tokens":36,"output_tokens":87,
            "input_token_details":{"text_tokens":30,"audio_tokens":6,"cached_tokens":10},"output_token_details":{"text_tokens":7,"audio_tokens":80}}})";

const ReplySample realtime{
    "Realtime API",
    R"(data: {"type":"response.created","event_id":"e","response":{"object":"realtime.response","id":"resp_1","status":"in_progress","status_details":null,"output":[],"usage":null}}

data: {"type":"response.output_item.added","event_id":"e","response_id":"resp_1","output_index":0,"item":{"id":"i","object":"realtime.item","type":"message","status":"in_progress","role":"assistant","content":[]}}

data: {"type":"response.content_part.added","event_id":"e","response_id":"resp_1","item_id":"i","output_index":0,"content_index":1,"part":{"type":"audio","transcript":""}}

data: {"type":"response.output_text.delta","event_id":"e","response_id":"resp_1","item_id":"i","output_index":0,"content_index":0,"delta":"Well: "}

data: {"type":"response.output_audio_transcript.delta","event_id":"e","response_id":"resp_1","item_id":"i","output_index":0,"content_index":1,"delta":"good"}

data: {"type":"response.output_audio.delta","event_id":"e","response_id":"resp_1","item_id":"i","output_index":0,"content_index":1,"delta":"UklGRg=="}

data: {"type":"response.output_audio_transcript.delta","event_id":"e","response_id":"resp_1","item_id":"i","output_index":0,"content_index":1,"delta":" day"}

data: {"type":"response.output_audio_transcript.done","event_id":"e","response_id":"resp_1","item_id":"i","output_index":0,"content_index":1,"transcript":"good day"}

data: {"type":"response.content_part.done","event_id":"e","response_id":"resp_1","item_id":"i","output_index":0,"content_index":1,"part":{"type":"audio","transcript":"good day"}}

data: {"type":"response.output_item.done","event_id":"e","response_id":"resp_1","output_index":0,"item":{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"Well: "},{"type":"output_audio","transcript":"good day"}]}}

data: {"type":"response.output_item.added","event_id":"e","response_id":"resp_1","output_index":1,"item":{"id":"f","type":"function_call","status":"in_progress","name":"look","call_id":"c","arguments":""}}

data: {"type":"response.function_call_arguments.delta","event_id":"e","response_id":"resp_1","item_id":"f","output_index":1,"call_id":"c","delta":"{\"a\":1}"}

data: {"type":"response.done","event_id":"e","response":)" +
        one_line(realtime_body) + "}\n\n",
    realtime_body,
    "Well: good day\n"
    R"({"name":"look","arguments":"{\"a\":1}"})",
    36,
    87,
    123,
    "max_output_tokens"};

/// What its first form called the same, and nothing but the last event to read the text from.
const ReplySample realtime_last{
    "Realtime API, last event only",
    R"(data: {"type":"response.done","response":)" + one_line(realtime_body) + "}\n\n",
    realtime_body,
    realtime.text,
    36,
    87,
    123,
    "max_output_tokens"};

}  // namespace

void check_whole(const ReplySummary& summary, const ReplySample& sample)
{
    CHECK(summary.text == sample.text);
    CHECK_FALSE(summary.text_cut);
    CHECK(summary.prompt_tokens == sample.prompt_tokens);
    CHECK(summary.completion_tokens == sample.completion_tokens);
    CHECK(summary.total_tokens == sample.total_tokens);
    CHECK(summary.finish_reason == sample.finish_reason);
}

const std::vector<ReplySample>& reply_samples()
{
    static const std::vector<ReplySample> all{chat_text,  chat_refusal, chat_tools,    chat_function,
                                              completion, response,     response_last, response_incomplete,
                                              message,    realtime,     realtime_last};
    return all;
}

ReplySummary said_by(const std::vector<std::string>& events, std::size_t max_text)
{
    StreamReply reply{max_text};
    for (const auto& event : events)
        reply.add({"", event});
    return reply.take();
}

std::string chat_delta(std::string_view delta)
{
    return R"({"choices":[{"index":0,"delta":)" + std::string{delta} + "}]}";
}

}  // namespace route
