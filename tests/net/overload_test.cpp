#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"
#include "tests/support/asio.hpp"

// What is held in memory: nobody takes the part of others.

namespace route::test {

namespace {

constexpr std::size_t kib = 1024;

std::string head_of_body(std::size_t announced, std::string_view key = "test-key")
{
    return request_text("POST", "/v1/chat/completions",
                        bearer(key) + "Content-Length: " + std::to_string(announced) + "\r\n");
}

std::string large_request(std::size_t bytes, std::string_view key = "test-key")
{
    return head_of_body(bytes, key) + std::string(bytes, ' ');
}

/// Sends a byte now and then, for as long as anybody listens.
asio::awaitable<void> trickle(std::shared_ptr<TestClient> client)
{
    asio::steady_timer timer{co_await asio::this_coro::executor};
    while (!client->closed_by_peer()) {
        client->send("x");
        timer.expires_after(std::chrono::milliseconds{20});
        co_await timer.async_wait(asio::use_awaitable);
    }
}

}  // namespace

TEST_CASE("requests that announce much and send nothing take nothing from others")
{
    Settings settings = patient_settings();
    settings.server.max_buffered = 1024 * kib;
    settings.server.max_body = 512 * kib;
    Stage stage{{script::chat_reply("hello")}, settings};
    std::vector<std::unique_ptr<TestClient>> silent;
    for (int i = 0; i < 16; ++i) {
        silent.push_back(stage.connect());
        silent.back()->send(head_of_body(512 * kib));
    }
    stage.settle();
    CHECK(stage.ask(chat_request()).status() == 200);
    CHECK(stage.ask(large_request(400 * kib)).status() == 200);
}

TEST_CASE("one key holds half of max_buffered at most, and the others go on")
{
    Settings settings = patient_settings();
    settings.server.max_buffered = 1024 * kib;
    settings.server.max_body = 100 * kib;
    Stage stage{{{step::read_request(), step::hold("all"),
                  step::send(reply_text(200, json_headers, chat_reply("hello"))), step::again()}},
                settings};
    std::vector<std::unique_ptr<TestClient>> clients;
    const auto send = [&](std::string_view key) {
        const auto before = stage.first().requests().size();
        clients.push_back(stage.connect());
        auto& client = *clients.back();
        client.send(large_request(99 * kib, key));
        stage.run_until(
            [&] { return !client.replies().empty() || stage.first().requests().size() > before; });
    };
    for (int i = 0; i < 5; ++i)
        send("test-key");
    send("test-key");
    REQUIRE(clients.back()->replies().size() == 1);
    CHECK(clients.back()->replies()[0].status() == 503);
    CHECK(error_of(clients.back()->replies()[0]).code == "overloaded");
    clients.pop_back();
    send("other-key");
    stage.first().release("all");
    for (const auto& client : clients) {
        stage.run_until([&] { return !client->replies().empty(); });
        CHECK(client->replies()[0].status() == 200);
    }
    // What was held is free again.
    CHECK(stage.ask(large_request(99 * kib)).status() == 200);
    stage.run_until([&] { return stage.router().services().buffered.all() == 0; });
}

TEST_CASE("a body whose length nobody announces takes no more than max_body")
{
    Settings settings = patient_settings();
    settings.server.max_body = 600 * kib;
    settings.server.max_buffered = 1400 * kib;  // half of it is one key's
    Stage stage{{script::chat_reply("hello")}, settings};
    const auto reply = stage.ask(
        request_text("POST", "/v1/chat/completions", bearer("test-key") + "Transfer-Encoding: chunked\r\n") +
        chunk(std::string(590 * kib, ' ')) + "0\r\n\r\n");
    CHECK(reply.status() == 200);
    CHECK(stage.first().requests()[0].body().size() == 590 * kib);
}

TEST_CASE("a body that trickles is given up, though each byte comes in time")
{
    Settings settings = patient_settings();
    settings.server.body_timeout = Seconds{1};
    Stage stage{{script::chat_reply("never")}, settings};
    const std::shared_ptr<TestClient> client = stage.connect();
    client->send(head_of_body(1024 * kib));
    asio::co_spawn(stage.io(), trickle(client), asio::detached);
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK(client->replies()[0].status() == 408);
}

TEST_CASE("the heads of requests that never become whole take nothing from those with a key")
{
    Settings settings = patient_settings();
    settings.server.max_buffered = 512 * kib;
    settings.server.max_body = 16 * kib;
    Stage stage{{script::chat_reply("hello")}, settings};
    std::vector<std::unique_ptr<TestClient>> strangers;
    for (int i = 0; i < 16; ++i) {
        strangers.push_back(stage.connect());
        strangers.back()->send("GET /v1/models HTTP/1.1\r\nx: " + std::string(60 * kib, 'x'));
        stage.settle();
    }
    CHECK(stage.router().services().buffered.all() <= 512 * kib);
    std::size_t refused = 0;
    for (const auto& stranger : strangers) {
        if (stranger->replies().empty())
            continue;
        ++refused;
        CHECK(stranger->replies()[0].status() == 503);
        CHECK(stranger->replies()[0].header("retry-after") == "1");
    }
    CHECK(refused > 0);
    CHECK(refused < strangers.size());
    CHECK(stage.ask(large_request(16 * kib)).status() == 200);
}

TEST_CASE("requests are served while records that cannot be written fill max_buffered")
{
    Settings settings = patient_settings();
    settings.server.max_buffered = 1024 * kib;
    Stage stage{{script::chat_reply("hello")}, settings};
    stage.router().held_bytes = 2 * settings.server.max_buffered;
    CHECK(stage.ask(chat_request()).status() == 200);
}

}  // namespace route::test
