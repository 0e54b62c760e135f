#include "core/failover/endpoint.hpp"

#include "tests/support/catch.hpp"

using namespace route;

TEST_CASE("parse_endpoint takes URLs apart")
{
    struct Row
    {
        const char* url;
        bool tls;
        const char* host;
        std::uint16_t port;
        const char* base_path;
        const char* authority;
    };
    const Row rows[] = {
        {"https://api.openai.com/v1", true, "api.openai.com", 443, "/v1", "api.openai.com"},
        {"https://api.openai.com", true, "api.openai.com", 443, "/v1", "api.openai.com"},
        {"https://api.openai.com/", true, "api.openai.com", 443, "/v1", "api.openai.com"},
        {"https://api.openai.com///", true, "api.openai.com", 443, "/v1", "api.openai.com"},
        {"http://localhost:8080/v1/", false, "localhost", 8080, "/v1", "localhost:8080"},
        {"http://localhost:80/v1", false, "localhost", 80, "/v1", "localhost"},
        {"https://localhost:443", true, "localhost", 443, "/v1", "localhost"},
        {"http://localhost:443", false, "localhost", 443, "/v1", "localhost:443"},
        {"https://localhost:80", true, "localhost", 80, "/v1", "localhost:80"},
        {"HTTP://Example.COM/V1", false, "example.com", 80, "/V1", "example.com"},
        {"http://127.0.0.1:1/a/b//c/", false, "127.0.0.1", 1, "/a/b//c", "127.0.0.1:1"},
        {"http://[::1]:65535/x", false, "::1", 65535, "/x", "[::1]:65535"},
        {"https://[2001:DB8::7]", true, "2001:db8::7", 443, "/v1", "[2001:db8::7]"},
        {"https://h/a%20b/%E4%BD%A0", true, "h", 443, "/a%20b/%E4%BD%A0", "h"},
        {"https://h/a.b/..c/...", true, "h", 443, "/a.b/..c/...", "h"},
        {"http://vllm_1.internal:8000", false, "vllm_1.internal", 8000, "/v1", "vllm_1.internal:8000"},
        {"https://gateway.ai.cloudflare.com/v1/a/b/openai", true, "gateway.ai.cloudflare.com", 443,
         "/v1/a/b/openai", "gateway.ai.cloudflare.com"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.url);
        const auto endpoint = parse_endpoint(row.url);
        REQUIRE(endpoint.has_value());
        CHECK(endpoint->tls == row.tls);
        CHECK(endpoint->host == row.host);
        CHECK(endpoint->port == row.port);
        CHECK(endpoint->base_path == row.base_path);
        CHECK(endpoint->authority == row.authority);
    }
}

TEST_CASE("an endpoint is shown without its secrets")
{
    struct Row
    {
        const char* url;
        const char* shown;
    };
    const Row row = GENERATE(values<Row>({
        {"https://api.openai.com/v1", "https://api.openai.com/v1"},
        {"http://10.0.0.7:8000", "http://10.0.0.7:8000"},
        {"https://a.example/v1/@me", "https://a.example/v1/@me"},
        {"https://user:SECRET@a.example/v1", "https://…@a.example/v1"},
        {"https://SECRET@a.example", "https://…@a.example"},
        {"https://user:SEC/RET?S#E@a.example/v1", "https://…@a.example/v1"},
        {"https://a.example/v1?api-key=SECRET&x=SECRET", "https://a.example/v1?api-key=…&x=…"},
        {"https://a.example/v1?SECRET#SECRET", "https://a.example/v1?…#…"},
        {"https://a.example/v1?key=SECRET=SECRET", "https://a.example/v1?key=…"},
        {"ftp://u:SECRET@x/?k=SECRET", "ftp://…@x/?k=…"},
        {"ftp://x", "ftp://x"},
        {"sk-SECRETSECRETSECRET", "sk-S…CRET"},
        {"not a url", "…"},
        {"", ""},
    }));
    CHECK(mask_endpoint(row.url) == row.shown);
}

