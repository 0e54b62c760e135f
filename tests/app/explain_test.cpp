#include <boost/json.hpp>

#include "tests/app/command_line.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

TEST_CASE("explain says who would be tried, and why the others would not")
{
    CommandLine line;
    line.database();
    line.configure(
        "[[upstreams]]\nname = \"first\"\nsk = \"asis\"\nallow = [\"gpt-*\"]\nrename = { \"gpt-4\" = "
        "\"gpt-4o\" }\n"
        "[[upstreams]]\nname = \"second\"\nsk = \"asis\"\nallow = [\"claude-*\"]\n"
        "[[upstreams]]\nname = \"third\"\nsk = \"asis\"\nenabled = false\n"
        "[[upstreams]]\nname = \"fourth\"\nsk = \"asis\"\ndeny = [\"gpt-4\"]\n"
        "[[upstreams]]\nname = \"fifth\"\nsk = \"env:ROUTE_TEST_UNSET\"\n"
        "[[upstreams]]\nname = \"sixth\"\nsk = \"asis\"\npriority = -1\ntimeout = 9\n");
    const auto socket = (line.directory / "outbox.socket").string();
    CHECK(line.ok({"explain", "--model", "gpt-4", "--stream"}) ==
          "TRY  UPSTREAM  PRIORITY  MODEL   TIMEOUT  BY\n"
          "  1  sixth           -1  gpt-4       9 s  its own timeout\n"
          "  2  first            0  gpt-4o    120 s  timeouts.single, as the last one\n"
          "\n"
          "NOT TRIED  WHY\n"
          "second     no entry of allow matches gpt-4\n"
          "third      disabled\n"
          "fourth     deny matches gpt-4\n"
          "fifth      unusable: sk: environment variable ROUTE_TEST_UNSET is not set\n"
          "\n"
          "no router answers here (there is no socket " +
              socket + "): answered with this shell's environment\n");
    const auto json =
        boost::json::parse(line.ok({"explain", "--model", "gpt-4", "--json", "--body-bytes", "200000"}));
    CHECK(json.at("order").as_array().size() == 2);
    CHECK(json.at("order").as_array()[1].at("by").as_string() == "timeouts.single, as the last one");
    CHECK(json.at("order").as_array()[1].at("timeout").as_int64() == 120);
    CHECK(json.at("not_tried").as_array().size() == 4);
    CHECK(json.at("answered_by").as_string() == "command");
    CHECK(json.at("router").is_null());
}

TEST_CASE("explain names the rule of each timeout")
{
    struct Row
    {
        const char* upstream;
        std::vector<std::string> arguments;
        const char* expected;
    };
    const Row row = GENERATE(values<Row>({
        {"", {}, "120 s  timeouts.single"},
        {"", {"--stream", "--body-bytes", "200000"}, "120 s  timeouts.single"},
        {"timeout = 7\n", {"--stream"}, "7 s  its own timeout"},
        {"timeout = 7\nstream_timeout = 0.5\n", {"--stream"}, "0.5 s  its own stream_timeout"},
        {"timeout = 7\nstream_timeout = 0.5\n", {}, "7 s  its own timeout"},
    }));
    CommandLine line;
    line.database();
    line.configure(std::string{"[[upstreams]]\nsk = \"asis\"\n"} + row.upstream);
    std::vector<std::string> arguments{"explain", "--model", "m"};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    CHECK_THAT(line.ok(arguments), ContainsSubstring(row.expected));
}

TEST_CASE("explain says what is done beyond one try of each, and by which setting")
{
    CommandLine line;
    line.database();
    const std::string upstreams =
        "[[upstreams]]\nname = \"a\"\nsk = \"asis\"\n[[upstreams]]\nname = \"b\"\nsk = \"asis\"\n";
    line.configure(
        "[timeouts]\nfirst_content = 2.5\n[failover]\nretries = 2\nretry_wait = 1.5\nrounds = 3\n"
        "final_statuses = [400, 413]\ncommit = \"complete\"\nhedge_after = 0.5\nkeep_alive = 15\n" +
        upstreams);
    const auto rules = [&](const std::vector<std::string>& arguments) {
        return boost::json::parse(line.ok(arguments)).at("rules");
    };
    const boost::json::array always{
        "after a failure that may pass each is tried up to 3 times, with waits of up to 1.5 s "
        "(failover.retries, failover.retry_wait)",
        "while every failure may pass, the list is gone through up to 3 times (failover.rounds)",
        "when the first has brought no content after 0.5 s, the next is asked beside it "
        "(failover.hedge_after)",
        "400, 413: sent to the client at once (failover.final_statuses)"};
    CHECK(rules({"explain", "--model", "m", "--json"}) == always);
    auto of_stream = always;
    of_stream.push_back(
        "a stream without content 2.5 s after its headers fails over, but for the last one's "
        "(timeouts.first_content)");
    of_stream.push_back("a client that has received nothing for 15 s gets a comment (failover.keep_alive)");
    of_stream.push_back("a stream is sent once it is whole (failover.commit)");
    CHECK(rules({"explain", "--model", "m", "--stream", "--json"}) == of_stream);
    CHECK_THAT(line.ok({"explain", "--model", "m", "--stream"}),
               ContainsSubstring("\n\nafter a failure that may pass") &&
                   ContainsSubstring("\na stream is sent once it is whole (failover.commit)\n"));
    line.configure(upstreams);
    CHECK(rules({"explain", "--model", "m", "--stream", "--json"}) == boost::json::array{});
}

