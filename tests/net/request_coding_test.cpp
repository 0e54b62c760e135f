#include <string>
#include <vector>

#include "tests/net/stage.hpp"
#include "tests/support/compression.hpp"

// Requests that clients compress: read from a decoded copy, sent on as they came, or decoded where they
// change.

namespace route::test {

namespace {

std::string coded_request(const std::string& coding, const std::string& body)
{
    return request_text("POST", "/v1/chat/completions",
                        bearer() + "Content-Type: application/json\r\nContent-Encoding: " + coding + "\r\n",
                        body);
}

struct RequestCoding
{
    std::string name;
    Format format;
};

const std::vector<RequestCoding> request_codings{
    {"gzip", Format::gzip}, {"deflate", Format::zlib}, {"zstd", Format::zstd}, {"br", Format::brotli}};

}  // namespace

TEST_CASE("a compressed request is read, and goes on as it came")
{
    const auto coding = GENERATE(from_range(request_codings));
    CAPTURE(coding.name);
    Stage stage{{script::chat_reply("never"), script::chat_reply("hello")}};
    stage.change([](auto& definitions) { definitions[0].deny = {"gpt-4o"}; });
    const auto body = compressed(coding.format, chat_body("gpt-4o", true));
    const Reply reply = stage.ask(coded_request(coding.name, body));
    CHECK(reply.status() == 200);
    CHECK(reply.header("x-route-upstream") == "second");
    const auto& request = stage.second().requests().at(0);
    CHECK((request.body() == body));
    CHECK(request.header("content-encoding") == coding.name);
    const Record& record = stage.record();
    CHECK(record.model == "gpt-4o");
    CHECK(record.stream);
    CHECK(record.body == chat_body("gpt-4o", true));
    CHECK(record.body_bytes == body.size());
}

TEST_CASE("a compressed request is decoded where its model is renamed")
{
    const auto coding = GENERATE(from_range(request_codings));
    CAPTURE(coding.name);
    Stage stage{{script::chat_reply("hello")}};
    stage.change([](auto& definitions) { definitions[0].rename = {{"gpt-4o", "other"}}; });
    const auto body = compressed(coding.format, chat_body("gpt-4o"));
    CHECK(stage.ask(coded_request(coding.name, body)).status() == 200);
    const auto& request = stage.first().requests().at(0);
    CHECK(request.body() == chat_body("other"));
    CHECK_FALSE(request.has("content-encoding"));
    CHECK(request.header("content-length") == std::to_string(chat_body("other").size()));
    CHECK(stage.record().body == chat_body("gpt-4o"));
    CHECK(stage.record().body_bytes == body.size());
}

TEST_CASE("a compressed request of another model is not decoded for a rename")
{
    Stage stage{{script::chat_reply("hello")}};
    stage.change([](auto& definitions) { definitions[0].rename = {{"another", "other"}}; });
    const auto body = compressed(Format::gzip, chat_body("gpt-4o"));
    CHECK(stage.ask(coded_request("gzip", body)).status() == 200);
    CHECK((stage.first().requests().at(0).body() == body));
}

TEST_CASE("a request that decodes to too much is refused with 413")
{
    const auto coding = GENERATE(from_range(request_codings));
    CAPTURE(coding.name);
    Stage stage{{script::chat_reply("never")}};
    const Reply reply =
        stage.ask(coded_request(coding.name, compressed(coding.format, std::string(2u << 20, ' '))));
    CHECK(reply.status() == 413);
    CHECK(error_of(reply).code == "body_too_large");
    CHECK(stage.first().connections() == 0);
    CHECK(stage.record().outcome == RequestOutcome::rejected);
}

TEST_CASE("a body that cannot be read for sure is refused where a rule depends on the model")
{
    struct Case
    {
        std::string body;
        std::string coding;
    };
    const auto [body, coding] = GENERATE(values<Case>({
        {"\xef\xbb\xbf{\"model\":\"gpt-4o\"}", "identity"},
        {R"({"model":"a"}{"model":"gpt-4o"})", "identity"},
        {R"({"Model":"gpt-4o","model":"a"})", "identity"},
        {R"({"model":"gpt-4o",})", "identity"},
        {R"({"model":"gpt-4o"})", "gzip"},
        {R"({"model":"gpt-4o"})", "unknown"},
    }));
    CAPTURE(body, coding);
    Stage stage{{script::chat_reply("hello")}};
    const auto given = body;
    const auto given_coding = coding;
    const auto ask = [&] { return stage.ask(coded_request(given_coding, given)); };
    CHECK(ask().status() == 200);
    CHECK((stage.first().requests().at(0).body() == body));
    struct Rule
    {
        const char* name;
        std::function<void(UpstreamDefinition&)> make;
    };
    for (const auto& rule : {Rule{"deny", [](auto& each) { each.deny = {"gpt-4o"}; }},
                             Rule{"allow", [](auto& each) { each.allow = {"a", "/v1/*"}; }},
                             Rule{"rename", [](auto& each) { each.rename = {{"gpt-4o", "b"}}; }}}) {
        CAPTURE(rule.name);
        stage.change([&](auto& definitions) {
            definitions[0].allow.clear();
            definitions[0].deny.clear();
            definitions[0].rename.clear();
            rule.make(definitions[0]);
        });
        const Reply reply = ask();
        CHECK(reply.status() == 400);
        CHECK(error_of(reply).code == "bad_request");
    }
    CHECK(stage.first().requests().size() == 1);
}

}  // namespace route::test
