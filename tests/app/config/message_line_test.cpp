#include "app/config/message_line.hpp"

#include "core/text.hpp"
#include "tests/support/catch.hpp"

namespace route {
namespace {

TEST_CASE("a message is one line, and made so twice it is the same")
{
    struct Row
    {
        std::string text;
        std::string line;
    };
    const Row row = GENERATE(values<Row>({
        {"plain text, 模型 and …", "plain text, 模型 and …"},
        {"saw '\\n'", "saw '\\n'"},
        {"C:\\path\\", "C:\\path\\"},
        {"two\nlines\x1b[31m", "two\\nlines\\x1b[31m"},
        {std::string{"\0", 1}, "\\x00"},
        {"", ""},
    }));
    CHECK(message_line(row.text) == row.line);
    CHECK(message_line(message_line(row.text)) == row.line);
}

TEST_CASE("a message that is too long is cut between characters")
{
    CHECK(message_line(std::string(20, 'x'), 10) == "xxxxxxx…");
    CHECK(message_line("模型模型模型", 10) == "模型…");
    CHECK(message_line(std::string(10, 'x'), 10) == "xxxxxxxxxx");
    CHECK(valid_utf8(message_line(std::string(2000, '\xff'))));
}

}  // namespace
}  // namespace route
