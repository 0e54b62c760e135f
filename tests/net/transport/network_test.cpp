#include "core/net/transport/network.hpp"

#include <string>

#include "tests/support/catch.hpp"

namespace route::test {

TEST_CASE("networks and the addresses in them")
{
    struct Row
    {
        std::string network;
        std::string address;
        bool inside;
    };
    const Row rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.1.2.3/8", "10.9.9.9", true},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.4", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"10.1.2.3/32", "10.1.2.3", true},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},
        {"fd00::1/8", "fd12::", true},
        {"::1", "::1", true},
        {"::1/128", "::2", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "10.0.0.1", false},
        {"0.0.0.0/0", "::1", false},
        {"10.0.0.0/8", "::ffff:10.0.0.1", false},
    };
    for (const auto& row : rows) {
        CAPTURE(row.network, row.address);
        const auto network = net::Network::parse(row.network);
        REQUIRE(network);
        CHECK(network->contains(boost::asio::ip::make_address(row.address)) == row.inside);
    }
}

TEST_CASE("what is no network")
{
    for (const std::string text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8",
                                   "fd00::/129", "example.com", "10.0.0.0/8x", "[::1]"}) {
        CAPTURE(text);
        CHECK_FALSE(net::Network::parse(text));
    }
}

}  // namespace route::test
