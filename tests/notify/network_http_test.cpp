#include "notify/network_http.hpp"

#include <boost/asio/co_spawn.hpp>
#include <optional>
#include <utility>

#include "tests/notify/scripted_http.hpp"
#include "tests/notify/wire.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_upstream.hpp"
#include "tests/support/scripted_names.hpp"
#include "tests/support/silent_ports.hpp"
#include "tests/support/upstream_scripts.hpp"

using namespace route;
using namespace route::notify;
using namespace std::chrono_literals;
using route::test::FakeUpstream;
namespace script = route::test::script;
namespace step = route::test::step;

namespace {

const test::Headers text_headers{{"Content-Type", "text/plain"}};

net::FoundAddresses every_name_is_here(const std::string&)
{
    return test::found("127.0.0.1");
}

/// An event loop in this thread, and what is asked from it.
struct Line
{
    explicit Line(RequestLimits limits = {}) : http{std::in_place, loop, net::EnvironmentProxies{}, limits} {}
    ~Line() { loop.stop(); }

    void proxies(net::EnvironmentProxies named) { http.emplace(loop, std::move(named)); }

    void begin(const HttpRequest& request)
    {
        reply.reset();
        const auto done = [this](const std::exception_ptr& thrown, HttpReply result) {
            if (thrown)
                std::rethrow_exception(thrown);
            reply = std::move(result);
        };
        boost::asio::co_spawn(loop.io.get_executor(), http->ask(request), done);
    }
    HttpReply ask(const HttpRequest& request)
    {
        begin(request);
        run_until([this] { return reply.has_value(); });
        return *reply;
    }
    void run_until(const std::function<bool()>& done)
    {
        const auto end = std::chrono::steady_clock::now() + 30s;
        while (!done() && std::chrono::steady_clock::now() < end)
            loop.io.run_one_until(end);
        REQUIRE(done());
    }

    test::NobodysServices services{&every_name_is_here};
    net::EventLoop loop{services.services, std::make_shared<const net::RoutingTable>()};
    std::optional<NetworkHttp> http;
    std::optional<HttpReply> reply = {};
};

std::string url_of(std::uint16_t port, const std::string& rest = "/hook", const std::string& scheme = "http")
{
    return scheme + "://hooks.test:" + std::to_string(port) + rest;
}

HttpRequest post(const std::string& url, std::string body = R"({"a":1})")
{
    HttpRequest request{"POST", test::web_url(url)};
    request.body = std::move(body);
    return request;
}

}  // namespace

TEST_CASE("a request goes out to the letter")
{
    Line line;
    FakeUpstream server{line.loop.io, script::reply(200, text_headers, "taken")};
    auto request = post(url_of(server.port(), "/a%2Fb//c/?x=%20y&z"), "{\"text\":\"h\xC3\xA9llo\"}");
    request.method = GENERATE("POST", "PUT");
    request.fields = {{"X-Custom", "one"}, {"Authorization", "Bearer syt_token"}};
    const auto reply = line.ask(request);
    CHECK(reply.status == 200);
    CHECK(reply.body == "taken");
    CHECK(reply.error.empty());
    REQUIRE(server.requests().size() == 1);
    const auto& seen = server.requests()[0];
    CHECK(seen.message.method_string() == request.method);
    CHECK(seen.target() == "/a%2Fb//c/?x=%20y&z");
    CHECK(seen.header("host") == "hooks.test:" + std::to_string(server.port()));
    CHECK(seen.header("x-custom") == "one");
    CHECK(seen.header("authorization") == "Bearer syt_token");
    CHECK(seen.header("content-type") == "application/json");
    CHECK(seen.header("user-agent") == "openai-api-route");
    CHECK(seen.header("content-length") == std::to_string(request.body.size()));
    CHECK(seen.body() == request.body);
}

TEST_CASE("a question has no body, and a URL without a path is asked for its root")
{
    Line line;
    FakeUpstream server{line.loop.io, script::reply(404, test::json_headers, R"({"errcode":"M_NOT_FOUND"})")};
    HttpRequest request{"GET", test::web_url("http://hooks.test:" + std::to_string(server.port()))};
    const auto reply = line.ask(request);
    CHECK(reply.status == 404);
    CHECK(reply.body == R"({"errcode":"M_NOT_FOUND"})");
    const auto& seen = server.requests().at(0);
    CHECK(seen.target() == "/");
    CHECK_FALSE(seen.has("content-type"));
    CHECK_FALSE(seen.has("authorization"));
}

