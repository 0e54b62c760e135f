#include "tests/app/command_line.hpp"

#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

TEST_CASE("serve gets what the command line says, with or without its name")
{
    CommandLine line;
    line.serve_code = 7;
    CHECK(line.run({}).code == 7);
    REQUIRE(line.served);
    CHECK_FALSE(line.served->config);
    CHECK_FALSE(line.served->database);
    CHECK_FALSE(line.served->listen);
    CHECK_FALSE(line.served->noauth);
    CHECK_FALSE(line.served->handover);

    const std::vector<std::string> arguments = GENERATE(
        values<std::vector<std::string>>({{"-addr", "[::1]:1", "-noauth", "-database", "d"},
                                          {"--addr=[::1]:1", "--noauth", "--database=d"},
                                          {"serve", "--addr", "[::1]:1", "--noauth", "--database", "d"},
                                          {"--database", "d", "serve", "--noauth", "--addr=[::1]:1"}}));
    line.served.reset();
    CHECK(line.run(arguments).code == 7);
    REQUIRE(line.served);
    CHECK(line.served->listen == "[::1]:1");
    CHECK(line.served->database == "d");
    CHECK(line.served->noauth);

    line.served.reset();
    CHECK(line.run({"--handover"}).code == 7);
    REQUIRE(line.served);
    CHECK(line.served->handover);
}

TEST_CASE("wrong usage ends with 2 and one line")
{
    CommandLine line;
    const std::vector<std::string> arguments = GENERATE(values<std::vector<std::string>>({
        {"no-such-command"},
        {"--no-such-option"},
        {"serve", "--no-such-option"},
        {"serve", "--addr", "nowhere"},
        {"serve", "extra"},
        {"upstream"},
        {"upstream", "no-such-command"},
        {"upstream", "add"},
        {"upstream", "add", "--priority", "high"},
        {"upstream", "add", "--sk", "k", "--timeout", "-1"},
        {"upstream", "add", "--sk", "k", "--rename", "a"},
        {"upstream", "show"},
        {"upstream", "enable", "a", "b"},
        {"key", "add"},
        {"key", "add", "a", "--value", "sk-secret"},
        {"record", "list", "--since", "yesterday"},
        {"record", "list", "--outcome", "good"},
        {"record", "list", "--status", "7"},
        {"record", "prune"},
        {"explain"},
        {"config"},
        {"-noauth=perhaps"},
        {"-sk", "sk-secret"},
        {"--sk=sk-secret", "-addr", ":1"},
        {"-sk", "sk-secret", "-add=false"},
        {"-endpoint", "https://a.example"},
    }));
    const auto done = line(arguments);
    INFO(done.err);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK(done.err.starts_with("openai-api-route: "));
    CHECK(done.err.find('\n') == done.err.size() - 1);
    CHECK(done.err.find("sk-secret") == std::string::npos);
}

TEST_CASE("a key without -add starts no server")
{
    CommandLine line;
    const auto done = line.run({"-sk", "sk-secret", "-endpoint", "https://a.example"});
    CHECK(done.code == 2);
    CHECK(done.err ==
          "openai-api-route: -sk is for adding an upstream: -add -sk KEY, or upstream add --sk KEY\n");
    CHECK_FALSE(line.served);
}

