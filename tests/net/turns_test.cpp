#include "tests/support/turns.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <random>

#include "tests/net/stage.hpp"
#include "tests/support/asio.hpp"
#include "tests/support/compression.hpp"

// Nobody holds up the others of an event loop, however much it sends.

namespace route::test {

namespace {

/// Clients that read nothing by themselves; what the router has sent them is taken when it is asked for.
class PlainClients
{
  public:
    PlainClients(Stage& stage, std::size_t count)
    {
        for (std::size_t i = 0; i < count; ++i) {
            sockets_.emplace_back(stage.io());
            sockets_.back().connect({asio::ip::address_v4::loopback(), stage.router().port()});
            sockets_.back().non_blocking(true);
        }
    }

    void ask(const std::string& request)
    {
        for (auto& socket : sockets_)
            asio::write(socket, asio::buffer(request));
    }

    /// Bytes that came since the last call.
    std::size_t take()
    {
        std::size_t taken = 0;
        for (auto& socket : sockets_) {
            error_code error;
            while (!error)
                taken += socket.read_some(asio::buffer(buffer_), error);
        }
        return taken;
    }

  private:
    std::vector<tcp::socket> sockets_;
    std::vector<char> buffer_ = std::vector<char>(64 << 10);
};

/// The most bytes that the clients get while others of the event loop have one turn, until `done`.
std::size_t most_in_a_turn(Stage& stage, PlainClients& clients, const std::function<bool()>& done)
{
    std::size_t most = 0;
    bool ended = false;
    const auto observe = [&]() -> asio::awaitable<void> {
        while (!done()) {
            co_await let_others_run(1);
            most = std::max(most, clients.take());
        }
        ended = true;
    };
    asio::co_spawn(stage.io(), observe(), asio::detached);
    stage.run_until([&] { return ended; });
    return most;
}

/// An event stream that stays long when it is compressed.
std::string long_stream(std::size_t bytes)
{
    std::mt19937 random{1};
    std::string stream;
    while (stream.size() < bytes) {
        std::string words;
        for (int i = 0; i < 200; ++i)
            words += std::to_string(random());
        stream += chat_event(words);
    }
    return stream + std::string{done_event};
}

}  // namespace

TEST_CASE("several compressed replies at once leave turns to others")
{
    constexpr std::size_t many = 6;
    constexpr std::size_t portion = 8 << 10;  // of a compressed reply, read at once
    const auto body = compressed_pieces(Format::gzip, {chat_event("begin"), long_stream(400 << 10)});
    REQUIRE(body.back().size() > 16 * portion);
    Stage stage{{{step::read_request(),
                  step::send(reply_head(200, {{"Content-Type", "text/event-stream"},
                                              {"Content-Encoding", "gzip"},
                                              {"Content-Length", std::to_string(joined(body).size())}}) +
                             body.front()),
                  step::hold("rest"), step::send(body.back())}}};
    PlainClients clients{stage, many};
    clients.ask(stream_request());
    std::size_t begun = 0;
    stage.run_until([&] {
        return (begun += clients.take()) > many * body.front().size() &&
               stage.first().requests().size() == many;
    });
    stage.settle();
    clients.take();
    stage.first().release("rest");
    const auto most = most_in_a_turn(stage, clients, [&] { return stage.router().records().size() == many; });
    CHECK(most < 3 * many * portion);
}

TEST_CASE("a large body is looked at while others are served")
{
    constexpr std::size_t large = 1 << 20;
    Stage stage{{script::chat_reply("hello")}};
    // Those who look at large bodies are busy for as long as the test wants them to be.
    std::promise<void> let_go;
    const std::shared_future<void> gate{let_go.get_future()};
    for (int i = 0; i < 16; ++i)
        asio::post(stage.router().services().bodies, [gate] { gate.wait(); });
    const auto client = stage.connect();
    client->send(request_text("POST", "/v1/chat/completions", bearer(),
                              R"({"model":"large","x":")" + std::string(large, 'x') + R"("})"));
    stage.run_until([&] { return client->sent_all(); });
    CHECK(stage.ask(get_request("/healthz")).status() == 200);
    CHECK(stage.ask(get_request("/readyz")).status() == 200);
    CHECK(stage.ask(chat_request()).status() == 200);
    CHECK(client->replies().empty());
    SECTION("its client waits")
    {
        let_go.set_value();
        stage.run_until([&] { return !client->replies().empty(); });
        CHECK(client->replies()[0].status() == 200);
        CHECK(stage.record(1).model == "large");
    }
    SECTION("its client leaves meanwhile")
    {
        client->close();
        stage.settle();
        let_go.set_value();
        CHECK(stage.record(1).outcome == RequestOutcome::client_closed);
        CHECK(stage.first().requests().size() == 1);
    }
}

TEST_CASE("a failed reply that is much to read is looked through while others are served")
{
    const bool encoded = GENERATE(false, true);
    CAPTURE(encoded);
    const std::string words = "no more of this for sk-upstream-1, please";
    const std::string body = words + std::string(100 << 10, ' ');
    const auto failing =
        encoded ? script::reply(400, {{"Content-Encoding", "gzip"}}, compressed(Format::gzip, words))
                : script::reply(400, {{"Content-Type", "text/plain"}}, body);
    Stage stage{{failing}};
    std::promise<void> let_go;
    const std::shared_future<void> gate{let_go.get_future()};
    for (int i = 0; i < 16; ++i)
        asio::post(stage.router().services().bodies, [gate] { gate.wait(); });
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().requests().size() == 1; });
    stage.settle();
    CHECK(stage.ask(get_request("/healthz")).status() == 200);
    CHECK(client->replies().empty());
    let_go.set_value();
    stage.run_until([&] { return !client->replies().empty(); });
    CHECK(client->replies()[0].status() == 400);
    CHECK(client->replies()[0].body().starts_with("no more of this for …, please"));
}

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
