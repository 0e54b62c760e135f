#include "core/net/loop/routing_table.hpp"

#include "tests/net/stage.hpp"

namespace route::test {

namespace {

PoolKey key_in(net::RoutingTable& table, const std::string& endpoint, const std::string& proxy = {})
{
    const SecretResolver plain = [](std::string_view text) -> Result<std::string> {
        return {boost::system::in_place_value, std::string{text}};
    };
    auto upstream = definition(1, "first", 80);
    upstream.endpoint = endpoint;
    upstream.proxy = proxy;
    net::add_upstream(table, make_upstream(upstream, plain, nullptr).value());
    return table.upstreams.back()->pool_key;
}

net::RoutingTable fresh_table()
{
    net::RoutingTable table;
    table.tls = net::TlsClient::make("").value();
    return table;
}

}  // namespace

TEST_CASE("upstreams share connections when they lead to the same place in the same way")
{
    auto table = fresh_table();
    const auto key = key_in(table, "https://a.test/v1");
    CHECK(key == key_in(table, "https://a.test/other"));
    CHECK_FALSE(key == key_in(table, "https://b.test/v1"));
    CHECK_FALSE(key == key_in(table, "https://a.test/v1", "http://proxy.test:3128"));
    table.settings.upstream.proxy = "http://proxy.test:3128";
    CHECK(key_in(table, "https://a.test/v1") == key_in(table, "https://a.test/v1", "http://proxy.test:3128"));
}

TEST_CASE("new authorities part TLS connections from the former ones, and leave plain ones as they are")
{
    auto before = fresh_table();
    auto after = fresh_table();
    CHECK_FALSE(key_in(before, "https://a.test/v1") == key_in(after, "https://a.test/v1"));
    CHECK(key_in(before, "http://a.test/v1") == key_in(after, "http://a.test/v1"));
    after.tls = before.tls;
    CHECK(key_in(before, "https://a.test/v1") == key_in(after, "https://a.test/v1"));
}

}  // namespace route::test