TEST_CASE("what is no number where one belongs is wrong usage, and said so")
{
    CommandLine line;
    struct Row
    {
        std::vector<std::string> arguments;
        const char* expected;
    };
    const std::string huge = "99999999999999999999";
    const Row row = GENERATE_COPY(values<Row>({
        {{"explain", "--model", "m", "--body-bytes", "-1"},
         "--body-bytes: expected a whole number, 0 or more"},
        {{"explain", "--model", "m", "--body-bytes=-1"}, "--body-bytes: expected a whole number, 0 or more"},
        {{"explain", "--model", "m", "--body-bytes", huge},
         "--body-bytes: expected a whole number, 0 or more"},
        {{"explain", "--model", "m", "--body-bytes", "1.5"}, "--body-bytes: "},
        {{"explain", "--model", "m", "--body-bytes", ""}, "--body-bytes: "},
        {{"record", "list", "--limit", "-1"}, "--limit: expected a whole number, 0 or more"},
        {{"record", "list", "--limit", "ten"}, "--limit: expected a whole number, 0 or more"},
        {{"record", "export", "--limit", "-1"}, "--limit: expected a whole number, 0 or more"},
        {{"record", "tail", "--no-follow", "--limit", "-1"}, "--limit: expected a whole number, 0 or more"},
        {{"record", "stats", "--status", "-200"}, "--status: expected a whole number from 100 to 999"},
        {{"record", "list", "--status", "0x10"}, "--status: expected a whole number from 100 to 999"},
        {{"upstream", "add", "--sk", "k", "--weight", "-1"},
         "--weight: expected a whole number from 0 to 1000000"},
        {{"upstream", "add", "--sk", "k", "--weight", "4294967297"}, "--weight: expected a whole number"},
        {{"upstream", "set", "1", "--priority", "1e3"},
         "--priority: expected a whole number from -1000000 to 1000000"},
        {{"upstream", "add", "--sk", "k", "--timeout", "-1"},
         "--timeout: expected a number of seconds, 0 or more"},
        {{"upstream", "add", "--sk", "k", "--timeout", "nan"}, "--timeout: expected a number of seconds"},
        {{"upstream", "add", "--sk", "k", "--timeout", "inf"}, "--timeout: expected a number of seconds"},
        {{"upstream", "add", "--sk", "k", "--stream-timeout", "1e9"}, "--stream-timeout: expected a number"},
        {{"upstream", "add", "--sk", "k", "--stream-timeout", "5s"}, "--stream-timeout: expected a number"},
    }));
    const auto done = line(row.arguments);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK(done.err.starts_with(std::string{"openai-api-route: "} + row.expected));
    CHECK(done.err.find('\n') == done.err.size() - 1);
}

TEST_CASE("numbers are decimal")
{
    CommandLine line;
    line.ok({"upstream", "add", "--sk", "k", "--priority", "010", "--weight=0", "--timeout", "0.5"});
    const auto upstream = line.database().upstreams().at(0);
    CHECK(upstream.priority == 10);
    CHECK(upstream.weight == 0);
    CHECK(upstream.timeout == Seconds{0.5});
}

TEST_CASE("an argument too many may be a key: it is not repeated")
{
    CommandLine line;
    const auto done = line({"upstream", "list", "sk-0123456789abcdefghij"});
    CHECK(done.code == 2);
    CHECK(done.err ==
          "openai-api-route: unexpected argument sk-0…ghij. See: openai-api-route upstream list --help\n");
    CHECK(line({"upstream", "list", "--sk=sk-0123456789abcdefghij"}).err ==
          "openai-api-route: unknown option --sk. See: openai-api-route upstream list --help\n");
    CHECK_THAT(line({"sk-0123456789abcdefghij"}).err, ContainsSubstring("unknown command sk-0…ghij"));
}

TEST_CASE("help and version go to standard output")
{
    CommandLine line;
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"--help"},
                                               {"serve", "--help"},
                                               {"upstream", "--help"},
                                               {"upstream", "add", "--help"},
                                               {"key", "add", "-h"},
                                               {"record", "list", "--help"},
                                               {"config", "show", "--help"},
                                               {"explain", "--help"}}) {
        const auto done = line.run(arguments);
        CHECK(done.code == 0);
        CHECK(done.err.empty());
        CHECK_THAT(done.out, ContainsSubstring("Usage"));
    }
    CHECK_THAT(line.run({"--help"}).out, ContainsSubstring("--config") && ContainsSubstring("upstream"));
    CHECK_THAT(line.run({"upstream", "add", "--help"}).out, ContainsSubstring("--stream-timeout"));
    CHECK_THAT(line.run({"--version"}).out, Catch::Matchers::StartsWith("openai-api-route ") &&
                                                ContainsSubstring("(commit ") &&
                                                (ContainsSubstring("GCC ") || ContainsSubstring("clang ")));
    CHECK(line.run({"version"}).out == line.run({"--version"}).out);
}

TEST_CASE("config check says ok, or what is wrong")
{
    CommandLine line;
    CHECK(line.run({"config", "check", "--config", line.config_path()}).out == line.config_path() + ": ok\n");
    line.configure("[server]\nlissen = 1\n");
    const auto done = line.run({"--config", line.config_path(), "config", "check"});
    CHECK(done.code == 1);
    CHECK(done.out.empty());
    CHECK(done.err == "openai-api-route: " + line.config_path() +
                          ":2: server.lissen: unknown key; did you mean server.listen?\n");
    CHECK(line.run({"config", "check", "--config", "/no/such/file"}).code == 1);
    CHECK(line.run({"config", "check", line.config_path()}).err == done.err);
    CHECK(line.run({"config", "check", "a", "--config", "b"}).code == 2);
}

