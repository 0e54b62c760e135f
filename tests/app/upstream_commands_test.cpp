#include <boost/json.hpp>

#include "tests/app/command_line.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

const std::string sk = "sk-abcdefghijklmnop9xYz";

TEST_CASE("an upstream is added, listed and shown, its key masked")
{
    CommandLine line;
    CHECK(line.ok({"upstream",  "add",        "--sk",
                   sk,          "--endpoint", "https://a.example/v1",
                   "--name",    "a",          "--priority",
                   "2",         "--weight",   "3",
                   "--timeout", "7",          "--stream-timeout",
                   "1.5",       "--allow",    "gpt-*",
                   "/v1/files", "--deny",     "gpt-3*",
                   "--rename",  "x=y",        "u=v=w",
                   "--disabled"}) == "added upstream 1: a\n");
    UpstreamDefinition expected;
    expected.id = 1;
    expected.name = "a";
    expected.sk = sk;
    expected.endpoint = "https://a.example/v1";
    expected.priority = 2;
    expected.weight = 3;
    expected.timeout = Seconds{7};
    expected.stream_timeout = Seconds{1.5};
    expected.allow = {"gpt-*", "/v1/files"};
    expected.deny = {"gpt-3*"};
    expected.rename = {{"x", "y"}, {"u", "v=w"}};
    expected.enabled = false;
    CHECK(line.database().upstreams() == std::vector{expected});

    CHECK(line.ok({"upstream", "add", "--sk", "asis"}) == "added upstream 2: upstream-2\n");
    CHECK(line.ok({"upstream", "list"}) ==
          "ID  NAME        ENDPOINT                   KEY        PRIORITY  WEIGHT  TIMEOUT  STREAM  STATE\n"
          " 2  upstream-2  https://api.openai.com/v1  asis              0       1                   enabled\n"
          " 1  a           https://a.example/v1       sk-a…9xYz         2       3        7     1.5  "
          "disabled\n");
    for (const char* id : {"1", "a"}) {
        const auto shown = line.ok({"upstream", "show", id});
        CHECK_THAT(shown, ContainsSubstring("sk-a…9xYz") && ContainsSubstring("gpt-* /v1/files"));
        CHECK_THAT(shown, ContainsSubstring("u=v=w x=y"));
        CHECK(shown.find(sk) == std::string::npos);
    }
}

TEST_CASE("upstreams as JSON")
{
    CommandLine line;
    line.ok({"upstream", "add", "--sk", sk, "--name", "a", "--timeout", "7", "--allow", "m"});
    const auto list = boost::json::parse(line.ok({"upstream", "list", "--json"})).as_array();
    REQUIRE(list.size() == 1);
    const auto& upstream = list[0].as_object();
    CHECK(upstream.at("id").as_int64() == 1);
    CHECK(upstream.at("name").as_string() == "a");
    CHECK(upstream.at("source").as_string() == "database");
    CHECK(upstream.at("sk").as_string() == "sk-a…9xYz");
    CHECK(upstream.at("timeout").as_int64() == 7);
    CHECK(upstream.at("stream_timeout").is_null());
    CHECK(upstream.at("allow").as_array().size() == 1);
    CHECK(upstream.at("enabled").as_bool());
    CHECK(boost::json::parse(line.ok({"upstream", "show", "a", "--json"})) == list[0]);
    line.ok({"upstream", "set", "a", "--timeout", "0.25", "--stream-timeout", "1200.5"});
    for (const char* command : {"list", "show"}) {
        std::vector<std::string> words{"upstream", command, "--json"};
        if (command == std::string_view{"show"})
            words.push_back("a");
        CHECK_THAT(line.ok(words), ContainsSubstring(R"("timeout":0.25,"stream_timeout":1200.5,)"));
    }
}

TEST_CASE("set changes only what is named")
{
    CommandLine line;
    line.ok({"upstream", "add", "--sk", sk, "--name", "a", "--timeout", "7", "--allow", "m", "n", "--rename",
             "x=y"});
    const auto before = line.database().upstreams().at(0);
    auto after = before;
    const auto set = [&](std::vector<std::string> arguments, const std::string& input = "") {
        arguments.insert(arguments.begin(), {"upstream", "set"});
        line.ok(arguments, input);
        return line.database().upstreams().at(0);
    };
    after.priority = -3;
    CHECK(set({"a", "--priority", "-3"}) == after);
    after.allow = {"z"};
    CHECK(set({"1", "--allow", "z"}) == after);
    after.deny = {"p", "q"};
    CHECK(set({"--deny", "p", "q", "1"}) == after);
    after.allow.clear();
    CHECK(set({"1", "--allow"}) == after);
    after.deny.clear();
    CHECK(set({"1", "--deny", ""}) == after);
    after.rename.clear();
    CHECK(set({"--rename", "--", "1"}) == after);
    after.timeout.reset();
    CHECK(set({"1", "--timeout", "0"}) == after);
    after.endpoint = "http://b:1";
    CHECK(set({"1", "--endpoint=http://b:1"}) == after);
    after.sk = "sk-new-0123456789abcdef";
    CHECK(set({"1", "--sk", "-"}, "sk-new-0123456789abcdef\n") == after);
    after.enabled = false;
    CHECK(set({"1", "--disabled"}) == after);
    after.name = "b";
    CHECK(set({"a", "--name", "b"}) == after);
    after.name.clear();
    CHECK(set({"b", "--name", ""}) == after);
    CHECK_THAT(line.ok({"upstream", "set", "1"}), ContainsSubstring("nothing changes"));
}

