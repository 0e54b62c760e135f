#include <string>
#include <utility>
#include <vector>

#include "tests/core/openai/reply_samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;

namespace {

std::string call_delta(const std::string& call)
{
    return chat_delta(R"({"tool_calls":[)" + call + "]}");
}

using Calls = std::vector<std::pair<std::string, std::string>>;  // name, arguments without quotes

std::string lines(const Calls& calls)
{
    std::string text;
    for (const auto& [name, arguments] : calls)
        text.append(text.empty() ? "" : "\n")
            .append(R"({"name":")" + name + R"(","arguments":")" + arguments + R"("})");
    return text;
}

struct CallRow
{
    std::string name;
    std::vector<std::string> events;
    Calls calls;
};

const std::string added =
    R"({"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"i","call_id":"c","name":"f","arguments":""}})";
const std::string arguments_delta =
    R"({"type":"response.function_call_arguments.delta","item_id":"i","output_index":1,"delta":"[1]"})";
const std::string arguments_done =
    R"({"type":"response.function_call_arguments.done","item_id":"i","output_index":1,"arguments":"[1]"})";
const std::string item_done =
    R"({"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"i","call_id":"c","name":"f","arguments":"[1]"}})";
const std::string response_end =
    R"({"type":"response.completed","response":{"output":[{"type":"reasoning"},{"type":"function_call","id":"i","call_id":"c","name":"f","arguments":"[1]"}]}})";
const std::string tool_block =
    R"({"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":)";

}  // namespace

