#include "core/http/multipart.hpp"

#include <string>

#include "tests/support/catch.hpp"

using namespace route;

namespace {

constexpr std::string_view content_type = "multipart/form-data; boundary=\"--x\"";

std::string field(std::string_view disposition, std::string_view value)
{
    return "----x\r\nContent-Disposition: form-data; " + std::string{disposition} + "\r\n\r\n" +
           std::string{value} + "\r\n";
}

const std::string end = "----x--\r\n";

RequestFacts multipart_facts(const std::string& body)
{
    return read_request_facts(content_type, body).value();
}

}  // namespace

TEST_CASE("the model of a multipart body is found wherever it stands")
{
    const auto file = field(R"(name="file"; filename="a.wav")", "RIFF\r\n--not\r\n----xy\r\nname=\"model\"");
    const auto model = field(R"(name="model")", "whisper-1");
    const std::string bodies[]{
        model + end,
        file + model + end,
        model + file + end,
        "preamble\r\n" + file + model + field("name=stream", "true") + end + "epilogue",
        field("name=model", "whisper-1") + end,
        field("filename*=utf-8''x; NAME = \"file\"", "") + model + end,
        "----x \t\r\ncontent-type: text/plain\r\nCONTENT-DISPOSITION:form-data;\r\n "
        "name=\"model\"\r\n\r\nwhisper-1\r\n" +
            end,
        "----x\nContent-Disposition: form-data; name=\"model\"\n\nwhisper-1\n----x--",
    };
    for (const auto& body : bodies) {
        const auto facts = multipart_facts(body);
        CAPTURE(body);
        CHECK(facts.model == "whisper-1");
        CHECK_FALSE(facts.model_is_json);
        CHECK(body.substr(facts.model_begin, facts.model_end - facts.model_begin) == "whisper-1");
    }
}

TEST_CASE("a multipart body says whether it wants a stream")
{
    CHECK(multipart_facts(field("name=\"stream\"", "true") + end).stream);
    CHECK(multipart_facts(field("name=\"stream\"", "True") + end).stream);
    CHECK_FALSE(multipart_facts(field("name=\"stream\"", "false") + end).stream);
    CHECK_FALSE(multipart_facts(field("name=\"model\"", "true") + end).stream);
}

TEST_CASE("multipart bodies without facts")
{
    const auto model = field("name=\"model\"", "m");
    const std::string bodies[]{
        "",
        "----x",
        "----x--",
        "x" + model + end,
        model,  // cut before its end
        model + "----x",
        "----x\r\nContent-Disposition: form-data; name=\"model\"\r\nm\r\n" + end,
        "----x\r\n\r\nm\r\n" + end,
        field("name=\"models\"", "m") + end,
        field("x=\"name=model\"", "m") + end,
        field("name=\"model\"; filename=\"m\"", "m") + end,
        field("name=\"model\"", "\xff") + end,
    };
    for (const auto& body : bodies) {
        CAPTURE(body);
        CHECK_FALSE(multipart_facts(body).model.has_value());
    }
    CHECK_FALSE(read_request_facts("multipart/form-data", model + end).value().model.has_value());
    CHECK_FALSE(read_request_facts("multipart/form-data; boundary=", model + end).value().model.has_value());
    CHECK_FALSE(
        read_request_facts("multipart/form-data; boundary=other", model + end).value().model.has_value());
}

TEST_CASE("two model fields are refused")
{
    const auto model = field("name=\"model\"", "m");
    const auto file = field("name=\"file\"; filename=\"f\"", "data");
    CHECK(read_request_facts(content_type, model + file + model + end).has_error());
    CHECK(read_request_facts(content_type, field("name=model; filename=f", "m") + model + end).has_error());
}

TEST_CASE("a model behind a large file is found and renamed")
{
    std::string body = field(R"(name="file"; filename="a.wav")", std::string(60u << 20, '\n'));
    const auto before = body;
    body += field("name=\"model\"", "whisper-1") + end;
    const auto facts = multipart_facts(body);
    REQUIRE(facts.model == "whisper-1");
    CHECK(rename_model(body, facts, "\"w\"") == before + field("name=\"model\"", "\"w\"") + end);
}

TEST_CASE("of a multipart model that is too long its beginning is read, and all of it renamed")
{
    const std::string name = std::string(1023, 'm') + "ä" + std::string(1u << 20, 'n');
    const auto body = field("name=model", name) + end;
    const auto facts = multipart_facts(body);
    CHECK(facts.model == std::string(1023, 'm'));
    CHECK(facts.model_cut);
    CHECK(rename_model(body, facts, "w") == field("name=model", "w") + end);
    CHECK_FALSE(multipart_facts(field("name=model", std::string(1024, 'm')) + end).model_cut);
}

TEST_CASE("multipart bodies of too many parts, or with a part of too many headers, are refused")
{
    const auto model = field("name=model", "m");
    std::string parts;
    for (int i = 0; i < 999; ++i)
        parts += field("name=a", "");
    CHECK(multipart_facts(parts + model + end).model == "m");
    const auto facts = read_request_facts(content_type, parts + field("name=a", "") + model + end);
    REQUIRE(facts.has_error());
    CHECK(facts.error().reason == "more than 1000 parts");
    const auto headers = std::string{"----x\r\nContent-Disposition: form-data; name=model\r\n"};
    CHECK(multipart_facts(headers + "x: " + std::string(16'000, 'x') + "\r\n\r\nm\r\n" + end).model == "m");
    CHECK(read_request_facts(content_type, headers + "x: " + std::string(17'000, 'x') + "\r\n\r\nm\r\n" + end)
              .has_error());
}