TEST_CASE("upstreams are enabled, disabled and removed by number or name")
{
    CommandLine line;
    line.ok({"upstream", "add", "--sk", sk, "--name", "a"});
    CHECK(line.ok({"upstream", "disable", "a"}) == "disabled upstream 1: a\n");
    CHECK_FALSE(line.database().upstreams().at(0).enabled);
    CHECK(line.ok({"upstream", "enable", "1"}) == "enabled upstream 1: a\n");
    CHECK(line.database().upstreams().at(0).enabled);
    CHECK(line.ok({"upstream", "remove", "a"}) == "removed upstream 1: a\n");
    CHECK(line.database().upstreams().empty());
    for (const char* command : {"show", "set", "enable", "disable", "remove"}) {
        const auto done = line({"upstream", command, "a"});
        CHECK(done.code == 1);
        CHECK(done.err == "openai-api-route: there is no upstream a\n");
    }
}

TEST_CASE("the key comes from standard input, one newline less")
{
    CommandLine line;
    struct Row
    {
        std::string input;
        std::string stored;
    };
    const Row row = GENERATE_COPY(
        values<Row>({{sk, sk}, {sk + "\n", sk}, {sk + "\r\n", sk}, {"env:X_KEY\n", "env:X_KEY"}}));
    CHECK(line({"upstream", "add", "--sk", "-"}, row.input).code == 0);
    CHECK(line.database().upstreams().at(0).sk == row.stored);
}

TEST_CASE("what is no key on standard input is refused")
{
    CommandLine line;
    const std::string input = GENERATE(values<std::string>({"", "\n", "a\nb\n", "a b", "a\n\n"}));
    const auto done = line({"upstream", "add", "--sk", "-"}, input);
    CHECK(done.code == 1);
    CHECK(done.err.starts_with("openai-api-route: "));
    CHECK(line.database().upstreams().empty());
}

TEST_CASE("references are stored as such, with a warning when routers may not resolve them")
{
    const Variable variable{"ROUTE_TEST_SK", "sk-resolved"};
    CommandLine line;
    const auto refused = line({"upstream", "add", "--sk", "env:ROUTE_TEST_SK"});
    CHECK(refused.code == 0);
    CHECK(refused.out == "added upstream 1: upstream-1\n");
    CHECK(refused.err ==
          "openai-api-route: warning: routers will not use this upstream until its key resolves: environment "
          "variable "
          "ROUTE_TEST_SK may not be read: add it to secrets.env (in this shell's environment)\n");
    CHECK(line.database().upstreams().at(0).sk == "env:ROUTE_TEST_SK");
    CHECK_THAT(line({"upstream", "add", "--sk", "file:/etc/hostname"}).err,
               ContainsSubstring("secrets.directory"));
    line.configure("[secrets]\nenv = [\"ROUTE_TEST_SK\"]\n");
    CHECK(line.ok({"upstream", "set", "1", "--sk", "env:ROUTE_TEST_SK", "--priority", "1"})
              .starts_with("changed"));
    CHECK_THAT(line.ok({"upstream", "list"}), ContainsSubstring("env:ROUTE_TEST_SK"));
}

TEST_CASE("an upstream whose secret does not resolve is marked, and by whose environment")
{
    CommandLine line;
    line.database();
    line.configure(
        "[[upstreams]]\nname = \"a\"\nsk = \"env:ROUTE_TEST_UNSET\"\n"
        "[[upstreams]]\nname = \"b\"\nsk = \"asis\"\nproxy = \"env:ROUTE_TEST_UNSET\"\n"
        "[[upstreams]]\nname = \"c\"\nsk = \"env:ROUTE_TEST_UNSET\"\nenabled = false\n");
    const auto listed = line({"upstream", "list"}).out;
    CHECK_THAT(listed, ContainsSubstring("unusable: sk: environment variable ROUTE_TEST_UNSET is not set"));
    CHECK_THAT(listed,
               ContainsSubstring("unusable: proxy: environment variable ROUTE_TEST_UNSET is not set"));
    CHECK_THAT(listed, ContainsSubstring("disabled\n"));
    CHECK_THAT(listed, ContainsSubstring("answered with this shell's environment\n"));
    const auto json = boost::json::parse(line.ok({"upstream", "show", "a", "--json"}));
    CHECK(json.at("state").as_string() == "unusable: sk: environment variable ROUTE_TEST_UNSET is not set");
    CHECK(json.at("state_by").as_string() == "command");
}

