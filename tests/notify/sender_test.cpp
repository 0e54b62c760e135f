#include "notify/sender.hpp"

#include <stdexcept>

#include "notify/webhook.hpp"
#include "tests/notify/scripted_http.hpp"
#include "tests/notify/wire.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::notify;
using namespace std::chrono_literals;
using route::test::Answer;
using route::test::message_with_id;
using Kind = Answer::Kind;

namespace {

constexpr Retries at_once{1ms, 1ms, 1h};
constexpr Retries not_today{1h, 1h, 24h};
const HttpReply bot_took_it{200, R"({"code":0})"};
const HttpReply busy{503, "busy"};

/// Long enough for whatever ends by itself.
Sender::Clock::time_point in_a_while()
{
    return Sender::Clock::now() + 30s;
}

std::string id_in(const HttpRequest& request)
{
    return std::string{test::json_of(request.body).at("id").as_string()};
}

std::vector<std::string> ids_in(const std::vector<HttpRequest>& requests)
{
    std::vector<std::string> ids;
    for (const auto& request : requests)
        ids.push_back(id_in(request));
    return ids;
}

struct Sending
{
    explicit Sending(Retries retries) : sender{services.services, retries, wire.hooks()} {}

    test::NobodysServices services;
    test::Wire wire;
    Sender sender;
};

}  // namespace

TEST_CASE("a message goes to every channel")
{
    Sending a{not_today};
    a.wire.script("bot", {{bot_took_it}});
    a.sender.set_channels({test::webhook_at("hook"), test::feishu_at("bot")});
    a.sender.send(message_with_id("one"));
    CHECK(a.wire.wait_for_results("webhook", "ok", 1));
    CHECK(a.wire.wait_for_results("feishu", "ok", 1));
    CHECK(a.wire.asked("hook").size() == 1);
    CHECK(a.wire.asked("bot").size() == 1);
}

TEST_CASE("a message that a channel did not take is tried again, and the next ones wait for it")
{
    Sending a{at_once};
    a.wire.script("hook", {{busy}, {{0, "", "", "connection refused"}}, {{200, "ok"}}});
    a.sender.set_channels({test::webhook_at("hook")});
    a.sender.send(message_with_id("one"));
    a.sender.send(message_with_id("two"));
    REQUIRE(a.wire.wait_for_results("webhook", "ok", 2));
    CHECK(ids_in(a.wire.asked("hook")) == std::vector<std::string>{"one", "one", "one", "two"});
    CHECK(a.wire.results("webhook", "failed") == 0);
}

TEST_CASE("a message that is refused, or not taken for too long, is given up: the next one is not")
{
    Sending a{{1ms, 1ms, 5ms}};
    a.wire.script("hook", {{{400, "bad"}}, {{200, "ok"}}, {busy}});
    a.sender.set_channels({test::webhook_at("hook")});
    a.sender.send(message_with_id("refused"));
    CHECK(a.wire.wait_for_results("webhook", "failed", 1));
    a.sender.send(message_with_id("taken"));
    CHECK(a.wire.wait_for_results("webhook", "ok", 1));
    a.sender.send(message_with_id("tried"));
    CHECK(a.wire.wait_for_results("webhook", "failed", 2));
}

TEST_CASE("a channel that is away holds no other up")
{
    const auto kind = GENERATE(Kind::held, Kind::never);
    Sending a{not_today};
    a.wire.script("bot", {{bot_took_it, kind}});
    a.sender.set_channels({test::feishu_at("bot"), test::webhook_at("hook")});
    for (int i = 0; i < 5; ++i)
        a.sender.send(message_with_id(std::to_string(i)));
    CHECK(a.wire.wait_for_results("webhook", "ok", 5));
    CHECK(a.wire.asked("bot").size() == 1);
    CHECK(a.wire.results("feishu", "ok") == 0);
}

TEST_CASE("of messages that wait the oldest are dropped")
{
    Sending a{not_today};
    a.wire.script("hook", {{{200, "ok"}, Kind::held}});
    a.sender.set_channels({test::webhook_at("hook")});
    a.sender.send(message_with_id("0"));
    REQUIRE(a.wire.wait_for_requests("hook", 1));
    const auto all = Sender::most_waiting + 5;
    for (std::size_t i = 1; i <= all; ++i)
        a.sender.send(message_with_id(std::to_string(i)));
    CHECK(a.wire.wait_for_results("webhook", "dropped", 5));
    a.wire.release();
    REQUIRE(a.wire.wait_for_results("webhook", "ok", 1 + Sender::most_waiting));
    CHECK(a.wire.results("webhook", "dropped") == 5);
    const auto ids = ids_in(a.wire.asked("hook"));
    REQUIRE(ids.size() == 1 + Sender::most_waiting);
    CHECK(ids[0] == "0");
    CHECK(ids[1] == "6");
    CHECK(ids.back() == std::to_string(all));
}

TEST_CASE("what waits for a channel goes at once to the one that takes its place")
{
    Sending a{not_today};
    a.wire.script("before", {{busy}});
    a.sender.set_channels({test::webhook_at("before")});
    a.sender.send(message_with_id("one"));
    a.sender.send(message_with_id("two"));
    REQUIRE(a.wire.wait_for_requests("before", 1));
    a.sender.set_channels({test::webhook_at("after")});
    REQUIRE(a.wire.wait_for_results("webhook", "ok", 2));
    CHECK(ids_in(a.wire.asked("after")) == std::vector<std::string>{"one", "two"});
    CHECK(a.wire.asked("before").size() == 1);
}

