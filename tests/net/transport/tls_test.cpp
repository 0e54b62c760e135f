#include <string>
#include <vector>

#include "tests/net/transport/tls_stage.hpp"

// Upstreams over TLS that are who they should be.

namespace route::test {

namespace {

const std::string hello = reply_text(200, json_headers, chat_reply("hello"));

void ask_well(Stage& stage)
{
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.body() == chat_reply("hello"));
    CHECK(reply.header("x-route-upstream") == "first");
    CHECK(reply.header("x-route-attempts") == "1");
}

/// A reply that ends with the connection.
std::string unframed(const std::string& type, const std::string& body)
{
    return reply_head(200, {{"Content-Type", type}, {"Connection", "close"}}) + body;
}

}  // namespace

TEST_CASE("a verified upstream is asked for by its name and gets its key")
{
    const int newest = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const CertificateAuthority authority;
    Stage stage{{script::chat_reply("hello")}, trusting(authority), &at_loopback};
    first_speaks_tls(stage, authority.issue(), "upstream.test", newest);
    ask_well(stage);
    CHECK(stage.first().tls().asked_for() == "upstream.test");
    CHECK(stage.first().requests().at(0).header("authorization") == "Bearer sk-upstream-1");
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::ok);
}

TEST_CASE("an upstream named by an address is verified by it, without a name indication")
{
    const CertificateAuthority authority;
    Stage stage{{script::chat_reply("hello")}, trusting(authority), &at_loopback};
    first_speaks_tls(stage, authority.issue({.addresses = {"127.0.0.1"}}), "127.0.0.1");
    ask_well(stage);
    CHECK(stage.first().tls().asked_for().empty());
}

TEST_CASE("a stream comes through TLS event by event")
{
    const CertificateAuthority authority;
    const auto events = chat_events("hello");
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers) + chunk(events[0])),
                  step::hold("rest"), step::send(chunk(events[1]) + chunk(events[2]) + "0\r\n\r\n")}},
                trusting(authority),
                &at_loopback};
    first_speaks_tls(stage, authority.issue());
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->body_so_far() == events[0]; });
    stage.first().release("rest");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].body() == joined(events));
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("the second connection resumes the session of the first")
{
    const int newest = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const CertificateAuthority authority;
    Stage stage{{script::raw_then_close(unframed("application/json", chat_reply("hello")))},
                trusting(authority),
                &at_loopback};
    first_speaks_tls(stage, authority.issue(), "upstream.test", newest);
    ask_well(stage);
    ask_well(stage);
    REQUIRE(stage.first().connections() == 2);
    CHECK_FALSE(stage.first().tls(0).resumed());
    CHECK(stage.first().tls(1).resumed());
}

TEST_CASE("a session is not resumed with another name at the same port")
{
    const CertificateAuthority authority;
    Stage stage{{script::chat_reply("hello")}, trusting(authority), &at_loopback};
    first_speaks_tls(stage, authority.issue());
    ask_well(stage);
    stage.first().speak_tls(std::make_shared<const TlsServer>(authority.issue({.name = "other.test"})));
    ask_first_by_tls(stage, "other.test");
    ask_well(stage);
    CHECK_FALSE(stage.first().tls(1).resumed());
    CHECK(stage.first().tls(1).asked_for() == "other.test");
}

TEST_CASE("a TLS connection is used again, and says goodbye when it is no longer kept")
{
    const int newest = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const CertificateAuthority authority;
    Settings settings = trusting(authority);
    settings.upstream.idle_timeout = Seconds{1};
    Stage stage{{script::chat_reply("hello")}, settings, &at_loopback};
    first_speaks_tls(stage, authority.issue(), "upstream.test", newest);
    for (int count = 0; count < 3; ++count) {
        ask_well(stage);
    }
    CHECK(stage.first().connections() == 1);
    stage.run_until([&] { return stage.first().closed_by_peer(); });
    CHECK(stage.first().tls().heard_goodbye());
}

TEST_CASE("a session ticket does not end the idle connection it comes on")
{
    const CertificateAuthority authority;
    Stage stage{{{step::read_request(), step::send(hello), step::hold("idle"), step::ticket(), step::ticket(),
                  step::again()}},
                trusting(authority),
                &at_loopback};
    first_speaks_tls(stage, authority.issue());
    ask_well(stage);
    stage.first().release("idle");
    stage.settle();
    ask_well(stage);
    CHECK(stage.first().connections() == 1);
    CHECK_FALSE(stage.first().closed_by_peer());
}

TEST_CASE("an idle TLS connection that the upstream ends is dropped, with goodbye or without")
{
    const Step end = GENERATE(values<Step>({step::half_close(), step::cut(), step::reset()}));
    const CertificateAuthority authority;
    Stage stage{{script::silence()}, trusting(authority), &at_loopback};
    stage.first().play(
        {{step::read_request(), step::send(hello), step::hold("idle"), end}, script::chat_reply("hello")});
    first_speaks_tls(stage, authority.issue());
    ask_well(stage);
    stage.first().release("idle");
    stage.settle();
    ask_well(stage);
    CHECK(stage.first().connections() == 2);
}

