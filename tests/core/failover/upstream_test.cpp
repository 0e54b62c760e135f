#include "core/failover/upstream.hpp"

#include <limits>

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("names of upstreams")
{
    for (const auto* good : {"a", "openai", "a.b-c_D9", "1a", "-", "."})
        CHECK(valid_upstream_name(good));
    CHECK(valid_upstream_name(std::string(64, 'x')));
    for (const auto* bad : {"", "7", "123", "a b", "a/b", "ä", "a\n", "a:b"})
        CHECK_FALSE(valid_upstream_name(bad));
    CHECK_FALSE(valid_upstream_name(std::string(65, 'x')));

    UpstreamDefinition definition;
    definition.id = 7;
    CHECK(effective_name(definition) == "upstream-7");
    definition.name = "openai";
    CHECK(effective_name(definition) == "openai");
}

TEST_CASE("matches_pattern")
{
    struct Row
    {
        const char* pattern;
        const char* text;
        bool matches;
    };
    const Row rows[] = {
        {"gpt-4", "gpt-4", true},
        {"gpt-4", "gpt-4o", false},
        {"gpt-4o", "gpt-4", false},
        {"gpt-4", "GPT-4", false},
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "anything/at all", true},
        {"**", "a", true},
        {"gpt-*", "gpt-", true},
        {"gpt-*", "gpt-4o-mini", true},
        {"gpt-*", "xgpt-4", false},
        {"*-mini", "gpt-4o-mini", true},
        {"*-mini", "gpt-4o-mini-2", false},
        {"*mini*", "gpt-4o-mini-2", true},
        {"a*b*c", "a-b-b-c", true},
        {"a*b*c", "a-b-b-cd", false},
        {"a*b*c", "abc", true},
        {"a*b*c", "ac", false},
        {"*aab", "aaaaab", true},
        {"*ab*ab", "ab", false},
        {"a?c", "abc", false},
        {"[a]", "a", false},
        {"a.c", "abc", false},
        {"/v1/files*", "/v1/files/f-1/content", true},
    };
    for (const auto& row : rows) {
        CAPTURE(row.pattern, row.text);
        CHECK(matches_pattern(row.pattern, row.text) == row.matches);
    }
}

TEST_CASE("matches_pattern takes no exponential time")
{
    std::string pattern;
    for (int i = 0; i < 64; ++i)
        pattern += "*a";
    CHECK_FALSE(matches_pattern(pattern + "*b", std::string(4096, 'a')));
    CHECK(matches_pattern(pattern + "*b", std::string(4096, 'a') + "b"));
}

TEST_CASE("allows: every row of the rule")
{
    using List = std::vector<std::string>;
    struct Row
    {
        List allow;
        List deny;
        std::optional<std::string> model;
        const char* path;
        bool allowed;
    };
    const Row rows[] = {
        {{}, {}, "gpt-4o", "/v1/chat/completions", true},
        {{}, {}, std::nullopt, "/v1/files", true},
        {{"gpt-4o"}, {}, "gpt-4o", "/v1/chat/completions", true},
        {{"gpt-4o"}, {}, "gpt-4", "/v1/chat/completions", false},
        {{"gpt-4", "gpt-4o*"}, {}, "gpt-4o-mini", "/v1/chat/completions", true},
        {{"*"}, {}, "anything", "/v1/chat/completions", true},
        {{}, {"gpt-4o"}, "gpt-4o", "/v1/chat/completions", false},
        {{}, {"gpt-4o"}, "gpt-4", "/v1/chat/completions", true},
        {{"gpt-*"}, {"gpt-4*"}, "gpt-4o", "/v1/chat/completions", false},
        {{"gpt-*"}, {"gpt-4*"}, "gpt-3.5", "/v1/chat/completions", true},
        // without a model only paths count
        {{"gpt-*"}, {}, std::nullopt, "/v1/files", false},
        {{"*"}, {}, std::nullopt, "/v1/files", false},
        {{"gpt-*", "/v1/files*"}, {}, std::nullopt, "/v1/files/f-1", true},
        {{"gpt-*", "/v1/files*"}, {}, std::nullopt, "/v1/batches", false},
        {{}, {"*"}, std::nullopt, "/v1/files", true},
        {{}, {"/v1/files*"}, std::nullopt, "/v1/files", false},
        {{}, {"/v1/files*"}, std::nullopt, "/v1/batches", true},
        {{"/v1/*"}, {"/v1/files*"}, std::nullopt, "/v1/files", false},
        {{"/v1/*"}, {"/v1/files*"}, std::nullopt, "/v1/models", true},
        // with a model paths count as well
        {{}, {"/v1/images/*"}, "dall-e-3", "/v1/images/generations", false},
        {{"/v1/images/*"}, {}, "dall-e-3", "/v1/images/generations", true},
        {{"/v1/images/*"}, {}, "gpt-4o", "/v1/chat/completions", false},
        {{"/models/llama"}, {}, "/models/llama", "/v1/chat/completions", true},
        // an empty model is a model
        {{"gpt-*"}, {}, "", "/v1/chat/completions", false},
        {{"*"}, {}, "", "/v1/chat/completions", true},
    };
    for (const auto& row : rows) {
        CAPTURE(row.allow, row.deny, row.model.value_or("(none)"), row.path);
        CHECK(allows(row.allow, row.deny, row.model, row.path) == row.allowed);
    }
}

