#include "core/http/media_type.hpp"

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("a content type without its parameters")
{
    CHECK(media_type("application/json; charset=utf-8") == "application/json");
    CHECK(media_type(" text/plain\t;x=y") == "text/plain");
    CHECK(media_type("audio/mpeg") == "audio/mpeg");
    CHECK(media_type("").empty());
}

TEST_CASE("types people can read")
{
    for (const auto* type :
         {"text/plain", "TEXT/VTT; charset=utf-8", "application/json", "application/problem+json",
          "application/xml", "application/atom+xml", "application/x-ndjson"})
        CHECK(is_textual_type(type));
    for (const auto* type : {"", "audio/mpeg", "application/octet-stream", "image/png", "textual/x"})
        CHECK_FALSE(is_textual_type(type));
    CHECK(is_json_type("Application/JSON; charset=utf-8"));
    CHECK(is_json_type("application/problem+json"));
    CHECK_FALSE(is_json_type("application/x-ndjson"));
}

TEST_CASE("parameters of a field")
{
    const auto boundary = [](std::string_view field) {
        return field_parameter(field, "boundary").value_or("none");
    };
    CHECK(boundary("multipart/form-data; boundary=abc") == "abc");
    CHECK(boundary("multipart/form-data;boundary=abc;charset=x") == "abc");
    CHECK(boundary("multipart/form-data; Boundary=\"a;b \"") == "a;b ");
    CHECK(boundary("multipart/form-data; charset=utf-8; boundary = \"abc\"") == "abc");
    CHECK(boundary("multipart/form-data; x=\"boundary=no\"; boundary=----=_Part_1") == "----=_Part_1");
    CHECK(boundary("multipart/form-data; boundary") == "none");
    CHECK(boundary("multipart/form-data; boundary=") == "");
    CHECK(boundary("multipart/form-data") == "none");
    CHECK(boundary("boundary=abc") == "none");
    CHECK(field_parameter("form-data; name=\"a\\\"b\\\\c\"", "name") == "a\"b\\c");
    CHECK(field_parameter("form-data; filename=\"C:\\x\\name.wav\"; name=file", "name") == "file");
    CHECK(field_parameter("form-data; name=\"open", "name") == "open");
}
