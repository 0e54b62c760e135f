// Replies of many megabytes are recorded like small ones.
#include <string>

#include "tests/net/stage.hpp"

namespace route::test {

namespace {

const std::string long_image = R"("b64_json":")" + std::string(3u << 20, 'A') + '"';

}  // namespace

TEST_CASE("the record of an image stream has the tokens of an event of many megabytes")
{
    const std::string event =
        "event: image_generation.completed\n" +
        data_event(R"({"type":"image_generation.completed",)" + long_image +
                   R"(,"usage":{"input_tokens":50,"output_tokens":60,"total_tokens":110}})");
    Stage stage{{script::sse({data_event(R"({"type":"image_generation.partial_image"})"), event})}};
    const Reply reply = stage.ask(request_text("POST", "/v1/images/generations",
                                               bearer() + "Content-Type: application/json\r\n",
                                               R"({"model":"gpt-image-1","prompt":"a cat","stream":true})"));
    CHECK(reply.whole);
    CHECK(reply.body().size() > event.size());
    CHECK(stage.record().prompt_tokens == 50);
    CHECK(stage.record().completion_tokens == 60);
    CHECK(stage.record().total_tokens == 110);
}

TEST_CASE("the record of a reply of many megabytes has its text, not its JSON")
{
    auto body = chat_reply("hello");
    body.insert(1, long_image + ',');
    Stage stage{{script::reply(200, json_headers, body)}};
    CHECK((stage.ask(chat_request()).body() == body));
    CHECK(stage.record().response == "hello");
    CHECK(stage.record().total_tokens == 7);
    CHECK(stage.record().finish_reason == "stop");
}

TEST_CASE("the record of a long reply on its API's own path has its text")
{
    const auto body = "{" + long_image +
                      R"(,"output":[{"type":"message","content":[{"type":"output_text","text":"hello"}]}]})";
    Stage stage{{script::reply(200, json_headers, body)}};
    stage.ask(request_text("POST", "/v1/responses", bearer() + "Content-Type: application/json\r\n",
                           R"({"model":"gpt-4o","input":"hi"})"));
    CHECK(stage.record().response == "hello");
}

}  // namespace route::test
