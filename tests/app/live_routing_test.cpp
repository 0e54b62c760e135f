#include "app/live_routing.hpp"

#include <string>

#include "tests/app/temporary_directory.hpp"
#include "tests/support/catch.hpp"

namespace route {

namespace {

Settings with_upstream(const std::string& endpoint)
{
    UpstreamDefinition upstream;
    upstream.name = "one";
    upstream.sk = "sk-one";
    upstream.endpoint = endpoint;
    Settings settings;
    settings.upstreams = {upstream};
    return settings;
}

PoolKey first_key(const LiveRouting& routing)
{
    return routing.current()->upstreams.at(0)->pool_key;
}

}  // namespace

TEST_CASE("what the database says leaves connections usable, authorities that are read again do not")
{
    const auto settings = with_upstream("https://api.example.com/v1");
    const auto made = LiveRouting::make(settings, {}, true).value();
    auto& routing = *made;
    const auto key = first_key(routing);
    CHECK_FALSE(key.none());
    routing.set_known({});
    CHECK(first_key(routing) == key);
    CHECK(routing.set_settings(settings).has_value());
    CHECK_FALSE(first_key(routing) == key);
}

TEST_CASE("a file of authorities that cannot be read leaves everything as it was")
{
    auto settings = with_upstream("https://api.example.com/v1");
    const auto made = LiveRouting::make(settings, {}, true).value();
    auto& routing = *made;
    const auto before = routing.current();
    const tests::TemporaryDirectory directory;
    directory.write("broken.pem", "no certificate\n");
    const std::string file = GENERATE("missing.pem", "broken.pem");
    settings.upstream.ca_file = (directory / file).string();
    const auto set = routing.set_settings(settings);
    REQUIRE_FALSE(set.has_value());
    CHECK(set.error().key == "upstream.ca_file");
    CHECK(routing.current() == before);
    routing.set_known({});
    CHECK(first_key(routing) == before->upstreams.at(0)->pool_key);
}

}  // namespace route
