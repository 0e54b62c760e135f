#include "core/net/transport/outbound_proxy.hpp"

#include "core/http/upstream_head.hpp"
#include "tests/support/catch.hpp"

namespace route::net {
namespace {

Endpoint endpoint(const char* url)
{
    return parse_endpoint(url).value();
}

std::string host_of(const std::optional<ProxyEndpoint>& proxy)
{
    return proxy ? proxy->host : "none";
}

EnvironmentProxies environment(const char* exempt = "")
{
    return EnvironmentProxies::parse("plain:81", "http://u:p%40@secure:82", exempt).value();
}

TEST_CASE("variables of the environment name proxies, with a scheme or without")
{
    const auto proxies = environment();
    CHECK(proxies.http->host == "plain");
    CHECK(proxies.http->port == 81);
    CHECK(proxies.https->host == "secure");
    CHECK(proxies.https->user_info == "u:p@");
    CHECK_FALSE(EnvironmentProxies::parse("", " ", "").value().https);

    const auto refused = EnvironmentProxies::parse("", "socks5://secret@h:1", "");
    REQUIRE(refused.has_error());
    CHECK(refused.error().reason ==
          "HTTPS_PROXY of the environment: expected http://[USER:PASSWORD@]HOST:PORT");
}

TEST_CASE("NO_PROXY exempts names with those below them, addresses, networks and ports")
{
    struct Row
    {
        const char* exempt;
        const char* url;
        bool expected;
    };
    const Row row = GENERATE(values<Row>({
        {"", "https://api.example.com", false},
        {"*", "https://api.example.com", true},
        {"example.com", "https://example.com", true},
        {"example.com", "https://api.example.com", true},
        {"example.com", "https://badexample.com", false},
        {"Example.COM", "https://api.example.com", true},
        {".example.com", "https://api.example.com", true},
        {"*.example.com", "https://api.example.com", true},
        {"api.example.com", "https://example.com", false},
        {"other, example.com ,", "https://api.example.com", true},
        {"example.com:443", "https://api.example.com", true},
        {"example.com:8443", "https://api.example.com", false},
        {"example.com:8443", "https://api.example.com:8443", true},
        {"10.0.0.1", "http://10.0.0.1", true},
        {"10.0.0.1:80", "http://10.0.0.1", true},
        {"10.0.0.1:81", "http://10.0.0.1", false},
        {"10.0.0.0/8", "http://10.9.8.7", true},
        {"10.0.0.0/8", "http://11.9.8.7", false},
        {"0.0.0.1", "http://10.0.0.1", false},
        {"fd00::1", "http://[fd00::1]", true},
        {"[fd00::1]:80", "http://[fd00::1]", true},
        {"[fd00::1]:81", "http://[fd00::1]", false},
        {"fd00::/16", "http://[fd00::9]", true},
        {"fd01::/16", "http://[fd00::9]", false},
        {"10.0.0.0/99", "http://10.0.0.1", false},
        {"[", "http://10.0.0.1", false},
        {".", "http://name", false},
    }));
    CAPTURE(row.exempt, row.url);
    CHECK(is_exempt(row.exempt, endpoint(row.url)) == row.expected);
}

TEST_CASE("an upstream's own proxy is chosen, else the configured one, else the environment's")
{
    struct Row
    {
        const char* url;
        const char* own;
        const char* configured;
        const char* expected;
    };
    const Row row = GENERATE(values<Row>({
        {"https://a.test", "http://own:1", "http://configured:1", "own"},
        {"https://a.test", "", "http://configured:1", "configured"},
        {"https://a.test", "direct", "http://configured:1", "none"},
        {"https://a.test", "http://own:1", "direct", "own"},
        {"https://a.test", "", "direct", "none"},
        {"https://a.test", "", "", "secure"},
        {"http://a.test", "", "", "plain"},
        {"http://exempt.test", "", "", "none"},
        {"http://exempt.test", "http://own:1", "", "own"},
        {"http://exempt.test", "", "http://configured:1", "configured"},
        {"http://localhost:1", "", "", "none"},
        {"http://127.1.2.3", "", "", "none"},
        {"https://[::1]", "", "", "none"},
        {"http://localhost:1", "", "http://configured:1", "configured"},
    }));
    CAPTURE(row.url, row.own, row.configured);
    CHECK(host_of(choose_proxy(endpoint(row.url), row.own, row.configured, environment("exempt.test"))) ==
          row.expected);
}

TEST_CASE("credentials for a proxy are in Basic form")
{
    CHECK(proxy_authorization({"h", 1, ""}).empty());
    CHECK(proxy_authorization({"h", 1, "Aladdin:open sesame"}) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    CHECK(proxy_authorization({"h", 1, "user"}) == "Basic dXNlcjo=");
}

std::string head_for(const char* url)
{
    const SecretResolver plain = [](std::string_view text) -> Result<std::string> {
        return {boost::system::in_place_value, std::string{text}};
    };
    UpstreamDefinition definition;
    definition.endpoint = url;
    definition.sk = "sk";
    auto upstream = make_upstream(definition, plain, nullptr).value();
    upstream.via = ProxyEndpoint{"proxy", 3128, "u:p"};
    upstream.proxy_authorization = "Basic dTpw";
    const HeaderFields none;
    std::string head;
    write_upstream_head(head, {"GET", "/v1/models", "?a", none, std::nullopt}, upstream);
    return head;
}

TEST_CASE("a proxy gets the absolute form and its credentials for plain HTTP only")
{
    const auto plain = head_for("http://a.test:81/base");
    CHECK_THAT(plain, Catch::Matchers::StartsWith(
                          "GET http://a.test:81/base/models?a HTTP/1.1\r\nHost: a.test:81\r\n"));
    CHECK_THAT(plain, ContainsSubstring("\r\nProxy-Authorization: Basic dTpw\r\n"));
    const auto inside_tls = head_for("https://a.test/base");
    CHECK_THAT(inside_tls, Catch::Matchers::StartsWith("GET /base/models?a HTTP/1.1\r\nHost: a.test\r\n"));
    CHECK_THAT(inside_tls, !ContainsSubstring("Proxy-Authorization"));
}

}  // namespace
}  // namespace route::net
