#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// A reply of an API that answers is judged by what it says: one without an answer fails over, with its status
// 200, and its preamble is held until the first content comes.

namespace route::test {

namespace {

std::string ask_api(const std::string& path, bool stream)
{
    const std::string body = stream ? R"({"model":"gpt-4o","stream":true})" : R"({"model":"gpt-4o"})";
    return request_text("POST", path, bearer() + "Content-Type: application/json\r\n", body);
}

const std::string chat_path = "/v1/chat/completions";

const std::string role_event = data_event(
    R"({"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})");
const std::string quota_error =
    R"({"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}})";

std::string typed_event(const std::string& type, const std::string& members = "")
{
    return "event: " + type + "\ndata: {\"type\":\"" + type + "\"" + (members.empty() ? "" : ",") + members +
           "}\n\n";
}

const std::string response_created =
    typed_event("response.created", R"("response":{"status":"in_progress","error":null,"output":[]})");
const std::string message_start =
    typed_event("message_start", R"("message":{"role":"assistant","content":[]})");

/// A stream of each API whose preamble is followed by content and its end.
std::vector<std::string> healthy_events(const std::string& path)
{
    if (path == "/v1/responses")
        return {response_created, typed_event("response.output_text.delta", R"("delta":"hello")"),
                typed_event("response.completed", R"("response":{"status":"completed","output":[]})")};
    if (path == "/v1/messages")
        return {
            message_start,
            typed_event("content_block_start", R"("index":0,"content_block":{"type":"text","text":""})"),
            typed_event("content_block_delta", R"("index":0,"delta":{"type":"text_delta","text":"hello"})"),
            typed_event("message_delta", R"("delta":{"stop_reason":"end_turn"})"),
            typed_event("message_stop")};
    std::vector<std::string> events{role_event};
    for (const auto& event : chat_events("hello"))
        events.push_back(event);
    return events;
}

/// A reply without an answer, its status 200.
struct Useless
{
    std::string name;
    std::string path;
    Script script;
    AttemptOutcome outcome;
    std::string error;  ///< that the attempt is recorded with
    bool stream = true;
};

/// Stays open behind what it sends: nobody may wait for more.
Script events_then_silence(const std::string& events)
{
    return script::raw_then_silence(reply_head(200, chunked_sse_headers) + chunk(events));
}

Script body_of(const std::string& type, const std::string& body)
{
    return script::reply(200, {{"Content-Type", type}}, body);
}

Useless whole(const std::string& name, const std::string& type, const std::string& body,
              AttemptOutcome outcome, const std::string& error)
{
    return {name, chat_path, body_of(type, body), outcome, error, false};
}

