#include "core/secret_eraser.hpp"

#include <fmt/format.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "core/escapes.hpp"
#include "tests/support/catch.hpp"

using namespace route;

namespace {

constexpr std::string_view key = "sk-a/b+c=d&e<f";

SecretEraser eraser_of(std::initializer_list<std::string_view> secrets)
{
    SecretEraser eraser;
    for (const auto secret : secrets)
        eraser.add(secret);
    return eraser;
}

std::string erased(std::string text, std::initializer_list<std::string_view> secrets = {key})
{
    eraser_of(secrets).erase(text);
    return text;
}

std::string erased_from_cut(std::string text, std::initializer_list<std::string_view> secrets = {key})
{
    eraser_of(secrets).erase_from_cut(text);
    return text;
}

using Random = std::minstd_rand;

std::size_t draw(Random& random, std::size_t end)
{
    return std::uniform_int_distribution<std::size_t>{0, end - 1}(random);
}

std::string json_form(const std::string& text, Random& random)
{
    std::string form;
    for (const char c : text)
        if (draw(random, 4) == 0)
            form += fmt::format(fmt::runtime(draw(random, 2) == 0 ? "\\u{:04x}" : "\\u{:04X}"),
                                static_cast<unsigned>(c));
        else if (c == '/' || c == '"' || c == '\\')
            (form += '\\') += c;
        else
            form += c;
    return form;
}

std::string url_form(const std::string& text, Random& random)
{
    std::string form;
    for (const char c : text)
        if (c == '%' || draw(random, 4) == 0)
            form += fmt::format(fmt::runtime(draw(random, 2) == 0 ? "%{:02x}" : "%{:02X}"),
                                static_cast<unsigned>(c));
        else
            form += c;
    return form;
}

std::string html_form(const std::string& text, Random& random)
{
    std::string form;
    for (const char c : text)
        if (c == '&')
            form += draw(random, 2) == 0 ? "&amp;" : "&#38;";
        else if (c == '<')
            form += "&lt;";
        else if (draw(random, 4) == 0)
            form += fmt::format(fmt::runtime(draw(random, 2) == 0 ? "&#{};" : "&#x{:x};"),
                                static_cast<unsigned>(c));
        else
            form += c;
    return form;
}

std::string form_of(const std::string& text, Random& random)
{
    switch (draw(random, 3)) {
        case 0:
            return json_form(text, random);
        case 1:
            return url_form(text, random);
        default:
            return html_form(text, random);
    }
}

std::string random_key(Random& random)
{
    constexpr std::string_view characters = "abcXYZ019-_./+=&<>%\"'\\~$@!#*";
    std::string text;
    for (std::size_t size = 8 + draw(random, 90); text.size() < size;)
        text += characters[draw(random, characters.size())];
    return text.back() == '\\' ? text + '1' : text;  // the last one could be of an escape behind it
}

}  // namespace

TEST_CASE("a secret is erased as it is and as JSON, URLs and HTML write it")
{
    const char* forms[] = {
        "sk-a/b+c=d&e<f",
        R"(sk-a\/b+c=d&e<f)",
        R"(sk-a/b\u002Bc\u003dd\u0026e\u003Cf)",
        R"(\u0073\u006b\u002d\u0061\u002f\u0062\u002b\u0063\u003d\u0064\u0026\u0065\u003c\u0066)",
        "sk-a%2Fb%2bc%3Dd%26e%3Cf",
        "%73%6b-a/b+c=d%26e<f",
        "sk-a/b+c=d&amp;e&lt;f",
        "sk-a&#47;b&#43;c&#x3d;d&#38;e&#X3C;f",
        "sk-a&sol;b&plus;c&equals;d&AMP;e&LT;f",
        R"(sk-a\/b%2Bc\u003Dd&amp;e<f)",
        R"(sk-a\\\/b+c=d\\u0026e<f)",
        "sk-a%252Fb%252Bc%253Dd%2526e%253Cf",
        R"(sk-a/b+c=d\u0026amp;e\u0026lt;f)",
        "sk-a/b+c=d&amp;amp;e&amp;lt;f",
        R"(sk-a\x2fb+c=d&e<f)",
    };
    for (const std::string form : forms) {
        CAPTURE(form);
        CHECK(erased("wrong key '" + form + "', sorry") == "wrong key '…', sorry");
        CHECK(erased(R"({\"error\":\")" + form + R"(\",\n\"a\":\"100%\"})") ==
              R"({\"error\":\"…\",\n\"a\":\"100%\"})");
        CHECK(erased(form) == "…");
        CHECK(erased(form + form) == "……");
    }
}

TEST_CASE("text without a secret stays as it is")
{
    const char* texts[] = {
        "",
        "sk-a/b+c=d&e<",
        "sk-a/b+c=d&e>f",
        R"({\"a\":\"\u00e4\ud83d\ude00 100% &amp; &nosuch; \/ %zz % & \\ \u12 &#xzz; &#;"})",
        "sk-a%2Fb",
        "\\",
        "%2",
        "&amp"};
    for (const std::string text : texts) {
        CAPTURE(text);
        CHECK(erased(text) == text);
    }
}

TEST_CASE("nothing shorter than eight bytes is a secret")
{
    CHECK(erased("the secret1 is short", {"secret1"}) == "the secret1 is short");
    CHECK(erased("the secret12 is long enough", {"secret12"}) == "the … is long enough");
    CHECK(eraser_of({"", "short"}).empty());
}

TEST_CASE("all secrets of a set are erased, the parts of those that overlap, too")
{
    CHECK(erased("one-secret two-secret-2 three-secret-3",
                 {"one-secret", "two-secret-2", "three-secret-3", "one-secret"}) == "… … …");
    CHECK(erased("a key-12345678 b", {"key-1234", "key-12345678"}) == "a … b");
    CHECK(erased("a abcdefghijklmnop b", {"abcdefghijkl", "ghijklmnop"}) == "a … b");
    CHECK(erased("aaaaaaaaaaaaaaaaaaaab", {"aaaaaaaa"}) == "…b");
}

