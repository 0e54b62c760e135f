#include <string>

#include "tests/app/config/config_support.hpp"

namespace route::tests {
namespace {

struct Refused
{
    const char* text;
    std::size_t line;
    const char* key;
    const char* problem;
};

TEST_CASE("what is wrong is named with its line and key")
{
    const Refused row = GENERATE(values<Refused>({
        {"[server]\nlisten = 8888", 2, "server.listen", "expected a string such as \":8888\""},
        {"[server]\nlisten = \":1\\n\"", 2, "server.listen", "without control characters"},
        {"[server]\nlisten = \"x\"", 2, "server.listen", "HOST:PORT"},
        {"[server]\n\nthreads = -1", 3, "server.threads", "from 0 to 1024"},
        {"[server]\nthreads = \"2\"", 2, "server.threads", "from 0 to 1024, without quotes"},
        {"[server]\ndrain = \"5\"", 2, "server.drain", "0 or more, without quotes"},
        {"[auth]\nenabled = \"true\"", 2, "auth.enabled", "true or false, without quotes"},
        {"[server]\nthreads = 1.5", 2, "server.threads", "whole number"},
        {"[server]\nmax_body = \"64MB\"", 2, "server.max_body", "64MiB"},
        {"[server]\nmax_body = 0", 2, "server.max_body", "at least 1B"},
        {"[server]\nmax_body = -5", 2, "server.max_body", "size"},
        {"[server]\nheader_timeout = 0", 2, "server.header_timeout", "above 0"},
        {"[server]\nheader_timeout = nan", 2, "server.header_timeout", "above 0"},
        {"[server]\ndrain = inf", 2, "server.drain", "seconds"},
        {"[server]\ndrain = \"5\"", 2, "server.drain", "seconds"},
        {"[server]\ntrusted_proxies = \"10.0.0.0/8\"", 2, "server.trusted_proxies", "list"},
        {"[server]\ntrusted_proxies = [\n\"10.0.0.0/8\",\n\"x\"]", 4, "server.trusted_proxies",
         "address ranges"},
        {"server = 1", 1, "server", "table"},
        {"[auth]\nenabled = \"yes\"", 2, "auth.enabled", "true or false"},
        {"[auth]\nkeys = \"x\"", 2, "auth.keys", "list"},
        {"[auth]\nkeys = [\"\"]", 2, "auth.keys", "expected"},
        {"[auth]\nkeys = [\"a b\"]", 2, "auth.keys", "without blanks"},
        {"[auth]\nkeys = [1]", 2, "auth.keys", "expected"},
        {"[auth]\nkeys = [{ name = \"a\" }]", 2, "auth.keys", "expected"},
        {"[auth]\nkeys = [{ name = \"\", key = \"k\" }]", 2, "auth.keys.name", "name"},
        {"[secrets]\nenv = [\"A B\"]", 2, "secrets.env", "environment"},
        {"[timeouts]\nstream = 0", 2, "timeouts.stream", "above 0"},
        {"[failover]\norder = \"quickest\"", 2, "failover.order",
         R"("priority", "random", "least_busy", "fastest")"},
        {"[failover]\ntotal = -1", 2, "failover.total", "0 or more"},
        {"[storage]\nbackend = \"mysql\"", 2, "storage.backend", "\"sqlite\", \"postgres\", \"none\""},
        {"[storage]\nsqlite = \"\"", 2, "storage.sqlite", "not empty"},
        {"[storage]\npostgres = \"postgresql://u:p@ss@h/d\"", 2, "storage.postgres", "percent-encoded"},
        {"[storage]\npostgres = \"postgresql://u:p/s@h/d\"", 2, "storage.postgres", "percent-encoded"},
        {"[storage]\npostgres_connections = 2", 2, "storage.postgres_connections", "from 3 to 1000"},
        {"[storage]\npostgres = \"mysql://x\"", 2, "storage.postgres", "postgresql://"},
        {"[records]\nretention = \"30\"", 2, "records.retention", "duration"},
        {"[records]\nretention = 30", 2, "records.retention", "duration"},
        {"[records]\nmax_database = \"much\"", 2, "records.max_database", "size"},
        {"[records]\ndurability = \"never\"", 2, "records.durability", "\"batch\", \"commit\""},
        {"[metrics]\npath = \"metrics\"", 2, "metrics.path", "begins with"},
        {"[log]\nlevel = \"loud\"", 2, "log.level", "\"warning\""},
        {"[log]\nformat = 1", 2, "log.format", "\"text\", \"json\""},
        {"[log]\nlevel = \"in\\u0000fo\"", 2, "log.level", "one of"},
        {"[upstream]\nca_file = \"a\\u001bb\"", 2, "upstream.ca_file", "control characters"},
        {"[[upstreams]]\nname = \"a\"", 1, "upstreams.sk", "key"},
        {"[[upstreams]]\nsk = \"x\"\nname = \"123\"", 3, "upstreams.name", "not all digits"},
        {"[[upstreams]]\nsk = \"x\"\nendpoint = \"ftp://x\"", 3, "upstreams.endpoint", "http"},
        {"[[upstreams]]\nsk = \"x\"\nendpoint = \"https://h/v1/chat/completions\"", 3, "upstreams.endpoint",
         "expected https://h/v1: the path"},
        {"[[upstreams]]\nsk = \"a b\"", 1, "upstreams", "sk"},
        {"[[upstreams]]\nsk = \"x\"\ntimeout = 0", 3, "upstreams.timeout", "above 0"},
        {"[[upstreams]]\nsk = \"x\"\nallow = \"gpt\"", 3, "upstreams.allow", "list of strings"},
        {"[[upstreams]]\nsk = \"x\"\nallow = [\"\"]", 3, "upstreams.allow", "not empty"},
        {"[[upstreams]]\nsk = \"x\"\nrename = [\"a\"]", 3, "upstreams.rename", "table"},
        {"[[upstreams]]\nsk = \"x\"\nrename = { a = 1 }", 3, "upstreams.rename", "string"},
        {"[[upstreams]]\nsk = \"x\"\nname = \"a\"\n[[upstreams]]\nsk = \"y\"\nname = \"a\"", 4,
         "upstreams.name", "no other"},
        {"[upstreams]\nsk = \"x\"", 1, "upstreams", "[[upstreams]]"},
        {"upstreams = [1]", 1, "upstreams", "[[upstreams]]"},
        {"[storage]\nbackend = \"none\"", 2, "storage.backend", "auth.keys"},
        {"[server\nlisten = 1", 1, "", "table"},
        {"[log]\nlevel = \"info\"\nlevel = \"info\"", 3, "", "level"},
    }));
    const auto error = error_of(row.text);
    INFO(row.text << "\n" << describe(error));
    CHECK(error.file == "f.toml");
    CHECK(error.line == row.line);
    CHECK(error.key == row.key);
    CHECK_THAT(error.problem, ContainsSubstring(row.problem));
    CHECK(describe(error).find('\n') == std::string::npos);
}

TEST_CASE("an unknown key is named with the nearest one")
{
    struct Row
    {
        const char* text;
        std::size_t line;
        const char* key;
        const char* nearest;
    };
    const Row row = GENERATE(values<Row>({
        {"[server]\nlissen = \":1\"", 2, "server.lissen", "server.listen"},
        {"[sever]\nlisten = \":1\"", 1, "sever", "server"},
        {"listen = \":1\"", 1, "listen", "server.listen"},
        {"[records]\nsqlite = \"a\"", 2, "records.sqlite", "storage.sqlite"},
        {"[timeouts]\nlarge-body = 1", 2, "timeouts.large-body", "timeouts.large_body"},
        {"[[upstreams]]\nsk = \"x\"\nprio = 1", 3, "upstreams.prio", "upstreams.priority"},
        {"[[upstreams]]\nsk = \"x\"\nurl = \"x\"", 3, "upstreams.url", "upstreams.endpoint"},
        {"[[upstreams]]\nsk = \"x\"\nbase_url = \"x\"", 3, "upstreams.base_url", "upstreams.endpoint"},
        {"[[upstreams]]\nsk = \"x\"\nkey = \"x\"", 3, "upstreams.key", "upstreams.sk"},
        {"[upstream]\nsk = \"x\"", 2, "upstream.sk", "upstreams.sk"},
        {"[server]\nport = 1", 2, "server.port", "server.listen"},
        {"[server]\nurl = 1", 2, "server.url", ""},
        {"[database]\nurl = 1", 1, "database", "storage"},
        {"[storage]\nurl = 1", 2, "storage.url", "storage.postgres"},
        {"[log]\nLevel = \"info\"", 2, "log.Level", "log.level"},
        {"[[upstreams]]\nsk = \"x\"\nend_point = 1", 3, "upstreams.end_point", "upstreams.endpoint"},
        {"[auth]\nkeys = [{ nam = \"a\", key = \"k\" }]", 2, "auth.keys.nam", "auth.keys.name"},
        {"[server]\nsomething_else_entirely = 1", 2, "server.something_else_entirely", ""},
    }));
    const auto error = error_of(row.text);
    INFO(describe(error));
    CHECK(error.problem == "unknown key");
    CHECK(error.line == row.line);
    CHECK(error.key == row.key);
    CHECK(error.nearest == row.nearest);
}

TEST_CASE("an error reads as one line")
{
    CHECK(describe(error_of("[server]\nlissen = 1")) ==
          "f.toml:2: server.lissen: unknown key; did you mean server.listen?");
    CHECK(describe(error_of("[server]\nthreads = \"two\"")) ==
          "f.toml:2: server.threads: expected a whole number from 0 to 1024");
}

TEST_CASE("all errors of a file are listed, by line")
{
    const auto errors = errors_of(
        "[server]\nlisten = 8888\nlissen = 1\ncertificate = \"c\"\n[auth]\nkeys = [\"\", \"a "
        "b\"]\n[[upstreams]]\n"
        "sk = 1\nurl = 1\n[[upstreams]]\nname = \"a\"\nenabled = 1\n[notify]\nmatrix_room = \"r\"");
    std::vector<std::string> found;
    found.reserve(errors.size());
    for (const auto& error : errors)
        found.push_back(std::to_string(error.line) + ' ' + error.key);
    CHECK(found == std::vector<std::string>{"2 server.listen", "3 server.lissen", "6 auth.keys",
                                            "8 upstreams.sk", "9 upstreams.url", "10 upstreams.sk",
                                            "12 upstreams.enabled", "14 notify.matrix_homeserver"});
}

TEST_CASE("of very many errors a hundred are listed, and counted the others")
{
    std::string text = "[server]\n";
    for (int i = 0; i < 150; ++i)
        text += "key" + std::to_string(i) + "_is_not_known = 1\n";
    const auto lines = describe(errors_of(text));
    REQUIRE(lines.size() == 101);
    CHECK(lines.back() == "f.toml: 50 more");
}

TEST_CASE("what TOML's parser says is escaped once")
{
    const auto error = error_of("[server]\nlisten = \n");
    CHECK_THAT(describe(error), ContainsSubstring("'\\n'") && !ContainsSubstring("\\\\"));
}

TEST_CASE("warn is warning")
{
    CHECK(settings_of("[log]\nlevel = \"warn\"").log.level == "warning");
    CHECK(settings_of("[log]\nlevel = \"warning\"").log.level == "warning");
}

TEST_CASE("a room needs its homeserver and a token")
{
    const auto error = error_of("[notify]\nmatrix_room = \"!a:b\"\nmatrix_token = \"t\"");
    CHECK(error.key == "notify.matrix_homeserver");
    CHECK_THAT(error.problem, ContainsSubstring("together"));
}

TEST_CASE("a webhook's body may have several lines, and no other control characters")
{
    CHECK(settings_of("[notify]\nwebhook_body = \"{\\n\\t}\"").notify.webhook_body == "{\n\t}");
    CHECK(error_of("[notify]\nwebhook_body = \"\\u0001\"").key == "notify.webhook_body");
    CHECK(error_of("[notify]\nwebhook_body = 1").key == "notify.webhook_body");
}

TEST_CASE("a proxy is the URL of one or direct")
{
    for (const std::string value : {"", "direct", "http://proxy:3128", "http://user:pass@proxy:3128/"}) {
        CHECK(settings_of("[upstream]\nproxy = \"" + value + "\"").upstream.proxy == value);
        CHECK(settings_of("[[upstreams]]\nsk = \"x\"\nproxy = \"" + value + "\"").upstreams[0].proxy ==
              value);
    }
    const auto error = error_of("[upstream]\nproxy = \"socks5://u:secret@p:1\"");
    CHECK(error.key == "upstream.proxy");
    CHECK(error.problem ==
          R"(expected http://[USER:PASSWORD@]HOST:PORT, "env:NAME", "file:PATH", "direct" or "")");
    CHECK(error_of("[[upstreams]]\nsk = \"x\"\nproxy = \"p:1\"").key == "upstreams.proxy");
}

}  // namespace
}  // namespace route::tests