TEST_CASE("a used TLS connection that turns out dead is replaced without counting")
{
    const Step end = GENERATE(values<Step>({step::half_close(), step::cut(), step::reset()}));
    const CertificateAuthority authority;
    Stage stage{{script::silence()}, trusting(authority), &at_loopback};
    stage.first().play(
        {{step::read_request(), step::send(hello), step::read_request(), end}, script::chat_reply("hello")});
    first_speaks_tls(stage, authority.issue());
    ask_well(stage);
    ask_well(stage);
    CHECK(stage.first().connections() == 2);
}

TEST_CASE("a reply that ends with the connection is whole only after TLS's goodbye")
{
    struct Case
    {
        std::string name;
        Step end;
        bool whole;
    };
    const auto row = GENERATE(values<Case>({
        {"close_notify", step::half_close(), true},
        {"the connection's end alone", step::cut(), false},
    }));
    CAPTURE(row.name);
    const CertificateAuthority authority;
    Stage stage{{{step::read_request(), step::send(unframed("application/json", chat_reply("hello"))),
                  row.end, step::wait_for_close()},
                 script::chat_reply("from the second")},
                trusting(authority),
                &at_loopback};
    first_speaks_tls(stage, authority.issue());
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.body() == chat_reply(row.whole ? "hello" : "from the second"));
    const auto& attempt = stage.record().attempts.at(0);
    CHECK(attempt.outcome == (row.whole ? AttemptOutcome::ok : AttemptOutcome::cut));
}

TEST_CASE("a relayed reply that ends without TLS's goodbye breaks the client's connection")
{
    const CertificateAuthority authority;
    Stage stage{{{step::read_request(), step::send(unframed("text/plain", "some words")), step::hold("end"),
                  step::cut(), step::wait_for_close()}},
                trusting(authority),
                &at_loopback};
    first_speaks_tls(stage, authority.issue());
    const auto client = stage.connect();
    client->send(get_request("/v1/files/1/content", ""));
    stage.run_until([&] { return client->body_so_far() == "some words"; });
    stage.first().release("end");
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK_FALSE(client->replies()[0].whole);
    CHECK(stage.record().outcome == RequestOutcome::truncated);
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::cut);
}

TEST_CASE("a reply cut in the middle fails over over TLS as well")
{
    const CertificateAuthority authority;
    const std::string half = hello.substr(0, hello.size() - 10);
    const Step end = GENERATE(values<Step>({step::half_close(), step::cut(), step::reset()}));
    Stage stage{{{step::read_request(), step::send(half), end}, script::chat_reply("from the second")},
                trusting(authority),
                &at_loopback};
    first_speaks_tls(stage, authority.issue());
    CHECK(stage.ask(chat_request()).body() == chat_reply("from the second"));
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::cut);
}

TEST_CASE("a large request goes through TLS as it is")
{
    const int newest = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const CertificateAuthority authority;
    Stage stage{{script::chat_reply("hello")}, trusting(authority), &at_loopback};
    first_speaks_tls(stage, authority.issue(), "upstream.test", newest);
    std::string text(8 << 20, '\0');
    for (std::size_t at = 0; at < text.size(); ++at) {
        text[at] = static_cast<char>('a' + at * 7 % 26);
    }
    const std::string begin = R"({"messages":")" + text + R"(","model":")";
    SECTION("untouched")
    {
        const std::string body = begin + "gpt-4o\"}";
        const std::string request = request_text("POST", "/v1/chat/completions", bearer(), body);
        CHECK(stage.ask(request).body() == chat_reply("hello"));
        CHECK((stage.first().requests().at(0).body() == body));
    }
    SECTION("with another model")
    {
        stage.change([](auto& definitions) { definitions[0].rename = {{"gpt-4o", "llama"}}; });
        const std::string body = begin + "gpt-4o\"}";
        const std::string request = request_text("POST", "/v1/chat/completions", bearer(), body);
        CHECK(stage.ask(request).body() == chat_reply("hello"));
        CHECK((stage.first().requests().at(0).body() == begin + "llama\"}"));
    }
}

TEST_CASE("tickets that come while a large request is sent change nothing")
{
    const CertificateAuthority authority;
    Stage stage{{{step::read_head(), step::ticket(), step::ticket(), step::read_request(), step::send(hello),
                  step::again()}},
                trusting(authority),
                &at_loopback};
    first_speaks_tls(stage, authority.issue());
    const std::string body(4 << 20, ' ');
    const Reply reply = stage.ask(request_text("POST", "/v1/files", bearer(), body));
    CHECK(reply.body() == chat_reply("hello"));
    CHECK(stage.first().requests().at(0).body().size() == body.size());
    CHECK(stage.first().connections() == 1);
}

TEST_CASE("an upstream that answers before it has read the request is heard through TLS")
{
    const CertificateAuthority authority;
    Stage stage{{{step::read_head(), step::send(reply_text(413, json_headers, upstream_error("too much"))),
                  step::half_close(), step::wait_for_close()},
                 script::chat_reply("hello")},
                trusting(authority),
                &at_loopback};
    first_speaks_tls(stage, authority.issue());
    const std::string body(4 << 20, ' ');
    CHECK(stage.ask(request_text("POST", "/v1/files", bearer(), body)).status() == 200);
    CHECK(stage.record().attempts.at(0).status == 413u);
}

}  // namespace route::test
