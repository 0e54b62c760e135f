// A row of cooldowns: how long each lasts, who probes, what is told.
#include "core/failover/cooldown_state.hpp"

#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;
using namespace std::chrono_literals;

namespace {

using Standing = CooldownState::Standing;
using Admission = CooldownState::Admission;
using Begun = CooldownState::Begun;

const CooldownState::TimePoint begin{100h};

/// A try that begins and fails at once.
std::optional<Begun> fail_at(CooldownState& state, CooldownState::TimePoint when, int after = 1,
                             CooldownState::Duration longest = 30s)
{
    return state.failed(when, {when}, {after, longest});
}

std::optional<Begun> ask_to_wait(CooldownState& state, CooldownState::TimePoint when,
                                 CooldownState::Duration wait, int after = 1000)
{
    return state.failed(when, {when, wait}, {after, 30s});
}

}  // namespace

TEST_CASE("a cooldown starts with the failure that reaches the threshold")
{
    CooldownState state;
    CHECK(state.standing(begin) == Standing::up);
    CHECK(state.until() == CooldownState::TimePoint{});
    CHECK_FALSE(fail_at(state, begin, 3));
    CHECK_FALSE(fail_at(state, begin, 3));
    CHECK(state.standing(begin) == Standing::up);
    CHECK(fail_at(state, begin, 3) == Begun{3, 5s});
    CHECK(state.standing(begin) == Standing::resting);
    CHECK(state.standing(begin + 4999ms) == Standing::resting);
    CHECK(state.standing(begin + 5s) == Standing::due);
    CHECK(state.until() == begin + 5s);
}

TEST_CASE("the first of a row lasts a sixth of the longest, each further one twice the last")
{
    struct Case
    {
        CooldownState::Duration longest;
        std::vector<CooldownState::Duration> lengths;
    };
    const std::vector<Case> cases{
        {30s, {5s, 10s, 20s, 30s, 30s, 30s}},
        {600s, {100s, 200s, 400s, 600s, 600s}},
        {6ms, {1ms, 2ms, 4ms, 6ms}},
        {1ns, {1ns, 1ns, 1ns}},
    };
    for (const auto& [longest, lengths] : cases) {
        CAPTURE(longest.count());
        CooldownState state;
        auto now = begin;
        fail_at(state, now, 2, longest);
        for (const auto length : lengths) {
            fail_at(state, now, 2, longest);
            CHECK(state.until() - now == length);
            now = state.until();
        }
        state.succeeded();
        fail_at(state, now, 2, longest);
        CHECK(state.standing(now) == Standing::up);
        fail_at(state, now, 2, longest);
        CHECK(state.until() - now == lengths.front());
    }
}

TEST_CASE("failures while it rests, and of tries begun before, prolong nothing")
{
    CooldownState state;
    CHECK(fail_at(state, begin) == Begun{1, 5s});
    CHECK_FALSE(fail_at(state, begin + 1s));
    CHECK(state.until() == begin + 5s);
    // A hundred requests were under way when it began.
    for (auto after = 2s; after < 60s; ++after)
        CHECK_FALSE(state.failed(begin + after, {begin - 1s}, {1, 30s}));
    CHECK(state.until() == begin + 5s);
    CHECK(state.standing(begin + 60s) == Standing::due);
    CHECK(fail_at(state, begin + 60s) == Begun{1, 10s});
}

TEST_CASE("a longest of 0 means never, a threshold of 0 that only replies start one")
{
    CooldownState state;
    for (int i = 0; i < 10; ++i) {
        CHECK_FALSE(fail_at(state, begin, 0));
        CHECK_FALSE(fail_at(state, begin, 1, 0s));
        CHECK_FALSE(state.failed(begin, {begin, 20s}, {1, 0s}));
    }
    CHECK(state.standing(begin) == Standing::up);
    CHECK(ask_to_wait(state, begin, 20s, 0) == Begun{0, 20s});
}

TEST_CASE("a wait that is asked for starts one at once, ten minutes at most, and the later end stays")
{
    CooldownState state;
    CHECK_FALSE(ask_to_wait(state, begin, 0s));
    CHECK_FALSE(ask_to_wait(state, begin, -1s));
    CHECK(state.standing(begin) == Standing::up);
    CHECK(ask_to_wait(state, begin, 20500ms) == Begun{0, 20500ms});
    CHECK(state.until() == begin + 20500ms);
    CHECK_FALSE(ask_to_wait(state, begin, 5s));
    CHECK(state.until() == begin + 20500ms);
    CHECK_FALSE(ask_to_wait(state, begin, CooldownState::Duration::max()));
    CHECK(state.until() == begin + 10min);
    CHECK(ask_to_wait(state, begin + 10min, 5s) == Begun{0, 5s});
}