TEST_CASE("an upstream that is there already, or is none, is refused")
{
    CommandLine line;
    line.configure("[[upstreams]]\nname = \"filed\"\nsk = \"asis\"\n");
    line.ok({"upstream", "add", "--sk", sk, "--name", "a"});
    line.ok({"upstream", "add", "--sk", "sk-two"});
    struct Row
    {
        std::vector<std::string> arguments;
        const char* reason;
    };
    const Row row = GENERATE_COPY(values<Row>({
        {{"add", "--sk", sk}, "upstream 1 (a) has this key and endpoint already"},
        {{"add", "--sk", "other", "--name", "a"}, "the name a is taken by upstream 1"},
        {{"add", "--sk", "other", "--name", "upstream-2"}, "the name upstream-2 is taken by upstream 2"},
        {{"add", "--sk", "other", "--name", "filed"}, "the name filed is taken by an upstream of /"},
        {{"set", "2", "--name", "a"}, "the name a is taken by upstream 1"},
        {{"set", "2", "--sk", sk}, "upstream 1 (a) has this key and endpoint already"},
        {{"add", "--sk", "other", "--name", "123"}, "name: "},
        {{"add", "--sk", "other", "--endpoint", "ftp://x"}, "endpoint: "},
        {{"add", "--sk", "other", "--endpoint", "https://h/v1/chat/completions"},
         "endpoint https://h/v1/chat/completions: use https://h/v1: the path of each request is appended"},
        {{"set", "2", "--endpoint", "https://h/v1/embeddings"},
         "endpoint https://h/v1/embeddings: use https://h/v1:"},
        {{"show", "b"}, "there is no upstream b; there are: filed, a, upstream-2"},
        {{"remove", "upstraem-2"}, "there is no upstream upstraem-2; did you mean upstream-2?"},
        {{"add", "--sk", ""}, "sk: "},
        {{"add", "--sk", "a b"}, "sk: "},
        {{"add", "--sk", "other", "--proxy", "socks5://p:1"},
         "proxy: expected http://[USER:PASSWORD@]HOST:PORT or direct"},
        {{"set", "filed", "--priority", "1"}, "upstream filed is changed only in /"},
        {{"remove", "filed"}, "upstream filed is changed only in /"},
        {{"disable", "filed"}, "upstream filed is changed only in /"},
    }));
    std::vector<std::string> arguments = row.arguments;
    arguments.insert(arguments.begin(), "upstream");
    const auto before = line.database().upstreams();
    const auto done = line(arguments);
    CHECK(done.code == 1);
    CHECK(done.out.empty());
    CHECK_THAT(done.err, ContainsSubstring("openai-api-route: " + std::string{row.reason}));
    CHECK(done.err.find('\n') == done.err.size() - 1);
    CHECK(done.err.find(sk) == std::string::npos);
    CHECK(line.database().upstreams() == before);
}

TEST_CASE("upstreams of the file are listed, too; that of the environment is none before a start stored it")
{
    CommandLine line;
    line.database();
    const Variable key{"OPENAI_API_KEY", "sk-of-the-environment-0123"};
    const Variable url{"OPENAI_BASE_URL", "http://localhost:9/v1"};
    line.configure("[[upstreams]]\nname = \"filed\"\nsk = \"" + sk + "\"\n");
    line.ok({"upstream", "add", "--sk", "sk-two-0123456789abc", "--priority", "-1"});
    const auto list = line.ok({"upstream", "list"});
    CHECK(list.find("OPENAI_API_KEY") == std::string::npos);
    CHECK(list.find("upstream-1") < list.find("filed"));
    CHECK_THAT(list, ContainsSubstring("file  filed") && ContainsSubstring("sk-a…9xYz"));
    CHECK_THAT(line.ok({"upstream", "show", "filed", "--json"}), ContainsSubstring("\"source\":\"file\""));
}

