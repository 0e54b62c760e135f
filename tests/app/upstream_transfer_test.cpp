#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "tests/app/command_line.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {
namespace {

const std::string secret = "sk-abcdefghijklmnop9xYz";

std::string content(const std::filesystem::path& path)
{
    std::ifstream in{path};
    return {std::istreambuf_iterator<char>{in}, {}};
}

mode_t mode_of(const std::filesystem::path& path)
{
    struct stat status = {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777;
}

/// Three upstreams: one with everything, one without a name, one with a reference.
void fill(CommandLine& line)
{
    line.ok({"upstream",         "add",   "--sk",      secret,   "--name",     "a",        "--timeout", "1.5",
             "--allow",          "gpt-*", "/v1/files", "--deny", "x",          "--rename", "m=n.o",     "u=v",
             "--stream-timeout", "2",     "--weight",  "3",      "--priority", "2",        "--disabled"});
    line.ok({"upstream", "add", "--sk", "sk-without-a-name-0123"});
    line.ok({"upstream", "add", "--sk", "asis", "--name", "c", "--endpoint", "http://10.0.0.7:8000"});
}

TEST_CASE("what is exported is imported again without a change")
{
    CommandLine line;
    fill(line);
    const auto before = line.database().upstreams();
    const bool secrets = GENERATE(false, true);
    std::vector<std::string> command{"upstream", "export"};
    if (secrets)
        command.emplace_back("--secrets");
    const auto text = line.ok(command);
    CHECK((text.find(secret) != std::string::npos) == secrets);
    CHECK((text.find("sk-without-a-name") != std::string::npos) == secrets);
    CHECK_THAT(text, ContainsSubstring("sk = \"asis\""));
    const std::string unchanged =
        "unchanged upstream 2: upstream-2\nunchanged upstream 3: c\nunchanged upstream 1: a\n";
    CHECK(line.ok({"upstream", "import", "-"}, text) == unchanged);
    CHECK(line.database().upstreams() == before);

    CommandLine other;
    if (!secrets) {
        const auto refused = other({"upstream", "import", "-"}, text);
        CHECK(refused.code == 1);
        CHECK_THAT(refused.err, ContainsSubstring("standard input:3: upstreams.sk: expected a key"));
        CHECK(other.database().upstreams().empty());
        return;
    }
    CHECK(other.ok({"upstream", "import", "-"}, text) ==
          "added upstream 1: upstream-1\nadded upstream 2: c\nadded upstream 3: a\n");
    CHECK(other.ok({"upstream", "import", "-"}, text) ==
          "unchanged upstream 1: upstream-1\nunchanged upstream 2: c\nunchanged upstream 3: a\n");
    auto expected = before;
    for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i].id = static_cast<std::int64_t>(i) + 1;
    CHECK(other.database().upstreams() == expected);
}

TEST_CASE("an export goes to a file, for its owner alone when it holds keys")
{
    CommandLine line;
    fill(line);
    const auto path = line.directory.write("upstreams.toml", "what was there before");
    ::chmod(path.c_str(), 0644);
    const auto refused = line({"upstream", "export", "--output", path});
    CHECK(refused.code == 1);
    CHECK(refused.err == "openai-api-route: " + path + " is there already: --force replaces it\n");
    CHECK(content(path) == "what was there before");
    CHECK(line.ok({"upstream", "export", "--force", "--output", path}).empty());
    CHECK(content(path) == line.ok({"upstream", "export"}));
    CHECK((mode_of(path) & 0600) == 0600);
    ::chmod(path.c_str(), 0644);
    CHECK(line.ok({"upstream", "export", "--secrets", "--output", path, "--force"}).empty());
    CHECK(content(path) == line.ok({"upstream", "export", "--secrets"}));
    CHECK(mode_of(path) == 0600);
    CHECK_THAT(line.ok({"upstream", "import", path}), ContainsSubstring("unchanged upstream 1: a"));
    const auto nowhere = line({"upstream", "export", "--output", "/no/such/place/f.toml"});
    CHECK(nowhere.code == 1);
    CHECK(nowhere.err ==
          "openai-api-route: /no/such/place/f.toml: cannot be written: No such file or directory\n");
    CHECK(line.ok({"upstream", "export", "--output", "/dev/null"}).empty());
    CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("an import changes what the file says and keeps the key it does not have")
{
    CommandLine line;
    fill(line);
    const auto done =
        line.ok({"upstream", "import", "-"},
                "[[upstreams]]\nname = \"a\"\nendpoint = \"https://b.example/v1\"\n"
                "priority = 7\nallow = [\"gpt-*\", \"/v1/files\"]\n"
                "[[upstreams]]\nsk = \"asis\"\nendpoint = \"http://10.0.0.7:8000\"\nname = \"d\"\n"
                "[[upstreams]]\nsk = \"sk-new-0123456789abc\"\n");
    CHECK(done ==
          "changed upstream 1: a (endpoint, priority, weight, timeout, stream_timeout, deny, rename, "
          "enabled)\n"
          "changed upstream 3: d (name)\n"
          "added upstream 4: upstream-4\n");
    const auto upstreams = line.database().upstreams();
    REQUIRE(upstreams.size() == 4);
    const auto& a = upstreams.back();
    CHECK(a.sk == secret);
    CHECK(a.endpoint == "https://b.example/v1");
    CHECK(a.enabled);
    CHECK(line.ok({"upstream", "import", "-"}, "[[upstreams]]\nname = \"d\"\nsk = \"asis\"\n") ==
          "changed upstream 3: d (endpoint)\n");
    CHECK(line.ok({"upstream", "import", "-"}, "") == "no upstream in standard input\n");
}

TEST_CASE("upstreams may exchange their names")
{
    CommandLine line;
    line.ok({"upstream", "add", "--sk", "asis", "--name", "a", "--endpoint", "http://a"});
    line.ok({"upstream", "add", "--sk", "asis", "--name", "b", "--endpoint", "http://b"});
    CHECK(line.ok({"upstream", "import", "-"},
                  "[[upstreams]]\nname = \"a\"\nsk = \"asis\"\nendpoint = \"http://b\"\n"
                  "[[upstreams]]\nname = \"b\"\nsk = \"asis\"\nendpoint = \"http://a\"\n") ==
          "changed upstream 1: a (endpoint)\nchanged upstream 2: b (endpoint)\n");
}

TEST_CASE("a file with an error changes nothing")
{
    CommandLine line;
    fill(line);
    struct Row
    {
        const char* text;
        const char* error;
    };
    const Row row = GENERATE(values<Row>({
        {"[[upstreams]]\nname = \"a\"\nprority = 1\n",
         ":6: upstreams.prority: unknown key; did you mean "
         "upstreams.priority?"},
        {"[[upstreams]]\nname = \"a\"\npriority = \"1\"\n",
         ":6: upstreams.priority: expected a whole number"},
        {"[[upstreams]]\nname = \"a\"\nendpoint = \"ftp://x\"\n", ":6: upstreams.endpoint: expected http"},
        {"[[upstreams]]\nname = \"a b\"\n", ":5: upstreams.name: expected"},
        {"[[upstreams]]\nsk = \"a b\"\n", ":4: upstreams: sk: expected"},
        {"[[upstreams]]\nsk = \"\"\n", ":5: upstreams.sk: expected a key"},
        {"[[upstreams]]\nname = \"new\"\n", ":4: upstreams.sk: expected a key"},
        {"[[upstreams]]\nname = \"upstream-9\"\n", ":4: upstreams.sk: expected a key"},
        {"[[upstreams]]\npriority = 1\n", ":4: upstreams.sk: expected a key"},
        {"[[upstreams]]\nname = \"c\"\nsk = \"asis\"\n[[upstreams]]\nname = \"c\"\nsk = \"asis\"\n",
         ":7: upstreams.name: expected a name no other entry has"},
        {"[[upstreams]]\nsk = \"one-more\"\n[[upstreams]]\nsk = \"one-more\"\n",
         ":6: upstreams.sk: expected another key or endpoint than another one of the file has"},
        {"[[upstreams]]\nname = \"a\"\nendpoint = \"http://10.0.0.7:8000\"\nsk = \"asis\"\n",
         ":4: upstreams.sk: expected another key or endpoint than c has"},
        {"[[upstreams]]\nname = \"d\"\nsk = \"asis\"\nendpoint = \"http://10.0.0.7:8000\"\n"
         "[[upstreams]]\nname = \"c\"\nsk = \"asis\"\n",
         ":8: upstreams: expected one entry for d"},
        {"[server]\nthreads = 1\n", ":4: server: unknown key"},
        {"[[upstreams]\n", ":4: "},
        {"[upstreams]\nname = \"a\"\n", ":4: "},
    }));
    const auto before = line.database().upstreams();
    // It comes behind an entry that alone would change something.
    const std::string good = "[[upstreams]] # upstream-2\nname = 'upstream-2'\npriority = 5\n";
    const auto path = line.directory.write("f.toml", good + row.text);
    const auto done = line({"upstream", "import", path});
    INFO(done.err);
    CHECK(done.code == 1);
    CHECK(done.out.empty());
    CHECK(done.err.starts_with("openai-api-route: " + path + row.error));
    CHECK(done.err.find('\n') == done.err.size() - 1);
    CHECK(line.database().upstreams() == before);
}

TEST_CASE("upstreams of the configuration file are exported, and left alone by an import")
{
    CommandLine line;
    line.database();
    line.configure("[[upstreams]]\nname = \"filed\"\nsk = \"" + secret + "\"\npriority = 3\n");
    const auto text = line.ok({"upstream", "export", "--secrets"});
    CHECK_THAT(text, ContainsSubstring("name = \"filed\"") && ContainsSubstring(secret));
    CHECK(line.ok({"upstream", "import", "-"}, text) ==
          "left alone: filed is changed only in " + line.config_path() + "\n");
    CHECK(line.database().upstreams().empty());
    CommandLine other;
    CHECK(other.ok({"upstream", "import", "-"}, text) == "added upstream 1: filed\n");
    CHECK(other.database().upstreams().at(0).priority == 3);
}

TEST_CASE("what cannot be used is not exported, and said so")
{
    CommandLine line;
    line.database().connection().exec(
        "INSERT INTO openai_upstreams (sk, endpoint, allow) VALUES ('sk', 'http://x', 'gpt'), "
        "('sk', 'http://u:SECRET@x', '')");
    line.ok({"upstream", "add", "--sk", "asis", "--name", "good"});
    const auto done = line({"upstream", "export", "--secrets"});
    CHECK(done.code == 0);
    CHECK_THAT(done.out, ContainsSubstring("name = \"good\""));
    CHECK(done.out.find("upstream-") == std::string::npos);
    CHECK_THAT(done.err, ContainsSubstring("upstream-1 is left out: allow: ") &&
                             ContainsSubstring("upstream-2 is left out: endpoint: "));
    CHECK(done.err.find("SECRET") == std::string::npos);
}

TEST_CASE("a reference is imported as it is, with a warning when routers may not resolve it")
{
    CommandLine line;
    const auto done = line({"upstream", "import", "-"}, "[[upstreams]]\nname = \"a\"\nsk = \"file:../x\"\n");
    CHECK(done.code == 0);
    CHECK_THAT(done.err, ContainsSubstring("secrets.directory"));
    CHECK(line.database().upstreams().at(0).sk == "file:../x");
}

TEST_CASE("headers with keys are exported with --secrets alone, and without them those stored stay")
{
    CommandLine line;
    line.ok({"upstream",
             "add",
             "--sk",
             secret,
             "--name",
             "a",
             "--header",
             "X-Title=t",
             "Authorization=Basic abcdefghijkl",
             "--set",
             R"(a={"b":null,"c":1.50})",
             "--unset",
             "u",
             "--retries",
             "0",
             "--hedge-after",
             "0",
             "--first-content-timeout",
             "3",
             "--max-in-flight",
             "4",
             "--key-header",
             "api-key"});
    CHECK(line({"upstream", "add", "--sk", "env:A", "--name", "b", "--header", "X-Title=t", "X-Key=env:A",
                "Accept="})
              .code == 0);
    const auto before = line.database().upstreams();
    const auto plain = line.ok({"upstream", "export"});
    CHECK(plain.find("abcdefghijkl") == std::string::npos);
    CHECK_THAT(plain,
               ContainsSubstring(R"(headers = { "Accept" = "", "X-Key" = "env:A", "X-Title" = "t" })"));
    CHECK(line.ok({"upstream", "import", "-"}, plain) ==
          "unchanged upstream 1: a\nunchanged upstream 2: b\n");
    CHECK(line.database().upstreams() == before);
    const auto whole = line.ok({"upstream", "export", "--secrets"});
    CHECK_THAT(whole, ContainsSubstring("Basic abcdefghijkl"));
    CommandLine other;
    CHECK(other({"upstream", "import", "-"}, whole).code == 0);
    CHECK(other.database().upstreams() == before);
    CHECK_THAT(
        other({"upstream", "import", "-"},
              "[[upstreams]]\nname = \"b\"\nsk = \"env:A\"\nheaders = { \"X-New\" = \"1\" }\nretries = 1\n")
            .out,
        ContainsSubstring("(retries, headers)"));
}

}  // namespace
}  // namespace route::tests