TEST_CASE("of the row's next length and the wait that is asked for the longer one counts")
{
    struct Case
    {
        CooldownState::Duration wait;
        Begun start;
    };
    for (const auto& [wait, start] : {Case{1s, {1, 5s}}, Case{5s, {1, 5s}}, Case{6s, {0, 6s}}}) {
        CAPTURE(wait.count());
        CooldownState state;
        CHECK(ask_to_wait(state, begin, wait, 1) == start);
        CHECK(fail_at(state, begin + 60s) == Begun{1, 10s});
    }
}

TEST_CASE("when it is over, one request probes, and the others wait for its verdict")
{
    CooldownState state;
    CHECK(state.admit(begin) == Admission::free);
    fail_at(state, begin);
    CHECK(state.admit(begin + 4s) == Admission::refused);
    CHECK(state.admit(begin + 5s) == Admission::probe);
    CHECK(state.standing(begin + 5s) == Standing::probing);
    CHECK(state.admit(begin + 6s) == Admission::refused);
    SECTION("it fails")
    {
        CHECK(fail_at(state, begin + 6s) == Begun{1, 10s});
        state.release();
        CHECK(state.admit(begin + 7s) == Admission::refused);
        CHECK(state.admit(begin + 16s) == Admission::probe);
    }
    SECTION("it is answered")
    {
        CHECK(state.answered());
        CHECK(state.admit(begin + 6s) == Admission::free);
        state.release();
        CHECK(state.admit(begin + 6s) == Admission::free);
    }
    SECTION("it has no verdict: the client went away, or the reply is one that does not count")
    {
        state.release();
        CHECK(state.standing(begin + 6s) == Standing::due);
        CHECK(state.admit(begin + 6s) == Admission::probe);
    }
    SECTION("another request, which tried it last, is answered first")
    {
        CHECK(state.succeeded());
        CHECK(state.admit(begin + 6s) == Admission::free);
    }
}

TEST_CASE("an answer ends the cooldown, but not the row: its reply may still break")
{
    CooldownState state;
    fail_at(state, begin, 3);
    fail_at(state, begin, 3);
    fail_at(state, begin, 3);
    CHECK(state.answered());
    CHECK(state.standing(begin + 5s) == Standing::up);
    SECTION("it breaks")
    {
        fail_at(state, begin + 6s, 3);
        CHECK(state.until() == begin + 16s);
    }
    SECTION("it is whole")
    {
        CHECK_FALSE(state.succeeded());
        fail_at(state, begin + 6s, 3);
        CHECK(state.standing(begin + 6s) == Standing::up);
    }
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
        std::chrono::seconds length{30};
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
        {"failures, but no cooldown", 3, {{fails, 0s}, {fails, 1s}}},
        {"no cooldowns by failures", 0, {{fails, 0s}, {fails, 1s}}},
        {"a wait of nothing", 3, {{asks_to_wait, 1s, 0s}}},
        {"a run of failures", 2, {{fails, 0s}, {fails, 5s}}, 5s, 10s},
        {"a wait", 3, {{asks_to_wait, 7s, 20s}}, 7s, 27s},
        {"a cooldown that is prolonged", 1, {{fails, 1s}, {fails, 2s}, {asks_to_wait, 3s, 500s}}, 1s, 503s},
        {"one after the other", 1, {{fails, 1s}, {fails, 100s}, {asks_to_wait, 500s, 21s}}, 1s, 521s},
        {"a wait, then failures", 1, {{asks_to_wait, 2s, 6s}, {fails, 60s}}, 2s, 70s},
    };
    for (const auto& each : cases) {
        CAPTURE(each.name);
        CooldownState state;
        for (const auto& event : each.events)
            if (event.what == fails)
                fail_at(state, begin + event.at, each.threshold);
            else
                ask_to_wait(state, begin + event.at, event.length, each.threshold);
        std::optional<CooldownState::Away> away;
        if (each.until > 0s)
            away = CooldownState::Away{begin + each.since, begin + each.until, true};
        CHECK(state.succeeded() == away);
        CHECK_FALSE(state.succeeded());
        CHECK(ask_to_wait(state, begin + 1h, 1s));
        CHECK(state.succeeded() == CooldownState::Away{begin + 1h, begin + 1h + 1s, true});
    }
}

