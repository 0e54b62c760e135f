#include <string>

#include "tests/net/stage.hpp"

// Which upstream is tried first after failures.

namespace route::test {

namespace {

Script failing(unsigned status, Headers headers = json_headers)
{
    return script::reply(status, headers, upstream_error("no"));
}

Settings with_cooldown_after(int failures)
{
    Settings settings = patient_settings();
    settings.failover.cooldown = Seconds{600};
    settings.failover.cooldown_after = failures;
    return settings;
}

/// The upstream tried first for one more request.
std::string tried_first(Stage& stage)
{
    const std::size_t before = stage.router().records().size();
    stage.ask(chat_request());
    return stage.record(before).attempts.at(0).upstream_name;
}

/// What the rest of the program is told of upstreams; outlives the router's last words.
struct Told
{
    explicit Told(Stage& stage)
    {
        auto& services = stage.router().services();
        services.on_cooldown = [to = starts](const CooldownStart& start) { to->push_back(start); };
        services.on_recovered = [to = recovered](const CooldownEnd& end) { to->push_back(end); };
    }

    std::shared_ptr<std::vector<CooldownStart>> starts = std::make_shared<std::vector<CooldownStart>>();
    std::shared_ptr<std::vector<CooldownEnd>> recovered = std::make_shared<std::vector<CooldownEnd>>();
};

using namespace std::chrono_literals;

}  // namespace

TEST_CASE("failures in a row put an upstream behind the others")
{
    Stage stage{{failing(500), script::chat_reply("hello")}, with_cooldown_after(3)};
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == "second");
    CHECK(stage.first().requests().size() == 3);
}

TEST_CASE("an upstream in cooldown is tried last, not left out")
{
    const Script once_well{
        step::read_request(), step::send(reply_text(200, json_headers, chat_reply("hello"))),
        step::read_request(), step::send(reply_text(404, json_headers, upstream_error("no")))};
    const Script first_badly{
        step::read_request(), step::send(reply_text(500, json_headers, upstream_error("no"))),
        step::read_request(), step::send(reply_text(200, json_headers, chat_reply("back"))),
        step::read_request(), step::send(reply_text(200, json_headers, chat_reply("again")))};
    Stage stage{{first_badly, once_well}, with_cooldown_after(1)};
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    CHECK(stage.ask(chat_request()).body() == chat_reply("back"));
    const auto& attempts = stage.record(1).attempts;
    REQUIRE(attempts.size() == 2);
    CHECK(attempts[0].upstream_name == "second");
    CHECK(attempts[1].upstream_name == "first");
    CHECK(tried_first(stage) == "first");
}

TEST_CASE("all in cooldown: they keep their order")
{
    Stage stage{{failing(500), failing(502)}, with_cooldown_after(1)};
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == "first");
    CHECK(stage.first().requests().size() == 2);
    CHECK(stage.second().requests().size() == 2);
}

TEST_CASE("a success ends the run of failures")
{
    const auto fails = step::send(reply_text(500, json_headers, "no"));
    const auto succeeds = step::send(reply_text(200, json_headers, chat_reply("hello")));
    Script script;
    for (const auto& answer : {fails, succeeds, fails, fails}) {
        script.push_back(step::read_request());
        script.push_back(answer);
    }
    Stage stage{{script, script::chat_reply("hello")}, with_cooldown_after(2)};
    for (int request = 0; request < 4; ++request) {
        CHECK(tried_first(stage) == "first");
    }
    CHECK(tried_first(stage) == "second");
}

TEST_CASE("which failures count")
{
    struct Case
    {
        unsigned status;
        bool counts;
        bool counts_asis;
    };
    const auto [status, counts, counts_asis] = GENERATE(values<Case>({
        {302, true, true},
        {400, false, false},
        {401, true, false},
        {403, true, false},
        {404, false, false},
        {408, true, true},
        {409, false, false},
        {422, false, false},
        {429, true, false},
        {500, true, true},
        {503, true, true},
    }));
    const bool asis = GENERATE(false, true);
    CAPTURE(status, asis);
    Stage stage{{failing(status), script::chat_reply("hello")}, with_cooldown_after(1)};
    if (asis) {
        stage.change([](auto& definitions) { definitions[0].sk = "asis"; });
    }
    CHECK(tried_first(stage) == "first");
    const bool cools_down = asis ? counts_asis : counts;
    CHECK(tried_first(stage) == (cools_down ? "second" : "first"));
}

