// Bodies that clients compressed, and what is made of those that cannot be read.
#include "core/http/request_body.hpp"

#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/compression.hpp"

using namespace route;
using test::compressed;
using test::Format;

namespace {

const std::string chat = R"({"model":"gpt-4o","stream":true,"messages":[]})";

struct Coded
{
    const char* name;
    Format format;
};
const Coded codings[] = {{"gzip", Format::gzip},    {"x-gzip", Format::gzip},
                         {"deflate", Format::zlib}, {"deflate", Format::bare_deflate},
                         {"zstd", Format::zstd},    {"BR", Format::brotli}};

RequestBody read(std::string_view encoding, std::string body, Reading reading = Reading::lenient,
                 std::string_view type = "application/json")
{
    body.reserve(body.size() + body_padding);
    return read_request_body(type, encoding, body, reading);
}

}  // namespace

TEST_CASE("a compressed body is read from a decoded copy")
{
    for (const auto& [name, format] : codings) {
        CAPTURE(name);
        const auto body = read(name, compressed(format, chat));
        CHECK_FALSE(body.refusal);
        CHECK(body.decoded == chat);
        CHECK(body.decoded->capacity() >= chat.size() + body_padding);
        CHECK(body.facts.model == "gpt-4o");
        CHECK(body.facts.stream);
        CHECK(rename_model(*body.decoded, body.facts, "x") == R"({"model":"x","stream":true,"messages":[]})");
    }
}

TEST_CASE("a body without a coding has no copy")
{
    for (const auto* name : {"", "identity", " Identity "}) {
        CHECK_FALSE(is_encoded(name));
        const auto body = read(name, chat);
        CHECK_FALSE(body.decoded);
        CHECK(body.facts.model == "gpt-4o");
    }
    CHECK(is_encoded("br"));
    CHECK(is_encoded("gzip, br"));
    const auto nothing = read("gzip", "");
    CHECK_FALSE(nothing.decoded);
    CHECK_FALSE(nothing.refusal);
}

TEST_CASE("a multipart body may be compressed, too")
{
    const auto body =
        read("gzip",
             compressed(Format::gzip,
                        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n"),
             Reading::lenient, "multipart/form-data; boundary=b");
    CHECK(body.facts.model == "m");
}

TEST_CASE("a body that decodes to too much is refused with 413")
{
    struct Case
    {
        std::size_t size;
        bool refused;
    };
    for (const auto& [name, format] : codings)
        for (const auto& [size, refused] :
             {Case{60'000, false}, Case{600'000, true}, Case{70u << 20, true}}) {
            CAPTURE(name, size);
            const auto body = read(name, compressed(format, std::string(size, ' ')));
            CHECK(body.refusal.has_value() == refused);
            if (refused) {
                CHECK(body.refusal->status == 413);
                CHECK(body.refusal->code == "body_too_large");
                CHECK_FALSE(body.decoded);
            }
        }
}

TEST_CASE("what cannot be decoded goes on unread, unless a rule depends on the model")
{
    struct Case
    {
        const char* name;
        std::string body;
    };
    const auto packed = compressed(Format::gzip, chat);
    for (const auto& [name, bytes] :
         {Case{"compress", packed}, Case{"gzip, gzip", packed}, Case{"br", packed}, Case{"zstd", packed},
          Case{"gzip", chat}, Case{"gzip", packed.substr(0, packed.size() - 1)}, Case{"utf-8", chat}}) {
        CAPTURE(name);
        const auto body = read(name, bytes);
        CHECK_FALSE(body.refusal);
        CHECK_FALSE(body.decoded);
        CHECK_FALSE(body.facts.model);
        const auto doubtful = read(name, bytes, Reading::strict);
        REQUIRE(doubtful.refusal);
        CHECK(doubtful.refusal->status == 400);
        CHECK_THAT(doubtful.refusal->message, ContainsSubstring("model cannot be read"));
    }
    CHECK(read("br", compressed(Format::brotli, chat), Reading::strict).facts.model == "gpt-4o");
}

TEST_CASE("memory for reading is what is held at most")
{
    CHECK(reading_memory("", 1000) == facts_memory(1000));
    CHECK(reading_memory("gzip", 1000) == 100'000 + facts_memory(100'000));
    CHECK(reading_memory("br", 64u << 20) == most_decoded_request + facts_memory(most_decoded_request));
}
