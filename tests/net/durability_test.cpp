#include <stdexcept>

#include "tests/net/stage.hpp"

// `durability = "commit"`: who sees a message complete finds its record, however the message ends.

namespace route::test {

TEST_CASE("no client sees the end of a message before its record is stored")
{
    const auto script =
        GENERATE(values<Script>({script::chat_reply("hello"), script::sse(chat_events("hello")),
                                 script::raw(chunked_reply(200, {{"Content-Type", "audio/mpeg"}}, {"hello"})),
                                 script::reply(404, json_headers, upstream_error("no"))}));
    const std::string version = GENERATE("HTTP/1.1", "HTTP/1.0");
    CAPTURE(version);
    auto settings = patient_settings();
    settings.records.durability = Durability::commit;
    Stage stage{{script}, settings};
    stage.router().hold_stored();
    const auto client = stage.connect();
    client->send(request_text("POST", "/v1/chat/completions", bearer() + "Content-Type: application/json\r\n",
                              chat_body(), version));
    stage.run_until([&] { return !stage.router().records().empty(); });
    stage.settle();
    CHECK(client->replies().empty());
    CHECK_FALSE(client->closed_by_peer());
    stage.router().release_stored();
    stage.run_until([&] { return !client->replies().empty(); });
    CHECK(client->replies().front().whole);
}

TEST_CASE("a page without a record comes whole, also when it fails")
{
    auto settings = patient_settings();
    settings.records.durability = Durability::commit;
    Stage stage{{script::chat_reply("hello")}, settings};
    CHECK(stage.ask(get_request("/healthz")).whole);
    stage.router().services().metrics_text = []() -> std::string { throw std::runtime_error{"no metrics"}; };
    const auto reply = stage.ask(get_request("/v1/metrics"));
    CHECK(reply.status() == 500);
    CHECK(reply.whole);
}

}  // namespace route::test
