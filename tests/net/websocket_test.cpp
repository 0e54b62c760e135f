// The records of responses that are given over a WebSocket.
#include <string>
#include <vector>

#include "tests/net/stage.hpp"
#include "tests/support/websocket_frames.hpp"

namespace route::test {

namespace {

constexpr FrameForm masked{text_message, true, false, 0x1b2c3d4e, 0};

std::string handshake(std::string_view path, std::string_view fields = {})
{
    return get_request(path, bearer() +
                                 "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                                 std::string{fields});
}

std::string accepted(const Headers& fields = {})
{
    Headers all{{"Connection", "Upgrade"},
                {"Upgrade", "websocket"},
                {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}};
    all.insert(all.end(), fields.begin(), fields.end());
    return reply_head(101, all);
}

std::string joined_frames(const std::vector<std::string>& messages, const FrameForm& form = {})
{
    std::string frames;
    for (const auto& message : messages)
        frames += frame(message, form);
    return frames;
}

const std::string close_frame = frame("\x03\xe8", {8, true, false, 0, 0});
const std::string clients_close_frame = frame("\x03\xe8", {8, true, false, 0x01020304, 0});

std::string created(std::string_view id)
{
    return R"({"type":"response.created","response":{"id":")" + std::string{id} +
           R"(","object":"response","model":"gpt-5-2026","output":[]}})";
}

std::string delta(std::string_view text)
{
    return R"({"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":")" +
           std::string{text} + R"("})";
}

std::string completed(std::string_view id, std::string_view text, int tokens)
{
    return R"({"type":"response.completed","response":{"id":")" + std::string{id} +
           R"(","object":"response","status":"completed","model":"gpt-5-2026","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":")" +
           std::string{text} + R"("}]}],"usage":{"input_tokens":)" + std::to_string(tokens) +
           R"(,"output_tokens":2,"total_tokens":)" + std::to_string(tokens + 2) + "}}}";
}

std::string question(std::string_view text)
{
    return R"({"type":"response.create","model":"gpt-5","input":")" + std::string{text} + R"("})";
}

/// Takes the handshake; then each answer waits until the test says that its question came.
Script accepting(const std::vector<std::string>& answers, Step last, const Headers& fields = {})
{
    Script script{step::read_head(), step::send(accepted(fields))};
    for (std::size_t i = 0; i < answers.size(); ++i) {
        script.push_back(step::hold("asked " + std::to_string(i)));
        script.push_back(step::send(answers[i]));
    }
    script.push_back(std::move(last));
    return script;
}

/// Asks one question after the other, each when the answer before is there.
std::unique_ptr<TestClient> talk(Stage& stage, std::string_view path,
                                 const std::vector<std::string>& questions,
                                 const std::vector<std::string>& answers, std::string_view fields = {})
{
    auto client = stage.connect();
    client->send(handshake(path, fields));
    for (std::size_t i = 0; i < questions.size(); ++i) {
        client->send(questions[i]);
        stage.run_until([&] {
            return stage.first().connections() > 0 && stage.first().received().ends_with(questions[i]);
        });
        stage.first().release("asked " + std::to_string(i));
        stage.run_until([&] { return client->received().ends_with(answers[i]); });
    }
    return client;
}

}  // namespace