TEST_CASE("of a model's name that is too long to be read whole nothing is denied or allowed by accident")
{
    using List = std::vector<std::string>;
    struct Row
    {
        List allow;
        List deny;
        bool allowed;
    };
    const std::string beginning = "gpt-4" + std::string(1019, 'x');
    const Row rows[] = {
        {{}, {}, true},
        {{"*"}, {}, true},
        {{"gpt-*"}, {}, true},
        {{"gpt-4xx*x*"}, {}, true},
        {{"gpt-*x"}, {}, false},
        {{beginning}, {}, false},
        {{beginning + "*"}, {}, true},
        {{}, {"*"}, false},
        {{}, {"gpt-*"}, false},
        {{}, {"*-mini"}, false},
        {{}, {"gpt-4*-mini"}, false},
        {{}, {"claude-*"}, true},
        {{}, {"gpt-4"}, true},
        {{}, {beginning}, true},
        {{}, {beginning + "y"}, false},
        {{}, {beginning + "*y"}, false},
        {{}, {"/v1/chat/*"}, false},
        {{"/v1/chat/*"}, {}, true},
    };
    for (const auto& row : rows) {
        CAPTURE(row.allow, row.deny);
        CHECK(allows(row.allow, row.deny, beginning, "/v1/chat/completions", true) == row.allowed);
    }
}

namespace {

UpstreamDefinition usable()
{
    UpstreamDefinition definition;
    definition.id = 3;
    definition.name = "openai";
    definition.sk = "sk-secret-secret";
    definition.endpoint = "https://api.example/v1/";
    return definition;
}

Result<std::string> resolved(std::string key)
{
    return Result<std::string>{boost::system::in_place_value, std::move(key)};
}

Result<std::string> resolve(std::string_view reference)
{
    if (reference == "env:KEY")
        return resolved("sk-of-the-environment");
    if (reference == "env:EMPTY")
        return resolved("");
    if (reference == "env:TWO_LINES")
        return resolved("sk-secret\nsk-other");
    if (reference.starts_with("env:"))
        return Invalid{"the variable is not set"};
    return resolved(std::string{reference});
}

Result<Upstream> made(const UpstreamDefinition& definition)
{
    return make_upstream(definition, resolve, nullptr);
}

}  // namespace

