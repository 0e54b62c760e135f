#include "core/text.hpp"

#include <string>

#include "tests/support/catch.hpp"

using namespace route;
using namespace std::string_literals;

TEST_CASE("UTF-8 is told from other bytes")
{
    CHECK(valid_utf8(""));
    CHECK(valid_utf8("plain"));
    CHECK(valid_utf8("h\u00e4\u6f22\U0001F600"));
    CHECK(valid_utf8("nul\0byte"s));
    CHECK_FALSE(valid_utf8("\xff"));
    CHECK_FALSE(valid_utf8("\xc3"));
    CHECK_FALSE(valid_utf8("\xc0\xaf"));          // overlong
    CHECK_FALSE(valid_utf8("\xed\xa0\x80"));      // a surrogate
    CHECK_FALSE(valid_utf8("\xf4\x90\x80\x80"));  // above U+10FFFF
}

TEST_CASE("NUL and invalid bytes become U+FFFD, one per maximal invalid sequence")
{
    struct Row
    {
        std::string in;
        std::string out;
    };
    const Row rows[]{
        {"", ""},
        {"clean \u00e4\n", "clean \u00e4\n"},
        {"a\0b"s, "a\uFFFDb"},
        {"a\xff\xfe"
         "b",
         "a\uFFFD\uFFFDb"},
        {"a\xc3", "a\uFFFD"},
        {"a\xe6\xbc"
         "b",
         "a\uFFFDb"},
        {"a\xf0\x9f\x98"
         "b",
         "a\uFFFDb"},
        {"\xf0\x9f\x98\xf0\x9f\x98\x80", "\uFFFD\U0001F600"},
        {"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
        {"\xc0\x80", "\uFFFD\uFFFD"},
        {"\x80\x80", "\uFFFD\uFFFD"},
        {"\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
    };
    for (const auto& row : rows) {
        CHECK(clean_utf8(row.in) == row.out);
        CHECK(clean_utf8(row.out) == row.out);
    }
}

TEST_CASE("a cut splits no character")
{
    const std::string text = "a\u00e4\u6f22\U0001F600";  // 1 + 2 + 3 + 4 bytes
    const std::size_t expected[]{0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (std::size_t limit = 0; limit < std::size(expected); ++limit)
        CHECK(cut_utf8(text, limit).size() == expected[limit]);
    CHECK(cut_utf8("\x80\x80\x80\x80\x80\x80", 5).size() == 5);
    CHECK(cut_utf8("", 0).empty());
}

TEST_CASE("the split character at an end is left away, other bytes stay")
{
    const std::string text = "a\u00e4\u6f22\U0001F600";
    const std::size_t expected[]{0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    for (std::size_t size = 0; size <= text.size(); ++size)
        CHECK(without_split_end(text.substr(0, size)).size() == expected[size]);
    CHECK(without_split_end("a\xff") == "a\xff");
    CHECK(without_split_end("a\x80\x80") == "a\x80\x80");
    CHECK(without_split_end("a\xe0\x80") == "a\xe0\x80");
}

TEST_CASE("text from outside is escaped in log lines")
{
    struct Row
    {
        std::string in;
        std::string out;
    };
    const Row rows[]{
        {"", ""},
        {"plain \"text\" \u00e4\U0001F600", "plain \"text\" \u00e4\U0001F600"},
        {"a\nb\rc\td", "a\\nb\\rc\\td"},
        {"\x1b[31m\x7f", "\\x1b[31m\\x7f"},
        {"nul\0"s, "nul\\x00"},
        {"back\\slash", "back\\\\slash"},
        {"\u0085\u009b", "\\u0085\\u009b"},
        {"\u2028\u2029\u202e\u2066\u200f\u061c", "\\u2028\\u2029\\u202e\\u2066\\u200f\\u061c"},
        {"bad\xff\xc3", "bad\\xff\\xc3"},
    };
    for (const auto& row : rows)
        CHECK(escape_for_log(row.in) == row.out);
}

TEST_CASE("an escaped text is cut at its limit, between escapes")
{
    CHECK(escape_for_log(std::string(256, 'a')) == std::string(256, 'a'));
    CHECK(escape_for_log(std::string(257, 'a')) == std::string(253, 'a') + "\u2026");
    CHECK(escape_for_log("abcdefgh\n\n", 12) == "abcdefgh\\n\\n");
    CHECK(escape_for_log("abcdefgh\n\n", 11) == "abcdefgh\u2026");
    CHECK(escape_for_log("\U0001F600\U0001F600", 7) == "\U0001F600\u2026");
    CHECK(escape_for_log(std::string(1 << 20, '\n')).size() <= 256);
}

TEST_CASE("case is ignored in ASCII only")
{
    CHECK(equal_ignoring_case("Content-TYPE", "content-type"));
    CHECK(equal_ignoring_case("", ""));
    CHECK_FALSE(equal_ignoring_case("a", "ab"));
    CHECK_FALSE(equal_ignoring_case("[", "{"));
    CHECK_FALSE(equal_ignoring_case("\u00e4", "\u00c4"));
}

TEST_CASE("blanks at both ends go")
{
    CHECK(trim(" \t a b\r\n") == "a b");
    CHECK(trim("\r\n ").empty());
    CHECK(trim("").empty());
}
