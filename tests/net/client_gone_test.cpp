#include <string>

#include "tests/net/stage.hpp"

// A client that goes away ends everything done for it, at once.

namespace route::test {

namespace {

enum class Way
{
    close,
    half_close,
    reset
};

void leave(TestClient& client, Way way)
{
    if (way == Way::close) {
        client.close();
    } else if (way == Way::half_close) {
        client.half_close();
    } else {
        client.reset();
    }
}

void check_client_closed(Stage& stage)
{
    stage.run_until([&] { return stage.first().closed_by_peer(); });
    const Record& record = stage.record();
    CHECK(record.status == 499);
    CHECK(record.outcome == RequestOutcome::client_closed);
    REQUIRE(record.attempts.size() == 1);
    CHECK(record.attempts[0].outcome == AttemptOutcome::client_closed);
    CHECK(record.attempts[0].upstream_name == "first");
    stage.settle();
    CHECK(stage.second().connections() == 0);
    CHECK(stage.router().records().size() == 1);
}

}  // namespace

TEST_CASE("a client that leaves while its request is being answered cancels the attempt")
{
    struct Case
    {
        std::string name;
        std::string bytes;  ///< sent by the upstream before the client leaves
        bool stream;
    };
    const auto moment = GENERATE(values<Case>({
        {"no response yet", "", false},
        {"half a head", "HTTP/1.1 200 OK\r\n", false},
        {"half a JSON", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
         false},
        {"a stream before its first event", reply_head(200, chunked_sse_headers) + chunk(": hi\n\n"), true},
        {"a failed reply's body", "HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\nno", false},
    }));
    const auto way = GENERATE(Way::close, Way::half_close, Way::reset);
    CAPTURE(moment.name, static_cast<int>(way));
    Stage stage{
        {{step::read_request(), step::send(moment.bytes), step::hold("sent")}, script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send(chat_request("gpt-4o", moment.stream));
    stage.run_until([&] { return stage.first().reached("sent"); });
    stage.settle();
    leave(*client, way);
    check_client_closed(stage);
    CHECK_FALSE(stage.record().response_time);
}

TEST_CASE("a client that leaves in the middle of a stream cancels the attempt")
{
    const auto way = GENERATE(Way::close, Way::half_close, Way::reset);
    Stage stage{{script::stall_after_first_event(), script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->body_so_far() == chat_event("hel"); });
    leave(*client, way);
    check_client_closed(stage);
    CHECK(stage.record().response == "hel");
    CHECK(stage.record().response_time);
    CHECK(stage.record().upstream_name == "first");
}

TEST_CASE("a client that leaves while the upstream sends as fast as it can cancels the attempt")
{
    const auto way = GENERATE(Way::close, Way::reset);
    const Headers headers{{"Content-Type", "audio/mpeg"}, {"Transfer-Encoding", "chunked"}};
    Stage stage{{{step::read_request(), step::send(reply_head(200, headers)),
                  step::send_repeated(chunk(std::string(10'000, 'x')), 100'000)},
                 script::chat_reply("never")}};
    const auto client = stage.connect(64 << 10);
    client->send(chat_request());
    stage.run_until([&] { return client->body_so_far().size() > 1'000'000; });
    leave(*client, way);
    check_client_closed(stage);
}

TEST_CASE("a client that leaves without having read anything cancels the attempt")
{
    const Headers headers{{"Content-Type", "audio/mpeg"}, {"Transfer-Encoding", "chunked"}};
    Stage stage{{{step::read_request(), step::send(reply_head(200, headers)),
                  step::send_repeated(chunk(std::string(10'000, 'x')), 100'000)},
                 script::chat_reply("never")}};
    const auto client = stage.connect(64 << 10);
    client->pause_reading();
    client->send(chat_request());
    std::uint64_t before = 1;
    while (before == 0 || before != stage.first().sent_bytes()) {
        stage.run_until([&] { return stage.first().sent_bytes() > 0; });
        before = stage.first().sent_bytes();
        stage.settle();
    }
    client->close();
    check_client_closed(stage);
}

TEST_CASE("a client that leaves while connecting cancels the attempt")
{
    Stage stage{{script::chat_reply("never")}};
    const UnansweringPort unanswering{stage.io()};
    stage.put_first(unanswering.port());
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return client->sent_all(); });
    stage.settle();
    client->close();
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    CHECK(stage.record().status == 499);
    stage.settle();
    CHECK(stage.first().connections() == 0);
}

TEST_CASE("a client that leaves in the middle of its own request is recorded and nothing is tried")
{
    const auto way = GENERATE(Way::close, Way::half_close, Way::reset);
    const bool chunked = GENERATE(false, true);
    Stage stage{{script::chat_reply("never")}};
    const auto client = stage.connect();
    const std::string framing = chunked ? "Transfer-Encoding: chunked\r\n" : "Content-Length: 100\r\n";
    client->send(request_text("POST", "/v1/chat/completions", bearer() + framing) + "5\r\n{\"mod");
    stage.run_until([&] { return client->sent_all(); });
    stage.settle();
    leave(*client, way);
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    CHECK(stage.record().status == 499);
    CHECK(stage.record().attempts.empty());
    CHECK(stage.first().connections() == 0);
}

TEST_CASE("a connection that ends between requests or inside a head leaves no record")
{
    const auto bytes = GENERATE(values<std::string>({"", "GET /v1/mod", "\r\n"}));
    Stage stage{{script::chat_reply("hello")}};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return client->replies().size() == 1; });
    client->send(bytes);
    stage.run_until([&] { return client->sent_all(); });
    client->half_close();
    stage.run_until([&] { return client->closed_by_peer(); });
    CHECK(stage.authenticated_records() == 1);
}

TEST_CASE("the next request on the connection is no sign that the client left")
{
    Stage stage{{{step::read_request(), step::hold("answer"),
                  step::send(reply_text(200, json_headers, chat_reply("hello"))), step::again()}}};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().reached("answer"); });
    client->send(chat_request());
    stage.run_until([&] { return client->sent_all(); });
    stage.settle();
    CHECK_FALSE(stage.first().closed_by_peer());
    stage.first().release("answer");
    stage.run_until([&] { return client->replies().size() == 2; });
    CHECK(stage.record(1).outcome == RequestOutcome::ok);
}

TEST_CASE("pipelined requests beyond what is read ahead wait and are answered")
{
    Stage stage{{{step::read_request(), step::hold("answer"),
                  step::send(reply_text(200, json_headers, chat_reply("hello"))), step::again()}}};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().reached("answer"); });
    const std::string big = request_text("POST", "/v1/embeddings", bearer(), std::string(1 << 20, ' '));
    for (int request = 0; request < 3; ++request) {
        client->send(big);
    }
    stage.settle();
    stage.first().release("answer");
    stage.run_until([&] { return client->replies().size() == 4; });
    CHECK(stage.first().requests().size() == 4);
    CHECK(stage.record(3).body_bytes == 1 << 20);
}

TEST_CASE("a client that left is noticed behind more than is read ahead")
{
    Stage stage{{script::silence(), script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send(chat_request() + chat_request("gpt-4o", false, "test-key",
                                               "X-Long: " + std::string(96u << 10, 'x') + "\r\n"));
    stage.run_until([&] { return client->sent_all() && stage.first().requests().size() == 1; });
    stage.settle();
    client->close();
    stage.run_until([&] { return stage.first().closed_by_peer(); });
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("a client that left with a pipelined request behind cancels both")
{
    Stage stage{{script::silence(), script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send(chat_request() + chat_request());
    stage.run_until([&] { return stage.first().requests().size() == 1; });
    stage.settle();
    client->close();
    stage.run_until([&] { return stage.first().closed_by_peer(); });
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    stage.settle();
    CHECK(stage.first().requests().size() == 1);
    CHECK(stage.second().connections() == 0);
}

}  // namespace route::test
