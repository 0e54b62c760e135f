#include <string>

#include "tests/net/stage.hpp"

// When the first byte of a reply is sent to the client: not before, and no later.

namespace route::test {

namespace {

/// What an upstream sends before the reply may be committed, and what commits it.
struct CommitCase
{
    std::string name;
    std::string before;
    std::string trigger;
    std::string rest;
    std::string body;  ///< that the client has once `trigger` was sent
    bool stream = false;
};

Script held_at_each_part(const CommitCase& commit)
{
    return {step::read_request(), step::send(commit.before), step::hold("before"), step::send(commit.trigger),
            step::hold("rest"),   step::send(commit.rest),   step::again()};
}

std::string json_head(std::size_t length)
{
    return reply_head(200,
                      {{"Content-Type", "application/json"}, {"Content-Length", std::to_string(length)}});
}

}  // namespace

TEST_CASE("a reply is sent from its moment of commit on")
{
    const std::string comment = ": hello\n\n";
    const std::string role =
        data_event(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})");
    const std::string event = chat_event("hel");
    const std::string done{done_event};
    const std::string end{last_chunk};
    const std::string sse_head = reply_head(200, chunked_sse_headers);
    const std::string audio_head = reply_head(200, {{"Content-Type", "audio/mpeg"}, {"Content-Length", "6"}});
    const std::string ndjson_head =
        reply_head(200, {{"Content-Type", "application/x-ndjson"}, {"Transfer-Encoding", "chunked"}});
    const std::string long_json = "\"" + std::string(2998, 'x') + "\"";
    const auto commit = GENERATE_COPY(values<CommitCase>({
        {"a stream at its first content", sse_head + chunk(comment), chunk(event), chunk(done) + end,
         comment + event, true},
        {"not at its role", sse_head + chunk(role), chunk(event), chunk(done) + end, role + event, true},
        {"not inside it", sse_head + chunk(event.substr(0, 20)), chunk(event.substr(20)), end, event, true},
        {"not at its end of line", sse_head + chunk(event.substr(0, event.size() - 1)), chunk("\n"), end,
         event, true},
        {"not at an event without data", sse_head + chunk("event: ping\n\n"), chunk(event), end,
         "event: ping\n\n" + event, true},
        {"not at a ping", sse_head + chunk("event: ping\ndata: {}\n\n"), chunk(event), end,
         "event: ping\ndata: {}\n\n" + event, true},
        {"a null error is none", sse_head + chunk("data: {\"error\":null}\n\n"), chunk(event), end,
         "data: {\"error\":null}\n\n" + event, true},
        {"a stream nobody asked for", sse_head + chunk(comment), chunk(event), end, comment + event},
        {"audio at its first byte", audio_head, "abc", "def", "abc"},
        {"NDJSON at its first byte", ndjson_head, chunk("{"), chunk("}\n") + end, "{"},
        {"a reply without a type that is no text", reply_head(200, {{"Content-Length", "70"}}) + "abc",
         "\xff" + std::string(63, 'd'), "efg", "abc\xff" + std::string(63, 'd')},
        {"a long JSON at reply_buffer bytes", json_head(3000) + long_json.substr(0, 900),
         long_json.substr(900, 1100), long_json.substr(2000), long_json.substr(0, 2000)},
    }));
    CAPTURE(commit.name);
    Settings settings = patient_settings();
    settings.failover.reply_buffer = 1000;
    Stage stage{{held_at_each_part(commit)}, settings};
    const auto client = stage.connect();
    client->send(chat_request("gpt-4o", commit.stream));

    stage.run_until([&] { return stage.first().reached("before"); });
    stage.settle();
    CHECK(client->received().empty());
    stage.first().release("before");
    stage.run_until([&] { return stage.first().reached("rest") && client->body_so_far() == commit.body; });
    CHECK(client->head_received());
    stage.first().release("rest");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].whole);
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.record().response_time <= stage.record().elapsed_time);
}

TEST_CASE("JSON is sent once it is whole")
{
    const std::string body = chat_reply("hello");
    const bool chunked = GENERATE(false, true);
    const std::string begin =
        chunked ? reply_head(200, {{"Content-Type", "application/json"}, {"Transfer-Encoding", "chunked"}}) +
                      chunk(body)
                : json_head(body.size()) + body.substr(0, body.size() - 1);
    const std::string end = chunked ? std::string{last_chunk} : body.substr(body.size() - 1);
    Stage stage{
        {{step::read_request(), step::send(begin), step::hold("end"), step::send(end), step::again()}}};
    const auto client = stage.connect();
    client->send(chat_request());
    stage.run_until([&] { return stage.first().reached("end"); });
    stage.settle();
    CHECK(client->received().empty());
    stage.first().release("end");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].body() == body);
    CHECK(client->replies()[0].whole);
}

