// A request that names what an upstream made goes to that upstream alone (SPEC 5.14).
#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"
#include "tests/support/compression.hpp"

namespace route::test {

namespace {

std::string post(const std::string& path, const std::string& body, const std::string& fields = {})
{
    return request_text("POST", path, bearer() + "Content-Type: application/json\r\n" + fields, body);
}

/// One reply on a connection that then ends, so that the next one plays what comes next.
Script once(unsigned status, const std::string& body, Headers headers = json_headers)
{
    headers.emplace_back("Connection", "close");
    return script::raw_then_close(reply_text(status, headers, body));
}

const std::string file_reply = R"({"id":"file-1","object":"file"})";

/// `first` answers; what `second` makes is asked for by path.
class Making : public Stage
{
  public:
    explicit Making(Settings settings = patient_settings())
        : Stage{{script::chat_reply("from first"), script::chat_reply("from second")}, std::move(settings)}
    {
    }

    /// `second` makes something, as `first` fails.
    void make_at_second(const std::string& path, const std::string& reply, Headers headers = json_headers)
    {
        first().play(once(503, upstream_error("no")));
        second().play(once(200, reply, std::move(headers)));
        REQUIRE(ask(post(path, "{}")).header("x-route-upstream") == "second");
        first().play(script::chat_reply("from first"));
        second().play(script::chat_reply("from second"));
    }

    std::string who(const std::string& request) { return ask(request).header("x-route-upstream"); }
};

Settings never_resting()
{
    auto settings = patient_settings();
    settings.failover.cooldown = Seconds{0};
    return settings;
}

std::string about(const std::string& file)
{
    return R"({"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":")" +
           file + R"("}}]}]})";
}

}  // namespace

TEST_CASE("who made a file answers for it, wherever a request names it")
{
    Making stage{never_resting()};
    stage.make_at_second("/v1/files", file_reply);
    CHECK(stage.record(0).made_ids == IdHashes{hash_id("file-1")});
    CHECK(stage.who(get_request("/v1/files/file-1/content")) == "second");
    CHECK(stage.who(post("/v1/batches", R"({"input_file_id":"file-1"})")) == "second");
    CHECK(stage.who(post("/v1/chat/completions", about("file-1"))) == "second");
    CHECK(stage.who(post("/v1/responses", R"({"model":"m","input":[{"content":[{"file_id":"file-1"}]}]})")) ==
          "second");
    // In a body that is compressed, or so long that it is not read on the loop.
    const auto gzip = compressed(Format::gzip, about("file-1"));
    CHECK(stage.who(post("/v1/chat/completions", gzip, "Content-Encoding: gzip\r\n")) == "second");
    auto large = about("file-1");
    large.insert(large.size() - 1, R"(,"padding":")" + std::string(300'000, 'x') + '"');
    CHECK(stage.who(post("/v1/chat/completions", large)) == "second");
    // Of several the first that is known.
    CHECK(stage.who(post("/v1/batches", R"({"file_ids":["file-0","file-1"]})")) == "second");
    // What is unknown changes nothing.
    CHECK(stage.who(post("/v1/chat/completions", about("file-2"))) == "first");
    CHECK(stage.who(get_request("/v1/files/file-2")) == "first");
    CHECK(stage.who(chat_request()) == "first");
}

TEST_CASE("what is only mentioned in a text names nothing")
{
    Making stage{never_resting()};
    stage.make_at_second("/v1/files", file_reply);
    CHECK(stage.who(post("/v1/chat/completions",
                         R"({"model":"m","messages":[{"content":"{\"file_id\":\"file-1\"}"}]})")) == "first");
    CHECK(stage.who(post("/v1/responses", R"({"model":"m","metadata":{"file_id":"file-1"}})")) == "first");
}

TEST_CASE("who made it is asked alone: resting, full or failing")
{
    auto settings = patient_settings();
    settings.failover.cooldown = Seconds{600};
    settings.failover.cooldown_after = 1;
    Making stage{settings};
    stage.make_at_second("/v1/files", file_reply);
    stage.second().play(once(500, upstream_error("broken")));
    const auto reply = stage.ask(get_request("/v1/files/file-1"));
    CHECK(reply.status() == 500);
    CHECK(tries_of(stage.record(1)) == "second:status");
    CHECK_FALSE(stage.record(1).upstream_name.empty());
    // It rests now.
    stage.second().play(script::chat_reply("again"));
    CHECK(stage.who(get_request("/v1/files/file-1")) == "second");
}