TEST_CASE("make_upstream takes over what is written")
{
    auto definition = usable();
    definition.priority = -2;
    definition.weight = 0;
    definition.timeout = Seconds{2.5};
    definition.stream_timeout = Seconds{1};
    definition.allow = {"gpt-*"};
    definition.deny = {"gpt-4"};
    definition.rename = {{"a", "b"}};
    definition.proxy = "http://u:p@proxy:3128";
    auto cooldown = std::make_shared<Cooldown>();
    const auto result = make_upstream(definition, resolve, cooldown);
    REQUIRE(result.has_value());
    const auto& upstream = *result;
    CHECK(upstream.id == 3);
    CHECK(upstream.name == "openai");
    CHECK(upstream.endpoint_url == "https://api.example/v1/");
    CHECK(upstream.endpoint.host == "api.example");
    CHECK(upstream.endpoint.base_path == "/v1");
    CHECK(upstream.key == "sk-secret-secret");
    CHECK_FALSE(upstream.asis);
    CHECK(upstream.priority == -2);
    CHECK(upstream.weight == 0);
    CHECK(upstream.timeout == Seconds{2.5});
    CHECK(upstream.stream_timeout == Seconds{1});
    CHECK(upstream.allow == definition.allow);
    CHECK(upstream.deny == definition.deny);
    CHECK(upstream.rename == definition.rename);
    CHECK(upstream.proxy == definition.proxy);
    CHECK(upstream.cooldown == cooldown);
}

TEST_CASE("make_upstream: keys, names and timeouts")
{
    auto definition = usable();
    definition.name.clear();
    CHECK(made(definition)->name == "upstream-3");
    CHECK(made(definition)->cooldown != nullptr);

    definition.sk = "env:KEY";
    CHECK(made(definition)->key == "sk-of-the-environment");
    definition.sk = "asis";
    CHECK(made(definition)->asis);
    CHECK(made(definition)->key.empty());

    // 0 in a row means "not set", as in v0.3.0
    definition.timeout = Seconds{0};
    definition.stream_timeout = Seconds{0};
    CHECK_FALSE(made(definition)->timeout);
    CHECK_FALSE(made(definition)->stream_timeout);
    // so long that a clock would overflow
    definition.timeout = Seconds{1e18};
    CHECK(made(definition)->timeout == Seconds{365.0 * 86400});
}

TEST_CASE("make_upstream refuses each bad field by its name and tells no secret")
{
    using Change = void (*)(UpstreamDefinition&);
    const std::pair<const char*, Change> rows[] = {
        {"name: ", [](UpstreamDefinition& d) { d.name = "a b"; }},
        {"name: ", [](UpstreamDefinition& d) { d.name = "42"; }},
        {"sk: ", [](UpstreamDefinition& d) { d.sk = ""; }},
        {"sk: ", [](UpstreamDefinition& d) { d.sk = "sk-secret\r\nX-Evil: 1"; }},
        {"sk: ", [](UpstreamDefinition& d) { d.sk = "sk secret"; }},
        {"sk: ", [](UpstreamDefinition& d) { d.sk = std::string{"sk-secret\0", 10}; }},
        {"sk: ", [](UpstreamDefinition& d) { d.sk = "sk-secret\x7f"; }},
        {"sk: ", [](UpstreamDefinition& d) { d.sk = "sk-secret\xc2\xa0"; }},
        {"sk: the variable is not set", [](UpstreamDefinition& d) { d.sk = "env:NOT_SET"; }},
        {"sk: ", [](UpstreamDefinition& d) { d.sk = "env:EMPTY"; }},
        {"sk: ", [](UpstreamDefinition& d) { d.sk = "env:TWO_LINES"; }},
        {"endpoint: ", [](UpstreamDefinition& d) { d.endpoint = ""; }},
        {"endpoint: ", [](UpstreamDefinition& d) { d.endpoint = "https://u:secret@h/v1"; }},
        {"endpoint: ", [](UpstreamDefinition& d) { d.endpoint = "https://h/v1\n"; }},
        {"weight: ", [](UpstreamDefinition& d) { d.weight = -1; }},
        {"timeout: ", [](UpstreamDefinition& d) { d.timeout = Seconds{-1}; }},
        {"timeout: ",
         [](UpstreamDefinition& d) { d.timeout = Seconds{std::numeric_limits<double>::quiet_NaN()}; }},
        {"timeout: ",
         [](UpstreamDefinition& d) { d.timeout = Seconds{std::numeric_limits<double>::infinity()}; }},
        {"stream_timeout: ", [](UpstreamDefinition& d) { d.stream_timeout = Seconds{-0.5}; }},
        {"allow: ", [](UpstreamDefinition& d) { d.allow = {"gpt-4", ""}; }},
        {"allow: ", [](UpstreamDefinition& d) { d.allow = {"gpt\n4"}; }},
        {"deny: ", [](UpstreamDefinition& d) { d.deny = {"\x1b[0m"}; }},
        {"rename: ", [](UpstreamDefinition& d) { d.rename = {{"a", ""}}; }},
        {"rename: ", [](UpstreamDefinition& d) { d.rename = {{"", "a"}}; }},
        {"rename: ", [](UpstreamDefinition& d) { d.rename = {{"a", "\xff"}}; }},
        {"proxy: ", [](UpstreamDefinition& d) { d.proxy = "http://u:secret@proxy"; }},
        {"proxy: ", [](UpstreamDefinition& d) { d.proxy = "socks5://proxy:1080"; }},
    };
    for (const auto& [field, change] : rows) {
        auto definition = usable();
        change(definition);
        const auto result = made(definition);
        REQUIRE(result.has_error());
        CAPTURE(result.error().reason);
        CHECK(result.error().reason.starts_with(field));
        CHECK(result.error().reason.find("secret") == std::string::npos);
    }
    CHECK(made(usable()).has_value());
}

