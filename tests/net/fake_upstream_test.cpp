#include "tests/support/fake_upstream.hpp"

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>

#include "tests/support/catch.hpp"
#include "tests/support/silent_ports.hpp"
#include "tests/support/test_client.hpp"
#include "tests/support/upstream_scripts.hpp"

// The tools of the other tests, tried against each other.

namespace route::test {

namespace {

void run_until(boost::asio::io_context& io, const std::function<bool()>& done)
{
    const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!done() && std::chrono::steady_clock::now() < bound) {
        io.run_one_until(bound);
    }
    REQUIRE(done());
}

/// A client and an upstream face to face.
struct Pair
{
    explicit Pair(Script script) : upstream{io, std::move(script)}, client{io, upstream.port()} {}

    void run_until(const std::function<bool()>& done) { test::run_until(io, done); }

    boost::asio::io_context io;
    FakeUpstream upstream;
    TestClient client;
};

}  // namespace

TEST_CASE("a fake upstream keeps what it was asked and answers pipelined requests in order")
{
    Pair pair{script::chat_reply("hello")};
    pair.client.send(chat_request() + get_request("/v1/models"));
    pair.run_until([&] { return pair.client.replies().size() == 2; });

    REQUIRE(pair.upstream.requests().size() == 2);
    CHECK(pair.upstream.requests()[0].raw == chat_request());
    CHECK(pair.upstream.requests()[0].body() == chat_body());
    CHECK(pair.upstream.requests()[1].target() == "/v1/models");
    CHECK(pair.upstream.requests()[1].header("authorization") == "Bearer test-key");
    CHECK(pair.upstream.connections() == 1);
    for (const auto& reply : pair.client.replies()) {
        CHECK(reply.status() == 200);
        CHECK(reply.whole);
        CHECK(reply.body() == chat_reply("hello"));
    }
}

TEST_CASE("a request that comes byte by byte, chunked, is taken once it is whole")
{
    Pair pair{script::chat_reply("hello")};
    const std::string request = request_text("POST", "/v1/x", "Transfer-Encoding: chunked\r\n") +
                                chunk("abc") + chunk("defg") + std::string{last_chunk};
    pair.client.send_byte_by_byte(request);
    pair.run_until([&] { return pair.client.replies().size() == 1; });
    CHECK(pair.upstream.requests().at(0).raw == request);
    CHECK(pair.upstream.requests().at(0).body() == "abcdefg");
}

TEST_CASE("a client tells a whole reply from a broken one")
{
    struct Case
    {
        std::string name;
        Script script;
        bool whole;
        bool reset;
    };
    const std::string unframed = "HTTP/1.1 200 OK\r\n\r\nuntil the end";
    const auto [name, play, whole, reset] = GENERATE(values<Case>({
        {"less than Content-Length", script::wrong_length(), false, false},
        {"half a chunk", script::half_chunk(), false, false},
        {"no last chunk", script::cut_after_first_event(), false, false},
        {"a close ends an unframed body", script::raw_then_close("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
         true, false},
        {"a reset does not", script::raw_then_reset("HTTP/1.1 200 OK\r\n\r\nuntil the end"), false, true},
    }));
    CAPTURE(name);
    Pair pair{play};
    pair.client.send(chat_request());
    pair.run_until([&] { return pair.client.closed_by_peer(); });
    CHECK(pair.client.reset_by_peer() == reset);
    REQUIRE(pair.client.replies().size() == 1);
    CHECK(pair.client.replies()[0].whole == whole);
}

TEST_CASE("1xx replies are kept apart")
{
    Pair pair{script::flood_1xx(3)};
    pair.client.send(chat_request());
    pair.run_until([&] { return pair.client.replies().size() == 1; });
    CHECK(pair.client.interim_replies().size() == 3);
    CHECK(pair.client.replies()[0].body() == chat_reply("after 1xx"));
}

TEST_CASE("a reply to HEAD has no body")
{
    Pair pair{script::raw(reply_head(200, {{"Content-Length", "10"}}))};
    pair.client.expect_headers_only(0);
    pair.client.send(request_text("HEAD", "/v1/models", ""));
    pair.run_until([&] { return pair.client.replies().size() == 1; });
    CHECK(pair.client.replies()[0].whole);
}

TEST_CASE("a fake upstream sees its peer leave")
{
    const int way = GENERATE(0, 1, 2);
    Pair pair{script::silence()};
    pair.client.send(chat_request());
    pair.run_until([&] { return pair.upstream.requests().size() == 1; });
    CHECK_FALSE(pair.upstream.closed_by_peer());
    if (way == 0) {
        pair.client.close();
    } else if (way == 1) {
        pair.client.half_close();
    } else {
        pair.client.reset();
    }
    pair.run_until([&] { return pair.upstream.closed_by_peer(); });
}

TEST_CASE("a gate holds a script until it is released")
{
    Pair pair{{step::read_request(), step::send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"),
               step::hold("middle"), step::send("cd"), step::again()}};
    pair.client.send(chat_request());
    pair.run_until([&] { return pair.upstream.reached("middle") && pair.client.body_so_far() == "ab"; });
    CHECK(pair.client.replies().empty());
    pair.upstream.release("middle");
    pair.run_until([&] { return pair.client.replies().size() == 1; });
    CHECK(pair.client.replies()[0].body() == "abcd");
}

TEST_CASE("pieces of a split reply are read one by one")
{
    Pair pair{{step::read_request(), step::send_byte_by_byte(reply_text(200, {}, "ab")), step::again()}};
    pair.client.send(chat_request());
    std::size_t growths = 0;
    std::size_t size = 0;
    pair.run_until([&] {
        growths += pair.client.received().size() == size ? 0 : 1;
        size = pair.client.received().size();
        return pair.client.replies().size() == 1;
    });
    CHECK(growths == size);
}

TEST_CASE("nobody answers on a refusing port, and nothing at all on an unanswering one")
{
    boost::asio::io_context io;
    const RefusingPort refusing{io};
    CHECK_THROWS_AS(TestClient(io, refusing.port()), boost::system::system_error);

    const UnansweringPort unanswering{io};
    boost::asio::ip::tcp::socket socket{io};
    bool answered = false;
    socket.async_connect({boost::asio::ip::address_v4::loopback(), unanswering.port()},
                         [&](const boost::system::error_code&) { answered = true; });
    io.run_for(std::chrono::milliseconds{50});
    CHECK_FALSE(answered);
    socket.close();
}

}  // namespace route::test