TEST_CASE("what is one tool call of a stream, and what is two")
{
    const std::vector<CallRow> rows{
        {"calls at index 0 with ids of their own",
         {call_delta(R"({"index":0,"id":"a","function":{"name":"f","arguments":"[1"}})"),
          call_delta(R"({"index":0,"function":{"arguments":"]"}})"),
          call_delta(R"({"index":0,"id":"b","function":{"name":"f","arguments":"[2"}})"),
          call_delta(R"({"index":0,"function":{"arguments":"]"}})")},
         {{"f", "[1]"}, {"f", "[2]"}}},
        {"pieces with ids at index 0",
         {call_delta(R"({"index":0,"id":"a","function":{"name":"f","arguments":"["}})"),
          call_delta(R"({"index":0,"id":"b","function":{"name":"g","arguments":"<"}})"),
          call_delta(R"({"index":0,"id":"a","function":{"arguments":"]"}})"),
          call_delta(R"({"index":0,"id":"b","function":{"arguments":">"}})")},
         {{"f", "[]"}, {"g", "<>"}}},
        {"other names at index 0, without ids",
         {call_delta(R"({"index":0,"function":{"name":"f","arguments":"[1]"}})"),
          call_delta(R"({"index":0,"function":{"name":"g","arguments":"[2]"}})")},
         {{"f", "[1]"}, {"g", "[2]"}}},
        {"whole calls of one name at index 0, without ids",
         {call_delta(R"({"index":0,"function":{"name":"f","arguments":"{}"}})"),
          call_delta(R"({"index":0,"function":{"name":"f","arguments":"{}"}})")},
         {{"f", "{}"}, {"f", "{}"}}},
        {"the name in each piece",
         {call_delta(R"({"index":0,"id":"a","function":{"name":"f","arguments":""}})"),
          call_delta(R"({"index":0,"id":"a","function":{"name":"f","arguments":"[1"}})"),
          call_delta(R"({"index":0,"id":"a","function":{"name":"f","arguments":"]"}})")},
         {{"f", "[1]"}}},
        {"the name in each piece, without id and index",
         {call_delta(R"({"function":{"name":"f","arguments":"[1"}})"),
          call_delta(R"({"function":{"name":"f","arguments":"]"}})"),
          call_delta(R"({"function":{"name":"g","arguments":"[]"}})")},
         {{"f", "[1]"}, {"g", "[]"}}},
        {"the id in each piece, without index",
         {call_delta(R"({"id":"a","function":{"name":"f","arguments":"[1"}})"),
          call_delta(R"({"id":"a","function":{"name":"f","arguments":"]"}})"),
          call_delta(R"({"id":"b","function":{"name":"f","arguments":"[]"}})")},
         {{"f", "[1]"}, {"f", "[]"}}},
        {"another id in each piece, but no name",
         {call_delta(R"({"index":0,"id":"a","function":{"name":"f"}})"),
          call_delta(R"({"index":0,"id":"b","function":{"arguments":"[1"}})"),
          call_delta(R"({"index":0,"id":"c","function":{"arguments":"]"}})")},
         {{"f", "[1]"}}},
        {"the id after the name",
         {call_delta(R"({"index":0,"function":{"name":"f"}})"),
          call_delta(R"({"index":0,"id":"a","function":{"arguments":"[1]"}})")},
         {{"f", "[1]"}}},
        {"a name in two pieces",
         {call_delta(R"({"index":0,"id":"a","function":{"name":"get_"}})"),
          call_delta(R"({"index":0,"function":{"name":"it","arguments":"[]"}})")},
         {{"get_it", "[]"}}},
        {"empty stubs",
         {call_delta(R"({"index":0,"id":"","function":{"name":"","arguments":""}})"),
          call_delta(R"({"index":1})"), call_delta("{}"), chat_delta(R"({"function_call":{}})"),
          chat_delta(R"({"tool_calls":[]})")},
         {}},
        {"an empty stub beside a call",
         {call_delta(
             R"({"index":0,"id":"a","function":{"name":"f","arguments":"[1]"}},{"index":1,"function":{}})")},
         {{"f", "[1]"}}},
        {"the name of a function call in each piece",
         {chat_delta(R"({"function_call":{"name":"f","arguments":"[1"}})"),
          chat_delta(R"({"function_call":{"name":"f","arguments":"]"}})")},
         {{"f", "[1]"}}},
        {"a function call and the same as a tool call",
         {chat_delta(
             R"({"function_call":{"name":"f","arguments":"[]"},"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"[]"}}]})")},
         {{"f", "[]"}}},
        {"deltas, then the message",
         {call_delta(R"({"index":0,"id":"a","function":{"name":"f","arguments":"[1]"}})"),
          R"({"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"[1]"}}]}}]})"},
         {{"f", "[1]"}}},
        {"the message, twice, with calls of one name",
         {R"({"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":"[1]"}},{"function":{"name":"f","arguments":"[2]"}}]}}]})",
          R"({"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":"[1]"}},{"function":{"name":"f","arguments":"[2]"}}]}}]})"},
         {{"f", "[1]"}, {"f", "[2]"}}},
        {"all events of the Responses API",
         {added, arguments_delta, arguments_done, item_done, response_end},
         {{"f", "[1]"}}},
        {"all but the item's beginning",
         {arguments_delta, arguments_done, item_done, response_end},
         {{"f", "[1]"}}},
        {"all but deltas", {added, arguments_done, item_done, response_end}, {{"f", "[1]"}}},
        {"a stream cut behind deltas", {added, arguments_delta}, {{"f", "[1]"}}},
        {"a stream cut behind arguments", {added, arguments_done}, {{"f", "[1]"}}},
        {"the item only", {item_done}, {{"f", "[1]"}}},
        {"the response only", {response_end}, {{"f", "[1]"}}},
        {"two custom tools",
         {R"({"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","id":"i","name":"f","input":""}})",
          R"({"type":"response.output_item.added","output_index":1,"item":{"type":"custom_tool_call","id":"j","name":"g","input":""}})",
          R"({"type":"response.custom_tool_call_input.delta","item_id":"j","output_index":1,"delta":"y"})",
          R"({"delta":"x","item_id":"i","output_index":0,"type":"response.custom_tool_call_input.delta"})",
          R"({"type":"response.custom_tool_call_input.done","item_id":"j","output_index":1,"input":"y"})"},
         {{"f", "x"}, {"g", "y"}}},
        {"a tool's block that begins with all of its input",
         {tool_block + R"({"a":1}}})",
          R"({"type":"content_block_delta","index":1,"delta":{"partial_json":""}})",
          R"({"type":"content_block_delta","index":1,"delta":{"partial_json":"{\"a\":"}})",
          R"({"delta":{"partial_json":"1}"},"index":1,"type":"content_block_delta"})"},
         {{"f", R"({\"a\":1})"}}},
        {"the same without deltas", {tool_block + R"({"a":1}}})"}, {{"f", R"({\"a\":1})"}}},
        {"a stub of an Anthropic delta",
         {R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}})"},
         {}},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        CHECK(said_by(row.events).text == lines(row.calls));
    }
}

TEST_CASE("each call of a whole reply is one")
{
    const std::string call = R"({"function":{"name":"f","arguments":"[]"}})";
    const std::string indexed = R"({"index":0,"function":{"name":"f","arguments":"[]"}})";
    for (const auto& one : {call, indexed}) {
        CAPTURE(one);
        const auto body = R"({"choices":[{"message":{"tool_calls":[)" + one + "," + one + ",{}]}}]}";
        CHECK(read_json_reply(body, 1000).text == lines({{"f", "[]"}, {"f", "[]"}}));
    }
    const std::string item = R"({"type":"function_call","name":"f","arguments":"[]"})";
    CHECK(read_json_reply(R"({"object":"response","output":[)" + item + "," + item + "]}", 1000).text ==
          lines({{"f", "[]"}, {"f", "[]"}}));
}