TEST_CASE("parse_endpoint refuses what is no plain http or https URL, and quotes nothing of it")
{
    const std::string_view urls[] = {
        "",
        " ",
        "api.openai.com",
        "api.openai.com/v1",
        "//api.openai.com/v1",
        "/v1",
        "https:",
        "https:/h/v1",
        "https://",
        "https:///v1",
        "https://:443/v1",
        "ftp://h/v1",
        "ws://h/v1",
        "file:///etc/passwd",
        "https://secret@h/v1",
        "https://user:secret@h/v1",
        "https://@h/v1",
        "https://h/v1?secret",
        "https://h/v1#secret",
        "https://h/v1#",
        "https://h:0/v1",
        "https://h:/v1",
        "https://h:65536/v1",
        "https://h:99999/v1",
        "https://h:99999999999999999999/v1",
        "https://h:-1/v1",
        "https://h:http/v1",
        "https://h:22m:221/v1",
        "https://h:443x",
        "https://h /v1",
        " https://h/v1",
        "https://h/v1 ",
        "https://h/v1\n",
        "https://h/v1\r\nX: secret",
        "https://h/\tv1",
        std::string_view{"https://h/\0v1", 13},
        "https://h/\x7fv1",
        "https://h/\xe4\xbd\xa0",
        "https://\xe4\xbd\xa0/v1",
        "https://h%2e/v1",
        "https://h%00/v1",
        "https://a,b/v1",
        "https://a;b/v1",
        "https://[::1/v1",
        "https://::1/v1",
        "https://[::g]/v1",
        "https://[fe80::1%25eth0]/v1",
        "https://[v1.x]/v1",
        "https://h/./v1",
        "https://h/../v1",
        "https://h/v1/..",
        "https://h/v1/.",
        "https://h/v1/%2e%2E/x",
        "https://h/v1/.%2e",
        "https://h/v1/%2E/",
        "https://h/%zz",
        "https://h\\v1",
    };
    for (const auto url : urls) {
        CAPTURE(url);
        const auto endpoint = parse_endpoint(url);
        REQUIRE(endpoint.has_error());
        CHECK_THAT(endpoint.error().reason, ContainsSubstring("expected"));
        CHECK(endpoint.error().reason.find("secret") == std::string::npos);
    }
    CHECK(parse_endpoint("http://" + std::string(254, 'a')).has_error());
}

TEST_CASE("parse_proxy takes http://[USER:PASSWORD@]HOST:PORT")
{
    struct Row
    {
        const char* url;
        const char* host;
        std::uint16_t port;
        const char* user_info;
    };
    const Row rows[] = {
        {"http://proxy:3128", "proxy", 3128, ""},
        {"http://Proxy.Example:80/", "proxy.example", 80, ""},
        {"http://[::1]:8080", "::1", 8080, ""},
        {"http://user:pass@proxy:3128", "proxy", 3128, "user:pass"},
        {"http://user:p%40ss%3a@proxy:3128", "proxy", 3128, "user:p@ss:"},
        {"http://user@proxy:3128", "proxy", 3128, "user"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.url);
        const auto proxy = parse_proxy(row.url);
        REQUIRE(proxy.has_value());
        CHECK(proxy->host == row.host);
        CHECK(proxy->port == row.port);
        CHECK(proxy->user_info == row.user_info);
    }
    for (const auto* url :
         {"", "proxy:3128", "http://proxy", "http://proxy:", "http://proxy:0", "http://proxy:70000",
          "https://proxy:3128", "socks5://proxy:1080", "http://secret:3128/path", "http://:3128",
          "http://proxy:3128?secret", "http://proxy:3128#", "http://pro xy:3128",
          "http://user:sec ret@proxy:3128", "http://proxy:3128\n"}) {
        CAPTURE(url);
        const auto proxy = parse_proxy(url);
        REQUIRE(proxy.has_error());
        CHECK(proxy.error().reason == "expected http://[USER:PASSWORD@]HOST:PORT");
    }
}

