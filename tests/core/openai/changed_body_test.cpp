#include "core/openai/changed_body.hpp"

#include "tests/support/catch.hpp"

// What of a body an upstream changes, and that every other byte stays.

using namespace route;

namespace {

using Members = std::map<std::string, std::string>;

struct Change
{
    const char* body;
    std::optional<std::string_view> model;
    Members set;
    std::vector<std::string> unset;
    const char* sent;
};

std::string sent(const Change& change, Reading reading = Reading::lenient)
{
    MemberNames wanted{change.unset.begin(), change.unset.end()};
    for (const auto& [name, value] : change.set)
        wanted.insert(name);
    std::string bytes = change.body;
    const auto size = bytes.size();
    bytes.resize(size + body_padding);
    const std::string_view body{bytes.data(), size};
    const auto facts = read_request_facts("application/json", body, reading, wanted);
    REQUIRE(facts.has_value());
    ChangedBody changed{body, *facts, {change.model, change.set, change.unset}};
    std::vector<std::string_view> pieces;
    changed.append_to(pieces);
    std::string text;
    for (const auto piece : pieces)
        text += piece;
    CHECK(text.size() == changed.size());
    CHECK(changed.changed() == (text != body));
    return text;
}

}  // namespace

TEST_CASE("members of a body are replaced, added and taken away, and every other byte stays")
{
    const Change rows[] = {
        // replaced
        {R"({"a":1,"b":2})", {}, {{"a", "7"}}, {}, R"({"a":7,"b":2})"},
        {R"({ "a" : 1 , "b" : [1, {"a":2}] } )", {}, {{"b", "\"x\""}}, {}, R"({ "a" : 1 , "b" : "x" } )"},
        {R"({"a":{"b":1},"b":",}"})", {}, {{"b", "null"}}, {}, R"({"a":{"b":1},"b":null})"},
        {R"({"a":1,"a":2})", {}, {{"a", "7"}}, {}, R"({"a":7,"a":7})"},
        {R"({"\u0061":1})", {}, {{"a", "7"}}, {}, R"({"\u0061":7})"},
        // added, before the others
        {R"({"b":2})", {}, {{"a", "7"}}, {}, R"({"a":7,"b":2})"},
        {R"({ "b":2})", {}, {{"a\"", "7"}, {"c", "[]"}}, {}, R"({"a\"":7,"c":[], "b":2})"},
        {R"( {} )", {}, {{"a", "7"}}, {}, R"( {"a":7} )"},
        // nested ones are others
        {R"({"x":{"a":1}})", {}, {}, {"a"}, R"({"x":{"a":1}})"},
        // taken away
        {R"({"a":1,"b":2,"c":3})", {}, {}, {"a"}, R"({"b":2,"c":3})"},
        {R"({"a":1,"b":2,"c":3})", {}, {}, {"b"}, R"({"a":1,"c":3})"},
        {R"({"a":1,"b":2,"c":3})", {}, {}, {"c"}, R"({"a":1,"b":2})"},
        {R"({"a":1,"b":2,"c":3})", {}, {}, {"a", "b"}, R"({"c":3})"},
        {R"({"a":1,"b":2,"c":3})", {}, {}, {"b", "c"}, R"({"a":1})"},
        {R"({"a":1,"b":2,"c":3})", {}, {}, {"a", "c"}, R"({"b":2})"},
        {R"({"a":1,"b":2,"c":3})", {}, {}, {"a", "b", "c"}, R"({})"},
        {R"({"a":1,"b":2,"a":3})", {}, {}, {"a"}, R"({"b":2})"},
        {"{\n  \"a\": [1,\n 2],\n  \"b\": 2\n}\n", {}, {}, {"b"}, "{\n  \"a\": [1,\n 2]\n}\n"},
        {R"({"b":2})", {}, {}, {"a"}, R"({"b":2})"},
        // together, and with the model
        {R"({"a":1,"b":2})", {}, {{"c", "3"}}, {"a", "b"}, R"({"c":3})"},
        {R"({"a":1,"b":2})", {}, {{"c", "3"}}, {"b"}, R"({"c":3,"a":1})"},
        {R"({"a":1,"model":"m","b":2})",
         "other",
         {{"b", "3"}, {"c", "4"}},
         {"a"},
         R"({"c":4,"model":"other","b":3})"},
        {R"({"model":"m"})", "o\"x", {}, {}, R"({"model":"o\"x"})"},
        {R"({"stream":true,"model":"m"})", {}, {{"stream", "false"}}, {}, R"({"stream":false,"model":"m"})"},
        // what is no JSON object stays as it is
        {R"([1])", {}, {{"a", "7"}}, {"b"}, R"([1])"},
        {"", {}, {{"a", "7"}}, {}, ""},
        {R"({"a":1)", {}, {{"a", "7"}}, {}, R"({"a":1)"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.body);
        CHECK(sent(row) == row.sent);
    }
}

TEST_CASE("a strict reading finds the same members")
{
    CHECK(sent({R"({"a":[1,{}],"model":"m","b":{"x":"y"}})", "n", {{"b", "1"}}, {"a"}, ""},
               Reading::strict) == R"({"model":"n","b":1})");
}

TEST_CASE("a body of many pieces is put together, one that repeats a member without end is refused")
{
    std::string body = "{";
    std::string expected = "{";
    for (int i = 0; i < 100; ++i) {
        body += std::string{i > 0 ? "," : ""} + "\"a\":1,\"b\":2";
        expected += std::string{i > 0 ? "," : ""} + "\"a\":7,\"b\":2";
    }
    CHECK(sent({(body + "}").c_str(), {}, {{"a", "7"}}, {}, ""}) == expected + "}");
    for (int i = 0; i < 300; ++i)
        body += ",\"a\":1";
    body += "}";
    const auto size = body.size();
    body.resize(size + body_padding);
    CHECK(read_request_facts("application/json", {body.data(), size}, Reading::lenient, {"a"}).has_error());
    CHECK(read_request_facts("application/json", {body.data(), size}, Reading::lenient, {}).has_value());
}

TEST_CASE("the members of an object are read as they are written")
{
    const auto members = read_members(R"( { "a" : 1.50 , "b\u00e4\"" : { "x":[ 1,2 ] },"c":"}:,\"" } )");
    REQUIRE(members.has_value());
    CHECK(*members == Members{{"a", "1.50"}, {"b\xc3\xa4\"", R"({ "x":[ 1,2 ] })"}, {"c", R"("}:,\"")"}});
    CHECK(read_members(write_members(*members)).value() == *members);
    CHECK(read_members("{}")->empty());
    for (const char* text :
         {"", "1", "[]", "{", "{\"a\":1}x", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{\"a\":1 2}"})
        CHECK(read_members(text).has_error());
}
