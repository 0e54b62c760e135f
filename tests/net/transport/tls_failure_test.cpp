#include <functional>
#include <string>
#include <vector>

#include "tests/net/transport/tls_stage.hpp"

// Upstreams that are not, or cannot show that they are, who they should be.

namespace route::test {

namespace {

/// Nothing of a request was sent to the first upstream; the second answered.
void check_kept_from_first(Stage& stage, const std::string& words)
{
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.header("x-route-upstream") == "second");
    CHECK(reply.body() == chat_reply("hello"));
    const auto& attempt = stage.record().attempts.at(0);
    CHECK(attempt.outcome == AttemptOutcome::tls);
    CHECK_FALSE(attempt.status);
    CHECK(attempt.error == "tls: " + words);
    CHECK(stage.first().requests().empty());
}

Settings hasty()
{
    Settings settings = patient_settings();
    settings.timeouts.connect = Seconds{0.5};  // of all upstreams
    return settings;
}

}  // namespace

TEST_CASE("an upstream that cannot be verified gets nothing, and the reason is said")
{
    struct Case
    {
        std::string name;
        std::function<Certificate(const CertificateAuthority&)> certificate;
        std::string host;
        std::string words;
    };
    const auto row = GENERATE(values<Case>({
        {"another name", [](auto& authority) { return authority.issue({.name = "other.test"}); },
         "upstream.test", "its certificate is for another host name"},
        {"no address", [](auto& authority) { return authority.issue(); }, "127.0.0.1",
         "its certificate is for another address"},
        {"expired", [](auto& authority) { return authority.issue({.days_from = -3, .days_until = -1}); },
         "upstream.test", "certificate has expired"},
        {"not valid yet", [](auto& authority) { return authority.issue({.days_from = 1, .days_until = 3}); },
         "upstream.test", "certificate is not yet valid"},
        {"self-signed", [](auto&) { return self_signed(); }, "upstream.test", "self-signed certificate"},
        {"another authority", [](auto&) { return CertificateAuthority{}.issue(); }, "upstream.test",
         "its certificate is from an authority that is not trusted"},
    }));
    CAPTURE(row.name);
    const int newest = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const CertificateAuthority authority;
    Stage stage{
        {script::chat_reply("never"), script::chat_reply("hello")}, trusting(authority), &at_loopback};
    first_speaks_tls(stage, row.certificate(authority), row.host, newest);
    check_kept_from_first(stage, row.words);
    CHECK(stage.first().received().empty());
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

TEST_CASE("without a ca_file, an authority of one's own is not trusted")
{
    const CertificateAuthority authority;
    Stage stage{{script::chat_reply("never"), script::chat_reply("hello")}, patient_settings(), &at_loopback};
    first_speaks_tls(stage, authority.issue());
    check_kept_from_first(stage, "its certificate is from an authority that is not trusted");
}

TEST_CASE("an upstream that speaks no TLS, or too old a one, says so")
{
    const CertificateAuthority authority;
    Stage stage{{script::silence(), script::chat_reply("hello")}, trusting(authority), &at_loopback};
    SECTION("plain HTTP")
    {
        stage.first().play({step::send("HTTP/1.1 400 Bad Request\r\n\r\n"), step::wait_for_close()});
        ask_first_by_tls(stage);
        check_kept_from_first(stage, "the answer is not TLS");
    }
    SECTION("TLS 1.1")
    {
        first_speaks_tls(stage, authority.issue(), "upstream.test", TLS1_1_VERSION);
        check_kept_from_first(stage, "it speaks no TLS 1.2 or newer");
    }
}

TEST_CASE("an upstream that ends the connection during the handshake fails over")
{
    const Script end = GENERATE(values<Script>({
        {step::read_some(1), step::close()},
        {step::read_some(1), step::reset()},
        {step::half_close(), step::wait_for_close()},
    }));
    const CertificateAuthority authority;
    Stage stage{{end, script::chat_reply("hello")}, trusting(authority), &at_loopback};
    ask_first_by_tls(stage);
    check_kept_from_first(stage, "the connection ended during the handshake");
}

TEST_CASE("a handshake that stalls ends within connect")
{
    const Script stall = GENERATE(values<Script>({
        {step::wait_for_close()},
        {step::send(std::string{"\x16\x03\x03\x00\x50\x02\x00", 7}), step::wait_for_close()},
    }));
    const CertificateAuthority authority;
    Stage stage{{stall, script::chat_reply("hello")}, trusting(authority, hasty()), &at_loopback};
    ask_first_by_tls(stage);
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "second");
    const auto& attempt = stage.record().attempts.at(0);
    CHECK(attempt.outcome == AttemptOutcome::timeout);
    CHECK(attempt.error == "tls: no handshake in time");
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

TEST_CASE("a client that leaves during a handshake ends it")
{
    const CertificateAuthority authority;
    Stage stage{{{step::read_some(1), step::hold("handshake")}}, trusting(authority), &at_loopback};
    ask_first_by_tls(stage);
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().reached("handshake"); });
    client->close();
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

TEST_CASE("when nobody is left, the client reads why the certificate was refused")
{
    const CertificateAuthority authority;
    Stage stage{{script::chat_reply("never")}, trusting(authority), &at_loopback};
    first_speaks_tls(stage, authority.issue({.days_from = -3, .days_until = -1}));
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 502);
    CHECK_THAT(error_of(reply).message, ContainsSubstring("first: tls: certificate has expired"));
}

TEST_CASE("a connection verified with former authorities is not used with new ones")
{
    CertificateAuthority authority;
    Stage stage{
        {script::chat_reply("never"), script::chat_reply("hello")}, trusting(authority), &at_loopback};
    first_speaks_tls(stage, authority.issue());
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "first");
    stage.change([](auto& definitions) { definitions[0].priority = -1; });
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "first");
    CHECK(stage.first().connections() == 1);

    authority.renew();
    stage.router().read_authorities();
    stage.change([](auto&) {});
    CHECK(stage.ask(chat_request()).header("x-route-upstream") == "second");
    CHECK(stage.first().connections() == 2);
    CHECK(stage.record(2).attempts.at(0).outcome == AttemptOutcome::tls);
    CHECK(stage.first().requests().size() == 2);
}

}  // namespace route::test
