#include "core/openai/json_mender.hpp"

#include <string>
#include <utility>
#include <vector>

#include "tests/core/openai/reply_samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace std::string_literals;

namespace {

/// Mended in pieces of this size, as one who has no more than that does it.
std::string mended_in_pieces(const std::string& text, std::size_t size)
{
    std::string done;
    std::string open;
    for (std::size_t at = 0; at < text.size(); at += size) {
        open += text.substr(at, size);
        const auto settled = json::mend_escapes(open, true);
        REQUIRE(open.size() - settled < json::longest_escape);
        done += open.substr(0, settled);
        open.erase(0, settled);
    }
    json::mend_escapes(open, false);
    return done + open;
}

}  // namespace

TEST_CASE("escapes are mended and keep their length, however they are split")
{
    const std::vector<std::pair<std::string, std::string>> rows{
        {"", ""},
        {R"({"a":"b"})", R"({"a":"b"})"},
        {R"("\"\\\/\b\f\n\r\t\u00e4\uD83D\uDE00\ud83d\ude00")",
         R"("\"\\\/\b\f\n\r\t\u00e4\uD83D\uDE00\ud83d\ude00")"},
        {R"("\ud83d")", R"("\ufffd")"},
        {R"("\ude00x")", R"("\ufffdx")"},
        {R"("\ud83dx\ude00")", R"("\ufffdx\ufffd")"},
        {R"("\ud83d\n")", R"("\ufffd\n")"},
        {R"("\ud83d\u0041")", R"("\ufffd\u0041")"},
        {R"("\ud83d\ud83d\ude00")", R"("\ufffd\ud83d\ude00")"},
        {R"("\ude00\ud83d\ud83d")", R"("\ufffd\ufffd\ufffd")"},
        {R"("\\ud83d\\\ud83d")", R"("\\ud83d\\\ufffd")"},
        {R"("\x41 it\'s")", R"(" x41 it 's")"},
        {R"("\u12"})", R"(" u12"})"},
        {R"("\u12G4\ud83d\uZZZZ")", R"(" u12G4\ufffd uZZZZ")"},
        {R"("\)", R"(" )"},
        {R"("\ud83)", R"(" ud83)"},
    };
    for (const auto& [text, mended] : rows) {
        CAPTURE(text);
        auto whole = text;
        CHECK(json::mend_escapes(whole, false) == text.size());
        CHECK(whole == mended);
        for (std::size_t size = 1; size <= text.size(); ++size)
            CHECK(mended_in_pieces(text, size) == mended);
    }
}

TEST_CASE("control characters become blanks, others stay")
{
    std::string text;
    std::string blanked;
    for (int round = 0; round < 3; ++round) {
        for (int c = 0; c < 256; ++c) {
            text += static_cast<char>(c);
            blanked += c < 0x20 ? ' ' : static_cast<char>(c);
        }
        text += 'x';
        blanked += 'x';
    }
    json::blank_controls(text);
    CHECK(text == blanked);
}

TEST_CASE("damage inside strings loses neither text nor tokens")
{
    const std::vector<std::pair<std::string, std::string>> contents{
        {R"(a\ud83db)", "a\uFFFDb"},
        {R"(\ud83d\ude00)", "\U0001F600"},
        {"a\xff\xc3 b", "a\uFFFD\uFFFD b"},
        {"a\xed\xa0\xbd z", ""},
        {"a\tb\nc", "a b c"},
        {R"(a\'b)", "a 'b"},
    };
    for (const auto& [content, text] : contents) {
        CAPTURE(content);
        const auto choice = R"({"index":0,"user\ud83d":")" + content + R"(","message":{"content":"Hello"}})";
        const auto beside = R"({"choices":[)" + choice + R"(],"usage":{"prompt_tokens":5}})";
        CHECK(read_json_reply(beside, 1000).text == "Hello");
        CHECK(read_json_reply(beside, 1000).prompt_tokens == 5);
        const auto event = R"({"choices":[{"index":0,"delta":{"content":")" + content +
                           R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":5}})";
        const auto summary =
            said_by({chat_delta(R"({"content":"<"})"), event, chat_delta(R"({"content":">"})")});
        if (!text.empty())
            CHECK(summary.text == "<" + text + ">");
        CHECK(summary.prompt_tokens == 5);
        CHECK(summary.finish_reason == "stop");
    }
}
