#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// When a connection to an upstream serves another request, and when it is closed.

namespace route::test {

namespace {

const std::string hello = reply_text(200, json_headers, chat_reply("hello"));

void ask_well(Stage& stage)
{
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
}

}  // namespace

// UBSan looks at objects through a pipe of its own: without descriptors it takes every one for broken.
#ifdef __has_feature
#if __has_feature(undefined_behavior_sanitizer)
#define NO_TEST_WITHOUT_DESCRIPTORS
#endif
#endif
#ifndef NO_TEST_WITHOUT_DESCRIPTORS

namespace {

/// While there is one, this process has no descriptor left.
class NoDescriptors
{
  public:
    NoDescriptors()
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        auto limit = before_;
        limit.rlim_cur = static_cast<rlim_t>(next) + 1;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        taken_.push_back(next);
        for (int more = ::dup(next); more >= 0; more = ::dup(next))
            taken_.push_back(more);
    }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    ~NoDescriptors()
    {
        for (const auto each : taken_)
            ::close(each);
        ::setrlimit(RLIMIT_NOFILE, &before_);
    }

  private:
    rlimit before_{};
    std::vector<int> taken_;
};

}  // namespace

TEST_CASE("idle connections make room for a request when descriptors have run out")
{
    Stage stage{{script::chat_reply("from the first"), script::chat_reply("from the second")}};
    auto one = stage.connect();
    auto other = stage.connect();
    one->send(chat_request());
    other->send(chat_request());
    stage.run_until([&] { return one->replies().size() == 1 && other->replies().size() == 1; });
    REQUIRE(stage.first().connections() == 2);
    stage.change([](auto& definitions) { definitions.erase(definitions.begin()); });

    const NoDescriptors none;
    one->send(chat_request());
    stage.run_until(
        [&] { return stage.second().connections() == 1 && stage.router().records().size() == 3; });
    CHECK(stage.record(2).upstream_name == "second");
    CHECK(stage.record(2).status == 200);
}

#endif

TEST_CASE("a connection is used again after a whole reply")
{
    const auto script = GENERATE(values<Script>({
        script::chat_reply("hello"),
        script::raw(chunked_reply(200, json_headers, {chat_reply("hello")})),
        script::flood_1xx(2),
    }));
    Stage stage{{script}};
    for (int count = 0; count < 3; ++count) {
        CHECK(stage.ask(chat_request()).status() == 200);
    }
    CHECK(stage.first().connections() == 1);
    REQUIRE(stage.first().requests().size() == 3);
    CHECK(stage.first().requests()[2].connection == 0);
}

TEST_CASE("a connection whose end of reply is in doubt is not used again")
{
    struct Case
    {
        std::string name;
        Script script;
    };
    const auto doubt = GENERATE(values<Case>({
        {"more bytes with the reply",
         script::reply_then_extra_bytes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")},
        {"a byte more", script::reply_then_extra_bytes("\n")},
        {"more bytes a moment later",
         {step::read_request(), step::send_split(hello + "x", {hello.size()}), step::again()}},
        {"Connection: close",
         script::reply(200, {{"Content-Type", "application/json"}, {"Connection", "close"}},
                       chat_reply("hello"))},
        {"HTTP/1.0",
         script::raw("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                     std::to_string(chat_reply("hello").size()) + "\r\n\r\n" + chat_reply("hello"))},
    }));
    CAPTURE(doubt.name);
    Stage stage{{doubt.script}};
    ask_well(stage);
    stage.run_until([&] { return stage.first().closed_by_peer(0); });
    ask_well(stage);
    CHECK(stage.first().connections() == 2);
    CHECK(stage.record(1).attempts.size() == 1);
}

TEST_CASE("a failed reply that is whole leaves its connection usable or closed, never half read")
{
    Stage stage{{{step::read_request(), step::send(reply_text(500, json_headers, upstream_error("no"))),
                  step::read_request(), step::send(hello)},
                 script::chat_reply("hello")}};
    stage.first().play(
        {{step::read_request(), step::send(reply_text(500, json_headers, upstream_error("no"))),
          step::read_request(), step::send(hello)},
         script::chat_reply("hello")});
    ask_well(stage);
    ask_well(stage);
    CHECK(stage.record(1).upstream_name == "first");
}

TEST_CASE("an idle connection that the upstream closes is dropped")
{
    const auto script = GENERATE(values<Script>({script::close_idle(), script::stale_408()}));
    Stage stage{{script::silence()}};
    stage.first().play({script, script::chat_reply("hello")});
    ask_well(stage);
    stage.run_until([&] { return stage.first().reached("idle"); });
    stage.first().release("idle");
    stage.settle();
    ask_well(stage);
    CHECK(stage.first().connections() == 2);
    CHECK(stage.record(1).attempts.size() == 1);
}

TEST_CASE("what comes on an idle connection together with the next request does not answer it")
{
    Stage stage{{script::silence()}};
    stage.first().play(
        {{step::read_request(), step::send(hello), step::hold("idle"),
          step::send(reply_text(200, json_headers, chat_reply("evil"))), step::wait_for_close()},
         script::chat_reply("hello")});
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return client->replies().size() == 1 && stage.first().reached("idle"); });
    stage.settle();
    client->send(chat_request());
    stage.first().release("idle");
    stage.run_until([&] { return client->replies().size() == 2; });
    CHECK(client->replies()[1].body() == chat_reply("hello"));
    CHECK(stage.first().connections() == 2);
    CHECK(stage.record(1).attempts.size() == 1);
}

TEST_CASE("a reused connection that turns out dead is replaced once without counting")
{
    const auto dead = GENERATE(values<Script>({
        script::reply_then_reset(),
        {step::read_request(), step::send(hello), step::read_request(), step::close()},
        {step::read_request(), step::send(hello), step::read_head(), step::half_close(),
         step::wait_for_close()},
    }));
    Stage stage{{script::silence()}};
    stage.first().play({dead, script::chat_reply("hello")});
    ask_well(stage);
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.body() == chat_reply("hello"));
    CHECK(reply.header("x-route-attempts") == "1");
    CHECK(stage.record(1).attempts.size() == 1);
    CHECK(stage.first().connections() == 2);
    CHECK(stage.first().requests().back().body() == chat_body());
}