std::vector<Useless> useless_replies()
{
    const auto event = AttemptOutcome::error_event;
    const auto body = AttemptOutcome::error_body;
    const auto none = AttemptOutcome::no_answer;
    const auto empty = AttemptOutcome::empty;
    const auto blank = AttemptOutcome::blank;
    const std::string quota_words = "You exceeded your current quota";
    const std::string json = "application/json";
    return {
        {"an error behind the role", chat_path, events_then_silence(role_event + data_event(quota_error)),
         event, "error event: " + quota_words},
        {"an error in a choice", chat_path,
         events_then_silence(
             role_event + data_event(R"({"choices":[{"index":0,"error":{"message":"busy"},"delta":{}}]})")),
         event, "error event: busy"},
        {"response.failed", "/v1/responses",
         events_then_silence(
             response_created +
             typed_event("response.failed", R"("response":{"status":"failed","error":{"message":"busy"}})")),
         event, "error event: busy"},
        {"an error behind message_start", "/v1/messages",
         events_then_silence(
             message_start +
             typed_event("error", R"("error":{"type":"overloaded_error","message":"Overloaded"})")),
         event, "error event: Overloaded"},
        {"a role and [DONE]", chat_path, events_then_silence(role_event + std::string{done_event}), none,
         "no answer: the stream ended before its first content"},
        {"a stream that ends in its preamble", chat_path, script::sse({role_event}), none,
         "no answer: the stream ended before its first content"},
        {"a blank stream", chat_path,
         events_then_silence(role_event +
                             data_event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})") +
                             std::string{done_event}),
         blank, "answer without content"},
        {"a blank message", "/v1/messages",
         events_then_silence(message_start +
                             typed_event("message_delta", R"("delta":{"stop_reason":"end_turn"})") +
                             typed_event("message_stop")),
         blank, "answer without content"},
        {"an error as events without a type", chat_path,
         script::raw(chunked_reply(200, {}, {role_event, data_event(quota_error)})), event,
         "error event: " + quota_words},
        {"an error as events labelled JSON", chat_path,
         script::raw(chunked_reply(200, json_headers, {role_event, data_event(quota_error)})), event,
         "error event: " + quota_words},
        {"an error in place of a stream", chat_path, body_of(json, quota_error), body,
         "error in place of an answer: " + quota_words},
        whole("an error", json, quota_error, body, "error in place of an answer: " + quota_words),
        whole("an error as text", "text/plain", quota_error, body,
              "error in place of an answer: " + quota_words),
        whole("an error as bytes", "application/octet-stream", quota_error, body,
              "error in place of an answer: " + quota_words),
        whole("a page", "text/html", "<!DOCTYPE html><html><body>Sign in</body></html>", none,
              "no answer: an HTML page"),
        whole("a page labelled JSON", json, "<html></html>", none, "no answer: an HTML page"),
        whole("text", "text/plain", "upstream connect error", none, "no answer: plain text"),
        whole("nothing", json, "", empty, "empty reply"),
        whole("an empty object", json, "{}", none, "no answer: JSON without an answer"),
        whole("no choices", json, R"({"choices":null})", none, "no answer: JSON without an answer"),
        whole("half of JSON in a whole reply", json, chat_reply("hello").substr(0, 100), none,
              "no answer: JSON without an answer"),
        whole("a blank answer", json, chat_reply(""), blank, "answer without content"),
    };
}

}  // namespace

TEST_CASE("a reply without an answer fails over, whatever its status says")
{
    const auto useless = GENERATE(from_range(useless_replies()));
    CAPTURE(useless.name);
    const auto events = healthy_events(useless.path);
    Stage stage{{useless.script, useless.stream ? script::sse(events) : script::chat_reply("hello")}};
    const Reply reply = stage.ask(ask_api(useless.path, useless.stream));
    CHECK(reply.status() == 200);
    CHECK(reply.whole);
    CHECK(reply.body() == (useless.stream ? joined(events) : chat_reply("hello")));
    CHECK(reply.header("x-route-upstream") == "second");
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.record().response == "hello");
    REQUIRE(stage.record().attempts.size() == 2);
    const auto& attempt = stage.record().attempts[0];
    CHECK(to_string(attempt.outcome) == to_string(useless.outcome));
    CHECK(attempt.status == 200u);
    CHECK(attempt.error == useless.error);
    CHECK(stage.record().attempts[1].outcome == AttemptOutcome::ok);
}

