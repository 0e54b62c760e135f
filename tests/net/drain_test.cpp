#include <boost/system/system_error.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// What a router that is told to end still does.

namespace route::test {

TEST_CASE("while draining, requests in flight finish and their connections close")
{
    Stage stage{{{step::read_request(), step::hold("answer"),
                  step::send(reply_text(200, json_headers, chat_reply("hello")))}}};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().reached("answer"); });
    stage.router().drain();
    stage.settle();
    CHECK_FALSE(client->closed_by_peer());
    stage.first().release("answer");
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK(client->replies()[0].whole);
    CHECK(client->replies()[0].body() == chat_reply("hello"));
    CHECK(client->replies()[0].header("connection") == "close");
    CHECK_FALSE(client->reset_by_peer());
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("while draining, a stream goes on to its end")
{
    Stage stage{
        {{step::read_request(), step::send(reply_head(200, chunked_sse_headers) + chunk(chat_event("hel"))),
          step::hold("rest"), step::send(chunk(chat_event("lo")) + std::string{last_chunk})}}};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->body_so_far() == chat_event("hel"); });
    stage.router().drain();
    stage.first().release("rest");
    stage.run_until([&] { return client->closed_by_peer(); });
    CHECK(client->replies().at(0).whole);
    CHECK(client->replies().at(0).body() == chat_event("hel") + chat_event("lo"));
    CHECK(stage.record().response == "hello");
}

TEST_CASE("what waits to be accepted when a drain begins is served")
{
    Stage stage{{script::chat_reply("hello")}};
    std::vector<std::unique_ptr<TestClient>> clients;
    for (int i = 0; i < 100; ++i)
        clients.push_back(stage.connect());  // by the kernel: nothing of the router has run
    stage.router().drain();
    for (const auto& client : clients)
        client->send(chat_request());
    for (const auto& client : clients) {
        stage.run_until([&] { return client->closed_by_peer(); });
        CHECK_FALSE(client->reset_by_peer());
        REQUIRE(client->replies().size() == 1);
        CHECK(client->replies()[0].status() == 200);
        CHECK(client->replies()[0].header("connection") == "close");
    }
    CHECK_THROWS_AS(stage.connect(), boost::system::system_error);
}

TEST_CASE("a request that was sent before the drain is served, however far it has come")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto client = stage.connect();
    SECTION("the second one of a connection, whole")
    {
        client->send(chat_request());
        stage.run_until([&] { return client->replies().size() == 1; });
        stage.settle();
        client->send(chat_request());
        stage.run_until([&] { return client->sent_all(); });
        stage.router().drain();
    }
    SECTION("the first half of its head")
    {
        client->send("POST /v1/chat/completions HTTP/1.1\r\nHo");
        stage.settle();
        stage.router().drain();
        client->send(chat_request().substr(std::string{"POST /v1/chat/completions HTTP/1.1\r\nHo"}.size()));
    }
    stage.run_until([&] { return client->closed_by_peer(); });
    CHECK(client->replies().back().status() == 200);
    CHECK(client->replies().back().header("connection") == "close");
}

TEST_CASE("while draining, a connection without a request is waited for as long as for headers")
{
    Settings settings = patient_settings();
    settings.server.header_timeout = Seconds{0.2};
    Stage stage{{script::chat_reply("never")}, settings};
    const auto client = stage.connect();
    stage.router().drain();
    stage.run_until([&] { return client->closed_by_peer(); });
    CHECK(client->replies().empty());
    stage.run_until([&] { return stage.router().services().open_sessions == 0; });
}

TEST_CASE("while draining, idle connections close and new ones are not accepted")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return client->replies().size() == 1; });
    stage.router().drain();
    stage.run_until([&] { return client->closed_by_peer(); });
    CHECK_THROWS_AS(stage.connect(), boost::system::system_error);
}

}  // namespace route::test
