#include "core/cooldown.hpp"

#include <limits>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;
using namespace std::chrono_literals;

namespace {
const Cooldown::TimePoint begin{100h};
}

TEST_CASE("a cooldown starts with the failure that reaches the threshold")
{
    Cooldown cooldown;
    CHECK(cooldown.until() == Cooldown::TimePoint{});
    CHECK_FALSE(cooldown.failed(begin, 3, 30s));
    CHECK_FALSE(cooldown.failed(begin, 3, 30s));
    CHECK_FALSE(cooldown.active(begin));
    CHECK(cooldown.failed(begin, 3, 30s));
    CHECK(cooldown.active(begin));
    CHECK(cooldown.active(begin + 29s));
    CHECK_FALSE(cooldown.active(begin + 30s));
    CHECK(cooldown.until() == begin + 30s);
}

TEST_CASE("further failures prolong a cooldown, and start the next one at once when it is over")
{
    Cooldown cooldown;
    CHECK(cooldown.failed(begin, 1, 30s));
    CHECK_FALSE(cooldown.failed(begin + 10s, 1, 30s));
    CHECK(cooldown.until() == begin + 40s);
    CHECK(cooldown.failed(begin + 40s, 1, 30s));
    CHECK(cooldown.until() == begin + 70s);
}

TEST_CASE("a success ends the cooldown and the run of failures")
{
    Cooldown cooldown;
    cooldown.failed(begin, 2, 30s);
    cooldown.succeeded();
    CHECK_FALSE(cooldown.failed(begin, 2, 30s));
    CHECK(cooldown.failed(begin, 2, 30s));
    cooldown.succeeded();
    CHECK_FALSE(cooldown.active(begin));
    CHECK_FALSE(cooldown.failed(begin, 2, 30s));
}

TEST_CASE("a threshold or a length of 0 means never")
{
    Cooldown cooldown;
    for (int i = 0; i < 10; ++i) {
        CHECK_FALSE(cooldown.failed(begin, 0, 30s));
        CHECK_FALSE(cooldown.failed(begin, 1, 0s));
    }
    CHECK_FALSE(cooldown.active(begin));
}

TEST_CASE("Retry-After starts a cooldown at once, ten minutes at most, and the later end stays")
{
    Cooldown cooldown;
    cooldown.retry_after(begin, 0s);
    CHECK(cooldown.until() == Cooldown::TimePoint{});
    cooldown.retry_after(begin, 20s);
    CHECK(cooldown.until() == begin + 20s);
    cooldown.retry_after(begin, 5s);
    CHECK(cooldown.until() == begin + 20s);
    CHECK_FALSE(cooldown.failed(begin, 1, 10s));
    CHECK(cooldown.until() == begin + 20s);
    cooldown.retry_after(begin, Cooldown::Duration::max());
    CHECK(cooldown.until() == begin + 10min);
    cooldown.succeeded();
    CHECK_FALSE(cooldown.active(begin));
}

TEST_CASE("of many threads failing at once, one starts the cooldown")
{
    constexpr int threads = 8;
    constexpr int failures = 1000;
    Cooldown cooldown;
    std::atomic<int> started{0};
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; ++thread)
        running.emplace_back([&] {
            for (int i = 0; i < failures; ++i)
                started += cooldown.failed(begin, threads * failures / 2, 30s) ? 1 : 0;
        });
    for (auto& thread : running)
        thread.join();
    CHECK(started == 1);
    CHECK(cooldown.until() == begin + 30s);
}

TEST_CASE("threads may fail, succeed, wait and look at once")
{
    Cooldown cooldown;
    std::vector<std::thread> running;
    for (int thread = 0; thread < 8; ++thread)
        running.emplace_back([&cooldown, thread] {
            for (int i = 0; i < 2000; ++i) {
                const auto time = begin + i * 1ms;
                if (thread % 4 == 0)
                    cooldown.failed(time, 3, 1s);
                else if (thread % 4 == 1)
                    cooldown.succeeded();
                else if (thread % 4 == 2)
                    cooldown.retry_after(time, 1s);
                else
                    static_cast<void>(cooldown.active(time));
            }
        });
    for (auto& thread : running)
        thread.join();
    CHECK(cooldown.until() <= begin + 2000ms + 1s);
    cooldown.succeeded();
    CHECK_FALSE(cooldown.active(begin));
}