TEST_CASE("replies without a body are sent at their head")
{
    struct Case
    {
        std::string method;
        unsigned status;
        std::string length;
    };
    const auto [method, status, length] =
        GENERATE(values<Case>({{"HEAD", 200, "12"}, {"GET", 204, ""}, {"GET", 304, ""}}));
    CAPTURE(method, status);
    Headers headers = json_headers;
    if (!length.empty()) {
        headers.emplace_back("Content-Length", length);
    }
    Stage stage{{script::raw_then_silence(reply_head(status, headers))}};
    const std::string request = request_text(method, "/v1/files", bearer());
    const Reply reply = method == "HEAD" ? stage.ask_head(request) : stage.ask(request);
    CHECK(reply.status() == status);
    CHECK(reply.header("content-length") == length);
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("any reply is committed `commit_after` seconds after its head")
{
    struct Case
    {
        std::string name;
        std::string bytes;
        std::string body;
    };
    const std::string comment = ": hello\n\n";
    const std::string half_event = "data: {\"id\":";
    const std::string sse_head = reply_head(200, chunked_sse_headers);
    const auto late = GENERATE_COPY(values<Case>({
        {"stream, head only", sse_head, ""},
        {"stream with comments", sse_head + chunk(comment), comment},
        {"stream inside an event", sse_head + chunk(half_event), half_event},
        {"JSON", json_head(100) + "{\"id\":", "{\"id\":"},
        {"audio, head only", reply_head(200, {{"Content-Type", "audio/mpeg"}, {"Content-Length", "6"}}), ""},
    }));
    CAPTURE(late.name);
    Settings settings = patient_settings();
    settings.failover.commit_after = Seconds{0.05};
    Stage stage{{{step::read_request(), step::send(late.bytes), step::hold("cut"), step::half_close(),
                  step::wait_for_close()},
                 script::chat_reply("never")},
                settings};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->head_received() && client->body_so_far() == late.body; });
    stage.first().release("cut");
    stage.run_until([&] { return client->closed_by_peer(); });
    REQUIRE(client->replies().size() == 1);
    CHECK_FALSE(client->replies()[0].whole);
    CHECK(stage.record().outcome == RequestOutcome::truncated);
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("replies that are committed at the same moment are not mixed up")
{
    const bool stream = GENERATE(false, true);
    const std::vector<std::string> models{"a", "b", "c", "d"};
    std::vector<Script> scripts;
    std::vector<std::string> bodies;
    for (const auto& model : models) {
        const std::string text(100, model[0]);
        bodies.push_back(stream ? joined(chat_events(text)) : chat_reply(text));
        const auto reply = stream ? chunked_reply(200, sse_headers, {bodies.back()})
                                  : reply_text(200, json_headers, bodies.back());
        scripts.push_back({step::read_request(), step::hold("go"), step::send(reply), step::again()});
    }
    Stage stage{std::move(scripts)};
    stage.change([&](auto& definitions) {
        for (std::size_t i = 0; i < models.size(); ++i)
            definitions[i].allow = {models[i]};
    });
    std::vector<std::unique_ptr<TestClient>> clients;
    for (std::size_t i = 0; i < models.size(); ++i) {
        clients.push_back(stage.connect());
        clients.back()->send(chat_request(models[i], stream));
        stage.run_until([&] { return stage.upstream(i).reached("go"); });
    }
    for (std::size_t i = 0; i < models.size(); ++i)
        stage.upstream(i).release("go");
    for (std::size_t i = 0; i < models.size(); ++i) {
        CAPTURE(stream, models[i]);
        stage.run_until([&] { return clients[i]->replies().size() == 1; });
        CHECK(clients[i]->replies()[0].body() == bodies[i]);
    }
}

TEST_CASE("an error event after commit is relayed")
{
    const std::string error = data_event(R"({"error":{"message":"busy"}})");
    Stage stage{{script::sse({chat_event("hel"), error}), script::chat_reply("never")}};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.whole);
    CHECK(reply.body() == chat_event("hel") + error);
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("events are relayed one by one as they come")
{
    Script script{step::read_request(), step::send(reply_head(200, chunked_sse_headers))};
    const std::vector<std::string> events{chat_event("a"), ": ping\n\n", chat_event("b"),
                                          std::string{done_event}};
    for (std::size_t index = 0; index < events.size(); ++index) {
        script.push_back(step::send(chunk(events[index])));
        script.push_back(step::hold("event " + std::to_string(index)));
    }
    script.push_back(step::send(std::string{last_chunk}));
    Stage stage{{script}};
    const auto client = stage.connect();
    client->send(stream_request());
    std::string so_far;
    for (std::size_t index = 0; index < events.size(); ++index) {
        so_far += events[index];
        stage.run_until([&] { return client->body_so_far() == so_far; });
        stage.first().release("event " + std::to_string(index));
    }
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].body() == so_far);
    CHECK(stage.record().response == "ab");
}

}  // namespace route::test