TEST_CASE("broken connections and timeouts count")
{
    Settings settings = with_cooldown_after(1);
    settings.timeouts.default_ = Seconds{0.05};
    const auto script =
        GENERATE_COPY(values<Script>({script::reset_after_request(), script::silence(), script::half_head(),
                                      script::wrong_length(), script::garbage()}));
    Stage stage{{script, script::chat_reply("hello")}, settings};
    stage.change([](auto& definitions) { definitions[1].timeout = Seconds{600}; });
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == "second");
}

TEST_CASE("Retry-After of 429, 503 and 529 starts a cooldown at once")
{
    struct Case
    {
        unsigned status;
        std::string value;
        std::string next;
    };
    const auto [status, value, next] = GENERATE(values<Case>({
        {429, "600", "second"},
        {503, "600", "second"},
        {503, "Fri, 31 Dec 2999 23:59:59 GMT", "second"},
        {529, "600", "second"},
        {429, "599.5", "second"},
        {429, "soon", "first"},
        {429, "0", "first"},
        {500, "600", "first"},
        {404, "600", "first"},
    }));
    CAPTURE(status, value);
    Headers headers = json_headers;
    headers.emplace_back("Retry-After", value);
    Stage stage{{failing(status, headers), script::chat_reply("hello")}, with_cooldown_after(3)};
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == next);
}

TEST_CASE("retry-after-ms starts a cooldown, too, and counts where both can be read")
{
    struct Case
    {
        std::string milliseconds;
        std::string seconds;
        std::string next;
    };
    const auto [milliseconds, seconds, next] = GENERATE(values<Case>({
        {"600000", "", "second"},
        {"600000", "0", "second"},
        {"0", "600", "first"},
        {"soon", "600", "second"},
    }));
    CAPTURE(milliseconds, seconds);
    Headers headers = json_headers;
    headers.emplace_back("retry-after-ms", milliseconds);
    if (!seconds.empty())
        headers.emplace_back("Retry-After", seconds);
    Stage stage{{failing(429, headers), script::chat_reply("hello")}, with_cooldown_after(3)};
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == next);
}

TEST_CASE("a 429 concerns the model alone, other failures the upstream")
{
    struct Case
    {
        unsigned status;
        std::string other_model;
    };
    const auto [status, other_model] = GENERATE(values<Case>({{429, "first"}, {500, "second"}}));
    CAPTURE(status);
    Stage stage{{failing(status), script::chat_reply("hello")}, with_cooldown_after(1)};
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == "second");
    const auto before = stage.router().records().size();
    stage.ask(chat_request("another"));
    CHECK(stage.record(before).attempts.at(0).upstream_name == other_model);
}

TEST_CASE("cooldown = 0 leaves Retry-After without an effect, too")
{
    Settings settings = with_cooldown_after(1);
    settings.failover.cooldown = Seconds{0};
    Headers headers = json_headers;
    headers.emplace_back("Retry-After", "600");
    Stage stage{{failing(429, headers), script::chat_reply("hello")}, settings};
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == "first");
}

TEST_CASE("after a cooldown one request probes, and the others go elsewhere until its reply is committed")
{
    const Script first{step::read_request(),
                       step::send(reply_text(500, json_headers, upstream_error("no"))),
                       step::read_request(),
                       step::hold("verdict"),
                       step::send(reply_text(200, json_headers, chat_reply("back"))),
                       step::read_request(),
                       step::send(reply_text(200, json_headers, chat_reply("again")))};
    auto settings = with_cooldown_after(1);
    settings.failover.cooldown = Seconds{0.006};  // the first of a row lasts a millisecond
    Stage stage{{first, script::chat_reply("hello")}, settings};
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    const auto over = std::chrono::steady_clock::now() + 2ms;
    stage.run_until([&] { return std::chrono::steady_clock::now() > over; });
    const auto probe = stage.connect();
    probe->send(chat_request());
    stage.run_until([&] { return stage.first().requests().size() == 2; });
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    CHECK(stage.first().requests().size() == 2);
    stage.first().release("verdict");
    stage.run_until([&] { return !probe->replies().empty(); });
    CHECK(probe->replies().front().body() == chat_reply("back"));
    CHECK(stage.ask(chat_request()).body() == chat_reply("again"));
}

