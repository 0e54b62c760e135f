#include <boost/system/system_error.hpp>
#include <string>

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
