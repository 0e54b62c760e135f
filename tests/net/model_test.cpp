#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// Who may be asked for a model, and under which name and path.

namespace route::test {

TEST_CASE("allow and deny choose the upstreams of a model")
{
    struct Case
    {
        std::string name;
        std::vector<std::string> allow;
        std::vector<std::string> deny;
        std::string model;
        std::string answers;
    };
    const auto rule = GENERATE(values<Case>({
        {"no rule", {}, {}, "gpt-4o", "first"},
        {"allowed by name", {"gpt-4o"}, {}, "gpt-4o", "first"},
        {"another name is allowed", {"gpt-4o"}, {}, "gpt-4", "second"},
        {"allowed by pattern", {"gpt-*"}, {}, "gpt-4o", "first"},
        {"denied by name", {}, {"gpt-4o"}, "gpt-4o", "second"},
        {"deny wins", {"gpt-*"}, {"*-4o"}, "gpt-4o", "second"},
    }));
    CAPTURE(rule.name);
    Stage stage{{script::chat_reply("hello"), script::chat_reply("hello")}};
    stage.change([&](auto& definitions) {
        definitions[0].allow = rule.allow;
        definitions[0].deny = rule.deny;
    });
    const Reply reply = stage.ask(chat_request(rule.model));
    CHECK(reply.header("x-route-upstream") == rule.answers);
    CHECK(reply.header("x-route-attempts") == "1");
    CHECK(stage.record().model == rule.model);
}

TEST_CASE("a request without a model is matched against paths")
{
    struct Case
    {
        std::vector<std::string> allow;
        std::string answers;
    };
    const auto [allow, answers] = GENERATE(values<Case>({
        {{}, "first"},
        {{"/v1/files"}, "first"},
        {{"gpt-4o", "/v1/fil*"}, "first"},
        {{"gpt-4o"}, "second"},
        {{"/v1/batches"}, "second"},
    }));
    Stage stage{{script::reply(200, json_headers, "{}"), script::reply(200, json_headers, "{}")}};
    const auto allowed = allow;
    stage.change([&](auto& definitions) { definitions[0].allow = allowed; });
    CHECK(stage.ask(get_request("/v1/files?limit=1")).header("x-route-upstream") == answers);
    CHECK_FALSE(stage.record().model);
}

TEST_CASE("a multipart model counts")
{
    Stage stage{{script::reply(200, json_headers, R"({"text":"hi"})"),
                 script::reply(200, json_headers, R"({"text":"hi"})")}};
    stage.change([&](auto& definitions) { definitions[0].allow = {"gpt-4o"}; });
    const std::string body =
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n\x01\x02\x03\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n";
    const Reply reply =
        stage.ask(request_text("POST", "/v1/audio/transcriptions",
                               bearer() + "Content-Type: multipart/form-data; boundary=b\r\n", body));
    CHECK(reply.header("x-route-upstream") == "second");
    CHECK(stage.second().requests().at(0).body() == body);
    CHECK(stage.record().model == "whisper-1");
}

TEST_CASE("rename changes the value of model and no other byte")
{
    Stage stage{{script::reset_after_request(), script::chat_reply("hello")}};
    stage.change([&](auto& definitions) {
        definitions[0].rename = {{"gpt-4o", "a-much-longer-name"}};
        definitions[1].rename = {{"gpt-4o", "x"}};
    });
    const std::string before = "{ \"messages\" : [ {\"model\":\"gpt-4o\"} ],\n\t\"model\" :  ";
    const std::string after = " , \"n\":1.0e0, \"s\":\"\\u00e9\" }  ";
    const std::string request =
        request_text("POST", "/v1/chat/completions", bearer() + "Content-Type: application/json\r\n",
                     before + "\"gpt-4o\"" + after);
    CHECK(stage.ask(request).status() == 200);
    CHECK(stage.first().requests().at(0).body() == before + "\"a-much-longer-name\"" + after);
    CHECK(stage.second().requests().at(0).body() == before + "\"x\"" + after);
    CHECK(stage.record().model == "gpt-4o");
    CHECK(stage.record().body == before + "\"gpt-4o\"" + after);
}

TEST_CASE("rename leaves other models alone")
{
    Stage stage{{script::chat_reply("hello")}};
    stage.change([&](auto& definitions) { definitions[0].rename = {{"gpt-4o", "x"}}; });
    stage.ask(chat_request("gpt-4"));
    CHECK(stage.first().requests().at(0).body() == chat_body("gpt-4"));
}

TEST_CASE("a model that nobody allows is not found")
{
    Stage stage{{script::chat_reply("never")}};
    stage.change([&](auto& definitions) { definitions[0].allow = {"gpt-4o"}; });
    const Reply reply = stage.ask(chat_request("claude"));
    CHECK(reply.status() == 404);
    const ErrorText error = error_of(reply);
    CHECK(error.code == "model_not_found");
    CHECK_THAT(error.message, ContainsSubstring("claude"));
    CHECK(stage.first().connections() == 0);
    CHECK(stage.record().status == 404);
    CHECK(stage.record().outcome == RequestOutcome::rejected);
    CHECK(stage.record().attempts.empty());
}

TEST_CASE("without an upstream the router answers 503")
{
    Stage stage{{script::chat_reply("never")}};
    stage.change([](auto& definitions) { definitions[0].enabled = false; });
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.status() == 503);
    CHECK(error_of(reply).code == "no_upstream");
    CHECK(stage.record().status == 503);
    CHECK(stage.record().outcome == RequestOutcome::rejected);
}

