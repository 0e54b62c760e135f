#include "notify/failure_windows.hpp"

#include "tests/notify/scripted_http.hpp"
#include "tests/support/catch.hpp"

using namespace route::notify;
using route::test::sample_failure;
using namespace std::chrono_literals;
using Verdict = FailureWindows::Verdict;

namespace {
const FailureWindows::TimePoint start{100h};
}

TEST_CASE("the first failure of a kind opens a window, equal ones are counted in it")
{
    FailureWindows windows{60s};
    CHECK(windows.next_end() == FailureWindows::TimePoint::max());
    CHECK(windows.count(sample_failure(), start) == Verdict::open);
    CHECK(windows.count(sample_failure(), start + 10s) == Verdict::counted);
    CHECK(windows.count(sample_failure(), start + 59s) == Verdict::counted);
    CHECK(windows.next_end() == start + 60s);
    CHECK(windows.take_ended(start + 59s).empty());
    const auto ended = windows.take_ended(start + 60s);
    REQUIRE(ended.size() == 1);
    REQUIRE(ended[0].group);
    CHECK(ended[0].group->count == 2);
}

TEST_CASE("another model, status or reason is another kind")
{
    FailureWindows windows{60s};
    CHECK(windows.count(sample_failure("a", 502, "x"), start) == Verdict::open);
    CHECK(windows.count(sample_failure("b", 502, "x"), start) == Verdict::open);
    CHECK(windows.count(sample_failure("a", 503, "x"), start) == Verdict::open);
    CHECK(windows.count(sample_failure("a", 502, "y"), start) == Verdict::open);
    auto elsewhere = sample_failure("a", 502, "x");
    elsewhere.ip = "5.6.7.8";
    CHECK(windows.count(elsewhere, start) == Verdict::counted);
}

TEST_CASE("failures that differ in an id only are equal")
{
    const auto kind = [](const std::string& reason) {
        auto failure = sample_failure();
        failure.reason = reason;
        return kind_of(failure);
    };
    CHECK(kind("error event: overloaded (request ID req_0123abcdef)") ==
          kind("error event: overloaded (request ID req_fedcba3210)"));
    CHECK(kind("01a21607-521c-7ee1-8300-474721d39ce7: no") ==
          kind("01a21607-5240-7d45-9aeb-97996fe4c48b: no"));
    CHECK(kind("status 500") != kind("status 502"));
    CHECK(kind("overloaded") != kind("overwhelmed by many requests"));
    CHECK(kind("everything-is-overloaded") != kind("everything-is-overwhelmed"));
}

TEST_CASE("a window in which nothing was counted is forgotten: the next failure is the first again")
{
    FailureWindows windows{60s};
    windows.count(sample_failure(), start);
    const auto ended = windows.take_ended(start + 60s);
    REQUIRE(ended.size() == 1);
    CHECK_FALSE(ended[0].group);
    windows.close(ended[0].kind, start + 60s);
    CHECK(windows.next_end() == FailureWindows::TimePoint::max());
    CHECK(windows.count(sample_failure(), start + 61s) == Verdict::open);
}

TEST_CASE("a renewed window counts on, and is told again at its end")
{
    FailureWindows windows{60s};
    windows.count(sample_failure(), start);
    windows.count(sample_failure(), start + 1s);
    const auto kind = windows.take_ended(start + 60s).at(0).kind;
    CHECK(windows.take_ended(start + 61s).empty());
    windows.renew(kind, start + 120s);
    CHECK(windows.count(sample_failure(), start + 61s) == Verdict::counted);
    CHECK(windows.take_ended(start + 120s).at(0).group->count == 1);
}

TEST_CASE("what is counted while a window is being told of is not lost with it")
{
    FailureWindows windows{60s};
    windows.count(sample_failure(), start);
    const auto kind = windows.take_ended(start + 60s).at(0).kind;
    windows.count(sample_failure(), start + 61s);
    windows.close(kind, start + 62s);
    CHECK(windows.next_end() == start + 122s);
    CHECK(windows.take_ended(start + 122s).at(0).group->count == 1);
}

TEST_CASE("a window that another router has opened ends with that one's")
{
    FailureWindows windows{60s};
    windows.count(sample_failure(), start);
    windows.join(sample_failure(), start + 20s);
    windows.count(sample_failure(), start + 5s);
    const auto ended = windows.take_ended(start + 20s);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].group->count == 2);
}

TEST_CASE("only so many failures are told at once; the others wait for the end of their windows")
{
    FailureWindows windows{60s};
    std::size_t at_once = 0;
    for (int i = 0; i < 100; ++i)
        at_once += windows.count(sample_failure(std::to_string(i)), start) == Verdict::open;
    CHECK(at_once == FailureWindows::most_at_once);
    std::uint64_t counted = 0;
    for (const auto& ended : windows.take_ended(start + 60s))
        counted += ended.group ? ended.group->count : 0;
    CHECK(counted == 100 - FailureWindows::most_at_once);
    CHECK(windows.count(sample_failure("later"), start + 60s) == Verdict::open);
}

TEST_CASE("failures of ever new kinds are counted together")
{
    FailureWindows windows{60s};
    for (int i = 0; i < 10'000; ++i)
        windows.count(sample_failure(std::to_string(i)), start);
    CHECK(windows.take_ended(start + 60s).size() == FailureWindows::most_kinds);
    CHECK(windows.take_others(start + 59s) == 0);
    CHECK(windows.take_others(start + 60s) == 10'000 - FailureWindows::most_kinds);
    CHECK(windows.take_others(start + 61s) == 0);
    CHECK(windows.next_end() == FailureWindows::TimePoint::max());
}