TEST_CASE("without a database the upstream of the environment is listed, and changed only there")
{
    CommandLine line;
    const Variable key{"OPENAI_API_KEY", "sk-of-the-environment-0123"};
    const Variable url{"OPENAI_BASE_URL", "http://localhost:9/v1"};
    line.configure("[storage]\nbackend = \"none\"\n[auth]\nenabled = false\n");
    CHECK_THAT(line.run({"upstream", "list", "--config", line.config_path()}).out,
               ContainsSubstring("env  openai  http://localhost:9/v1  env:OPENAI_API_KEY"));
    CHECK(line.run({"upstream", "set", "openai", "--priority", "1", "--config", line.config_path()}).code ==
          1);
}

TEST_CASE("a row that cannot be used says why")
{
    CommandLine line;
    auto database = line.database();
    database.connection().exec("INSERT INTO openai_upstreams (sk, endpoint) VALUES ('sk', 'ftp://x')");
    CHECK_THAT(line.ok({"upstream", "list"}), ContainsSubstring("invalid: endpoint"));
}

TEST_CASE("the secrets of an endpoint that cannot be used are not shown")
{
    CommandLine line;
    const std::string endpoint = GENERATE(values<std::string>(
        {"https://SECRET:SECRET@x/v1", "https://x/v1?key=SECRET", "https://a:b/SECRET@x"}));
    line.database().connection().exec("INSERT INTO openai_upstreams (sk, endpoint) VALUES ('sk', '" +
                                      endpoint + "')");
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"upstream", "list"},
                                               {"upstream", "list", "--json"},
                                               {"upstream", "show", "1"},
                                               {"upstream", "show", "1", "--json"},
                                               {"explain", "--model", "m"}}) {
        const auto text = line.ok(arguments);
        CHECK_THAT(text, ContainsSubstring("endpoint: expected"));
        CHECK(text.find("SECRET") == std::string::npos);
    }
}

TEST_CASE("a row whose lists are no JSON is listed, changed, switched and removed")
{
    CommandLine line;
    auto database = line.database();
    database.connection().exec(
        "INSERT INTO openai_upstreams (sk, endpoint, allow, rename) VALUES ('sk', 'http://x', 'gpt-4o', "
        "'[]')");
    const std::string reason = "allow: expected a JSON array of strings";
    const std::string warning = "openai-api-route: warning: routers skip this upstream: ";
    CHECK_THAT(line.ok({"upstream", "list"}), ContainsSubstring("invalid: " + reason));
    CHECK_THAT(line.ok({"upstream", "show", "upstream-1"}),
               ContainsSubstring("invalid: " + reason) && ContainsSubstring("gpt-4o"));
    const auto json = boost::json::parse(line.ok({"upstream", "show", "1", "--json"}));
    CHECK(json.at("allow").is_null());
    CHECK(json.at("rename").is_null());
    CHECK(json.at("deny").as_array().empty());
    CHECK(json.at("state").as_string() == "invalid: " + reason);
    CHECK_THAT(line.ok({"explain", "--model", "m"}), ContainsSubstring("unusable: " + reason));

    CHECK(line.ok({"upstream", "disable", "1"}) == "disabled upstream 1: upstream-1\n");
    CHECK_THAT(line.ok({"upstream", "list"}), ContainsSubstring("disabled, invalid: " + reason));
    CHECK(line({"upstream", "enable", "1"}).err == warning + reason + "\n");
    const auto renamed = line({"upstream", "set", "1", "--name", "a", "--priority", "3"});
    CHECK(renamed.code == 0);
    CHECK(renamed.err == warning + reason + "\n");
    const std::map<std::string, std::string> unreadable{{"allow", "gpt-4o"}, {"rename", "[]"}};
    CHECK(database.upstreams().at(0).unreadable == unreadable);
    const auto worse = line({"upstream", "set", "a", "--endpoint", "ftp://x"});
    CHECK(worse.code == 1);
    CHECK_THAT(worse.err, ContainsSubstring("endpoint: "));
    CHECK(line({"upstream", "set", "a", "--allow", "gpt-4o"}).err ==
          warning + "rename: expected a JSON object of strings\n");
    CHECK(line.ok({"upstream", "set", "a", "--rename", ""}) == "changed upstream 1: a\n");
    CHECK_THAT(line.ok({"upstream", "list"}), ContainsSubstring("enabled"));
    CHECK(line.ok({"upstream", "remove", "a"}) == "removed upstream 1: a\n");
}

TEST_CASE("the command lines of v0.3.0 work on upstreams")
{
    CommandLine line;
    CHECK(line.run({"-add", "-sk", sk, "-endpoint", "https://a.example", "-database", line.database_path()})
              .out == "added upstream 1: upstream-1\n");
    CHECK_THAT(line.run({"-list", "-database=" + line.database_path()}).out,
               ContainsSubstring("https://a.example"));
}

}  // namespace
}  // namespace route::tests