TEST_CASE("an upstream is away to the success, or to the end of its cooldown")
{
    const CooldownState::Away away{begin, begin + 90s};
    CHECK(away.length(begin + 61s) == 61s);
    CHECK(away.length(begin + 90s) == 90s);
    CHECK(away.length(begin + 10h) == 90s);
}

TEST_CASE("an upstream that answers and refuses by turns is told of once a second")
{
    CooldownState state;
    int starts = 0;
    int ends = 0;
    for (auto time = 0ms; time < 10s; time += 10ms) {
        starts += ask_to_wait(state, begin + time, 30s) ? 1 : 0;
        CHECK(state.resting(begin + time));
        const auto away = state.succeeded();
        ends += away && away->told ? 1 : 0;
        CHECK_FALSE(state.resting(begin + time));
    }
    CHECK(starts == 10);
    CHECK(ends == 10);
}

TEST_CASE("a cooldown that was not told when it began is told with a later failure, or when it ends")
{
    CooldownState state;
    CHECK(ask_to_wait(state, begin, 30s));
    CHECK(state.succeeded());
    CHECK_FALSE(ask_to_wait(state, begin + 500ms, 600s));
    SECTION("a success")
    {
        CHECK(state.succeeded() == CooldownState::Away{begin + 500ms, begin + 600s + 500ms, false});
    }
    SECTION("a failure")
    {
        CHECK(ask_to_wait(state, begin + 2s, 1s));
        CHECK(state.until() == begin + 600s + 500ms);
        CHECK_FALSE(ask_to_wait(state, begin + 3s, 1s));
        CHECK(state.succeeded() == CooldownState::Away{begin + 500ms, begin + 600s + 500ms, true});
    }
}

TEST_CASE("of many threads that succeed at once, one is told that the upstream is back")
{
    constexpr int rounds = 200;
    for (int round = 0; round < rounds; ++round) {
        CooldownState state;
        fail_at(state, begin);
        std::atomic<int> told{0};
        std::vector<std::thread> running;
        for (int thread = 0; thread < 4; ++thread)
            running.emplace_back([&] { told += state.succeeded() ? 1 : 0; });
        for (auto& thread : running)
            thread.join();
        CHECK(told == 1);
    }
}

TEST_CASE("of many threads failing at once, one starts the cooldown")
{
    constexpr int threads = 8;
    constexpr int failures = 1000;
    CooldownState state;
    std::atomic<int> started{0};
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; ++thread)
        running.emplace_back([&] {
            for (int i = 0; i < failures; ++i)
                started += fail_at(state, begin, threads * failures / 2) ? 1 : 0;
        });
    for (auto& thread : running)
        thread.join();
    CHECK(started == 1);
    CHECK(state.until() == begin + 5s);
}

TEST_CASE("of many threads that ask at once, one probes")
{
    CooldownState state;
    fail_at(state, begin);
    for (int round = 0; round < 200; ++round) {
        std::atomic<int> probes{0};
        std::vector<std::thread> running;
        for (int thread = 0; thread < 4; ++thread)
            running.emplace_back([&] { probes += state.admit(begin + 5s) == Admission::probe ? 1 : 0; });
        for (auto& thread : running)
            thread.join();
        CHECK(probes == 1);
        state.release();
    }
}

TEST_CASE("threads may fail, succeed, probe, wait and look at once")
{
    CooldownState state;
    std::vector<std::thread> running;
    for (int thread = 0; thread < 8; ++thread)
        running.emplace_back([&state, thread] {
            for (int i = 0; i < 2000; ++i) {
                const auto time = begin + i * 1ms;
                if (thread % 4 == 0)
                    fail_at(state, time, 3, 1s);
                else if (thread % 4 == 1)
                    state.succeeded();
                else if (thread % 4 == 2)
                    ask_to_wait(state, time, 1s);
                else if (state.admit(time) == Admission::probe)
                    state.release();
            }
        });
    for (auto& thread : running)
        thread.join();
    CHECK(state.until() <= begin + 2000ms + 1s);
    if (const auto away = state.succeeded())
        CHECK(away->since >= begin);
    CHECK_FALSE(state.succeeded());
    CHECK(state.admit(begin) == Admission::free);
}
