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

std::string printed(const Table& table, std::size_t columns, bool colour = false)
{
    std::ostringstream out;
    table.print(out, columns, colour);
    return out.str();
}

TEST_CASE("a table fits its terminal: long cells are cut, the spare columns left out")
{
    Table table{{">ID", "=TIME", "NAME", "?IP", "?>N"}};
    table.row({"1", "12:00:00", "a name of many letters", "1.2.3.4", "5"});
    const std::string whole =
        "ID  TIME      NAME                    IP       N\n"
        " 1  12:00:00  a name of many letters  1.2.3.4  5\n";
    CHECK(printed(table, 0) == whole);
    CHECK(printed(table, 48) == whole);
    CHECK(printed(table, 40) ==
          "ID  TIME      NAME            IP       N\n"
          " 1  12:00:00  a name of man…  1.2.3.4  5\n");
    CHECK(printed(table, 31) ==
          "ID  TIME      NAME      IP\n"
          " 1  12:00:00  a name …  1.2.3.4\n");
    CHECK(printed(table, 25) ==
          "ID  TIME      NAME\n"
          " 1  12:00:00  a name of …\n");
    CHECK(printed(table, 5) ==
          "ID  TIME      NAME\n"
          " 1  12:00:00  a name …\n");
}

TEST_CASE("what is cut ends between characters")
{
    CHECK(cut_to_width("模型模型", 8) == "模型模型");
    CHECK(cut_to_width("模型模型", 7) == "模型模…");
    CHECK(cut_to_width("模型模型", 6) == "模型…");
    CHECK(cut_to_width("abc", 3) == "abc");
    CHECK(cut_to_width("abcd", 3) == "ab…");
}

TEST_CASE("only the marked cells of a row have its colour")
{
    Table table{{"A", "~B"}};
    table.row({"x", "good"}, Tone::good);
    table.row({"y", "bad"}, Tone::bad);
    table.row({"z", "none"});
    CHECK(printed(table, 80, true) == "A  B\nx  \x1b[32mgood\x1b[0m\ny  \x1b[31mbad\x1b[0m\nz  none\n");
    CHECK(printed(table, 80, false) == "A  B\nx  good\ny  bad\nz  none\n");
}

TEST_CASE("rows that come one by one are aligned")
{
    RunningTable table{{">ID", "NAME", "NOTE"}, {4, 6, 0}};
    std::ostringstream out;
    table.print_row(out, {"1", "a", "x"});
    table.print_row(out, {"2", "longer than that", "y"});
    table.print_row(out, {"3", "b", "z"});
    CHECK(out.str() ==
          "  ID  NAME    NOTE\n"
          "   1  a       x\n"
          "   2  longer than that  y\n"
          "   3  b                 z\n");
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
