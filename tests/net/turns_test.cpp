#include "tests/net/stage.hpp"

// Nobody holds up the others of an event loop, however much it sends.

namespace route::test {

TEST_CASE("requests that come together leave a turn to those of others")
{
    constexpr std::size_t many = 1000;
    Stage stage{{script::chat_reply("hello")}};
    const auto busy = stage.connect();
    const auto other = stage.connect();
    std::string requests;
    for (std::size_t i = 0; i < many; ++i)
        requests += get_request("/healthz");
    busy->send(requests);
    stage.run_until([&] { return !busy->replies().empty(); });
    other->send(get_request("/healthz"));
    stage.run_until([&] { return !other->replies().empty(); });
    CHECK(busy->replies().size() < many);
    stage.run_until([&] { return busy->replies().size() == many; });
}

TEST_CASE("a body of nothing but framing is refused")
{
    Stage stage{{script::chat_reply("hello")}};
    const auto client = stage.connect();
    client->send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + bearer() +
                 "Transfer-Encoding: chunked\r\n\r\n");
    const auto chunk = "1;" + std::string(15'000, 'e') + "\r\nx\r\n";
    for (int i = 0; i < 20; ++i)
        client->send(chunk);
    stage.run_until([&] { return !client->replies().empty(); });
    CHECK(client->replies().front().status() == 400);
    CHECK(stage.first().connections() == 0);
}

TEST_CASE("the smallest chunks are no reason to refuse a body")
{
    Stage stage{{script::chat_reply("hello")}};
    std::string body;
    for (const char c : chat_body() + std::string(30'000, ' '))
        body += chunk(std::string(1, c));
    const auto reply = stage.ask("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + bearer() +
                                 "Transfer-Encoding: chunked\r\n\r\n" + body + std::string{last_chunk});
    CHECK(reply.status() == 200);
}

}  // namespace route::test