TEST_CASE("mask_key shows the ends of a long key and references as they are")
{
    const std::pair<const char*, const char*> rows[] = {
        {"", "…"},
        {"short", "…"},
        {"123456789012345", "…"},
        {"1234567890123456", "1234…3456"},
        {"sk-abcdefghijklmnop9xYz", "sk-a…9xYz"},
        {"env:OPENAI_API_KEY", "env:OPENAI_API_KEY"},
        {"file:/run/secrets/openai", "file:/run/secrets/openai"},
        {"asis", "asis"},
        {"鍵鍵鍵鍵鍵鍵鍵鍵", "…"},
        {"一二三四五六七八九十甲乙丙丁戊己", "一二三四…丙丁戊己"},
        {"sk-a\nbcdefghijklmnop9xYz", "…"},
        {"sk-abcdefghijklmnop9xY\xff", "…"},
    };
    for (const auto& [key, masked] : rows)
        CHECK(mask_key(key) == masked);
}

TEST_CASE("what an upstream needs is taken over, references resolved")
{
    auto definition = usable();
    definition.retries = 0;
    definition.first_content_timeout = Seconds{0};
    definition.hedge_after = Seconds{1.5};
    definition.max_in_flight = 4;
    definition.headers = {
        {"X-Title", "a b"}, {"User-Agent", ""}, {"X-Org", "env:KEY"}, {"X-Api-Token", "abc"}};
    definition.set = {{"store", "false"}, {"provider", "{\"only\": [\"a\"]}"}};
    definition.unset = {"user"};
    definition.key_header = "api-key";
    const auto upstream = made(definition).value();
    CHECK(upstream.retries == 0);
    CHECK(upstream.first_content_timeout == Seconds{0});
    CHECK(upstream.hedge_after == Seconds{1.5});
    CHECK(upstream.max_in_flight == 4);
    CHECK(upstream.in_flight != nullptr);
    std::string headers;
    for (const auto& header : upstream.headers)
        headers += header.name + "=" + header.value + (header.secret ? " secret; " : "; ");
    CHECK(headers ==
          "User-Agent=; X-Api-Token=abc secret; X-Org=sk-of-the-environment secret; X-Title=a b; ");
    CHECK(upstream.set == definition.set);
    CHECK(upstream.unset == definition.unset);
    CHECK(upstream.key_header == "api-key");
    const auto plain = made(usable()).value();
    CHECK_FALSE(plain.retries);
    CHECK_FALSE(plain.first_content_timeout);
    CHECK_FALSE(plain.hedge_after);
}