TEST_CASE("an endpoint may have a place for the model in its path, and a query")
{
    const auto azure =
        parse_endpoint("https://r.openai.azure.com/openai/deployments/{model}?api-version=2024-10-21");
    REQUIRE(azure.has_value());
    CHECK(azure->base_path == "/openai/deployments/{model}");
    CHECK(azure->query == "api-version=2024-10-21");
    CHECK(azure->authority == "r.openai.azure.com");
    struct Row
    {
        const char* url;
        const char* model;
        const char* path;
    };
    const Row rows[] = {
        {"https://h/deployments/{model}", "gpt-4o", "/deployments/gpt-4o"},
        {"https://h/{model}", "a", "/a"},
        {"https://h/{model}/", "a", "/a"},
        {"https://h/a/m-{model}-x/v1", "gpt-4o", "/a/m-gpt-4o-x/v1"},
        {"https://h/d/{model}", "meta/llama 3", "/d/meta%2Fllama%203"},
        {"https://h/d/{model}", "../../admin?x#y", "/d/..%2F..%2Fadmin%3Fx%23y"},
        {"https://h/d/{model}", "\xc3\xa4\r\n", "/d/%C3%A4%0D%0A"},
        {"https://h/v1", "gpt-4o", "/v1"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.url, row.model);
        std::string path;
        append_base_path(path, parse_endpoint(row.url).value(), row.model);
        CHECK(path == row.path);
    }
}

TEST_CASE("which models a place in the path can name")
{
    const auto with_place = parse_endpoint("https://h/d/{model}").value();
    for (const char* model : {"gpt-4o", "...", "a/b"})
        CHECK(can_name(with_place, model));
    for (const char* model : {"", ".", ".."}) {
        CHECK_FALSE(can_name(with_place, model));
        CHECK(can_name(parse_endpoint("https://h/v1").value(), model));
    }
    CHECK_FALSE(can_name(with_place, std::nullopt));
    CHECK(can_name(parse_endpoint("https://h/v1").value(), std::nullopt));
}

TEST_CASE("an endpoint's query comes first, and its parameters win over the client's")
{
    struct Row
    {
        const char* endpoint;
        const char* asked;
        const char* sent;
    };
    const Row rows[] = {
        {"https://h/v1", "", ""},
        {"https://h/v1", "?a=1&a=2", "?a=1&a=2"},
        {"https://h/v1?v=1", "", "?v=1"},
        {"https://h/v1?v=1", "?", "?v=1"},
        {"https://h/v1?v=1", "?a=2", "?v=1&a=2"},
        {"https://h/v1?v=1", "?v=2&a=2&v=3", "?v=1&a=2"},
        {"https://h/v1?v=1&w", "?w=7&V=3&", "?v=1&w&V=3"},
        {"https://h/v1?", "?a=1", "?a=1"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.endpoint, row.asked);
        std::string query;
        append_query(query, parse_endpoint(row.endpoint).value(), row.asked);
        CHECK(query == row.sent);
    }
}

TEST_CASE("an endpoint whose query or place for the model is none is refused")
{
    struct Row
    {
        const char* url;
        const char* reason;
    };
    const Row rows[] = {
        {"https://h/{model}/{model}", "{model} only once"},
        {"https://{model}/v1", "{model} only in the path"},
        {"https://{model}.example/v1", "{model} only in the path"},
        {"https://h/v1?m={model}", "{model} only in the path"},
        {"https://h/{other}", "expected a URL such as"},
        {"https://h/v1?a=b c", "expected a URL such as"},
        {"https://h/v1?api-key=x", "without a key in its query"},
        {"https://h/v1?a=1&Access_Token=x", "without a key in its query"},
        {"https://h/v1?sig=x", "without a key in its query"},
        {"https://h/v1?a=1#b", "without fragment"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.url);
        const auto endpoint = parse_endpoint(row.url);
        REQUIRE(endpoint.has_error());
        CHECK_THAT(endpoint.error().reason, ContainsSubstring(row.reason));
    }
}