TEST_CASE("what waits for a channel that is there no more is dropped, and a later one begins anew")
{
    Sending a{not_today};
    a.wire.script("hook", {{busy}, {{200, "ok"}}});
    a.sender.set_channels({test::webhook_at("hook")});
    a.sender.send(message_with_id("one"));
    a.sender.send(message_with_id("two"));
    REQUIRE(a.wire.wait_for_requests("hook", 1));
    a.sender.set_channels({});
    CHECK(a.wire.wait_for_results("webhook", "dropped", 2));
    a.sender.send(message_with_id("to nobody"));
    a.sender.set_channels({test::webhook_at("hook")});
    a.sender.send(message_with_id("three"));
    REQUIRE(a.wire.wait_for_results("webhook", "ok", 1));
    CHECK(ids_in(a.wire.asked("hook")) == std::vector<std::string>{"one", "three"});
}

TEST_CASE("at the end what waits is tried once more, without pauses")
{
    Sending a{not_today};
    a.wire.script("hook", {{busy}, {{200, "ok"}}});
    a.wire.script("bot", {{busy}});
    a.sender.set_channels({test::webhook_at("hook"), test::feishu_at("bot")});
    for (const char* id : {"one", "two"})
        a.sender.send(message_with_id(id));
    REQUIRE(a.wire.wait_for_requests("hook", 1));
    REQUIRE(a.wire.wait_for_requests("bot", 1));
    a.sender.stop(in_a_while());
    CHECK(ids_in(a.wire.asked("hook")) == std::vector<std::string>{"one", "one", "two"});
    CHECK(a.wire.results("webhook", "ok") == 2);
    CHECK(a.wire.asked("bot").size() == 3);
    CHECK(a.wire.results("feishu", "failed") == 2);
}

TEST_CASE("at the end nobody is waited for longer than the limit says")
{
    Sending a{not_today};
    a.wire.script("bot", {{bot_took_it, Kind::never}});
    a.wire.script("hook", {{{200, "ok"}, Kind::held}});
    a.sender.set_channels({test::feishu_at("bot"), test::webhook_at("hook")});
    for (int i = 0; i < 3; ++i)
        a.sender.send(message_with_id(std::to_string(i)));
    REQUIRE(a.wire.wait_for_requests("bot", 1));
    REQUIRE(a.wire.wait_for_requests("hook", 1));
    a.sender.stop(Sender::Clock::now() + 10ms);
    CHECK(a.wire.results("feishu", "failed") == 3);
    CHECK(a.wire.results("webhook", "failed") == 3);
}

TEST_CASE("a sender ends while a message is under way, and without channels")
{
    {
        Sending a{not_today};
        a.sender.stop(in_a_while());
        a.sender.stop(in_a_while());
        a.sender.send(message_with_id("too late"));
    }
    Sending a{not_today};
    a.wire.script("hook", {{{200, "ok"}, Kind::held}});
    a.sender.set_channels({test::webhook_at("hook")});
    a.sender.send(message_with_id("one"));
    REQUIRE(a.wire.wait_for_requests("hook", 1));
}

TEST_CASE("what is thrown where nothing should be costs one message")
{
    Sending a{not_today};
    a.wire.script("hook", {{{}, Kind::throwing}, {{200, "ok"}}});
    a.sender.set_channels({test::webhook_at("hook")});
    a.sender.send(message_with_id("one"));
    a.sender.send(message_with_id("two"));
    CHECK(a.wire.wait_for_results("webhook", "ok", 1));
    CHECK(a.wire.results("webhook", "failed") == 1);
}

TEST_CASE("who is told of results may throw, or be nobody")
{
    test::NobodysServices services;
    test::Wire wire;
    auto hooks = wire.hooks();
    if (GENERATE(true, false))
        hooks.on_result = [](std::string_view, std::string_view) { throw std::runtime_error{"no"}; };
    else
        hooks.on_result = nullptr;
    Sender sender{services.services, not_today, hooks};
    sender.set_channels({test::webhook_at("hook")});
    sender.send(message_with_id("one"));
    sender.send(message_with_id("two"));
    CHECK(wire.wait_for_requests("hook", 2));
}

TEST_CASE("the log says what a channel answered, escaped")
{
    const test::LogCapture log;
    {
        Sending a{at_once};
        a.wire.script("hook", {{{503, "busy\n\x1b[31m"}}, {{404, "gone"}}});
        a.sender.set_channels({test::webhook_at("hook")});
        a.sender.send(message_with_id("one"));
        CHECK(a.wire.wait_for_results("webhook", "failed", 1));
    }
    CAPTURE(log.text());
    CHECK(
        log.text().find("message to webhook not sent: HTTP 503 Service Unavailable: busy\\n\\x1b[31m; it") !=
        std::string::npos);
    CHECK(log.text().find("message to webhook given up after 2 tries: HTTP 404 Not Found: gone") !=
          std::string::npos);
}
