#include "notify/backoff.hpp"

#include "tests/support/catch.hpp"

using namespace route::notify;
using namespace std::chrono_literals;

TEST_CASE("pauses double up to the longest, and chance takes up to half of each")
{
    const Retries retries;
    CHECK(wait_before_next(retries, 1, 0s, {}, 1.0) == 1s);
    CHECK(wait_before_next(retries, 2, 0s, {}, 1.0) == 2s);
    CHECK(wait_before_next(retries, 5, 0s, {}, 1.0) == 16s);
    CHECK(wait_before_next(retries, 7, 0s, {}, 1.0) == 60s);
    CHECK(wait_before_next(retries, 4'000'000, 0s, {}, 1.0) == 60s);
    CHECK(wait_before_next(retries, 3, 0s, {}, 0.0) == 2s);
    CHECK(wait_before_next(retries, 3, 0s, {}, 0.5) == 3s);
}

TEST_CASE("what the channel asks for is waited, and a little more")
{
    const Retries retries;
    CHECK(wait_before_next(retries, 1, 0s, 90s, 0.0) == 90s);
    CHECK(wait_before_next(retries, 1, 0s, 1500ms, 0.5) == 2s);
}

TEST_CASE("a channel that asks for next to nothing again and again is tried ever more rarely, too")
{
    const Retries retries;
    CHECK(wait_before_next(retries, 1, 0s, 0s, 0.0) == 500ms);
    CHECK(wait_before_next(retries, 9, 0s, 0s, 1.0) == 60s);
}

TEST_CASE("a channel that asks for more time than there is is tried a last time at its end")
{
    const Retries retries;
    CHECK(wait_before_next(retries, 1, 0s, 1h, 0.5) == 600s);
    CHECK(wait_before_next(retries, 3, 590s, 90s, 0.5) == 10s);
    CHECK(wait_before_next(retries, 1, 0s, std::chrono::milliseconds::max(), 1.0) == 600s);
    CHECK_FALSE(wait_before_next(retries, 2, 600s, 1h, 0.5));
}

TEST_CASE("no try begins too late")
{
    const Retries retries;
    CHECK(wait_before_next(retries, 7, 539s, {}, 1.0) == 60s);
    CHECK_FALSE(wait_before_next(retries, 7, 541s, {}, 1.0));
    CHECK_FALSE(wait_before_next(retries, 1, 601s, 0s, 0.0));
}
