#include <string>
#include <vector>

#include "tests/core/openai/reply_samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;

namespace {

struct Repetition
{
    std::string name;
    std::vector<std::string> events;
    std::string text;
};

std::string typed(const std::string& type, const std::string& members)
{
    return R"({"type":")" + type + R"(",)" + members + "}";
}

std::string chat_message(const std::string& content)
{
    return R"({"choices":[{"index":0,"message":{"role":"assistant","content":")" + content + R"("}}]})";
}

std::string block_start(const std::string& text)
{
    return typed("content_block_start",
                 R"("index":0,"content_block":{"type":"text","text":")" + text + R"("})");
}

std::string block_delta(const std::string& text)
{
    return typed("content_block_delta",
                 R"("index":0,"delta":{"type":"text_delta","text":")" + text + R"("})");
}

std::string output_item(const std::string& text)
{
    return R"({"id":"m","type":"message","content":[{"type":"output_text","text":")" + text + R"("}]})";
}

const auto text_done = typed("response.output_text.done", R"("output_index":0,"text":"Hello")");
const auto part_done =
    typed("response.content_part.done", R"("output_index":0,"part":{"type":"output_text","text":"Hello"})");
const auto message_done =
    typed("response.output_item.done", R"("output_index":0,"item":)" + output_item("Hello"));
const auto completed = typed("response.completed",
                             R"("response":{"status":"completed","output":[)" + output_item("Hello") + "]}");

std::string response_delta(const std::string& text)
{
    return typed("response.output_text.delta", R"("output_index":0,"delta":")" + text + R"(")");
}

}  // namespace

TEST_CASE("a text that a stream says more than once counts once")
{
    const std::vector<Repetition> rows{
        {"delta and text in each chunk",
         {R"({"choices":[{"index":0,"text":"Hel","delta":{"content":"Hel"}}]})",
          R"({"choices":[{"index":0,"delta":{"content":"lo"},"text":"lo"}]})"},
         "Hello"},
        {"deltas, then the message",
         {chat_delta(R"({"content":"Hel"})"), chat_delta(R"({"content":"lo"})"), chat_message("Hello")},
         "Hello"},
        {"the message only", {chat_message("Hello")}, "Hello"},
        {"the message twice", {chat_message("Hello"), chat_message("Hello")}, "Hello"},
        {"the message as far as it is known",
         {chat_message("He"), chat_message("Hell"), chat_message("Hello")},
         "Hello"},
        {"the message in pieces",
         {chat_message("to be or not "), chat_message("to "), chat_message("be")},
         "to be or not to be"},
        {"a message, then deltas",
         {chat_message("Hello"), chat_delta(R"({"content":"Hel"})"), chat_delta(R"({"content":"lo"})")},
         "Hello"},
        {"text, then the message",
         {R"({"choices":[{"index":0,"text":"Hel"}]})", R"({"choices":[{"index":0,"text":"lo"}]})",
          chat_message("Hello")},
         "Hello"},
        {"a block that begins with its text",
         {block_start("Hello"), block_delta("Hel"), block_delta("lo")},
         "Hello"},
        {"a block that begins with all of its text", {block_start("Hello")}, "Hello"},
        {"a block that begins with the first of its text", {block_start("Hel"), block_delta("lo")}, "Hello"},
        {"a block that begins as it goes on",
         {block_start("Ha"), block_delta("H"), block_delta("o"), block_delta("!")},
         "HaHo!"},
        {"two blocks that begin with their text",
         {block_start("Hel"), block_delta("Hel"), block_start("lo"), block_delta("lo")},
         "Hello"},
        {"a message that starts with its text",
         {typed("message_start",
                R"("message":{"type":"message","content":[{"type":"text","text":"Hello"}]})"),
          block_start(""), block_delta("Hello")},
         "Hello"},
        {"all events of the Responses API",
         {response_delta("Hel"), response_delta("lo"), text_done, part_done, message_done, completed},
         "Hello"},
        {"all but deltas", {text_done, part_done, message_done, completed}, "Hello"},
        {"all but deltas and the response", {text_done, part_done, message_done}, "Hello"},
        {"the end of a part only", {part_done}, "Hello"},
        {"the end of a text only", {text_done}, "Hello"},
        {"the end of an item only", {message_done}, "Hello"},
        {"the response only", {completed}, "Hello"},
        {"the response twice", {completed, completed}, "Hello"},
        {"ends of two texts",
         {text_done, typed("response.output_text.done", R"("output_index":1,"text":" you")")},
         "Hello you"},
        {"ends of two items",
         {message_done,
          typed("response.output_item.done", R"("output_index":1,"item":)" + output_item(" you"))},
         "Hello you"},
        {"an item that is whole when it is added",
         {typed("response.output_item.added", R"("output_index":0,"item":)" + output_item("Hello")),
          message_done},
         "Hello"},
        {"a type behind what it explains",
         {R"({"text":"Hello","type":"response.output_text.done","usage":null})",
          R"({"delta":"Hello","type":"response.output_text.delta"})"},
         "Hello"},
        {"a chunk with a type at its end",
         {R"({"message":{},"choices":[{"index":0,"delta":{"content":"Hello"}}],"type":"message_start"})"},
         "Hello"},
        {"a transcription",
         {typed("transcript.text.delta", R"("delta":"Hel")"),
          typed("transcript.text.delta", R"("delta":"lo")"),
          typed("transcript.text.done", R"("text":"Hello")")},
         "Hello"},
        {"the end of a transcription only", {typed("transcript.text.done", R"("text":"Hello")")}, "Hello"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        CHECK(said_by(row.events).text == row.text);
    }
}

TEST_CASE("a refusal that a stream says more than once counts once")
{
    const auto delta = typed("response.refusal.delta", R"("delta":"No")");
    const auto done = typed("response.refusal.done", R"("refusal":"No")");
    const auto part = typed("response.content_part.done", R"("part":{"type":"refusal","refusal":"No"})");
    const auto item = typed("response.output_item.done",
                            R"("item":{"type":"message","content":[{"type":"refusal","refusal":"No"}]})");
    CHECK(said_by({delta, done, part, item}).text == "No");
    CHECK(said_by({done, part, item}).text == "No");
    CHECK(
        said_by({chat_delta(R"({"refusal":"No"})"), R"({"choices":[{"message":{"refusal":"No"}}]})"}).text ==
        "No");
}

TEST_CASE("reasoning is no text, whatever tells it")
{
    CHECK(said_by({typed("response.content_part.done", R"("part":{"type":"reasoning_text","text":"hm"})"),
                   typed("response.reasoning_text.delta", R"("delta":"hm")"),
                   typed("response.reasoning_text.done", R"("text":"hm")"),
                   typed("response.output_item.done",
                         R"("item":{"type":"reasoning","content":[{"type":"reasoning_text","text":"hm"}]})")})
              .text.empty());
}

TEST_CASE("a message in pieces takes no quadratic time")
{
    StreamReply reply{1u << 20};
    std::string all;
    for (int i = 0; i < 20'000; ++i) {
        const auto piece = std::to_string(i) + ' ';
        all += piece;
        reply.add({"", chat_message(piece)});
    }
    CHECK(reply.take().text == all);
}

TEST_CASE("of text and message of a whole reply one counts")
{
    CHECK(read_json_reply(R"({"choices":[{"text":"Hello","message":{"content":"Hello"}}]})", 100).text ==
          "Hello");
    CHECK(read_json_reply(R"({"choices":[{"message":{"content":"Hello"},"text":"Hello"}]})", 100).text ==
          "Hello");
}
