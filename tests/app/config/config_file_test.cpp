#include "app/config/config_file.hpp"

#include <filesystem>
#include <sstream>

#include "app/config/config_print.hpp"
#include "tests/app/config/config_support.hpp"
#include "tests/app/temporary_directory.hpp"
#include "tests/support/catch.hpp"

namespace route {
namespace {

using namespace tests;

std::string shipped_file()
{
    std::ostringstream text;
    text << std::ifstream{ROUTE_SOURCE_DIR "/openai-api-route.toml"}.rdbuf();
    return text.str();
}

TEST_CASE("an empty file means the defaults, as does the file that ships")
{
    CHECK(settings_of("") == defaults());
    CHECK(settings_of(shipped_file()) == defaults());
}

TEST_CASE("the file that ships holds every key")
{
    const auto parsed = parse(shipped_file());
    REQUIRE(parsed.has_value());
    // What is printed holds them all; `[[upstreams]]` are only shown as a comment.
    std::istringstream printed{print_settings(defaults())};
    std::string table;
    std::size_t keys = 0;
    for (std::string line; std::getline(printed, line);) {
        if (line.starts_with('['))
            table = line.substr(1, line.find(']') - 1);
        else if (!line.empty()) {
            CHECK(parsed->lines.contains(table + "." + line.substr(0, line.find(' '))));
            ++keys;
        }
    }
    CHECK(keys == 70);
}

TEST_CASE("every upstream key is in the comment of the file that ships")
{
    const auto text = shipped_file();
    for (const char* key : {"name",
                            "endpoint",
                            "sk",
                            "priority",
                            "weight",
                            "timeout",
                            "stream_timeout",
                            "allow",
                            "deny",
                            "rename",
                            "proxy",
                            "enabled",
                            "retries",
                            "first_content_timeout",
                            "hedge_after",
                            "max_in_flight",
                            "headers",
                            "set",
                            "unset",
                            "key_header"})
        CHECK(text.find(std::string{"\n# "} + key + " = ") != std::string::npos);
}

TEST_CASE("values of the server")
{
    const auto settings = settings_of(R"([server]
listen = "[::1]:80"
threads = 2
max_body = 100
max_buffered = "2GiB"
header_timeout = 1.5
body_timeout = 2
keep_alive = 0
drain = 0
handover = true
trusted_proxies = ["10.0.0.0/8", "::1"])");
    CHECK(settings.server.listen == "[::1]:80");
    CHECK(settings.server.threads == 2);
    CHECK(settings.server.max_body == 100);
    CHECK(settings.server.max_buffered == 2ull << 30);
    CHECK(settings.server.header_timeout == Seconds{1.5});
    CHECK(settings.server.keep_alive == Seconds{0});
    CHECK(settings.server.handover);
    CHECK(settings.server.trusted_proxies == std::vector<std::string>{"10.0.0.0/8", "::1"});
}

TEST_CASE("client keys of the file")
{
    const auto settings = settings_of(R"([auth]
keys = ["woshimima", { name = "alice", key = "env:ALICE_KEY" }, "file:keys/bob", { key = "x" }])");
    const std::vector<ConfiguredKey> expected{{"config-1", "woshimima"},
                                              {"alice", "env:ALICE_KEY"},
                                              {"config-3", "file:/etc/route/keys/bob"},
                                              {"config-4", "x"}};
    CHECK(settings.auth.keys == expected);
}

TEST_CASE("what an upstream of the file needs")
{
    const auto settings = settings_of(R"([[upstreams]]
sk = "x"
endpoint = "https://r.example/openai/deployments/{model}?api-version=1"
retries = 0
first_content_timeout = 0
hedge_after = 1.5
max_in_flight = 3
headers = { "X-Title" = "t", "User-Agent" = "", "X-Key" = "file:key" }
set = { temperature = 0.5, store = false, n = 1, provider = { only = ["a", "b\""] } }
unset = ["user"]
key_header = "api-key"
[[upstreams]]
sk = "y"
set = '{ "a": null, "b": 1.50 }')");
    REQUIRE(settings.upstreams.size() == 2);
    const auto& upstream = settings.upstreams[0];
    CHECK(upstream.retries == 0);
    CHECK(upstream.first_content_timeout == Seconds{0});
    CHECK(upstream.hedge_after == Seconds{1.5});
    CHECK(upstream.max_in_flight == 3);
    const std::map<std::string, std::string> headers{
        {"X-Title", "t"}, {"User-Agent", ""}, {"X-Key", "file:/etc/route/key"}};
    CHECK(upstream.headers == headers);
    const std::map<std::string, std::string> members{
        {"temperature", "0.5"}, {"store", "false"}, {"n", "1"}, {"provider", R"({"only":["a","b\""]})"}};
    CHECK(upstream.set == members);
    CHECK(upstream.unset == std::vector<std::string>{"user"});
    CHECK(upstream.key_header == "api-key");
    const std::map<std::string, std::string> others{{"a", "null"}, {"b", "1.50"}};
    CHECK(settings.upstreams[1].set == others);
    CHECK_FALSE(settings.upstreams[1].retries);
    CHECK_FALSE(settings.upstreams[1].hedge_after);
}

TEST_CASE("what an upstream of the file cannot need is refused")
{
    struct Row
    {
        const char* line;
        const char* reason;
    };
    const Row rows[] = {
        {"retries = -1", "expected a whole number from 0 to 100"},
        {"hedge_after = -1", "expected"},
        {"headers = [\"a\"]", "expected a table of strings"},
        {"headers = { Host = \"x\" }", "headers: expected another header than Host"},
        {"set = \"x\"", "expected a table such as { temperature = 0.5 }"},
        {"set = { a = inf }", "expected a table such as { temperature = 0.5 }"},
        {"set = { a = 1979-05-27 }", "expected a table such as { temperature = 0.5 }"},
        {"set = { model = \"x\" }", "set: expected another member than model"},
        {"unset = \"a\"", "expected"},
        {"key_header = 1", "a string such as \"api-key\""},
    };
    for (const auto& row : rows) {
        CAPTURE(row.line);
        const auto parsed = parse(std::string{"[[upstreams]]\nsk = \"x\"\n"} + row.line);
        REQUIRE(parsed.has_error());
        CHECK_THAT(parsed.error().at(0).problem, ContainsSubstring(row.reason));
    }
}

TEST_CASE("upstreams of the file")
{
    const auto settings = settings_of(R"([[upstreams]]
sk = "file:sk"
[[upstreams]]
name = "b"
endpoint = "http://localhost:1/x"
sk = "asis"
priority = -1
weight = 5
timeout = 7
stream_timeout = 0.5
allow = ["gpt-*", "/v1/files*"]
deny = ["gpt-3*"]
rename = { "gpt-4" = "gpt-4o" }
enabled = false)");
    REQUIRE(settings.upstreams.size() == 2);
    UpstreamDefinition first;
    first.name = "file-1";
    first.sk = "file:/etc/route/sk";
    CHECK(settings.upstreams[0] == first);
    UpstreamDefinition second;
    second.name = "b";
    second.endpoint = "http://localhost:1/x";
    second.sk = "asis";
    second.priority = -1;
    second.weight = 5;
    second.timeout = Seconds{7};
    second.stream_timeout = Seconds{0.5};
    second.allow = {"gpt-*", "/v1/files*"};
    second.deny = {"gpt-3*"};
    second.rename = {{"gpt-4", "gpt-4o"}};
    second.enabled = false;
    CHECK(settings.upstreams[1] == second);
}

TEST_CASE("the other tables")
{
    const auto settings = settings_of(R"(
[secrets]
directory = "secrets"
env = ["A_KEY"]
[timeouts]
default = 1
stream = 2
large_body = 3
large_body_over = "1KiB"
single = 4
connect = 0.25
idle = 6
first_content = 7.5
[failover]
order = "random"
total = 9
cooldown = 0
cooldown_after = 1
reply_buffer = 0
commit = "complete"
commit_after = 0.5
retries = 2
retry_wait = 0
rounds = 3
final_statuses = [400, 413]
hedge_after = 1.5
keep_alive = 15
sticky = ["user", "header:session_id"]
[upstream]
idle_connections = 0
idle_timeout = 1
ca_file = "../ca.pem"
[storage]
sqlite = "/var/a.sqlite"
outbox = "b.sqlite"
postgres = "postgres://u:p@h/d"
postgres_connections = 9
[records]
request_body = false
max_request_body = "1KiB"
response = false
max_response = "2KiB"
queue = "1MiB"
durability = "commit"
flush = 5
retention = "30d"
body_retention = "12h"
max_database = "20GiB"
[notify]
window = 1
feishu_webhook = "env:W"
feishu_secret = "s"
matrix_homeserver = "https://m"
matrix_room = "!r:m"
matrix_token = "file:t"
webhook = "https://h/w"
webhook_body = "{}"
[models]
list = "first"
[metrics]
path = "/metrics"
auth = true
[log]
level = "debug"
format = "json")");
    CHECK(settings.secrets == SecretSettings{"/etc/route/secrets", {"A_KEY"}});
    CHECK(settings.timeouts == TimeoutSettings{Seconds{1}, Seconds{2}, Seconds{3}, 1024, Seconds{4},
                                               Seconds{0.25}, Seconds{6}, Seconds{7.5}});
    FailoverSettings failover;
    failover.order = UpstreamOrder::random;
    failover.total = Seconds{9};
    failover.cooldown = Seconds{0};
    failover.cooldown_after = 1;
    failover.reply_buffer = 0;
    failover.commit = Commit::complete;
    failover.commit_after = Seconds{0.5};
    failover.retries = 2;
    failover.retry_wait = Seconds{0};
    failover.rounds = 3;
    failover.final_statuses = {400, 413};
    failover.hedge_after = Seconds{1.5};
    failover.keep_alive = Seconds{15};
    failover.sticky = {"user", "header:session_id"};
    CHECK(settings.failover == failover);
    CHECK(settings.notify ==
          NotifySettings{1, "env:W", "s", "https://m", "!r:m", "file:/etc/route/t", "https://h/w", "{}"});
    CHECK(settings.upstream == UpstreamSettings{0, Seconds{1}, "/etc/ca.pem", ""});
    CHECK(settings.storage ==
          StorageSettings{Backend::sqlite, "/var/a.sqlite", "postgres://u:p@h/d", 9, "/etc/route/b.sqlite"});
    CHECK(settings.records == RecordSettings{false, 1024, false, 2048, 1 << 20, Durability::commit, 5,
                                             Seconds{30 * 86400}, Seconds{12 * 3600}, 20ull << 30});
    CHECK(settings.models.list == ModelListing::of_first);
    CHECK(settings.metrics == MetricsSettings{"/metrics", true});
    CHECK(settings.log == LogSettings{"debug", LogFormat::json});
}

TEST_CASE("no database needs keys in the file, unless nobody is asked for one")
{
    CHECK(settings_of("[storage]\nbackend = \"none\"\n[auth]\nkeys = [\"k\"]").storage.backend ==
          Backend::none);
    CHECK(settings_of("[storage]\nbackend = \"none\"\n[auth]\nenabled = false").storage.backend ==
          Backend::none);
}

TEST_CASE("the command line wins over the file")
{
    const TemporaryDirectory directory;
    ServeOptions options;
    options.config = directory.write("c.toml", "[storage]\nbackend = \"none\"\n[server]\nlisten = \":1\"\n");
    CHECK(load_configuration(options).error().front().key == "storage.backend");
    options.noauth = true;
    CHECK(load_configuration(options)->settings.storage.backend == Backend::none);
    options.listen = ":2";
    options.database = (directory / "x.sqlite").string();
    const auto loaded = load_configuration(options);
    REQUIRE(loaded.has_value());
    CHECK(loaded->file == options.config);
    CHECK(loaded->settings.server.listen == ":2");
    CHECK_FALSE(loaded->settings.auth.enabled);
    CHECK(loaded->settings.storage.backend == Backend::sqlite);
    CHECK(loaded->settings.storage.sqlite == options.database);
    CHECK(loaded->settings.storage.outbox == (directory / "outbox.sqlite").string());

    options.database = "postgresql://u:secret@h/d";
    const auto elsewhere = load_configuration(options);
    REQUIRE(elsewhere.has_value());
    CHECK(elsewhere->settings.storage.backend == Backend::postgres);
    CHECK(elsewhere->settings.storage.postgres == options.database);
    options.database = "sqlite:" + (directory / "named.sqlite").string();
    CHECK(load_configuration(options)->settings.storage.sqlite == (directory / "named.sqlite").string());
    for (const auto* wrong : {"", "sqlite:", "mysql://u:secret@h/d", "PostgreSQL://u:secret@h/d",
                              "host=h password=secret dbname=d", "postgresql://u:sec@ret@h/d"}) {
        options.database = wrong;
        const auto refused = load_configuration(options);
        REQUIRE(refused.has_error());
        CHECK(refused.error().front().key == "--database");
        CHECK(describe(refused.error().front()).find("secret") == std::string::npos);
    }
    options = ServeOptions{};
    options.config = (directory / "c.toml").string();
    options.listen = "nowhere";
    CHECK(load_configuration(options).error().front().key == "--addr");
}

TEST_CASE("the file in the working directory is read when none is named, its absence is no error")
{
    const TemporaryDirectory directory;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(directory.path());
    const auto without = load_configuration({});
    directory.write("openai-api-route.toml", "[log]\nlevel = \"debug\"\n");
    const auto with = load_configuration({});
    ServeOptions named;
    named.config = "missing.toml";
    const auto missing = load_configuration(named);
    named.config = ".";
    const auto no_file = load_configuration(named);
    std::filesystem::current_path(before);

    REQUIRE(without.has_value());
    CHECK(without->file.empty());
    CHECK(without->settings.storage.sqlite == (directory / "db.sqlite").string());
    REQUIRE(with.has_value());
    CHECK(with->file == (directory / "openai-api-route.toml").string());
    CHECK(with->settings.log.level == "debug");
    REQUIRE(missing.has_error());
    CHECK(describe(missing.error().front()) == "missing.toml: cannot be read: No such file or directory");
    CHECK(no_file.has_error());
}

TEST_CASE("what needs a restart is named")
{
    const Settings old = defaults();
    CHECK(restart_needed(old, old).empty());
    Settings now = old;
    now.log.level = "debug";
    now.timeouts.stream = Seconds{1};
    CHECK(restart_needed(old, now).empty());
    now.server.listen = ":1";
    now.server.threads = 3;
    now.storage.sqlite = "/x";
    now.storage.outbox = "/y";
    CHECK(restart_needed(old, now) ==
          std::vector<std::string>{"server.listen", "server.threads", "storage.sqlite", "storage.outbox"});
}

}  // namespace
}  // namespace route
