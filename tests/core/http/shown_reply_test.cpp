#include "core/http/shown_reply.hpp"

#include <array>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/compression.hpp"

using namespace route;
namespace http = boost::beast::http;

namespace {

constexpr std::string_view quoted_key = "sk-upstream/+1";

std::string gzip(std::string_view text)
{
    return test::compressed(test::Format::gzip, text);
}

std::optional<ShownReply> show(const HeaderFields& fields, std::string_view body)
{
    SecretEraser eraser;
    eraser.add(quoted_key);
    const std::array<const SecretEraser*, 1> erasers{&eraser};
    return show_reply("Wrong sk-upstream/+1", fields, body, erasers);
}

std::string_view value_of(const ShownReply& reply, std::string_view name)
{
    return find_field(reply.fields, name);
}

}  // namespace

TEST_CASE("a failed reply is shown without the keys in its reason, fields and body")
{
    const HeaderFields fields{{http::field::unknown, "x-key", "it was sk-upstream%2F%2B1"},
                              {http::field::etag, "ETag", "\"1\""},
                              {http::field::unknown, "x-other", "stays"}};
    const auto reply = show(fields, R"({"error":"wrong sk-upstream\/\u002b1"})");
    REQUIRE(reply);
    CHECK(reply->reason == "Wrong …");
    CHECK(reply->body == R"({"error":"wrong …"})");
    CHECK(value_of(*reply, "x-key") == "it was …");
    CHECK(value_of(*reply, "x-other") == "stays");
    CHECK(value_of(*reply, "etag").empty());
}

TEST_CASE("a failed reply without a key in its body is shown with that body, byte by byte")
{
    const HeaderFields fields{{http::field::etag, "ETag", "\"1\""},
                              {http::field::content_encoding, "Content-Encoding", "gzip"}};
    const auto body = gzip("an error");
    const auto reply = show(fields, body);
    REQUIRE(reply);
    CHECK(reply->body.data() == body.data());
    CHECK(reply->body == body);
    CHECK(value_of(*reply, "content-encoding") == "gzip");
    CHECK(value_of(*reply, "etag") == "\"1\"");
}

TEST_CASE("an encoded reply that quotes a key is shown decoded")
{
    const HeaderFields fields{{http::field::content_encoding, "Content-Encoding", "gzip"},
                              {http::field::unknown, "Digest", "sha-256=abc"}};
    const auto body = gzip("wrong sk-upstream/+1!");
    const auto reply = show(fields, body);
    REQUIRE(reply);
    CHECK(reply->body == "wrong …!");
    CHECK(value_of(*reply, "content-encoding").empty());
    CHECK(value_of(*reply, "digest").empty());
}

TEST_CASE("a reply of which nobody can tell what it says is not shown")
{
    const auto coded = [](const char* coding) {
        return HeaderFields{{http::field::content_encoding, "Content-Encoding", coding}};
    };
    CHECK_FALSE(show(coded("br"), "\x8b\x02\x80\xff\xfe"));
    CHECK_FALSE(show(coded("gzip"), "no gzip at all"));
    CHECK_FALSE(show(coded("gzip"), gzip("cut short").substr(0, 15)));
    CHECK_FALSE(show(coded("gzip"), gzip(std::string(most_decoded + 1, 'x'))));
    CHECK(show(coded("identity"), "\xff"));
    CHECK(show(coded("br"), ""));
    const auto plain = show(coded("none"), "wrong sk-upstream/+1!");
    REQUIRE(plain);
    CHECK(plain->body == "wrong …!");
}

TEST_CASE("what an error says is quoted from its beginning, whatever its coding and length")
{
    const std::string json = R"({"error":{"message":"wrong sk-upstream\/\u002b1"}})";
    const std::string random = [] {
        std::string text;
        for (unsigned i = 0, seed = 1; i < 40'000; ++i)
            text += static_cast<char>('a' + (seed = seed * 1103515245u + 12345u) / 65536u % 26);
        return text;
    }();
    const std::string long_text = "too long: " + std::string(3u << 20, 'x');
    struct Row
    {
        std::string name;
        std::string type;
        std::string coding;
        std::string body;
        bool whole;
        std::string words;
    };
    const Row rows[] = {
        {"JSON", "application/json", "", json, true, "wrong …"},
        {"JSON, identity", "application/json", "identity", json, true, "wrong …"},
        {"JSON, a coding that is none", "application/json", "utf-8", json, true, "wrong …"},
        {"JSON, gzip", "application/json", "gzip", gzip(json), true, "wrong …"},
        {"no gzip", "application/json", "gzip", json, true, "wrong …"},
        {"neither gzip nor text", "application/json", "gzip", "\x1f\x8b\x01", true, ""},
        {"bytes", "application/json", "odd", "\x01\x02", true, ""},
        {"text, cut inside a key", "text/plain", "", "it was sk-upstre", false, "it was …"},
        {"long text", "text/plain", "", long_text, true, long_text.substr(0, 200)},
        {"long text, gzip", "text/plain", "gzip", gzip(long_text), true, long_text.substr(0, 200)},
        {"gzip, cut", "text/plain", "gzip", gzip(random).substr(0, 20'000), false, random.substr(0, 200)},
        {"nothing", "text/plain", "gzip", "", true, ""},
    };
    SecretEraser eraser;
    eraser.add(quoted_key);
    const std::array<const SecretEraser*, 1> erasers{&eraser};
    for (const auto& row : rows) {
        CAPTURE(row.name);
        CHECK(quote_error(row.type, row.coding, row.body, row.whole, erasers) == row.words);
    }
}