TEST_CASE("each response over a WebSocket has a record")
{
    const std::vector<std::string> questions{frame(question("first?"), masked),
                                             frame(question("second?"), masked)};
    const std::vector<std::string> answers{
        joined_frames({created("r1"), delta("Hel"), delta("lo"), completed("r1", "Hello", 11)}),
        joined_frames({created("r2"), delta("Bye"), completed("r2", "Bye", 22)}) + close_frame};
    Stage stage{{accepting(answers, step::half_close())}};
    const auto client = talk(stage, "/v1/responses", questions, answers);
    client->half_close();
    stage.run_until([&] { return stage.router().records().size() == 3; });
    const auto& first = stage.record(0);
    CHECK(first.outcome == RequestOutcome::ok);
    CHECK(first.status == 101);
    CHECK(first.model == "gpt-5");
    CHECK(first.stream);
    CHECK(first.body == question("first?"));
    CHECK(first.body_bytes == question("first?").size());
    CHECK(first.response == "Hello");
    CHECK(first.prompt_tokens == 11);
    CHECK(first.completion_tokens == 2);
    CHECK(first.total_tokens == 13);
    CHECK(first.key_name == stage.record(2).key_name);
    CHECK(first.upstream_name == "first");
    CHECK(first.authenticated);
    REQUIRE(first.attempts.size() == 1);
    CHECK(first.attempts.front().outcome == AttemptOutcome::ok);
    CHECK(first.attempts.front().first_byte_time);
    const auto& second = stage.record(1);
    CHECK(second.body == question("second?"));
    CHECK(second.response == "Bye");
    CHECK(second.prompt_tokens == 22);
    CHECK(second.request_id != first.request_id);
    const auto& whole = stage.record(2);
    CHECK(whole.outcome == RequestOutcome::ok);
    CHECK_FALSE(whole.total_tokens);
    CHECK(whole.response.starts_with("[websocket, "));
}

