#include "app/cli/pretty_json.hpp"

#include "tests/support/catch.hpp"

namespace route::cli {
namespace {

TEST_CASE("JSON is laid out, its values as they are written")
{
    struct Row
    {
        const char* text;
        const char* pretty;
    };
    const Row row = GENERATE(values<Row>({
        {R"({"a":1.0,"b":[1e3,{"c":null}],"d":"x, {y}: \"z\""})",
         "{\n  \"a\": 1.0,\n  \"b\": [\n    1e3,\n    {\n      \"c\": null\n    }\n  ],\n  \"d\": \"x, {y}: "
         "\\\"z\\\"\"\n}"},
        {"{}", "{}"},
        {"[ ]", "[]"},
        {R"({"a": {}, "b": [[]]})", "{\n  \"a\": {},\n  \"b\": [\n    []\n  ]\n}"},
        {"  true ", "true"},
        {R"("text")", R"("text")"},
    }));
    CHECK(pretty_json(row.text) == row.pretty);
    CHECK(pretty_json(row.pretty) == row.pretty);
}

TEST_CASE("what is no JSON, or is nested too deep, is not laid out")
{
    const std::string text =
        GENERATE(values<std::string>({"", "hello", "{\"a\":", "{} {}", std::string(200, '['),
                                      std::string(200, '[') + std::string(200, ']')}));
    CHECK_FALSE(pretty_json(text));
}

TEST_CASE("names, strings and other values have colours, also at the beginning of a text that was cut")
{
    CHECK(coloured_json("{\n  \"a\": [\"x\", 1]\n}") ==
          "{\n  \x1b[34m\"a\"\x1b[0m: [\x1b[32m\"x\"\x1b[0m, \x1b[33m1\x1b[0m]\n}");
    CHECK(coloured_json("{ \"a\": \"cut \\") == "{ \x1b[34m\"a\"\x1b[0m: \x1b[32m\"cut \\\x1b[0m");
}

}  // namespace
}  // namespace route::cli