TEST_CASE("lower priority numbers are tried first, then lower ids")
{
    Stage stage{
        {script::reset_after_request(), script::reset_after_request(), script::reset_after_request()}};
    stage.change([](auto& definitions) {
        definitions[0].priority = 5;
        definitions[1].priority = -5;
        definitions[2].priority = -5;
    });
    stage.ask(chat_request());
    const auto& attempts = stage.record().attempts;
    REQUIRE(attempts.size() == 3);
    CHECK(attempts[0].upstream_name == "second");
    CHECK(attempts[1].upstream_name == "third");
    CHECK(attempts[2].upstream_name == "first");
}

TEST_CASE("the path after /v1 is appended to the endpoint's, the query is kept")
{
    struct Case
    {
        std::string endpoint_path;
        std::string asked;
        std::string sent;
    };
    const auto [endpoint_path, asked, sent] = GENERATE(values<Case>({
        {"", "/v1/files", "/v1/files"},
        {"/", "/v1/files", "/v1/files"},
        {"/v1", "/v1/files", "/v1/files"},
        {"/v1/", "/v1/models/gpt-4o", "/v1/models/gpt-4o"},
        {"/api/openai", "/v1/files?a=1&b=%20", "/api/openai/files?a=1&b=%20"},
        {"/v1", "/v1/files?", "/v1/files?"},
        {"/v1", "/v1/files/a%2Fb", "/v1/files/a%2Fb"},
        {"/v1", "/v1/files/..a", "/v1/files/..a"},
        {"/v1", "/v1/files?path=../x", "/v1/files?path=../x"},
    }));
    CAPTURE(endpoint_path, asked);
    Stage stage{{script::reply(200, json_headers, "{}")}};
    const std::string endpoint = "http://127.0.0.1:" + std::to_string(stage.first().port()) + endpoint_path;
    stage.change([&](auto& definitions) { definitions[0].endpoint = endpoint; });
    CHECK(stage.ask(get_request(asked)).status() == 200);
    CHECK(stage.first().requests().at(0).target() == sent);
    CHECK(stage.record().path == asked.substr(0, asked.find('?')));
    CHECK(stage.record().upstream_endpoint == endpoint);
}

TEST_CASE("a model's name that is too long is cut before it is judged, and evades no rule")
{
    const std::string model = "gpt-4o" + std::string(1u << 20, 'x');
    struct Case
    {
        std::vector<std::string> allow;
        std::vector<std::string> deny;
        unsigned status;
    };
    const auto rule = GENERATE(values<Case>({
        {{}, {}, 200},
        {{"gpt-*"}, {}, 200},
        {{"gpt-4o"}, {}, 404},
        {{}, {"gpt-*"}, 404},
        {{}, {"*-mini"}, 404},
        {{}, {"gpt-4o"}, 200},
    }));
    Stage stage{{script::chat_reply("hello")}};
    stage.change([&](auto& definitions) {
        definitions[0].allow = rule.allow;
        definitions[0].deny = rule.deny;
        definitions[0].rename = {{model.substr(0, 1024), "other"}};
    });
    CHECK(stage.ask(chat_request(model)).status() == rule.status);
    CHECK(stage.record().model == model.substr(0, 1024));
    if (rule.status == 200)
        CHECK(stage.first().requests().at(0).body().find(model) != std::string::npos);
}

}  // namespace route::test