TEST_CASE("a fresh connection that dies as well is a failed attempt")
{
    Stage stage{{script::silence(), script::chat_reply("hello")}};
    stage.first().play({script::reply_then_reset(), script::reset_after_request()});
    ask_well(stage);
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.header("x-route-upstream") == "second");
    CHECK(reply.header("x-route-attempts") == "2");
    CHECK(stage.record(1).attempts.at(0).outcome == AttemptOutcome::cut);
    CHECK(stage.first().connections() == 2);
}

TEST_CASE("a reused connection that dies after the first byte of a response is a failed attempt")
{
    Stage stage{{script::silence(), script::chat_reply("hello")}};
    stage.first().play({{step::read_request(), step::send(hello), step::read_request(),
                         step::send("HTTP/1.1 2"), step::half_close(), step::wait_for_close()},
                        script::chat_reply("never")});
    ask_well(stage);
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "second");
    CHECK(stage.first().connections() == 1);
}

TEST_CASE("a reused connection that stays silent is not replaced")
{
    Stage stage{{{step::read_request(), step::send(hello), step::read_request(), step::wait_for_close()},
                 script::chat_reply("hello")}};
    stage.change([](auto& definitions) { definitions[0].timeout = Seconds{1}; });
    ask_well(stage);
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "second");
    CHECK(stage.first().connections() == 1);
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

TEST_CASE("an idle connection is closed after idle_timeout")
{
    Settings settings = patient_settings();
    settings.upstream.idle_timeout = Seconds{0.05};
    Stage stage{{script::chat_reply("hello")}, settings};
    ask_well(stage);
    stage.run_until([&] { return stage.first().closed_by_peer(); });
    ask_well(stage);
    CHECK(stage.first().connections() == 2);
}

TEST_CASE("no more than idle_connections are kept")
{
    const unsigned limit = GENERATE(0u, 1u, 2u);
    Settings settings = patient_settings();
    settings.upstream.idle_connections = limit;
    Stage stage{{{step::read_request(), step::hold("answer"), step::send(hello), step::again()}}, settings};
    std::vector<std::unique_ptr<TestClient>> clients;
    for (int count = 0; count < 4; ++count) {
        clients.push_back(stage.connect());
        clients.back()->send(chat_request());
    }
    stage.run_until([&] { return stage.first().requests().size() == 4; });
    CHECK(stage.first().connections() == 4);
    stage.first().release("answer");
    for (const auto& client : clients) {
        stage.run_until([&] { return client->replies().size() == 1; });
    }
    const auto open = [&] {
        unsigned count = 0;
        for (std::size_t connection = 0; connection < 4; ++connection) {
            count += stage.first().closed_by_peer(connection) ? 0 : 1;
        }
        return count;
    };
    stage.run_until([&] { return open() == limit; });
    stage.settle();
    CHECK(open() == limit);
}

TEST_CASE("upstreams with the same address and different keys never share a request's key")
{
    Stage stage{{script::chat_reply("hello")}};
    stage.change([](auto& definitions) {
        definitions.push_back(definitions[0]);
        definitions[1].id = 2;
        definitions[1].name = "twin";
        definitions[1].sk = "sk-twin";
        definitions[0].deny = {"for-twin"};
    });
    stage.ask(chat_request("gpt-4o"));
    stage.ask(chat_request("for-twin"));
    CHECK(stage.first().requests().at(0).header("authorization") == "Bearer sk-upstream-1");
    CHECK(stage.first().requests().at(1).header("authorization") == "Bearer sk-twin");
}

}  // namespace route::test
