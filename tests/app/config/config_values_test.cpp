#include "app/config/config_values.hpp"

#include "tests/support/catch.hpp"

namespace route {
namespace {

TEST_CASE("sizes")
{
    CHECK(*parse_size("64MiB") == 64ull << 20);
    CHECK(*parse_size("512KiB") == 512ull << 10);
    CHECK(*parse_size("1GiB") == 1ull << 30);
    CHECK(*parse_size("7B") == 7);
    CHECK(*parse_size("0") == 0);
    CHECK(*parse_size("123") == 123);
    for (const char* text :
         {"", "MiB", "-1", "1.5MiB", "1 MiB", "1MB", "1mib", "9223372036854775808", "9999999999GiB"})
        CHECK(parse_size(text).has_error());
    for (const char* text : {"64MiB", "512KiB", "1GiB", "7B", "0B", "1025B"})
        CHECK(format_size(*parse_size(text)) == text);
}

TEST_CASE("durations")
{
    CHECK(*parse_duration("30d") == Seconds{30 * 86400});
    CHECK(*parse_duration("12h") == Seconds{12 * 3600});
    CHECK(*parse_duration("45m") == Seconds{45 * 60});
    CHECK(*parse_duration("2w") == Seconds{14 * 86400});
    CHECK(*parse_duration("1s") == Seconds{1});
    for (const char* text :
         {"", "30", "d", "0d", "-1d", "1.5d", "1y", "99999999999d", "18446744073709551616s"})
        CHECK(parse_duration(text).has_error());
    for (const char* text : {"2w", "30d", "36h", "90m", "61s"})
        CHECK(format_duration(*parse_duration(text)) == text);
}

TEST_CASE("addresses to listen on")
{
    struct Row
    {
        const char* text;
        const char* host;
        unsigned port;
    };
    const Row row = GENERATE(values<Row>({{":8888", "", 8888},
                                          {"127.0.0.1:0", "127.0.0.1", 0},
                                          {"localhost:80", "localhost", 80},
                                          {"a-b.example:65535", "a-b.example", 65535},
                                          {"[::1]:1", "::1", 1},
                                          {"[fe80::1%eth0]:1", "fe80::1%eth0", 1}}));
    const auto address = parse_listen(row.text);
    REQUIRE(address.has_value());
    CHECK(address->host == row.host);
    CHECK(address->port == row.port);
}

TEST_CASE("what is no address to listen on")
{
    for (const char* text : {"", "8888", ":", ":x", ":65536", ":-1", "::1:80", "[::1]", "[::1:80", "[x]:80",
                             "[]:80", "1.2.3:80", "256.1.1.1:80", "a b:80", "http://x:80", "1.2.3.4:80x"})
        CHECK(parse_listen(text).has_error());
    CHECK(parse_listen({"[fd00::1\0%]:443", 15}).has_error());
    CHECK(parse_listen("[fe80::1%\n]:443").has_error());
}

TEST_CASE("networks")
{
    for (const char* text :
         {"10.0.0.0/8", "0.0.0.0/0", "192.168.1.1", "::1", "fd00::/8", "::/0", "1.2.3.4/32"})
        CHECK(valid_network(text));
    for (const char* text :
         {"", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "x/8", "10.0.0.0/", "10.0.0.0/a", "10.0.0.0/8x"})
        CHECK_FALSE(valid_network(text));
    CHECK_FALSE(valid_network({"10.0.0.0\0x", 10}));
    CHECK_FALSE(valid_network({"::1\0x/8", 7}));
}

TEST_CASE("URLs are shown without their passwords")
{
    struct Row
    {
        const char* url;
        const char* shown;
    };
    const Row row = GENERATE(values<Row>(
        {{"", ""},
         {"postgresql://localhost/db", "postgresql://localhost/db"},
         {"postgresql://u@h/db", "postgresql://u@h/db"},
         {"postgresql://u:secret@h:5432/db", "postgresql://u:…@h:5432/db"},
         {"postgresql://u:p@ss@h/db", "postgresql://u:…@h/db"},
         {"postgresql://u:p/s#s?@h/db", "postgresql://u:…@h/db"},
         {"postgresql://h/db?user=a&password=secret&x=1", "postgresql://h/db?user=a&password=…&x=1"},
         {"postgresql://h/db?password=a&password=b", "postgresql://h/db?password=…&password=…"},
         {"http://h:80/a@b:c", "http://h:80/a@b:c"},
         {"http://:x@h", "http://:…@h"}}));
    CHECK(mask_url(row.url) == row.shown);
}

TEST_CASE("names and keys")
{
    CHECK(valid_variable_name("OPENAI_API_KEY"));
    CHECK(valid_variable_name("_x1"));
    for (const char* text : {"", "1X", "A-B", "A B", "A="})
        CHECK_FALSE(valid_variable_name(text));
    CHECK(valid_key_name("Alice Müller"));
    for (const char* text : {"", " a", "a ", "a\nb", "\xff"})
        CHECK_FALSE(valid_key_name(text));
    CHECK_FALSE(valid_key_name(std::string(65, 'a')));
    CHECK(valid_client_key("woshimima"));
    for (const char* text : {"", "a b", "a\tb"})
        CHECK_FALSE(valid_client_key(text));
}

}  // namespace
}  // namespace route
