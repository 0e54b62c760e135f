#include <boost/json.hpp>

#include "tests/app/command_line.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

const std::string own_key = "sk-abcdefghijklmnop9xYz";

TEST_CASE("what an upstream needs is added, shown with its secrets masked, and changed by what is named")
{
    CommandLine line;
    line.ok({"upstream",
             "add",
             "--sk",
             own_key,
             "--name",
             "a",
             "--endpoint",
             "https://r.example/openai/deployments/{model}?api-version=1",
             "--retries",
             "0",
             "--first-content-timeout",
             "2.5",
             "--hedge-after",
             "0",
             "--max-in-flight",
             "8",
             "--header",
             "X-Title=a=b c",
             "X-Api-Key=secret-secret-secret",
             "User-Agent=",
             "--set",
             "store=false",
             R"(provider={"only":["x"]})",
             "--unset",
             "user",
             "--key-header",
             "api-key"});
    auto expected = line.database().upstreams().at(0);
    CHECK(expected.endpoint == "https://r.example/openai/deployments/{model}?api-version=1");
    CHECK(expected.retries == 0);
    CHECK(expected.first_content_timeout == Seconds{2.5});
    CHECK(expected.hedge_after == Seconds{0});
    CHECK(expected.max_in_flight == 8);
    const std::map<std::string, std::string> headers{
        {"X-Title", "a=b c"}, {"X-Api-Key", "secret-secret-secret"}, {"User-Agent", ""}};
    CHECK(expected.headers == headers);
    const std::map<std::string, std::string> members{{"store", "false"}, {"provider", R"({"only":["x"]})"}};
    CHECK(expected.set == members);
    CHECK(expected.unset == std::vector<std::string>{"user"});
    CHECK(expected.key_header == "api-key");

    const auto shown = line.ok({"upstream", "show", "a"});
    CHECK_THAT(shown, ContainsSubstring("User-Agent= X-Api-Key=secr…cret X-Title=a=b c"));
    CHECK_THAT(shown, ContainsSubstring(R"(provider={"only":["x"]} store=false)"));
    CHECK(shown.find("secret-secret") == std::string::npos);
    const auto json = boost::json::parse(line.ok({"upstream", "show", "a", "--json"}));
    CHECK(json.at("retries").as_int64() == 0);
    CHECK(json.at("first_content_timeout").as_double() == 2.5);
    CHECK(json.at("hedge_after").as_int64() == 0);
    CHECK(json.at("max_in_flight").as_int64() == 8);
    CHECK(json.at("headers") ==
          boost::json::parse(R"({"User-Agent":null,"X-Api-Key":"secr…cret","X-Title":"a=b c"})"));
    CHECK(json.at("set") == boost::json::parse(R"({"store":false,"provider":{"only":["x"]}})"));
    CHECK(json.at("unset") == boost::json::array{"user"});
    CHECK(json.at("key_header").as_string() == "api-key");

    line.ok({"upstream", "set", "a", "--priority", "1"});
    expected.priority = 1;
    CHECK(line.database().upstreams().at(0) == expected);
    line.ok({"upstream", "set", "a", "--retries", "", "--first-content-timeout", "", "--hedge-after", "1.5",
             "--max-in-flight", "0", "--header", "--set", "", "--unset", "b", "c", "--key-header", ""});
    expected.retries.reset();
    expected.first_content_timeout.reset();
    expected.hedge_after = Seconds{1.5};
    expected.max_in_flight = 0;
    expected.headers.clear();
    expected.set.clear();
    expected.unset = {"b", "c"};
    expected.key_header.clear();
    CHECK(line.database().upstreams().at(0) == expected);
}

TEST_CASE("what an upstream cannot need is refused on the command line, with what was expected")
{
    CommandLine line;
    struct Row
    {
        std::vector<std::string> arguments;
        int code;
        const char* reason;
    };
    const Row row = GENERATE(values<Row>({
        {{"--retries", "x"}, 2, "expected a whole number from 0 to 100 or ''"},
        {{"--hedge-after", "-1"}, 2, "expected a number of seconds, 0 or more or ''"},
        {{"--max-in-flight", ""}, 2, "expected a whole number"},
        {{"--header", "X-Title"}, 2, "--headers: expected NAME=VALUE, or NAME= to withhold it"},
        {{"--set", "effort"}, 2, "--set: expected NAME=JSON"},
        {{"--set", "effort=high"}, 1, R"(set: effort: expected JSON, such as 0.5, true or "text")"},
        {{"--header", "Host=x"}, 1, "headers: expected another header than Host"},
        {{"--header", "X=a\nb"}, 1, "headers: X: expected a value without control characters"},
        {{"--key-header", "a b"}, 1, "key_header: expected the name of a header"},
        {{"--unset", "model"}, 1, "unset: expected another member than model"},
        {{"--endpoint", "https://h/{model}/{model}"}, 1, "endpoint: expected {model} only once"},
        {{"--endpoint", "https://h/v1?token=x"}, 1, "endpoint: expected a URL without a key in its query"},
        {{"--endpoint", "https://h/d/{model}/chat/completions?v=1"}, 1, "use https://h/d/{model}?v=1:"},
    }));
    std::vector<std::string> arguments{"upstream", "add", "--sk", own_key};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    const auto done = line(arguments);
    CHECK(done.code == row.code);
    CHECK_THAT(done.err, ContainsSubstring(row.reason));
}

TEST_CASE("a header whose reference routers may not resolve is stored with a warning")
{
    CommandLine line;
    const auto done = line({"upstream", "add", "--sk", own_key, "--header", "X-Org=env:ROUTE_TEST_ORG"});
    CHECK(done.code == 0);
    CHECK_THAT(done.err, ContainsSubstring("until its header resolves: environment variable ROUTE_TEST_ORG"));
    CHECK_THAT(line.ok({"upstream", "show", "1"}), ContainsSubstring("X-Org=env:ROUTE_TEST_ORG"));
    CHECK_THAT(line.ok({"upstream", "list"}), ContainsSubstring("unusable: headers: X-Org: "));
}

}  // namespace
}  // namespace route::tests