TEST_CASE("what an upstream cannot need is refused, and what was expected is said")
{
    struct Row
    {
        std::function<void(UpstreamDefinition&)> change;
        const char* reason;
    };
    const auto header = [](const char* name, const char* value) {
        return [=](UpstreamDefinition& definition) { definition.headers = {{name, value}}; };
    };
    const Row rows[] = {
        {[](auto& definition) { definition.retries = -1; }, "retries: expected 0 to 100"},
        {[](auto& definition) { definition.retries = 101; }, "retries: expected 0 to 100"},
        {[](auto& definition) { definition.first_content_timeout = Seconds{-1}; },
         "first_content_timeout: expected a number of seconds, 0 or more"},
        {[](auto& definition) { definition.hedge_after = Seconds{std::numeric_limits<double>::quiet_NaN()}; },
         "hedge_after: expected a number of seconds, 0 or more"},
        {[](auto& definition) { definition.max_in_flight = -1; }, "max_in_flight: expected 0 or more"},
        {header("X-A", "a\r\nHost: b"), "headers: X-A: expected a value without control characters"},
        {header("X-A", " a"), "headers: X-A: expected a value"},
        {header("X-A", "env:UNSET"), "headers: X-A: the variable is not set"},
        {header("X-A", "env:TWO_LINES"), "headers: X-A: expected a value without control characters"},
        {header("X A", "a"), "headers: expected the name of a header"},
        {header("", "a"), "headers: expected the name of a header"},
        {header("X:", "a"), "headers: expected the name of a header"},
        {header("Host", "a"), "headers: expected another header than Host"},
        {header("content-LENGTH", ""), "headers: expected another header than content-LENGTH"},
        {header("Transfer-Encoding", "chunked"), "headers: expected another header"},
        {header("Connection", "close"), "headers: expected another header"},
        {header("Accept-Encoding", "gzip"), "headers: expected another header"},
        {header("Sec-WebSocket-Key", "a"), "headers: expected another header"},
        {[](auto& definition) { definition.headers = {{"X-A", "1"}, {"x-a", "2"}}; },
         "headers: expected x-a once"},
        {[](auto& definition) { definition.key_header = "a b"; },
         "key_header: expected the name of a header"},
        {[](auto& definition) { definition.key_header = "Host"; }, "key_header: expected another header"},
        {[](auto& definition) {
             definition.sk = "asis";
             definition.key_header = "api-key";
         },
         "key_header: expected none where sk is asis"},
        {[](auto& definition) { definition.set = {{"a", "high"}}; }, "set: a: expected JSON, such as"},
        {[](auto& definition) { definition.set = {{"a", "1,\"b\":2"}}; }, "set: a: expected JSON"},
        {[](auto& definition) { definition.set = {{"a", ""}}; }, "set: a: expected JSON"},
        {[](auto& definition) { definition.set = {{"", "1"}}; }, "set: expected names of members"},
        {[](auto& definition) { definition.set = {{"Model", "1"}}; },
         "set: expected another member than model"},
        {[](auto& definition) { definition.unset = {"model"}; }, "unset: expected another member than model"},
        {[](auto& definition) {
             definition.set = {{"a", "1"}};
             definition.unset = {"a"};
         },
         "unset: expected a in set or in unset, not in both"},
        {[](auto& definition) { definition.unreadable = {{"headers", "[]"}}; },
         "headers: expected a JSON object of strings and nulls"},
        {[](auto& definition) { definition.unreadable = {{"set", "1"}}; }, "set: expected a JSON object"},
        {[](auto& definition) { definition.unreadable = {{"unset", "1"}}; },
         "unset: expected a JSON array of strings"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.reason);
        auto definition = usable();
        row.change(definition);
        const auto result = made(definition);
        REQUIRE(result.has_error());
        CHECK_THAT(result.error().reason, ContainsSubstring(row.reason));
        CHECK(result.error().reason.find("sk-secret") == std::string::npos);
    }
}
