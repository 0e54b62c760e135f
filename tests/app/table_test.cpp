#include "app/cli/table.hpp"

#include <sstream>

#include "tests/support/catch.hpp"

namespace route::cli {
namespace {

TEST_CASE("widths are those of a terminal")
{
    CHECK(display_width("") == 0);
    CHECK(display_width("abc") == 3);
    CHECK(display_width("é") == 1);
    CHECK(display_width("e\xcc\x81") == 1);
    CHECK(display_width("模型") == 4);
    CHECK(display_width("…") == 1);
}

TEST_CASE("columns are as wide as they must be")
{
    Table table{{">ID", "NAME", ">MS", "NOTE"}};
    table.row({"1", "模型", "10.5", ""});
    table.row({"200", "a", "1", "x"});
    std::ostringstream out;
    table.print(out);
    CHECK(out.str() ==
          " ID  NAME    MS  NOTE\n"
          "  1  模型  10.5\n"
          "200  a        1  x\n");
}

TEST_CASE("nothing in a cell commands the terminal")
{
    Table table{{"A"}};
    table.row({"x\x1b[31m\ny"});
    std::ostringstream out;
    table.print(out);
    CHECK(out.str() == "A\nx\\x1b[31m\\ny\n");
    CHECK(terminal_text("a\n\tb\x1b[0m\xc2\x9b\x7f\xff") == "a\n\tb\uFFFD[0m\uFFFD\uFFFD\uFFFD");
    CHECK(terminal_text("£ é") == "£ é");
}

}  // namespace
}  // namespace route::cli
