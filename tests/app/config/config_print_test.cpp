#include "app/config/config_print.hpp"

#include <string>

#include "tests/app/config/config_support.hpp"

namespace route::tests {
namespace {

TEST_CASE("what is printed reads back as the same")
{
    auto settings = settings_of(R"([server]
drain = 0.5
trusted_proxies = ["10.0.0.0/8", "::1"]
[auth]
keys = ["env:A", { name = "Alice \"A\" \\ é", key = "file:/k" }]
[records]
retention = "30d"
max_database = "20GiB"
durability = "commit"
[failover]
order = "random"
[log]
format = "json"
[[upstreams]]
sk = "env:X"
timeout = 1.5
allow = ["a", "b\"c"]
rename = { a = "b", "c.d" = "e" }
[[upstreams]]
sk = "asis")");
    CHECK(settings_of(print_settings(settings)) == settings);
    CHECK(settings_of(print_settings(defaults())) == defaults());
}

TEST_CASE("what is printed holds no secret")
{
    Settings settings;
    settings.auth.keys = {{"a", "sk-client-0123456789abcdef"}, {"b", "short"}};
    settings.storage.postgres = "postgresql://u:SECRET1@h/d";
    settings.notify.feishu_webhook = "https://open.feishu.cn/open-apis/bot/v2/hook/SECRET2";
    settings.notify.feishu_secret = "SECRET3";
    settings.notify.matrix_token = "SECRET4";
    settings.notify.webhook = "https://u:SECRET7@hooks.slack.com/services/SECRET8";
    settings.notify.webhook_body = R"({"routing_key":"SECRET9","text":"${text}"})";
    settings.upstream.proxy = "http://u:SECRET5@proxy:1";
    UpstreamDefinition upstream;
    upstream.name = "x";
    upstream.sk = "sk-upstream-0123456789xyz";
    upstream.proxy = "http://u:SECRET6@proxy:1";
    settings.upstreams = {upstream};
    const auto text = print_settings(settings);
    CHECK(text.find("SECRET") == std::string::npos);
    CHECK(text.find("short") == std::string::npos);
    CHECK(text.find("0123456789") == std::string::npos);
    CHECK_THAT(text, ContainsSubstring("sk-c…cdef"));
    CHECK_THAT(text, ContainsSubstring("sk-u…9xyz"));
}

TEST_CASE("of a URL that messages go to only the host is printed")
{
    const auto [url, printed] = GENERATE(values<std::pair<std::string, std::string>>({
        {"https://h.example.org/services/SECRET", "https://h.example.org/…"},
        {"https://h.example.org?token=SECRET", "https://h.example.org/…"},
        {"https://SECRET@h.example.org/", "https://…@h.example.org/…"},
        {"https://SECRET:SECRET@h.example.org:8443", "https://…@h.example.org:8443"},
        {"env:WEBHOOK", "env:WEBHOOK"},
        {"", ""},
    }));
    Settings settings;
    settings.notify.feishu_webhook = url;
    settings.notify.webhook = url;
    settings.notify.matrix_homeserver = url;
    const auto text = print_settings(settings);
    CHECK_THAT(text, ContainsSubstring("feishu_webhook = \"" + printed + "\"\n"));
    CHECK_THAT(text, ContainsSubstring("\nwebhook = \"" + printed + "\"\n"));
    CHECK_THAT(text, ContainsSubstring("matrix_homeserver = \"" + printed + "\"\n"));
    CHECK(text.find("SECRET") == std::string::npos);
}

}  // namespace
}  // namespace route::tests