TEST_CASE("the preamble of a stream is held and sent with its first content")
{
    const auto path = GENERATE_COPY(values<std::string>({chat_path, "/v1/responses", "/v1/messages"}));
    CAPTURE(path);
    const auto events = healthy_events(path);
    const std::size_t content = path == "/v1/messages" ? 2 : 1;
    Script script{step::read_request(), step::send(reply_head(200, chunked_sse_headers))};
    std::string preamble;
    for (std::size_t i = 0; i < content; ++i) {
        script.push_back(step::send(chunk(events[i])));
        preamble += events[i];
    }
    script.push_back(step::hold("content"));
    script.push_back(step::send(chunk(events[content])));
    script.push_back(step::hold("rest"));
    std::string rest;
    for (std::size_t i = content + 1; i < events.size(); ++i)
        rest += events[i];
    script.push_back(step::send(chunk(rest) + std::string{last_chunk}));
    Stage stage{{script}};
    const auto client = stage.connect();
    client->send(ask_api(path, true));
    stage.run_until([&] { return stage.first().reached("content"); });
    stage.settle();
    CHECK(client->received().empty());
    stage.first().release("content");
    stage.run_until([&] { return client->body_so_far() == preamble + events[content]; });
    stage.first().release("rest");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].body() == joined(events));
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("headers and then silence or comments are committed after commit_after, not before")
{
    const std::string comments = ": a\n\n: b\n\n";
    const auto sent = GENERATE_COPY(std::string{}, comments);
    Settings settings = patient_settings();
    settings.failover.commit_after = Seconds{0.05};
    Stage stage{{{step::read_request(), step::send(reply_head(200, chunked_sse_headers) + chunk(sent)),
                  step::hold("rest"),
                  step::send(chunk(joined(chat_events("hello"))) + std::string{last_chunk}), step::again()},
                 script::chat_reply("never")},
                settings};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->head_received() && client->body_so_far() == sent; });
    stage.first().release("rest");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(stage.record().response == "hello");
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("headers and then silence, comments or a preamble fail over when first_content has passed")
{
    const std::string comments = ": a\n\n: b\n\n";
    const auto sent = GENERATE_COPY(std::string{}, comments, role_event);
    CAPTURE(sent);
    Settings settings = patient_settings();
    settings.timeouts.first_content = Seconds{0.05};
    settings.failover.commit_after = Seconds{0.01};  // does not count for a stream under the limit
    Stage stage{
        {script::raw_then_silence(reply_head(200, chunked_sse_headers) + (sent.empty() ? "" : chunk(sent))),
         script::sse(chat_events("hello"))},
        settings};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.body() == joined(chat_events("hello")));
    REQUIRE(stage.record().attempts.size() == 2);
    CHECK(stage.record().attempts[0].outcome == AttemptOutcome::timeout);
    CHECK(stage.record().attempts[0].error == "no content in time");
    CHECK(stage.record().attempts[0].status == 200u);
    CHECK(stage.record().outcome == RequestOutcome::ok);
}

TEST_CASE("first_content does not count for a whole reply, nor for the last upstream")
{
    const auto json = GENERATE(true, false);
    CAPTURE(json);
    Settings settings = patient_settings();
    settings.timeouts.first_content = Seconds{0.05};
    settings.failover.commit_after = Seconds{0.2};
    const auto begun =
        json ? reply_head(200, {{"Content-Type", "application/json"}, {"Content-Length", "100"}}) + "{\"id\":"
             : reply_head(200, chunked_sse_headers) + chunk(role_event);
    Script slow{step::read_request(), step::send(begun), step::hold("cut"), step::half_close(),
                step::wait_for_close()};
    auto scripts = json ? std::vector<Script>{slow, script::chat_reply("never")}
                        : std::vector<Script>{script::reply(503, {}, "busy"), slow};
    Stage stage{std::move(scripts), settings};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->head_received() && !client->body_so_far().empty(); });
    stage.upstream(json ? 0 : 1).release("cut");
    stage.run_until([&] { return client->closed_by_peer(); });
    CHECK(stage.record().attempts.back().outcome == AttemptOutcome::cut);
    CHECK(stage.record().attempts.size() == (json ? 1 : 2));
}