TEST_CASE("config show prints what is in force, without secrets")
{
    CommandLine line;
    line.configure(
        "[server]\nlisten = \":1\"\n[auth]\nkeys = [\"sk-client-0123456789\"]\n[[upstreams]]\nsk = "
        "\"sk-upstream-0123456789\"\n");
    const auto text = line.ok({"config", "show"});
    CHECK_THAT(text, ContainsSubstring("listen = \":1\"\n") &&
                         ContainsSubstring("sqlite = \"" + line.database_path()));
    CHECK_THAT(text, ContainsSubstring("sk-u…6789") && ContainsSubstring("sk-c…6789"));
    CHECK(text.find("0123456789") == std::string::npos);
    const auto json = line.ok({"config", "show", "--json"});
    CHECK_THAT(json, ContainsSubstring("\"listen\""));
    CHECK(json.find("0123456789") == std::string::npos);
}

TEST_CASE("commands that need a database say so when there is none")
{
    CommandLine line;
    line.configure("[storage]\nbackend = \"none\"\n[auth]\nkeys = [\"k\"]\n[[upstreams]]\nsk = \"env:X\"\n");
    const auto none = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"--config", line.config_path()});
        return line.run(arguments);
    };
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"upstream", "add", "--sk", "k"},
                                               {"upstream", "remove", "a"},
                                               {"key", "add", "a"},
                                               {"key", "remove", "a"},
                                               {"record", "list"},
                                               {"record", "show", "1"}}) {
        const auto done = none(arguments);
        CHECK(done.code == 1);
        CHECK_THAT(done.err, ContainsSubstring("storage.backend"));
    }
    CHECK_THAT(none({"upstream", "list"}).out, ContainsSubstring("file-1"));
    CHECK_THAT(none({"key", "list"}).out, ContainsSubstring("config-1"));
    CHECK(none({"explain", "--model", "m"}).code == 0);
}

TEST_CASE("only the commands that begin a database make one")
{
    CommandLine line;
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"upstream", "list"},
                                               {"upstream", "set", "a", "--weight", "2"},
                                               {"upstream", "remove", "a"},
                                               {"upstream", "export"},
                                               {"key", "list"},
                                               {"key", "remove", "a"},
                                               {"record", "list"},
                                               {"record", "show", "1"},
                                               {"record", "tail", "--no-follow"},
                                               {"record", "stats"},
                                               {"record", "export"},
                                               {"record", "prune", "--until", "30d"},
                                               {"explain", "--model", "m"},
                                               {"db", "status"}}) {
        const auto done = line(arguments);
        CHECK(done.code == 1);
        CHECK_THAT(done.err, ContainsSubstring(line.database_path() + ": No such file") &&
                                 ContainsSubstring("`upstream add` or `key add`"));
        CHECK_FALSE(std::filesystem::exists(line.database_path()));
    }
    line.ok({"upstream", "add", "--sk", "sk-1"});
    CHECK(std::filesystem::exists(line.database_path()));
    CHECK_THAT(line.ok({"upstream", "list"}), ContainsSubstring("upstream-1"));
    CHECK(line({"record", "list"}).code == 0);
}

TEST_CASE("a database that cannot be opened is one line on standard error")
{
    CommandLine line;
    line.directory.write("db.sqlite", "this is no database, and long enough to be sure of it\n");
    const auto done = line({"upstream", "list"});
    CHECK(done.code == 1);
    CHECK(done.err.starts_with("openai-api-route: "));
    CHECK(done.err.find('\n') == done.err.size() - 1);
    const auto elsewhere = line.run({"upstream", "list", "--database", "/no/such/place/db.sqlite"});
    CHECK(elsewhere.code == 1);
    const auto away = line.run({"upstream", "list", "--database", "postgresql://u:secret@127.0.0.1:1/d"});
    CHECK(away.code == 1);
    CHECK_THAT(away.err, ContainsSubstring("127.0.0.1") && ContainsSubstring("refused"));
    CHECK_THAT(away.err, !ContainsSubstring("secret"));
    CHECK(away.err.find('\n') == away.err.size() - 1);
}

}  // namespace
}  // namespace route::tests