TEST_CASE("explain knows client keys without showing them")
{
    CommandLine line;
    line.configure("[auth]\nkeys = [{ name = \"alice\", key = \"sk-alice-0123456789\" }]\n");
    line.ok({"key", "add", "bob", "--value", "-"}, "sk-bob-0123456789");
    const auto said = [&](const std::string& key, const std::string& input = "") {
        const auto text = line.ok({"explain", "--model", "m", "--key", key}, input);
        CHECK(text.find("0123456789") == std::string::npos);
        return text.substr(0, text.find('\n'));
    };
    CHECK(said("alice") == "client key: alice (file)");
    CHECK(said("-", "sk-alice-0123456789\n") == "client key: alice (file)");
    CHECK(said("sk-bob-0123456789") == "client key: bob (database)");
    CHECK(said("eve") == "client key: unknown: the request is refused with 403");
    CHECK_THAT(line.ok({"explain", "--model", "m"}), ContainsSubstring("no upstream would be tried"));
}

TEST_CASE("explain resolves the database's references only where they may be")
{
    const Variable variable{"ROUTE_TEST_SK", "sk-resolved"};
    CommandLine line;
    CHECK(line({"upstream", "add", "--sk", "env:ROUTE_TEST_SK", "--name", "a"}).code == 0);
    CHECK_THAT(line.ok({"explain", "--model", "m"}), ContainsSubstring("add it to secrets.env"));
    line.configure("[secrets]\nenv = [\"ROUTE_TEST_SK\"]\n[failover]\norder = \"random\"\n");
    CHECK_THAT(line.ok({"explain", "--model", "m"}),
               ContainsSubstring("1  a") && ContainsSubstring("one draw"));
}

TEST_CASE("explain says what is an upstream's own")
{
    CommandLine line;
    line.database();
    line.configure(
        "[failover]\nretries = 1\nhedge_after = 9\n"
        "[[upstreams]]\nname = \"a\"\nsk = \"x\"\nretries = 3\nhedge_after = 0.25\nfirst_content_timeout = "
        "4\n"
        "max_in_flight = 2\nheaders = { \"X-Title\" = \"t\" }\nset = { store = false }\n"
        "[[upstreams]]\nname = \"b\"\nsk = \"x\"\nfirst_content_timeout = 5\n"
        "[[upstreams]]\nname = \"c\"\nsk = \"x\"\nendpoint = \"https://h/d/{model}\"\n"
        "rename = { m = \"..\" }\n");
    const auto json = boost::json::parse(line.ok({"explain", "--model", "m", "--stream", "--json"}));
    CHECK(json.at("order").at(0).at("first_content_timeout").as_int64() == 4);
    CHECK(json.at("order").at(1).at("first_content_timeout").as_int64() == 0);
    CHECK(json.at("rules") ==
          boost::json::array{
              "after a failure that may pass each is tried up to 2 times, with waits of up to 3 s "
              "(failover.retries, failover.retry_wait)",
              "when the first has brought no content after 0.25 s, the next is asked beside it (its own "
              "hedge_after)",
              "a: it is tried up to 4 times after failures that may pass (its own retries)",
              "a: a stream without content 4 s after its headers fails over (its own first_content_timeout)",
              "a: with 2 requests under way it is tried after the others (its own max_in_flight)",
              "a: it gets headers of its own (its own headers, key_header)",
              "a: members of a JSON body are changed (its own set, unset)"});
    CHECK(json.at("not_tried").at(0).at("reason").as_string() == "its endpoint cannot name that model");
}

}  // namespace
}  // namespace route::tests