TEST_CASE("an ending for its length, a filter, a tool or a pause excuses an answer without content")
{
    const auto reason = GENERATE(values<std::string>({"length", "content_filter", "tool_calls"}));
    const bool stream = GENERATE(false, true);
    CAPTURE(reason, stream);
    const std::string end =
        data_event(R"({"choices":[{"index":0,"delta":{},"finish_reason":")" + reason + "\"}]}");
    const std::string whole_reply =
        R"({"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":")" + reason +
        "\"}]}";
    const std::string events = role_event + end + std::string{done_event};
    Stage stage{{stream ? script::sse({events}) : body_of("application/json", whole_reply),
                 script::chat_reply("never")}};
    const Reply reply = stage.ask(chat_request("gpt-4o", stream));
    CHECK(reply.body() == (stream ? events : whole_reply));
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("replies of paths that do not answer are not judged")
{
    const auto body =
        GENERATE(values<std::string>({"{}", "", "<html></html>", "text", R"({"error":{"message":"x"}})"}));
    CAPTURE(body);
    Stage stage{{body_of("application/json", body), script::chat_reply("never")}};
    CHECK(stage.ask(get_request("/v1/files/f")).body() == body);
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("when all fail, a last reply that was blank or an error in a 200 is what the client gets")
{
    const std::string stream = role_event + data_event(quota_error);
    struct Last
    {
        std::string name;
        Script script;
        std::string body;
        std::string error;
    };
    const auto last = GENERATE_COPY(values<Last>({
        {"an error", body_of("application/json", quota_error), quota_error,
         "error in place of an answer: You exceeded your current quota"},
        {"a blank answer", body_of("application/json", chat_reply("")), chat_reply(""),
         "answer without content"},
        {"an error event", events_then_silence(stream), stream,
         "error event: You exceeded your current quota"},
    }));
    CAPTURE(last.name);
    Stage stage{{script::reply(500, json_headers, upstream_error("no")), last.script}};
    const Reply reply = stage.ask(stream_request());
    CHECK(reply.status() == 200);
    CHECK(reply.whole);
    CHECK(reply.body() == last.body);
    CHECK(reply.header("x-route-upstream") == "second");
    CHECK(stage.record().outcome == RequestOutcome::upstream_error);
    CHECK(stage.record().status == 200);
    CHECK(stage.record().error == last.error);
}

TEST_CASE("a last reply that was no answer is not relayed")
{
    Stage stage{{body_of("application/json", quota_error), body_of("text/html", "<html></html>")}};
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 502);
    const auto error = error_of(reply);
    CHECK_THAT(error.message,
               ContainsSubstring("first: error in place of an answer: You exceeded your current quota"));
    CHECK_THAT(error.message, ContainsSubstring("second: no answer: an HTML page"));
}

TEST_CASE("an error inside a committed stream is relayed and recorded")
{
    const std::string error = data_event(R"({"error":{"message":"busy"}})");
    const bool at_once = GENERATE(false, true);
    const std::string begin = reply_head(200, chunked_sse_headers) + chunk(chat_event("hel"));
    Script script{step::read_request(), step::send(begin)};
    if (!at_once)
        script.push_back(step::hold("error"));
    script.push_back(step::send(chunk(error) + std::string{last_chunk}));
    Stage stage{{script, script::chat_reply("never")}};
    const auto client = stage.connect();
    client->send(stream_request());
    if (!at_once) {
        stage.run_until([&] { return client->body_so_far() == chat_event("hel"); });
        stage.first().release("error");
    }
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].whole);
    CHECK(client->replies()[0].body() == chat_event("hel") + error);
    CHECK(stage.record().outcome == RequestOutcome::upstream_error);
    CHECK(stage.record().error == "error event: busy");
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::error_event);
    CHECK(stage.record().response == "hel");
    CHECK(stage.second().connections() == 0);
}

TEST_CASE("a stream whose end was seen is whole whatever the connection does then")
{
    const auto path = GENERATE_COPY(values<std::string>({chat_path, "/v1/responses", "/v1/messages"}));
    const bool reset = GENERATE(false, true);
    CAPTURE(path, reset);
    const auto events = healthy_events(path);
    const std::string bytes = reply_head(200, chunked_sse_headers) + chunk(joined(events));
    Stage stage{{{step::read_request(), step::send(bytes), step::hold("end"),
                  reset ? step::reset() : step::close()}}};
    const auto client = stage.connect();
    client->send(ask_api(path, true));
    stage.run_until([&] { return client->body_so_far() == joined(events); });
    stage.first().release("end");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(client->replies()[0].whole);
    CHECK(client->replies()[0].body() == joined(events));
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::ok);
}

TEST_CASE("a client that leaves after the end of a stream had all of it")
{
    const auto events = healthy_events(chat_path);
    Stage stage{{script::raw_then_silence(reply_head(200, chunked_sse_headers) + chunk(joined(events)))}};
    const auto client = stage.connect();
    client->send(stream_request());
    stage.run_until([&] { return client->body_so_far() == joined(events); });
    client->close();
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.record().status == 200);
}

}  // namespace route::test
