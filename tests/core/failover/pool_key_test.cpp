#include "core/failover/pool_key.hpp"

#include <set>
#include <string>

#include "tests/support/catch.hpp"

namespace route {

TEST_CASE("a pool key differs with whatever makes connections differ")
{
    const auto key = pool_key("https://api.example.com", "", 1);
    CHECK(key == pool_key("https://api.example.com", "", 1));
    CHECK_FALSE(key == pool_key("http://api.example.com", "", 1));
    CHECK_FALSE(key == pool_key("https://api.example.com:8443", "", 1));
    CHECK_FALSE(key == pool_key("https://api.example.com", "http://proxy:3128", 1));
    CHECK_FALSE(key == pool_key("https://api.example.com", "", 2));
    CHECK_FALSE(pool_key("a", "b", 1) == pool_key("ab", "", 1));
}

TEST_CASE("no pool key is the one that keeps nothing")
{
    CHECK(PoolKey{}.none());
    CHECK_FALSE(pool_key("", "", 0).none());
}

}  // namespace route
