#include "core/failover/content_time.hpp"

#include <cmath>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;
using namespace std::chrono_literals;

namespace {

const MovingMean::Clock::time_point start{100h};

double ms(const MovingMean& mean, MovingMean::Clock::time_point at)
{
    REQUIRE(mean.at(at));
    return std::chrono::duration<double, std::milli>{*mean.at(at)}.count();
}

}  // namespace

TEST_CASE("the first time is the mean, each further one counts for an eighth")
{
    MovingMean mean;
    CHECK_FALSE(mean.at(start));
    mean.add(800ms, start);
    CHECK(ms(mean, start) == 800);
    mean.add(1600ms, start);
    CHECK(ms(mean, start) == 900);
    mean.add(100ms, start);
    CHECK(ms(mean, start) == 800);
}

TEST_CASE("a time counts for more the longer the last one is ago")
{
    MovingMean mean;
    mean.add(1000ms, start);
    mean.add(200ms, start + MovingMean::half_life);
    CHECK(ms(mean, start + MovingMean::half_life) == 600);
    mean.add(100ms, start + 3h);
    CHECK(std::abs(ms(mean, start + 3h) - 100) < 1);
}

TEST_CASE("what is known fades by half for each half-life without a time")
{
    MovingMean mean;
    mean.add(8s, start);
    CHECK(ms(mean, start + MovingMean::half_life) == 4000);
    CHECK(ms(mean, start + 3 * MovingMean::half_life) == 1000);
    CHECK(ms(mean, start + 24h) < 1);
    CHECK(ms(mean, start - 1s) == 8000);  // of a thread whose clock was read before
}

TEST_CASE("a lower bound counts where the mean is shorter")
{
    MovingMean mean;
    mean.add_at_least(300ms, start);
    CHECK(ms(mean, start) == 300);
    mean.add_at_least(200ms, start);
    CHECK(ms(mean, start) == 300);
    mean.add_at_least(1100ms, start);
    CHECK(ms(mean, start) == 400);
}

TEST_CASE("times that no clock gives are cut")
{
    MovingMean mean;
    mean.add(-5s, start);
    CHECK(ms(mean, start) == 0);
    mean.add(1000h, start + 1h);
    CHECK(ms(mean, start + 1h) > 3600e3);
}

TEST_CASE("streams and whole replies have means of their own")
{
    ContentTime times;
    times.of(true).add(1s, start);
    CHECK_FALSE(times.of(false).at(start));
    times.of(false).add(9s, start);
    CHECK(ms(times.of(true), start) == 1000);
}

TEST_CASE("threads that note at once leave a mean of what they noted")
{
    MovingMean mean;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&mean, took = std::chrono::milliseconds{i % 2 == 0 ? 100 : 900}] {
            for (int n = 0; n < 2000; ++n)
                mean.add(took, start);
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(ms(mean, start) >= 100);
    CHECK(ms(mean, start) <= 900);
}
