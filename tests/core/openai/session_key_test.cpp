#include "core/openai/session_key.hpp"

#include "core/openai/request_facts.hpp"
#include "tests/support/catch.hpp"

namespace route {

namespace {

using Sources = std::vector<std::string>;

std::optional<std::string> key_of(const Sources& sources, const std::string& body,
                                  const HeaderFields& fields = {})
{
    auto padded = body;
    padded.reserve(body.size() + body_padding);
    return session_key(sources, fields, padded);
}

HeaderFields with_header(std::string_view name, std::string_view value)
{
    return {{boost::beast::http::field::unknown, name, value}};
}

}  // namespace

TEST_CASE("the first source that a request has a value for makes its session")
{
    const Sources sources{"prompt_cache_key", "header:session_id", "user"};
    const auto header = with_header("Session_Id", "from the header");
    struct Row
    {
        const char* body;
        bool header;
        std::optional<std::string> key;
    };
    const Row rows[] = {
        {R"({"user":"u","prompt_cache_key":"k"})", true, "k"},
        {R"({"prompt_cache_key":"k","user":"u"})", false, "k"},
        {R"({"user":"u"})", true, "from the header"},
        {R"({"user":"u"})", false, "u"},
        {R"({"prompt_cache_key":"","user":"u"})", false, "u"},
        {R"({"prompt_cache_key":null,"user":"u"})", false, "u"},
        {R"({"prompt_cache_key":{"a":1},"user":"u"})", false, "u"},
        {R"({"user":17})", false, "17"},
        {R"({"\u0075ser":"\u0061"})", false, "a"},
        {R"({"metadata":{"user":"inside"}})", false, std::nullopt},
        {R"({"user":"u")", false, std::nullopt},
        {"[]", false, std::nullopt},
        {"", true, "from the header"},
        {"", false, std::nullopt},
    };
    for (const auto& row : rows) {
        CAPTURE(row.body, row.header);
        CHECK(key_of(sources, row.body, row.header ? header : HeaderFields{}) == row.key);
    }
    CHECK(key_of({"header:x"}, R"({"user":"u"})", with_header("x", std::string(5000, 'x')))->size() == 1024);
}

TEST_CASE("what can make a session")
{
    for (const char* source : {"user", "prompt_cache_key", "header:session_id", "header:X-Session-Id"}) {
        CAPTURE(source);
        CHECK(valid_session_source(source));
    }
    for (const char* source : {"", "header:", "header:a b", "header:a:b", "a\nb"}) {
        CAPTURE(source);
        CHECK_FALSE(valid_session_source(source));
    }
}

}  // namespace route
