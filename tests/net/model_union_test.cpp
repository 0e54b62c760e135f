#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <future>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"
#include "tests/support/compression.hpp"

// GET /v1/models: what all upstreams list, asked at once, as one list.

namespace route::test {

namespace {

std::string list_of(const std::vector<std::string>& names)
{
    std::string data;
    for (const auto& name : names)
        data += (data.empty() ? "" : ",") + (R"({"id":")" + name + R"("})");
    return R"({"object":"list","data":[)" + data + "]}";
}

std::string list_reply(const std::vector<std::string>& names)
{
    return reply_text(200, json_headers, list_of(names));
}

Script lists_models(const std::vector<std::string>& names)
{
    return script::reply(200, json_headers, list_of(names));
}

/// Ids of the answer, which must be a list.
std::string listed_in(const Reply& reply)
{
    CHECK(reply.status() == 200);
    CHECK(reply.header("content-type") == "application/json");
    const auto list = boost::json::parse(reply.body()).as_object();
    CHECK(list.at("object") == "list");
    std::string all;
    for (const auto& model : list.at("data").as_array())
        all += (all.empty() ? "" : " ") + std::string{model.as_object().at("id").as_string()};
    return all;
}

const std::string asks = get_request("/v1/models");

}  // namespace

TEST_CASE("the models of all upstreams are one list, asked at once, each id once, in order")
{
    // Each answers only when both have been asked.
    const auto held = [](const std::vector<std::string>& names) {
        return Script{step::read_request(), step::hold("both"), step::send(list_reply(names)), step::again()};
    };
    Stage stage{{held({"b", "a"}), held({"a", "c"})}};
    const auto client = stage.connect();
    client->send(asks);
    stage.run_until(
        [&] { return stage.first().requests().size() == 1 && stage.second().requests().size() == 1; });
    stage.second().release("both");
    stage.first().release("both");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(listed_in(client->replies()[0]) == "b a c");
    CHECK(client->replies()[0].header("x-route-attempts") == "2");
    CHECK(client->replies()[0].header("x-route-upstream").empty());
    const auto& record = stage.record();
    CHECK(record.outcome == RequestOutcome::ok);
    CHECK(record.status == 200);
    CHECK(record.attempts.size() == 2);
    CHECK(record.attempts.at(0).upstream_name == "first");
    CHECK(record.attempts.at(1).number == 2);
    CHECK(record.response == client->replies()[0].body());
    CHECK(stage.first().requests().at(0).header("authorization") == "Bearer sk-upstream-1");
}

TEST_CASE("a list is kept until something about the upstreams changes")
{
    Stage stage{{lists_models({"a"}), lists_models({"b"})}};
    CHECK(listed_in(stage.ask(asks)) == "a b");
    CHECK(listed_in(stage.ask(asks)) == "a b");
    CHECK(stage.first().requests().size() == 1);
    CHECK(stage.record(1).attempts.empty());
    CHECK(stage.record(1).outcome == RequestOutcome::ok);
    stage.change([](auto& definitions) { definitions[1].deny = {"b"}; });
    CHECK(listed_in(stage.ask(asks)) == "a");
    CHECK(stage.first().requests().size() == 2);
}

TEST_CASE("clients that ask at once wait for one list")
{
    const Script slow{step::read_request(), step::hold("slow"), step::send(list_reply({"a"})), step::again()};
    Stage stage{{slow}};
    const auto first = stage.connect();
    first->send(asks);
    stage.run_until([&] { return stage.first().requests().size() == 1; });
    const auto second = stage.connect();
    second->send(asks);
    stage.settle();
    stage.first().release("slow");
    stage.run_until([&] { return first->replies().size() == 1 && second->replies().size() == 1; });
    CHECK(listed_in(first->replies()[0]) == "a");
    CHECK(listed_in(second->replies()[0]) == "a");
    CHECK(stage.first().requests().size() == 1);
}

TEST_CASE("who waits for the list that another asks for asks itself when that one leaves")
{
    const Script slow{step::read_request(), step::hold("slow"), step::send(list_reply({"a"})), step::again()};
    Stage stage{{slow}};
    const auto first = stage.connect();
    first->send(asks);
    stage.run_until([&] { return stage.first().requests().size() == 1; });
    const auto second = stage.connect();
    second->send(asks);
    stage.settle();
    first->close();
    stage.run_until([&] { return stage.first().requests().size() == 2; });
    stage.first().release("slow");
    stage.run_until([&] { return second->replies().size() == 1; });
    CHECK(listed_in(second->replies()[0]) == "a");
    CHECK(stage.first().requests().size() == 2);
}

TEST_CASE("what a client asks for with a query or a key of its own is nobody else's list")
{
    Stage stage{{lists_models({"a"})}};
    const bool own_key = GENERATE(false, true);
    if (own_key)
        stage.change([](auto& definitions) { definitions[0].sk = "asis"; });
    const auto request = own_key ? asks : get_request("/v1/models?limit=5");
    CHECK(listed_in(stage.ask(request)) == "a");
    CHECK(listed_in(stage.ask(request)) == "a");
    CHECK(stage.first().requests().size() == 2);
    CHECK(stage.first().requests().at(0).target() == (own_key ? "/v1/models" : "/v1/models?limit=5"));
}

TEST_CASE("clients of Anthropic and of OpenAI have lists of their own")
{
    Stage stage{{lists_models({"a"})}};
    CHECK(listed_in(stage.ask(asks)) == "a");
    CHECK(listed_in(stage.ask(get_request("/v1/models", "anthropic-version: 2023-06-01\r\n"))) == "a");
    CHECK(stage.first().requests().size() == 2);
    CHECK(stage.first().requests().at(1).header("anthropic-version") == "2023-06-01");
}

TEST_CASE("an upstream that fails is left out, and its failure is noted")
{
    const auto failing = GENERATE(as<std::string>{}, "500", "reset", "no list", "no JSON");
    CAPTURE(failing);
    Script script = script::reset_after_request();
    if (failing == "500")
        script = script::reply(500, json_headers, upstream_error("out of order"));
    else if (failing == "no list")
        script = script::chat_reply("hello");
    else if (failing == "no JSON")
        script = script::reply(200, json_headers, "{");
    Stage stage{{std::move(script), lists_models({"a"})}};
    CHECK(listed_in(stage.ask(asks)) == "a");
    const auto& record = stage.record();
    CHECK(record.outcome == RequestOutcome::ok);
    CHECK(record.attempts.at(0).upstream_name == "first");
    CHECK(record.attempts.at(0).outcome != AttemptOutcome::ok);
    CHECK_FALSE(record.attempts.at(0).error.empty());
    CHECK(record.attempts.at(1).outcome == AttemptOutcome::ok);
    CHECK(record.asked_together);
}

TEST_CASE("an upstream without such a page stands with the exact names of its allow")
{
    const auto status = GENERATE(404u, 405u, 501u);
    Stage stage{{script::reply(status, json_headers, "{}"), lists_models({"a"})}};
    stage.change([](auto& definitions) { definitions[0].allow = {"own-model", "gpt-*"}; });
    CHECK(listed_in(stage.ask(asks)) == "own-model a");
}

TEST_CASE("an upstream whose endpoint has a place for the model is not asked, and stands with its names")
{
    Stage stage{{lists_models({"x"}), lists_models({"a"})}};
    stage.change([](auto& definitions) {
        definitions[0].endpoint += "/deployments/{model}";
        definitions[0].allow = {"deployed"};
    });
    CHECK(listed_in(stage.ask(asks)) == "deployed a");
    CHECK(stage.first().requests().empty());
}

TEST_CASE("models are listed under the names that clients use")
{
    Stage stage{{lists_models({"gpt-4o", "gpt-4o-mini"})}};
    stage.change([](auto& definitions) {
        definitions[0].allow = {"fast"};
        definitions[0].rename = {{"fast", "gpt-4o-mini"}};
    });
    CHECK(listed_in(stage.ask(asks)) == "fast");
}

TEST_CASE("when all fail the client gets the last response, or learns why there is none")
{
    Stage stage{
        {script::reset_after_request(), script::reply(500, json_headers, upstream_error("out of order"))}};
    const Reply reply = stage.ask(asks);
    CHECK(reply.status() == 500);
    CHECK(reply.body() == upstream_error("out of order"));
    CHECK(stage.record().outcome == RequestOutcome::upstream_error);

    Stage silent{{script::reset_after_request(), script::reset_after_request()}};
    const Reply none = silent.ask(asks);
    CHECK(none.status() == 502);
    CHECK_THAT(error_of(none).message, ContainsSubstring("first: ") && ContainsSubstring("second: "));
}

TEST_CASE("without an upstream there is no list, and where none may be asked it is empty")
{
    Stage stage{{lists_models({"a"})}};
    stage.change([](auto& definitions) { definitions[0].deny = {"/v1/models"}; });
    CHECK(listed_in(stage.ask(asks)).empty());
    CHECK(stage.first().requests().empty());
    stage.change([](auto& definitions) { definitions[0].enabled = false; });
    const Reply reply = stage.ask(asks);
    CHECK(reply.status() == 503);
    CHECK(error_of(reply).code == "no_upstream");
}

TEST_CASE("a client that leaves cancels all that are asked")
{
    const Script silent{step::read_request(), step::wait_for_close()};
    Stage stage{{silent, silent}};
    const auto client = stage.connect();
    client->send(asks);
    stage.run_until(
        [&] { return stage.first().requests().size() == 1 && stage.second().requests().size() == 1; });
    client->close();
    stage.run_until([&] { return stage.first().closed_by_peer() && stage.second().closed_by_peer(); });
    const auto& record = stage.record();
    CHECK(record.outcome == RequestOutcome::client_closed);
    CHECK(record.attempts.size() == 2);
    CHECK(record.attempts.at(1).outcome == AttemptOutcome::client_closed);
}

TEST_CASE("a client that leaves while a long list is read off the loop does no harm")
{
    std::vector<std::string> names;
    for (int i = 0; i < 5000; ++i)
        names.push_back("a-model-with-a-rather-long-name-" + std::to_string(i));
    Stage stage{{lists_models(names), lists_models({"b"})}};
    std::promise<void> go_on;
    auto held = go_on.get_future().share();
    auto& pool = stage.router().services().bodies;
    std::atomic<int> holding{0};
    for (int i = 0; i < 2; ++i)
        boost::asio::post(pool, [&holding, held] {
            ++holding;
            held.wait();
        });
    const auto client = stage.connect();
    client->send(asks);
    stage.run_until([&] {
        return holding == 2 && stage.first().requests().size() == 1 && stage.second().requests().size() == 1;
    });
    stage.settle();  // the list waits for the pool
    client->close();
    stage.settle();
    go_on.set_value();
    const auto& record = stage.record();
    CHECK(record.outcome == RequestOutcome::client_closed);
    CHECK(stage.ask(get_request("/v1/files")).header("x-route-upstream") == "first");
}

TEST_CASE("an upstream that does not answer in time is left out")
{
    Settings settings = patient_settings();
    settings.failover.total = Seconds{0.3};
    Stage stage{{Script{step::read_request(), step::wait_for_close()}, lists_models({"a"})}, settings};
    CHECK(listed_in(stage.ask(asks)) == "a");
    CHECK(stage.record().attempts.at(0).outcome == AttemptOutcome::timeout);
}

TEST_CASE("a list says nothing of how its upstream answers otherwise")
{
    Settings settings = patient_settings();
    settings.failover.cooldown_after = 1;
    Stage stage{{Script{step::read_request(), step::send(list_reply({"a"})), step::read_request(),
                        step::send(reply_text(500, json_headers, upstream_error("out of order"))),
                        step::read_request(), step::send(list_reply({"a"})), step::again()},
                 script::chat_reply("hello")},
                settings};
    // The second has no list, and is asked all the same.
    CHECK(listed_in(stage.ask(asks)) == "a");
    CHECK(stage.ask(chat_request()).header("x-route-attempts") == "2");
    // The first has a list, and rests all the same.
    CHECK(listed_in(stage.ask(get_request("/v1/models?again"))) == "a");
    const Reply reply = stage.ask(chat_request());
    CHECK(reply.header("x-route-upstream") == "second");
    CHECK(reply.header("x-route-attempts") == "1");
}

TEST_CASE("an upstream that has listed its models takes further requests while others are waited for")
{
    const Script slow{step::read_request(), step::hold("slow"), step::send(list_reply({"b"})), step::again()};
    Stage stage{{lists_models({"a"}), slow}};
    stage.change([](auto& definitions) { definitions[0].max_in_flight = 1; });
    const auto client = stage.connect();
    client->send(asks);
    stage.run_until([&] { return stage.second().requests().size() == 1; });
    stage.run_until([&] { return stage.router().routing().upstreams.at(0)->in_flight->count() == 0; });
    CHECK(client->replies().empty());
    stage.second().release("slow");
    stage.run_until([&] { return client->replies().size() == 1; });
    CHECK(listed_in(client->replies()[0]) == "a b");
}

TEST_CASE("what one client sends does not shape the list that others get")
{
    Stage stage{{lists_models({"a"})}};
    const auto request = request_text("GET", "/v1/models",
                                      bearer() +
                                          "OpenAI-Organization: of-one\r\nIf-None-Match: \"x\"\r\n"
                                          "Range: bytes=0-1\r\nanthropic-version: nonsense\r\n",
                                      "a body");
    CHECK(listed_in(stage.ask(request)) == "a");
    const auto& sent = stage.first().requests().at(0);
    CHECK(sent.header("authorization").empty());
    CHECK(sent.header("x-api-key") == "sk-upstream-1");
    CHECK(sent.header("anthropic-version") == "2023-06-01");
    for (const auto* name : {"openai-organization", "if-none-match", "range", "content-length"})
        CHECK_FALSE(sent.has(name));
    CHECK(sent.body().empty());
}

TEST_CASE("a list that was compressed although nobody asked for that is read")
{
    Headers headers = json_headers;
    headers.emplace_back("Content-Encoding", "gzip");
    Stage stage{{script::reply(200, headers, compressed(Format::gzip, list_of({"a"}))), lists_models({"b"})}};
    CHECK(listed_in(stage.ask(asks)) == "a b");
}

TEST_CASE("a list that is too long is left out")
{
    std::string data(5u << 20, ' ');
    Stage stage{{script::reply(200, json_headers, "[" + data + "]"), lists_models({"b"})}};
    CHECK(listed_in(stage.ask(asks)) == "b");
    CHECK_THAT(stage.record().attempts.at(0).error, ContainsSubstring("more than 4 MiB"));
}

TEST_CASE("a long list is read whole, also without a length")
{
    std::vector<std::string> names;
    for (int i = 0; i < 19'999; ++i)
        names.push_back("a-model-with-a-rather-long-name-indeed-" + std::to_string(i));
    const auto text = list_of(names);
    REQUIRE(text.size() > (1u << 20));
    const bool chunked = GENERATE(false, true);
    const auto reply = chunked
                           ? chunked_reply(200, json_headers, {text.substr(0, 500'000), text.substr(500'000)})
                           : reply_text(200, json_headers, text);
    Stage stage{{{step::read_request(), step::send(reply)}, lists_models({"last"})}};
    const auto listed = listed_in(stage.ask(asks));
    CHECK(listed.ends_with("-19998 last"));
}

TEST_CASE("the reply of the first upstream is relayed where the settings say so")
{
    Settings settings = patient_settings();
    settings.models.list = ModelListing::of_first;
    Stage stage{{lists_models({"a"}), lists_models({"b"})}, settings};
    const Reply reply = stage.ask(asks);
    CHECK(reply.body() == list_of({"a"}));
    CHECK(reply.header("x-route-upstream") == "first");
}

TEST_CASE("HEAD and an upgrade are no question for the list")
{
    Stage stage{{script::reply(200, json_headers, list_of({"a"})), lists_models({"b"})}};
    CHECK(stage.ask_head(request_text("HEAD", "/v1/models", bearer())).header("x-route-upstream") == "first");
    CHECK(stage.second().requests().empty());
}

TEST_CASE("one model's page is asked of the first upstream that may be asked for it, as that calls it")
{
    Stage stage{{script::reply(200, json_headers, R"({"id":"x"})"), script::reply(200, json_headers, "{}")}};
    stage.change([](auto& definitions) {
        definitions[0].allow = {"claude-*"};
        definitions[1].rename = {{"fast", "openai/gpt 4o"}};
    });
    CHECK(stage.ask(get_request("/v1/models/claude-1")).header("x-route-upstream") == "first");
    CHECK(stage.ask(get_request("/v1/models/gpt-4o")).header("x-route-upstream") == "second");
    CHECK(stage.ask(get_request("/v1/models/fast")).status() == 200);
    CHECK(stage.second().requests().at(0).target() == "/v1/models/gpt-4o");
    CHECK(stage.second().requests().at(1).target() == "/v1/models/openai/gpt%204o");
    stage.change([](auto& definitions) { definitions[1].deny = {"*"}; });
    const Reply reply = stage.ask(get_request("/v1/models/gpt-4o"));
    CHECK(reply.status() == 404);
    CHECK(error_of(reply).message == "no upstream allows the model of this path");
}

}  // namespace route::test