TEST_CASE("several sets are erased at once")
{
    const auto one = eraser_of({"one-secret"});
    const auto two = eraser_of({"two/secret"});
    const std::array<const SecretEraser*, 2> both{&one, &two};
    std::string text = R"(one-secret two\/secret)";
    CHECK(erase_secrets(text, both, false));
    CHECK(text == "… …");
    CHECK_FALSE(erase_secrets(text, both, false));
}

TEST_CASE("a secret that holds escapes is found as it is, and written again")
{
    constexpr std::string_view odd = R"(a%2Bb\u0041&amp;c\def)";
    CHECK(erased("x " + std::string{odd} + " y", {odd}) == "x … y");
    CHECK(erased(R"(x a%252Bb\\u0041&amp;amp;c\\def y)", {odd}) == "x … y");
    CHECK(erased("%deadbeef01 100%deadbeef01", {"deadbeef01"}) == "%… 100%…");
}

TEST_CASE("the beginning of a secret at the end of a cut text goes, however it is written")
{
    CHECK(erased_from_cut("my sk-a/b+c=d&e<") == "my …");
    CHECK(erased_from_cut("my sk-a") == "my …");
    CHECK(erased_from_cut("my sk-") == "my sk-");
    CHECK(erased_from_cut(R"(my sk-a\/b\u00)") == "my …");
    CHECK(erased_from_cut(R"(my sk-a\/b\)") == "my …");
    CHECK(erased_from_cut(R"(my sk-a\\\/b\\)") == "my …");
    CHECK(erased_from_cut("my sk-a%2Fb%2") == "my …");
    CHECK(erased_from_cut("my sk-a%2Fb%") == "my …");
    CHECK(erased_from_cut("my sk-a/b+c=d&am") == "my …");
    CHECK(erased_from_cut("my sk-a/b&#x2") == "my …");
    CHECK(erased_from_cut("sk-a/b+c=d&e<f, sk-a%2fb%2") == "…, …");
    CHECK(erased("my sk-a/b+c=d&e<") == "my sk-a/b+c=d&e<");
}

TEST_CASE("of a long secret its beginning is enough, and all of it that is there goes")
{
    std::string secret;
    while (secret.size() < 20'000)
        secret += fmt::format("{:x}-", secret.size());
    CHECK(erased("a " + secret + " b", {secret}) == "a … b");
    CHECK(erased("a " + secret.substr(0, 10'000) + " b", {secret}) == "a … b");
    const auto little = "a " + secret.substr(0, 60) + " b";
    CHECK(erased(little, {secret}) == little);
    CHECK(erased_from_cut("a " + secret.substr(0, 40), {secret}) == "a …");
}

TEST_CASE("what is made to be slow takes no longer: repeated secrets, near misses, escapes in a row")
{
    constexpr std::size_t size = 1u << 20;
    const std::string same(8, 'a');
    CHECK(erased(std::string(size, 'a'), {same}) == "…");
    CHECK(erased(std::string(size, 'a'), {std::string(60'000, 'a')}) == "…");
    CHECK(erased(std::string(size, 'a'), {std::string(60'000, 'a') + "b"}) == "…");
    const std::string misses(size, 'a');
    CHECK(erased(misses, {std::string(63, 'a') + "b"}) == misses);
    std::string repeated;
    std::string expected;
    while (repeated.size() < size) {
        repeated += "test-key ";
        expected += "… ";
    }
    CHECK(erased(repeated, {"test-key"}) == expected);
    for (const std::string_view unit : {"\\", "%", "&", "%25", "&amp;", "\\u005c", "&#"}) {
        std::string escapes;
        while (escapes.size() < size)
            escapes += unit;
        CHECK(erased(escapes) == escapes);
    }
}

TEST_CASE("no form of any key is left")
{
    Random random{20261128};
    constexpr std::string_view others = "xy \\%&;u0d2/n\"'{";
    for (int i = 0; i < 4000; ++i) {
        const auto secret = random_key(random);
        auto form = secret;
        for (std::size_t layers = draw(random, 3); layers > 0; --layers)
            form = form_of(form, random);
        std::string before;
        for (std::size_t n = draw(random, 6); n > 0; --n)
            before += others[draw(random, others.size())];
        before += " ";
        CAPTURE(secret, form, before);
        const auto rest = erased(before + form + " end", {secret});
        CHECK(rest.find(form) == std::string::npos);
        CHECK(rest.ends_with("… end"));
    }
}

TEST_CASE("a layer of escapes is taken off, and says where each byte comes from")
{
    std::string plain;
    std::vector<std::size_t> origins;
    CHECK(take_off(Escapes::backslash, R"(a\u00e4\/%41&lt;b)", plain, &origins));
    CHECK(plain == "aä/%41&lt;b");
    CHECK(origins == std::vector<std::size_t>{0, 1, 1, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17});
    origins.clear();
    CHECK(take_off(Escapes::encoded, R"(a%41\u&lt;&x;b)", plain, &origins));
    CHECK(plain == R"(aA\u<&x;b)");
    CHECK(origins == std::vector<std::size_t>{0, 1, 4, 5, 6, 10, 11, 12, 13, 14});
    CHECK_FALSE(take_off(Escapes::encoded, R"(a%b&c\u0041)", plain));
    CHECK_FALSE(take_off(Escapes::backslash, "%41", plain));
    CHECK(take_off(Escapes::backslash, R"(\ud83d\ude00)", plain));
    CHECK(plain == "😀");
}
