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
    CHECK_FALSE(cooldown.retry_after(begin, 0s));
    CHECK(cooldown.until() == Cooldown::TimePoint{});
    CHECK(cooldown.retry_after(begin, 20s));
    CHECK(cooldown.until() == begin + 20s);
    CHECK_FALSE(cooldown.retry_after(begin, 5s));
    CHECK(cooldown.until() == begin + 20s);
    CHECK_FALSE(cooldown.failed(begin, 1, 10s));
    CHECK(cooldown.until() == begin + 20s);
    CHECK_FALSE(cooldown.retry_after(begin, Cooldown::Duration::max()));
    CHECK(cooldown.until() == begin + 10min);
    CHECK(cooldown.retry_after(begin + 10min, 5s));
    cooldown.succeeded();
    CHECK_FALSE(cooldown.active(begin));
}

TEST_CASE("a success says when the upstream was away, once")
{
    enum class What
    {
        fails,
        asks_to_wait,
    };
    struct Event
    {
        What what;
        std::chrono::seconds at;
        std::chrono::seconds length;
    };
    struct Case
    {
        const char* name;
        int threshold;
        std::vector<Event> events;
        std::chrono::seconds since{};
        std::chrono::seconds until{};  ///< 0: it was not away
    };
    using enum What;
    const std::vector<Case> cases{
        {"nothing happened", 1, {}},
        {"failures, but no cooldown", 3, {{fails, 0s, 30s}, {fails, 1s, 30s}}},
        {"cooldowns switched off", 0, {{fails, 0s, 30s}, {fails, 1s, 30s}}},
        {"a Retry-After of nothing", 3, {{asks_to_wait, 1s, 0s}}},
        {"a run of failures", 2, {{fails, 0s, 30s}, {fails, 5s, 30s}}, 5s, 35s},
        {"a Retry-After", 3, {{asks_to_wait, 7s, 20s}}, 7s, 27s},
        {"a cooldown that is prolonged",
         1,
         {{fails, 1s, 30s}, {fails, 9s, 30s}, {asks_to_wait, 10s, 500s}},
         1s,
         510s},
        {"one after the other",
         1,
         {{fails, 1s, 30s}, {fails, 100s, 30s}, {asks_to_wait, 500s, 1s}},
         1s,
         501s},
        {"a Retry-After, then failures", 1, {{asks_to_wait, 2s, 1s}, {fails, 60s, 30s}}, 2s, 90s},
    };
    for (const auto& each : cases) {
        CAPTURE(each.name);
        Cooldown cooldown;
        for (const auto& event : each.events)
            if (event.what == fails)
                cooldown.failed(begin + event.at, each.threshold, event.length);
            else
                cooldown.retry_after(begin + event.at, event.length);
        std::optional<Cooldown::Away> away;
        if (each.until > 0s)
            away = Cooldown::Away{begin + each.since, begin + each.until, true};
        CHECK(cooldown.succeeded() == away);
        CHECK_FALSE(cooldown.succeeded());
        CHECK(cooldown.retry_after(begin + 1h, 1s));
        CHECK(cooldown.succeeded() == Cooldown::Away{begin + 1h, begin + 1h + 1s, true});
    }
}

TEST_CASE("an upstream is away to the success, or to the end of its cooldown")
{
    const Cooldown::Away away{begin, begin + 90s};
    CHECK(away.length(begin + 61s) == 61s);
    CHECK(away.length(begin + 90s) == 90s);
    CHECK(away.length(begin + 10h) == 90s);
}

TEST_CASE("an upstream that answers and refuses by turns is told of once a second")
{
    Cooldown cooldown;
    int starts = 0;
    int ends = 0;
    for (auto time = 0ms; time < 10s; time += 10ms) {
        starts += cooldown.retry_after(begin + time, 30s) ? 1 : 0;
        CHECK(cooldown.active(begin + time));
        const auto away = cooldown.succeeded();
        ends += away && away->told ? 1 : 0;
        CHECK_FALSE(cooldown.active(begin + time));
    }
    CHECK(starts == 10);
    CHECK(ends == 10);
}

TEST_CASE("a cooldown that was not told when it began is told with a later failure, or when it ends")
{
    Cooldown cooldown;
    CHECK(cooldown.retry_after(begin, 30s));
    CHECK(cooldown.succeeded());
    CHECK_FALSE(cooldown.retry_after(begin + 500ms, 600s));
    SECTION("a success")
    {
        CHECK(cooldown.succeeded() == Cooldown::Away{begin + 500ms, begin + 600s + 500ms, false});
    }
    SECTION("a failure")
    {
        CHECK(cooldown.retry_after(begin + 2s, 1s));
        CHECK(cooldown.until() == begin + 600s + 500ms);
        CHECK_FALSE(cooldown.retry_after(begin + 3s, 1s));
        CHECK(cooldown.succeeded() == Cooldown::Away{begin + 500ms, begin + 600s + 500ms, true});
    }
}

TEST_CASE("of many threads that succeed at once, one is told that the upstream is back")
{
    constexpr int rounds = 200;
    for (int round = 0; round < rounds; ++round) {
        Cooldown cooldown;
        cooldown.failed(begin, 1, 30s);
        std::atomic<int> told{0};
        std::vector<std::thread> running;
        for (int thread = 0; thread < 4; ++thread)
            running.emplace_back([&] { told += cooldown.succeeded() ? 1 : 0; });
        for (auto& thread : running)
            thread.join();
        CHECK(told == 1);
    }
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
    if (const auto away = cooldown.succeeded())
        CHECK(away->since >= begin);
    CHECK_FALSE(cooldown.succeeded());
    CHECK_FALSE(cooldown.active(begin));
}