TEST_CASE("an upstream that is gone, or may not be asked, made nothing")
{
    Making stage{never_resting()};
    stage.make_at_second("/v1/files", file_reply);
    SECTION("gone")
    {
        stage.change([](auto& definitions) { definitions[1].name = "another"; });
        CHECK(stage.who(post("/v1/chat/completions", about("file-1"))) == "first");
    }
    SECTION("denied")
    {
        stage.change([](auto& definitions) { definitions[1].deny = {"gpt-4o"}; });
        CHECK(stage.who(post("/v1/chat/completions", about("file-1"))) == "first");
    }
}

TEST_CASE("a response is continued where it was made, from the first event of its stream on")
{
    Making stage{never_resting()};
    const std::string created =
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n";
    const std::string content =
        "event: response.output_text.delta\ndata: "
        "{\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n";
    stage.first().play(once(503, upstream_error("no")));
    const Script streaming{step::read_request(),
                           step::send(reply_head(200, chunked_sse_headers) + chunk(created)),
                           step::send(chunk(content)), step::hold("end")};
    stage.second().play(std::vector<Script>{streaming, script::chat_reply("again")});
    auto client = stage.connect();
    client->send(post("/v1/responses", R"({"model":"m","stream":true})"));
    stage.run_until([&] { return client->body_so_far().find("response.created") != std::string::npos; });
    stage.first().play(script::chat_reply("from first"));
    CHECK(stage.who(post("/v1/responses", R"({"model":"m","previous_response_id":"resp_1"})")) == "second");
    client->close();
}

TEST_CASE("a reply too long to be held is read for what it makes before its end is sent")
{
    auto settings = never_resting();
    settings.failover.reply_buffer = 4096;
    settings.records.max_response = 1024;
    Making stage{settings};
    const auto padding = std::string(100'000, 'x');
    SECTION("its own id")
    {
        stage.make_at_second("/v1/responses", R"({"id":"resp_1","output":[{"text":")" + padding + R"("}]})");
        CHECK(stage.who(get_request("/v1/responses/resp_1")) == "second");
    }
    SECTION("not stored")
    {
        stage.make_at_second("/v1/responses", R"({"id":"resp_1","store":false,"output":[]})");
        CHECK(stage.who(get_request("/v1/responses/resp_1")) == "first");
        CHECK(stage.record(0).made_ids.empty());
    }
}

TEST_CASE("what a chat completion is called is not remembered, nor what a failed reply says")
{
    Making stage{never_resting()};
    SECTION("a chat completion")
    {
        CHECK(stage.ask(chat_request()).status() == 200);
    }
    SECTION("a failed reply")
    {
        stage.first().play(once(400, R"({"id":"file-9"})"));
        stage.second().play(once(400, R"({"id":"file-9"})"));
        CHECK(stage.ask(post("/v1/files", "{}")).status() == 400);
    }
    CHECK(stage.record(0).made_ids.empty());
}

TEST_CASE("what memory does not hold is looked up, once, and not where there is one upstream")
{
    Making stage{never_resting()};
    std::atomic<int> asked{0};
    stage.router().services().find_makers = [&](const IdHashes& ids, auto) {
        ++asked;
        std::vector<MadeBy> known;
        for (const auto& id : ids)
            if (id == hash_id("file-1"))
                known.push_back({id, "second"});
        return known;
    };
    CHECK(stage.who(chat_request()) == "first");
    CHECK(asked == 0);
    CHECK(stage.who(post("/v1/batches", R"({"file_ids":["file-0","file-1"]})")) == "second");
    CHECK(asked == 1);
    CHECK(stage.who(get_request("/v1/files/file-1")) == "second");
    CHECK(asked == 1);
    CHECK(stage.who(get_request("/v1/files/file-2")) == "first");
    CHECK(stage.who(get_request("/v1/files/file-2")) == "first");
    CHECK(asked == 3);
    stage.change([](auto& definitions) { definitions.pop_back(); });
    CHECK(stage.who(get_request("/v1/files/file-3")) == "first");
    CHECK(asked == 3);
}

TEST_CASE("a look-up that fails, or takes too long, changes nothing")
{
    Making stage{never_resting()};
    std::promise<void> served;
    SECTION("fails")
    {
        stage.router().services().find_makers = [](const IdHashes&, auto) -> std::vector<MadeBy> {
            throw std::runtime_error{"scripted"};
        };
        CHECK(stage.who(get_request("/v1/files/file-1")) == "first");
    }
    SECTION("takes too long")
    {
        stage.router().services().find_makers = [&, end = served.get_future().share()](const IdHashes& ids,
                                                                                       auto) {
            end.wait();
            return std::vector<MadeBy>{{ids.front(), "second"}};
        };
        CHECK(stage.who(get_request("/v1/files/file-1")) == "first");
        served.set_value();
    }
    CHECK(stage.record(0).overhead.value() < std::chrono::seconds{2});
}

}  // namespace route::test