TEST_CASE("user information of a URL is sent as basic authentication")
{
    Line line;
    FakeUpstream server{line.loop.io, script::reply(204, {}, "")};
    const auto port = std::to_string(server.port());
    CHECK(line.ask(post("http://Aladdin:open%20sesame@hooks.test:" + port + "/")).status == 204);
    CHECK(server.requests().at(0).header("authorization") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    CHECK(server.received().find("sesame") == std::string::npos);
}

TEST_CASE("connections are used again")
{
    Line line;
    FakeUpstream server{line.loop.io, script::reply(200, test::json_headers, "{}")};
    for (int i = 0; i < 3; ++i)
        CHECK(line.ask(post(url_of(server.port()))).status == 200);
    CHECK(server.requests().size() == 3);
    CHECK(server.connections() == 1);
}

TEST_CASE("a kept connection that was reset is replaced before anybody has noticed")
{
    Line line;
    FakeUpstream server{line.loop.io,
                        {step::read_request(), step::send(test::reply_text(200, test::json_headers, "{}")),
                         step::hold("gone"), step::reset()}};
    CHECK(line.ask(post(url_of(server.port()))).status == 200);
    // Both are under way before the loop looks at its sockets again.
    server.release("gone");
    CHECK(line.ask(post(url_of(server.port()))).status == 200);
    CHECK(server.connections() == 2);
}

TEST_CASE("what a server refuses comes with its body and how long to wait")
{
    Line line;
    FakeUpstream server{
        line.loop.io,
        script::reply(429, {{"Content-Type", "text/plain"}, {"Retry-After", "17"}}, "slow down")};
    const auto reply = line.ask(post(url_of(server.port())));
    CHECK(reply.status == 429);
    CHECK(reply.body == "slow down");
    CHECK(reply.retry_after == "17");
    CHECK(judge_status(reply, test::notice_time).wait == 17s);
}

TEST_CASE("what a server quotes of the URL or the token is not handed over")
{
    Line line;
    FakeUpstream server{
        line.loop.io,
        script::reply(404, text_headers, "Cannot POST /services/T0000SECRET?key=S3CRET-KEY with syt_S3CRET")};
    auto request = post(url_of(server.port(), "/services/T0000SECRET?key=S3CRET-KEY"));
    request.fields = {{"Authorization", "Bearer syt_S3CRET"}};
    CHECK(line.ask(request).body == "Cannot POST … with …");
}

TEST_CASE("a redirect is not followed")
{
    Line line;
    FakeUpstream other{line.loop.io, script::reply(200, test::json_headers, "{}")};
    FakeUpstream server{line.loop.io, script::reply(307, {{"Location", url_of(other.port())}}, "")};
    CHECK(line.ask(post(url_of(server.port()))).status == 307);
    CHECK(other.connections() == 0);
}

TEST_CASE("of a long reply the beginning is taken")
{
    Line line;
    const std::string long_body(5u << 20, 'x');
    FakeUpstream server{line.loop.io, script::reply(200, text_headers, long_body)};
    const auto reply = line.ask(post(url_of(server.port())));
    CHECK(reply.status == 200);
    CHECK(reply.body == long_body.substr(0, 64u << 10));
    FakeUpstream refusing{line.loop.io, script::reply(500, text_headers, long_body)};
    const auto refused = line.ask(post(url_of(refusing.port())));
    CHECK(refused.status == 500);
    CHECK(refused.body.size() <= 64u << 10);
}

TEST_CASE("without a response it is said what happened, and nothing of the URL")
{
    struct Row
    {
        const char* name;
        test::Script script;
        std::string error;
    };
    const auto row = GENERATE(values<Row>({
        {"reset", script::reset_after_request(), "connection reset by peer"},
        {"closed", script::close_after_request(), "closed before a response"},
        {"silent", script::silence(), "no response headers in time"},
        {"half a head", script::raw_then_silence("HTTP/1.1 200 OK\r\nContent"),
         "no response headers in time"},
        {"garbage", script::garbage(), "bad reply: bad version"},
        {"cut", script::wrong_length(), "closed in the middle of the reply"},
        {"cut, as text", script::raw_then_close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
         "closed in the middle of the reply"},
        {"silent in the middle", script::raw_then_silence("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
         "reply silent for too long"},
    }));
    CAPTURE(row.name);
    Line line{{{Seconds{5}, Seconds{0.5}, Seconds{0.5}}, 30s}};
    FakeUpstream server{line.loop.io, row.script};
    const auto reply = line.ask(post(url_of(server.port(), "/services/SECRET?key=SECRET")));
    CHECK(reply.status == 0);
    CHECK(reply.error == row.error);
}

TEST_CASE("a host that cannot be connected to is said to be so")
{
    Line line{{{Seconds{0.5}, Seconds{5}, Seconds{5}}, 30s}};
    const test::RefusingPort refusing{line.loop.io};
    const auto refused = line.ask(post(url_of(refusing.port(), "/SECRET")));
    CHECK(refused.status == 0);
    CHECK(refused.error == "connection refused");
    const test::UnansweringPort unanswering{line.loop.io};
    const auto silent = line.ask(post(url_of(unanswering.port(), "/SECRET")));
    CHECK(silent.status == 0);
    CHECK(silent.error == "no connection in time");
}

TEST_CASE("a reply that trickles on and on is ended")
{
    Line line{{{Seconds{5}, Seconds{5}, Seconds{5}}, 100ms}};
    FakeUpstream server{line.loop.io, script::silence()};
    const auto reply = line.ask(post(url_of(server.port())));
    CHECK(reply.status == 0);
    CHECK(reply.error == "no response headers in time");
    line.run_until([&] { return server.closed_by_peer(); });
}

TEST_CASE("a loop that stops ends what is under way")
{
    Line line;
    FakeUpstream server{line.loop.io, script::silence()};
    const auto request = post(url_of(server.port()));
    line.begin(request);
    line.run_until([&] { return server.requests().size() == 1; });
    line.loop.stop();
    line.run_until([&] { return line.reply.has_value(); });
    CHECK(line.reply->status == 0);
    CHECK(line.reply->error == "router is stopping");
}

TEST_CASE("a loop that has stopped asks nobody")
{
    Line line;
    FakeUpstream server{line.loop.io, script::silence()};
    const auto request = post(url_of(server.port()));
    line.loop.stop();
    const auto reply = line.ask(request);
    CHECK(reply.status == 0);
    CHECK(reply.error == "router is stopping");
}

TEST_CASE("a server that cannot be verified gets nothing")
{
    Line line;
    const test::CertificateAuthority authority;
    FakeUpstream server{line.loop.io, script::reply(200, test::json_headers, "{}")};
    server.speak_tls(std::make_shared<const test::TlsServer>(authority.issue({.name = "hooks.test"})));
    const auto reply = line.ask(post(url_of(server.port(), "/SECRET", "https")));
    CHECK(reply.status == 0);
    CHECK(reply.error == "tls: its certificate is from an authority that is not trusted");
    CHECK(server.requests().empty());
    CHECK(server.received().empty());
}

TEST_CASE("a server that speaks no TLS is said to be none")
{
    Line line;
    FakeUpstream server{line.loop.io, test::Script{step::send("HTTP/1.1 400 Bad Request\r\n\r\n")}};
    const auto reply = line.ask(post(url_of(server.port(), "/SECRET", "https")));
    CHECK(reply.status == 0);
    CHECK(reply.error.substr(0, 5) == "tls: ");
    CHECK(reply.error.find("SECRET") == std::string::npos);
}

TEST_CASE("a message goes through the environment's proxy, unless NO_PROXY exempts its host")
{
    const std::string exempt = GENERATE("", "other.test", "hooks.test", ".test", "*");
    CAPTURE(exempt);
    Line line;
    FakeUpstream proxy{line.loop.io, script::reply(200, test::json_headers, R"({"by":"proxy"})")};
    FakeUpstream server{line.loop.io, script::reply(200, test::json_headers, R"({"by":"server"})")};
    const auto named = "http://u:p@127.0.0.1:" + std::to_string(proxy.port());
    line.proxies(*net::EnvironmentProxies::parse(named, "", exempt));
    const auto reply = line.ask(post(url_of(server.port(), "/hook?a")));
    const bool through_proxy = exempt.empty() || exempt == "other.test";
    CHECK(reply.body == (through_proxy ? R"({"by":"proxy"})" : R"({"by":"server"})"));
    CHECK(proxy.requests().size() == (through_proxy ? 1u : 0u));
    if (through_proxy) {
        CHECK(proxy.requests()[0].target() == url_of(server.port(), "/hook?a"));
        CHECK(proxy.requests()[0].header("proxy-authorization") == "Basic dTpw");
    }
}

TEST_CASE("inside TLS a proxy is asked with CONNECT, and what it answers is not the server's word")
{
    Line line;
    FakeUpstream proxy{line.loop.io,
                       {step::read_head(), step::send("HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n")}};
    const auto named = "127.0.0.1:" + std::to_string(proxy.port());
    line.proxies(*net::EnvironmentProxies::parse("", named, ""));
    const auto reply = line.ask(post("https://hooks.test/SECRET"));
    CHECK(reply.status == 0);
    CHECK(reply.error == "proxy: status 407");
    CHECK(proxy.received().find("CONNECT hooks.test:443 HTTP/1.1\r\n") == 0);
    CHECK(proxy.received().find("SECRET") == std::string::npos);
}
