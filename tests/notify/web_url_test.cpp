#include "notify/web_url.hpp"

#include "tests/support/catch.hpp"

using namespace route::notify;

TEST_CASE("a URL is taken apart, its path and query to the letter")
{
    const auto url = parse_web_url("https://Hooks.example:8443/a/b%2Fc/?token=x%20y&z");
    REQUIRE(url.has_value());
    CHECK(url->endpoint.tls);
    CHECK(url->endpoint.host == "hooks.example");
    CHECK(url->endpoint.port == 8443);
    CHECK(url->endpoint.base_path == "/a/b%2Fc/");
    CHECK(url->query == "?token=x%20y&z");
    CHECK(parse_web_url("http://h")->endpoint.base_path == "/");
    CHECK(parse_web_url("http://u:p%40@h/x")->user_info == "u:p@");
    CHECK(parse_web_url("http://u@h/x")->user_info == "u:");
}

TEST_CASE("what is no URL to send to is refused, without being quoted")
{
    const auto text =
        GENERATE(as<std::string>{}, "", "SECRET", "ftp://SECRET/x", "https://", "https:///SECRET",
                 "http://h/SECRET#f", "http://h:0/SECRET", "http://h:99999/SECRET", "http://h/../SECRET",
                 "http://SE CRET/", "http://h/SECRET\r\nX: y");
    const auto url = parse_web_url(text);
    CAPTURE(text);
    REQUIRE_FALSE(url.has_value());
    CHECK(url.error().reason.find("SECRET") == std::string::npos);
}

TEST_CASE("of a secret URL nothing but its origin is shown")
{
    const auto url = *parse_web_url("https://user:pass@hooks.example/services/T0/SECRET?x=SECRET");
    CHECK(shown(url) == "https://hooks.example/…");
    CHECK(shown(below(*parse_web_url("https://m.example/base/"), "/a/b")) == "https://m.example/base/a/b");
    CHECK(shown(below(*parse_web_url("https://m.example"), "/a")) == "https://m.example/a");
}

TEST_CASE("a path's segment is percent-encoded")
{
    CHECK(path_segment("!a:b.c/d?e#f%g h") == "%21a%3Ab.c%2Fd%3Fe%23f%25g%20h");
}