TEST_CASE("a probe whose client goes away leaves the next request to probe")
{
    const Script first{step::read_request(), step::send(reply_text(500, json_headers, upstream_error("no"))),
                       step::read_request()};
    auto settings = with_cooldown_after(1);
    settings.failover.cooldown = Seconds{0.006};
    Stage stage{{first, script::chat_reply("hello")}, settings};
    CHECK(stage.ask(chat_request()).body() == chat_reply("hello"));
    const auto over = std::chrono::steady_clock::now() + 2ms;
    stage.run_until([&] { return std::chrono::steady_clock::now() > over; });
    const auto probe = stage.connect();
    probe->send(chat_request());
    stage.run_until([&] { return stage.first().requests().size() == 2; });
    probe->close();
    CHECK(stage.record(1).outcome == RequestOutcome::client_closed);
    stage.first().play(script::chat_reply("back"));
    CHECK(stage.ask(chat_request()).body() == chat_reply("back"));
}

TEST_CASE("it is told that an upstream is tried last, and once that it answers again")
{
    const auto ok = [](const char* text) {
        return step::send(reply_text(200, json_headers, chat_reply(text)));
    };
    const auto bad = [](unsigned status) {
        return step::send(reply_text(status, json_headers, upstream_error("no")));
    };
    const Script first{step::read_request(), bad(500),   step::read_request(), bad(502),
                       step::read_request(), ok("back"), step::read_request(), ok("again")};
    const Script second{step::read_request(), ok("hello"),          step::read_request(),
                        ok("hello"),          step::read_request(), bad(404)};
    auto settings = with_cooldown_after(2);
    settings.failover.cooldown = Seconds{90};
    Stage stage{{first, second}, settings};
    const Told told{stage};
    stage.ask(chat_request());
    CHECK(told.starts->empty());
    stage.ask(chat_request());
    REQUIRE(told.starts->size() == 1);
    const auto& start = told.starts->front();
    CHECK(start.upstream == "first");
    CHECK(start.failures == 2);
    CHECK(start.outcome == AttemptOutcome::status);
    CHECK(start.status == 502u);
    CHECK_THAT(start.error, ContainsSubstring("status 502"));
    CHECK(start.length == Seconds{15});  // a sixth for the first of a row
    CHECK(start.model.empty());
    CHECK(told.recovered->empty());

    CHECK(stage.ask(chat_request()).body() == chat_reply("back"));
    CHECK(stage.ask(chat_request()).body() == chat_reply("again"));
    stage.record(3);
    CHECK(told.starts->size() == 1);
    REQUIRE(told.recovered->size() == 1);
    CHECK(told.recovered->front().upstream == "first");
    CHECK(told.recovered->front().length >= 0s);
    CHECK(told.recovered->front().length < 60s);
}

TEST_CASE("a storm of Retry-After is told of once")
{
    const auto [value, seconds] = GENERATE(values<std::pair<std::string, int>>({{"20", 20}, {"36000", 600}}));
    Headers headers = json_headers;
    headers.emplace_back("Retry-After", value);
    Stage stage{{failing(429, headers)}, with_cooldown_after(2)};
    const Told told{stage};
    for (int i = 0; i < 4; ++i)
        CHECK(stage.ask(chat_request()).status() == 429);
    REQUIRE(told.starts->size() == 1);
    const auto& start = told.starts->front();
    CHECK(start.failures == 0);
    CHECK(start.status == 429u);
    CHECK(start.model == "gpt-4o");
    CHECK(start.length == Seconds{static_cast<double>(seconds)});
    CHECK(told.recovered->empty());
}

TEST_CASE("an upstream that is changed while it is away answers again as the same one")
{
    Stage stage{{failing(500), script::chat_reply("hello")}, with_cooldown_after(1)};
    const Told told{stage};
    CHECK(tried_first(stage) == "first");
    stage.change([](auto& definitions) { definitions[0].endpoint = definitions[1].endpoint; });
    stage.change([](auto& definitions) { definitions[1].enabled = false; });
    CHECK(tried_first(stage) == "first");
    REQUIRE(told.recovered->size() == 1);
    CHECK(told.recovered->front().upstream == "first");
}

TEST_CASE("cooldown can be switched off")
{
    Settings settings = with_cooldown_after(1);
    settings.failover.cooldown = Seconds{0};
    Stage stage{{failing(500), script::chat_reply("hello")}, settings};
    CHECK(tried_first(stage) == "first");
    CHECK(tried_first(stage) == "first");
}

TEST_CASE("a client that goes away is no failure of the upstream")
{
    Stage stage{{script::silence(), script::chat_reply("hello")}, with_cooldown_after(1)};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().requests().size() == 1; });
    client->close();
    CHECK(stage.record().outcome == RequestOutcome::client_closed);
    stage.first().play(script::chat_reply("hello"));
    CHECK(tried_first(stage) == "first");
}

}  // namespace route::test