TEST_CASE("responses are read from compressed messages, which pass as they came")
{
    MessageDeflater from_client;
    MessageDeflater from_upstream;
    FrameForm compressed;
    compressed.compressed = true;
    auto asked = compressed;
    asked.mask = 0x0badcafe;
    const auto question_frame = frame(from_client.deflate(question("zipped?")), asked);
    std::string answer;
    for (const auto& event : {created("r1"), delta("short"), completed("r1", "short", 3)})
        answer += frame(from_upstream.deflate(event), compressed);
    const std::string agreed = "permessage-deflate";
    Stage stage{{accepting({answer}, step::half_close(), {{"Sec-WebSocket-Extensions", agreed}})}};
    const auto client = talk(stage, "/v1/responses", {question_frame}, {answer},
                             "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    client->half_close();
    stage.run_until([&] { return stage.router().records().size() == 2; });
    CHECK(stage.record(0).body == question("zipped?"));
    CHECK(stage.record(0).response == "short");
    CHECK(stage.record(0).prompt_tokens == 3);
    CHECK(stage.first().received().ends_with(question_frame));
}

TEST_CASE("a response that fails is recorded as a failure of the upstream")
{
    const std::string failed =
        R"({"type":"response.failed","response":{"id":"r1","status":"failed","error":{"code":"server_error","message":"no luck with sk-upstream-1"},"output":[]}})";
    const auto answer = joined_frames({created("r1"), failed});
    Stage stage{{accepting({answer}, step::half_close())}};
    const auto client = talk(stage, "/v1/responses", {frame(question("q"), masked)}, {answer});
    client->half_close();
    stage.run_until([&] { return stage.router().records().size() == 2; });
    const auto& record = stage.record(0);
    CHECK(record.outcome == RequestOutcome::upstream_error);
    CHECK(record.error == "error event: no luck with …");
    REQUIRE(record.attempts.size() == 1);
    CHECK(record.attempts.front().outcome == AttemptOutcome::error_event);
    CHECK(record.attempts.front().error == record.error);
    CHECK(stage.record(1).outcome == RequestOutcome::ok);
}

TEST_CASE("a response is broken off by what ends its WebSocket")
{
    const auto begun = joined_frames({created("r1"), delta("half")});
    const auto asks = frame(question("q"), masked);
    SECTION("the upstream resets the connection")
    {
        auto script = accepting({begun}, step::hold("seen"));
        script.push_back(step::reset());
        Stage stage{{script}};
        const auto client = talk(stage, "/v1/responses", {asks}, {begun});
        stage.first().release("seen");
        stage.run_until([&] { return stage.router().records().size() == 2; });
        CHECK(stage.record(0).outcome == RequestOutcome::truncated);
        CHECK(stage.record(0).response == "half");
        CHECK(stage.record(0).attempts.front().outcome == AttemptOutcome::cut);
        CHECK_FALSE(stage.record(0).overhead);
        CHECK(stage.record(0).error == stage.record(1).error);
    }
    SECTION("the client vanishes")
    {
        Stage stage{{accepting({begun}, step::wait_for_close())}};
        const auto client = talk(stage, "/v1/responses", {asks}, {begun});
        client->reset();
        stage.run_until([&] { return stage.router().records().size() == 2; });
        CHECK(stage.record(0).outcome == RequestOutcome::client_closed);
        CHECK(stage.record(0).status == 499);
        CHECK(stage.record(0).response == "half");
        CHECK(stage.record(0).attempts.front().outcome == AttemptOutcome::client_closed);
    }
    SECTION("the client ends its side in the middle, without a word")
    {
        Stage stage{{accepting({begun}, step::wait_for_close())}};
        const auto client = talk(stage, "/v1/responses", {asks}, {begun});
        client->half_close();
        stage.run_until([&] { return stage.router().records().size() == 2; });
        CHECK(stage.record(0).outcome == RequestOutcome::client_closed);
        CHECK(stage.record(0).attempts.front().outcome == AttemptOutcome::client_closed);
        CHECK(stage.record(1).outcome == RequestOutcome::ok);
    }
    SECTION("the upstream closes in the middle, and says why")
    {
        const auto why = frame("\x03\xf3sk-upstream-1 is over its limit", {8, true, false, 0, 0});
        Stage stage{{accepting({begun + why}, step::half_close())}};
        const auto client = talk(stage, "/v1/responses", {asks}, {begun + why});
        client->half_close();
        stage.run_until([&] { return stage.router().records().size() == 2; });
        CHECK(stage.record(0).outcome == RequestOutcome::truncated);
        CHECK(stage.record(0).error ==
              "the upstream closed the WebSocket before the response had ended: 1011 … is over its limit");
        CHECK(stage.record(0).attempts.front().outcome == AttemptOutcome::cut);
    }
    SECTION("what the upstream sends can not be read any further")
    {
        const auto broken = frame("{}", {3, true, false, 0, 0});
        Stage stage{{accepting({begun + broken}, step::half_close())}};
        const auto client = talk(stage, "/v1/responses", {asks}, {begun + broken});
        client->half_close();
        stage.run_until([&] { return stage.router().records().size() == 2; });
        CHECK(stage.record(0).error == "not recorded to its end: its messages can not be read");
        CHECK(stage.record(0).outcome == RequestOutcome::ok);
        CHECK(stage.record(0).response == "half");
        CHECK(stage.record(1).outcome == RequestOutcome::ok);
    }
    SECTION("the client closes in the middle, as WebSocket has it")
    {
        Stage stage{{accepting({begun, close_frame}, step::half_close())}};
        const auto client = talk(stage, "/v1/responses", {asks, clients_close_frame}, {begun, close_frame});
        client->half_close();
        stage.run_until([&] { return stage.router().records().size() == 2; });
        CHECK(stage.record(0).outcome == RequestOutcome::client_closed);
        CHECK(stage.record(1).outcome == RequestOutcome::ok);
    }
}

TEST_CASE("no bytes are taken from either side while there is no room for records")
{
    const auto answer = joined_frames({created("r1"), completed("r1", "Hello", 11)});
    Stage stage{{accepting({answer}, step::half_close())}};
    const auto client = stage.connect();
    client->send(handshake("/v1/responses"));
    stage.run_until([&] { return client->received().ends_with("\r\n\r\n"); });
    stage.router().has_room = false;
    const auto asked = frame(question("q"), masked);
    client->send(asked);
    stage.settle();
    CHECK_FALSE(stage.first().received().ends_with(asked));
    stage.router().has_room = true;
    stage.run_until([&] { return stage.first().received().ends_with(asked); });
    stage.first().release("asked 0");
    stage.run_until([&] { return client->received().ends_with(answer); });
    client->half_close();
    stage.run_until([&] { return stage.router().records().size() == 2; });
    CHECK(stage.record(0).response == "Hello");
    CHECK(stage.router().dropped() == 0);
}

TEST_CASE("a key that was added after the handshake is not recorded either")
{
    const auto answer =
        joined_frames({created("r1"), completed("r1", "sk-added-later-1 and sk-upstream-1", 11)});
    Stage stage{{accepting({answer}, step::half_close())}};
    const auto client = stage.connect();
    client->send(handshake("/v1/responses"));
    stage.run_until([&] { return client->received().ends_with("\r\n\r\n"); });
    stage.change(
        [](std::vector<UpstreamDefinition>& definitions) { definitions.front().sk = "sk-added-later-1"; });
    const auto asked = frame(question("sk-added-later-1, sk-upstream-1?"), masked);
    client->send(asked);
    stage.run_until([&] { return stage.first().received().ends_with(asked); });
    stage.first().release("asked 0");
    stage.run_until([&] { return client->received().ends_with(answer); });
    client->half_close();
    stage.run_until([&] { return stage.router().records().size() == 2; });
    CHECK(stage.record(0).response == "… and …");
    CHECK(stage.record(0).body == question("…, …?"));
}

TEST_CASE("what is held of open responses counts for server.max_buffered")
{
    auto settings = patient_settings();
    settings.server.max_buffered = 1u << 20;
    settings.server.max_body = 64u << 10;
    const auto begun = joined_frames({created("r1"), delta("half")});
    Stage stage{{accepting({begun, begun}, step::half_close())}, settings};
    const std::string large(600u << 10, 'x');
    const auto client = talk(stage, "/v1/responses",
                             {frame(question("q"), masked), frame(question(large), masked)}, {begun, begun});
    client->half_close();
    stage.run_until([&] { return !stage.router().records().empty(); });
    CHECK(stage.record(0).error ==
          "not recorded to its end: the router holds as much as it may (server.max_buffered)");
    CHECK(stage.record(0).outcome == RequestOutcome::ok);
}

TEST_CASE("what is said in a realtime session is recorded response by response")
{
    const std::string session = R"({"type":"session.created","session":{"model":"gpt-realtime"}})";
    const std::string begun = R"({"type":"response.created","response":{"id":"s1","status":"in_progress"}})";
    const std::string spoken =
        R"({"type":"response.output_audio_transcript.delta","response_id":"s1","item_id":"i","output_index":0,"content_index":0,"delta":"Hi there"})";
    const std::string done =
        R"({"type":"response.done","response":{"id":"s1","status":"completed","output":[],"usage":{"total_tokens":30,"input_tokens":20,"output_tokens":10}}})";
    const std::string sound = R"({"type":"input_audio_buffer.append","audio":"AAAA"})";
    const auto asked = frame(sound, masked);
    const auto answer = joined_frames({session, begun, spoken, done});
    Stage stage{{accepting({answer}, step::half_close())}};
    const auto client = talk(stage, "/v1/realtime?model=gpt-realtime", {asked}, {answer});
    client->half_close();
    stage.run_until([&] { return stage.router().records().size() == 2; });
    const auto& record = stage.record(0);
    CHECK(record.model == "gpt-realtime");
    CHECK(record.body.empty());
    CHECK(record.response == "Hi there");
    CHECK(record.prompt_tokens == 20);
    CHECK(record.completion_tokens == 10);
    CHECK(record.path == "/v1/realtime");
}

TEST_CASE("what is no WebSocket, or says nothing of responses, has the record of its handshake only")
{
    struct Case
    {
        std::string what;
        std::string path;
        Headers fields;
        std::string bytes;
    };
    const auto events = joined_frames({created("r1"), completed("r1", "x", 1)});
    const auto one = GENERATE_COPY(values<Case>({
        {"another path", "/v1/something", {}, events},
        {"an extension nobody knows", "/v1/responses", {{"Sec-WebSocket-Extensions", "x-zip"}}, events},
        {"no frames", "/v1/responses", {}, std::string(2000, '\xff')},
        {"messages that are no JSON", "/v1/responses", {}, joined_frames({"hello", "[]", "{"})},
        {"JSON of another kind", "/v1/realtime", {}, joined_frames({R"({"type":"ping"})", R"({"a":1})"})},
    }));
    INFO(one.what);
    const auto hello = frame("hello", masked);
    Stage stage{{accepting({one.bytes}, step::half_close(), one.fields)}};
    const auto client = talk(stage, one.path, {hello}, {one.bytes});
    client->half_close();
    stage.run_until([&] { return !stage.router().records().empty(); });
    CHECK(stage.router().records().size() == 1);
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.record().response_bytes == one.bytes.size());
}

}  // namespace route::test
