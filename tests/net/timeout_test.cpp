#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "tests/net/stage.hpp"

// Each limit on its own: it is short and all others are longer than a test may last, so that only it can end
// the wait.

namespace route::test {

namespace {

using namespace std::chrono_literals;

constexpr Seconds short_time{0.05};

struct Limit
{
    std::string name;
    std::function<void(Settings&)> shorten;
    bool stream = false;
    std::size_t padding = 0;  ///< bytes added to the body
};

std::string padded_request(bool stream, std::size_t padding)
{
    const std::string body = chat_body("gpt-4o", stream) + std::string(padding, ' ');
    return request_text("POST", "/v1/chat/completions", bearer() + "Content-Type: application/json\r\n",
                        body);
}

/// It is to answer, however slow the machine.
void wait_for_second(Stage& stage)
{
    stage.change([](auto& definitions) { definitions[1].timeout = Seconds{600}; });
}

void check_timed_out(const AttemptRecord& attempt)
{
    CAPTURE(attempt.error);
    CHECK(attempt.outcome == AttemptOutcome::timeout);
    CHECK_FALSE(attempt.error.empty());
    CHECK(attempt.elapsed_time >= std::chrono::duration_cast<Nanoseconds>(short_time));
}

}  // namespace

TEST_CASE("the limit of an attempt is the one for its kind of request")
{
    const auto limit = GENERATE(values<Limit>({
        {"default", [](Settings& settings) { settings.timeouts.default_ = short_time; }},
        {"stream", [](Settings& settings) { settings.timeouts.stream = short_time; }, true},
        {"large body", [](Settings& settings) { settings.timeouts.large_body = short_time; }, false,
         128 << 10},
        {"large body of a stream", [](Settings& settings) { settings.timeouts.large_body = short_time; },
         true, 128 << 10},
        {"what is large is configured",
         [](Settings& settings) {
             settings.timeouts.large_body = short_time;
             settings.timeouts.large_body_over = 1000;
         },
         false, 1000},
    }));
    CAPTURE(limit.name);
    Settings settings = patient_settings();
    limit.shorten(settings);
    Stage stage{{script::silence(), script::chat_reply("hello")}, settings};
    wait_for_second(stage);
    CHECK(stage.ask(padded_request(limit.stream, limit.padding)).body() == chat_reply("hello"));
    check_timed_out(stage.record().attempts.at(0));
    CHECK_FALSE(stage.record().attempts.at(0).status);
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

TEST_CASE("the last upstream left to try has `single` where that is longer, an only one, too")
{
    const bool stream = GENERATE(false, true);
    const std::size_t padding = GENERATE(0u, 128u << 10);
    const bool alone = GENERATE(false, true);
    const Seconds shorter = short_time / 2;
    Settings settings = patient_settings();
    settings.timeouts.default_ = shorter;
    settings.timeouts.stream = shorter;
    settings.timeouts.large_body = shorter;
    settings.timeouts.single = short_time;
    Stage stage{{script::silence(), script::silence()}, settings};
    stage.change([&](auto& definitions) { definitions[1].enabled = !alone; });
    const Reply reply = stage.ask(padded_request(stream, padding));
    CHECK(reply.status() == 502);
    CHECK(error_of(reply).code == "upstream_timeout");
    CHECK(stage.record().outcome == RequestOutcome::timeout);
    REQUIRE(stage.record().attempts.size() == (alone ? 1 : 2));
    check_timed_out(stage.record().attempts.back());
}

TEST_CASE("`single` shortens no other limit of the last upstream")
{
    Settings settings = patient_settings();
    settings.timeouts.single = Seconds{0.001};
    const Script slow{step::read_request(), step::pause(200ms),
                      step::send(reply_text(200, json_headers, chat_reply("at last")))};
    Stage stage{{slow}, settings};
    CHECK(stage.ask(chat_request()).body() == chat_reply("at last"));
}

TEST_CASE("the upstream's own limit wins over all")
{
    struct Case
    {
        std::string name;
        std::optional<Seconds> timeout;
        std::optional<Seconds> stream_timeout;
        bool stream;
        bool alone;
    };
    const Seconds long_time{600};
    const auto own = GENERATE_COPY(values<Case>({
        {"timeout", short_time, {}, false, false},
        {"timeout of a stream", short_time, {}, true, false},
        {"stream timeout", {}, short_time, true, false},
        {"stream timeout over timeout", long_time, short_time, true, false},
        {"timeout, not stream timeout", short_time, long_time, false, false},
        {"the only one", short_time, {}, false, true},
    }));
    CAPTURE(own.name);
    Stage stage{{script::silence(), script::chat_reply("hello")}};
    stage.change([&](auto& definitions) {
        definitions[0].timeout = own.timeout;
        definitions[0].stream_timeout = own.stream_timeout;
        definitions[1].enabled = !own.alone;
    });
    CHECK(stage.ask(chat_request("gpt-4o", own.stream)).status() == (own.alone ? 502 : 200));
    check_timed_out(stage.record().attempts.at(0));
}

TEST_CASE("only a whole response head ends the wait")
{
    const std::string interim = "HTTP/1.1 102 Processing\r\n\r\n";
    const auto bytes =
        GENERATE_COPY(values<std::string>({interim, interim + interim, "HTTP/1.1 200 O", interim + "HTTP"}));
    Settings settings = patient_settings();
    settings.timeouts.default_ = short_time;
    Stage stage{{script::raw_then_silence(bytes), script::chat_reply("hello")}, settings};
    wait_for_second(stage);
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    check_timed_out(stage.record().attempts.at(0));
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

TEST_CASE("the wait restarts while the upstream accepts bytes of the request")
{
    // Longer in all than the limit, each silence far shorter than it.
    Script slow;
    for (int piece = 0; piece < 12; ++piece) {
        slow.push_back(step::pause(250ms));
        slow.push_back(step::read_some(2 << 20));
    }
    slow.push_back(step::read_request());
    slow.push_back(step::send(reply_text(200, json_headers, chat_reply("at last"))));
    Settings settings = patient_settings();
    settings.timeouts.default_ = Seconds{2};
    settings.timeouts.large_body_over = 1 << 30;
    Stage stage{{slow, script::chat_reply("never")}, settings};
    const Reply reply = stage.ask(padded_request(false, 32 << 20));
    CHECK(reply.body() == chat_reply("at last"));
    CHECK(stage.record().attempts.size() == 1);
}

TEST_CASE("an upstream that stops accepting the request times out")
{
    Settings settings = patient_settings();
    settings.timeouts.large_body = Seconds{0.5};
    Stage stage{{{step::read_some(1000), step::pause(20s)}, script::chat_reply("hello")}, settings};
    CHECK(stage.ask(padded_request(false, 12 << 20)).body() == chat_reply("hello"));
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::timeout);
}

TEST_CASE("connecting has its own limit")
{
    Settings settings = patient_settings();
    settings.timeouts.connect = Seconds{0.5};  // of both
    Stage stage{{script::chat_reply("hello")}, settings};
    const UnansweringPort unanswering{stage.io()};
    stage.put_first(unanswering.port());
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    const auto& attempt = stage.record().attempts.at(0);
    CHECK((attempt.outcome == AttemptOutcome::connect || attempt.outcome == AttemptOutcome::timeout));
    CHECK_FALSE(attempt.status);
    CHECK_FALSE(attempt.error.empty());
}

TEST_CASE("`total` ends all attempts of a request")
{
    Settings settings = patient_settings();
    settings.failover.total = Seconds{0.5};
    Stage stage{{script::silence(), script::chat_reply("never")}, settings};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 502);
    CHECK(error_of(reply).code == "upstream_timeout");
    CHECK(reply.header("x-should-retry").empty());  // the second was not asked
    CHECK(stage.second().connections() == 0);
    CHECK(stage.record().attempts.size() == 1);
    CHECK(stage.record().outcome == RequestOutcome::timeout);
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

TEST_CASE("`total` leaves a response that was kept to be relayed")
{
    Settings settings = patient_settings();
    settings.failover.total = Seconds{1};
    Stage stage{{script::reply(500, json_headers, upstream_error("one")), script::silence(),
                 script::chat_reply("never")},
                settings};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 500);
    CHECK(reply.body() == upstream_error("one"));
    CHECK(reply.header("x-should-retry").empty());
    CHECK(stage.upstream(2).connections() == 0);
}

TEST_CASE("`total` ends at commit")
{
    Settings settings = patient_settings();
    settings.failover.total = Seconds{1};
    Stage stage{
        {{step::read_request(), step::send(reply_head(200, chunked_sse_headers) + chunk(chat_event("hel"))),
          step::pause(1500ms), step::send(chunk(chat_event("lo")) + std::string{last_chunk})}},
        settings};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.whole);
    CHECK(reply.body() == chat_event("hel") + chat_event("lo"));
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("silence inside a reply that is not committed fails over after `idle`")
{
    struct Case
    {
        std::string name;
        Script script;
        bool stream;
    };
    const auto stall = GENERATE(values<Case>({
        {"JSON",
         script::raw_then_silence(
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"),
         false},
        {"stream, at once", script::raw_then_silence(reply_head(200, chunked_sse_headers)), true},
        {"stream, after a comment",
         script::raw_then_silence(reply_head(200, chunked_sse_headers) + chunk(": hi\n\n")), true},
        {"stream, inside its first event", script::stall_inside_first_event(), true},
        {"audio without a byte",
         script::raw_then_silence("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 9\r\n\r\n"),
         false},
    }));
    CAPTURE(stall.name);
    Settings settings = patient_settings();
    settings.timeouts.idle = short_time;
    Stage stage{{stall.script, script::chat_reply("hello")}, settings};
    CHECK(stage.ask(chat_request("gpt-4o", stall.stream)).body() == chat_reply("hello"));
    check_timed_out(stage.record().attempts.at(0));
    CHECK(stage.record().attempts.at(0).status == 200u);
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

TEST_CASE("`idle` restarts at each byte")
{
    Script trickle{step::read_request(),
                   step::send("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 12\r\n\r\n")};
    for (int byte = 0; byte < 12; ++byte) {
        trickle.push_back(step::pause(250ms));
        trickle.push_back(step::send("x"));
    }
    Settings settings = patient_settings();
    settings.timeouts.idle = Seconds{2};
    Stage stage{{trickle}, settings};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.whole);
    CHECK(reply.body() == std::string(12, 'x'));
}

TEST_CASE("a reply committed and then silent is cut after `idle`")
{
    Settings settings = patient_settings();
    settings.timeouts.idle = short_time;
    Stage stage{{script::stall_after_first_event(), script::chat_reply("never")}, settings};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.status() == 200);
    CHECK_FALSE(reply.whole);
    CHECK(stage.record().outcome == RequestOutcome::truncated);
    check_timed_out(stage.record().attempts.at(0));
    CHECK(stage.second().connections() == 0);
    stage.run_until([&] { return stage.first().closed_by_peer(); });
}

}  // namespace route::test
