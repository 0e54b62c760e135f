#include "core/http/websocket.hpp"

#include "tests/support/catch.hpp"

namespace route {

TEST_CASE("the key is found among the protocols of a WebSocket")
{
    CHECK(key_among_protocols("realtime, openai-insecure-api-key.sk-1, x") == "sk-1");
    CHECK(key_among_protocols("OpenAI-Insecure-API-Key.sk-1") == "sk-1");
    CHECK(key_among_protocols("realtime,openai-insecure-api-key.one , openai-insecure-api-key.two") == "one");
    CHECK(key_among_protocols("openai-insecure-api-key.") == "");
    CHECK_FALSE(key_among_protocols("realtime, openai-insecure-api-key"));
    CHECK_FALSE(key_among_protocols(""));
    CHECK_FALSE(key_among_protocols(" , ,"));
}

TEST_CASE("a key among protocols is replaced or left out, the others stay")
{
    constexpr auto protocols = "realtime, openai-insecure-api-key.mine,,x";
    CHECK(protocols_with_key(protocols, "other") == "realtime, openai-insecure-api-key.other, x");
    CHECK(protocols_with_key(protocols, "") == "realtime, x");
    CHECK(protocols_with_key("openai-insecure-api-key.a, openai-insecure-api-key.b", "other") ==
          "openai-insecure-api-key.other");
    CHECK(protocols_with_key("openai-insecure-api-key.a", "") == "");
    CHECK(protocols_with_key("realtime", "other") == "realtime");
}

TEST_CASE("only a token may stand among protocols")
{
    CHECK(may_be_protocol("sk-proj_A.9~"));
    for (const auto* key : {"", "a b", "a,b", "a/b", "a=b", "a\"b", "\xc3\xa4"})
        CHECK_FALSE(may_be_protocol(key));
}

}  // namespace route
